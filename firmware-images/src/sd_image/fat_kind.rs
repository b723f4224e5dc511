//! FAT12, FAT16 and FAT32: which one a file system is follows from the number of its clusters, and from nothing else.

use std::fmt;

/// Width of an entry of the allocation table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FatKind {
    /// Entries of 12 bits.
    Fat12,
    /// Entries of 16 bits.
    Fat16,
    /// Entries of 32 bits, of which 28 count.
    Fat32,
}

/// Fewest clusters of FAT16.
const FAT16_MIN_CLUSTERS: u32 = 4085;
/// Fewest clusters of FAT32.
const FAT32_MIN_CLUSTERS: u32 = 65_525;
/// Most clusters of FAT32: the numbers above have a meaning of their own.
const FAT32_MAX_CLUSTERS: u32 = 0x0fff_fff5;

impl FatKind {
    /// The kind that has this many clusters; `None` if they are more than any has.
    pub fn of_clusters(clusters: u64) -> Option<Self> {
        match u32::try_from(clusters).ok()? {
            0..FAT16_MIN_CLUSTERS => Some(Self::Fat12),
            FAT16_MIN_CLUSTERS..FAT32_MIN_CLUSTERS => Some(Self::Fat16),
            FAT32_MIN_CLUSTERS..=FAT32_MAX_CLUSTERS => Some(Self::Fat32),
            _ => None,
        }
    }

    /// Bits of an entry.
    pub fn bits(self) -> u32 {
        match self {
            Self::Fat12 => 12,
            Self::Fat16 => 16,
            Self::Fat32 => 32,
        }
    }

    /// Type byte of a partition that holds it, with addresses in blocks (LBA) where there is such a type.
    pub fn partition_type(self) -> u8 {
        match self {
            Self::Fat12 => 0x01,
            Self::Fat16 => 0x0e,
            Self::Fat32 => 0x0c,
        }
    }

    /// For which sizes of a file system there is a cluster size that gives this kind.
    pub(super) fn fits(self) -> &'static str {
        match self {
            Self::Fat12 => "FAT12 is for up to 127 MiB; take another --fat, or a smaller --size",
            Self::Fat16 => "FAT16 is for 2.5 MiB to 2047 MiB; take another --fat, or another --size",
            Self::Fat32 => "FAT32 is for 33 MiB and more; take another --fat, or a larger --size",
        }
    }
}

impl fmt::Display for FatKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FAT{}", self.bits())
    }
}
