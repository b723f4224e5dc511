//! Registration with the network: searching, registered, denied, lost and regained; attach to packet service.

use lockstep_traces::Decisions;
use serde::{Deserialize, Serialize};

use crate::config::Admission;
use crate::execution::{Outcome, Wait};
use crate::modem::{Modem, Timer};
use crate::power::PowerState;
use crate::time::DurationRange;
use crate::urc::Urc;

/// Registration as `+CREG` and `+CGREG` number it (TS 27.007 7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum RegistrationStatus {
    NotRegistered,
    Home,
    Searching,
    Denied,
    Roaming,
}

impl RegistrationStatus {
    /// The number.
    pub fn number(self) -> u32 {
        match self {
            Self::NotRegistered => 0,
            Self::Home => 1,
            Self::Searching => 2,
            Self::Denied => 3,
            Self::Roaming => 5,
        }
    }

    /// Home or roaming.
    pub fn is_registered(self) -> bool {
        matches!(self, Self::Home | Self::Roaming)
    }
}

/// A step of registration that takes time. The number tells apart attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum RegistrationStep {
    Found(u64),
    Attached(u64),
    Retry(u64),
}

/// Indicators of `+CIEV` (u-blox numbering: 2 signal, 3 service, 7 roaming, 9 packet service).
const INDICATOR_SERVICE: u32 = 3;
const INDICATOR_ROAMING: u32 = 7;
const INDICATOR_PACKET: u32 = 9;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Registration {
    /// `AT+CREG`.
    pub circuit: RegistrationStatus,
    /// `AT+CGREG`.
    pub packet: RegistrationStatus,
    pub coverage: bool,
    /// Attached to packet service.
    pub attached: bool,
    /// The client wants to be attached.
    pub attach_wanted: bool,
    /// `AT+CFUN`: 1 is the full function.
    pub function: u32,
    /// `AT+COPS=2` was given.
    pub deregistered_by_client: bool,
    attempt: u64,
}

impl Registration {
    pub fn new(coverage: bool, attempt: u64) -> Self {
        Self {
            circuit: RegistrationStatus::NotRegistered,
            packet: RegistrationStatus::NotRegistered,
            coverage,
            attached: false,
            attach_wanted: true,
            function: 1,
            deregistered_by_client: false,
            attempt,
        }
    }

    /// Everything as after power-on; coverage is the world's and stays, and old attempts stay outdated.
    pub fn power_cycle(&mut self) {
        *self = Self::new(self.coverage, self.attempt + 1);
    }
}

impl Modem {
    fn radio_on(&self) -> bool {
        self.power.state == PowerState::On
            && self.registration.function == 1
            && !self.registration.deregistered_by_client
            && self.sim.require().is_ok()
    }

    /// Looks for a network if the radio may.
    pub(crate) fn begin_search(&mut self, decisions: &mut Decisions) {
        self.registration.attempt += 1;
        if !self.radio_on() {
            return self.set_status(RegistrationStatus::NotRegistered, decisions);
        }
        self.set_status(RegistrationStatus::Searching, decisions);
        if self.registration.coverage {
            self.registration_after(
                self.config.timing.registration,
                "registration_us",
                RegistrationStep::Found,
                decisions,
            );
        }
    }

    fn registration_after(
        &mut self,
        range: DurationRange,
        what: &str,
        step: fn(u64) -> RegistrationStep,
        decisions: &mut Decisions,
    ) {
        let time_ps = range.draw_ps(self.now_ps, "modem.registration", what, decisions);
        self.timers.insert(self.now_ps + time_ps, Timer::Registration(step(self.registration.attempt)));
    }

