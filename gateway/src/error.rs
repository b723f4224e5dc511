//! What ends the program.

use std::path::PathBuf;

use lockstep_gateway_protocol::FrameError;

/// One line each; the text names what is wrong and what to do.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The runtime.
    #[error("cannot start: {0}")]
    Runtime(std::io::Error),
    /// The Unix socket.
    #[error("{path}: {reason}", path = path.display())]
    Socket {
        /// Its path.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A rule's other place cannot be resolved.
    #[error("--allow {rule}: {reason}")]
    Target {
        /// The rule.
        rule: String,
        /// What is wrong.
        reason: String,
    },
    /// The broker.
    #[error("{broker}: {reason}")]
    Broker {
        /// Its address.
        broker: String,
        /// What is wrong.
        reason: String,
    },
    /// Standard output is gone.
    #[error("cannot write to standard output: {0}")]
    Output(std::io::Error),
}

/// What ends the session of one run.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// Not a run of ours.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// It is of another version.
    #[error("the run speaks version {0} of the protocol, this gateway {ours}", ours = lockstep_gateway_protocol::VERSION)]
    Version(u32),
    /// It does what no run does.
    #[error("the run broke the protocol: {0}")]
    Protocol(String),
    /// The Unix socket.
    #[error("the run's socket: {0}")]
    Io(#[from] std::io::Error),
}
