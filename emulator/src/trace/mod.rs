//! Traces of whole runs: recorded as they go on, repeated and compared, compared with each other.
//!
//! [`lockstep_traces::trace`] has the file and its records; here is what an emulator puts into it and gets out of it.

pub mod compare;
pub mod convert;
pub mod diff;
mod explained;
mod file;
mod files;
mod follow;
mod record;
mod recorder;
mod rerun;
mod scenario_run;
mod spec;
mod tracer;
mod verifier;

pub use explained::explain_run;
pub use file::{TraceFile, describe, describe_pair, describe_record, open, readable_ps};
pub use files::{Embed, Noted, TraceFiles};
pub use follow::{End, follow};
pub use record::{Played, Repeated, ScenarioEnd, play, record, record_again, repeat};
pub use recorder::Recorder;
pub use rerun::{Rerun, Shown};
pub use scenario_run::ScenarioRun;
pub use spec::{Prepared, RunSpec, check_start, head};
pub use tracer::{Tracer, Trouble};
pub use verifier::{Divergence, Verifier};

/// Revision of the simulated world: counted up whenever the same images, settings, seed and plan give another run.
pub const MODEL: &str = "1";

/// A state hash falls on each multiple of this many instructions unless another number is asked for: about every half
/// second of virtual time.
pub const HASH_EVERY: u64 = 40_000_000;
