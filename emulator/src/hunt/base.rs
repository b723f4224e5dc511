//! The common beginning of a hunt's runs: booted once, kept as a checkpoint.

use std::path::Path;

use lockstep_images::SymbolTable;
use lockstep_modem::network::service::{Action, CommandState, OperatorCommand, ServerRequest};

use crate::oracle::Finding;
use crate::scenario::{HuntSpec, Scenario, ScenarioFiles, Variant};
use crate::session::{BOOT_LIMIT_PS, Branch, Checkpoint, Session, SessionError, Started};
use crate::setup::SetupError;
use crate::setup::files::{Files, Folder, Kept};

/// A run is looked at this often to see whether it is over.
const STEP_PS: u64 = 100_000_000_000;

/// A scenario on one device, run up to where runs branch off.
#[derive(Debug)]
pub struct Base {
    /// The device.
    pub variant: Variant,
    /// The scenario on it.
    pub scenario: Scenario,
    /// Where runs branch off.
    pub checkpoint: Checkpoint,
    /// Virtual time there, in picoseconds.
    pub branch_ps: u64,
    /// Symbols of the images that have some.
    pub symbols: SymbolTable,
    /// What steps name: files, and images made for the scenario.
    files: Kept,
}

/// How a run went.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Outcome {
    /// What the oracles found.
    pub findings: Vec<Finding>,
    /// What was expected and was not.
    pub failures: Vec<String>,
    /// What the scenario calls the end was reached.
    pub is_until_reached: bool,
    /// Virtual time at the end, in picoseconds.
    pub end_ps: u64,
    /// Whether the device answered the device service afterwards; `None`: nobody asked.
    #[serde(default)]
    pub is_alive: Option<bool>,
}

impl Base {
    /// Boots a device and runs it to where runs branch off. `folder` is where the scenario's files are.
    pub fn new(scenario: &Scenario, variant: &Variant, folder: &Path) -> Result<Self, SessionError> {
        let scenario = scenario.on(variant);
        let mut files = Folder::new(folder);
        let Started { mut session, symbols, .. } = Session::start(&scenario, scenario.seed, None, &mut files)?;
        session.run_to_branch(BOOT_LIMIT_PS)?;
        // What only branches read.
        let kept = read_all(&scenario, &mut ScenarioFiles::new(&scenario, &mut files)?)?;
        Ok(Self {
            variant: variant.clone(),
            branch_ps: session.machine.now().time_ps,
            checkpoint: session.checkpoint(),
            scenario,
            symbols,
            files: kept,
        })
    }

    /// A session that has just branched off.
    pub fn session(&self, branch: Branch) -> Result<Session, SessionError> {
        let mut session = Session::restore(&self.checkpoint)?;
        session.branch_as(branch, &self.scenario, &mut &self.files)?;
        Ok(session)
    }

    /// Runs a branch to its end.
    pub fn run(&self, branch: Branch) -> Result<Outcome, SessionError> {
        let mut session = self.session(branch)?;
        self.finish(&mut session)
    }

    /// Runs a session that branched off here to its end.
    pub fn finish(&self, session: &mut Session) -> Result<Outcome, SessionError> {
        let hunt = &self.scenario.hunt;
        let until = hunt.until.as_ref().map(|condition| session.watch(condition));
        loop {
            let now_ps = session.machine.now().time_ps;
            let end_ps = end_ps(session, hunt, until, self.branch_ps);
            if now_ps >= end_ps {
                break;
            }
            session.run_until_ps((now_ps + STEP_PS).min(end_ps))?;
        }
        let is_alive = hunt.recovery_ps.map(|recovery_ps| is_alive(session, recovery_ps)).transpose()?;
        let end_ps = session.machine.now().time_ps;
        Ok(Outcome {
            findings: session.findings().to_vec(),
            failures: session.judge().failures(end_ps, true).into_iter().map(|failure| failure.text).collect(),
            is_until_reached: until.and_then(|number| session.judge().watched_ps(number)).is_some(),
            end_ps,
            is_alive,
        })
    }
}

/// Where a run that branched off at `branch_ps` ends as things stand, in picoseconds: a while after what the scenario calls
/// the end (watched under the number `until`) or after a fatal finding, or when its time is up.
pub(crate) fn end_ps(session: &Session, hunt: &HuntSpec, until: Option<usize>, branch_ps: u64) -> u64 {
    let reached_ps = until.and_then(|number| session.judge().watched_ps(number));
    let fatal_ps = session.findings().iter().find(|finding| finding.kind.is_fatal()).map(|finding| finding.time_ps);
    let limit_ps = branch_ps.saturating_add(hunt.for_ps);
    let over_ps = [reached_ps, fatal_ps].into_iter().flatten().min();
    over_ps.map_or(limit_ps, |over_ps| over_ps.saturating_add(hunt.settle_ps).min(limit_ps))
}

/// Pings the device until it answers, or the time is over. What it was asked before is of no interest any more.
fn is_alive(session: &mut Session, recovery_ps: u64) -> Result<bool, SessionError> {
    let from_ps = session.machine.now().time_ps;
    let limit_ps = from_ps.saturating_add(recovery_ps);
    let mut asked: Option<u64> = None;
    loop {
        let now_ps = session.machine.now().time_ps;
        let network = session.machine.world.state.electron.modem.network();
        let Some(service) = network.service_mut() else { return Ok(false) };
        let state = |number: u64| service.commands().iter().find(|r| r.number == number).map(|r| r.state.clone());
        match asked.and_then(state) {
            Some(CommandState::Done { .. }) => return Ok(true),
            Some(CommandState::Failed { .. }) => asked = None,
            _ => {}
        }
        if now_ps >= limit_ps {
            return Ok(false);
        }
        if asked.is_none() {
            let action = Action::Ask(ServerRequest::Ping);
            let command = OperatorCommand { text: "ping".to_owned(), at_ps: now_ps, after_ps: 0, action };
            let number = service.command(command).map_err(|error| SetupError::Usage(error.to_string()))?;
            asked = Some(number);
        }
        session.run_until_ps((now_ps + STEP_PS).min(limit_ps))?;
    }
}

/// Reads what the steps name, so that it is not read and made again in each run.
fn read_all(scenario: &Scenario, files: &mut ScenarioFiles<'_>) -> Result<Kept, SessionError> {
    let mut kept = Kept::default();
    for name in scenario.files_of_steps()? {
        if files.exists(&name) {
            let bytes = files.read(&name)?;
            kept.0.insert(name, bytes);
        }
    }
    Ok(kept)
}