    pub(crate) fn registration_step(&mut self, step: RegistrationStep, decisions: &mut Decisions) {
        let attempt = self.registration.attempt;
        match step {
            RegistrationStep::Found(n) if n == attempt => {
                let status = match self.config.cell.admission {
                    Admission::Home => RegistrationStatus::Home,
                    Admission::Roaming => RegistrationStatus::Roaming,
                    Admission::Denied => RegistrationStatus::Denied,
                };
                self.set_status(status, decisions);
                if status == RegistrationStatus::Denied {
                    if let Some(range) = self.config.behaviour.retry_after_denial {
                        self.registration_after(range, "retry_us", RegistrationStep::Retry, decisions);
                    }
                } else if self.registration.attach_wanted {
                    self.begin_attach(decisions);
                }
            }
            RegistrationStep::Attached(n) if n == attempt && self.registration.attach_wanted => {
                self.registration.attached = true;
                self.registration.packet = self.registration.circuit;
                self.urc_cgreg(decisions);
                self.urc(Urc::Indicator { number: INDICATOR_PACKET, value: 2 }, decisions);
                self.complete(|wait| *wait == Wait::Attach, Ok(Outcome::Lines(vec![])), decisions);
            }
            RegistrationStep::Retry(n) if n == attempt => self.begin_search(decisions),
            _ => {}
        }
    }

    pub(crate) fn begin_attach(&mut self, decisions: &mut Decisions) {
        self.registration_after(self.config.timing.attach, "attach_us", RegistrationStep::Attached, decisions);
    }

    /// `AT+CGATT=0`, or the network detached us.
    pub(crate) fn detach(&mut self, decisions: &mut Decisions) {
        if std::mem::take(&mut self.registration.attached) {
            self.registration.packet = RegistrationStatus::NotRegistered;
            self.urc_cgreg(decisions);
            self.urc(Urc::Indicator { number: INDICATOR_PACKET, value: 1 }, decisions);
        }
        self.drop_pdp(decisions);
    }

    fn set_status(&mut self, status: RegistrationStatus, decisions: &mut Decisions) {
        let before = self.registration.circuit;
        if before == status {
            return;
        }
        self.registration.circuit = status;
        self.urc(Urc::Creg, decisions);
        if !status.is_registered() {
            let attached = std::mem::take(&mut self.registration.attached);
            self.registration.packet = status;
            self.urc_cgreg(decisions);
            if attached {
                self.urc(Urc::Indicator { number: INDICATOR_PACKET, value: 0 }, decisions);
            }
            // A search that follows lost coverage keeps the PDP context, as networks do for minutes; switching the
            // radio off does not.
            if status == RegistrationStatus::NotRegistered {
                self.drop_pdp(decisions);
            }
        }
        if before.is_registered() != status.is_registered() {
            let value = u32::from(status.is_registered());
            self.urc(Urc::Indicator { number: INDICATOR_SERVICE, value }, decisions);
        }
        if status == RegistrationStatus::Roaming {
            self.urc(Urc::Indicator { number: INDICATOR_ROAMING, value: 1 }, decisions);
        }
    }

    fn urc_cgreg(&mut self, decisions: &mut Decisions) {
        self.urc(Urc::Cgreg, decisions);
    }

    pub(crate) fn coverage_changed(&mut self, coverage: bool, decisions: &mut Decisions) {
        if self.registration.coverage != coverage {
            self.registration.coverage = coverage;
            self.begin_search(decisions);
        }
    }

    /// The text of `+CREG`/`+CGREG`, as a URC (`None` if not wanted) or as the answer to the read command.
    pub(crate) fn registration_text(
        &self,
        name: &str,
        mode: u32,
        status: RegistrationStatus,
        as_urc: bool,
    ) -> Option<String> {
        let cell = &self.config.cell;
        let number = status.number();
        let place = if mode == 2 && status.is_registered() {
            let technology = self.config.model.access_technology();
            format!(",\"{}\",\"{}\",{technology}", cell.location_area, cell.cell_id)
        } else {
            String::new()
        };
        match (as_urc, mode) {
            (true, 0) => None,
            (true, _) => Some(format!("{name}: {number}{place}")),
            (false, _) => Some(format!("{name}: {mode},{number}{place}")),
        }
    }
}
