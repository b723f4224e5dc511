//! The symbolic link by which programs find the pseudo-terminal.

use std::fs;
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// Where the system makes pseudo-terminals.
const SLAVES: &str = "/dev/pts";

/// A link to a slave; gone when this is dropped.
#[derive(Debug)]
pub struct Link {
    path: PathBuf,
    target: PathBuf,
}

impl Link {
    /// Makes it. What is there already stays, unless it is such a link left behind by a process that was killed.
    pub fn new(path: &Path, target: &Path) -> Result<Self> {
        if is_left_behind(path) {
            fs::remove_file(path)?;
        }
        symlink(target, path).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => {
                Error::new(error.kind(), "there is something already, and it is not overwritten; give another name")
            }
            _ => error,
        })?;
        Ok(Self { path: path.to_owned(), target: target.to_owned() })
    }
}

/// A link to a pseudo-terminal that is no more.
fn is_left_behind(path: &Path) -> bool {
    fs::read_link(path).is_ok_and(|target| target.starts_with(SLAVES)) && !path.exists()
}

impl Drop for Link {
    fn drop(&mut self) {
        // Somebody may have put a link of their own in its place.
        if fs::read_link(&self.path).is_ok_and(|target| target == self.target) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_dangling_link_to_a_pseudo_terminal_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("modem");
        let target = Path::new("/dev/pts/4000000");
        let refused = || Link::new(&path, target).unwrap_err().kind() == ErrorKind::AlreadyExists;

        fs::write(&path, "a file").unwrap();
        assert!(refused());
        assert_eq!(fs::read(&path).unwrap(), b"a file");
        fs::remove_file(&path).unwrap();

        symlink("/nowhere", &path).unwrap();
        assert!(refused(), "a dangling link, but not ours");
        fs::remove_file(&path).unwrap();

        symlink("/dev/pts/ptmx", &path).unwrap();
        assert!(refused(), "it leads somewhere");
        fs::remove_file(&path).unwrap();

        symlink("/dev/pts/4000001", &path).unwrap();
        let link = Link::new(&path, target).unwrap();
        assert_eq!(fs::read_link(&path).unwrap(), target);
        drop(link);
        assert!(fs::symlink_metadata(&path).is_err());
    }

    #[test]
    fn a_link_that_somebody_replaced_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("modem");
        let link = Link::new(&path, Path::new("/dev/pts/4000000")).unwrap();
        fs::remove_file(&path).unwrap();
        symlink("/dev/null", &path).unwrap();
        drop(link);
        assert_eq!(fs::read_link(&path).unwrap(), Path::new("/dev/null"));
    }
}
