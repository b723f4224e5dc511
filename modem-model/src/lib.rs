//! The u-blox SARA modem of the Particle Electron, and the network behind it.
//!
//! [`Modem`] is one serialisable struct without I/O: characters and pin levels go in with their times, characters and
//! pin levels come out with theirs, and [`Modem::advance`] brings it forward. Time is virtual, in picoseconds since
//! power-on of the world; every duration that varies on hardware is drawn from the seed through
//! [`Decisions`](lockstep_traces::Decisions).
//!
//! Facts: AT transcripts of genuine firmware, logs of real hardware, ITU-T V.250, 3GPP TS 27.005 and 27.007. What the
//! u-blox manual alone would settle is a setting in [`config`].

#![forbid(unsafe_code)]

pub mod at_log;
mod clock;
mod commands;
pub mod config;
mod direct_link;
pub mod duration;
pub mod errors;
pub mod events;
mod execution;
mod faults;
pub mod grammar;
pub mod ledger;
pub mod line;
mod messages;
pub mod modem;
pub mod network;
mod nvm;
mod output;
pub mod pdp;
pub mod percent;
mod ping;
pub mod power;
mod profile;
pub mod registration;
mod resolver;
mod serial_sleep;
mod sim;
pub mod sockets;
pub mod time;
mod urc;

pub use at_log::{AtLog, AtLogEntry, Direction};
pub use config::{Model, ModemConfig};
pub use events::{Change, Plan};
pub use ledger::CommandLedger;
pub use messages::SentMessage;
pub use modem::Modem;
pub use network::{Datagram, Network};
pub use output::Output;
pub use power::PowerState;
pub use registration::RegistrationStatus;
pub use sockets::SocketView;
