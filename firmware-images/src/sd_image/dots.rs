//! The first two entries of a folder, `.` and `..`, put right where `fatfs` made it.
//!
//! `fatfs` 0.3.6 gives both a long name, which stands in front of them; but they must be the first two, and have none
//! (Microsoft's FAT specification, 6.5). And in a folder in the root of FAT32, its `..` has the root's cluster and not 0.
//! Readers that take the first entries for what they must be, fsck.vfat among them, find such a folder broken.

use std::io::{self, Read, Seek, SeekFrom, Write};

use super::geometry::ENTRY_BYTES;
use super::window::Window;

const ENTRY: usize = ENTRY_BYTES as usize;
/// What `fatfs` writes for each of the two: a long name, then the entry.
const MADE: usize = 4 * ENTRY;
/// First byte of an entry that was deleted.
const DELETED: u8 = 0xe5;

/// Puts right the folder that begins at `start`, if it is as `fatfs` makes one. `parent` is the first cluster of the folder
/// above, 0 for the root.
pub fn repair<T: Read + Write + Seek>(window: &mut Window<T>, start: u64, parent: u32) -> io::Result<()> {
    let mut raw = [0; MADE];
    window.read_at(start, &mut raw)?;
    let is_long = |slot: usize| raw[slot * ENTRY + 11] == 0x0f;
    let is = |slot: usize, name: &[u8; 11]| raw[slot * ENTRY..].starts_with(name);
    if !(is_long(0) && is(1, b".          ") && is_long(2) && is(3, b"..         ")) {
        return Ok(());
    }
    let mut good = [0; MADE];
    good[..ENTRY].copy_from_slice(&raw[ENTRY..2 * ENTRY]);
    good[ENTRY..2 * ENTRY].copy_from_slice(&raw[3 * ENTRY..]);
    let [low_0, low_1, high_0, high_1] = parent.to_le_bytes();
    good[ENTRY + 20..ENTRY + 22].copy_from_slice(&[high_0, high_1]);
    good[ENTRY + 26..ENTRY + 28].copy_from_slice(&[low_0, low_1]);
    // Not zero: that would be the end of the folder.
    (good[2 * ENTRY], good[3 * ENTRY]) = (DELETED, DELETED);
    window.seek(SeekFrom::Start(start))?;
    window.write_all(&good)
}
