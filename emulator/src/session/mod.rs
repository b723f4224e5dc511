//! A session: a machine, what a scenario does to it and when, and what oracles say of it.
//!
//! Steps take effect at exact virtual times. What they wait for is looked at when virtual time passes a multiple of 10 ms,
//! and so are the oracles; a session is the same however it is cut.

mod act;
mod happenings;
mod judge;
mod mark;
mod timeline;
mod watch;

use lockstep_traces::Plan;
use lockstep_traces::trace::ImageInfo;
use serde::{Deserialize, Serialize};

pub use happenings::SerialLines;
pub use judge::{Failure, Judge};
pub use mark::Mark;
pub use timeline::{Planned, Timeline};
pub use watch::{Happening, Watch};

use crate::machine::{Machine, MachineError, Snapshot, Stop};
use crate::observe::{Observer, Seen};
use crate::oracle::{Finding, Limits, Oracles};
use crate::scenario::{Choices, Scenario, ScenarioError, ScenarioFiles};
use crate::setup::files::Files;
use crate::setup::{Parts, SetupError, load, settings};
use crate::unmodelled::UnmodelledObserver;
use lockstep_images::SymbolTable;

/// Conditions and oracles are looked at when virtual time passes a multiple of this.
pub const LOOK_PS: u64 = 10_000_000_000;
/// How long a device may take until runs branch off, in picoseconds of virtual time.
pub const BOOT_LIMIT_PS: u64 = 300_000_000_000_000;

/// Where a run leaves the common beginning of a hunt's runs: everything before is drawn from the scenario's seed and done
/// as in a plain run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Branch {
    /// Seed of what is drawn from there on.
    pub seed: u64,
    /// How the scenario's places are filled.
    pub choices: Choices,
    /// Choices of the world that are not drawn.
    pub plan: Plan,
}

/// What cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The device cannot be made of what the scenario says, or a step cannot be done.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The scenario.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// The machine.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// Runs branch off when something becomes true that does not.
    #[error("{condition}, where runs branch off, is not true within {limit_s} virtual seconds")]
    NoBranch {
        /// The condition.
        condition: String,
        /// How long it was waited for.
        limit_s: u64,
    },
}

/// Everything of a session but the machine.
#[derive(Clone, Debug)]
struct Progress {
    timeline: Timeline,
    release_ps: Option<u64>,
    next_look_ps: u64,
    lines: SerialLines,
    led_changes: usize,
    oracles: Oracles,
    /// What is not modelled is a finding.
    unmodelled: Option<UnmodelledObserver>,
    findings: Vec<Finding>,
    judge: Judge,
    branch_from: Option<(Watch, u64)>,
    branched_ps: Option<u64>,
    /// Seen since the last look.
    pending: Vec<Seen>,
}

/// A session as it was at some instant.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    snapshot: Snapshot,
    observer: Observer,
    progress: Progress,
    branch: Option<(Branch, Timeline)>,
}

/// A session.
#[derive(Debug)]
pub struct Session {
    /// The machine.
    pub machine: Machine,
    progress: Progress,
    /// What the session becomes where it branches off.
    branch: Option<(Branch, Timeline)>,
    seen: Vec<Seen>,
    keeps_seen: bool,
}

/// A session that has begun, and what was read for it.
#[derive(Debug)]
pub struct Started {
    /// The session.
    pub session: Session,
    /// Symbols of the images that have some.
    pub symbols: SymbolTable,
    /// Images in flash.
    pub images: Vec<ImageInfo>,
}

impl Session {
    /// A device at power-on, and what a scenario does to it.
    pub fn start(
        scenario: &Scenario,
        seed: u64,
        branch: Option<Branch>,
        files: &mut dyn Files,
    ) -> Result<Started, SessionError> {
        let mut files = ScenarioFiles::new(scenario, files)?;
        let guest = load::load(&scenario.device, &mut files)?;
        let mut parts = Parts::default();
        settings::apply(&mut parts, &scenario.set)?;
        let machine = parts.machine(guest.flash, seed, false, guest.cloud, &mut files)?;
        let timeline = Timeline::new(scenario.steps(&Choices::default())?, &mut files)?;
        let mut session = Self::around(machine, timeline, scenario);
        if let Some(branch) = branch {
            session.branch_as(branch, scenario, &mut files)?;
        }
        Ok(Started { session, symbols: guest.symbols, images: guest.images })
    }

