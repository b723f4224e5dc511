//! What the tests make and look at.

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use lockstep_images::sd_image::{CreateOptions, FatKind, SdImageError, Volume};

/// A card of this size, with a partition table.
pub fn card(size: &str, kind: Option<FatKind>) -> CreateOptions {
    CreateOptions { size: size.parse().unwrap(), kind, label: None, volume_id: 0x1234_5678, has_partition_table: true }
}

/// A folder on the host with an image in it.
pub struct Desk {
    dir: tempfile::TempDir,
}

impl Desk {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn image(&self) -> PathBuf {
        self.path("card.img")
    }

    /// Writes a file, and the folders above it.
    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Writes an image, most of which is zeros.
    pub fn sparse_file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        let file = std::fs::File::create(&path).unwrap();
        file.set_len(bytes.len() as u64).unwrap();
        for (i, piece) in bytes.chunks(4096).enumerate() {
            if piece.iter().any(|byte| *byte != 0) {
                file.write_all_at(piece, i as u64 * 4096).unwrap();
            }
        }
        path
    }

    /// Names of all that is in the folder: whether something was left behind.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// Bytes that repeat nowhere soon.
pub fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..bytes).map(|_| next()).collect()
}

/// A file of an image.
pub fn get(image: &Path, path: &str) -> Result<Vec<u8>, SdImageError> {
    let mut content = Vec::new();
    Volume::open(image)?.read(path, |bytes| {
        content.extend_from_slice(bytes);
        Ok::<(), SdImageError>(())
    })?;
    Ok(content)
}

/// All paths of an image with the sizes of files; a folder has none.
pub fn tree(image: &Path) -> BTreeMap<String, Option<u32>> {
    let mut tree = BTreeMap::new();
    let mut volume = Volume::open(image).unwrap();
    volume
        .list("/", true, |entry| {
            tree.insert(entry.path.clone(), (!entry.is_folder).then_some(entry.bytes));
            Ok::<(), SdImageError>(())
        })
        .unwrap();
    tree
}
