//! What makes a run reproducible.
//!
//! The simulated world is a pure function of (images, scenario, seed, decisions). Every choice that the
//! outside world could make (a latency, a boot time, a random number) is drawn through [`Decisions`], so that
//! the log of a run is enough to run it again. A run that spoke with the real network needs a [`Recording`] of that.

#![forbid(unsafe_code)]

pub mod decision;
pub mod recording;

pub use decision::{Decision, Decisions, Plan, Typical};
pub use recording::{Recording, RecordingError, RecordingWriter};
