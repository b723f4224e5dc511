//! Data watchpoint and trace unit: the cycle counter (ARMv7-M ARM C1.8). Comparators and profiling counters are not
//! modelled; writes to them are stored and reported.

use serde::{Deserialize, Serialize};

/// Four comparators, no trace packets (TRM DDI 0337, DWT_CTRL).
const CTRL_RESET: u32 = 0x4000_0000;
const CYCCNTENA: u32 = 1;
const DEMCR_TRCENA: u32 = 1 << 24;

/// The unit, its counter as of `anchor_cycle`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dwt {
    control: u32,
    count: u32,
    anchor_cycle: u64,
    /// CPICNT to FUNCTION3, offsets 0x08 to 0x5C.
    others: Vec<u32>,
    trace_enabled: bool,
}

impl Default for Dwt {
    fn default() -> Self {
        Self { control: CTRL_RESET, count: 0, anchor_cycle: 0, others: vec![0; 22], trace_enabled: false }
    }
}

impl Dwt {
    fn counts(&self) -> bool {
        self.trace_enabled && self.control & CYCCNTENA != 0
    }

    fn settle(&mut self, cycle: u64) {
        if self.counts() {
            self.count = self.count.wrapping_add((cycle - self.anchor_cycle) as u32);
        }
        self.anchor_cycle = cycle;
    }

    /// DEMCR changed.
    pub fn set_demcr(&mut self, demcr: u32, cycle: u64) {
        self.settle(cycle);
        self.trace_enabled = demcr & DEMCR_TRCENA != 0;
    }

    /// Reads a register.
    pub fn read(&mut self, offset: u32, cycle: u64) -> u32 {
        match offset {
            0x00 => self.control,
            0x04 => {
                self.settle(cycle);
                self.count
            }
            _ => self.others.get((offset as usize / 4).wrapping_sub(2)).copied().unwrap_or(0),
        }
    }

    /// Writes a register. Returns the name of what was touched that is not modelled.
    pub fn write(&mut self, offset: u32, value: u32, cycle: u64) -> Option<&'static str> {
        self.settle(cycle);
        match offset {
            0x00 => {
                let changed = (self.control ^ value) & 0x0fff_fffe;
                self.control = value & 0x0fff_ffff | CTRL_RESET;
                (changed != 0).then_some("DWT.CTRL trace and sampling bits")
            }
            0x04 => {
                self.count = value;
                None
            }
            _ => {
                if let Some(register) = self.others.get_mut((offset as usize / 4).wrapping_sub(2)) {
                    *register = value;
                }
                Some("DWT comparators and profiling counters")
            }
        }
    }
}
