//! Real-time clock (RM0033 section 22): calendar, alarms, wake-up timer, timestamp, backup registers.
//!
//! It belongs to the backup domain: a system reset leaves it running. Its time base is its own crystal, so it counts
//! virtual time, not HCLK cycles.

use serde::{Deserialize, Serialize};

use crate::clock_ticks::ClockTicks;
use crate::device::{Cx, Device};
use crate::registers::{Register, RegisterFile};
use crate::time::{Clocks, Wake};

mod calendar;
mod table;
#[cfg(test)]
mod tests;

use calendar::Calendar;
use table::*;

/// RTCCLK periods for an update to cross from the bus to the RTC's clock (RM0033 22.3.5, 22.3.6: about two).
const SYNCHRONISATION_TICKS: u64 = 2;
/// RTCCLK periods from clearing INIT to the calendar counting again (RM0033 22.3.5).
const RESTART_TICKS: u64 = 4;

/// The real-time clock. Interrupt lines: bit 0 alarms (EXTI 17), bit 1 tamper and timestamp (EXTI 21), bit 2 wake-up
/// timer (EXTI 22).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rtc {
    regs: RegisterFile,
    calendar: Calendar,
    ticks: ClockTicks,
    /// RTCCLK tick at which the running second ends.
    second_end_tick: u64,
    /// Minute of the 64-minute cycle of the coarse calibration.
    calibration_minute: u8,
    /// RTCCLK tick of the next wake-up event, with WUCKSEL below 4.
    wakeup_tick: u64,
    /// Seconds to the next wake-up event, with WUCKSEL 4 and above.
    wakeup_seconds: u32,
    /// Flags of ISR that synchronisation will set, and when.
    pending: Vec<(u32, u64)>,
    /// DR as it was when TR was read, until DR is read.
    locked_dr: Option<u32>,
    backup_write_enabled: bool,
    unlock: Unlock,
    tamper_pin: bool,
}

/// How far the key sequence of WPR has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Unlock {
    Locked,
    FirstKey,
    Unlocked,
}

impl Rtc {
    /// After the first power-on: calendar stopped until RTCCLK runs.
    pub fn new() -> Self {
        Self {
            regs: RegisterFile::new(TABLE),
            calendar: Calendar::RESET,
            ticks: ClockTicks::default(),
            second_end_tick: 0x80 * 0x100,
            calibration_minute: 0,
            wakeup_tick: 0,
            wakeup_seconds: 0,
            pending: vec![(RSF, SYNCHRONISATION_TICKS)],
            locked_dr: None,
            backup_write_enabled: false,
            unlock: Unlock::Locked,
            tamper_pin: false,
        }
    }

    /// PWR_CR.DBP: without it no register of the backup domain can be written.
    pub fn set_backup_write_enabled(&mut self, enabled: bool) {
        self.backup_write_enabled = enabled;
    }

    /// Backup domain reset (RCC_BDCR.BDRST): everything, backup registers too. DBP is the PWR's and stays.
    pub fn backup_domain_reset(&mut self) {
        *self = Self { backup_write_enabled: self.backup_write_enabled, ..Self::new() };
    }

    /// Power-on with VBAT gone as well.
    pub fn power_on_reset(&mut self) {
        *self = Self::new();
    }

    /// A backup register, 0 to 19; `None` beyond.
    pub fn backup_register(&self, index: usize) -> Option<u32> {
        (index < BACKUP_COUNT).then(|| self.regs[BKP0R + index])
    }

    /// Sets a backup register as if it had been kept on VBAT from an earlier life; nothing beyond 19.
    pub fn set_backup_register(&mut self, index: usize, value: u32) {
        if index < BACKUP_COUNT {
            self.regs[BKP0R + index] = value;
        }
    }

    /// The time and date counters in the format of TR and DR, at the last instant this device saw.
    pub fn calendar(&self) -> (u32, u32) {
        (self.calendar.tr, self.calendar.dr)
    }

