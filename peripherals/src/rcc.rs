//! Reset and clock control (RM0033 section 5).
//!
//! Ready flags follow their ON bits after the oscillator's start-up time in virtual time. The clock security system,
//! the clock outputs (MCO), spread spectrum and the I2S PLL's frequency are named but have no effect.

mod clock_tree;
mod table;

use serde::{Deserialize, Serialize};

pub use clock_tree::{ClockSettings, HSI_HZ, Oscillator};
use clock_tree::{Oscillators, clocks};
use table::*;

use crate::device::{Cx, Device};
use crate::registers::{Register, RegisterFile};
use crate::time::{Clocks, PS_PER_MS, PS_PER_US, Wake};

const HSION: u32 = 1 << 0;
const HSIRDY: u32 = 1 << 1;
const HSEON: u32 = 1 << 16;
const HSERDY: u32 = 1 << 17;
const HSEBYP: u32 = 1 << 18;
const PLLON: u32 = 1 << 24;
const PLLRDY: u32 = 1 << 25;
const PLLI2SON: u32 = 1 << 26;
const PLLI2SRDY: u32 = 1 << 27;
const PLLSRC: u32 = 1 << 22;
const LSEON: u32 = 1 << 0;
const LSERDY: u32 = 1 << 1;
const RTCSEL: u32 = 3 << 8;
const BDRST: u32 = 1 << 16;
const LSION: u32 = 1 << 0;
const LSIRDY: u32 = 1 << 1;
const RMVF: u32 = 1 << 24;
const RESET_FLAGS: u32 = 0xfe00_0000;

/// Why the system was reset (RM0033 5.1.1), with its flag in CSR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResetCause {
    /// Power-on.
    PowerOn,
    /// Supply fell below the brown-out level.
    BrownOut,
    /// The NRST pin (the RESET button).
    Pin,
    /// SYSRESETREQ in the core's AIRCR.
    Software,
    /// Independent watchdog.
    IndependentWatchdog,
    /// Window watchdog.
    WindowWatchdog,
    /// Stop or Standby entered although the option bytes forbid it.
    LowPower,
    /// Wake-up from Standby: no flag of its own in CSR (PWR's SBF tells it).
    StandbyWakeup,
}

impl ResetCause {
    /// The flags it leaves in CSR. Every source but a Standby wake-up pulls NRST low, so PINRSTF is set too.
    fn csr_flags(self) -> u32 {
        const PIN: u32 = 1 << 26;
        match self {
            Self::PowerOn => 1 << 27 | 1 << 25 | PIN,
            Self::BrownOut => 1 << 25 | PIN,
            Self::Pin => PIN,
            Self::Software => 1 << 28 | PIN,
            Self::IndependentWatchdog => 1 << 29 | PIN,
            Self::WindowWatchdog => 1 << 30 | PIN,
            Self::LowPower => 1 << 31 | PIN,
            Self::StandbyWakeup => 0,
        }
    }
}

/// Words of the reset and enable registers: AHB1, AHB2, AHB3, APB1, APB2.
pub type BusBits = [u32; 5];

/// The RCC. Interrupt line bit 0: ready interrupts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rcc {
    regs: RegisterFile,
    settings: ClockSettings,
    oscillators: Oscillators,
    /// When PLLON was written, and the lock time drawn then.
    pll_start: PllStart,
    plli2s_start: PllStart,
    lsi_forced: bool,
    backup_write_enabled: bool,
    backup_reset: bool,
    /// When LSE was last known to swing.
    lse_swung_ps: Option<u64>,
}

/// How long a 32 kHz crystal goes on swinging after its driver is off. Its quality factor (tens of thousands) gives
/// an amplitude that falls to a third in about this time.
const LSE_RING_DOWN_PS: u64 = 100 * PS_PER_MS;

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct PllStart {
    on_ps: u64,
    lock_ps: u64,
}

impl Rcc {
    /// After power-on.
    pub fn new(settings: ClockSettings) -> Self {
        Self {
            regs: RegisterFile::new(TABLE),
            settings,
            oscillators: Oscillators::RESET,
            lse_swung_ps: None,
            pll_start: PllStart::default(),
            plli2s_start: PllStart::default(),
            lsi_forced: false,
            backup_write_enabled: false,
            backup_reset: false,
        }
    }

