//! Runs what a trace says, to any instruction or time: what happens from outside happens at its time.

use std::collections::VecDeque;

use lockstep_gateway_protocol::{Inbound, Outbound};
use lockstep_images::SymbolTable;
use lockstep_modem::network::OutboundAt;
use lockstep_traces::Plan;
use lockstep_traces::trace::{ImageInfo, Record, RunText};

use super::file::TraceFile;
use super::files::TraceFiles;
use super::scenario_run::ScenarioRun;
use super::spec::{RunSpec, check_start};
use crate::gdb::debuggee::Debuggee;
use crate::machine;
use crate::oracle::{Attendant, Finding};
use crate::semihosting::{HostCall, serve};
use crate::session::{self, Session, SessionError, Started};
use crate::setup::SetupError;
use crate::setup::files::Files;
use crate::setup::press::{Edge, edges};
use crate::{Machine, Seen, Snapshot, Stop};

/// A run.
pub struct Rerun {
    what: What,
    /// Symbols of all ELF files.
    pub symbols: SymbolTable,
    /// Images in flash.
    pub images: Vec<ImageInfo>,
    shown: Shown,
    is_over: bool,
}

enum What {
    Arguments(Box<Arguments>),
    Scenario(Box<ScenarioState>),
}

/// A run as the command line describes it.
struct Arguments {
    machine: Machine,
    edges: VecDeque<Edge>,
    inbound: VecDeque<(u64, Inbound)>,
    semihosting: bool,
    oracles: Attendant,
}

/// A run as a scenario describes it.
struct ScenarioState {
    session: Session,
    /// Which steps were told to be done, and how many findings were told.
    told_steps: Vec<bool>,
    told_findings: usize,
}

/// What a run showed since somebody last took it.
#[derive(Debug, Default)]
pub struct Shown {
    /// What the observer saw.
    pub seen: Vec<Seen>,
    /// What was done to the machine, with its times in picoseconds.
    pub inputs: Vec<(u64, String)>,
    /// What came from the real network.
    pub inbound: Vec<(u64, Inbound)>,
    /// What left for it.
    pub outbound: Vec<(u64, Outbound)>,
    /// What the guest wrote on the host's console.
    pub console: Vec<(u64, Vec<u8>)>,
    /// What the oracles found.
    pub findings: Vec<Finding>,
}

/// Where a [`Rerun`] stood.
#[derive(Clone)]
pub struct Checkpoint {
    /// The machine's state.
    pub snapshot: Snapshot,
    rest: Rest,
}

#[derive(Clone)]
enum Rest {
    Arguments { edges: VecDeque<Edge>, inbound: VecDeque<(u64, Inbound)>, oracles: Box<Attendant> },
    Scenario(Box<session::Checkpoint>),
}

impl Rerun {
    /// What a trace runs, at power-on; refused if the device is not the recorded one.
    pub fn of(trace: &mut TraceFile) -> Result<Self, SetupError> {
        let head = trace.head().clone();
        let inbound = if head.has_outside { Some(inbound_of(trace)) } else { None };
        let mut run = Self::start(&head.run, head.seed, &head.plan, inbound, &mut TraceFiles::new(trace))?;
        let images = std::mem::take(&mut run.images);
        check_start(&head, run.machine_mut(), &images).map_err(SetupError::Usage)?;
        run.images = images;
        Ok(run)
    }

    /// A run at power-on. `inbound` is what comes from the real network; `None` if there is none.
    pub fn start(
        run: &RunText,
        seed: u64,
        plan: &Plan,
        inbound: Option<VecDeque<(u64, Inbound)>>,
        files: &mut dyn Files,
    ) -> Result<Self, SetupError> {
        if run.form == ScenarioRun::FORM {
            let run = ScenarioRun::parse(run)?;
            let started = Session::start(&run.on_device()?, seed, run.branch, files).map_err(setup)?;
            return Ok(Self::around(started, plan));
        }
        let spec = RunSpec::parse(run)?;
        let mut prepared = spec.prepare(seed, plan, files)?;
        if inbound.is_some() {
            prepared.machine.world.state.electron.modem.network().attach_outside();
        }
        let oracles = Attendant::new(&mut prepared.machine);
        let arguments = Arguments {
            oracles,
            machine: prepared.machine,
            edges: edges(&spec.press).into(),
            inbound: inbound.unwrap_or_default(),
            semihosting: spec.semihosting,
        };
        let what = What::Arguments(Box::new(arguments));
        Ok(Self { what, symbols: prepared.symbols, images: prepared.images, shown: Shown::default(), is_over: false })
    }

    fn around(started: Started, plan: &Plan) -> Self {
        let Started { mut session, symbols, images } = started;
        session.keep_seen();
        session.machine.world.state.decisions.set_plan(plan.clone());
        let told_steps = vec![false; session.timeline().steps().len()];
        let what = What::Scenario(Box::new(ScenarioState { session, told_steps, told_findings: 0 }));
        Self { what, symbols, images, shown: Shown::default(), is_over: false }
    }

