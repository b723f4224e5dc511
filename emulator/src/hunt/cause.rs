//! Which findings have the same cause.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::base::Outcome;
use crate::oracle::{Finding, Kind};

/// What runs with the same cause have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cause {
    /// What is wrong.
    pub kind: Kind,
    /// And what exactly, as far as it is the same in each run.
    pub signature: String,
}

impl Cause {
    /// Of a finding.
    pub fn of(finding: &Finding) -> Self {
        Self { kind: finding.kind, signature: finding.signature.clone() }
    }

    /// The gravest of a run's: a fault is the reason why an update failed, not the other way round.
    pub fn gravest(outcome: &Outcome) -> Option<Self> {
        Self::gravest_of(&outcome.findings)
    }

    /// The gravest of these findings.
    pub fn gravest_of(findings: &[Finding]) -> Option<Self> {
        let rank = |finding: &&Finding| (finding.kind.gravity(), finding.time_ps);
        findings.iter().filter(|finding| finding.kind.is_failure()).min_by_key(rank).map(Self::of)
    }

    /// Whether a run shows it, and nothing graver: a run that faults in the end fails otherwise than one that only starves.
    pub fn is_of(&self, outcome: &Outcome) -> bool {
        Self::gravest(outcome).as_ref() == Some(self)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.signature)
    }
}

/// Runs by cause.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Groups {
    /// For each cause the runs that show it, in order.
    pub causes: BTreeMap<Cause, Vec<u64>>,
    /// Runs in which nothing was found.
    pub clean: u64,
    /// Runs that reached what the scenario calls the end.
    pub reached: u64,
    /// Runs that did not, and whose device came back by itself.
    pub recovered: u64,
    /// Runs whose device answered nobody afterwards: it needs a visit.
    pub lost: u64,
    /// All runs.
    pub runs: u64,
}

impl Groups {
    /// Counts a run.
    pub fn add(&mut self, seed: u64, outcome: &Outcome) {
        self.runs += 1;
        self.reached += u64::from(outcome.is_until_reached);
        match outcome.is_alive {
            Some(false) => self.lost += 1,
            Some(true) if !outcome.is_until_reached => self.recovered += 1,
            _ => {}
        }
        match Cause::gravest(outcome) {
            Some(cause) => self.causes.entry(cause).or_default().push(seed),
            None => self.clean += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(kind: Kind, time_ps: u64) -> Finding {
        Finding { kind, time_ps, instructions: 0, text: String::new(), signature: "it".to_owned() }
    }

    /// 0.5.2, seed 23: a run that starves and then faults is no smaller form of one that only starves.
    #[test]
    fn a_run_that_shows_something_graver_too_has_another_cause() {
        let starved = finding(Kind::Starvation, 1);
        let cause = Cause::of(&starved);
        let mut outcome = Outcome {
            findings: vec![starved],
            failures: Vec::new(),
            is_until_reached: false,
            end_ps: 10,
            is_alive: None,
        };
        assert!(cause.is_of(&outcome));
        outcome.findings.push(finding(Kind::GuestFault, 2));
        assert!(!cause.is_of(&outcome));
        assert!(Cause::of(&outcome.findings[1]).is_of(&outcome));
    }
}
