//! Ticks of a clock that is not derived from HCLK (LSI, LSE), as an exact function of virtual time.

use serde::{Deserialize, Serialize};

use crate::time::PS_PER_S;

/// Counts whole periods of an oscillator of an integer frequency, without rounding and without stepping.
///
/// The fraction of a period that has passed at a change of frequency is carried over, so splitting a span of time in
/// any way counts the same ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockTicks {
    hz: u64,
    anchor_ps: u64,
    anchor_ticks: u64,
    /// Part of a period already passed at the anchor, in units of 1/10^12 of a period.
    anchor_phase: u64,
}

impl ClockTicks {
    /// Frequency in force; 0 while the oscillator stands still.
    pub fn hz(&self) -> u64 {
        self.hz
    }

    /// Whole periods up to `time_ps`.
    pub fn count(&self, time_ps: u64) -> u64 {
        self.anchor_ticks.saturating_add(u64::try_from(self.since(time_ps) / u128::from(PS_PER_S)).unwrap_or(u64::MAX))
    }

    /// Virtual time at which [`count`](Self::count) reaches `tick`; `u64::MAX` while the oscillator stands still.
    pub fn time_of(&self, tick: u64) -> u64 {
        if tick <= self.anchor_ticks {
            return self.anchor_ps;
        }
        if self.hz == 0 {
            return u64::MAX;
        }
        let needed = u128::from(tick - self.anchor_ticks) * u128::from(PS_PER_S) - u128::from(self.anchor_phase);
        let after = needed.div_ceil(u128::from(self.hz));
        u64::try_from(u128::from(self.anchor_ps) + after).unwrap_or(u64::MAX)
    }

    /// From `time_ps` on the oscillator runs at `hz` (0: stands still). Does nothing if it does so already.
    pub fn set_hz(&mut self, time_ps: u64, hz: u64) {
        if self.hz == hz {
            return;
        }
        let ticks = self.count(time_ps);
        let phase = (self.since(time_ps) % u128::from(PS_PER_S)) as u64;
        *self = Self { hz, anchor_ps: time_ps, anchor_ticks: ticks, anchor_phase: phase };
    }

    fn since(&self, time_ps: u64) -> u128 {
        u128::from(time_ps.saturating_sub(self.anchor_ps)) * u128::from(self.hz) + u128::from(self.anchor_phase)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_32768_hz_crystal_ticks_32768_times_a_second() {
        let mut clock = ClockTicks::default();
        clock.set_hz(500, 32_768);
        assert_eq!(clock.count(500 + PS_PER_S), 32_768);
        assert_eq!(clock.count(499 + PS_PER_S), 32_767);
    }

    #[test]
    fn a_stopped_clock_keeps_its_fraction() {
        let mut clock = ClockTicks::default();
        clock.set_hz(0, 10);
        clock.set_hz(PS_PER_S / 20, 0);
        assert_eq!(clock.time_of(1), u64::MAX);
        clock.set_hz(PS_PER_S, 10);
        assert_eq!(clock.time_of(1), PS_PER_S + PS_PER_S / 20);
    }

    proptest! {
        #[test]
        fn the_time_of_a_tick_is_the_first_instant_it_is_counted(hz in 1u64..2_000_000, start in 0u64..1 << 50, tick in 1u64..1 << 20) {
            let mut clock = ClockTicks::default();
            clock.set_hz(start, hz);
            let time_ps = clock.time_of(tick);
            prop_assert_eq!(clock.count(time_ps), tick);
            prop_assert!(clock.count(time_ps - 1) < tick);
        }
    }
}
