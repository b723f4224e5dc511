//! Explanations: what a device did at a moment, and why, as far as the evidence goes.
//!
//! [`History`] keeps what is needed while a run goes on; [`Moment`] is one moment of it, whole; [`Explanation::of`] makes
//! from it what can be said, and [`page`] a page of text. Every sentence of the chain of causes names its evidence.

mod cause;
mod fault;
mod history;
mod moment;
mod page;
mod report;
mod threads;

pub use cause::Cause;
pub use fault::{FaultReport, ReturnSlot, decode_cfsr, decode_hfsr, neighbours};
pub use history::{AtSeen, History, OverTheAir};
pub use moment::{FaultStatus, Moment, Reason};
pub use page::{page, thread_text};
pub use report::{Evidence, Explanation, Finding, LastWrite, Unanswered};
pub use threads::{ChainReport, FrameReport, ObjectReport, ThreadReport};

#[cfg(test)]
mod tests;