    /// The machine.
    pub fn machine(&self) -> &Machine {
        match &self.what {
            What::Arguments(arguments) => &arguments.machine,
            What::Scenario(state) => &state.session.machine,
        }
    }

    /// The machine.
    pub fn machine_mut(&mut self) -> &mut Machine {
        match &mut self.what {
            What::Arguments(arguments) => &mut arguments.machine,
            What::Scenario(state) => &mut state.session.machine,
        }
    }

    /// The session, if a scenario is run.
    pub fn session(&self) -> Option<&Session> {
        match &self.what {
            What::Arguments(_) => None,
            What::Scenario(state) => Some(&state.session),
        }
    }

    /// The session, if a scenario is run.
    pub fn session_mut(&mut self) -> Option<&mut Session> {
        match &mut self.what {
            What::Arguments(_) => None,
            What::Scenario(state) => Some(&mut state.session),
        }
    }

    /// Whether the guest ended the run.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Goes on to exactly this instruction, or to the first instruction boundary at this time.
    pub fn run_to(&mut self, instructions: u64, time_ps: u64) -> Result<(), SetupError> {
        self.run(instructions, time_ps).map(|_| ())
    }

    /// The same, or to a breakpoint or watchpoint of a debugger. A guest that ended the run stops it with a host call.
    pub fn run(&mut self, instructions: u64, time_ps: u64) -> Result<Stop, SetupError> {
        let stop = match &mut self.what {
            What::Arguments(arguments) => {
                let stop = arguments.run_to(instructions, time_ps, &mut self.shown)?;
                self.is_over |= stop == Stop::HostCall;
                stop
            }
            What::Scenario(state) => {
                let stop = state.session.run_until_instruction(instructions, time_ps).map_err(setup)?;
                state.tell(&mut self.shown);
                stop
            }
        };
        let outbound = self.machine_mut().observer.take_outbound();
        self.shown.outbound.extend(outbound.into_iter().map(|OutboundAt { time_ps, event }| (time_ps, event)));
        // A session takes what was seen, and gives it when it has looked at it.
        if let What::Arguments(arguments) = &mut self.what {
            arguments.take_seen(&mut self.shown);
            if self.is_over {
                self.shown.findings.extend(arguments.oracles.look_now(&arguments.machine));
            }
        }
        Ok(stop)
    }

    /// What it showed since the last call.
    pub fn take_shown(&mut self) -> Shown {
        std::mem::take(&mut self.shown)
    }

    /// Where it stands.
    pub fn checkpoint(&mut self) -> Checkpoint {
        let snapshot = self.machine().snapshot();
        let rest = match &mut self.what {
            What::Arguments(arguments) => {
                let (edges, inbound) = (arguments.edges.clone(), arguments.inbound.clone());
                Rest::Arguments { edges, inbound, oracles: Box::new(arguments.oracles.clone()) }
            }
            What::Scenario(state) => Rest::Scenario(Box::new(state.session.checkpoint())),
        };
        Checkpoint { snapshot, rest }
    }

    /// Back to where it stood.
    pub fn restore(&mut self, checkpoint: &Checkpoint) -> Result<(), SetupError> {
        self.shown = Shown::default();
        match (&mut self.what, &checkpoint.rest) {
            (What::Arguments(run), Rest::Arguments { edges, inbound, oracles }) => {
                run.machine = Machine::restore(&checkpoint.snapshot, run.semihosting)?;
                run.machine.observer.watch_tasks();
                (run.edges, run.inbound, run.oracles) = (edges.clone(), inbound.clone(), (**oracles).clone());
            }
            (What::Scenario(state), Rest::Scenario(checkpoint)) => {
                state.session = Session::restore(checkpoint).map_err(setup)?;
                state.session.keep_seen();
            }
            _ => return Err(SetupError::Usage("a checkpoint of another run".to_owned())),
        }
        Ok(())
    }
}

impl Arguments {
    fn take_seen(&mut self, shown: &mut Shown) {
        let seen = self.machine.observer.take_seen();
        self.oracles.see(&seen);
        shown.seen.extend(seen);
    }