    /// Level of RTC_AF1 (PC13): timestamps with CR.TSE, tamper with TAFCR.TAMP1E, each on its configured edge.
    pub fn set_tamper_pin(&mut self, level: bool, cx: &mut Cx<'_>) {
        self.advance(cx);
        if level == self.tamper_pin {
            return;
        }
        self.tamper_pin = level;
        let (cr, tafcr) = (self.regs[CR], self.regs[TAFCR]);
        if cr & TSE != 0 && (cr & TSEDGE == 0) == level {
            if self.regs[ISR] & TSF != 0 {
                self.regs[ISR] |= TSOVF;
            } else {
                self.regs[ISR] |= TSF;
                self.regs[TSTR] = self.calendar.tr;
                self.regs[TSDR] = self.calendar.dr & 0xffff;
            }
        }
        if tafcr & TAMP1E != 0 && (tafcr & TAMP1TRG == 0) == level {
            self.regs[ISR] |= TAMP1F;
        }
        self.clear_backup_on_tamper();
    }

    /// While the tamper flag is set the backup registers are held at zero (RM0033 22.3.12).
    fn clear_backup_on_tamper(&mut self) {
        if self.regs[ISR] & TAMP1F != 0 {
            for index in 0..BACKUP_COUNT {
                self.regs[BKP0R + index] = 0;
            }
        }
    }

    fn twelve_hours(&self) -> bool {
        self.regs[CR] & FMT != 0
    }

    /// RTCCLK periods of the second that now begins, coarse calibration included (RM0033 22.3.9).
    fn second_ticks(&self) -> u64 {
        let prer = self.regs[PRER];
        let asynchronous = u64::from(prer >> 16 & 0x7f) + 1;
        let length = asynchronous * (u64::from(prer & 0x1fff) + 1);
        let calibr = self.regs[CALIBR];
        let calibrated = self.regs[CR] & DCE != 0
            && self.calendar.is_minute_start()
            && u32::from(self.calibration_minute) < 2 * (calibr & 0x1f);
        match (calibrated, calibr & DCS != 0) {
            (false, _) => length,
            (true, false) => length.saturating_sub(2 * asynchronous).max(1),
            (true, true) => length + asynchronous,
        }
    }

    fn end_second(&mut self) {
        self.calendar.add_second(self.twelve_hours());
        if self.calendar.is_minute_start() {
            self.calibration_minute = (self.calibration_minute + 1) % 64;
        }
        let cr = self.regs[CR];
        if cr & ALRAE != 0 && self.calendar.matches(self.regs[ALRMAR]) {
            self.regs[ISR] |= ALRAF;
        }
        if cr & ALRBE != 0 && self.calendar.matches(self.regs[ALRMBR]) {
            self.regs[ISR] |= ALRBF;
        }
        if cr & WUTE != 0 && self.wakeup_counts_seconds() {
            self.wakeup_seconds = self.wakeup_seconds.saturating_sub(1);
            if self.wakeup_seconds == 0 {
                self.regs[ISR] |= WUTF;
                self.wakeup_seconds = self.wakeup_period_seconds();
            }
        }
        self.second_end_tick += self.second_ticks();
    }

    fn wakeup_counts_seconds(&self) -> bool {
        self.regs[CR] & 4 != 0
    }

    fn wakeup_period_seconds(&self) -> u32 {
        self.regs[WUTR] + 1 + if self.regs[CR] & 2 != 0 { 0x1_0000 } else { 0 }
    }

    fn wakeup_period_ticks(&self) -> u64 {
        (u64::from(self.regs[WUTR]) + 1) * (16 >> (self.regs[CR] & 3))
    }

    /// Copies the calendar to the shadow registers that software reads, unless RSF says they are not in step.
    fn update_shadow(&mut self) {
        if self.regs[ISR] & RSF != 0 {
            self.regs[TR] = self.calendar.tr;
            self.regs[DR] = self.calendar.dr;
        }
    }

    fn set_later(&mut self, flag: u32, tick: u64) {
        self.pending.retain(|(pending, _)| *pending != flag);
        self.pending.push((flag, tick));
    }

    fn cancel(&mut self, flag: u32) {
        self.pending.retain(|(pending, _)| *pending != flag);
        self.regs[ISR] &= !flag;
    }

    fn leave_initialisation(&mut self, tick: u64) {
        let restart_tick = tick + RESTART_TICKS;
        self.cancel(INITF);
        self.regs[ISR] &= !INIT;
        self.calibration_minute = 0;
        self.second_end_tick = restart_tick + self.second_ticks();
        self.set_later(RSF, restart_tick);
        let inits = if self.calendar.has_year() { INITS } else { 0 };
        self.regs[ISR] = self.regs[ISR] & !INITS | inits;
    }

