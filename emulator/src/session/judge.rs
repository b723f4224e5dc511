//! Expectations, judged.

use super::watch::{Happening, Watch};
use crate::machine::Machine;
use crate::scenario::Expectation;
use crate::setup::duration::seconds;

/// Watches what is expected.
#[derive(Clone, Debug)]
pub struct Judge {
    expected: Vec<(Expectation, Watch)>,
    further: Vec<Watch>,
}

/// An expectation that was not met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// When that was certain, in picoseconds.
    pub time_ps: u64,
    /// What was expected, and what was.
    pub text: String,
}

impl Judge {
    /// Of these expectations.
    pub fn new(expectations: &[Expectation]) -> Self {
        let watch = |expectation: &Expectation| Watch::new(expectation.condition.clone(), expectation.from_ps);
        Self { expected: expectations.iter().map(|e| (e.clone(), watch(e))).collect(), further: Vec::new() }
    }

    pub(super) fn watch(&mut self, watch: Watch) -> usize {
        self.further.push(watch);
        self.further.len() - 1
    }

    /// When a condition that was watched besides became true.
    pub fn watched_ps(&self, number: usize) -> Option<u64> {
        self.further.get(number).and_then(Watch::is_true_ps)
    }

    pub(super) fn happen(&mut self, time_ps: u64, happening: &Happening) {
        for watch in self.watches() {
            watch.happen(time_ps, happening);
        }
    }

    pub(super) fn look(&mut self, machine: &mut Machine) {
        for watch in self.watches() {
            watch.look(machine);
        }
    }

    fn watches(&mut self) -> impl Iterator<Item = &mut Watch> {
        self.expected.iter_mut().map(|(_, watch)| watch).chain(&mut self.further)
    }

    /// What was not met, as far as it is certain at `now_ps`; at the end of a run everything is.
    pub fn failures(&self, now_ps: u64, is_end: bool) -> Vec<Failure> {
        self.expected.iter().filter_map(|(expectation, watch)| failure(expectation, watch, now_ps, is_end)).collect()
    }

    /// Whether everything that has to become true has.
    pub fn is_met(&self) -> bool {
        self.expected.iter().all(|(expectation, watch)| expectation.is_never || watch.is_true_ps().is_some())
    }
}

fn failure(expectation: &Expectation, watch: &Watch, now_ps: u64, is_end: bool) -> Option<Failure> {
    let condition = &expectation.condition;
    let by_ps = expectation.by_ps.unwrap_or(u64::MAX);
    match (expectation.is_never, watch.is_true_ps()) {
        (true, Some(time_ps)) if time_ps <= by_ps => {
            let text = format!("never {condition}: it happened at {} s", seconds(time_ps));
            Some(Failure { time_ps, text })
        }
        (true, _) => None,
        (false, Some(time_ps)) if time_ps <= by_ps => None,
        (false, Some(time_ps)) => {
            let text = format!("{condition} by {} s: it came at {} s", seconds(by_ps), seconds(time_ps));
            Some(Failure { time_ps: by_ps, text })
        }
        (false, None) if now_ps > by_ps => {
            Some(Failure { time_ps: by_ps, text: format!("{condition} by {} s: it did not", seconds(by_ps)) })
        }
        (false, None) if is_end => {
            Some(Failure { time_ps: now_ps, text: format!("{condition}: it did not become true") })
        }
        (false, None) => None,
    }
}
