//! Oracles of a run that is no session.

use super::{Finding, Oracles};
use crate::machine::Machine;
use crate::observe::Seen;
use crate::session::LOOK_PS;

/// Oracles that look, as a session's do, when virtual time passes a multiple of 10 ms: what they find does not depend on
/// how the run is cut.
#[derive(Clone, Debug)]
pub struct Attendant {
    oracles: Oracles,
    next_look_ps: u64,
    pending: Vec<Seen>,
}

impl Attendant {
    /// Of a machine that is to be run.
    pub fn new(machine: &mut Machine) -> Self {
        machine.observer.watch_tasks();
        Self { oracles: Oracles::default(), next_look_ps: 0, pending: Vec::new() }
    }

    /// When they want to look next.
    pub fn next_ps(&self) -> u64 {
        self.next_look_ps
    }

    /// What was seen.
    pub fn see(&mut self, seen: &[Seen]) {
        self.pending.extend(seen.iter().filter(|seen| Oracles::heeds(seen)).cloned());
    }

    /// Looks, if it is time; what was seen until now must have been handed over.
    pub fn look(&mut self, machine: &Machine) -> Vec<Finding> {
        let now_ps = machine.now().time_ps;
        if now_ps < self.next_look_ps {
            return Vec::new();
        }
        self.look_now(machine)
    }

    /// Looks at the end of a run, whenever that is.
    pub fn look_now(&mut self, machine: &Machine) -> Vec<Finding> {
        self.next_look_ps = (machine.now().time_ps / LOOK_PS + 1) * LOOK_PS;
        self.oracles.look(machine, &std::mem::take(&mut self.pending))
    }
}
