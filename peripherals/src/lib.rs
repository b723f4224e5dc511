//! The STM32F205's on-chip peripherals and the parts of the Electron's board.
//!
//! Every device is a plain struct that sees (time, access or event) and gives back (value, events, line levels). It
//! holds its whole state, is serialisable, and knows no thread, no wall clock and no I/O. A register table is the
//! specification of a peripheral: offset, reset value, every bit by name, the manual's section beside it.
//!
//! Manuals cited: RM0033 (STM32F20x reference manual), PM0059 (F20x flash programming), PM0056 (Cortex-M3), the
//! ARMv7-M Architecture Reference Manual, and the data sheets of the board's parts.

#![forbid(unsafe_code)]

pub mod backup_sram;
pub mod board;
pub mod clock_ticks;
pub mod crc;
pub mod dbgmcu;
pub mod device;
pub mod dma;
pub mod exti;
pub mod flash;
pub mod gpio;
pub mod i2c;
pub mod iwdg;
pub mod ledger;
pub mod named_block;
pub mod otg_fs;
pub mod pwr;
pub mod rcc;
pub mod registers;
pub mod rng;
pub mod rtc;
pub mod soc;
pub mod spi;
pub mod syscfg;
#[cfg(test)]
pub mod testing;
pub mod tim;
pub mod time;
pub mod usart;
pub mod wwdg;

pub use device::{Board, Cx, Device, Memory, Pin, Port, UartFrame};
pub use dma::{Dma, DmaBus, Served};
pub use ledger::Ledger;
pub use registers::{Access, Field, Register, RegisterFile};
pub use spi::{Spi, SpiEdge, SpiFrame, SpiPins};
pub use time::{Clocks, Now, Wake};
pub use usart::Usart;
