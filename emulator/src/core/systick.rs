//! SysTick (ARMv7-M ARM B3.3, PM0056 4.5).

use serde::{Deserialize, Serialize};

const ENABLE: u32 = 1 << 0;
const TICKINT: u32 = 1 << 1;
const CLKSOURCE: u32 = 1 << 2;
const COUNTFLAG: u32 = 1 << 16;
/// HCLK/8: the STM32F2's reference clock for SysTick (RM0033 5.2, figure 9).
const REFERENCE_DIVIDER: u64 = 8;
/// 1 ms at HCLK/8 = 15 MHz would be 15,000; ST documents 0x4000_3A98 with SKEW, NOREF clear (PM0056 4.5.4).
const CALIB: u32 = 0x4000_3a98;

/// The timer, as of `anchor_cycle`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SysTick {
    control: u32,
    load: u32,
    /// Counter at the anchor.
    value: u32,
    /// HCLK cycle of the last counter clock accounted for.
    anchor_cycle: u64,
}

impl SysTick {
    fn divider(&self) -> u64 {
        if self.control & CLKSOURCE != 0 { 1 } else { REFERENCE_DIVIDER }
    }

    /// Counter clocks from the anchor to the next time the counter reaches zero by counting; `None` if it does not.
    fn clocks_to_zero(&self) -> Option<u64> {
        if self.control & ENABLE == 0 {
            return None;
        }
        match (self.value, self.load) {
            (0, 0) => None,
            (0, load) => Some(u64::from(load) + 1),
            (value, _) => Some(u64::from(value)),
        }
    }

    /// HCLK cycle of the next interrupt, `u64::MAX` if none will come.
    pub fn next_cycle(&self) -> u64 {
        match self.clocks_to_zero() {
            Some(clocks) if self.control & TICKINT != 0 => self.anchor_cycle + clocks * self.divider(),
            _ => u64::MAX,
        }
    }

    /// Counts up to `cycle`. Returns whether the exception became pending on the way.
    pub fn advance(&mut self, cycle: u64) -> bool {
        if self.control & ENABLE == 0 {
            self.anchor_cycle = cycle;
            return false;
        }
        let mut clocks = cycle.saturating_sub(self.anchor_cycle) / self.divider();
        self.anchor_cycle += clocks * self.divider();
        let mut fired = false;
        while clocks > 0 {
            let Some(to_zero) = self.clocks_to_zero() else { break };
            if clocks < to_zero {
                self.value = match self.value {
                    // From zero the first clock reloads.
                    0 => self.load - (clocks - 1) as u32,
                    value => value - clocks as u32,
                };
                break;
            }
            clocks -= to_zero;
            self.value = 0;
            self.control |= COUNTFLAG;
            fired = true;
            let period = u64::from(self.load) + 1;
            if self.load != 0 && clocks >= period {
                clocks %= period;
            }
        }
        fired && self.control & TICKINT != 0
    }

    /// Reads a register; `advance` was called for the present cycle.
    pub fn read(&mut self, offset: u32) -> u32 {
        match offset {
            0x10 => {
                let value = self.control;
                self.control &= !COUNTFLAG;
                value
            }
            0x14 => self.load,
            0x18 => self.value,
            _ => CALIB,
        }
    }

    /// Writes a register; `advance` was called for the present cycle.
    pub fn write(&mut self, offset: u32, value: u32, cycle: u64) {
        match offset {
            0x10 => {
                let was = self.control;
                self.control = value & (ENABLE | TICKINT | CLKSOURCE) | was & COUNTFLAG;
                if (was ^ self.control) & (ENABLE | CLKSOURCE) != 0 {
                    self.anchor_cycle = cycle;
                }
            }
            0x14 => self.load = value & 0xff_ffff,
            0x18 => {
                // Any write clears the counter and COUNTFLAG, without raising the exception.
                self.value = 0;
                self.control &= !COUNTFLAG;
                self.anchor_cycle = cycle;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(load: u32) -> SysTick {
        let mut s = SysTick::default();
        s.write(0x14, load, 0);
        s.write(0x18, 0, 0);
        s.write(0x10, 7, 0);
        s
    }

    #[test]
    fn fires_every_load_plus_one_clocks() {
        let mut s = started(119_999);
        assert_eq!(s.next_cycle(), 120_000);
        assert!(!s.advance(119_999));
        assert_eq!(s.read(0x18), 1);
        assert!(s.advance(120_000));
        assert_eq!(s.read(0x18), 0);
        assert_eq!(s.next_cycle(), 240_000);
        assert_eq!(s.read(0x10), 0x1_0007);
        assert_eq!(s.read(0x10), 7, "reading clears COUNTFLAG");
    }

    proptest::proptest! {
        #[test]
        fn steps_give_what_one_jump_gives(load in 0u32..50, steps in proptest::collection::vec(0u64..70, 1..30)) {
            let mut a = started(load);
            let mut b = started(load);
            let mut cycle = 0;
            let mut fired = false;
            for step in steps {
                cycle += step;
                fired |= a.advance(cycle);
            }
            proptest::prop_assert_eq!(b.advance(cycle), fired);
            proptest::prop_assert_eq!(a, b);
        }
    }
}
