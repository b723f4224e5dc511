//! Reading of a file system: what is in it, and whether it is whole.
//!
//! This does not use `fatfs`, which on a damaged image follows cycles for ever and takes clusters that are not there. All
//! loops here end: each looks at a cluster at most once, or stops at a length that FAT allows.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::clusters::Clusters;
use super::dots;
use super::entry::{Entry, entries};
use super::error::SdImageError;
use super::fat_kind::FatKind;
use super::geometry::Geometry;
use super::partition::{self, Place};
use super::walk::Walk;
use super::window::Window;

/// FAT allows a folder 65,536 entries.
const MAX_FOLDER_BYTES: u64 = 2 << 20;

/// The file system of an image, to be read.
#[derive(Debug)]
pub struct Volume<T> {
    pub(super) image: PathBuf,
    pub(super) place: Place,
    geometry: Geometry,
    window: Window<T>,
}

/// What the allocation table says of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Next(u32),
    End,
    Free,
    Bad,
}

impl Volume<File> {
    /// Opens the image in a file.
    pub fn open(image: &Path) -> Result<Self, SdImageError> {
        let about = std::fs::metadata(image).map_err(SdImageError::io(image))?;
        // To open a pipe would be to wait for somebody who writes to it.
        if !about.is_file() {
            let what = if about.is_dir() { "is a folder" } else { "is no regular file" };
            let reason = format!("{what}; give a raw image of a card");
            return Err(SdImageError::NotFat { image: image.to_owned(), reason });
        }
        let file = File::open(image).map_err(SdImageError::io(image))?;
        Self::new(file, image, about.len())
    }
}

impl<T: Read + Seek> Volume<T> {
    /// The image that `source` holds, of `bytes` bytes; `image` is its name for messages.
    pub fn new(mut source: T, image: &Path, bytes: u64) -> Result<Self, SdImageError> {
        let (place, geometry) = partition::find(&mut source, image, bytes)?;
        let window = Window::new(source, place.start, place.length);
        Ok(Self { image: image.to_owned(), place, geometry, window })
    }

    /// Which FAT it is.
    pub fn kind(&self) -> FatKind {
        self.geometry.kind
    }

    /// Bytes of a cluster.
    pub fn cluster_bytes(&self) -> u64 {
        self.geometry.cluster_bytes
    }

    /// Gives what is in a folder to `visit`, in the order of the image, with all that is below it if `is_recursive`; a
    /// file gives itself.
    pub fn list<E: From<SdImageError>>(
        &mut self,
        path: &str,
        is_recursive: bool,
        mut visit: impl FnMut(&Entry) -> Result<(), E>,
    ) -> Result<(), E> {
        let start = self.find(path)?;
        if let Some(file) = start.as_ref().filter(|entry| !entry.is_folder) {
            return visit(file);
        }
        let mut walk = Walk::new(self, start.as_ref())?;
        loop {
            let next = if is_recursive { walk.next(self)? } else { walk.next_here() };
            match next {
                Some(entry) => visit(&entry)?,
                None => return Ok(()),
            }
        }
    }

