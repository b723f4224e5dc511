//! Window watchdog (RM0033 section 18): a 7-bit down-counter on PCLK1/4096.

use serde::{Deserialize, Serialize};

use crate::device::{Cx, Device};
use crate::registers::{Access, Field, Register, RegisterFile};
use crate::time::{Clocks, Wake};

const TABLE: &[Register] = &[
    Register {
        offset: 0x00,
        name: "CR",
        reset: 0x7f,
        section: "18.6.1",
        fields: &[Field::new("T", 0, 7, Access::Rw), Field::new("WDGA", 7, 1, Access::Rs)],
    },
    Register {
        offset: 0x04,
        name: "CFR",
        reset: 0x7f,
        section: "18.6.2",
        fields: &[
            Field::new("W", 0, 7, Access::Rw),
            Field::new("WDGTB", 7, 2, Access::Rw),
            Field::new("EWI", 9, 1, Access::Rs),
        ],
    },
    Register {
        offset: 0x08,
        name: "SR",
        reset: 0,
        section: "18.6.3",
        fields: &[Field::new("EWIF", 0, 1, Access::Rc0)],
    },
];
const CR: usize = 0;
const CFR: usize = 1;
const SR: usize = 2;

const WDGA: u32 = 1 << 7;
const EWI: u32 = 1 << 9;
const EWIF: u32 = 1;

/// The window watchdog. Interrupt line bit 0: early wake-up.
///
/// The counter runs whether or not WDGA is set. It starts with the first access after reset: before that the RCC
/// keeps its clock off. The phase of the prescaler restarts when the counter or WDGTB is written, so that the time-out
/// is the manual's formula exactly; on hardware the divider runs on and the first step may come sooner.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Wwdg {
    regs: RegisterFile,
    /// HCLK cycle at which the counter had the value in CR, once clocked.
    anchor_cycle: Option<u64>,
    hclk_per_pclk: u64,
    reset_request: bool,
}

impl Wwdg {
    /// After reset: not clocked, not enabled.
    pub fn new() -> Self {
        Self { regs: RegisterFile::new(TABLE), anchor_cycle: None, hclk_per_pclk: 1, reset_request: false }
    }

    /// The counter fell below 0x40, or was reloaded outside the window, since the last call.
    pub fn take_reset_request(&mut self) -> bool {
        std::mem::take(&mut self.reset_request)
    }

    fn start_clock(&mut self, cx: &Cx<'_>) {
        if self.anchor_cycle.is_none() {
            self.hclk_per_pclk = cx.clocks.hclk_per_pclk1;
            self.anchor_cycle = Some(cx.now.cycles);
        }
    }

    fn cycles_per_step(&self) -> u64 {
        (4096 << (self.regs[CFR] >> 7 & 3)) * self.hclk_per_pclk.max(1)
    }

    fn step(&mut self, steps: u64) {
        let old = self.regs[CR] & 0x7f;
        // How often the counter passes a value on its way down, modulo its 128 values.
        let passes = |value: u32| steps > u64::from(old.wrapping_sub(value).wrapping_sub(1) & 0x7f);
        if passes(0x40) {
            self.regs[SR] |= EWIF;
        }
        if self.regs[CR] & WDGA != 0 && passes(0x3f) {
            self.reset_request = true;
        }
        let new = old.wrapping_sub((steps & 0x7f) as u32) & 0x7f;
        self.regs[CR] = self.regs[CR] & !0x7f | new;
    }
}

impl Default for Wwdg {
    fn default() -> Self {
        Self::new()
    }
}

impl Device for Wwdg {
    fn name(&self) -> &str {
        "WWDG"
    }

