//! The parts of the Electron's board around the microcontroller.

pub mod bq24195;
pub mod button;
pub mod i2c_target;
pub mod led;
pub mod max17043;
pub mod part;
pub mod pin_names;
pub mod sd_card;
pub mod sd_slot;
pub mod watchdog;

pub use bq24195::Bq24195;
pub use button::Button;
pub use i2c_target::I2cTarget;
pub use led::{Colour, LedState, Pattern, Rgb, RgbLed};
pub use max17043::Max17043;
pub use part::Part;
pub use sd_slot::{SdPins, SdSlot};
pub use watchdog::{Watchdog, WatchdogConfig};
