//! The device configuration table (DCT): what a device knows of itself besides its firmware.
//!
//! Two 16 KB sectors of flash; one is current. A sector is a header (watermark, seal), data ([`layout`]), and a footer
//! whose last word is a CRC-32. Format from the public header `services/inc/dcd.h` of 0.5.2 (no footer; it came with 0.7.0) and
//! 2.2.0.

pub mod address;
mod build;
mod describe;
pub mod keys;
pub mod layout;
mod spec;

pub use address::{AddressError, Host, ServerAddress};
pub use describe::FieldValue;
pub use keys::{KeyError, derived_private_key, private_key_der, public_key_der};
pub use layout::{FIELDS, Field};
pub use spec::{CloudTransport, DctSpec, FLAGS_MAGIC, KeySource, SystemFlags, UpdateSlot};

use std::path::PathBuf;

use crate::bytes::{put, u32_at};

/// Size of a sector in bytes.
pub const SECTOR_LENGTH: usize = 16 * 1024;
/// Offset of the data in a sector.
pub const DATA_OFFSET: usize = 8;
/// Offset of the footer in a sector.
const FOOTER_OFFSET: usize = SECTOR_LENGTH - 32;
const COUNTER_OFFSET: usize = SECTOR_LENGTH - 16;
const FOOTER_SIZE_OFFSET: usize = SECTOR_LENGTH - 10;
const FOOTER_WATERMARK_OFFSET: usize = SECTOR_LENGTH - 8;
const CRC_OFFSET: usize = SECTOR_LENGTH - 4;
/// Bytes of data that a sector has room for.
pub const DATA_LENGTH: usize = FOOTER_OFFSET - DATA_OFFSET;

/// First word of header, and the footer's watermark: 9A 27 1C 1E in memory.
const WATERMARK: u32 = 0x1e1c_279a;
/// Seal of a current sector: 00 5E A1 ED in memory.
const SEAL_VALID: u32 = 0xeda1_5e00;
/// Seal of a sector that firmware with the footer superseded.
const SEAL_SUPERSEDED: u32 = 0x69a0_0c00;

/// A sector of the table: erased, or one that the firmware accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dct {
    bytes: Vec<u8>,
}

