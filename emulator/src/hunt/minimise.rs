//! From a run that fails to the smallest that fails alike: fewest choices of the hunt, fewest choices of the world that
//! are not the typical ones.

use std::collections::BTreeSet;

use lockstep_traces::{Decision, Plan, Typical};

use super::base::{Base, Outcome};
use super::cause::Cause;
use crate::session::{Branch, SessionError};

/// A failing run, made small.
#[derive(Clone, Debug)]
pub struct Witness {
    /// The run.
    pub branch: Branch,
    /// How it goes.
    pub outcome: Outcome,
    /// Choices of the world that are neither drawn nor typical: what the fault needs of them. `None`: it was not found out
    /// within the budget, and all are drawn from the seed.
    pub decisions: Option<Vec<Decision>>,
    /// The nearest run that passes, as far as one was met: what was taken away, and the run.
    pub neighbour: Option<Neighbour>,
    /// Runs that it took.
    pub runs: usize,
}

/// A run that passes and differs little from one that fails.
#[derive(Clone, Debug)]
pub struct Neighbour {
    /// What it lacks of the failing one.
    pub without: String,
    /// The run.
    pub branch: Branch,
    /// How it goes.
    pub outcome: Outcome,
}

struct Search<'a> {
    base: &'a Base,
    cause: &'a Cause,
    budget: usize,
    runs: usize,
    neighbour: Option<Neighbour>,
}

impl Search<'_> {
    /// Whether a run still fails alike; `None` when the budget is spent.
    fn fails(&mut self, branch: &Branch, without: &str) -> Result<Option<Outcome>, SessionError> {
        if self.runs >= self.budget {
            return Ok(None);
        }
        self.runs += 1;
        let outcome = self.base.run(branch.clone())?;
        if self.cause.is_of(&outcome) {
            return Ok(Some(outcome));
        }
        if outcome.findings.iter().all(|finding| !finding.kind.is_failure()) {
            self.neighbour = Some(Neighbour { without: without.to_owned(), branch: branch.clone(), outcome });
        }
        Ok(None)
    }
}

/// Makes a failing run small, with at most `budget` runs.
pub fn minimise(base: &Base, branch: Branch, cause: &Cause, budget: usize) -> Result<Witness, SessionError> {
    let outcome = base.run(branch.clone())?;
    let mut search = Search { base, cause, budget, runs: 1, neighbour: None };
    let mut witness = Witness { branch, outcome, decisions: None, neighbour: None, runs: 0 };
    fewer_choices(&mut search, &mut witness)?;
    typical_streams(&mut search, &mut witness)?;
    fewer_decisions(&mut search, &mut witness)?;
    witness.neighbour = search.neighbour;
    witness.runs = search.runs;
    Ok(witness)
}

/// Takes away choices of the hunt, one after the other, until none can go.
fn fewer_choices(search: &mut Search<'_>, witness: &mut Witness) -> Result<(), SessionError> {
    loop {
        let mut is_smaller = false;
        let names: Vec<String> = witness.branch.choices.0.keys().cloned().collect();
        for name in names {
            let mut branch = witness.branch.clone();
            branch.choices = branch.choices.without([&name]);
            // A step that is left out needs no places.
            if let Some(step) = name.strip_suffix(" happens") {
                branch.choices.0.retain(|other, _| !other.starts_with(&format!("{step} ")));
            }
            let without = describe(search.base, &witness.branch, &name);
            if let Some(outcome) = search.fails(&branch, &without)? {
                (witness.branch, witness.outcome) = (branch, outcome);
                is_smaller = true;
            }
        }
        if !is_smaller {
            return Ok(());
        }
    }
}

/// What a choice means, in the scenario's words.
fn describe(base: &Base, branch: &Branch, name: &str) -> String {
    let number = name.split_whitespace().nth(1).and_then(|number| number.parse::<usize>().ok());
    let steps = base.scenario.steps(&branch.choices).unwrap_or_default();
    let step = number.and_then(|number| steps.get(number.checked_sub(1)?)?.as_ref());
    match step {
        Some(step) => format!("{name} ({})", step.text),
        None => name.to_owned(),
    }
}

/// Makes whole streams typical.
fn typical_streams(search: &mut Search<'_>, witness: &mut Witness) -> Result<(), SessionError> {
    let log = decisions_of(search.base, &witness.branch)?;
    let mut all = witness.branch.clone();
    all.plan.typical = Typical::All;
    if let Some(outcome) = search.fails(&all, "every choice of the world typical")? {
        (witness.branch, witness.outcome) = (all, outcome);
        return Ok(());
    }
    let streams: BTreeSet<String> = log.into_iter().map(|decision| decision.stream).collect();
    let mut typical = BTreeSet::new();
    for stream in streams {
        let mut branch = witness.branch.clone();
        typical.insert(stream.clone());
        branch.plan.typical = Typical::Streams(typical.clone());
        match search.fails(&branch, &format!("what {stream} draws"))? {
            Some(outcome) => (witness.branch, witness.outcome) = (branch, outcome),
            None => {
                typical.remove(&stream);
            }
        }
    }
    Ok(())
}

/// Of the choices that are still drawn, makes as many typical as can be: first halves, then quarters, and so on.
fn fewer_decisions(search: &mut Search<'_>, witness: &mut Witness) -> Result<(), SessionError> {
    if witness.branch.plan.typical == Typical::All {
        witness.decisions = Some(Vec::new());
        return Ok(());
    }
    let mut needed: Vec<Decision> = decisions_of(search.base, &witness.branch)?;
    needed.retain(|decision| !decision.is_typical());
    let with = |decisions: &[Decision]| Branch { plan: Plan::only(decisions), ..witness.branch.clone() };
    // What is given says the same as what is drawn: else the run draws where it did not.
    let Some(outcome) = search.fails(&with(&needed), "what is drawn")? else { return Ok(()) };
    let mut smallest = (with(&needed), outcome);
    let mut parts = 2;
    while needed.len() > 1 && search.runs < search.budget {
        let size = needed.len().div_ceil(parts);
        let mut is_smaller = false;
        let mut start = 0;
        while start < needed.len() {
            let end = (start + size).min(needed.len());
            let rest: Vec<Decision> = needed[..start].iter().chain(&needed[end..]).cloned().collect();
            let Decision { stream, what, .. } = &needed[start];
            let without = format!("{} choices of the world from {stream} {what} on", end - start);
            let branch = with(&rest);
            match search.fails(&branch, &without)? {
                Some(outcome) => {
                    smallest = (branch, outcome);
                    needed = rest;
                    is_smaller = true;
                }
                None => start = end,
            }
        }
        if size == 1 && !is_smaller {
            break;
        }
        parts = if is_smaller { 2.max(parts - 1) } else { (parts * 2).min(needed.len()) };
    }
    (witness.branch, witness.outcome) = smallest;
    witness.decisions = Some(needed);
    Ok(())
}

/// The choices of the world in a run, from where it branched off.
pub fn decisions_of(base: &Base, branch: &Branch) -> Result<Vec<Decision>, SessionError> {
    let mut session = base.session(branch.clone())?;
    session.machine.observer.keep_decisions();
    base.finish(&mut session)?;
    Ok(session.machine.observer.take_decisions())
}
