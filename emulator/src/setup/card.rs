//! The SD card of a device: where its content comes from.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lockstep_peripherals::board::sd_card::{BLOCK_BYTES, SdImage};

use super::SetupError;
use super::files::Files;

/// Content of a card at the beginning of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CardSource {
    /// Zeros, this many blocks of 512 bytes.
    Blank(u32),
    /// A raw image; the run does not change the file.
    File(PathBuf),
}

/// What sizes are written with.
const UNITS: [(char, u64); 3] = [('K', 1 << 10), ('M', 1 << 20), ('G', 1 << 30)];

/// Blocks of a size such as `512K`, `64M` or `4G`.
pub fn parse_size(text: &str) -> Result<u32, String> {
    let form = || format!("{text:?} is no size: write 512K, 64M or 4G");
    let (unit, factor) = UNITS.into_iter().find(|(unit, _)| text.ends_with(*unit)).ok_or_else(form)?;
    let count: u64 = text.trim_end_matches(unit).parse().map_err(|_| form())?;
    let blocks = count.checked_mul(factor).map(|bytes| bytes / BLOCK_BYTES as u64);
    let blocks = blocks.and_then(|blocks| u32::try_from(blocks).ok()).ok_or_else(form)?;
    SdImage::empty(blocks).map_err(|error| format!("a card {error}"))?;
    Ok(blocks)
}

/// A size in the largest unit that leaves no fraction.
pub fn write_size(blocks: u32) -> String {
    let bytes = u64::from(blocks) * BLOCK_BYTES as u64;
    let (unit, factor) =
        UNITS.into_iter().rev().find(|(_, factor)| bytes.is_multiple_of(*factor)).unwrap_or(('K', 1024));
    format!("{}{unit}", bytes / factor)
}

impl CardSource {
    /// The content.
    pub fn image(&self, files: &mut dyn Files) -> Result<Arc<SdImage>, SetupError> {
        let (name, image) = match self {
            Self::Blank(blocks) => (Path::new("blank card"), SdImage::empty(*blocks)),
            Self::File(path) => {
                let bytes = files.read(path)?;
                (path.as_path(), SdImage::read(bytes.as_slice(), bytes.len() as u64))
            }
        };
        image
            .map(Arc::new)
            .map_err(|error| SetupError::File { path: name.to_owned(), reason: format!("as a card, it {error}") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_back() {
        for size in ["512K", "64M", "2G", "32G", "1536K"] {
            assert_eq!(write_size(parse_size(size).unwrap()), size);
        }
        assert_eq!(parse_size("1024K").map(write_size).unwrap(), "1M");
        for wrong in ["", "64", "M", "64m", "-1M", "1K", "33G", "513K", "99999999999999999999G"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }
}
