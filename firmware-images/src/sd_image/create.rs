//! New images.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use fatfs::{FatType, FormatVolumeOptions};

use super::card_size::CardSize;
use super::error::SdImageError;
use super::fat_kind::FatKind;
use super::geometry::Geometry;
use super::label::Label;
use super::partition::{self, BLOCK_BYTES, PARTITION_START};
use super::put::{DATE, options};
use super::replacement::Replacement;
use super::volume::Volume;
use super::window::Window;

/// Offset of the number of blocks in front of the file system, in its first sector.
const HIDDEN_SECTORS: u64 = 28;
/// Sector of the second boot sector of FAT32, as `fatfs` makes it.
const SECOND_BOOT_SECTOR: u64 = 6;
/// The root folder of FAT12 and FAT16, as everywhere.
const ROOT_ENTRIES: u16 = 512;
/// Some readers know no larger clusters.
const LARGEST_CLUSTER: u32 = 32 << 10;
/// Clusters keep so far away from the numbers where one kind becomes another: not all readers draw the line at the same
/// one.
const MARGIN_CLUSTERS: u64 = 16;

/// What an image is to be. The same options give the same bytes.
#[derive(Clone, Debug)]
pub struct CreateOptions {
    /// Size of the card.
    pub size: CardSize,
    /// Which FAT; by the size if none is given.
    pub kind: Option<FatKind>,
    /// Name of the volume.
    pub label: Option<Label>,
    /// Number of the volume, and of the disk in the partition table.
    pub volume_id: u32,
    /// Have a partition table with one partition; otherwise the file system begins with the card.
    pub has_partition_table: bool,
}

/// What an image became.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Created {
    /// Which FAT.
    pub kind: FatKind,
    /// Bytes of a cluster.
    pub cluster_bytes: u64,
    /// Room for files.
    pub free_bytes: u64,
}

/// Makes an image. It appears whole or not at all, and in the place of another file only if `may_replace`.
pub fn create(image: &Path, options: &CreateOptions, may_replace: bool) -> Result<Created, SdImageError> {
    if !may_replace && image.exists() {
        return Err(SdImageError::Exists { path: image.to_owned() });
    }
    let replacement = Replacement::new(image)?;
    let file = replacement.file();
    file.set_len(options.size.bytes()).map_err(SdImageError::io(image))?;
    fill(file, image, options)?;
    let mut volume = Volume::new(file, image, options.size.bytes())?;
    volume.check()?;
    let created =
        Created { kind: volume.kind(), cluster_bytes: volume.cluster_bytes(), free_bytes: volume.free_bytes()? };
    replacement.finish(may_replace)?;
    Ok(created)
}

/// Writes partition table and file system into a card of zeros.
fn fill<T: Read + Write + Seek>(mut card: T, image: &Path, create: &CreateOptions) -> Result<(), SdImageError> {
    let card_bytes = create.size.bytes();
    let start = if create.has_partition_table { PARTITION_START } else { 0 };
    let bytes = card_bytes.saturating_sub(start);
    if bytes == 0 {
        return Err(SdImageError::NoRoomForPartition { bytes: card_bytes });
    }
    let kind = create.kind.unwrap_or_else(|| usual_kind(bytes));
    let no_fit = || SdImageError::KindForSize { kind, bytes, remedy: kind.fits() };
    let cluster_bytes = cluster_bytes(kind, bytes).ok_or_else(no_fit)?;
    if create.has_partition_table {
        let table = partition::table(kind, card_bytes, create.volume_id);
        card.write_all(&table).map_err(SdImageError::io(image))?;
    }
    let mut format = FormatVolumeOptions::new()
        .fat_type(match kind {
            FatKind::Fat12 => FatType::Fat12,
            FatKind::Fat16 => FatType::Fat16,
            FatKind::Fat32 => FatType::Fat32,
        })
        .bytes_per_cluster(cluster_bytes)
        .max_root_dir_entries(ROOT_ENTRIES)
        .drive_num(0x80)
        .heads(255)
        .sectors_per_track(63)
        .volume_id(create.volume_id);
    if let Some(label) = &create.label {
        format = format.volume_label(label.bytes());
    }
    let mut window = Window::new(card, start, bytes);
    fatfs::format_volume(&mut window, format).map_err(SdImageError::io(image))?;
    finish(window, start, create.label.is_some()).map_err(SdImageError::io(image))
}

