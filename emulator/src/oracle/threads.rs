//! The firmware's threads: who waits too long for a mutex, who is ready and never runs, whose stack is too small. Works
//! on stripped images by the shape of the kernel's structures ([`rtos`](crate::rtos)); says nothing where no RTOS is
//! recognised.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::{Finding, Kind};
use super::limits::Limits;
use crate::machine::Machine;
use crate::observe::Seen;
use crate::rtos::{Rtos, RtosObserver, Starvation, TaskState};
use crate::setup::duration::seconds;

/// Between two looks, in picoseconds of virtual time.
const LOOK_PS: u64 = 100_000_000_000;
/// A stack that was ever seen with so many bytes never used was filled by the kernel when it was made.
const FILLED_BYTES: u32 = 16;

/// What the oracle remembers.
#[derive(Clone, Debug, Default)]
pub struct Threads {
    next_look_ps: u64,
    observer: RtosObserver,
    /// Threads of which it was said that they starve, and for what.
    starved: BTreeSet<(u32, u32)>,
    /// Threads of which it was said that they are ready and do not run.
    ready: BTreeSet<u32>,
    /// Since when each thread is ready without having run.
    ready_from_ps: BTreeMap<u32, u64>,
    /// Threads of which it was said that they overflowed.
    overflowed: BTreeSet<u32>,
    /// Threads whose stacks were filled.
    filled: BTreeSet<u32>,
}

impl Threads {
    /// Something was seen.
    pub fn see(&mut self, seen: &Seen) {
        if matches!(seen, Seen::Reset(_)) {
            *self = Self { next_look_ps: self.next_look_ps, ..Self::default() };
        }
    }

    /// The machine, looked at.
    pub fn look(&mut self, machine: &Machine, limits: &Limits, findings: &mut Vec<Finding>) {
        let now_ps = machine.now().time_ps;
        if now_ps < self.next_look_ps {
            return;
        }
        self.next_look_ps = (now_ps / LOOK_PS + 1) * LOOK_PS;
        // A search of the whole of SRAM is for context switches to do; here only what is cheap.
        let Some(clock) = machine.observer.task_clock() else { return };
        if clock.observer().current_address().is_none() {
            return;
        }
        if self.observer.current_address().is_none() {
            self.observer = clock.observer().clone();
        }
        let Some(rtos) = self.observer.glance(machine) else { return };
        let starved = clock.starved(now_ps, limits.mutex_ps);
        self.starvation(machine, &rtos, &starved, findings);
        self.never_run(machine, &rtos, limits, findings);
        self.stacks(machine, &rtos, findings);
    }

    fn starvation(&mut self, machine: &Machine, rtos: &Rtos, starved: &[Starvation], findings: &mut Vec<Finding>) {
        self.starved.retain(|(tcb, mutex)| starved.iter().any(|s| (s.tcb, s.mutex) == (*tcb, *mutex)));
        for starvation in starved {
            if !self.starved.insert((starvation.tcb, starvation.mutex)) {
                continue;
            }
            let since_ps = starvation.waiting.since_ps;
            let name = rtos.title(starvation.tcb);
            let holder = starvation.holder.map_or_else(|| "somebody".to_owned(), |tcb| rtos.title(tcb));
            let cycle = cycle(starvation, starved);
            let (kind, text) = match cycle {
                Some(cycle) => {
                    let names: Vec<String> = cycle.iter().map(|tcb| rtos.title(*tcb)).collect();
                    (
                        Kind::Deadlock,
                        format!("{} wait for each other's mutexes since {} s", names.join(" and "), seconds(since_ps)),
                    )
                }
                None => (
                    Kind::Starvation,
                    format!(
                        "{name} waits for the mutex at {:#010x} since {} s, was woken {} times, and did not get it; \
                         {holder} held it for {}.{} % of that time",
                        starvation.mutex,
                        seconds(since_ps),
                        starvation.waiting.woken,
                        starvation.held_permille / 10,
                        starvation.held_permille % 10
                    ),
                ),
            };
            findings.push(Finding {
                kind,
                time_ps: since_ps,
                instructions: machine.instructions(),
                text,
                signature: format!("{name} waits for a mutex of {holder}"),
            });
        }
    }

    /// Threads that could run and do not: a more urgent one does not let them.
    fn never_run(&mut self, machine: &Machine, rtos: &Rtos, limits: &Limits, findings: &mut Vec<Finding>) {
        let now_ps = machine.now().time_ps;
        let clock = machine.observer.task_clock();
        for task in &rtos.tasks {
            // The idle task has the lowest priority and always waits for a turn.
            if task.state != TaskState::Ready || task.priority == 0 {
                self.ready_from_ps.remove(&task.tcb);
                self.ready.remove(&task.tcb);
                continue;
            }
            let ran_ps = clock.and_then(|clock| clock.task(task.tcb)).and_then(|times| times.ran_ps).unwrap_or(0);
            let from_ps = self.ready_from_ps.entry(task.tcb).or_insert(now_ps);
            *from_ps = (*from_ps).max(ran_ps);
            if now_ps.saturating_sub(*from_ps) > limits.mutex_ps && self.ready.insert(task.tcb) {
                findings.push(Finding {
                    kind: Kind::Starvation,
                    time_ps: *from_ps,
                    instructions: machine.instructions(),
                    text: format!("{} is ready since {} s and does not get the core", task.title(), seconds(*from_ps)),
                    signature: format!("{} is ready and does not run", task.title()),
                });
            }
        }
    }

    fn stacks(&mut self, machine: &Machine, rtos: &Rtos, findings: &mut Vec<Finding>) {
        for task in &rtos.tasks {
            let never_used = task.never_used_bytes;
            if never_used.is_some_and(|bytes| bytes >= FILLED_BYTES) {
                self.filled.insert(task.tcb);
            }
            let is_used_up = never_used == Some(0) && self.filled.contains(&task.tcb);
            if !(task.free_bytes < 0 || is_used_up) || !self.overflowed.insert(task.tcb) {
                continue;
            }
            let (sp, base) = (task.stack_pointer, task.stack_base);
            let text = match task.free_bytes < 0 {
                true => format!("the stack pointer of {}, {sp:#010x}, is below its stack, {base:#010x}", task.title()),
                false => format!("{} has used its stack, from {base:#010x} on, to the last byte", task.title()),
            };
            findings.push(Finding {
                kind: Kind::StackOverflow,
                time_ps: machine.now().time_ps,
                instructions: machine.instructions(),
                text,
                signature: task.title(),
            });
        }
    }
}

/// The threads that wait for each other in a circle, beginning with this one.
fn cycle(from: &Starvation, starved: &[Starvation]) -> Option<Vec<u32>> {
    let mut tcbs = vec![from.tcb];
    let mut at = from;
    loop {
        let holder = at.holder?;
        if holder == from.tcb {
            return Some(tcbs);
        }
        // The circle may not have this one in it.
        if tcbs.contains(&holder) {
            return None;
        }
        tcbs.push(holder);
        at = starved.iter().find(|other| other.tcb == holder)?;
    }
}
