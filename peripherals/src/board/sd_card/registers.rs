//! What the card says of itself: OCR, CSD, CID, SCR, SD status and switch status (Physical Layer Simplified
//! Specification, section 5, 4.10.2 and 4.3.10). Unsupported classes are not claimed: no CMD42, no security.

use serde::{Deserialize, Serialize};

use super::checksum::crc7;

/// Bytes of a block, of every card.
pub const BLOCK_BYTES: usize = 512;

/// Capacity as of which a card is high capacity (SDHC), in blocks: above 2 GiB.
pub const STANDARD_MAX_BLOCKS: u32 = 4 << 20;

/// Largest card, in blocks: 32 GiB (SDHC; SDXC needs exFAT and is not modelled).
pub const MAX_BLOCKS: u32 = 64 << 20;

/// A card's capacity is a multiple of this many blocks, 512 KiB: what CSD version 2 counts in.
pub const UNIT_BLOCKS: u32 = 1024;

/// Blocks of an erasable sector, as SECTOR_SIZE says.
const SECTOR_BLOCKS: u32 = 128;

/// Sectors of a write protection group, as WP_GRP_SIZE says.
const GROUP_SECTORS: u32 = 32;

/// Blocks of a write protection group of a standard capacity card.
pub const GROUP_BLOCKS: u32 = SECTOR_BLOCKS * GROUP_SECTORS;

/// Blocks of an allocation unit, as AU_SIZE says: 4 MiB.
pub const UNIT_OF_ALLOCATION_BLOCKS: u32 = 8192;

/// Who made the card (CID).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// MID: the manufacturer's number.
    pub manufacturer: u8,
    /// OID: two characters.
    pub application: [u8; 2],
    /// PNM: the product's name.
    pub name: [u8; 5],
    /// PRV: revision, two BCD digits n.m.
    pub revision: u8,
    /// PSN: serial number.
    pub serial: u32,
    /// MDT: year, 2000 to 2255.
    pub year: u16,
    /// MDT: month, 1 to 12.
    pub month: u8,
}

impl Default for Identity {
    fn default() -> Self {
        // A manufacturer's number that nobody was given, so that no driver takes this for a known card.
        let (application, name) = (*b"LS", *b"MODEL");
        Self { manufacturer: 0x7e, application, name, revision: 0x10, serial: 0x0102_0304, year: 2019, month: 6 }
    }
}

/// The bits of CSD that software may write (CMD27).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WritableCsd {
    /// FILE_FORMAT_GRP, COPY, PERM_WRITE_PROTECT, TMP_WRITE_PROTECT, FILE_FORMAT: bits 15 to 10 of CSD.
    bits: u8,
}

/// Bits that can be set once: FILE_FORMAT_GRP, COPY, PERM_WRITE_PROTECT, FILE_FORMAT.
const ONCE: u8 = 0b11_1011;
const PERMANENT: u8 = 1 << 3;
const TEMPORARY: u8 = 1 << 2;

impl WritableCsd {
    /// Whether the whole card is write protected, by either bit.
    pub fn protects(self) -> bool {
        self.bits & (PERMANENT | TEMPORARY) != 0
    }

    /// Takes over the bits of a CSD; `false` if it would take back what can be set once only.
    #[must_use]
    pub fn program(&mut self, csd: &[u8; 16]) -> bool {
        let new = csd[14] >> 2;
        let is_possible = self.bits & ONCE & !new == 0;
        if is_possible {
            self.bits = new;
        }
        is_possible
    }
}

/// A 128-bit register, filled by the bit numbers of the specification.
struct Bits(u128);

impl Bits {
    fn set(mut self, high: u32, low: u32, value: u128) -> Self {
        let mask = (1u128 << (high - low + 1)) - 1;
        self.0 |= (value & mask) << low;
        self
    }

    /// With CRC7 in bits 7 to 1 and a one in bit 0.
    fn sealed(self) -> [u8; 16] {
        let mut bytes = self.0.to_be_bytes();
        bytes[15] = crc7(&bytes[..15]) << 1 | 1;
        bytes
    }
}