    /// Around a machine.
    pub fn around(mut machine: Machine, timeline: Timeline, scenario: &Scenario) -> Self {
        machine.observer.watch_tasks();
        let unmodelled = scenario.strict.then(|| UnmodelledObserver::new(&mut machine));
        let progress = Progress {
            timeline,
            release_ps: None,
            next_look_ps: 0,
            lines: SerialLines::default(),
            led_changes: 0,
            oracles: Oracles::new(Limits::default()),
            unmodelled,
            findings: Vec::new(),
            judge: Judge::new(&scenario.expectations),
            branched_ps: None,
            branch_from: Some((Watch::new(scenario.hunt.from.clone(), 0), scenario.hunt.after_ps)),
            pending: Vec::new(),
        };
        Self { machine, progress, branch: None, seen: Vec::new(), keeps_seen: false }
    }

    /// Says what the session becomes where it branches off; it must not be past that.
    pub fn branch_as(
        &mut self,
        branch: Branch,
        scenario: &Scenario,
        files: &mut dyn Files,
    ) -> Result<(), SessionError> {
        let timeline = Timeline::new(scenario.steps(&branch.choices)?, files)?;
        self.branch = Some((branch, timeline));
        Ok(())
    }

    /// Runs until the virtual time where runs branch off; nothing has branched off then.
    pub fn run_to_branch(&mut self, limit_ps: u64) -> Result<(), SessionError> {
        while self.branch_ps() > self.machine.now().time_ps {
            let now_ps = self.machine.now().time_ps;
            if now_ps >= limit_ps {
                let from = self.progress.branch_from.as_ref();
                let condition = from.map(|(watch, _)| watch.condition().to_string()).unwrap_or_default();
                return Err(SessionError::NoBranch { condition, limit_s: limit_ps / 1_000_000_000_000 });
            }
            self.run_until_ps((now_ps + LOOK_PS).min(self.branch_ps()))?;
        }
        Ok(())
    }

    /// When runs branch off: `u64::MAX` as long as that is not known, or when it is over.
    pub fn branch_ps(&self) -> u64 {
        let from = self.progress.branch_from.as_ref();
        from.and_then(|(watch, after_ps)| Some(watch.is_true_ps()?.saturating_add(*after_ps))).unwrap_or(u64::MAX)
    }

    /// From now on what is seen is kept for [`Self::take_seen`].
    pub fn keep_seen(&mut self) {
        self.keeps_seen = true;
    }

    /// Takes what was seen up to the last look.
    pub fn take_seen(&mut self) -> Vec<Seen> {
        std::mem::take(&mut self.seen)
    }

    /// What the oracles have found so far.
    pub fn findings(&self) -> &[Finding] {
        &self.progress.findings
    }

    /// The expectations.
    pub fn judge(&self) -> &Judge {
        &self.progress.judge
    }

    /// What is done, and how it stands.
    pub fn timeline(&self) -> &Timeline {
        &self.progress.timeline
    }

    /// Watches a further condition from now on; see [`Judge::watched_ps`].
    pub fn watch(&mut self, condition: &crate::scenario::Condition) -> usize {
        let from_ps = self.machine.now().time_ps;
        self.progress.judge.watch(Watch::new(condition.clone(), from_ps))
    }

    /// Runs until a virtual time.
    pub fn run_until_ps(&mut self, to_ps: u64) -> Result<Stop, SessionError> {
        self.run(u64::MAX, to_ps)
    }

    /// Runs until so many instructions have been executed since power-on, or until a virtual time.
    pub fn run_until_instruction(&mut self, instructions: u64, limit_ps: u64) -> Result<Stop, SessionError> {
        self.run(instructions, limit_ps)
    }

