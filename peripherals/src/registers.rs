//! Register tables and the storage they describe.

use serde::{Deserialize, Serialize};

use crate::device::Cx;

/// How software may use a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read and write.
    Rw,
    /// Read only; hardware sets it.
    R,
    /// Write only: reads as zero. The device acts on the written value; nothing is stored.
    W,
    /// Write 1 clears, write 0 has no effect (`rc_w1`).
    Rc1,
    /// Write 0 clears, write 1 has no effect (`rc_w0`).
    Rc0,
    /// Write 1 sets, only hardware clears (`rs`).
    Rs,
    /// Named but not modelled: stored, read back, and reported in the ledger when software changes it.
    Tag,
}

/// A named bit field.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// The manual's name.
    pub name: &'static str,
    /// Lowest bit.
    pub lsb: u8,
    /// Number of bits, 1 to 32.
    pub width: u8,
    /// What software may do with it.
    pub access: Access,
}

impl Field {
    /// A field; used in `const` tables.
    pub const fn new(name: &'static str, lsb: u8, width: u8, access: Access) -> Self {
        Self { name, lsb, width, access }
    }

    /// Its bits in place.
    pub const fn mask(&self) -> u32 {
        (if self.width == 32 { u32::MAX } else { (1 << self.width) - 1 }) << self.lsb
    }
}

/// One register: the specification of what software sees.
#[derive(Clone, Copy, Debug)]
pub struct Register {
    /// Byte offset from the peripheral's base, a multiple of 4.
    pub offset: u32,
    /// The manual's name.
    pub name: &'static str,
    /// Value after reset.
    pub reset: u32,
    /// Section of the manual named in the peripheral's module documentation.
    pub section: &'static str,
    /// Every defined bit. Bits without a field are reserved: they read as reset and ignore writes.
    pub fields: &'static [Field],
}

impl Register {
    const fn mask_of(&self, access: Access) -> u32 {
        let mut mask = 0;
        let mut i = 0;
        while i < self.fields.len() {
            if self.fields[i].access as u8 == access as u8 {
                mask |= self.fields[i].mask();
            }
            i += 1;
        }
        mask
    }

    /// The stored value after software writes `value` to the byte lanes in `lanes`.
    pub const fn after_write(&self, old: u32, value: u32, lanes: u32) -> u32 {
        let direct = (self.mask_of(Access::Rw) | self.mask_of(Access::Tag)) & lanes;
        let rc1 = self.mask_of(Access::Rc1) & lanes;
        let rc0 = self.mask_of(Access::Rc0) & lanes;
        let rs = self.mask_of(Access::Rs) & lanes;
        let mut new = (old & !direct) | (value & direct);
        new &= !(value & rc1);
        new &= !(!value & rc0);
        new | (value & rs)
    }
}

/// The values of a peripheral's registers, in the order of its table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterFile {
    values: Vec<u32>,
}

impl RegisterFile {
    /// All registers at their reset values.
    pub fn new(table: &[Register]) -> Self {
        Self { values: table.iter().map(|r| r.reset).collect() }
    }

    /// Index into the table of the register at a byte offset.
    pub fn index_of(table: &[Register], offset: u32) -> Option<usize> {
        table.iter().position(|r| r.offset == offset & !3)
    }

    /// Applies a software write by the table's rules and reports changed tags to the ledger. Returns the old value.
    pub fn write(
        &mut self,
        table: &[Register],
        index: usize,
        value: u32,
        lanes: u32,
        device: &str,
        cx: &mut Cx<'_>,
    ) -> u32 {
        let register = &table[index];
        let old = self.values[index];
        let new = register.after_write(old, value, lanes);
        self.values[index] = new;
        let tags = register.mask_of(Access::Tag);
        if (old ^ new) & tags != 0 {
            for field in register.fields {
                if field.access == Access::Tag && (old ^ new) & field.mask() != 0 {
                    cx.unmodelled(&format!("{device}.{}.{}", register.name, field.name));
                }
            }
        }
        old
    }
}

impl std::ops::Index<usize> for RegisterFile {
    type Output = u32;
    fn index(&self, index: usize) -> &u32 {
        &self.values[index]
    }
}

impl std::ops::IndexMut<usize> for RegisterFile {
    fn index_mut(&mut self, index: usize) -> &mut u32 {
        &mut self.values[index]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const R: Register = Register {
        offset: 0,
        name: "SR",
        reset: 0,
        section: "",
        fields: &[
            Field::new("A", 0, 1, Access::Rw),
            Field::new("B", 1, 1, Access::Rc1),
            Field::new("C", 2, 1, Access::Rc0),
            Field::new("D", 3, 1, Access::Rs),
            Field::new("E", 4, 1, Access::R),
        ],
    };

    #[test]
    fn each_access_kind_follows_the_manual_s_words() {
        assert_eq!(R.after_write(0b1_0110, 0b0_1111, u32::MAX), 0b1_1101);
        assert_eq!(R.after_write(0b1_1111, 0, u32::MAX), 0b1_1010);
        assert_eq!(R.after_write(0, u32::MAX, u32::MAX), 0b0_1001);
        assert_eq!(R.after_write(0b110, 0b010, 0xffff_ff00), 0b110, "lanes not written keep their bits");
    }
}
