//! Entries of a folder: short names, and the long ones that stand in entries of their own in front of them.

use serde::Serialize;

use super::geometry::ENTRY_BYTES;
use super::time::FatTime;

const ATTRIBUTES: usize = 11;
const VOLUME: u8 = 0x08;
const FOLDER: u8 = 0x10;
/// Attributes of an entry that holds a part of a long name.
const LONG_NAME: u8 = 0x0f;
/// Units of UTF-16 in such an entry, and where they are.
const LONG_NAME_UNITS: [usize; 13] = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];

/// A file or a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// From the root: `/FOLDER/file.txt`. What cannot stand in a name (control characters, `/`) is shown as U+FFFD.
    pub path: String,
    /// The name that FAT without long names has for it, `FILE.TXT`.
    pub short_name: String,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// Bytes of a file; 0 for a folder.
    pub bytes: u32,
    /// When its content was changed last.
    pub modified: Option<FatTime>,
    /// When it was made.
    pub created: Option<FatTime>,
    /// Where its content begins; 0 if it has none.
    #[serde(skip)]
    pub(super) first_cluster: u32,
}

impl Entry {
    /// The last part of its path.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// Whether this is what `name` means; as everywhere with FAT, upper and lower case are one.
    pub(super) fn is_named(&self, name: &str) -> bool {
        let is = |own: &str| own.chars().flat_map(char::to_uppercase).eq(name.chars().flat_map(char::to_uppercase));
        is(self.name()) || is(&self.short_name)
    }
}

/// The entries of a folder with this path, from all of its bytes. The folder itself (`.`), the one above it (`..`) and
/// the volume's label are left out.
pub(super) fn entries(bytes: &[u8], folder: &str, is_fat32: bool) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut long_name = LongName::default();
    for raw in bytes.chunks_exact(ENTRY_BYTES as usize) {
        match raw[0] {
            0 => break,
            0xe5 => long_name = LongName::default(),
            _ if raw[ATTRIBUTES] & LONG_NAME == LONG_NAME => long_name.add(raw),
            _ => {
                let name = std::mem::take(&mut long_name).take(raw);
                let is_dots = raw.starts_with(b".          ") || raw.starts_with(b"..         ");
                if raw[ATTRIBUTES] & VOLUME == 0 && !is_dots {
                    entries.push(entry(raw, folder, name, is_fat32));
                }
            }
        }
    }
    entries
}

fn entry(raw: &[u8], folder: &str, long_name: Option<String>, is_fat32: bool) -> Entry {
    let half = |at: usize| u16::from_le_bytes([raw[at], raw[at + 1]]);
    let is_folder = raw[ATTRIBUTES] & FOLDER != 0;
    let high = if is_fat32 { half(20) } else { 0 };
    // Bits 3 and 4: name and extension are shown in lower case, where there is no long name.
    let (name_lower, extension_lower) = (raw[12] & 8 != 0, raw[12] & 16 != 0);
    let name = long_name.unwrap_or_else(|| short_name(raw, name_lower, extension_lower));
    Entry {
        path: format!("{}/{name}", folder.trim_end_matches('/')),
        short_name: short_name(raw, false, false),
        is_folder,
        bytes: if is_folder { 0 } else { u32::from(half(28)) | u32::from(half(30)) << 16 },
        modified: FatTime::decode(half(24), half(22)),
        created: FatTime::decode(half(16), half(14)),
        first_cluster: u32::from(high) << 16 | u32::from(half(26)),
    }
}

fn short_name(raw: &[u8], name_lower: bool, extension_lower: bool) -> String {
    let part = |bytes: &[u8], lower: bool| {
        let end = bytes.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last + 1);
        let text: String = bytes[..end]
            .iter()
            // The code page of bytes from 0x80 on is written nowhere.
            .map(|byte| if byte.is_ascii() { char::from(*byte) } else { char::REPLACEMENT_CHARACTER })
            .map(|c| if lower { c.to_ascii_lowercase() } else { c })
            .collect();
        text
    };
    let (name, extension) = (part(&raw[..8], name_lower), part(&raw[8..11], extension_lower));
    let whole = if extension.is_empty() { name } else { format!("{name}.{extension}") };
    shown(whole)
}

/// A name that can stand in a path and on a terminal.
fn shown(name: String) -> String {
    if name.is_empty() {
        return char::REPLACEMENT_CHARACTER.to_string();
    }
    name.chars().map(|c| if c.is_control() || c == '/' { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// A long name on its way: its parts come last one first, numbered, each with a checksum of the short name.
#[derive(Debug, Default)]
struct LongName {
    /// In the order of their coming.
    parts: Vec<[u16; 13]>,
    /// Number of the part that came last; 1 is the begin of the name.
    number: u8,
    checksum: u8,
}

impl LongName {
    fn add(&mut self, raw: &[u8]) {
        let (number, is_last) = (raw[0] & 0x3f, raw[0] & 0x40 != 0);
        if is_last {
            *self = Self { parts: Vec::new(), number, checksum: raw[13] };
        } else if self.number == 0 || number != self.number - 1 || raw[13] != self.checksum {
            *self = Self::default();
            return;
        }
        self.number = number;
        self.parts.push(LONG_NAME_UNITS.map(|at| u16::from_le_bytes([raw[at], raw[at + 1]])));
    }

    /// The name, if it is whole and the short entry's.
    fn take(self, raw: &[u8]) -> Option<String> {
        let checksum = raw[..11].iter().fold(0u8, |sum, byte| sum.rotate_right(1).wrapping_add(*byte));
        if self.number != 1 || checksum != self.checksum {
            return None;
        }
        let units = self.parts.iter().rev().flatten().copied().take_while(|unit| *unit != 0);
        let units: Vec<u16> = units.collect();
        Some(shown(String::from_utf16_lossy(&units)))
    }
}
