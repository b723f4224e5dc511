//! Why a command cannot be carried out; all of it ends in exit code 2.

use lockstep::MachineError;
use lockstep::setup::SetupError;
use lockstep_images::sd_image::SdImageError;
use lockstep_images::{FetchError, ImageError};

/// Bad usage or bad input. One line each; the text names the file or option, what is wrong and what to do.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// What was given cannot be used.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// Images cannot be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// An image of an SD card.
    #[error(transparent)]
    SdImage(#[from] SdImageError),
    /// Standard output is gone.
    #[error("cannot write to standard output: {0}")]
    Output(#[from] std::io::Error),
}

impl From<MachineError> for CliError {
    fn from(error: MachineError) -> Self {
        SetupError::from(error).into()
    }
}

impl From<ImageError> for CliError {
    fn from(error: ImageError) -> Self {
        SetupError::from(error).into()
    }
}

impl CliError {
    /// A wrong option or combination of them.
    pub fn usage(text: impl Into<String>) -> Self {
        SetupError::Usage(text.into()).into()
    }

    /// A file in a format of ours: what is wrong with it, and what to do.
    pub fn file(path: &std::path::Path, reason: impl Into<String>) -> Self {
        SetupError::File { path: path.to_owned(), reason: reason.into() }.into()
    }

    /// For `map_err` on file operations.
    pub fn io(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let wrap = SetupError::io(path);
        move |source| wrap(source).into()
    }
}
