//! Records runs of scenarios, and repeats recorded runs.

use std::path::Path;

use lockstep_traces::Plan;
use lockstep_traces::trace::RunText;

use super::HASH_EVERY;
use super::file::{open, readable_ps};
use super::files::{Embed, Noted, TraceFiles};
use super::follow::{End, follow};
use super::recorder::Recorder;
use super::rerun::Rerun;
use super::scenario_run::ScenarioRun;
use super::spec::head;
use super::tracer::{Tracer, Trouble};
use super::verifier::Verifier;
use crate::hunt::{Cause, end_ps};
use crate::scenario::Scenario;
use crate::session::BOOT_LIMIT_PS;
use crate::setup::SetupError;
use crate::setup::files::Files;

/// Where a run of a scenario ends: a plain one when its time is over; one of a hunt as the hunt ends it.
pub struct ScenarioEnd {
    scenario: Scenario,
    has_branch: bool,
    is_watching: bool,
    until: Option<usize>,
}

impl ScenarioEnd {
    /// Of this run.
    pub fn new(run: &ScenarioRun) -> Result<Self, SetupError> {
        Ok(Self { scenario: run.on_device()?, has_branch: run.branch.is_some(), is_watching: false, until: None })
    }

    /// Whether it is over.
    pub fn look(&mut self, run: &mut Rerun) -> End {
        let Some(session) = run.session_mut() else { return End::Now("no scenario") };
        let now_ps = session.machine.now().time_ps;
        if !self.has_branch {
            return End::at(run, self.scenario.for_ps);
        }
        let Some(branch_ps) = session.branched_ps() else {
            return match session.branch_ps() {
                // It is not known yet when it branches off.
                u64::MAX => End::at(run, BOOT_LIMIT_PS),
                branch_ps => End::at(run, branch_ps.max(now_ps + 1)),
            };
        };
        let hunt = &self.scenario.hunt;
        if !self.is_watching {
            self.is_watching = true;
            self.until = hunt.until.as_ref().map(|condition| session.watch(condition));
        }
        let end_ps = end_ps(session, hunt, self.until, branch_ps);
        End::at(run, end_ps)
    }
}

/// The end of a run that is kept for what goes wrong in it: a while after it is seen.
struct Seen {
    cause: Option<Cause>,
    settle_ps: u64,
    since_ps: Option<u64>,
}

impl Seen {
    /// Of this cause, or of none: then nothing is cut short.
    fn new(cause: Option<Cause>, scenario: &Scenario) -> Self {
        Self { cause, settle_ps: scenario.hunt.settle_ps, since_ps: None }
    }

    /// Whether the run is over, that otherwise ends so.
    fn look(&mut self, run: &Rerun, otherwise: End) -> End {
        let End::NotBefore(end_ps) = otherwise else { return otherwise };
        let now_ps = run.machine().now().time_ps;
        if self.since_ps.is_none() && self.cause.is_some() {
            let findings = run.session().map_or(&[][..], |session| session.findings());
            self.since_ps = (Cause::gravest_of(findings) == self.cause).then_some(now_ps);
        }
        match self.since_ps.map(|since_ps| since_ps.saturating_add(self.settle_ps)) {
            Some(over_ps) if over_ps <= now_ps => End::Now("what it is kept for was seen"),
            Some(over_ps) => End::NotBefore(over_ps.min(end_ps)),
            None => otherwise,
        }
    }
}

/// What a run of a scenario came to.
#[derive(Clone, Debug, Default)]
pub struct Played {
    /// What the oracles found.
    pub findings: Vec<crate::oracle::Finding>,
    /// What was expected and was not.
    pub failures: Vec<String>,
    /// Virtual time at the end in picoseconds.
    pub end_ps: u64,
    /// Why the trace that was to be written is not whole.
    pub trace_lost: Option<String>,
}

/// Runs a scenario to its end, or until a cause is seen if one is given, and records it in a new file.
pub fn record(
    path: &Path,
    run: &ScenarioRun,
    name: &str,
    seed: u64,
    embed: Embed,
    cause: Option<Cause>,
    files: &mut dyn Files,
) -> Result<Played, SetupError> {
    let text = run.text(name)?;
    let mut end = ScenarioEnd::new(run)?;
    let mut seen = Seen::new(cause, &end.scenario);
    let (mut run, mut tracer) = begin(path, &text, (seed, &Plan::default()), embed, files)?;
    let over = |run: &mut Rerun| {
        let end = end.look(run);
        seen.look(run, end)
    };
    follow(&mut run, &mut tracer, over, |_, _| {})?;
    Ok(recorded(&run, &tracer))
}

fn recorded(run: &Rerun, tracer: &Tracer) -> Played {
    let trace_lost = match tracer.trouble() {
        Some(Trouble::Lost(text)) => Some(text),
        _ => None,
    };
    Played { trace_lost, ..played(run) }
}

