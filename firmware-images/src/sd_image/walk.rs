//! The way through all folders of a file system.

use std::io::{Read, Seek};
use std::vec::IntoIter;

use super::clusters::Clusters;
use super::entry::Entry;
use super::error::SdImageError;
use super::volume::Volume;

/// No path is longer, in bytes: it would take folders inside folders that no file system on a host has.
const MAX_PATH_BYTES: usize = 4096;

/// Goes to each entry below a folder: the folder's entry first, then what is in it. Clusters of folders that were met
/// are remembered, so that a folder which holds itself is met once.
#[derive(Debug)]
pub struct Walk {
    seen: Clusters,
    /// What is left of each folder that we are in.
    left: Vec<IntoIter<Entry>>,
}

impl Walk {
    /// Below this folder, or the root.
    pub fn new<T: Read + Seek>(volume: &mut Volume<T>, folder: Option<&Entry>) -> Result<Self, SdImageError> {
        let mut seen = volume.no_clusters();
        let entries = volume.folder(folder, Some(&mut seen))?;
        Ok(Self { seen, left: vec![entries.into_iter()] })
    }

    /// The next entry, whatever folder it is in.
    pub fn next<T: Read + Seek>(&mut self, volume: &mut Volume<T>) -> Result<Option<Entry>, SdImageError> {
        while let Some(folder) = self.left.last_mut() {
            let Some(entry) = folder.next() else {
                self.left.pop();
                continue;
            };
            if entry.is_folder {
                if entry.path.len() > MAX_PATH_BYTES {
                    return Err(volume.damaged("/", format!("a path of more than {MAX_PATH_BYTES} bytes")));
                }
                let entries = volume.folder(Some(&entry), Some(&mut self.seen))?;
                self.left.push(entries.into_iter());
            }
            return Ok(Some(entry));
        }
        Ok(None)
    }

    /// The next entry of the folder that we are in, without what is below it.
    pub fn next_here(&mut self) -> Option<Entry> {
        self.left.last_mut()?.next()
    }

    /// Clusters that were met.
    pub fn seen(&mut self) -> &mut Clusters {
        &mut self.seen
    }
}