    /// The bus clocks in force.
    pub fn clocks(&self) -> Clocks {
        clocks(&self.regs, &self.oscillators, &self.settings, self.lsi_forced)
    }

    /// Bits of the peripheral reset registers that are set: those peripherals are held in reset.
    pub fn reset_bits(&self) -> BusBits {
        [self.regs[AHB1RSTR], self.regs[AHB2RSTR], self.regs[AHB3RSTR], self.regs[APB1RSTR], self.regs[APB2RSTR]]
    }

    /// Bits of the peripheral clock enable registers.
    pub fn enable_bits(&self) -> BusBits {
        [self.regs[AHB1ENR], self.regs[AHB2ENR], self.regs[AHB3ENR], self.regs[APB1ENR], self.regs[APB2ENR]]
    }

    /// PWR's CR.DBP: whether software may write the backup domain's bits of BDCR.
    pub fn set_backup_write_enabled(&mut self, enabled: bool) {
        self.backup_write_enabled = enabled;
    }

    /// A started IWDG keeps LSI running whatever LSION says (RM0033 5.2.5).
    pub fn set_lsi_forced(&mut self, forced: bool) {
        self.lsi_forced = forced;
    }

    /// Whether BDCR.BDRST was set since the last call: the RTC and its backup registers must be reset.
    pub fn take_backup_reset(&mut self) -> bool {
        std::mem::take(&mut self.backup_reset)
    }

    /// Resets everything but BDCR and CSR's reset flags, and adds the flags of `cause`. A power-on starts with the
    /// flags of the manual's reset value; the backup domain is kept if `backup_kept`.
    pub fn system_reset(&mut self, cause: ResetCause, backup_kept: bool) {
        let power_on = cause == ResetCause::PowerOn;
        let flags = if power_on { 0 } else { self.regs[CSR] & RESET_FLAGS } | cause.csr_flags();
        let bdcr = self.regs[BDCR];
        let (lse, lse_swung_ps) = (self.oscillators.lse, self.lse_swung_ps);
        *self = Self::new(self.settings);
        self.lse_swung_ps = lse_swung_ps;
        self.regs[CSR] = flags;
        if backup_kept {
            self.regs[BDCR] = bdcr;
            self.oscillators.lse = lse;
        }
    }

    /// Wake-up from Stop mode: HSE and the PLLs are off and SYSCLK is HSI (RM0033 4.3.4).
    pub fn wake_from_stop(&mut self, now_ps: u64) {
        self.regs[CR] = self.regs[CR] & !(HSEON | PLLON | PLLI2SON) | HSION;
        self.regs[CFGR] &= !0xf;
        let o = &mut self.oscillators;
        o.hsi = Oscillator::Running { since_ps: now_ps };
        (o.hse, o.pll, o.plli2s) = (Oscillator::Off, Oscillator::Off, Oscillator::Off);
        self.update(now_ps);
    }

    /// Brings the state to 'now': oscillators become stable, ready flags and interrupt flags are set, SYSCLK switches.
    fn update(&mut self, now_ps: u64) {
        let o = &mut self.oscillators;
        let mut ready_flags = 0;
        for (bit, oscillator) in [(0, &mut o.lsi), (1, &mut o.lse), (2, &mut o.hsi), (3, &mut o.hse)] {
            ready_flags |= u32::from(oscillator.settle(now_ps)) << bit;
        }
        // A PLL starts to lock when it is on and its source is stable.
        let source = if self.regs[PLLCFGR] & PLLSRC != 0 { o.hse } else { o.hsi };
        let plls = [(4, PLLON, &mut o.pll, self.pll_start), (5, PLLI2SON, &mut o.plli2s, self.plli2s_start)];
        for (bit, on, pll, start) in plls {
            if source == Oscillator::Off {
                *pll = Oscillator::Off;
            }
            if let (Oscillator::Off, Oscillator::Running { since_ps }) = (*pll, source)
                && self.regs[CR] & on != 0
            {
                let ready_ps = since_ps.max(start.on_ps).saturating_add(start.lock_ps);
                *pll = Oscillator::Starting { ready_ps };
            }
            ready_flags |= u32::from(pll.settle(now_ps)) << bit;
        }
        // "Set by hardware when the clock becomes stable and RDYIE is set" (5.3.4).
        self.regs[CIR] |= ready_flags & (self.regs[CIR] >> 8);
        let o = &self.oscillators;
        let mut cr = self.regs[CR] & !(HSIRDY | HSERDY | PLLRDY | PLLI2SRDY);
        for (ready, oscillator) in [(HSIRDY, o.hsi), (HSERDY, o.hse), (PLLRDY, o.pll), (PLLI2SRDY, o.plli2s)] {
            if oscillator.is_running() {
                cr |= ready;
            }
        }
        self.regs[CR] = cr;
        let set = |word: &mut u32, bit: u32, on: bool| *word = if on { *word | bit } else { *word & !bit };
        set(&mut self.regs[BDCR], LSERDY, o.lse.is_running());
        set(&mut self.regs[CSR], LSIRDY, o.lsi.is_running() || self.lsi_forced);
        // SYSCLK switches when its new source is stable (5.2.6).
        let wanted = self.regs[CFGR] & 3;
        let available = match wanted {
            0 => o.hsi.is_running(),
            1 => o.hse.is_running(),
            2 => o.pll.is_running(),
            _ => false,
        };
        if available {
            self.regs[CFGR] = self.regs[CFGR] & !0xc | wanted << 2;
        }
    }

