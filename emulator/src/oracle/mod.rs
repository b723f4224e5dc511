//! Oracles: they look at a run and say what is wrong. They look and never touch: a run is the same with and without them.

mod cloud;
mod crash;
mod finding;
mod limits;
mod threads;

pub use finding::{Finding, Kind};
pub use limits::Limits;

use crate::machine::Machine;
use crate::observe::Seen;

/// All oracles.
#[derive(Clone, Debug, Default)]
pub struct Oracles {
    limits: Limits,
    crash: crash::Crash,
    cloud: cloud::Cloud,
    threads: threads::Threads,
}

impl Oracles {
    /// With these limits.
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// What was seen since the last look, and the machine as it is: what is wrong that was not before.
    pub fn look(&mut self, machine: &Machine, seen: &[Seen]) -> Vec<Finding> {
        let mut findings = Vec::new();
        let instructions = machine.instructions();
        for seen in seen {
            self.crash.see(seen, instructions, &mut findings);
            self.cloud.see(seen, instructions, &mut findings);
            self.threads.see(seen);
        }
        self.crash.look(machine, &mut findings);
        self.cloud.look(machine, &self.limits, &mut findings);
        self.threads.look(machine, &self.limits, &mut findings);
        findings
    }
}
