//! The clock tree (RM0033 5.2): oscillators that take time to start, and the frequencies that follow from the
//! registers.

use serde::{Deserialize, Serialize};

use super::table::{BDCR, CFGR, PLLCFGR};
use crate::registers::RegisterFile;
use crate::time::{Clocks, PS_PER_MS, PS_PER_S, PS_PER_US};

/// What the board and the individual chip give the clock tree. A setting of the machine, constant during a run.
///
/// Start-up times are the typical values of the data sheet's clock source characteristics (DS6329 section 6.3), but for
/// the high-speed crystal's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockSettings {
    /// Frequency of the high-speed crystal: 26 MHz on the Electron.
    pub hse_hz: u64,
    /// Frequency of the low-speed crystal.
    pub lse_hz: u64,
    /// Frequency of this chip's LSI oscillator: 17 to 47 kHz by the data sheet, 32 kHz typical.
    pub lsi_hz: u64,
    /// HSI start-up time in picoseconds.
    pub hsi_startup_ps: u64,
    /// HSE start-up time in picoseconds.
    pub hse_startup_ps: u64,
    /// LSE start-up time in picoseconds, from rest: 2 s typical by the data sheet.
    pub lse_startup_ps: u64,
    /// LSE start-up time in picoseconds when the crystal still swings: 4,096 of its clocks to qualify it. An
    /// assumption from later STM32 families; the F2's manual gives no figure.
    pub lse_warm_startup_ps: u64,
    /// LSI start-up time in picoseconds.
    pub lsi_startup_ps: u64,
    /// Shortest PLL lock time in microseconds; the lock time is drawn anew at each start.
    pub pll_lock_low_us: u64,
    /// Longest PLL lock time in microseconds.
    pub pll_lock_high_us: u64,
}

impl Default for ClockSettings {
    fn default() -> Self {
        Self {
            hse_hz: 26_000_000,
            lse_hz: 32_768,
            lsi_hz: 32_000,
            hsi_startup_ps: 2_200_000,
            // The data sheet's typical 2 ms would be beyond the time that genuine firmware waits (1280 polls at 16 MHz,
            // about 1.5 ms), after which it stays on HSI for good; so the Electron's crystal is faster than that.
            hse_startup_ps: 600 * PS_PER_US,
            lse_startup_ps: 2 * PS_PER_S,
            lse_warm_startup_ps: 125 * PS_PER_MS,
            lsi_startup_ps: 15 * PS_PER_US,
            pll_lock_low_us: 75,
            pll_lock_high_us: 200,
        }
    }
}

/// Frequency of the internal high-speed oscillator.
pub const HSI_HZ: u64 = 16_000_000;

/// An oscillator or PLL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Oscillator {
    /// Off.
    Off,
    /// Switched on, stable at an instant to come.
    Starting {
        /// That instant.
        ready_ps: u64,
    },
    /// Stable.
    Running {
        /// Since this instant.
        since_ps: u64,
    },
}

impl Oscillator {
    /// Whether its ready flag is set.
    pub fn is_running(self) -> bool {
        matches!(self, Self::Running { .. })
    }

    /// When its ready flag will be set.
    pub fn ready_ps(self) -> Option<u64> {
        match self {
            Self::Starting { ready_ps } => Some(ready_ps),
            _ => None,
        }
    }

    /// Becomes stable if its time has come. Returns whether it did.
    pub fn settle(&mut self, now_ps: u64) -> bool {
        match *self {
            Self::Starting { ready_ps } if ready_ps <= now_ps => {
                *self = Self::Running { since_ps: ready_ps };
                true
            }
            _ => false,
        }
    }
}

/// The oscillators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Oscillators {
    pub hsi: Oscillator,
    pub hse: Oscillator,
    pub lsi: Oscillator,
    pub lse: Oscillator,
    pub pll: Oscillator,
    pub plli2s: Oscillator,
}

