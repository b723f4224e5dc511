//! What a part on an I2C bus looks like from the wire.

use crate::time::Now;

/// A part that answers on an I2C bus.
pub trait I2cTarget {
    /// Its 7-bit address.
    fn address(&self) -> u8;
    /// A start condition with its address: `read` is the direction as the master names it.
    fn start(&mut self, read: bool, now: Now);
    /// A byte from the master; `true` acknowledges it.
    fn write(&mut self, byte: u8) -> bool;
    /// The next byte for the master.
    fn read(&mut self) -> u8;
    /// A stop condition.
    fn stop(&mut self);
}
