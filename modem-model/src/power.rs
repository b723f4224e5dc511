//! Power: PWR_ON, RESET_N, V_INT, boot and shutdown.

use lockstep_traces::Decisions;
use serde::{Deserialize, Serialize};

use crate::modem::{Modem, Timer};
use crate::output::Output;
use crate::time::PS_PER_US;

/// What the module does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PowerState {
    /// Off.
    Off,
    /// Switched on; V_INT rises soon.
    Starting,
    /// V_INT is high, the AT interface does not answer yet.
    Booting,
    /// Answers.
    On,
    /// Detaches and switches off.
    ShuttingDown,
    /// Held in reset.
    Reset,
}

/// A step of the power sequence that takes time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum PowerStep {
    /// PWR_ON has been low long enough to switch on. The number tells apart presses.
    KeyOn(u64),
    /// PWR_ON has been low long enough to switch off.
    KeyOff(u64),
    /// RESET_N has been low long enough.
    ResetHeld(u64),
    VIntRises,
    Booted,
    ShutDown,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Power {
    pub state: PowerState,
    key_low: bool,
    key_presses: u64,
    /// The press going on switched the module on and so must not switch it off.
    key_used: bool,
    reset_low: bool,
    reset_presses: u64,
    /// The level shifters between module and microcontroller are off.
    pub shifters_off: bool,
    v_int: bool,
    cts: bool,
    /// The supply voltage is there.
    supplied: bool,
    /// Counts every loss of the module's state.
    pub generation: u64,
}

impl Default for Power {
    fn default() -> Self {
        Self {
            state: PowerState::Off,
            key_low: false,
            key_presses: 0,
            key_used: false,
            reset_low: false,
            reset_presses: 0,
            shifters_off: false,
            v_int: false,
            cts: true,
            supplied: true,
            generation: 0,
        }
    }
}

impl Power {
    pub fn v_int(&self) -> bool {
        self.v_int
    }

    pub fn cts(&self) -> bool {
        self.cts
    }
}

impl Modem {
    pub(crate) fn power_key_changed(&mut self, high: bool) {
        if self.power.key_low != high {
            return;
        }
        self.power.key_low = !high;
        // Any edge outdates the timers of the press before it.
        self.power.key_presses += 1;
        self.power.key_used = false;
        if !high {
            let press = self.power.key_presses;
            let low_us = self.config.power_on_low_us();
            self.after_us(low_us, PowerStep::KeyOn(press));
            if let Some(low_us) = self.config.model.power_off_low_us() {
                self.after_us(low_us, PowerStep::KeyOff(press));
            }
        }
    }

    pub(crate) fn reset_changed(&mut self, high: bool, decisions: &mut Decisions) {
        if self.power.reset_low != high {
            return;
        }
        self.power.reset_low = !high;
        self.power.reset_presses += 1;
        if !high {
            self.after_us(self.config.timing.reset_low_min_us, PowerStep::ResetHeld(self.power.reset_presses));
        } else if self.power.state == PowerState::Reset {
            self.start(decisions);
        }
    }

    fn after_us(&mut self, us: u64, step: PowerStep) {
        self.timers.insert(self.now_ps.saturating_add(us.saturating_mul(PS_PER_US)), Timer::Power(step));
    }

    pub(crate) fn power_step(&mut self, step: PowerStep, decisions: &mut Decisions) {
        let timing = &self.config.timing;
        match step {
            PowerStep::KeyOn(press) => {
                if press == self.power.key_presses && self.power.state == PowerState::Off && self.power.supplied {
                    self.power.key_used = true;
                    self.start(decisions);
                }
            }
            PowerStep::KeyOff(press) => {
                let running = matches!(self.power.state, PowerState::On | PowerState::Booting);
                if press == self.power.key_presses && running && !self.power.key_used && !self.faults.locked {
                    self.shut_down(decisions);
                }
            }
            PowerStep::ResetHeld(press) => {
                let works = self.power.state != PowerState::Off && !self.faults.locked;
                if press == self.power.reset_presses && works {
                    self.lose_power(PowerState::Reset);
                }
            }
            PowerStep::VIntRises => {
                let boot_ps = timing.boot.draw_ps(self.now_ps, "modem.power", "boot_us", decisions);
                self.timers.insert(self.now_ps.saturating_add(boot_ps), Timer::Power(PowerStep::Booted));
                self.power.state = PowerState::Booting;
                self.set_v_int(true);
            }
            PowerStep::Booted => {
                self.power.state = PowerState::On;
                self.line.discard_received();
                self.greet();
                self.begin_search(decisions);
            }
            PowerStep::ShutDown if self.faults.locked => {}
            PowerStep::ShutDown => self.lose_power(PowerState::Off),
        }
    }

    /// The supply voltage goes or comes. A module that gets it starts by itself (UBX-13000995, table 8).
    pub(crate) fn supply_changed(&mut self, on: bool, decisions: &mut Decisions) {
        if std::mem::replace(&mut self.power.supplied, on) == on {
            return;
        }
        if on {
            self.start(decisions);
        } else {
            self.faults.locked = false;
            self.lose_power(PowerState::Off);
        }
    }

    pub(crate) fn start(&mut self, decisions: &mut Decisions) {
        self.lose_power(PowerState::Starting);
        let rise_ps = self.config.timing.v_int_rise.draw_ps(self.now_ps, "modem.power", "v_int_rise_us", decisions);
        self.timers.insert(self.now_ps.saturating_add(rise_ps), Timer::Power(PowerStep::VIntRises));
    }

    /// Begins an orderly shutdown (`AT+CPWROFF`, or PWR_ON held low).
    pub(crate) fn shut_down(&mut self, decisions: &mut Decisions) {
        self.power.state = PowerState::ShuttingDown;
        let time_ps = self.config.timing.power_off.draw_ps(self.now_ps, "modem.power", "power_off_us", decisions);
        self.timers.insert(self.now_ps.saturating_add(time_ps), Timer::Power(PowerStep::ShutDown));
    }

    /// Boots again without losing V_INT: with `AT+CFUN=16` the SIM is reset too, with `15` it is not.
    pub(crate) fn reboot(&mut self, with_sim: bool, decisions: &mut Decisions) {
        let sim = self.sim.clone();
        self.lose_state();
        if !with_sim {
            self.sim = sim;
        }
        self.power.state = PowerState::Booting;
        let boot_ps = self.config.timing.boot.draw_ps(self.now_ps, "modem.power", "boot_us", decisions);
        self.timers.insert(self.now_ps.saturating_add(boot_ps), Timer::Power(PowerStep::Booted));
    }

    fn lose_power(&mut self, state: PowerState) {
        self.lose_state();
        self.power.state = state;
        self.set_v_int(false);
    }

    fn set_v_int(&mut self, high: bool) {
        if self.power.v_int != high {
            self.power.v_int = high;
            self.outputs.push_back(Output::VInt { high, time_ps: self.now_ps });
        }
    }

    /// Drives CTS from what the module does now.
    pub(crate) fn update_cts(&mut self) {
        let asserted = match self.power.state {
            PowerState::Off | PowerState::Starting | PowerState::Reset => self.config.behaviour.cts_when_off,
            PowerState::Booting => self.config.behaviour.cts_while_booting,
            PowerState::On | PowerState::ShuttingDown => self.line.update_cts() && self.sleep.hears(),
        };
        if self.power.cts != asserted {
            self.power.cts = asserted;
            self.outputs.push_back(Output::Cts { asserted, time_ps: self.now_ps });
        }
    }
}
