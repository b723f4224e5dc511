//! What was used for the first time and is not modelled: found in the ledgers by comparing, not by draining, because
//! the ledgers belong to the simulated state.

use std::collections::BTreeSet;

use crate::Machine;
use crate::oracle::{Finding, Kind};

/// Something not modelled that was used for the first time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstUse {
    /// When, in picoseconds.
    pub time_ps: u64,
    /// What.
    pub name: String,
    /// Address of the instruction, if it was an access.
    pub pc: Option<u32>,
}

impl FirstUse {
    /// As a finding, made after so many instructions.
    pub fn finding(self, instructions: u64) -> Finding {
        let Self { time_ps, name, pc } = self;
        let at = pc.map_or_else(String::new, |pc| format!(", first at {pc:#010x}"));
        Finding { kind: Kind::Unmodelled, time_ps, instructions, text: format!("{name}{at}"), signature: name }
    }
}

/// Knows what was reported already.
#[derive(Clone, Debug, Default)]
pub struct UnmodelledObserver {
    reported: BTreeSet<String>,
}

impl UnmodelledObserver {
    /// Takes what the machine has used so far for known.
    pub fn new(machine: &mut Machine) -> Self {
        let mut observer = Self::default();
        observer.look(machine);
        observer
    }

    /// What was used for the first time since the last look, in order of time.
    pub fn look(&mut self, machine: &mut Machine) -> Vec<FirstUse> {
        let state = &mut machine.world.state;
        let commands = state.electron.modem.ledger().entries();
        if self.reported.len() == commands.len() + state.ledger.entries().len() {
            return Vec::new();
        }
        let mut found = Vec::new();
        for (name, entry) in commands {
            let name = format!("modem: {name}");
            if self.reported.insert(name.clone()) {
                found.push(FirstUse { time_ps: entry.first_time_ps, name, pc: None });
            }
        }
        for (name, entry) in state.ledger.entries() {
            if self.reported.insert(name.clone()) {
                let (time_ps, pc) = (entry.first_time_ps, Some(entry.first_pc));
                found.push(FirstUse { time_ps, name: name.clone(), pc });
            }
        }
        found.sort_by(|a, b| (a.time_ps, &a.name).cmp(&(b.time_ps, &b.name)));
        found
    }
}