    /// ON bits that cannot be cleared because SYSCLK comes from them, directly or through the PLL (5.3.1). SW counts
    /// as well as SWS: a switch under way needs its source.
    fn bits_in_use(&self) -> u32 {
        let cfgr = self.regs[CFGR];
        let mut bits = 0;
        for select in [cfgr & 3, cfgr >> 2 & 3] {
            bits |= match select {
                0 => HSION,
                1 => HSEON,
                2 if self.regs[PLLCFGR] & PLLSRC != 0 => PLLON | HSEON,
                2 => PLLON | HSION,
                _ => 0,
            };
        }
        bits & self.regs[CR]
    }

    fn write_cr(&mut self, value: u32, lanes: u32, cx: &mut Cx<'_>) {
        let in_use = self.bits_in_use();
        let old = self.regs.write(TABLE, CR, value, lanes, "RCC", cx);
        self.regs[CR] |= in_use;
        if old & HSEON != 0 {
            // HSEBYP can be written only with the oscillator off.
            self.regs[CR] = self.regs[CR] & !HSEBYP | old & HSEBYP;
        }
        let new = self.regs[CR];
        let now_ps = cx.now.time_ps;
        let bypass = new & HSEBYP != 0;
        let hse_startup_ps = if bypass { 0 } else { self.settings.hse_startup_ps };
        let o = &mut self.oscillators;
        switch(&mut o.hsi, old & HSION, new & HSION, now_ps + self.settings.hsi_startup_ps);
        switch(&mut o.hse, old & HSEON, new & HSEON, now_ps + hse_startup_ps);
        for (on, pll, start) in
            [(PLLON, &mut o.pll, &mut self.pll_start), (PLLI2SON, &mut o.plli2s, &mut self.plli2s_start)]
        {
            if old & on == 0 && new & on != 0 {
                let (low, high) = (self.settings.pll_lock_low_us, self.settings.pll_lock_high_us);
                let lock_us = cx.decisions.draw(now_ps, "rcc", "pll_lock_us", low, high);
                *start = PllStart { on_ps: now_ps, lock_ps: lock_us.saturating_mul(PS_PER_US) };
            }
            if new & on == 0 {
                *pll = Oscillator::Off;
            }
        }
    }

