//! Virtual time: an exact count of HCLK cycles, and the picoseconds since power-on that follow from it.

use serde::{Deserialize, Serialize};

/// Picoseconds in one second.
pub const PS_PER_S: u64 = 1_000_000_000_000;
/// Picoseconds in one millisecond.
pub const PS_PER_MS: u64 = 1_000_000_000;
/// Picoseconds in one microsecond.
pub const PS_PER_US: u64 = 1_000_000;

/// One instant, in both domains.
///
/// Devices on a bus clock count `cycles`, which is exact whatever the clock's frequency is. Parts outside the clock
/// tree (the modem, crystals of their own, a person's finger) use `time_ps`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Now {
    /// HCLK cycles since power-on. Does not advance while HCLK is stopped.
    pub cycles: u64,
    /// Virtual time since power-on in picoseconds.
    pub time_ps: u64,
}

/// When a device wants [`Device::advance`](crate::Device::advance) called: the earlier of the two. `u64::MAX` is never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wake {
    /// At this HCLK cycle.
    pub cycle: u64,
    /// At this virtual time.
    pub time_ps: u64,
}

impl Wake {
    /// The device waits for nothing.
    pub const NEVER: Self = Self { cycle: u64::MAX, time_ps: u64::MAX };

    /// At an HCLK cycle.
    pub fn at_cycle(cycle: u64) -> Self {
        Self { cycle, ..Self::NEVER }
    }

    /// At a virtual time.
    pub fn at_time_ps(time_ps: u64) -> Self {
        Self { time_ps, ..Self::NEVER }
    }

    /// The earlier of two, per domain.
    pub fn min(self, other: Self) -> Self {
        Self { cycle: self.cycle.min(other.cycle), time_ps: self.time_ps.min(other.time_ps) }
    }

    /// Whether it is due at `now`.
    pub fn is_due(self, now: Now) -> bool {
        self.cycle <= now.cycles || self.time_ps <= now.time_ps
    }
}

/// The clock tree's outputs (RM0033 5.2), as computed by the RCC. All bus clocks are HCLK divided by an integer, so a
/// bus-clocked device needs only the divisor and the cycle count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clocks {
    /// System clock before the AHB prescaler.
    pub sysclk_hz: u64,
    /// AHB clock: the processor's clock. Never zero.
    pub hclk_hz: u64,
    /// HCLK cycles per APB1 clock: 1, 2, 4, 8 or 16.
    pub hclk_per_pclk1: u64,
    /// HCLK cycles per APB2 clock.
    pub hclk_per_pclk2: u64,
    /// HCLK cycles per kernel clock of the timers on APB1 (PCLK1 ×2 unless its prescaler is 1).
    pub hclk_per_tim_apb1: u64,
    /// HCLK cycles per kernel clock of the timers on APB2.
    pub hclk_per_tim_apb2: u64,
    /// LSI (about 32 kHz) runs: clocks the IWDG and perhaps the RTC.
    pub lsi_hz: Option<u64>,
    /// LSE (32,768 Hz crystal) runs.
    pub lse_hz: Option<u64>,
    /// RTC input clock, `None` when RTCSEL selects nothing, the source is off, or RTCEN is clear.
    pub rtc_hz: Option<u64>,
    /// The 48 MHz domain (USB, RNG, SDIO) has a clock.
    pub clk48_hz: Option<u64>,
}

impl Clocks {
    /// After reset: HSI 16 MHz, all prescalers 1.
    pub const RESET: Self = Self {
        sysclk_hz: 16_000_000,
        hclk_hz: 16_000_000,
        hclk_per_pclk1: 1,
        hclk_per_pclk2: 1,
        hclk_per_tim_apb1: 1,
        hclk_per_tim_apb2: 1,
        lsi_hz: None,
        lse_hz: None,
        rtc_hz: None,
        clk48_hz: None,
    };
}

/// Picoseconds that `cycles` of HCLK take.
pub(crate) fn cycles_to_ps(cycles: u64, clocks: &Clocks) -> u64 {
    let ps = u128::from(cycles) * u128::from(PS_PER_S) / u128::from(clocks.hclk_hz.max(1));
    u64::try_from(ps).unwrap_or(u64::MAX)
}
