//! `AT+UPSV=1`: after some silence the module sleeps and its serial line with it; it listens for a moment now and then,
//! and CTS tells when. `AT+UPSV=2`: the client's RTS says when it may sleep.
//!
//! From the vendor's system integration manual (UBX-13000995, 1.9.1.4 and "CTS signal behavior"). Assumed: that the
//! line stays awake while a command executes. No log of hardware shows any of it.

use lockstep_traces::Decisions;
use serde::{Deserialize, Serialize};

use crate::modem::{Modem, Timer};
use crate::power::PowerState;
use crate::time::{PS_PER_MS, PS_PER_US};

/// One TDMA frame (3GPP TS 45.010), the unit of the command's timeout: 60/13 ms.
const GSM_FRAME_PS: u64 = 60 * PS_PER_MS / 13;

/// What happens to a sleeping or waking line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum SleepStep {
    FallAsleep,
    Listen,
    StopListening,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct SerialSleep {
    asleep: bool,
    listening: bool,
    /// After a character woke the line: what comes before is lost too.
    deaf_until_ps: u64,
    last_character_ps: u64,
}

impl SerialSleep {
    /// Whether the line takes characters.
    pub fn hears(&self) -> bool {
        !self.asleep || self.listening
    }
}

impl Modem {
    /// The client sets the mode and the silence, in GSM frames, of `AT+UPSV`.
    pub(crate) fn set_power_saving(&mut self, mode: u32, frames: u32) {
        self.profile.power_saving = mode;
        self.profile.power_saving_frames = frames;
        self.keep_awake();
    }

    /// With `AT+UPSV=2` the client's RTS puts the line to sleep and wakes it. With mode 3 its DTR would: it is not wired
    /// on the Electron and reads as on, so the line never sleeps.
    pub(crate) fn rts_changed(&mut self, asserted: bool) {
        if self.profile.power_saving != 2 || self.power.state != PowerState::On {
            return;
        }
        if asserted && self.sleep.asleep {
            self.keep_awake();
            let wake_ps = self.config.timing.sleep_wake_us.saturating_mul(PS_PER_US);
            self.sleep.deaf_until_ps = self.now_ps.saturating_add(wake_ps);
        } else if !asserted {
            self.timers.insert(self.now_ps, Timer::Sleep(SleepStep::FallAsleep));
        }
    }

    /// The module has something to do on the line: it is awake, and stays so until the next silence.
    pub(crate) fn keep_awake(&mut self) {
        self.sleep.asleep = false;
        self.sleep.listening = false;
        self.timers.retain(|timer| !matches!(timer, Timer::Sleep(_)));
        let until_sleep_ps = match self.profile.power_saving {
            1 => self.silence_ps(),
            2 if !self.line.dte_ready() => self.config.timing.sleep_wake_us.saturating_mul(PS_PER_US).max(PS_PER_MS),
            _ => return,
        };
        self.timers.insert(self.now_ps.saturating_add(until_sleep_ps), Timer::Sleep(SleepStep::FallAsleep));
    }

    fn silence_ps(&self) -> u64 {
        u64::from(self.profile.power_saving_frames) * GSM_FRAME_PS
    }

    /// A character arrives; `false` if the sleeping line does not get it.
    pub(crate) fn hear_character(&mut self) -> bool {
        let hears = self.sleep.hears();
        self.sleep.last_character_ps = self.now_ps;
        if self.sleep.asleep && self.profile.power_saving == 2 {
            // Only RTS wakes it.
            return false;
        }
        if self.sleep.asleep {
            self.keep_awake();
        }
        if !hears {
            let wake_ps = self.config.timing.sleep_wake_us.saturating_mul(PS_PER_US);
            self.sleep.deaf_until_ps = self.now_ps.saturating_add(wake_ps);
        }
        hears && self.now_ps >= self.sleep.deaf_until_ps
    }

    pub(crate) fn sleep_step(&mut self, step: SleepStep, decisions: &mut Decisions) {
        let timing = &self.config.timing;
        match step {
            SleepStep::FallAsleep if self.profile.power_saving == 2 => {
                if !self.line.is_idle() || !self.execution_is_idle() {
                    self.keep_awake();
                } else if !self.line.dte_ready() {
                    self.sleep.asleep = true;
                }
            }
            SleepStep::FallAsleep => {
                let silent_since_ps = self.line.idle_since_ps().max(self.sleep.last_character_ps);
                let due_ps = silent_since_ps.saturating_add(self.silence_ps());
                if !self.line.is_idle() || !self.execution_is_idle() {
                    self.keep_awake();
                } else if due_ps > self.now_ps {
                    self.timers.insert(due_ps, Timer::Sleep(SleepStep::FallAsleep));
                } else {
                    self.sleep.asleep = true;
                    self.sleep_on(decisions);
                }
            }
            SleepStep::Listen => {
                self.sleep.listening = true;
                let end_ps = self.now_ps.saturating_add(timing.sleep_listen_us.saturating_mul(PS_PER_US));
                self.timers.insert(end_ps, Timer::Sleep(SleepStep::StopListening));
            }
            SleepStep::StopListening => {
                self.sleep.listening = false;
                self.sleep_on(decisions);
            }
        }
    }

    fn sleep_on(&mut self, decisions: &mut Decisions) {
        let timing = &self.config.timing;
        // A module that has no network does not wait for a paging.
        let on_gsm = !self.is_on_utran() && self.registration.circuit.is_registered();
        let interval = if on_gsm { timing.sleep_interval_2g } else { timing.sleep_interval };
        // At least a millisecond: with both times set to zero the modem would never come to the next instant.
        let ps = interval.draw_ps(self.now_ps, "modem.sleep", "interval_us", decisions).max(PS_PER_MS);
        self.timers.insert(self.now_ps.saturating_add(ps), Timer::Sleep(SleepStep::Listen));
    }
}
