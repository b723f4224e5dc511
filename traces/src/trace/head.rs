//! The head of a trace: what is needed to run again.

use serde::{Deserialize, Serialize};

use crate::{Hash, Plan};

/// What is needed to run again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Program that wrote it, with its version.
    pub program: String,
    /// Revision of the simulated world: programs with the same one give the same run.
    pub model: String,
    /// Seed of every choice of the outside world.
    pub seed: u64,
    /// Which choices were not drawn from it.
    pub plan: Plan,
    /// The machine before its first instruction.
    pub start: StartState,
    /// Images in flash, in the order in which they were put there.
    pub images: Vec<ImageInfo>,
    /// What to run.
    pub run: RunText,
    /// Files that it needs, by name.
    pub blobs: Vec<BlobInfo>,
    /// A [`super::Record::State`] falls on each multiple of this many instructions; 0: none was wanted.
    pub hash_every: u64,
    /// Whether the real network took part: its events are among the records.
    pub has_outside: bool,
}

/// The machine before its first instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartState {
    /// Virtual time in picoseconds.
    pub time_ps: u64,
    /// Instructions executed.
    pub instructions: u64,
    /// Hash of the whole state: images, seed and all settings.
    pub state: Hash,
    /// Hash of the whole content of flash.
    pub flash: Hash,
}

/// An image, to tell whether two runs have the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageInfo {
    /// Its name, mostly a path.
    pub name: String,
    /// Address of its first byte.
    pub address: u32,
    /// Bytes in it.
    pub length: u64,
    /// Hash of its bytes.
    pub hash: Hash,
}

/// What to run, in a form of its own version that this crate does not look into.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunText {
    /// The form, for example `arguments` or `scenario`.
    pub form: String,
    /// Version of the form.
    pub version: u32,
    /// Where it came from: the scenario's file name; empty for arguments.
    pub name: String,
    /// The text.
    pub text: String,
}

/// A file that the run needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobInfo {
    /// Its name; what is to be run refers to it by this.
    pub name: String,
    /// Length in bytes.
    pub length: u64,
    /// Hash of its bytes.
    pub hash: Hash,
    /// Where it is from.
    pub source: BlobSource,
    /// Whether its bytes are in the file.
    pub is_embedded: bool,
}

/// Where a blob is from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BlobSource {
    /// A file that the user named: its path.
    File(String),
    /// A file of the vendor's images, which anybody can fetch: firmware version, file name, SHA-256 in hexadecimal.
    Vendor {
        /// Firmware version.
        version: String,
        /// File name.
        file: String,
        /// SHA-256 in hexadecimal.
        sha256: String,
    },
    /// Made by the program from the others.
    Made,
}

/// A blob with its bytes; without them only its length and hash go into the file.
#[derive(Clone, Debug)]
pub struct Blob {
    /// Its name.
    pub name: String,
    /// Where it is from.
    pub source: BlobSource,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Whether the bytes go into the file.
    pub is_embedded: bool,
}

impl Blob {
    /// What the head says of it.
    pub fn info(&self) -> BlobInfo {
        BlobInfo {
            name: self.name.clone(),
            length: self.bytes.len() as u64,
            hash: Hash::of(&self.bytes),
            source: self.source.clone(),
            is_embedded: self.is_embedded,
        }
    }
}
