//! What ARMv7-M puts around the instruction set: exceptions, system control space, SysTick, DWT.
//!
//! The engine executes instructions; everything that takes or returns from an exception, and every register of the
//! private peripheral bus, is here. References: ARMv7-M Architecture Reference Manual (DDI 0403), PM0056.

pub mod dwt;
pub mod entry;
pub mod exceptions;
pub mod faults;
pub mod scs;
pub mod systick;

pub use exceptions::{Exceptions, Masks};
pub use scs::Scs;