/// OCR (5.1): 2.7 to 3.6 V, CCS, power-up status.
pub fn ocr(blocks: u32, is_ready: bool) -> u32 {
    // CCS is valid only when the card is ready.
    let ready = if is_ready { 1 << 31 | u32::from(blocks > STANDARD_MAX_BLOCKS) << 30 } else { 0 };
    ready | 0x00ff_8000
}

/// CSD (5.3), version 1 up to 2 GiB and 2 above.
pub fn csd(blocks: u32, writable: WritableCsd) -> [u8; 16] {
    let is_high = blocks > STANDARD_MAX_BLOCKS;
    let common = Bits(0)
        .set(103, 96, 0x32) // TRAN_SPEED 25 MHz
        .set(46, 46, 1) // ERASE_BLK_EN
        .set(45, 39, (SECTOR_BLOCKS - 1).into()) // SECTOR_SIZE
        .set(28, 26, 2) // R2W_FACTOR 4
        .set(15, 10, writable.bits.into());
    let bits = if is_high {
        common
            .set(127, 126, 1) // CSD_STRUCTURE
            .set(119, 112, 0x0e) // TAAC 1 ms
            .set(95, 84, 0x535) // CCC: classes 0, 2, 4, 5, 8, 10
            .set(83, 80, 9) // READ_BL_LEN
            .set(69, 48, (blocks / UNIT_BLOCKS - 1).into()) // C_SIZE
            .set(25, 22, 9) // WRITE_BL_LEN
    } else {
        // Capacity = (C_SIZE + 1) * 2^(C_SIZE_MULT + 2) * 2^READ_BL_LEN; C_SIZE has 12 bits.
        let is_large = blocks > 2 << 20;
        let unit = if is_large { UNIT_BLOCKS } else { UNIT_BLOCKS / 2 };
        let length = if is_large { 10 } else { 9 };
        common
            .set(119, 112, 0x26) // TAAC 1.5 ms
            .set(95, 84, 0x575) // CCC: classes 0, 2, 4, 5, 6, 8, 10
            .set(83, 80, length) // READ_BL_LEN
            .set(79, 79, 1) // READ_BL_PARTIAL
            .set(73, 62, (blocks / unit - 1).into()) // C_SIZE
            .set(61, 59, 6) // VDD_R_CURR_MIN 60 mA
            .set(58, 56, 6) // VDD_R_CURR_MAX 80 mA
            .set(55, 53, 6) // VDD_W_CURR_MIN
            .set(52, 50, 6) // VDD_W_CURR_MAX
            .set(49, 47, 7) // C_SIZE_MULT
            .set(38, 32, (GROUP_SECTORS - 1).into()) // WP_GRP_SIZE
            .set(31, 31, 1) // WP_GRP_ENABLE
            .set(25, 22, length) // WRITE_BL_LEN
    };
    bits.sealed()
}

/// CID (5.2).
pub fn cid(identity: &Identity) -> [u8; 16] {
    let name = identity.name.iter().fold(0u128, |word, byte| word << 8 | u128::from(*byte));
    Bits(0)
        .set(127, 120, identity.manufacturer.into())
        .set(119, 104, u16::from_be_bytes(identity.application).into())
        .set(103, 64, name)
        .set(63, 56, identity.revision.into())
        .set(55, 24, identity.serial.into())
        .set(19, 12, identity.year.saturating_sub(2000).into())
        .set(11, 8, identity.month.into())
        .sealed()
}

/// SCR (5.6): version 3.0x (1.10 for a card that does not know CMD8), no security, both bus widths, and what an erased
/// byte reads as.
pub fn scr(is_version_1: bool, erased: u8) -> [u8; 8] {
    let (spec, spec3) = if is_version_1 { (1u64, 0u64) } else { (2, 1) };
    (spec << 56 | u64::from(erased != 0) << 55 | 0b0101 << 48 | spec3 << 47).to_be_bytes()
}