impl Oscillators {
    /// After reset: HSI runs, the rest is off.
    pub const RESET: Self = Self {
        hsi: Oscillator::Running { since_ps: 0 },
        hse: Oscillator::Off,
        lsi: Oscillator::Off,
        lse: Oscillator::Off,
        pll: Oscillator::Off,
        plli2s: Oscillator::Off,
    };
}

/// VCO frequency of the main PLL; `None` with a divisor of zero (a setting the manual forbids).
fn pll_vco_hz(regs: &RegisterFile, settings: &ClockSettings) -> Option<u64> {
    let pllcfgr = regs[PLLCFGR];
    let source_hz = if pllcfgr & 1 << 22 != 0 { settings.hse_hz } else { HSI_HZ };
    (source_hz * u64::from(pllcfgr >> 6 & 0x1ff)).checked_div(u64::from(pllcfgr & 0x3f))
}

/// AHB prescaler (HPRE).
fn ahb_divisor(hpre: u32) -> u64 {
    match hpre {
        0..=7 => 1,
        8..=11 => 2 << (hpre - 8),
        _ => 64 << (hpre.min(15) - 12),
    }
}

/// APB prescaler (PPRE1, PPRE2).
fn apb_divisor(ppre: u32) -> u64 {
    if ppre & 4 == 0 { 1 } else { 2 << (ppre & 3) }
}

/// The frequencies in force.
pub fn clocks(regs: &RegisterFile, oscillators: &Oscillators, settings: &ClockSettings, lsi_forced: bool) -> Clocks {
    let cfgr = regs[CFGR];
    let pllcfgr = regs[PLLCFGR];
    let vco_hz = pll_vco_hz(regs, settings);
    let pll_hz = vco_hz.map(|hz| hz / (2 * (u64::from(pllcfgr >> 16 & 3) + 1)));
    // CFGR.SWS says what is in use.
    let sysclk_hz = match cfgr >> 2 & 3 {
        0 => HSI_HZ,
        1 => settings.hse_hz,
        _ => pll_hz.unwrap_or(0),
    }
    .max(1);
    let hclk_hz = (sysclk_hz / ahb_divisor(cfgr >> 4 & 0xf)).max(1);
    let hclk_per_pclk1 = apb_divisor(cfgr >> 10 & 7);
    let hclk_per_pclk2 = apb_divisor(cfgr >> 13 & 7);
    // Timers run at twice PCLK unless the prescaler is 1 (RM0033 5.2).
    let timer = |hclk_per_pclk: u64| if hclk_per_pclk == 1 { 1 } else { hclk_per_pclk / 2 };
    let lsi_hz = (oscillators.lsi.is_running() || lsi_forced).then_some(settings.lsi_hz);
    let lse_hz = oscillators.lse.is_running().then_some(settings.lse_hz);
    let bdcr = regs[BDCR];
    let rtc_hz = if bdcr & 1 << 15 == 0 {
        None
    } else {
        match bdcr >> 8 & 3 {
            1 => lse_hz,
            2 => lsi_hz,
            3 if oscillators.hse.is_running() => {
                // RTCPRE 0 and 1 mean no clock.
                let divisor = u64::from(cfgr >> 16 & 0x1f);
                (divisor >= 2).then(|| settings.hse_hz / divisor)
            }
            _ => None,
        }
    };
    let clk48_hz = match vco_hz {
        Some(hz) if oscillators.pll.is_running() => hz.checked_div(u64::from(pllcfgr >> 24 & 0xf)),
        _ => None,
    };
    Clocks {
        sysclk_hz,
        hclk_hz,
        hclk_per_pclk1,
        hclk_per_pclk2,
        hclk_per_tim_apb1: timer(hclk_per_pclk1),
        hclk_per_tim_apb2: timer(hclk_per_pclk2),
        lsi_hz,
        lse_hz,
        rtc_hz,
        clk48_hz,
    }
}
