//! Oracles: they look at a run and say what is wrong. They look and never touch: a run is the same with and without them.
//!
//! What they cannot see: an allocation that the firmware's own heap refused. Where newlib's heap ends, and that `malloc`
//! gave null, leaves no mark in a stripped image that would be the same in all of them; what follows from it is found.

mod attendant;
mod cloud;
mod crash;
mod finding;
mod flash;
mod limits;
mod lost;
mod threads;

use std::collections::BTreeMap;

pub use attendant::Attendant;
pub use finding::{Finding, Kind};
pub use limits::Limits;

use crate::machine::Machine;
use crate::observe::Seen;

/// Findings of the same kind with the same signature that are told: a firmware that faults without end says nothing new.
const TOLD_MAX: u32 = 16;

/// All oracles.
#[derive(Clone, Debug, Default)]
pub struct Oracles {
    limits: Limits,
    crash: crash::Crash,
    cloud: cloud::Cloud,
    threads: threads::Threads,
    flash: flash::Flash,
    lost: lost::Lost,
    told: BTreeMap<(Kind, String), u32>,
}

impl Oracles {
    /// With these limits.
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Whether an oracle has a use for this.
    pub fn heeds(seen: &Seen) -> bool {
        matches!(
            seen,
            Seen::Cloud(_)
                | Seen::Fault(_)
                | Seen::LockUp { .. }
                | Seen::ExternalWatchdog { .. }
                | Seen::NullWrite(_)
                | Seen::Reset(_)
        )
    }

    /// What was seen since the last look, and the machine as it is: what is wrong that was not before.
    pub fn look(&mut self, machine: &Machine, seen: &[Seen]) -> Vec<Finding> {
        let mut findings = Vec::new();
        let instructions = machine.instructions();
        for seen in seen.iter().filter(|seen| Self::heeds(seen)) {
            self.crash.see(seen, instructions, &mut findings);
            self.cloud.see(seen, instructions, &mut findings);
            self.threads.see(seen);
        }
        self.crash.look(machine, &mut findings);
        self.cloud.look(machine, &self.limits, &mut findings);
        self.lost.look(machine, &mut findings);
        self.threads.look(machine, &self.limits, &mut findings);
        self.flash.look(machine, &self.limits, &mut findings);
        findings.retain(|finding| {
            let told = self.told.entry((finding.kind, finding.signature.clone())).or_insert(0);
            *told += 1;
            *told <= TOLD_MAX
        });
        findings
    }
}
