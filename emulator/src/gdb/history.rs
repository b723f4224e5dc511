//! Going through a run in both directions: states kept in memory, and the way from the nearest one to any instruction.
//!
//! The run itself is deterministic, so that any place of it is reached by running there again. How far apart the kept
//! states are is measured in the host's time, which is what going back costs; it has no influence on the run.

use std::time::{Duration, Instant};

use lockstep_engine::Watch;

use super::debuggee::Debuggee;
use crate::machine::{CoreState, Stop};
use crate::watch::{Accessor, Watched};

/// Running time of the host between two marks.
const MARK_EVERY: Duration = Duration::from_millis(200);
/// Marks kept: 128 KB of SRAM each, the state of devices and modem, and flash once for each content it had.
const MARKS_MAX: usize = 64;
/// How long to run before looking whether the user wants to interrupt.
const SLICE: Duration = Duration::from_millis(20);
const SLICE_MIN_PS: u64 = 1_000_000_000;
const SLICE_MAX_PS: u64 = 1_000_000_000_000;
/// Instructions before a place that was gone to at which a mark is left: the next step back is a short way.
const NEAR: u64 = 20_000;

/// A place of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Instructions executed.
    pub instructions: u64,
    /// HCLK cycles. The core may have slept or entered an exception since the last instruction.
    pub cycles: u64,
    /// The same as virtual time.
    pub time_ps: u64,
}

impl Position {
    /// Right after so many instructions.
    pub fn after(instructions: u64) -> Self {
        Self { instructions, cycles: 0, time_ps: 0 }
    }
}

/// How a way ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Went {
    /// Where it was to end.
    Reached,
    /// Before that.
    Stopped(Stop),
    /// The user interrupted it.
    Interrupted,
    /// At the beginning of what is known.
    Begin,
}

/// A stop, and where one must be to see it coming.
type SeenComing = (Position, Stop);

/// A run, and where it has been.
pub struct History<D: Debuggee> {
    debuggee: D,
    begin: Position,
    marks: Vec<(Position, D::Mark)>,
    ran: Duration,
    slice_ps: u64,
    breakpoints: Vec<u32>,
    watches: Vec<Watch>,
}

impl<D: Debuggee> History<D> {
    /// The run from here on.
    pub fn new(mut debuggee: D) -> Self {
        let begin = position(&debuggee);
        let marks = vec![(begin, debuggee.mark())];
        Self {
            debuggee,
            begin,
            marks,
            ran: Duration::ZERO,
            slice_ps: 10 * SLICE_MIN_PS,
            breakpoints: Vec::new(),
            watches: Vec::new(),
        }
    }

    /// What is debugged.
    pub fn debuggee(&self) -> &D {
        &self.debuggee
    }

    /// What is debugged, for reading what needs it, and for what the user changes on purpose ([`Self::forget`]).
    pub fn debuggee_mut(&mut self) -> &mut D {
        &mut self.debuggee
    }

    /// Gives back what was debugged, without breakpoints.
    pub fn into_debuggee(mut self) -> D {
        self.clear_stops();
        self.debuggee
    }

    /// Where the run is.
    pub fn position(&self) -> Position {
        position(&self.debuggee)
    }

    /// Where the history begins.
    pub fn begin(&self) -> Position {
        self.begin
    }

    /// Number of states kept.
    pub fn marks(&self) -> usize {
        self.marks.len()
    }

    /// Replaces breakpoints and watchpoints.
    pub fn set_stops(&mut self, breakpoints: Vec<u32>, watches: Vec<Watch>) {
        (self.breakpoints, self.watches) = (breakpoints, watches);
    }

    /// Whether the user has a breakpoint at this address.
    pub fn has_breakpoint(&self, address: u32) -> bool {
        self.breakpoints.contains(&address)
    }

    /// The user changed the present state: the past does not lead to it any more.
    pub fn forget(&mut self) {
        self.begin = self.position();
        self.marks = vec![(self.begin, self.debuggee.mark())];
    }

    fn apply_stops(&mut self) {
        let machine = self.debuggee.machine_mut();
        machine.set_breakpoints(&self.breakpoints);
        machine.set_watchpoints(&self.watches);
    }

    fn clear_stops(&mut self) {
        let machine = self.debuggee.machine_mut();
        machine.set_breakpoints(&[]);
        machine.set_watchpoints(&[]);
    }