/// What is wrong with a table or with its description.
#[derive(Debug, thiserror::Error)]
pub enum DctError {
    /// The file's size.
    #[error("{found} bytes; expected one sector (16384) or both (32768)")]
    Size {
        /// Size of the file.
        found: usize,
    },
    /// No watermark.
    #[error("header: watermark {found:#010x}, expected {WATERMARK:#010x} (or a wholly erased sector)")]
    Watermark {
        /// The word found.
        found: u32,
    },
    /// A seal that no firmware takes for valid.
    #[error(
        "header: seal {found:#010x}, expected {SEAL_VALID:#010x}; a superseded or half-written sector, use the other one"
    )]
    Seal {
        /// The word found.
        found: u32,
    },
    /// The CRC is wrong.
    #[error("footer: CRC-32 {stored:08x}, computed {computed:08x}; the sector was changed after the device wrote it")]
    Crc {
        /// CRC-32 in the footer.
        stored: u32,
        /// CRC-32 of data and footer.
        computed: u32,
    },
    /// A key.
    #[error("{field}: {source}")]
    Key {
        /// The field.
        field: &'static str,
        /// What is wrong.
        source: KeyError,
    },
    /// The keys are not a pair.
    #[error("device_public_key: not the public half of device_private_key; leave it out and it is derived")]
    KeysDiffer,
    /// The server address.
    #[error("server_address: {source}")]
    Address {
        /// What is wrong.
        source: AddressError,
    },
    /// Not hexadecimal.
    #[error("{field}: not hexadecimal (two digits for each byte)")]
    NotHexadecimal {
        /// The field.
        field: String,
    },
    /// Not of the field's size.
    #[error("{field}: {found} bytes, expected {expected}")]
    FieldSize {
        /// The field.
        field: String,
        /// What it has.
        found: usize,
        /// What it must have, for example `12` or `at most 63`.
        expected: String,
    },
    /// A value that the field cannot have.
    #[error("{field}: {found}; expected {expected}")]
    Value {
        /// The field.
        field: &'static str,
        /// What it has.
        found: String,
        /// What it can have.
        expected: &'static str,
    },
    /// No such field.
    #[error("raw.{field}: no such field; there are {known}")]
    UnknownField {
        /// The name.
        field: String,
        /// The names there are.
        known: String,
    },
    /// Set twice.
    #[error("{field}: set both by its own name and in `raw`; leave out one")]
    SetTwice {
        /// The field.
        field: String,
    },
    /// An erased table has no fields.
    #[error("erased: an erased table has no fields; leave out `erased = true` or all else")]
    ErasedWithFields,
    /// A file that a field names.
    #[error("{field}: {path}: {source}", path = path.display())]
    Io {
        /// The field.
        field: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Dct {
    /// An erased sector. Enough for 1.5.0 to 2.x, which make their own key and have a server's key and address
    /// compiled in.
    pub fn erased() -> Self {
        Self { bytes: vec![0xff; SECTOR_LENGTH] }
    }

    /// A sealed sector with these data, without looking at what they say. `counter` (0 to 3) tells the newer of two
    /// sectors; without `footer` the sector is as firmware before 0.7.0 writes it.
    pub(crate) fn seal(data: &[u8], counter: u8, footer: bool) -> Result<Self, DctError> {
        let mut bytes = vec![0xff; SECTOR_LENGTH];
        let room = FOOTER_OFFSET - DATA_OFFSET;
        if data.len() > room || !put(&mut bytes, DATA_OFFSET, data) {
            return Err(DctError::FieldSize {
                field: "data".to_owned(),
                found: data.len(),
                expected: format!("at most {room}"),
            });
        }
        let mut fits = put(&mut bytes, 0, &WATERMARK.to_le_bytes()) && put(&mut bytes, 4, &SEAL_VALID.to_le_bytes());
        if footer {
            fits &= put(&mut bytes, COUNTER_OFFSET, &[counter & 3]);
            fits &= put(&mut bytes, FOOTER_SIZE_OFFSET, &32u16.to_le_bytes());
            fits &= put(&mut bytes, FOOTER_WATERMARK_OFFSET, &WATERMARK.to_le_bytes());
            let crc = computed_crc(&bytes);
            fits &= put(&mut bytes, CRC_OFFSET, &crc.to_le_bytes());
        }
        debug_assert!(fits, "all offsets lie inside the sector");
        Ok(Self { bytes })
    }

    /// Reads one sector, or both of a device, of which the current one is taken as the firmware would. Keys, address
    /// and flags are checked too.
    pub fn parse(bytes: &[u8]) -> Result<Self, DctError> {
        let sector = match bytes.len() {
            SECTOR_LENGTH => bytes,
            length if length == 2 * SECTOR_LENGTH => {
                let (first, second) = bytes.split_at(SECTOR_LENGTH);
                current_sector(first, second)
            }
            found => return Err(DctError::Size { found }),
        };
        if sector.iter().all(|byte| *byte == 0xff) {
            return Ok(Self::erased());
        }
        let watermark = u32_at(sector, 0).unwrap_or(0);
        if watermark != WATERMARK {
            return Err(DctError::Watermark { found: watermark });
        }
        let seal = u32_at(sector, 4).unwrap_or(0);
        if seal != SEAL_VALID && seal != SEAL_SUPERSEDED {
            return Err(DctError::Seal { found: seal });
        }
        if has_footer(sector) {
            let (stored, computed) = (stored_crc(sector), computed_crc(sector));
            if stored != computed {
                return Err(DctError::Crc { stored, computed });
            }
        }
        let dct = Self { bytes: sector.to_vec() };
        dct.check()?;
        Ok(dct)
    }

    /// Makes a sector of the table's data without header and footer, as a device gives them out over DFU.
    pub fn from_data(data: &[u8]) -> Result<Self, DctError> {
        let dct = Self::seal(data, 0, true)?;
        dct.check()?;
        Ok(dct)
    }

    /// The sector, 16,384 bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The data of the table.
    pub fn data(&self) -> &[u8] {
        self.bytes.get(DATA_OFFSET..FOOTER_OFFSET).unwrap_or_default()
    }

    /// A field's bytes.
    pub fn field(&self, field: &Field) -> &[u8] {
        self.data().get(field.offset..field.offset + field.size).unwrap_or_default()
    }

    /// Whether all bytes of the sector are erased.
    pub fn is_erased(&self) -> bool {
        self.bytes.iter().all(|byte| *byte == 0xff)
    }

    /// Whether the sector has a footer with a CRC; firmware before 0.7.0 writes none.
    pub fn has_footer(&self) -> bool {
        has_footer(&self.bytes)
    }

    /// The footer's counter, 0 to 3; `None` without a footer.
    pub fn counter(&self) -> Option<u8> {
        self.has_footer().then(|| self.bytes.get(COUNTER_OFFSET).copied().unwrap_or(0) & 3)
    }
}

fn has_footer(sector: &[u8]) -> bool {
    u32_at(sector, FOOTER_WATERMARK_OFFSET) == Some(WATERMARK)
}

fn stored_crc(sector: &[u8]) -> u32 {
    u32_at(sector, CRC_OFFSET).unwrap_or(0)
}

fn computed_crc(sector: &[u8]) -> u32 {
    crc32fast::hash(sector.get(DATA_OFFSET..CRC_OFFSET).unwrap_or_default())
}

fn crc_valid(sector: &[u8]) -> bool {
    has_footer(sector) && stored_crc(sector) == computed_crc(sector)
}

/// The sector that firmware from 0.7.0 on would read.
fn current_sector<'a>(first: &'a [u8], second: &'a [u8]) -> &'a [u8] {
    let seal = |sector: &[u8]| u32_at(sector, 0).filter(|word| *word == WATERMARK).and_then(|_| u32_at(sector, 4));
    let is_valid = |sector: &[u8]| matches!(seal(sector), Some(SEAL_VALID | SEAL_SUPERSEDED));
    let (primary, secondary) = match (is_valid(first), is_valid(second)) {
        (true, _) => (first, second),
        (false, true) => (second, first),
        // None is valid. An erased one says so; else the error shall be about what is there.
        (false, false) if first.iter().all(|byte| *byte == 0xff) => return second,
        (false, false) => return first,
    };
    match seal(secondary) {
        Some(SEAL_VALID) => match (crc_valid(primary), crc_valid(secondary)) {
            (true, false) => primary,
            (false, true) => secondary,
            (false, false) => second,
            (true, true) => {
                let counter = |sector: &[u8]| sector.get(COUNTER_OFFSET).copied().unwrap_or(0) & 3;
                if (counter(primary) + 1) & 3 == counter(secondary) { secondary } else { primary }
            }
        },
        Some(SEAL_SUPERSEDED) if !crc_valid(primary) => secondary,
        _ => primary,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sector(counter: u8) -> Vec<u8> {
        let spec = DctSpec { device_private_key: Some(KeySource::Seed { seed: 1 }), counter, ..DctSpec::default() };
        spec.build(".".as_ref()).unwrap().bytes().to_vec()
    }

    #[test]
    fn a_sector_has_the_marks_that_the_firmware_looks_for() {
        let sector = sector(2);
        assert_eq!(sector.len(), 0x4000);
        assert_eq!(&sector[..8], [0x9a, 0x27, 0x1c, 0x1e, 0x00, 0x5e, 0xa1, 0xed]);
        assert_eq!(sector[0x3ff0], 2);
        assert_eq!(&sector[0x3ff8..0x3ffc], &sector[..4]);
        let crc = crc32fast::hash(&sector[8..0x3ffc]);
        assert_eq!(&sector[0x3ffc..], crc.to_le_bytes());
        assert_eq!(Dct::parse(&sector).unwrap().counter(), Some(2));
    }

    #[test]
    fn of_two_sectors_the_current_one_is_read() {
        let pair = |first: &[u8], second: &[u8]| Dct::parse(&[first, second].concat());
        let (old, new, erased) = (sector(1), sector(2), vec![0xff; SECTOR_LENGTH]);
        assert_eq!(pair(&old, &new).unwrap().counter(), Some(2));
        assert_eq!(pair(&new, &old).unwrap().counter(), Some(2));
        assert_eq!(pair(&sector(3), &sector(0)).unwrap().counter(), Some(0), "the counter wraps");
        assert_eq!(pair(&erased, &old).unwrap().counter(), Some(1));
        let mut broken = new.clone();
        broken[100] ^= 1;
        assert_eq!(pair(&old, &broken).unwrap().counter(), Some(1), "the one with a right CRC");
        let mut superseded = old.clone();
        superseded[4..8].copy_from_slice(&SEAL_SUPERSEDED.to_le_bytes());
        assert_eq!(pair(&superseded, &new).unwrap().counter(), Some(2));
        assert!(pair(&erased, &erased).unwrap().is_erased());
    }

    #[test]
    fn damage_is_named() {
        let good = sector(0);
        let damaged = |offset: usize| {
            let mut bytes = good.clone();
            bytes[offset] ^= 0x10;
            Dct::parse(&bytes).unwrap_err()
        };
        assert!(matches!(damaged(0), DctError::Watermark { .. }));
        assert!(matches!(damaged(5), DctError::Seal { .. }));
        assert!(matches!(damaged(2000), DctError::Crc { .. }));
        assert!(matches!(Dct::parse(&good[1..]), Err(DctError::Size { found: 16383 })));
        // Without a footer nothing guards the key but its own form.
        let spec =
            DctSpec { device_private_key: Some(KeySource::Seed { seed: 1 }), footer: false, ..DctSpec::default() };
        let mut bytes = spec.build(".".as_ref()).unwrap().bytes().to_vec();
        bytes[8 + layout::DEVICE_PRIVATE_KEY.offset + 30] ^= 1;
        let error = Dct::parse(&bytes).unwrap_err();
        assert!(matches!(error, DctError::Key { field: "device_private_key", .. }), "{error}");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(
            changes in prop::collection::vec((0usize..SECTOR_LENGTH, any::<u8>()), 0..40), reseal: bool, two: bool
        ) {
            let mut bytes = sector(0);
            for (offset, value) in changes {
                bytes[offset] = value;
            }
            if reseal {
                let crc = computed_crc(&bytes);
                bytes[CRC_OFFSET..].copy_from_slice(&crc.to_le_bytes());
            }
            if two {
                bytes = [bytes.clone(), bytes].concat();
            }
            if let Ok(dct) = Dct::parse(&bytes) {
                let _ = dct.describe();
            }
        }

        #[test]
        fn arbitrary_data_never_panic(data in prop::collection::vec(any::<u8>(), 0..17_000)) {
            let _ = Dct::parse(&data);
            let _ = Dct::from_data(&data).map(|dct| dct.describe());
        }
    }
}