    /// Gives a file's content to `sink`, piece by piece; how many bytes it has.
    pub fn read<E: From<SdImageError>>(
        &mut self,
        path: &str,
        mut sink: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<u64, E> {
        let Some(file) = self.find(path)?.filter(|entry| !entry.is_folder) else {
            let found = "a folder; give the path of a file in it (`lockstep sd ls` lists them)";
            return Err(SdImageError::OtherThing { image: self.image.clone(), path: path.to_owned(), found }.into());
        };
        let mut left = u64::from(file.bytes);
        self.check_length(&file)?;
        let mut cluster = file.first_cluster;
        let mut seen = self.no_clusters();
        let mut piece = vec![0; self.geometry.cluster_bytes as usize];
        while left > 0 {
            self.take(cluster, &file.path, &mut seen)?;
            let bytes = left.min(piece.len() as u64) as usize;
            let start = self.geometry.cluster_start(cluster);
            self.window.read_at(start, &mut piece[..bytes]).map_err(SdImageError::io(&self.image))?;
            sink(&piece[..bytes])?;
            left -= bytes as u64;
            if left > 0 {
                cluster = self.next(cluster, &file.path)?.ok_or_else(|| self.short(&file, left))?;
            }
        }
        Ok(file.bytes.into())
    }

    /// Looks whether every chain of every file and folder is whole and nobody else's.
    pub fn check(&mut self) -> Result<(), SdImageError> {
        let mut walk = Walk::new(self, None)?;
        while let Some(entry) = walk.next(self)? {
            if !entry.is_folder {
                self.check_file(&entry, walk.seen())?;
            }
        }
        Ok(())
    }

    /// Room for files.
    pub fn free_bytes(&mut self) -> Result<u64, SdImageError> {
        let mut free = 0;
        for cluster in 2..self.geometry.clusters + 2 {
            free += u64::from(self.link(cluster)? == Link::Free);
        }
        Ok(free * self.geometry.cluster_bytes)
    }

    /// What has this path; `None` is the root.
    fn find(&mut self, path: &str) -> Result<Option<Entry>, SdImageError> {
        let mut found: Option<Entry> = None;
        for name in path.split('/').filter(|name| !name.is_empty() && *name != ".") {
            if name == ".." {
                let reason = "give the path from the root, without \"..\"".into();
                return Err(SdImageError::Name { path: path.to_owned(), reason });
            }
            if let Some(file) = found.as_ref().filter(|entry| !entry.is_folder) {
                let found = "a file, and has nothing in it";
                return Err(SdImageError::OtherThing { image: self.image.clone(), path: file.path.clone(), found });
            }
            let next = self.folder(found.as_ref(), None)?.into_iter().find(|entry| entry.is_named(name));
            let none = || SdImageError::NoSuchPath { image: self.image.clone(), path: path.to_owned() };
            found = Some(next.ok_or_else(none)?);
        }
        Ok(found)
    }

    /// The entries of a folder, of the root if it is `None`. Its clusters are marked in `seen` and must not have been.
    pub(super) fn folder(
        &mut self,
        folder: Option<&Entry>,
        mut seen: Option<&mut Clusters>,
    ) -> Result<Vec<Entry>, SdImageError> {
        let is_fat32 = self.geometry.kind == FatKind::Fat32;
        let path = folder.map_or("/", |folder| folder.path.as_str());
        let mut bytes = Vec::new();
        let chain = folder.map(|folder| folder.first_cluster).or(is_fat32.then_some(self.geometry.root_cluster));
        if let Some(mut cluster) = chain {
            loop {
                match &mut seen {
                    Some(seen) => self.take(cluster, path, seen)?,
                    None => self.has_cluster(cluster, path)?,
                }
                let done = bytes.len();
                if done as u64 >= MAX_FOLDER_BYTES.max(self.geometry.cluster_bytes) {
                    return Err(self.damaged(path, "a folder of more than 65536 entries".into()));
                }
                bytes.resize(done + self.geometry.cluster_bytes as usize, 0);
                self.read_at(self.geometry.cluster_start(cluster), &mut bytes[done..])?;
                match self.next(cluster, path)? {
                    Some(next) => cluster = next,
                    None => break,
                }
            }
        } else {
            bytes.resize(self.geometry.root_bytes as usize, 0);
            self.read_at(self.geometry.root_start, &mut bytes)?;
        }
        Ok(entries(&bytes, path, is_fat32))
    }

    /// An empty set of its clusters.
    pub(super) fn no_clusters(&self) -> Clusters {
        Clusters::new(self.geometry.clusters)
    }

    fn check_file(&mut self, file: &Entry, seen: &mut Clusters) -> Result<(), SdImageError> {
        self.check_length(file)?;
        let mut room = 0;
        let mut next = Some(file.first_cluster).filter(|cluster| *cluster != 0);
        while let Some(cluster) = next {
            self.take(cluster, &file.path, seen)?;
            room += self.geometry.cluster_bytes;
            next = self.next(cluster, &file.path)?;
        }
        let bytes = u64::from(file.bytes);
        if room < bytes { Err(self.short(file, bytes - room)) } else { Ok(()) }
    }

    fn check_length(&self, file: &Entry) -> Result<(), SdImageError> {
        let room = u64::from(self.geometry.clusters) * self.geometry.cluster_bytes;
        if u64::from(file.bytes) > room {
            let reason = format!("a file of {} bytes in a file system of {room} bytes", file.bytes);
            return Err(self.damaged(&file.path, reason));
        }
        Ok(())
    }

    fn has_cluster(&self, cluster: u32, path: &str) -> Result<(), SdImageError> {
        if self.geometry.has_cluster(cluster) {
            return Ok(());
        }
        let last = self.geometry.clusters + 1;
        Err(self.damaged(path, format!("it has cluster {cluster}, and there are the clusters 2 to {last}")))
    }

    /// Marks a cluster, which must be one and not have been marked.
    fn take(&self, cluster: u32, path: &str, seen: &mut Clusters) -> Result<(), SdImageError> {
        self.has_cluster(cluster, path)?;
        if seen.insert(cluster) {
            return Ok(());
        }
        Err(self.damaged(path, format!("its cluster {cluster} belongs to something else too, or to itself twice")))
    }

    /// The next cluster of a chain; `None` at its end.
    fn next(&mut self, cluster: u32, path: &str) -> Result<Option<u32>, SdImageError> {
        match self.link(cluster)? {
            Link::Next(next) => Ok(Some(next)),
            Link::End => Ok(None),
            Link::Free => Err(self.damaged(path, format!("its cluster {cluster} is marked as free"))),
            Link::Bad => Err(self.damaged(path, format!("its cluster {cluster} is marked as bad"))),
        }
    }

    fn link(&mut self, cluster: u32) -> Result<Link, SdImageError> {
        let offset = u64::from(cluster) * u64::from(self.geometry.kind.bits()) / 8;
        let mut bytes = [0; 4];
        let width = if self.geometry.kind == FatKind::Fat32 { 4 } else { 2 };
        self.read_at(self.geometry.fat_start + offset, &mut bytes[..width])?;
        let value = u32::from_le_bytes(bytes);
        let (value, ends) = match self.geometry.kind {
            FatKind::Fat12 if cluster % 2 == 1 => (value >> 4, 0xff8),
            FatKind::Fat12 => (value & 0xfff, 0xff8),
            FatKind::Fat16 => (value, 0xfff8),
            FatKind::Fat32 => (value & 0x0fff_ffff, 0x0fff_fff8),
        };
        Ok(match value {
            0 => Link::Free,
            _ if value >= ends => Link::End,
            _ if value == ends - 1 => Link::Bad,
            next => Link::Next(next),
        })
    }

    fn read_at(&mut self, offset: u64, bytes: &mut [u8]) -> Result<(), SdImageError> {
        self.window.read_at(offset, bytes).map_err(SdImageError::io(&self.image))
    }

    pub(super) fn damaged(&self, path: &str, reason: String) -> SdImageError {
        SdImageError::Damaged { image: self.image.clone(), place: path.to_owned(), reason }
    }

    fn short(&self, file: &Entry, missing: u64) -> SdImageError {
        self.damaged(&file.path, format!("has {} bytes, but its clusters end {missing} bytes before", file.bytes))
    }
}

impl<T: Read + Write + Seek> Volume<T> {
    /// Puts right the first entries of a folder that `fatfs` may have made.
    pub(super) fn repair_dots(&mut self, path: &str) -> Result<(), SdImageError> {
        let above = path.rsplit_once('/').map_or("", |(above, _)| above);
        let parent = self.find(above)?.map_or(0, |parent| parent.first_cluster);
        if let Some(folder) = self.find(path)? {
            self.has_cluster(folder.first_cluster, &folder.path)?;
            let start = self.geometry.cluster_start(folder.first_cluster);
            dots::repair(&mut self.window, start, parent).map_err(SdImageError::io(&self.image))?;
        }
        Ok(())
    }
}
