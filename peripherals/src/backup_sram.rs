//! Backup SRAM (RM0033 2.3.1 and 4.1.2): 4 KB that keep their contents over a system reset, and in Standby and on VBAT
//! while the backup regulator is on. Writable while PWR's CR.DBP is set.

use serde::{Deserialize, Serialize};

use crate::device::{Cx, Device};
use crate::registers::Register;

/// Size in bytes.
pub const BACKUP_SRAM_SIZE: u32 = 4096;

/// The backup SRAM. It has no registers and no interrupt.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BackupSram {
    words: Vec<u32>,
    write_enabled: bool,
}

impl BackupSram {
    /// After a power-on without a backup supply. Hardware comes up with undefined contents; here they are zero.
    pub fn new() -> Self {
        Self { words: vec![0; BACKUP_SRAM_SIZE as usize / 4], write_enabled: false }
    }

    /// PWR's CR.DBP.
    pub fn set_backup_write_enabled(&mut self, enabled: bool) {
        self.write_enabled = enabled;
    }
}

impl Default for BackupSram {
    fn default() -> Self {
        Self::new()
    }
}

impl Device for BackupSram {
    fn name(&self) -> &str {
        "BKPSRAM"
    }

    fn table(&self) -> &'static [Register] {
        &[]
    }

    fn read(&mut self, offset: u32, _cx: &mut Cx<'_>) -> u32 {
        self.words.get(offset as usize / 4).copied().unwrap_or(0)
    }

    fn write(&mut self, offset: u32, value: u32, lanes: u32, _cx: &mut Cx<'_>) {
        if self.write_enabled
            && let Some(word) = self.words.get_mut(offset as usize / 4)
        {
            *word = (*word & !lanes) | (value & lanes);
        }
    }

    /// The contents stay: only losing both supplies clears them.
    fn reset(&mut self) {
        self.write_enabled = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    #[test]
    fn contents_are_behind_dbp_and_survive_a_reset() {
        let mut bench = Bench::new();
        let mut sram = BackupSram::new();
        sram.write(0xffc, 0x1234_5678, u32::MAX, &mut bench.cx());
        assert_eq!(sram.read(0xffc, &mut bench.cx()), 0);
        sram.set_backup_write_enabled(true);
        sram.write(0xffc, 0x1234_5678, 0xffff_0000, &mut bench.cx());
        sram.reset();
        assert_eq!(sram.read(0xffc, &mut bench.cx()), 0x1234_0000);
        sram.write(0xffc, 0, u32::MAX, &mut bench.cx());
        assert_eq!(sram.read(0xffc, &mut bench.cx()), 0x1234_0000);
        assert_eq!(sram.read(0x1000, &mut bench.cx()), 0);
    }
}