    /// Why it stopped: a host call when the guest ended the run.
    fn run_to(&mut self, instructions: u64, time_ps: u64, shown: &mut Shown) -> Result<Stop, SetupError> {
        loop {
            let now_ps = self.machine.now().time_ps;
            while let Some(edge) = self.edges.front().copied().filter(|edge| edge.at_ps <= now_ps) {
                self.edges.pop_front();
                shown.inputs.push((now_ps, edge.to_string()));
                edge.apply(&mut self.machine);
            }
            while self.inbound.front().is_some_and(|(at_ps, _)| *at_ps <= now_ps)
                && let Some((_, event)) = self.inbound.pop_front()
            {
                shown.inbound.push((now_ps, event.clone()));
                if let Some(outside) = self.machine.world.state.electron.modem.network().outside_mut() {
                    outside.arrive(now_ps, event);
                }
            }
            if now_ps >= self.oracles.next_ps() {
                self.take_seen(shown);
                shown.findings.extend(self.oracles.look(&self.machine));
            }
            if self.machine.instructions() >= instructions || now_ps >= time_ps {
                return Ok(Stop::Limit);
            }
            let edge_ps = self.edges.front().map_or(u64::MAX, |edge| edge.at_ps);
            let inbound_ps = self.inbound.front().map_or(u64::MAX, |(at_ps, _)| *at_ps);
            let to_ps = time_ps.min(edge_ps).min(inbound_ps).min(self.oracles.next_ps());
            match self.machine.run_until_instruction(instructions, to_ps)? {
                Stop::HostCall => {
                    let time_ps = self.machine.now().time_ps;
                    match serve(&mut self.machine) {
                        HostCall::Continue(bytes) => shown.console.push((time_ps, bytes)),
                        HostCall::Exit(_) => return Ok(Stop::HostCall),
                    }
                }
                stop @ (Stop::Breakpoint | Stop::Watchpoint(_)) => return Ok(stop),
                Stop::Limit | Stop::LockUp => {}
            }
        }
    }
}

impl ScenarioState {
    /// What is new in the session.
    fn tell(&mut self, shown: &mut Shown) {
        shown.seen.extend(self.session.take_seen());
        for (planned, told) in self.session.timeline().steps().iter().zip(&mut self.told_steps) {
            if let (false, Some(planned)) = (*told, planned)
                && let Some(done_ps) = planned.done_ps
            {
                *told = true;
                shown.inputs.push((done_ps, format!("step {}: {}", planned.step.number, planned.step.text)));
            }
        }
        let findings = self.session.findings();
        shown.findings.extend(findings.get(self.told_findings..).unwrap_or_default().iter().cloned());
        self.told_findings = findings.len();
    }
}

fn setup(error: SessionError) -> SetupError {
    match error {
        SessionError::Setup(error) => error,
        SessionError::Machine(error) => error.into(),
        error => SetupError::Usage(error.to_string()),
    }
}

/// Where a [`Rerun`] under a debugger stood.
pub struct Mark {
    rest: MarkOf,
    is_over: bool,
}

enum MarkOf {
    Arguments {
        machine: Box<machine::Checkpoint>,
        edges: VecDeque<Edge>,
        inbound: VecDeque<(u64, Inbound)>,
        oracles: Box<Attendant>,
    },
    Scenario(Box<session::Mark>),
}

impl Debuggee for Rerun {
    type Mark = Mark;
    type Error = SetupError;

    fn machine(&self) -> &Machine {
        Self::machine(self)
    }
    fn machine_mut(&mut self) -> &mut Machine {
        Self::machine_mut(self)
    }
    fn run_until_ps(&mut self, to_ps: u64) -> Result<Stop, SetupError> {
        self.run(u64::MAX, to_ps)
    }
    fn run_until_instruction(&mut self, instructions: u64, limit_ps: u64) -> Result<Stop, SetupError> {
        self.run(instructions, limit_ps)
    }
    fn mark(&mut self) -> Mark {
        let rest = match &mut self.what {
            What::Arguments(run) => MarkOf::Arguments {
                machine: Box::new(run.machine.checkpoint()),
                edges: run.edges.clone(),
                inbound: run.inbound.clone(),
                oracles: Box::new(run.oracles.clone()),
            },
            What::Scenario(state) => MarkOf::Scenario(Box::new(state.session.mark())),
        };
        Mark { rest, is_over: self.is_over }
    }
    fn rewind(&mut self, mark: &Mark) -> Result<(), SetupError> {
        self.is_over = mark.is_over;
        match (&mut self.what, &mark.rest) {
            (What::Arguments(run), MarkOf::Arguments { machine, edges, inbound, oracles }) => {
                run.machine.rewind(machine);
                (run.edges, run.inbound, run.oracles) = (edges.clone(), inbound.clone(), (**oracles).clone());
                Ok(())
            }
            (What::Scenario(state), MarkOf::Scenario(mark)) => state.session.rewind(mark).map_err(setup),
            _ => Err(SetupError::Usage("a mark of another run".to_owned())),
        }
    }
    fn take_seen(&mut self) -> Vec<Seen> {
        self.take_shown().seen
    }
}

/// What came from the real network. What is damaged lies behind what is run again.
fn inbound_of(trace: &mut TraceFile) -> VecDeque<(u64, Inbound)> {
    let mut inbound = VecDeque::new();
    for place in 0..trace.frames().len() {
        for record in trace.records(place).unwrap_or_default() {
            if let Record::Inbound { time_ps, event } = record {
                inbound.push_back((time_ps, event));
            }
        }
    }
    inbound
}
