//! The mapping between HCLK cycles and virtual time.

use lockstep_peripherals::Now;
use lockstep_peripherals::time::PS_PER_S;
use serde::{Deserialize, Serialize};

/// HCLK as of an anchor: exact in both directions, without drift between changes of frequency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    anchor: Now,
    hclk_hz: u64,
}

impl Clock {
    /// Starting at time zero.
    pub fn new(hclk_hz: u64) -> Self {
        Self { anchor: Now::default(), hclk_hz: hclk_hz.max(1) }
    }

    /// HCLK in hertz.
    pub fn hclk_hz(&self) -> u64 {
        self.hclk_hz
    }

    /// The instant at which cycle `cycles` starts.
    pub fn at(&self, cycles: u64) -> Now {
        let distance = cycles.saturating_sub(self.anchor.cycles);
        let (whole, rest) = (PS_PER_S / self.hclk_hz, PS_PER_S % self.hclk_hz);
        // floor(distance * PS_PER_S / hclk_hz), in 64 bits as long as they suffice: this is on every device access.
        let ps = match (distance.checked_mul(whole), distance.checked_mul(rest)) {
            (Some(whole), Some(rest)) => whole.saturating_add(rest / self.hclk_hz),
            _ => {
                let ps = u128::from(distance) * u128::from(PS_PER_S) / u128::from(self.hclk_hz);
                u64::try_from(ps).unwrap_or(u64::MAX)
            }
        };
        Now { cycles, time_ps: self.anchor.time_ps.saturating_add(ps) }
    }

    /// The first cycle that starts at or after `time_ps`.
    pub fn cycle_at(&self, time_ps: u64) -> u64 {
        if time_ps == u64::MAX {
            return u64::MAX;
        }
        let ps = u128::from(time_ps.saturating_sub(self.anchor.time_ps));
        let cycles = (ps * u128::from(self.hclk_hz)).div_ceil(u128::from(PS_PER_S));
        self.anchor.cycles.saturating_add(u64::try_from(cycles).unwrap_or(u64::MAX))
    }

    /// From `now` on HCLK is `hclk_hz`.
    pub fn set_hclk_hz(&mut self, now: Now, hclk_hz: u64) {
        *self = Self { anchor: now, hclk_hz: hclk_hz.max(1) };
    }

    /// HCLK stood still until `time_ps` (stop mode): cycle `cycles` starts then.
    pub fn resume(&mut self, cycles: u64, time_ps: u64) {
        self.anchor = Now { cycles, time_ps };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn a_time_s_cycle_is_the_first_not_before_it(
            hz in 1_000u64..240_000_000, start in 0u64..1 << 40, ps in 0u64..1 << 50,
        ) {
            let mut clock = Clock::new(16_000_000);
            clock.set_hclk_hz(clock.at(start), hz);
            let time = clock.at(start).time_ps + ps;
            let cycle = clock.cycle_at(time);
            proptest::prop_assert!(clock.at(cycle).time_ps >= time);
            proptest::prop_assert!(cycle == start || clock.at(cycle - 1).time_ps < time);
        }
    }
}
