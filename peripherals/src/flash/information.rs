//! The information block: one-time programmable area, unique id, flash size, option bytes (PM0059 table 3, RM0033
//! section 33).

use serde::{Deserialize, Serialize};

use super::table::OPTION_BITS;

/// The 96-bit unique device identifier.
pub type UniqueId = [u8; 12];

/// First address of the information block (system memory).
pub const INFORMATION_BASE: u32 = 0x1fff_0000;
/// First address after the option bytes.
pub const INFORMATION_END: u32 = 0x1fff_c010;

const OTP_BASE: u32 = 0x1fff_7800;
/// 16 blocks of 32 bytes, then a lock byte for each block.
const OTP_SIZE: u32 = 528;
const OTP_DATA_SIZE: u32 = 512;
const UNIQUE_ID_BASE: u32 = 0x1fff_7a10;
const FLASH_SIZE_BASE: u32 = 0x1fff_7a22;
const FLASH_SIZE_KB: u16 = 1024;
const OPTION_BASE: u32 = 0x1fff_c000;

/// What became of a program operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Done.
    Programmed,
    /// The one-time block is locked.
    Locked,
    /// Not in the one-time area.
    Elsewhere,
}

/// The information block's contents.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Information {
    one_time: Vec<u8>,
    unique_id: UniqueId,
    /// The option bytes, as OPTCR's bits.
    stored_options: u32,
    /// What was loaded at the last reset.
    loaded_options: u32,
}

impl Information {
    pub(super) fn new(unique_id: UniqueId) -> Self {
        let factory = 0x0fff_aaed & OPTION_BITS;
        Self { one_time: vec![0xff; OTP_SIZE as usize], unique_id, stored_options: factory, loaded_options: factory }
    }

    pub(super) fn options(&self) -> u32 {
        self.loaded_options
    }

    /// Option bytes take effect at the next reset, except write protection, which the controller reads at once
    /// (PM0059 2.5.2).
    pub(super) fn set_options(&mut self, bits: u32) {
        const WRITE_PROTECTION: u32 = 0x0fff_0000;
        self.stored_options = bits & OPTION_BITS;
        self.loaded_options = self.loaded_options & !WRITE_PROTECTION | self.stored_options & WRITE_PROTECTION;
    }

    pub(super) fn load_options(&mut self) {
        self.loaded_options = self.stored_options;
    }

    pub(super) fn read(&self, address: u32, size: u32) -> Option<u32> {
        let mut value = 0;
        for i in (0..size.min(4)).rev() {
            value = value << 8 | u32::from(self.byte(address.checked_add(i)?)?);
        }
        Some(value)
    }

    fn byte(&self, address: u32) -> Option<u8> {
        let in_range = |base: u32, size: u32| address.checked_sub(base).filter(|offset| *offset < size);
        if let Some(offset) = in_range(UNIQUE_ID_BASE, 12) {
            return self.unique_id.get(offset as usize).copied();
        }
        if let Some(offset) = in_range(FLASH_SIZE_BASE, 2) {
            return FLASH_SIZE_KB.to_le_bytes().get(offset as usize).copied();
        }
        if let Some(offset) = in_range(OTP_BASE, OTP_SIZE) {
            return self.one_time.get(offset as usize).copied();
        }
        if let Some(offset) = in_range(OPTION_BASE, 16) {
            // Each half-word stands twice: itself and its complement (PM0059 table 5).
            let half = match offset / 8 {
                0 => self.stored_options as u16 & 0xffec | 1 << 4 | 3,
                _ => (self.stored_options >> 16) as u16 & 0x0fff | 0xf000,
            };
            let half = if offset / 2 % 2 == 0 { half } else { !half };
            return half.to_le_bytes().get((offset % 2) as usize).copied();
        }
        // Reserved bytes around the unique id are erased cells; the boot loader is not here.
        in_range(OTP_BASE, 0x400).map(|_| 0xff)
    }

    pub(super) fn program(&mut self, address: u32, bytes: &[u8]) -> Place {
        let Some(offset) = address.checked_sub(OTP_BASE).filter(|offset| *offset < OTP_SIZE) else {
            return Place::Elsewhere;
        };
        let block = if offset < OTP_DATA_SIZE { offset / 32 } else { offset - OTP_DATA_SIZE };
        // A lock byte of 0x00 locks its block; it can itself not be undone, for bits only clear.
        let lock = self.one_time.get((OTP_DATA_SIZE + block) as usize).copied().unwrap_or(0);
        if lock == 0 && offset < OTP_DATA_SIZE {
            return Place::Locked;
        }
        for (cell, byte) in self.one_time.iter_mut().skip(offset as usize).zip(bytes) {
            *cell &= byte;
        }
        Place::Programmed
    }
}
