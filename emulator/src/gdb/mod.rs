//! A GDB server: breakpoints, watchpoints, steps and continuation in both directions, RTOS tasks as threads, and what
//! `monitor` tells of modem, sockets, tasks and peripherals.
//!
//! Debugging never changes the run. Breakpoints and watchpoints stop it at instruction boundaries without touching
//! memory or time; registers of devices are read from a copy; going back puts an earlier state in place and runs
//! again from there. Only writes change it, and they are refused unless the user says otherwise.

pub mod arch;
pub mod core_file;
pub mod debuggee;
mod events;
mod history;
mod monitor;
mod peripherals;
mod server;
mod stepping;
mod target;
mod threads;

use std::collections::BTreeMap;
use std::path::Path;

use gdbstub::common::Signal;
use gdbstub::stub::MultiThreadStopReason;
use gdbstub::target::ext::base::reverse_exec::ReplayLogPosition;
use gdbstub::target::ext::breakpoints::WatchKind as GdbWatchKind;
use lockstep_engine::{Watch, WatchKind};

use self::arch::CortexM3;
use self::debuggee::Debuggee;
use self::events::EventLog;
use self::history::{History, Went};
use self::threads::Threads;
use crate::machine::{Snapshot, Stop};
use crate::observe::Seen;
use crate::watch::Watched;

pub use self::server::{Ended, Listener, ServerError, serve, serve_connection};

/// Writes a snapshot to a file; what is wrong as text for people.
pub type WriteSnapshot = fn(&Path, &Snapshot) -> Result<(), String>;

/// What GDB wants next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resume {
    Continue,
    Step,
    ContinueBack,
    StepBack,
}

/// How often GDB has inserted a breakpoint, by its two kinds, which are the same here.
#[derive(Clone, Copy, Debug, Default)]
struct Inserted {
    software: u32,
    hardware: u32,
}

/// A run under a debugger.
pub struct Debugger<D: Debuggee> {
    history: History<D>,
    threads: Threads,
    events: EventLog,
    breakpoints: BTreeMap<u32, Inserted>,
    watches: Vec<Watch>,
    resume: Resume,
    /// The run has gone somewhere else without GDB: the next thing that it wants is to learn where it is.
    is_elsewhere: bool,
    end_ps: u64,
    write_snapshot: Option<WriteSnapshot>,
    steps_into_interrupts: bool,
    allows_writes: bool,
    is_changed: bool,
}

impl<D: Debuggee> Debugger<D> {
    /// A debugger of a run from here to the virtual time `end_ps`.
    pub fn new(debuggee: D, end_ps: u64) -> Self {
        Self {
            history: History::new(debuggee),
            threads: Threads::default(),
            events: EventLog::default(),
            breakpoints: BTreeMap::new(),
            watches: Vec::new(),
            resume: Resume::Continue,
            is_elsewhere: false,
            end_ps,
            write_snapshot: None,
            steps_into_interrupts: false,
            allows_writes: false,
            is_changed: false,
        }
    }

    /// Lets `monitor snapshot` write snapshots.
    #[must_use]
    pub fn with_snapshots(mut self, write: WriteSnapshot) -> Self {
        self.write_snapshot = Some(write);
        self
    }

    /// What was debugged, as it is now; what was seen until then; and whether the user changed it.
    pub fn end(self) -> (D, Vec<Seen>, bool) {
        let now_ps = self.history.position().time_ps;
        (self.history.into_debuggee(), self.events.into_seen(now_ps), self.is_changed)
    }

    /// The run is somewhere else.
    fn moved(&mut self) {
        self.threads.forget();
        let seen = self.history.debuggee_mut().take_seen();
        self.events.add(seen);
    }

    /// Does what GDB wants until something stops it; `None` when `poll` said to stop.
    fn go(&mut self, poll: &mut dyn FnMut() -> bool) -> Result<Option<MultiThreadStopReason<u32>>, D::Error> {
        if std::mem::take(&mut self.is_elsewhere) {
            return Ok(Some(self.signal(Signal::SIGTRAP)));
        }
        self.history.set_stops(self.breakpoints.keys().copied().collect(), self.watches.clone());
        let stacks = self.threads.stacks(self.history.debuggee().machine());
        let raw = self.steps_into_interrupts;
        let went = match self.resume {
            Resume::Continue => self.history.run(u64::MAX, self.end_ps, &[], poll)?,
            Resume::Step => stepping::step(&mut self.history, &stacks, raw, self.end_ps, poll)?,
            Resume::ContinueBack => self.history.run_back(poll)?,
            Resume::StepBack => stepping::step_back(&mut self.history, &stacks, raw, poll)?,
        };
        self.moved();
        Ok(self.stop_reason(went))
    }

    fn stop_reason(&mut self, went: Went) -> Option<MultiThreadStopReason<u32>> {
        let machine = self.history.debuggee().machine();
        let pc = machine.registers().pc;
        let tid = self.threads.executing(machine);
        let signal = |signal| MultiThreadStopReason::SignalWithThread { tid, signal };
        Some(match went {
            Went::Interrupted => return None,
            Went::Begin => MultiThreadStopReason::ReplayLog { tid: Some(tid), pos: ReplayLogPosition::Begin },
            Went::Reached if self.resume == Resume::Continue || self.history.position().time_ps >= self.end_ps => {
                MultiThreadStopReason::ReplayLog { tid: Some(tid), pos: ReplayLogPosition::End }
            }
            Went::Reached | Went::Stopped(Stop::Limit | Stop::HostCall) => signal(Signal::SIGTRAP),
            Went::Stopped(Stop::LockUp) => signal(Signal::SIGSEGV),
            Went::Stopped(Stop::Breakpoint) => match self.breakpoints.get(&pc) {
                Some(inserted) if inserted.software > 0 => MultiThreadStopReason::SwBreak(tid),
                Some(_) => MultiThreadStopReason::HwBreak(tid),
                None => signal(Signal::SIGTRAP),
            },
            Went::Stopped(Stop::Watchpoint(watched)) => match self.watch_of(&watched) {
                Some(watch) => MultiThreadStopReason::Watch {
                    tid,
                    kind: match watch.kind {
                        WatchKind::Read => GdbWatchKind::Read,
                        WatchKind::Write => GdbWatchKind::Write,
                        WatchKind::Access => GdbWatchKind::ReadWrite,
                    },
                    // GDB knows a watchpoint by an address inside of it.
                    addr: watched.address.max(watch.address),
                },
                None => signal(Signal::SIGTRAP),
            },
        })
    }

    /// A stop of the thread that executes.
    fn signal(&mut self, signal: Signal) -> MultiThreadStopReason<u32> {
        let tid = self.threads.executing(self.history.debuggee().machine());
        MultiThreadStopReason::SignalWithThread { tid, signal }
    }

    fn watch_of(&self, watched: &Watched) -> Option<&Watch> {
        self.watches.iter().find(|watch| watch.matches(watched.address, watched.size, watched.write))
    }
}

/// The GDB architecture's addresses.
type Usize = <CortexM3 as gdbstub::arch::Arch>::Usize;
