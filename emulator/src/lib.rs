//! Lockstep: a full-system emulator of the Particle Electron and its modem that runs unmodified firmware
//! deterministically in virtual time.

#![forbid(unsafe_code)]

pub mod clock;
pub mod cloud;
pub mod core;
pub mod electron;
pub mod explain;
pub mod fleet;
pub mod gdb;
pub mod hunt;
pub mod idle;
pub mod led;
pub mod machine;
pub mod observe;
pub mod oracle;
pub mod places;
pub mod power_cut;
pub mod rtos;
pub mod scenario;
pub mod semihosting;
pub mod session;
pub mod setup;
pub mod trace;
pub mod unmodelled;
pub mod watch;
pub mod world;

pub use machine::{Checkpoint, CoreState, Machine, MachineError, MachineParts, Snapshot, Stop};
pub use observe::{Seen, Stage};
