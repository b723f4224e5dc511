//! What makes a run reproducible.
//!
//! The simulated world is a pure function of (images, scenario, seed, decisions). Every choice that the
//! outside world could make (a latency, a boot time, a random number) is drawn through [`Decisions`], so that
//! the log of a run is enough to run it again.

#![forbid(unsafe_code)]

pub mod decision;

pub use decision::{Decision, Decisions};