/// A run at power-on, and its trace, begun.
fn begin(
    path: &Path,
    text: &RunText,
    (seed, plan): (u64, &Plan),
    embed: Embed,
    files: &mut dyn Files,
) -> Result<(Rerun, Tracer), SetupError> {
    let mut files = Noted::new(files, embed);
    let mut run = Rerun::start(text, seed, plan, None, &mut files)?;
    let (blobs, images) = (files.into_blobs(), std::mem::take(&mut run.images));
    let head = head(run.machine_mut(), images, text.clone(), &blobs, HASH_EVERY, false);
    let recorder = Recorder::create(path, &head, &blobs)?;
    let tracer = Tracer::recording(recorder, HASH_EVERY, run.machine_mut());
    Ok((run, tracer))
}

/// Runs a scenario to its end, without a trace.
pub fn play(run: &ScenarioRun, seed: u64, files: &mut dyn Files) -> Result<Played, SetupError> {
    let mut end = ScenarioEnd::new(run)?;
    let mut run = Rerun::start(&run.text("")?, seed, &Plan::default(), None, files)?;
    loop {
        match end.look(&mut run) {
            End::Now(_) => return Ok(played(&run)),
            End::NotBefore(end_ps) => {
                let next_ps = (run.machine().now().time_ps / STEP_PS + 1) * STEP_PS;
                run.run_to(u64::MAX, next_ps.min(end_ps))?;
                run.take_shown();
            }
        }
    }
}

/// A run is looked at this often to see whether it is over.
const STEP_PS: u64 = 10_000_000_000;

fn played(run: &Rerun) -> Played {
    let end_ps = run.machine().now().time_ps;
    let Some(session) = run.session() else { return Played { end_ps, ..Played::default() } };
    Played {
        findings: session.findings().to_vec(),
        failures: session.judge().failures(end_ps, true).into_iter().map(|failure| failure.text).collect(),
        end_ps,
        trace_lost: None,
    }
}

/// How a repetition went.
#[derive(Clone, Debug)]
pub struct Repeated {
    /// Records that were equal.
    pub records: u64,
    /// State hashes that were equal.
    pub states: u64,
    /// Virtual time at the end in picoseconds.
    pub end_ps: u64,
    /// What differs, if something does.
    pub trouble: Option<Trouble>,
}

/// Repeats a recorded run and compares it.
pub fn repeat(path: &Path) -> Result<Repeated, SetupError> {
    let of = |reason: String| SetupError::File { path: path.to_owned(), reason };
    let mut trace = open(path)?;
    let end_ps = readable_ps(&mut trace, None).map_err(of)?;
    let mut run = Rerun::of(&mut trace).map_err(|error| of(error.to_string()))?;
    let hash_every = trace.head().hash_every;
    let mut tracer = Tracer::verifying(Verifier::new(trace), hash_every, run.machine_mut());
    follow(&mut run, &mut tracer, |run| End::at(run, end_ps), |_, _| {}).map_err(|error| of(error.to_string()))?;
    let (records, states) = tracer.verifier().map_or((0, 0), |verifier| (verifier.compared(), verifier.states()));
    Ok(Repeated { records, states, end_ps: run.machine().now().time_ps, trouble: tracer.trouble() })
}

/// Records again what a trace runs, to where it ends, into a new file: as it goes now, whether it went so then or not.
/// If it is to be short, only until the gravest of what goes wrong in it is seen.
pub fn record_again(of: &Path, path: &Path, embed: Embed, is_short: bool) -> Result<Played, SetupError> {
    let mut trace = open(of)?;
    let head = trace.head().clone();
    let end_ps = readable_ps(&mut trace, None).map_err(|reason| SetupError::File { path: of.to_owned(), reason })?;
    let mut files = TraceFiles::new(&mut trace);
    let mut seen = None;
    if is_short {
        let scenario = ScenarioRun::parse(&head.run)?.on_device()?;
        let mut run = Rerun::start(&head.run, head.seed, &head.plan, None, &mut files)?;
        while run.machine().now().time_ps < end_ps && !run.is_over() {
            run.run_to(u64::MAX, (run.machine().now().time_ps + STEP_PS).min(end_ps))?;
            run.take_shown();
        }
        let findings = run.session().map_or(&[][..], |session| session.findings());
        seen = Some(Seen::new(Cause::gravest_of(findings), &scenario));
    }
    let (mut run, mut tracer) = begin(path, &head.run, (head.seed, &head.plan), embed, &mut files)?;
    let over = |run: &mut Rerun| {
        let end = End::at(run, end_ps);
        seen.as_mut().map_or(end, |seen| seen.look(run, end))
    };
    follow(&mut run, &mut tracer, over, |_, _| {})?;
    Ok(recorded(&run, &tracer))
}
