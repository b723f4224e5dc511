//! Events of the plan as they happen: occasions counted and drawn, and what a fault does.

use lockstep_traces::Decisions;
use serde::{Deserialize, Serialize};

use crate::events::{Class, Count, Event, Fault, What};
use crate::modem::{Modem, Timer};
use crate::power::PowerState;
use crate::profile::Failure;
use crate::time::DurationRange;

/// The stream that faults are drawn from.
const STREAM: &str = "modem.fault";

/// The end of a fault that lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum FaultStep {
    /// The number tells apart successive ones.
    StuckEnds(u64),
    SupplyReturns(u64),
}

/// What a fault does to the final result of the command under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ResultFault {
    Lost,
    Late(DurationRange),
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Faults {
    /// For each event of the plan: how many of its occasions there were.
    seen: Vec<u64>,
    number: u64,
    /// Nothing but loss of the supply helps.
    pub locked: bool,
}

/// Whether a command that the plan was asked about may be executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Run,
    Fail(Failure),
    /// The module was reset or lost its supply meanwhile.
    Gone,
}

impl Modem {
    /// Sets the timers of what happens at a time.
    pub(crate) fn schedule_events(&mut self) {
        self.faults.seen = vec![0; self.config.events.0.len()];
        for (index, event) in self.config.events.0.iter().enumerate() {
            if event.when.occasion.is_none() {
                self.timers.insert(event.when.from_ps, Timer::Event(index));
            }
        }
    }

    /// Something is planned that was not when the modem was made. Its occasions count from now on; a time that has passed
    /// is now.
    pub fn plan_event(&mut self, time_ps: u64, event: Event) {
        let now_ps = self.now_ps.max(time_ps);
        if event.when.occasion.is_none() {
            self.timers.insert(event.when.from_ps.max(now_ps), Timer::Event(self.config.events.0.len()));
        }
        self.config.events.0.push(event);
        self.faults.seen.push(0);
    }

    /// The time of an event has come.
    pub(crate) fn event_due(&mut self, index: usize, decisions: &mut Decisions) {
        if let Some(Event { what, .. }) = self.config.events.0.get(index) {
            let what = what.clone();
            self.happen(what, decisions);
        }
    }

    /// What the plan wants at this occasion.
    fn occurring(&mut self, class: Class, name: &str, decisions: &mut Decisions) -> Vec<What> {
        let now_ps = self.now_ps;
        let mut occurring = Vec::new();
        for (event, seen) in self.config.events.0.iter().zip(&mut self.faults.seen) {
            let Some(occasion) = &event.when.occasion else { continue };
            let is_named = occasion.name.as_deref().is_none_or(|wanted| wanted == name);
            if !is_named || !event.what.fits(class, name) || now_ps < event.when.from_ps {
                continue;
            }
            *seen += 1;
            let happens = match occasion.count {
                Count::Every => true,
                Count::Nth(n) => *seen == n,
                Count::Rate(rate) => {
                    let drawn = decisions.draw(now_ps, STREAM, &format!("{}_per_10000", event.what), 0, 9_999);
                    drawn < u64::from(rate)
                }
            };
            if happens {
                occurring.push(event.what.clone());
            }
        }
        occurring
    }

    /// A command is about to be executed.
    pub(crate) fn command_faults(&mut self, name: &str, decisions: &mut Decisions) -> Verdict {
        let mut verdict = Verdict::Run;
        for what in self.occurring(Class::Command, name, decisions) {
            match what {
                What::Fault(Fault::LostResult) => self.execution.result_fault = Some(ResultFault::Lost),
                What::Fault(Fault::LateResult(range) | Fault::SlowConnect(range)) => {
                    self.execution.result_fault = Some(ResultFault::Late(range));
                }
                What::Fault(Fault::Error(number)) => {
                    verdict = Verdict::Fail(number.map_or(Failure::Plain, Failure::numbered));
                }
                what => {
                    let generation = self.power.generation;
                    self.happen(what, decisions);
                    if self.power.generation != generation {
                        return Verdict::Gone;
                    }
                }
            }
        }
        verdict
    }

    /// Whether a URC is lost.
    pub(crate) fn urc_is_lost(&mut self, text: &str, decisions: &mut Decisions) -> bool {
        let name = text.trim_start_matches('+').split(':').next().unwrap_or_default();
        !self.occurring(Class::Urc, name, decisions).is_empty()
    }

    /// Whether an attempt to register is refused.
    pub(crate) fn registration_is_denied(&mut self, decisions: &mut Decisions) -> bool {
        !self.occurring(Class::Registration, "REGISTRATION", decisions).is_empty()
    }

    /// Whether the activation of packet data that a command asked for is refused.
    pub(crate) fn activation_is_refused(&mut self, command: &str, decisions: &mut Decisions) -> bool {
        self.config.pdp.refused || !self.occurring(Class::Activation, command, decisions).is_empty()
    }

    /// Whether the handle of a socket that was closed stays occupied.
    pub(crate) fn closed_socket_leaks(&mut self, decisions: &mut Decisions) -> bool {
        !self.occurring(Class::Close, "USOCL", decisions).is_empty()
    }

    /// Something of the plan happens now.
    fn happen(&mut self, what: What, decisions: &mut Decisions) {
        let fault = match what {
            What::Change(change) => return self.change_applies(change, decisions),
            What::Fault(fault) => fault,
        };
        let off = self.power.state == PowerState::Off;
        match fault {
            Fault::Stuck(range) => {
                self.line.hold(true);
                self.faults.number += 1;
                if let Some(range) = range {
                    let ps = range.draw_ps(self.now_ps, STREAM, "stuck_us", decisions);
                    let step = FaultStep::StuckEnds(self.faults.number);
                    self.timers.insert(self.now_ps.saturating_add(ps), Timer::Fault(step));
                }
            }
            Fault::LockUp if !off => {
                self.faults.locked = true;
                self.faults.number += 1;
                self.line.hold(true);
            }
            Fault::Reset if !off && !self.faults.locked => self.start(decisions),
            Fault::PowerCut(range) => {
                self.supply_changed(false, decisions);
                self.faults.number += 1;
                let ps = range.draw_ps(self.now_ps, STREAM, "power_cut_us", decisions);
                let step = FaultStep::SupplyReturns(self.faults.number);
                self.timers.insert(self.now_ps.saturating_add(ps), Timer::Fault(step));
            }
            Fault::Garbage if !off => {
                let byte = decisions.draw(self.now_ps, STREAM, "garbage_byte", 0, 255);
                self.line.send_noise(u8::try_from(byte).unwrap_or(0));
            }
            // The module is off, or this needs an occasion and has been told of one.
            _ => {}
        }
    }

    pub(crate) fn fault_step(&mut self, step: FaultStep, decisions: &mut Decisions) {
        match step {
            FaultStep::StuckEnds(number) if number == self.faults.number && !self.faults.locked => {
                self.line.hold(false)
            }
            FaultStep::SupplyReturns(number) if number == self.faults.number => self.supply_changed(true, decisions),
            FaultStep::StuckEnds(_) | FaultStep::SupplyReturns(_) => {}
        }
    }
}