    /// Goes on until so many instructions have been executed, or until a virtual time, a breakpoint or a watchpoint;
    /// `extra` are breakpoints besides. An instruction with a breakpoint that is the next one is executed.
    pub fn run(
        &mut self,
        instructions: u64,
        to_ps: u64,
        extra: &[u32],
        poll: &mut dyn FnMut() -> bool,
    ) -> Result<Went, D::Error> {
        self.apply_stops();
        if !extra.is_empty() {
            let all: Vec<u32> = self.breakpoints.iter().chain(extra).copied().collect();
            self.debuggee.machine_mut().set_breakpoints(&all);
        }
        self.debuggee.machine_mut().pass_breakpoint();
        let went = self.advance(instructions, to_ps, poll);
        self.clear_stops();
        went
    }

    /// Runs in slices, and leaves marks.
    fn advance(&mut self, instructions: u64, to_ps: u64, poll: &mut dyn FnMut() -> bool) -> Result<Went, D::Error> {
        let was_locked_up = self.debuggee.machine().core_state() == CoreState::LockedUp;
        loop {
            let now = self.position();
            if now.instructions >= instructions || now.time_ps >= to_ps {
                return Ok(Went::Reached);
            }
            if poll() {
                return Ok(Went::Interrupted);
            }
            let limit_ps = now.time_ps.saturating_add(self.slice_ps).min(to_ps);
            let started = Instant::now();
            let stop = match instructions {
                u64::MAX => self.debuggee.run_until_ps(limit_ps)?,
                _ => self.debuggee.run_until_instruction(instructions, limit_ps)?,
            };
            self.took(started.elapsed(), limit_ps - now.time_ps);
            if stop != Stop::Limit {
                return Ok(Went::Stopped(stop));
            }
            if !was_locked_up && self.debuggee.machine().core_state() == CoreState::LockedUp {
                return Ok(Went::Stopped(Stop::LockUp));
            }
        }
    }

    fn took(&mut self, host: Duration, virtual_ps: u64) {
        if host > 2 * SLICE {
            self.slice_ps = (self.slice_ps / 2).max(SLICE_MIN_PS);
        } else if host < SLICE / 2 && virtual_ps >= self.slice_ps {
            self.slice_ps = (self.slice_ps * 2).min(SLICE_MAX_PS);
        }
        self.ran += host;
        if self.ran >= MARK_EVERY {
            self.leave_mark();
        }
    }

    /// Keeps the present state, and gives up the one that is missed least.
    fn leave_mark(&mut self) {
        self.ran = Duration::ZERO;
        let now = self.position();
        let Err(at) = self.marks.binary_search_by_key(&now, |(position, _)| *position) else { return };
        let mark = self.debuggee.mark();
        self.marks.insert(at, (now, mark));
        if self.marks.len() > MARKS_MAX {
            // The gap that its absence leaves counts less the farther away it is; the first one stays.
            let cost = |window: &[(Position, D::Mark)]| {
                let [(before, _), (here, _), (after, _)] = window else { return u128::MAX };
                let distance = now.cycles.abs_diff(here.cycles) + 1;
                (u128::from(after.cycles - before.cycles) << 32) / u128::from(distance)
            };
            let costs = self.marks.windows(3).map(cost);
            if let Some((index, _)) = costs.enumerate().min_by_key(|(_, cost)| *cost) {
                self.marks.remove(index + 1);
            }
        }
    }

    /// Index of the last mark that is not after a place.
    fn mark_before(&self, place: Position) -> usize {
        self.marks.partition_point(|(position, _)| *position <= place).saturating_sub(1)
    }

    fn restore(&mut self, index: usize) -> Result<(), D::Error> {
        if let Some((_, mark)) = self.marks.get(index) {
            self.debuggee.rewind(mark)?;
        }
        self.ran = Duration::ZERO;
        Ok(())
    }

    /// Goes to a place, which is not before the beginning, without stopping on the way.
    pub fn go_to(&mut self, place: Position, poll: &mut dyn FnMut() -> bool) -> Result<Went, D::Error> {
        self.go_to_within(place, u64::MAX, poll)
    }

