//! Peripherals that are on the chip but not modelled: their registers store what is written and read it back, and
//! every access is counted in the ledger under the register's name, so that a user sees what the firmware wanted.

mod names;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::device::{Cx, Device};
use crate::registers::Register;

pub use names::Block;

/// A block of plain registers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NamedBlock {
    block: Block,
    /// Words that differ from their reset value, by offset.
    values: BTreeMap<u32, u32>,
}

impl NamedBlock {
    /// After reset.
    pub fn new(block: Block) -> Self {
        Self { block, values: BTreeMap::new() }
    }

    fn report(&self, access: &str, offset: u32, cx: &mut Cx<'_>) {
        let block = self.name();
        match self.block.register(offset) {
            Some((name, _)) => cx.unmodelled(&format!("{block} {access} {name}")),
            None => cx.unmodelled(&format!("{block} {access} offset {offset:#x}")),
        }
    }

    fn value(&self, offset: u32) -> u32 {
        match self.values.get(&offset) {
            Some(value) => *value,
            None => self.block.register(offset).map_or(0, |(_, reset)| reset),
        }
    }
}

impl Device for NamedBlock {
    fn name(&self) -> &str {
        self.block.name()
    }

    /// Empty: no bit of it is modelled.
    fn table(&self) -> &'static [Register] {
        &[]
    }

    fn read(&mut self, offset: u32, cx: &mut Cx<'_>) -> u32 {
        self.report("read", offset, cx);
        self.value(offset & !3)
    }

    fn write(&mut self, offset: u32, value: u32, lanes: u32, cx: &mut Cx<'_>) {
        self.report("write", offset, cx);
        let offset = offset & !3;
        let new = (self.value(offset) & !lanes) | (value & lanes);
        self.values.insert(offset, new);
    }

    fn reset(&mut self) {
        self.values.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    #[test]
    fn an_access_is_kept_and_reported_by_name() {
        let mut bench = Bench::new();
        let mut cryp = NamedBlock::new(Block::Cryp);
        assert_eq!(cryp.read(0x04, &mut bench.cx()), 3, "SR resets to empty input FIFO");
        cryp.write(0x00, 0x0344, u32::MAX, &mut bench.cx());
        cryp.write(0x00, 0x0101, 0xff, &mut bench.cx());
        assert_eq!(cryp.read(0x00, &mut bench.cx()), 0x0301);
        cryp.write(0x3f0, 1, u32::MAX, &mut bench.cx());
        let names: Vec<_> = bench.ledger.entries().iter().map(|(name, e)| (name.as_str(), e.count)).collect();
        assert_eq!(
            names,
            [("CRYP read CR", 1), ("CRYP read SR", 1), ("CRYP write CR", 2), ("CRYP write offset 0x3f0", 1)]
        );
        cryp.reset();
        assert_eq!(cryp.read(0x00, &mut bench.cx()), 0);
    }

    #[test]
    fn names_are_sorted_so_that_they_are_found() {
        for block in Block::ALL {
            let registers = block.registers();
            assert!(registers.windows(2).all(|w| w[0].0 < w[1].0), "{}", block.name());
            for (offset, name, reset) in registers {
                assert_eq!(block.register(*offset), Some((*name, *reset)));
            }
        }
    }
}
