//! Memory as an observer reads it: the machine's own, or a copy of it.

use crate::world::{FLASH_BASE, GuestMemory, SRAM_BASE, SRAM_SIZE};

/// Reads of memory that have no effect.
pub trait Words {
    /// A little-endian word at any address; `None` where there is no memory.
    fn word(&self, address: u32) -> Option<u32>;

    /// A little-endian halfword at any address.
    fn half(&self, address: u32) -> Option<u16>;

    /// Fills `into`; `false` where there is no memory.
    #[must_use]
    fn bytes(&self, address: u32, into: &mut [u8]) -> bool;

    /// Whether a pointer to a structure of the kernel can have this value: a word's address in SRAM.
    fn is_pointer(&self, value: u32) -> bool {
        value.is_multiple_of(4) && (SRAM_BASE..SRAM_BASE + SRAM_SIZE).contains(&value)
    }
}

impl Words for GuestMemory {
    fn word(&self, address: u32) -> Option<u32> {
        self.peek_word(address)
    }

    fn half(&self, address: u32) -> Option<u16> {
        let mut bytes = [0; 2];
        self.peek(address, &mut bytes).then(|| u16::from_le_bytes(bytes))
    }

    fn bytes(&self, address: u32, into: &mut [u8]) -> bool {
        self.peek(address, into)
    }
}

/// Copies of SRAM and, where code is looked at, of flash.
#[derive(Clone, Copy, Debug)]
pub struct MemoryCopy<'a> {
    /// SRAM from 0x2000_0000 on.
    pub sram: &'a [u8],
    /// Flash from 0x0800_0000 on; may be empty.
    pub flash: &'a [u8],
}

impl MemoryCopy<'_> {
    fn at(&self, address: u32) -> Option<&[u8]> {
        let (bytes, base) = if address >= SRAM_BASE { (self.sram, SRAM_BASE) } else { (self.flash, FLASH_BASE) };
        bytes.get(address.checked_sub(base)? as usize..)
    }
}

impl Words for MemoryCopy<'_> {
    fn word(&self, address: u32) -> Option<u32> {
        Some(u32::from_le_bytes(*self.at(address)?.first_chunk()?))
    }

    fn half(&self, address: u32) -> Option<u16> {
        Some(u16::from_le_bytes(*self.at(address)?.first_chunk()?))
    }

    fn bytes(&self, address: u32, into: &mut [u8]) -> bool {
        let Some(bytes) = self.at(address).and_then(|bytes| bytes.get(..into.len())) else { return false };
        into.copy_from_slice(bytes);
        true
    }
}