    /// The same, but not beyond a virtual time.
    pub fn go_to_within(
        &mut self,
        place: Position,
        end_ps: u64,
        poll: &mut dyn FnMut() -> bool,
    ) -> Result<Went, D::Error> {
        let now = self.position();
        let index = self.mark_before(place);
        let is_nearer = self.marks.get(index).is_some_and(|(mark, _)| *mark > now);
        if place < now || is_nearer {
            self.restore(index)?;
        }
        self.clear_stops();
        let near = place.instructions.saturating_sub(NEAR);
        if near > self.position().instructions {
            let went = self.pass(near, end_ps, poll)?;
            if went != Went::Reached {
                return Ok(went);
            }
            self.leave_mark();
        }
        match self.pass(place.instructions, end_ps, poll)? {
            Went::Reached => self.pass(u64::MAX, place.time_ps.min(end_ps), poll),
            other => Ok(other),
        }
    }

    /// Goes to a virtual time, without stopping on the way: where a run up to that time would be.
    pub fn go_to_time(&mut self, time_ps: u64, poll: &mut dyn FnMut() -> bool) -> Result<Went, D::Error> {
        let now = self.position();
        let index = self.marks.partition_point(|(position, _)| position.time_ps <= time_ps).saturating_sub(1);
        let is_nearer = self.marks.get(index).is_some_and(|(mark, _)| *mark > now);
        if time_ps < now.time_ps || is_nearer {
            self.restore(index)?;
        }
        self.clear_stops();
        self.pass(u64::MAX, time_ps, poll)
    }

    /// Goes on without stopping; a lock-up on the way is known.
    fn pass(&mut self, instructions: u64, to_ps: u64, poll: &mut dyn FnMut() -> bool) -> Result<Went, D::Error> {
        loop {
            match self.advance(instructions, to_ps, poll)? {
                Went::Stopped(_) => {}
                other => return Ok(other),
            }
        }
    }

    /// Goes back to the last breakpoint or watched access before this place: to the state before the instruction, or
    /// before the instruction that made the access. An interrupted search ends where it began.
    pub fn run_back(&mut self, poll: &mut dyn FnMut() -> bool) -> Result<Went, D::Error> {
        let now = self.position();
        let mut end = now;
        let mut index = self.mark_before(now);
        if self.marks.get(index).is_some_and(|(mark, _)| *mark == now) {
            index = index.saturating_sub(1);
        }
        while let Some(start) = self.marks.get(index).map(|(position, _)| *position) {
            self.restore(index)?;
            self.apply_stops();
            let (last, went) = self.last_stop(end, poll)?;
            self.clear_stops();
            if went == Went::Interrupted {
                self.go_to(now, &mut || false)?;
                return Ok(went);
            }
            if let Some((place, stop)) = last {
                self.go_to(place, &mut || false)?;
                return Ok(Went::Stopped(stop));
            }
            if index == 0 {
                break;
            }
            end = start;
            index -= 1;
        }
        self.restore(0)?;
        Ok(Went::Begin)
    }

    /// Runs up to a place with everything stopping; the last stop, and where one must be to see it coming.
    fn last_stop(
        &mut self,
        end: Position,
        poll: &mut dyn FnMut() -> bool,
    ) -> Result<(Option<SeenComing>, Went), D::Error> {
        let mut last = None;
        for (instructions, to_ps) in [(end.instructions, u64::MAX), (u64::MAX, end.time_ps)] {
            loop {
                match self.advance(instructions, to_ps, poll)? {
                    Went::Stopped(stop @ Stop::Breakpoint) => last = Some((self.position(), stop)),
                    Went::Stopped(stop @ Stop::Watchpoint(watched)) => {
                        last = Some((self.before(&watched), stop));
                    }
                    Went::Stopped(_) => {}
                    Went::Reached => break,
                    other => return Ok((None, other)),
                }
            }
        }
        Ok((last, Went::Reached))
    }

    /// The place before an access that has just been made.
    fn before(&self, watched: &Watched) -> Position {
        let executed = u64::from(matches!(watched.by, Accessor::Instruction { .. }));
        Position::after(self.position().instructions.saturating_sub(executed))
    }
}

fn position<D: Debuggee>(debuggee: &D) -> Position {
    let machine = debuggee.machine();
    let now = machine.now();
    Position { instructions: machine.instructions(), cycles: machine.cycles(), time_ps: now.time_ps }
}
