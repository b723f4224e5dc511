//! The partition table in the first block of a card (MBR).

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::error::SdImageError;
use super::fat_kind::FatKind;
use super::geometry::Geometry;

/// Bytes of a block of a card.
pub const BLOCK_BYTES: u64 = 512;
/// Where the partition of a new image begins: real cards have it at a boundary of their allocation units.
pub const PARTITION_START: u64 = 4 << 20;

const ENTRIES: usize = 446;
const ENTRY_BYTES: usize = 16;
const SIGNATURE: [u8; 2] = [0x55, 0xaa];
/// Types of partitions that hold a FAT file system: FAT12, FAT16 below 32 MiB and above, FAT32, and the two with LBA.
const FAT_TYPES: [u8; 6] = [0x01, 0x04, 0x06, 0x0b, 0x0c, 0x0e];

/// The part of an image that holds its file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Offset of its first byte.
    pub start: u64,
    /// Its bytes.
    pub length: u64,
}

/// One entry of the table.
#[derive(Clone, Copy, Debug)]
struct Partition {
    number: usize,
    kind: u8,
    first_block: u32,
    blocks: u32,
}

/// The block that says: one partition of this kind, from [`PARTITION_START`] to the end of the card.
pub fn table(kind: FatKind, card_bytes: u64, disk_id: u32) -> [u8; 512] {
    let mut block = [0; 512];
    let first = PARTITION_START / BLOCK_BYTES;
    let count = (card_bytes - PARTITION_START) / BLOCK_BYTES;
    block[440..444].copy_from_slice(&disk_id.to_le_bytes());
    let entry = &mut block[ENTRIES..ENTRIES + ENTRY_BYTES];
    entry[1..4].copy_from_slice(&cylinder_head_sector(first));
    entry[4] = kind.partition_type();
    entry[5..8].copy_from_slice(&cylinder_head_sector(first + count - 1));
    // A card has at most 2^26 blocks.
    entry[8..12].copy_from_slice(&(first as u32).to_le_bytes());
    entry[12..16].copy_from_slice(&(count as u32).to_le_bytes());
    block[510..].copy_from_slice(&SIGNATURE);
    block
}

/// The old form of an address, with 255 heads and 63 sectors; the highest one where it does not reach.
fn cylinder_head_sector(block: u64) -> [u8; 3] {
    let (cylinder, head, sector) = (block / (255 * 63), block / 63 % 255, block % 63 + 1);
    if cylinder > 1023 {
        return [0xfe, 0xff, 0xff];
    }
    [head as u8, (sector | (cylinder >> 8) << 6) as u8, cylinder as u8]
}

/// Where the file system of an image is, and what its first block says: the whole image, or its first partition of a FAT
/// type. Logical partitions inside an extended one are not looked for: no card comes with them.
pub fn find<T: Read + Seek>(file: &mut T, image: &Path, image_bytes: u64) -> Result<(Place, Geometry), SdImageError> {
    let not_fat = |reason: String| SdImageError::NotFat { image: image.to_owned(), reason };
    if image_bytes < BLOCK_BYTES {
        return Err(not_fat(format!("has {image_bytes} bytes, less than one block of a card: not an image")));
    }
    let first = read_block(file, image, 0)?;
    if first[510..] != SIGNATURE {
        let reason = "bytes 510 and 511 are not 55 AA: neither a partition table nor a FAT; give a raw image of a card, or make one with `lockstep sd create`";
        return Err(not_fat(reason.into()));
    }
    let whole = Place { start: 0, length: image_bytes };
    let without_table = match Geometry::read(&first, image_bytes) {
        Ok(geometry) => return Ok((whole, geometry)),
        Err(reason) => reason,
    };
    let is_table = (0..4).all(|i| first[ENTRIES + i * ENTRY_BYTES] & 0x7f == 0);
    // A boot sector begins with a jump. Where one is, what is wrong with it is what the user wants to know.
    let is_boot_sector = matches!(first[0], 0xeb | 0xe9);
    let partitions = if is_table { partitions(&first) } else { Vec::new() };
    let Some(partition) = partitions.iter().find(|partition| FAT_TYPES.contains(&partition.kind)) else {
        if is_boot_sector || partitions.is_empty() {
            return Err(not_fat(without_table));
        }
        let kinds: Vec<String> = partitions.iter().map(|partition| format!("{:#04x}", partition.kind)).collect();
        return Err(not_fat(format!(
            "no partition of a FAT type in its table (types {}); format the card with FAT",
            kinds.join(", ")
        )));
    };
    let (start, length) = (u64::from(partition.first_block) * BLOCK_BYTES, u64::from(partition.blocks) * BLOCK_BYTES);
    if start == 0 || length == 0 || start + length > image_bytes {
        return Err(not_fat(format!(
            "partition {} (block {}, {} blocks) does not lie in the image, which has {} blocks: it was cut short, or is no card's; copy it from the card again",
            partition.number,
            partition.first_block,
            partition.blocks,
            image_bytes / BLOCK_BYTES
        )));
    }
    let geometry = Geometry::read(&read_block(file, image, start)?, length)
        .map_err(|reason| not_fat(format!("partition {}: {reason}", partition.number)))?;
    Ok((Place { start, length }, geometry))
}

fn read_block<T: Read + Seek>(file: &mut T, image: &Path, start: u64) -> Result<[u8; 512], SdImageError> {
    let mut block = [0; 512];
    file.seek(SeekFrom::Start(start)).map_err(SdImageError::io(image))?;
    file.read_exact(&mut block).map_err(SdImageError::io(image))?;
    Ok(block)
}

fn partitions(block: &[u8; 512]) -> Vec<Partition> {
    let word = |at: usize| u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]);
    let entries = (0..4).map(|i| {
        let at = ENTRIES + i * ENTRY_BYTES;
        Partition { number: i + 1, kind: block[at + 4], first_block: word(at + 8), blocks: word(at + 12) }
    });
    entries.filter(|partition| partition.kind != 0).collect()
}
