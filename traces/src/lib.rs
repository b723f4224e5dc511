//! What makes a run reproducible.
//!
//! The simulated world is a pure function of (images, scenario, seed, decisions). Every choice that the
//! outside world could make (a latency, a boot time, a random number) is drawn through [`Decisions`], so that
//! the log of a run is enough to run it again. A run that spoke with the real network needs a [`Recording`] of that.
//! A [`trace`] holds all of it in one file, and what was observed.

#![forbid(unsafe_code)]

pub mod decision;
mod hash;
pub mod recording;
pub mod trace;

pub use decision::{Decision, Decisions, Plan, Typical};
pub use hash::Hash;
pub use recording::{Recording, RecordingError, RecordingWriter};
