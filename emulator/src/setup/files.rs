//! Where the contents of files come from: the disk, or what a trace holds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lockstep_images::catalogue::VendorFile;
use lockstep_images::{FirmwareSet, images_dir, load_set_with, read_vendor_file};

use super::SetupError;

/// Larger files are none of ours: flash has 1 MB, and an ELF file with its debug information some 20 MB at most.
const LARGEST_FILE: u64 = 64 << 20;

/// Gives the contents of files.
pub trait Files {
    /// A whole file.
    fn read(&mut self, path: &Path) -> Result<Vec<u8>, SetupError>;
    /// Whether there is such a file.
    fn exists(&self, path: &Path) -> bool;
    /// Where a file lies on the disk, or would.
    fn place(&self, path: &Path) -> PathBuf {
        path.to_owned()
    }
    /// A file of the vendor's images of this version; from the folder of fetched images unless said otherwise.
    fn vendor(&mut self, version: &str, file: &'static VendorFile) -> Result<Vec<u8>, SetupError> {
        Ok(read_vendor_file(&images_dir(), version, file)?)
    }
}

/// The vendor's images of a version.
pub fn vendor_set(version: &str, files: &mut dyn Files) -> Result<FirmwareSet, SetupError> {
    load_set_with(version, |file| files.vendor(version, file))
}

/// The disk, seen from the working directory.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Files for Disk {
    fn read(&mut self, path: &Path) -> Result<Vec<u8>, SetupError> {
        let length = std::fs::metadata(path).map_err(SetupError::io(path))?.len();
        if length > LARGEST_FILE {
            let reason =
                format!("{length} bytes: larger than any firmware image or table (64 MB); is this the right file?");
            return Err(SetupError::File { path: path.to_owned(), reason });
        }
        std::fs::read(path).map_err(SetupError::io(path))
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }
}

/// The disk seen from a folder: a scenario's files are beside it. Remembers what was read, by the name it was asked for.
#[derive(Clone, Debug, Default)]
pub struct Folder {
    folder: PathBuf,
    read: BTreeMap<PathBuf, Vec<u8>>,
}

impl Folder {
    /// Paths are seen from `folder`.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), read: BTreeMap::new() }
    }

    /// What was read so far.
    pub fn contents(&self) -> &BTreeMap<PathBuf, Vec<u8>> {
        &self.read
    }
}

impl Files for Folder {
    fn read(&mut self, path: &Path) -> Result<Vec<u8>, SetupError> {
        if let Some(bytes) = self.read.get(path) {
            return Ok(bytes.clone());
        }
        let bytes = Disk.read(&self.folder.join(path))?;
        self.read.insert(path.to_owned(), bytes.clone());
        Ok(bytes)
    }

    fn exists(&self, path: &Path) -> bool {
        self.folder.join(path).exists()
    }

    fn place(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }
}

/// Contents kept in memory.
#[derive(Clone, Debug, Default)]
pub struct Kept(pub BTreeMap<PathBuf, Vec<u8>>);

impl Files for &Kept {
    fn read(&mut self, path: &Path) -> Result<Vec<u8>, SetupError> {
        self.0.get(path).cloned().ok_or_else(|| SetupError::File {
            path: path.to_owned(),
            reason: "not among the files that were read at the beginning".to_owned(),
        })
    }

    fn exists(&self, path: &Path) -> bool {
        self.0.contains_key(path)
    }
}
