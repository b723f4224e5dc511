//! What can be wrong with what the user gave.

use std::path::PathBuf;

use lockstep_images::app_config::AppConfigError;
use lockstep_images::dct::DctError;
use lockstep_images::{ImageError, PlaceError};

/// Bad usage or bad input. One line each; the text names the file or option, what is wrong and what to do.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// An image cannot be read.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// An image cannot be placed.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The machine refuses its parts, or the engine fails.
    #[error(transparent)]
    Machine(#[from] crate::MachineError),
    /// The operating system refused.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// File.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A device configuration table.
    #[error("{path}: {source}", path = path.display())]
    Dct {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: DctError,
    },
    /// The table for our device service does not go into flash.
    #[error("{0}; --no-cloud runs without the device service")]
    Provision(crate::cloud::ProvisionError),
    /// Our own application's settings.
    #[error("{path}: {source}", path = path.display())]
    App {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: AppConfigError,
    },
    /// A file in a format of ours.
    #[error("{path}: {reason}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// An option or a combination of them.
    #[error("{0}")]
    Usage(String),
}

impl SetupError {
    /// For `map_err` on file operations.
    pub fn io(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}