    fn write_isr(&mut self, value: u32, lanes: u32, tick: u64) {
        // The event flags are cleared without the WPR keys; the rest of the register needs them.
        self.regs[ISR] &= value | !lanes | !EVENT_FLAGS;
        if self.regs[ISR] & TSF == 0 {
            self.regs[TSTR] = 0;
            self.regs[TSDR] = 0;
        }
        if self.unlock != Unlock::Unlocked {
            return;
        }
        if !value & lanes & RSF != 0 && self.regs[ISR] & RSF != 0 {
            self.cancel(RSF);
            self.set_later(RSF, tick + SYNCHRONISATION_TICKS);
        }
        let was = self.regs[ISR] & INIT != 0;
        let is = if lanes & INIT != 0 { value & INIT != 0 } else { was };
        if is && !was {
            self.regs[ISR] |= INIT;
            self.cancel(RSF);
            self.set_later(INITF, tick + SYNCHRONISATION_TICKS);
        } else if was && !is {
            self.leave_initialisation(tick);
        }
    }

    fn write_cr(&mut self, value: u32, lanes: u32, tick: u64, cx: &mut Cx<'_>) {
        let mut lanes = lanes;
        if self.regs[ISR] & INITF == 0 {
            lanes &= !(FMT | DCE | REFCKON);
        }
        if self.regs[CR] & WUTE != 0 || self.regs[ISR] & WUTWF == 0 {
            lanes &= !WUCKSEL;
        }
        let old = self.regs.write(TABLE, CR, value, lanes, "RTC", cx);
        let new = self.regs[CR];
        for (enable, writable) in [(ALRAE, ALRAWF), (ALRBE, ALRBWF), (WUTE, WUTWF)] {
            if new & enable != 0 {
                self.cancel(writable);
            } else if old & enable != 0 {
                self.set_later(writable, tick + SYNCHRONISATION_TICKS);
            }
        }
        if new & !old & WUTE != 0 {
            self.wakeup_tick = tick + self.wakeup_period_ticks();
            self.wakeup_seconds = self.wakeup_period_seconds();
        }
        if self.regs[ISR] & INITF == 0 {
            if value & lanes & ADD1H != 0 {
                self.calendar.add_hour(self.twelve_hours());
            }
            if value & lanes & SUB1H != 0 {
                self.calendar.subtract_hour(self.twelve_hours());
            }
        }
    }

    /// Whether a register behind the WPR keys may be written now.
    fn is_writable(&self, index: usize) -> bool {
        let isr = self.regs[ISR];
        match index {
            TR | DR | PRER | CALIBR => isr & INITF != 0,
            ALRMAR => isr & (ALRAWF | INITF) != 0,
            ALRMBR => isr & (ALRBWF | INITF) != 0,
            WUTR => isr & WUTWF != 0,
            _ => true,
        }
    }
}

impl Default for Rtc {
    fn default() -> Self {
        Self::new()
    }
}

impl Device for Rtc {
    fn name(&self) -> &str {
        "RTC"
    }

