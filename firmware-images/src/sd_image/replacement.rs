//! Files that appear under their name whole or not at all.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::error::SdImageError;

/// Bytes copied at once.
const PIECE_BYTES: usize = 1 << 16;

/// A file beside the one that it is to replace. Dropped before [`finish`](Self::finish), it leaves nothing behind.
#[derive(Debug)]
pub struct Replacement {
    target: PathBuf,
    file: NamedTempFile,
}

impl Replacement {
    /// An empty file, to become `target`.
    pub fn new(target: &Path) -> Result<Self, SdImageError> {
        // A symbolic link stays one; the file that it leads to is replaced.
        let target = fs::canonicalize(target).unwrap_or_else(|_| target.to_owned());
        let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        // Temporary files are private by default; this one becomes an ordinary file, with the user's umask.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder.tempfile_in(folder).map_err(SdImageError::io(&target))?;
        Ok(Self { target, file })
    }

    /// A copy of `target`, to be changed; holes stay holes.
    pub fn copy_of(target: &Path) -> Result<Self, SdImageError> {
        let copy = Self::new(target)?;
        let from = File::open(target).map_err(SdImageError::io(target))?;
        let about = from.metadata().map_err(SdImageError::io(target))?;
        copy.file.as_file().set_permissions(about.permissions()).map_err(SdImageError::io(target))?;
        copy_sparse(&from, copy.file.as_file(), about.len()).map_err(SdImageError::io(target))?;
        Ok(copy)
    }

    /// The file to write to.
    pub fn file(&self) -> &File {
        self.file.as_file()
    }

    /// Puts it in its place: over what is there, or only where nothing is.
    pub fn finish(self, may_replace: bool) -> Result<(), SdImageError> {
        let Self { target, file } = self;
        file.as_file().sync_all().map_err(SdImageError::io(&target))?;
        let done = if may_replace { file.persist(&target) } else { file.persist_noclobber(&target) };
        done.map(|_| ()).map_err(|error| match error.error.kind() {
            io::ErrorKind::AlreadyExists if !may_replace => SdImageError::Exists { path: target },
            _ => SdImageError::io(&target)(error.error),
        })
    }
}

fn copy_sparse(from: &File, to: &File, bytes: u64) -> io::Result<()> {
    // Where the file system shares blocks between files, a copy costs nothing.
    #[cfg(target_os = "linux")]
    if rustix::fs::ioctl_ficlone(to, from).is_ok() {
        return Ok(());
    }
    to.set_len(bytes)?;
    let mut end = 0;
    while let Some(start) = next_data(from, end, bytes) {
        end = end_of_data(from, start, bytes);
        copy_but_zeros(from, to, start, end)?;
    }
    Ok(())
}

/// Begin of the next part of a file that is no hole.
fn next_data(file: &File, from: u64, bytes: u64) -> Option<u64> {
    if from >= bytes {
        return None;
    }
    #[cfg(target_os = "linux")]
    match rustix::fs::seek(file, rustix::fs::SeekFrom::Data(from)) {
        // Never backwards, whatever the file system says: the copy must come to an end.
        Ok(start) => return Some(start.max(from)).filter(|start| *start < bytes),
        Err(rustix::io::Errno::NXIO) => return None,
        Err(_) => {}
    }
    let _ = file;
    Some(from)
}

/// End of the part that begins at `start`.
fn end_of_data(file: &File, start: u64, bytes: u64) -> u64 {
    #[cfg(target_os = "linux")]
    if let Ok(end) = rustix::fs::seek(file, rustix::fs::SeekFrom::Hole(start)) {
        return if end > start { end.min(bytes) } else { bytes };
    }
    let _ = (file, start);
    bytes
}

fn copy_but_zeros(mut from: &File, mut to: &File, start: u64, end: u64) -> io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    let mut at = start;
    while at < end {
        let bytes = (end - at).min(PIECE_BYTES as u64) as usize;
        from.seek(SeekFrom::Start(at))?;
        from.read_exact(&mut piece[..bytes])?;
        if piece[..bytes].iter().any(|byte| *byte != 0) {
            to.seek(SeekFrom::Start(at))?;
            to.write_all(&piece[..bytes])?;
        }
        at += bytes as u64;
    }
    Ok(())
}
