//! The first sector of a FAT file system (BPB): its numbers, checked against each other and against the room there is.

use super::fat_kind::FatKind;

/// Bytes of an entry of a folder.
pub const ENTRY_BYTES: u64 = 32;

/// Where the parts of a file system are, in bytes from its begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// By the number of clusters.
    pub kind: FatKind,
    /// Bytes of a cluster.
    pub cluster_bytes: u64,
    /// Clusters; they have the numbers from 2 on.
    pub clusters: u32,
    /// The allocation table that counts.
    pub fat_start: u64,
    /// The root folder of FAT12 and FAT16, which is no chain of clusters.
    pub root_start: u64,
    /// Its length; 0 with FAT32.
    pub root_bytes: u64,
    /// First cluster of the root folder of FAT32.
    pub root_cluster: u32,
    /// Cluster 2.
    pub data_start: u64,
}

impl Geometry {
    /// Reads the first sector of a file system that has `room_bytes`; if it cannot be one, says why.
    ///
    /// After this, all places of the file system lie in the room, and no sum or product of these numbers in `fatfs`,
    /// which counts in 32 bits and does not check, leaves them.
    pub fn read(sector: &[u8; 512], room_bytes: u64) -> Result<Self, String> {
        let half = |at: usize| u64::from(u16::from_le_bytes([sector[at], sector[at + 1]]));
        let word = |at: usize| half(at) | half(at + 2) << 16;
        let no_fat =
            |what: String| format!("no FAT: {what}; format the card, or make an image with `lockstep sd create`");
        if sector[510..] != [0x55, 0xaa] {
            return Err(no_fat("its first sector does not end with 55 AA".into()));
        }
        let sector_bytes = half(11);
        if ![512, 1024, 2048, 4096].contains(&sector_bytes) {
            return Err(no_fat(format!(
                "bytes per sector (offset 11) are {sector_bytes}, not 512, 1024, 2048 or 4096"
            )));
        }
        let cluster_sectors = u64::from(sector[13]);
        if !cluster_sectors.is_power_of_two() || cluster_sectors > 128 {
            return Err(no_fat(format!(
                "sectors per cluster (offset 13) are {cluster_sectors}, no power of two to 128"
            )));
        }
        let (reserved, fats, root_entries) = (half(14), u64::from(sector[16]), half(17));
        if reserved == 0 || fats == 0 || fats > 2 {
            return Err(no_fat(format!("{reserved} reserved sectors (offset 14) and {fats} FATs (offset 16)")));
        }
        let sectors = if half(19) != 0 { half(19) } else { word(32) };
        if sectors.saturating_mul(sector_bytes) > room_bytes {
            return Err(format!(
                "the file system has {sectors} sectors of {sector_bytes} bytes, and there is room for {room_bytes} bytes: the image was cut short; copy it from the card again"
            ));
        }
        let is_fat32 = half(22) == 0;
        let fat_sectors = if is_fat32 { word(36) } else { half(22) };
        let root_sectors = (root_entries * ENTRY_BYTES).div_ceil(sector_bytes);
        let data_sector = reserved + fats * fat_sectors + root_sectors;
        let clusters = sectors.saturating_sub(data_sector) / cluster_sectors;
        if clusters == 0 {
            return Err(no_fat(format!(
                "{sectors} sectors (offset 19 or 32) have no room for data, from {data_sector} on"
            )));
        }
        let kind = FatKind::of_clusters(clusters).filter(|kind| (*kind == FatKind::Fat32) == is_fat32);
        let Some(kind) = kind else {
            return Err(no_fat(format!("{clusters} clusters contradict the length of the table (offsets 22 and 36)")));
        };
        if is_fat32 == (root_entries != 0) {
            return Err(no_fat(format!("a root folder (offset 17) of {root_entries} entries in {kind}")));
        }
        let fat_bits = fat_sectors * sector_bytes * 8;
        if fat_bits < (clusters + 2) * u64::from(kind.bits()) {
            return Err(no_fat(format!("{fat_sectors} sectors of table (offset 22 or 36) for {clusters} clusters")));
        }
        // `fatfs` counts these bits in 32 bits. No card needs so many.
        if fat_bits > u64::from(u32::MAX) {
            return Err(no_fat(format!("a table (offset 36) of {fat_sectors} sectors is larger than any card's")));
        }
        let mut active_fat = 0;
        let root_cluster = if is_fat32 { word(44) } else { 0 };
        if is_fat32 {
            if half(42) != 0 {
                return Err(no_fat(format!("version {} of FAT32 (offset 42)", half(42))));
            }
            if half(48) >= reserved || half(50) >= reserved {
                return Err(no_fat(
                    "FSInfo (offset 48) or the second boot sector (offset 50) is not in front of the tables".into(),
                ));
            }
            if half(40) & 0x80 != 0 {
                active_fat = half(40) & 0x0f;
            }
            if active_fat >= fats || !(2..clusters + 2).contains(&root_cluster) {
                return Err(no_fat(format!(
                    "active table {active_fat} (offset 40), root cluster {root_cluster} (offset 44)"
                )));
            }
        }
        Ok(Self {
            kind,
            cluster_bytes: cluster_sectors * sector_bytes,
            // `of_clusters` knows only numbers of 28 bits.
            clusters: clusters as u32,
            fat_start: (reserved + active_fat * fat_sectors) * sector_bytes,
            root_start: (reserved + fats * fat_sectors) * sector_bytes,
            root_bytes: root_sectors * sector_bytes,
            root_cluster: root_cluster as u32,
            data_start: data_sector * sector_bytes,
        })
    }

    /// Where a cluster begins; `cluster` is one of this file system.
    pub fn cluster_start(&self, cluster: u32) -> u64 {
        self.data_start + u64::from(cluster.saturating_sub(2)) * self.cluster_bytes
    }

    /// Whether there is a cluster of this number.
    pub fn has_cluster(&self, cluster: u32) -> bool {
        cluster >= 2 && cluster - 2 < self.clusters
    }
}
