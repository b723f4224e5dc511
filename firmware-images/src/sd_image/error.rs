//! What can be wrong with an image of a card, or with what is to be done to it.

use std::io;
use std::path::{Path, PathBuf};

use super::fat_kind::FatKind;

/// What is wrong: which file, which place in it, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum SdImageError {
    /// The operating system refused.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No card has this size.
    #[error(
        "{given}: no size of a card; a card has a whole number of 512 KiB, from 512K up to 2G (SDSC), or above that up to 32G (SDHC): 64M, 512M, 2G, 8G ..."
    )]
    Size {
        /// What was given.
        given: String,
    },
    /// Too little room, or too much, for a file system of this kind.
    #[error("{kind} does not fit a file system of {bytes} bytes: {remedy}")]
    KindForSize {
        /// The kind.
        kind: FatKind,
        /// Size of the file system.
        bytes: u64,
        /// Which sizes it does fit.
        remedy: &'static str,
    },
    /// The partition would begin behind the end of the card.
    #[error(
        "a card of {bytes} bytes has no room for a partition, which begins at 4 MiB: take a size from 4608K, or --no-partition-table"
    )]
    NoRoomForPartition {
        /// Size of the card.
        bytes: u64,
    },
    /// Not a label.
    #[error("label {label:?}: {reason}")]
    Label {
        /// The label.
        label: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The image is there already.
    #[error("{path}: is there already; --force writes a new one in its place", path = path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// No file system that can be read.
    #[error("{image}: {reason}", image = image.display())]
    NotFat {
        /// The image.
        image: PathBuf,
        /// What was expected where, and what to do.
        reason: String,
    },
    /// The file system contradicts itself.
    #[error("{image}: {place}: {reason}; repair a copy of it with fsck.vfat, or make a new image", image = image.display())]
    Damaged {
        /// The image.
        image: PathBuf,
        /// Path of the file or folder in it.
        place: String,
        /// What is wrong there.
        reason: String,
    },
    /// Nothing has this path in the image.
    #[error("{image}: has no {path}; `lockstep sd ls -r` lists what it has", image = image.display())]
    NoSuchPath {
        /// The image.
        image: PathBuf,
        /// Path in it.
        path: String,
    },
    /// A folder where a file was expected, or the other way round.
    #[error("{image}: {path} is {found}", image = image.display())]
    OtherThing {
        /// The image.
        image: PathBuf,
        /// Path in it.
        path: String,
        /// What it is, and what to do.
        found: &'static str,
    },
    /// A file on the host that cannot go into an image.
    #[error("{path}: {reason}", path = path.display())]
    Source {
        /// The file.
        path: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// A path that FAT cannot have.
    #[error("{path:?}: {reason}")]
    Name {
        /// The path.
        path: String,
        /// Why, and what to do.
        reason: String,
    },
    /// The files do not fit.
    #[error("{image}: {path} does not fit, {free_bytes} bytes were free before; the image is as it was", image = image.display())]
    Full {
        /// The image.
        image: PathBuf,
        /// The file that found no place.
        path: String,
        /// Room for files before any was put.
        free_bytes: u64,
    },
    /// The writer of file systems refused.
    #[error("{image}: {path}: {reason}; the image is as it was", image = image.display())]
    Write {
        /// The image.
        image: PathBuf,
        /// What was to be written.
        path: String,
        /// What it said.
        reason: String,
    },
}

impl SdImageError {
    /// For `map_err` on file operations.
    pub fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}
