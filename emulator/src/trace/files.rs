//! The files of a run: noted when it is recorded, given back when it is repeated.

use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

use lockstep_images::catalogue::VendorFile;
use lockstep_traces::Hash;
use lockstep_traces::trace::{Blob, BlobSource, TraceReader};

use crate::setup::SetupError;
use crate::setup::files::{Disk, Files};

/// Whose bytes go into a trace; of the others the hash does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Embed {
    /// All: the trace can be repeated anywhere.
    #[default]
    All,
    /// All but the vendor's, which anybody can fetch.
    Own,
    /// Nobody's.
    None,
}

impl Embed {
    fn takes(self, source: &BlobSource) -> bool {
        match (self, source) {
            (Self::All, _) => true,
            (Self::Own, source) => !matches!(source, BlobSource::Vendor { .. }),
            (Self::None, _) => false,
        }
    }
}

/// Notes everything that is read.
pub struct Noted<'a> {
    from: &'a mut dyn Files,
    embed: Embed,
    blobs: Vec<Blob>,
}

impl<'a> Noted<'a> {
    /// Around a source of files.
    pub fn new(from: &'a mut dyn Files, embed: Embed) -> Self {
        Self { from, embed, blobs: Vec::new() }
    }

    /// What was read, each file once.
    pub fn into_blobs(self) -> Vec<Blob> {
        self.blobs
    }

    fn note(&mut self, name: String, source: BlobSource, bytes: &[u8]) {
        if !self.blobs.iter().any(|blob| blob.name == name) {
            let is_embedded = self.embed.takes(&source);
            self.blobs.push(Blob { name, source, bytes: bytes.to_vec(), is_embedded });
        }
    }
}

/// The name of one of the vendor's files.
fn vendor_name(version: &str, file: &VendorFile) -> String {
    format!("vendor/{version}/{}", file.file_name())
}

impl Files for Noted<'_> {
    fn read(&mut self, path: &Path) -> Result<Vec<u8>, SetupError> {
        let bytes = self.from.read(path)?;
        let place = self.from.place(path);
        let place = std::path::absolute(&place).unwrap_or(place);
        self.note(path.display().to_string(), BlobSource::File(place.display().to_string()), &bytes);
        Ok(bytes)
    }

    fn exists(&self, path: &Path) -> bool {
        self.from.exists(path)
    }

    fn place(&self, path: &Path) -> PathBuf {
        self.from.place(path)
    }

    fn vendor(&mut self, version: &str, file: &'static VendorFile) -> Result<Vec<u8>, SetupError> {
        let bytes = self.from.vendor(version, file)?;
        let source = BlobSource::Vendor {
            version: version.to_owned(),
            file: file.file_name().to_owned(),
            sha256: file.sha256.to_owned(),
        };
        self.note(vendor_name(version, file), source, &bytes);
        Ok(bytes)
    }
}

/// Gives the files that a trace holds; those of which it has the hash alone are taken from where they were, and must be
/// the same.
pub struct TraceFiles<'a, R> {
    trace: &'a mut TraceReader<R>,
}

impl<'a, R: Read + Seek> TraceFiles<'a, R> {
    /// The files of a trace.
    pub fn new(trace: &'a mut TraceReader<R>) -> Self {
        Self { trace }
    }

    /// The embedded bytes, or what is known of them.
    fn held(&mut self, name: &str) -> Result<Held, SetupError> {
        let failed = |reason: String| SetupError::File { path: name.into(), reason };
        let Some(index) = self.trace.blob_named(name) else {
            return Err(failed("the trace does not name this file; it was recorded by another lockstep".to_owned()));
        };
        if let Some(bytes) = self.trace.blob(index).map_err(|error| failed(error.to_string()))? {
            return Ok(Held::Bytes(bytes));
        }
        let info = self.trace.head().blobs.get(index);
        info.map(|info| Held::Hash(info.hash, info.source.clone())).ok_or_else(|| failed("no such file".to_owned()))
    }
}

enum Held {
    Bytes(Vec<u8>),
    Hash(Hash, BlobSource),
}

/// Refuses a file that is not the one that was recorded.
fn same(name: &Path, bytes: Vec<u8>, expected: Hash) -> Result<Vec<u8>, SetupError> {
    let found = Hash::of(&bytes);
    if found == expected {
        return Ok(bytes);
    }
    let reason = format!(
        "not the file that the trace was recorded with (BLAKE3 {expected}, here {found}); put that one there, or record \
         with --trace-images all"
    );
    Err(SetupError::File { path: name.to_owned(), reason })
}

impl<R: Read + Seek> Files for TraceFiles<'_, R> {
    fn read(&mut self, path: &Path) -> Result<Vec<u8>, SetupError> {
        match self.held(&path.display().to_string())? {
            Held::Bytes(bytes) => Ok(bytes),
            Held::Hash(hash, source) => {
                let place = match &source {
                    BlobSource::File(place) if Path::new(place).exists() => Path::new(place),
                    _ => path,
                };
                same(place, Disk.read(place)?, hash)
            }
        }
    }

    fn exists(&self, path: &Path) -> bool {
        self.trace.blob_named(&path.display().to_string()).is_some()
    }

    fn vendor(&mut self, version: &str, file: &'static VendorFile) -> Result<Vec<u8>, SetupError> {
        match self.held(&vendor_name(version, file))? {
            Held::Bytes(bytes) => Ok(bytes),
            Held::Hash(hash, _) => same(Path::new(file.file_name()), Disk.vendor(version, file)?, hash),
        }
    }
}