    fn run(&mut self, instructions: u64, to_ps: u64) -> Result<Stop, SessionError> {
        loop {
            let now_ps = self.machine.now().time_ps;
            if now_ps >= self.progress.next_look_ps {
                self.look(now_ps);
            }
            self.branch_off(now_ps);
            self.act(now_ps)?;
            if now_ps >= to_ps || self.machine.instructions() >= instructions {
                return Ok(Stop::Limit);
            }
            let next_ps = self.next_ps().min(to_ps);
            let stop = match instructions {
                u64::MAX => self.machine.run_until_ps(next_ps)?,
                _ => self.machine.run_until_instruction(instructions, next_ps)?,
            };
            if !matches!(stop, Stop::Limit | Stop::LockUp) {
                return Ok(stop);
            }
        }
    }

    /// Where the session has something to do next.
    fn next_ps(&self) -> u64 {
        let progress = &self.progress;
        let release_ps = progress.release_ps.unwrap_or(u64::MAX);
        let branch_ps = if self.branch.is_some() { self.branch_ps() } else { u64::MAX };
        progress.next_look_ps.min(progress.timeline.next_ps()).min(release_ps).min(branch_ps)
    }

    fn branch_off(&mut self, now_ps: u64) {
        if self.branch.is_none() || self.branch_ps() > now_ps {
            return;
        }
        if let Some((branch, timeline)) = self.branch.take() {
            let decisions = &mut self.machine.world.state.decisions;
            decisions.reseed(branch.seed);
            decisions.set_plan(branch.plan);
            self.progress.timeline.continue_as(timeline);
            self.progress.branch_from = None;
            self.progress.branched_ps = Some(now_ps);
        }
    }

    /// When the session branched off, in picoseconds; `None` if it has not.
    pub fn branched_ps(&self) -> Option<u64> {
        self.progress.branched_ps
    }

    fn act(&mut self, now_ps: u64) -> Result<(), SessionError> {
        if self.progress.release_ps.is_some_and(|release_ps| release_ps <= now_ps) {
            self.progress.release_ps = None;
            self.machine.release_mode();
        }
        while let Some(planned) = self.progress.timeline.take_due(now_ps) {
            if let Some(release_ps) = act::act(&mut self.machine, &planned)? {
                // Presses that overlap are one long press.
                self.progress.release_ps = Some(self.progress.release_ps.unwrap_or(0).max(release_ps));
            }
        }
        Ok(())
    }

    fn look(&mut self, now_ps: u64) {
        let progress = &mut self.progress;
        progress.next_look_ps = (now_ps / LOOK_PS + 1) * LOOK_PS;
        let mut seen = std::mem::take(&mut progress.pending);
        seen.extend(self.machine.observer.take_seen());
        let mut findings = progress.oracles.look(&self.machine, &seen);
        if let Some(unmodelled) = &mut progress.unmodelled {
            let instructions = self.machine.instructions();
            let used = unmodelled.look(&mut self.machine);
            findings.extend(used.into_iter().map(|first_use| first_use.finding(instructions)));
        }
        let happenings = happenings::happenings(&self.machine, &seen, &findings, progress);
        for (time_ps, happening) in &happenings {
            progress.timeline.happen(*time_ps, happening);
            progress.judge.happen(*time_ps, happening);
            if let Some((watch, _)) = &mut progress.branch_from {
                watch.happen(*time_ps, happening);
            }
        }
        progress.timeline.look(&mut self.machine);
        progress.judge.look(&mut self.machine);
        if let Some((watch, _)) = &mut progress.branch_from {
            watch.look(&mut self.machine);
        }
        progress.findings.extend(findings);
        if self.keeps_seen {
            self.seen.extend(seen);
        }
    }

    /// The session as it is.
    pub fn checkpoint(&mut self) -> Checkpoint {
        // What was seen since the last look belongs to the next one.
        let seen = self.machine.observer.take_seen();
        self.progress.pending.extend(seen);
        Checkpoint {
            snapshot: self.machine.snapshot(),
            observer: self.machine.observer.clone(),
            progress: self.progress.clone(),
            branch: self.branch.clone(),
        }
    }

    /// A session as it was.
    pub fn restore(checkpoint: &Checkpoint) -> Result<Self, SessionError> {
        let mut machine = Machine::restore(&checkpoint.snapshot, false)?;
        machine.observer = checkpoint.observer.clone();
        Ok(Self {
            machine,
            progress: checkpoint.progress.clone(),
            branch: checkpoint.branch.clone(),
            seen: Vec::new(),
            keeps_seen: false,
        })
    }
}
