//! CRC calculation unit (RM0033 section 4): CRC-32 polynomial 0x04C11DB7, word-wise, most significant bit first.

use serde::{Deserialize, Serialize};

use crate::device::{Cx, Device};
use crate::registers::{Access, Field, Register, RegisterFile};

const TABLE: &[Register] = &[
    Register {
        offset: 0x00,
        name: "DR",
        reset: 0xffff_ffff,
        section: "4.4.1",
        fields: &[Field::new("DR", 0, 32, Access::Rw)],
    },
    Register { offset: 0x04, name: "IDR", reset: 0, section: "4.4.2", fields: &[Field::new("IDR", 0, 8, Access::Rw)] },
    Register { offset: 0x08, name: "CR", reset: 0, section: "4.4.3", fields: &[Field::new("RESET", 0, 1, Access::W)] },
];
const DR: usize = 0;
const IDR: usize = 1;
const CR: usize = 2;

/// The CRC unit. Has no interrupt.
///
/// Hardware takes four HCLK cycles for a word and stalls a write that comes sooner; that stall is not charged.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Crc {
    regs: RegisterFile,
}

impl Crc {
    /// After reset.
    pub fn new() -> Self {
        Self { regs: RegisterFile::new(TABLE) }
    }
}

impl Default for Crc {
    fn default() -> Self {
        Self::new()
    }
}

/// `POLYNOMIAL_TABLE[b]` is the remainder of byte `b` shifted through the register.
const POLYNOMIAL_TABLE: [u32; 256] = {
    let mut table = [0u32; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000_0000 != 0 { (crc << 1) ^ 0x04c1_1db7 } else { crc << 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

fn shift_word(mut crc: u32, word: u32) -> u32 {
    for byte in word.to_be_bytes() {
        crc = (crc << 8) ^ POLYNOMIAL_TABLE[((crc >> 24) as u8 ^ byte) as usize];
    }
    crc
}

impl Device for Crc {
    fn name(&self) -> &str {
        "CRC"
    }

    fn table(&self) -> &'static [Register] {
        TABLE
    }

    fn read(&mut self, offset: u32, cx: &mut Cx<'_>) -> u32 {
        match RegisterFile::index_of(TABLE, offset) {
            Some(index) => self.regs[index],
            None => {
                cx.unmodelled(&format!("CRC read offset {offset:#x}"));
                0
            }
        }
    }

    fn write(&mut self, offset: u32, value: u32, lanes: u32, cx: &mut Cx<'_>) {
        match RegisterFile::index_of(TABLE, offset) {
            Some(DR) => self.regs[DR] = shift_word(self.regs[DR], value),
            Some(IDR) => {
                self.regs.write(TABLE, IDR, value, lanes, "CRC", cx);
            }
            Some(CR) if value & lanes & 1 != 0 => self.regs[DR] = 0xffff_ffff,
            Some(_) => {}
            None => cx.unmodelled(&format!("CRC write offset {offset:#x}")),
        }
    }

    fn reset(&mut self) {
        *self = Self::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    #[test]
    fn a_known_word_gives_the_published_value() {
        // CRC-32/MPEG-2 of 00 00 00 00 is C704DD7B.
        let mut bench = Bench::new();
        let mut crc = Crc::new();
        crc.write(0x08, 1, u32::MAX, &mut bench.cx());
        crc.write(0x00, 0, u32::MAX, &mut bench.cx());
        assert_eq!(crc.read(0x00, &mut bench.cx()), 0xc704_dd7b);
        crc.write(0x04, 0x1ff, u32::MAX, &mut bench.cx());
        crc.write(0x08, 1, u32::MAX, &mut bench.cx());
        assert_eq!(crc.read(0x00, &mut bench.cx()), 0xffff_ffff);
        assert_eq!(crc.read(0x04, &mut bench.cx()), 0xff, "RESET leaves IDR alone");
    }
}
