//! What can be wrong with a trace.

use std::io;

use super::VERSION;

/// A file that is no trace, one of another version, or a damaged one.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The operating system refused.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Another kind of file.
    #[error("not a trace: it does not begin with LKSTTRAC")]
    NotATrace,
    /// Written by a newer version.
    #[error("trace version {0}, this lockstep reads up to {VERSION}: it was written by a newer one, which can read it")]
    Newer(u32),
    /// Written by an older version.
    #[error(
        "trace version {0}, this lockstep reads {VERSION}: record the run again, or use the lockstep that wrote it"
    )]
    Older(u32),
    /// The file ends before its head does.
    #[error("the trace is cut short in its head ({length} bytes): nothing of it can be used, record the run again")]
    NoHead {
        /// Length of the file.
        length: u64,
    },
    /// The head is damaged.
    #[error("the head of the trace, at byte {offset}: {reason}; nothing of it can be used, record the run again")]
    Head {
        /// Where its frame begins in the file.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// A frame is damaged.
    #[error("frame {frame} of the trace, at byte {offset}: {reason}")]
    Frame {
        /// Its number; the head is 0.
        frame: u32,
        /// Where it begins in the file.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// A blob is not what the head says.
    #[error("{name} in the trace: {reason}")]
    Blob {
        /// Its name.
        name: String,
        /// What is wrong.
        reason: String,
    },
}