/// SD status (4.10.2): speed class 4, allocation unit of 4 MiB, erase of one unit within 1 s.
pub fn sd_status() -> [u8; 64] {
    let mut status = [0; 64];
    status[8] = 2; // SPEED_CLASS
    status[10] = 9 << 4; // AU_SIZE
    status[12] = 1; // ERASE_SIZE, low byte
    status[13] = 1 << 2; // ERASE_TIMEOUT
    status
}

/// The status that CMD6 sends (4.3.10.4), and the function of group 1 (access mode) in force after it. Functions:
/// default and high speed in group 1, only the default in others.
pub fn switch_status(argument: u32, access_mode: u8) -> ([u8; 64], u8) {
    let wanted = |group: u32| (argument >> (4 * (group - 1)) & 0xf) as u8;
    let current = |group: u32| if group == 1 { access_mode } else { 0 };
    let result = |group: u32| match wanted(group) {
        0xf => current(group),
        function if function == 0 || group == 1 && function == 1 => function,
        _ => 0xf,
    };
    let is_good = (1..=6).all(|group| result(group) != 0xf);
    let mut status = [0; 64];
    // Maximum current in mA; 0 says that nothing is switched.
    status[1] = if is_good { 100 } else { 0 };
    for (place, group) in (2..14).step_by(2).zip((1..=6).rev()) {
        status[place] = 0x80;
        status[place + 1] = if group == 1 { 0b11 } else { 1 };
    }
    for (place, group) in [(14, 6), (15, 4), (16, 2)] {
        status[place] = result(group) << 4 | result(group - 1);
    }
    let switches = argument >> 31 != 0 && is_good;
    (status, if switches { result(1) } else { access_mode })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Capacity in bytes as a driver computes it (5.3.2, 5.3.3).
    fn capacity(csd: &[u8; 16]) -> u64 {
        let field = |high: u32, low: u32| (u128::from_be_bytes(*csd) >> low & ((1 << (high - low + 1)) - 1)) as u64;
        match field(127, 126) {
            0 => (field(73, 62) + 1) << (field(49, 47) + 2 + field(83, 80)),
            _ => (field(69, 48) + 1) * 512 * 1024,
        }
    }

    #[test]
    fn the_capacity_in_csd_is_the_cards() {
        for blocks in [1024, 2048, 131_072, 2 << 20, (2 << 20) + 1024, 4 << 20, (4 << 20) + 1024, 16 << 20, MAX_BLOCKS]
        {
            let csd = csd(blocks, WritableCsd::default());
            assert_eq!(capacity(&csd), u64::from(blocks) * 512);
            assert_eq!(crc7(&csd[..15]) << 1 | 1, csd[15]);
        }
    }

    #[test]
    fn bits_that_are_set_once_stay() {
        let mut writable = WritableCsd::default();
        let mut csd = csd(2048, writable);
        csd[14] |= TEMPORARY << 2;
        assert!(writable.program(&csd) && writable.protects());
        csd[14] = 0;
        assert!(writable.program(&csd) && !writable.protects());
        csd[14] = PERMANENT << 2;
        assert!(writable.program(&csd) && writable.protects());
        csd[14] = 0;
        assert!(!writable.program(&csd) && writable.protects());
    }

    #[test]
    fn switching_to_high_speed() {
        let (status, mode) = switch_status(0x00ff_fff1, 0);
        assert_eq!((status[16], mode, status[1]), (0x01, 0, 100), "only asked");
        assert_eq!(switch_status(0x80ff_fff1, 0).1, 1);
        let (status, mode) = switch_status(0x80ff_fff2, 0);
        assert_eq!((status[16] & 0xf, mode, status[1]), (0xf, 0, 0), "not supported: nothing changes");
        assert_eq!(&status[12..14], [0x80, 0x03]);
    }

    #[test]
    fn identity_in_its_places() {
        let cid = cid(&Identity::default());
        assert_eq!(&cid[3..8], b"MODEL");
        assert_eq!(cid[13..15], [0x01, 0x36], "2019, June");
    }
}