    fn write_bdcr(&mut self, value: u32, lanes: u32, cx: &mut Cx<'_>) {
        // Only the backup domain's bits are behind DBP; BDRST is not one of them (5.3.20).
        let lanes = if self.backup_write_enabled { lanes } else { lanes & BDRST };
        let old = self.regs.write(TABLE, BDCR, value, lanes, "RCC", cx);
        if self.regs[BDCR] & BDRST != 0 {
            self.regs[BDCR] = BDRST;
            self.oscillators.lse = Oscillator::Off;
            self.backup_reset |= old & BDRST == 0;
            return;
        }
        // Once selected, the RTC's clock cannot be changed until the backup domain is reset.
        if old & RTCSEL != 0 {
            self.regs[BDCR] = self.regs[BDCR] & !RTCSEL | old & RTCSEL;
        }
        // Genuine firmware switches LSE off and on again within a microsecond at every start. The crystal still swings
        // then, so only the counter that qualifies it has to run anew.
        let now_ps = cx.now.time_ps;
        let warm = self.lse_swung_ps.is_some_and(|ps| now_ps.saturating_sub(ps) < LSE_RING_DOWN_PS);
        let startup_ps = if warm { self.settings.lse_warm_startup_ps } else { self.settings.lse_startup_ps };
        if self.oscillators.lse.is_running() {
            self.lse_swung_ps = Some(now_ps);
        }
        switch(&mut self.oscillators.lse, old & LSEON, self.regs[BDCR] & LSEON, now_ps + startup_ps);
    }
}

fn switch(oscillator: &mut Oscillator, old: u32, new: u32, ready_ps: u64) {
    match (old != 0, new != 0) {
        (false, true) => *oscillator = Oscillator::Starting { ready_ps },
        (_, false) => *oscillator = Oscillator::Off,
        (true, true) => {}
    }
}

impl Device for Rcc {
    fn name(&self) -> &str {
        "RCC"
    }

    fn table(&self) -> &'static [Register] {
        TABLE
    }

    fn read(&mut self, offset: u32, cx: &mut Cx<'_>) -> u32 {
        self.update(cx.now.time_ps);
        match RegisterFile::index_of(TABLE, offset) {
            Some(index) => self.regs[index],
            None => {
                cx.unmodelled(&format!("RCC read offset {offset:#x}"));
                0
            }
        }
    }

    fn quiet_read(&self, offset: u32) -> Option<u32> {
        // Ready flags in BDCR and CSR are brought up to date by a read.
        RegisterFile::index_of(TABLE, offset)
            .filter(|index| !matches!(*index, BDCR | CSR))
            .map(|index| self.regs[index])
    }

    fn write(&mut self, offset: u32, value: u32, lanes: u32, cx: &mut Cx<'_>) {
        self.update(cx.now.time_ps);
        match RegisterFile::index_of(TABLE, offset) {
            Some(CR) => self.write_cr(value, lanes, cx),
            // PLLCFGR can be written only while the PLL is off (5.3.2).
            Some(PLLCFGR) if self.regs[CR] & PLLON != 0 => {}
            Some(PLLI2SCFGR) if self.regs[CR] & PLLI2SON != 0 => {}
            Some(CIR) => {
                self.regs.write(TABLE, CIR, value, lanes, "RCC", cx);
                self.regs[CIR] &= !((value & lanes) >> 16 & 0xbf);
            }
            Some(BDCR) => self.write_bdcr(value, lanes, cx),
            Some(CSR) => {
                let old = self.regs.write(TABLE, CSR, value, lanes, "RCC", cx);
                if value & lanes & RMVF != 0 {
                    self.regs[CSR] &= !RESET_FLAGS;
                }
                let ready_ps = cx.now.time_ps + self.settings.lsi_startup_ps;
                switch(&mut self.oscillators.lsi, old & LSION, self.regs[CSR] & LSION, ready_ps);
            }
            Some(index) => {
                self.regs.write(TABLE, index, value, lanes, "RCC", cx);
            }
            None => cx.unmodelled(&format!("RCC write offset {offset:#x}")),
        }
        self.update(cx.now.time_ps);
    }

    fn wake(&self, _clocks: &Clocks) -> Wake {
        let o = &self.oscillators;
        let ready = [o.hsi, o.hse, o.lsi, o.lse, o.pll, o.plli2s].into_iter().filter_map(Oscillator::ready_ps).min();
        ready.map_or(Wake::NEVER, Wake::at_time_ps)
    }

    fn advance(&mut self, cx: &mut Cx<'_>) {
        self.update(cx.now.time_ps);
    }

    fn irq_lines(&self) -> u32 {
        let cir = self.regs[CIR];
        u32::from(cir & cir >> 8 & 0x3f != 0)
    }

    /// A system reset without a cause of its own; [`Rcc::system_reset`] is what the composition calls.
    fn reset(&mut self) {
        self.system_reset(ResetCause::Pin, true);
    }
}

#[cfg(test)]
mod tests;