    fn table(&self) -> &'static [Register] {
        TABLE
    }

    fn read(&mut self, offset: u32, cx: &mut Cx<'_>) -> u32 {
        self.advance(cx);
        match RegisterFile::index_of(TABLE, offset) {
            Some(TR) => {
                // Reading TR freezes DR until DR is read, so that both belong to one second (RM0033 22.3.6).
                self.locked_dr.get_or_insert(self.regs[DR]);
                self.regs[TR]
            }
            Some(DR) => self.locked_dr.take().unwrap_or(self.regs[DR]),
            Some(index) => self.regs[index],
            None => {
                cx.unmodelled(&format!("RTC read offset {offset:#x}"));
                0
            }
        }
    }

    fn write(&mut self, offset: u32, value: u32, lanes: u32, cx: &mut Cx<'_>) {
        self.advance(cx);
        let Some(index) = RegisterFile::index_of(TABLE, offset) else {
            cx.unmodelled(&format!("RTC write offset {offset:#x}"));
            return;
        };
        if !self.backup_write_enabled {
            return;
        }
        let tick = self.ticks.count(cx.now.time_ps);
        match index {
            WPR => {
                self.unlock = match (self.unlock, value & lanes & 0xff) {
                    (_, 0xca) => Unlock::FirstKey,
                    (Unlock::FirstKey, 0x53) => Unlock::Unlocked,
                    _ => Unlock::Locked,
                };
            }
            ISR => self.write_isr(value, lanes, tick),
            TAFCR | BKP0R.. => {
                self.regs.write(TABLE, index, value, lanes, "RTC", cx);
                self.clear_backup_on_tamper();
            }
            _ if self.unlock != Unlock::Unlocked || !self.is_writable(index) => {}
            CR => self.write_cr(value, lanes, tick, cx),
            TR | DR => {
                // Goes to the counters, not to the shadow register that is read.
                let register = &TABLE[index];
                if index == TR {
                    self.calendar.tr = register.after_write(self.calendar.tr, value, lanes);
                } else {
                    self.calendar.dr = register.after_write(self.calendar.dr, value, lanes);
                }
            }
            _ => {
                self.regs.write(TABLE, index, value, lanes, "RTC", cx);
            }
        }
    }

    fn wake(&self, _clocks: &Clocks) -> Wake {
        let (cr, isr) = (self.regs[CR], self.regs[ISR]);
        let mut tick = u64::MAX;
        if cr & WUTE != 0 && cr & WUTIE != 0 && isr & WUTF == 0 && !self.wakeup_counts_seconds() {
            tick = self.wakeup_tick;
        }
        // An alarm or a wake-up in seconds is looked at each second: one event a second costs nothing.
        let alarms = cr >> 4 & cr & !isr & (ALRAE | ALRBE) != 0;
        let seconds = cr & WUTE != 0 && cr & WUTIE != 0 && isr & WUTF == 0 && self.wakeup_counts_seconds();
        if (alarms || seconds) && isr & INITF == 0 {
            tick = tick.min(self.second_end_tick);
        }
        if tick == u64::MAX { Wake::NEVER } else { Wake::at_time_ps(self.ticks.time_of(tick)) }
    }

    fn advance(&mut self, cx: &mut Cx<'_>) {
        self.ticks.set_hz(cx.now.time_ps, cx.clocks.rtc_hz.unwrap_or(0));
        let tick = self.ticks.count(cx.now.time_ps);
        // Entering initialisation stops the calendar in the middle of the span this call covers.
        let stop = self.pending.iter().find(|(flag, _)| *flag == INITF).map_or(u64::MAX, |(_, at)| *at);
        while self.regs[ISR] & INITF == 0 && self.second_end_tick <= tick.min(stop.saturating_sub(1)) {
            self.end_second();
        }
        if self.regs[ISR] & INITF != 0 {
            // The calendar stands still; a system reset that ends the initialisation goes on from here.
            self.second_end_tick = tick;
        }
        if self.regs[CR] & WUTE != 0 && !self.wakeup_counts_seconds() && self.wakeup_tick <= tick {
            self.regs[ISR] |= WUTF;
            let period = self.wakeup_period_ticks();
            self.wakeup_tick += ((tick - self.wakeup_tick) / period + 1) * period;
        }
        let mut set = 0;
        self.pending.retain(|(flag, at)| {
            if *at <= tick {
                set |= *flag;
            }
            *at > tick
        });
        self.regs[ISR] |= set;
        self.update_shadow();
    }

    fn clocks_changed(&mut self, cx: &mut Cx<'_>) {
        self.advance(cx);
    }

    fn irq_lines(&self) -> u32 {
        let (cr, isr) = (self.regs[CR], self.regs[ISR]);
        // ALRAIE and ALRBIE stand four bits above the flags' own positions in ISR.
        let alarm = isr & cr >> 4 & (ALRAF | ALRBF) != 0;
        let timestamp = isr & TSF != 0 && cr & TSIE != 0;
        let tamper = isr & TAMP1F != 0 && self.regs[TAFCR] & TAMPIE != 0;
        let wakeup = isr & WUTF != 0 && cr & WUTIE != 0;
        u32::from(alarm) | u32::from(timestamp || tamper) << 1 | u32::from(wakeup) << 2
    }

    /// System reset: the clock goes on and the backup domain is kept; only the shadow registers and the
    /// initialisation mode are reset (RM0033 22.3.7). They are in step again before code has come far enough to look.
    fn reset(&mut self) {
        if self.regs[ISR] & INIT != 0 {
            self.leave_initialisation(self.second_end_tick);
        }
        self.cancel(RSF);
        self.set_later(RSF, 0);
        self.regs[TR] = 0;
        self.regs[DR] = TABLE[DR].reset;
        self.locked_dr = None;
        self.backup_write_enabled = false;
    }
}
