//! Registration with the network: searching, registered, denied, lost and regained; attach to packet service.

use lockstep_traces::Decisions;
use serde::{Deserialize, Serialize};

use crate::config::{Admission, SimState};
use crate::errors::CmeError;
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

/// Indicators of `+CIND` and `+CIEV` (u-blox AT commands manual, +CIND and +CMER).
pub(crate) mod indicator {
    /// Received power in six levels.
    pub const SIGNAL: u32 = 2;
    /// Registered.
    pub const SERVICE: u32 = 3;
    /// An unread short message is stored.
    pub const MESSAGE: u32 = 5;
    /// Registered in a foreign network.
    pub const ROAMING: u32 = 7;
    /// A short message was rejected for want of room.
    pub const SMS_FULL: u32 = 8;
    /// Packet service: 0 none in the network, 1 not attached, 2 attached.
    pub const PACKET: u32 = 9;
    /// The SIM is there.
    pub const SIM: u32 = 12;
}

/// The value of `signal` for a strength of `AT+CSQ`: bounds at -105, -93, -81, -69 and -57 dBm (same place), where 0 is
/// -113 dBm and each step 2 dB (27.007 8.5).
fn signal_level(strength: u8) -> u32 {
    match strength {
        0..=3 | 99 => 0,
        4..=9 => 1,
        10..=15 => 2,
        16..=21 => 3,
        22..=27 => 4,
        _ => 5,
    }
}

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
    /// `AT+COPS=1`: the operator that the client wants, as MCC and MNC.
    pub wanted_operator: Option<String>,
    /// The value of `signal` last told.
    signal_told: u32,
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
            wanted_operator: None,
            signal_told: 0,
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
        self.timers.insert(self.now_ps.saturating_add(time_ps), Timer::Registration(step(self.registration.attempt)));
    }

    pub(crate) fn registration_step(&mut self, step: RegistrationStep, decisions: &mut Decisions) {
        let attempt = self.registration.attempt;
        match step {
            RegistrationStep::Found(n) if n == attempt => {
                let is_refused = self.registration_is_denied(decisions);
                let status = match self.config.cell.admission {
                    _ if is_refused => RegistrationStatus::Denied,
                    Admission::Home => RegistrationStatus::Home,
                    Admission::Roaming => RegistrationStatus::Roaming,
                    Admission::Denied => RegistrationStatus::Denied,
                };
                let operator = &self.config.cell.operator_numeric;
                if self.registration.wanted_operator.as_ref().is_some_and(|wanted| wanted != operator) {
                    // The wanted operator is not here: the search goes on, without an end.
                    return self.complete(
                        |wait| *wait == Wait::Register,
                        Err(CmeError::NoNetworkService.into()),
                        decisions,
                    );
                }
                self.set_status(status, decisions);
                if status == RegistrationStatus::Denied {
                    if let Some(range) = self.config.behaviour.retry_after_denial {
                        self.registration_after(range, "retry_us", RegistrationStep::Retry, decisions);
                    }
                } else if self.registration.attach_wanted {
                    self.begin_attach(decisions);
                }
                let result = if status.is_registered() {
                    Ok(Outcome::Lines(vec![]))
                } else {
                    Err(CmeError::NetworkNotAllowed.into())
                };
                self.complete(|wait| *wait == Wait::Register, result, decisions);
            }
            RegistrationStep::Attached(n) if n == attempt && self.registration.attach_wanted => {
                self.registration.attached = true;
                self.registration.packet = self.registration.circuit;
                self.urc_cgreg(decisions);
                self.indicate(indicator::PACKET, 2, decisions);
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
            self.indicate(indicator::PACKET, 1, decisions);
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
                self.indicate(indicator::PACKET, 0, decisions);
            }
            // A search that follows lost coverage keeps the PDP context, as networks do for minutes; switching the
            // radio off does not, nor does a network that wants us no longer.
            if matches!(status, RegistrationStatus::NotRegistered | RegistrationStatus::Denied) {
                self.drop_pdp(decisions);
            }
        }
        if before.is_registered() != status.is_registered() {
            self.indicate(indicator::SERVICE, u32::from(status.is_registered()), decisions);
        }
        let is_roaming = status == RegistrationStatus::Roaming;
        if is_roaming != (before == RegistrationStatus::Roaming) {
            self.indicate(indicator::ROAMING, u32::from(is_roaming), decisions);
        }
        self.tell_signal(decisions);
        if status.is_registered() {
            self.network_time_arrives();
            self.deliver_messages(decisions);
        }
    }

    pub(crate) fn indicate(&mut self, number: u32, value: u32, decisions: &mut Decisions) {
        self.urc(Urc::Indicator { number, value }, decisions);
    }

    /// The value of `signal` now.
    pub(crate) fn signal_value(&self) -> u32 {
        match self.registration.circuit.is_registered() {
            true => signal_level(self.config.cell.signal_strength),
            false => 0,
        }
    }

    fn tell_signal(&mut self, decisions: &mut Decisions) {
        let value = self.signal_value();
        if std::mem::replace(&mut self.registration.signal_told, value) != value {
            self.indicate(indicator::SIGNAL, value, decisions);
        }
    }

    pub(crate) fn signal_changed(&mut self, strength: u8, quality: u8, decisions: &mut Decisions) {
        self.config.cell.signal_strength = strength;
        self.config.cell.signal_quality = quality;
        self.tell_signal(decisions);
    }

    /// The network decides anew about the modem: one that is registered, or was refused, tries again.
    pub(crate) fn admission_changed(&mut self, admission: Admission, decisions: &mut Decisions) {
        if std::mem::replace(&mut self.config.cell.admission, admission) != admission
            && self.registration.circuit != RegistrationStatus::NotRegistered
        {
            self.begin_search(decisions);
        }
    }

    /// The card was changed, taken out or put in.
    pub(crate) fn sim_changed(&mut self, state: SimState, decisions: &mut Decisions) {
        let was_there = self.sim.state != SimState::Absent;
        let is_there = state != SimState::Absent;
        self.sim.state = state.clone();
        self.config.sim.state = state;
        if self.power.state != PowerState::On {
            return;
        }
        if was_there != is_there {
            self.indicate(indicator::SIM, u32::from(is_there), decisions);
        }
        self.begin_search(decisions);
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
            let technology = self.access_technology();
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
