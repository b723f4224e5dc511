//! From what a user gives (files, versions, settings, commands to the operator of the device service, presses of
//! buttons) to a machine: shared by the command line and by scenarios.

pub mod app;
pub mod card;
pub mod duration;
mod error;
pub mod files;
pub mod load;
pub mod operator;
pub mod options;
mod parts;
pub mod press;
pub mod settings;
pub mod words;

pub use error::SetupError;
pub use load::{CloudSpec, DeviceSpec, Guest};
pub use parts::Parts;