    fn table(&self) -> &'static [Register] {
        TABLE
    }

    fn read(&mut self, offset: u32, cx: &mut Cx<'_>) -> u32 {
        self.advance(cx);
        self.start_clock(cx);
        match RegisterFile::index_of(TABLE, offset) {
            Some(index) => self.regs[index],
            None => {
                cx.unmodelled(&format!("WWDG read offset {offset:#x}"));
                0
            }
        }
    }

    fn write(&mut self, offset: u32, value: u32, lanes: u32, cx: &mut Cx<'_>) {
        self.advance(cx);
        self.start_clock(cx);
        let Some(index) = RegisterFile::index_of(TABLE, offset) else {
            cx.unmodelled(&format!("WWDG write offset {offset:#x}"));
            return;
        };
        let old = self.regs.write(TABLE, index, value, lanes, "WWDG", cx);
        match index {
            CR => {
                self.anchor_cycle = Some(cx.now.cycles);
                let too_early = old & WDGA != 0 && old & 0x7f > self.regs[CFR] & 0x7f;
                let below = self.regs[CR] & (WDGA | 0x40) == WDGA;
                self.reset_request |= too_early || below;
            }
            CFR if (old ^ self.regs[CFR]) & 3 << 7 != 0 => self.anchor_cycle = Some(cx.now.cycles),
            _ => {}
        }
    }

    fn wake(&self, _clocks: &Clocks) -> Wake {
        let Some(anchor) = self.anchor_cycle else { return Wake::NEVER };
        let counter = u64::from(self.regs[CR] & 0x7f);
        let steps = if self.regs[CFR] & EWI != 0 && self.regs[SR] & EWIF == 0 && counter > 0x40 {
            counter - 0x40
        } else if self.regs[CR] & WDGA != 0 && counter > 0x3f {
            counter - 0x3f
        } else if self.regs[CFR] & EWI != 0 && self.regs[SR] & EWIF == 0 {
            counter + 0x80 - 0x40
        } else {
            return Wake::NEVER;
        };
        Wake::at_cycle(anchor.saturating_add(steps * self.cycles_per_step()))
    }

    fn advance(&mut self, cx: &mut Cx<'_>) {
        let Some(anchor) = self.anchor_cycle else { return };
        let steps = cx.now.cycles.saturating_sub(anchor) / self.cycles_per_step();
        if steps > 0 {
            self.step(steps);
            self.anchor_cycle = Some(anchor + steps * self.cycles_per_step());
        }
    }

    fn clocks_changed(&mut self, cx: &mut Cx<'_>) {
        if self.hclk_per_pclk != cx.clocks.hclk_per_pclk1 {
            // The part of a step already passed is dropped: at most one step late, once per change of the prescaler.
            self.hclk_per_pclk = cx.clocks.hclk_per_pclk1;
            if self.anchor_cycle.is_some() {
                self.anchor_cycle = Some(cx.now.cycles);
            }
        }
    }

    fn irq_lines(&self) -> u32 {
        u32::from(self.regs[SR] & EWIF != 0 && self.regs[CFR] & EWI != 0)
    }

    fn reset(&mut self) {
        *self = Self::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;
    use proptest::prelude::*;

    #[test]
    fn the_early_warning_comes_one_step_before_the_reset() {
        let mut bench = Bench::new();
        bench.clocks.hclk_per_pclk1 = 4;
        let mut wwdg = Wwdg::new();
        wwdg.write(4, EWI | 1 << 7 | 0x7f, u32::MAX, &mut bench.cx());
        wwdg.write(0, WDGA | 0x50, u32::MAX, &mut bench.cx());
        let warning = wwdg.wake(&bench.clocks).cycle;
        assert_eq!(warning, 0x10 * 4096 * 2 * 4);
        bench.at_cycle(warning);
        wwdg.advance(&mut bench.cx());
        assert_eq!(wwdg.irq_lines(), 1);
        assert!(!wwdg.take_reset_request());
        wwdg.write(8, 0, u32::MAX, &mut bench.cx());
        assert_eq!(wwdg.irq_lines(), 0);
        let bite = wwdg.wake(&bench.clocks).cycle;
        assert_eq!(bite, warning + 4096 * 2 * 4);
        bench.at_cycle(bite);
        wwdg.advance(&mut bench.cx());
        assert!(wwdg.take_reset_request());
    }

    #[test]
    fn reloading_before_the_window_opens_resets() {
        let mut bench = Bench::new();
        let mut wwdg = Wwdg::new();
        wwdg.write(4, 0x50, u32::MAX, &mut bench.cx());
        wwdg.write(0, WDGA | 0x7f, u32::MAX, &mut bench.cx());
        assert!(!wwdg.take_reset_request(), "the first write arms it");
        bench.at_cycle(4096 * (0x7f - 0x50));
        wwdg.write(0, 0x7f, u32::MAX, &mut bench.cx());
        assert!(!wwdg.take_reset_request());
        bench.at_cycle(bench.now.cycles + 4096 * (0x7f - 0x51));
        wwdg.write(0, 0x7f, u32::MAX, &mut bench.cx());
        assert!(wwdg.take_reset_request());
        assert_eq!(wwdg.read(0, &mut bench.cx()), WDGA | 0x7f, "WDGA cannot be cleared");
    }

    #[test]
    fn software_may_reset_at_once_by_clearing_t6() {
        let mut bench = Bench::new();
        let mut wwdg = Wwdg::new();
        wwdg.write(0, WDGA | 0x3f, u32::MAX, &mut bench.cx());
        assert!(wwdg.take_reset_request());
    }

    proptest! {
        #[test]
        fn splitting_time_changes_nothing(t in 0u32..128, tb in 0u32..4, stops in prop::collection::vec(0u64..3_000_000, 1..20)) {
            let mut bench = Bench::new();
            let mut one = Wwdg::new();
            one.write(4, tb << 7 | 0x7f, u32::MAX, &mut bench.cx());
            one.write(0, t, u32::MAX, &mut bench.cx());
            let mut many = one.clone();
            let mut cycle = 0;
            for stop in stops {
                cycle += stop;
                bench.at_cycle(cycle);
                many.advance(&mut bench.cx());
            }
            let expected_count = (u64::from(t) + 128 * 1000 - cycle / (4096 << tb)) % 128;
            for offset in [0, 4, 8] {
                prop_assert_eq!(one.read(offset, &mut bench.cx()), many.read(offset, &mut bench.cx()));
            }
            prop_assert_eq!(u64::from(one.read(0, &mut bench.cx())), expected_count);
        }
    }
}