/// What `fatfs` leaves open: the place of the partition, the date of the label, the count of free clusters of FAT32.
fn finish<T: Read + Write + Seek>(mut window: Window<T>, start: u64, has_label: bool) -> io::Result<()> {
    let mut sector = [0; 512];
    window.read_at(0, &mut sector)?;
    let geometry = Geometry::read(&sector, window.length()).map_err(io::Error::other)?;
    let is_fat32 = geometry.kind == FatKind::Fat32;
    // Within 32 bits: a card has at most 2^26 blocks.
    let hidden = ((start / BLOCK_BYTES) as u32).to_le_bytes();
    let second = is_fat32.then_some(SECOND_BOOT_SECTOR * BLOCK_BYTES);
    for boot_sector in [Some(0), second].into_iter().flatten() {
        window.seek(SeekFrom::Start(boot_sector + HIDDEN_SECTORS))?;
        window.write_all(&hidden)?;
    }
    if has_label {
        // The label is the first entry of the root folder.
        let root = if is_fat32 { geometry.cluster_start(geometry.root_cluster) } else { geometry.root_start };
        window.seek(SeekFrom::Start(root + 24))?;
        window.write_all(&DATE.to_le_bytes())?;
    }
    window.seek(SeekFrom::Start(0))?;
    let volume = fatfs::FileSystem::new(window, options())?;
    volume.stats()?;
    volume.unmount()
}

/// The FAT of a file system of this size, if none is asked for.
fn usual_kind(bytes: u64) -> FatKind {
    match bytes >> 20 {
        0..8 => FatKind::Fat12,
        // One more, and FAT16 has too many clusters, also of the largest size.
        8..=2047 if bytes <= 2047 << 20 => FatKind::Fat16,
        _ => FatKind::Fat32,
    }
}

/// The usual size of clusters for this kind, or the one nearest to it with which this becomes a file system of the kind.
fn cluster_bytes(kind: FatKind, bytes: u64) -> Option<u32> {
    let usual = if kind == FatKind::Fat32 || bytes > 1 << 30 { LARGEST_CLUSTER } else { LARGEST_CLUSTER / 2 };
    // A small card with few clusters would hold few files.
    let wanted = if kind == FatKind::Fat12 { 1024 } else { 0 };
    let is_good = |size: &u32| is_kind(kind, clusters(kind, bytes, *size));
    let smaller = std::iter::successors(Some(usual), |size| Some(size / 2)).take_while(|size| *size >= 512);
    let mut larger =
        std::iter::successors(Some(usual), |size| Some(size * 2)).take_while(|size| *size <= LARGEST_CLUSTER);
    let mut good = smaller.filter(is_good);
    let enough = good.clone().find(|size| clusters(kind, bytes, *size) >= wanted);
    enough.or_else(|| good.by_ref().last()).or_else(|| larger.find(is_good))
}

/// Whether this many clusters are this kind for every reader.
fn is_kind(kind: FatKind, clusters: u64) -> bool {
    let is = |clusters| FatKind::of_clusters(clusters) == Some(kind);
    clusters > 0 && is(clusters.saturating_sub(MARGIN_CLUSTERS)) && is(clusters + MARGIN_CLUSTERS)
}

/// How many clusters `fatfs` makes of it: the length of the tables and the number of clusters depend on each other, and
/// it takes the tables that are long enough for the clusters that there would be with them.
fn clusters(kind: FatKind, bytes: u64, cluster_bytes: u32) -> u64 {
    let (reserved, root) =
        if kind == FatKind::Fat32 { (8, 0) } else { (1, u64::from(ROOT_ENTRIES) * 32 / BLOCK_BYTES) };
    let cluster_sectors = u64::from(cluster_bytes) / BLOCK_BYTES;
    let sectors = (bytes / BLOCK_BYTES).saturating_sub(reserved + root);
    // `fatfs` wants so many for tables and data.
    if sectors <= 8 {
        return 0;
    }
    let clusters_a_sector = cluster_sectors * BLOCK_BYTES * 8 / u64::from(kind.bits());
    let table = (sectors + 2 * cluster_sectors).div_ceil(clusters_a_sector + 2);
    sectors.saturating_sub(2 * table) / cluster_sectors
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF_MIB: u64 = 512 << 10;

    /// The sizes that messages name are the right ones.
    #[test]
    fn each_kind_has_its_sizes() {
        let fits = |kind, halves: u64| cluster_bytes(kind, halves * HALF_MIB).is_some();
        let ranges = [(FatKind::Fat12, 1, 254), (FatKind::Fat16, 5, 4094), (FatKind::Fat32, 66, 65_536)];
        for (kind, first, last) in ranges {
            for halves in 1..=65_536 {
                assert_eq!(fits(kind, halves), (first..=last).contains(&halves), "{kind}, {halves} times 512 KiB");
            }
        }
        for halves in 1..=65_536 {
            assert!(fits(usual_kind(halves * HALF_MIB), halves));
        }
    }
}
