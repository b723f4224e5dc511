//! The firmware's threads: who waits too long for a mutex, who is ready and never runs, whose stack is too small. Works
//! on stripped images by the shape of the kernel's structures ([`rtos`](crate::rtos)); says nothing where no RTOS is
//! recognised.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::{Finding, Kind};
use super::limits::Limits;
use crate::core::exceptions::{NMI, USAGE_FAULT};
use crate::machine::{CoreState, Machine};
use crate::observe::Seen;
use crate::rtos::{Rtos, RtosObserver, TaskClock, TaskState};
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
    /// Threads of which it was said that they wait for each other.
    deadlocked: BTreeSet<BTreeSet<u32>>,
    /// Threads of which it was said that they are ready and do not run.
    ready: BTreeSet<u32>,
    /// Since when each thread is ready without having run.
    ready_from_ps: BTreeMap<u32, u64>,
    /// Threads of which it was said that they overflowed, with the bases of their stacks.
    overflowed: BTreeSet<(u32, u32)>,
    /// The running thread and the number of context switches, if its stack pointer is below its stack while a handler runs.
    suspected: Option<(u32, u64)>,
    /// Those whose stacks were filled.
    filled: BTreeSet<(u32, u32)>,
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
        let registers = machine.registers();
        // Nobody runs after a lock-up or in the dark, and a fault's handler lets nobody run on purpose.
        let is_dead = matches!(machine.core_state(), CoreState::LockedUp | CoreState::Off);
        if is_dead || (NMI..=USAGE_FAULT).contains(&(registers.ipsr() as usize)) {
            return;
        }
        let Some(rtos) = self.observer.glance(machine) else { return };
        self.starvation(machine, &rtos, clock, limits, findings);
        self.never_run(machine, &rtos, limits, findings);
        let switches = (registers.ipsr() != 0).then(|| clock.switches());
        self.stacks(machine, &rtos, switches, findings);
    }

    fn starvation(
        &mut self,
        machine: &Machine,
        rtos: &Rtos,
        clock: &TaskClock,
        limits: &Limits,
        findings: &mut Vec<Finding>,
    ) {
        let now_ps = machine.now().time_ps;
        let instructions = machine.instructions();
        let starved = clock.starved(now_ps, limits.mutex_ps);
        self.starved.retain(|(tcb, mutex)| starved.iter().any(|s| (s.tcb, s.mutex) == (*tcb, *mutex)));
        // Who waits for a circle to close has not waited long yet.
        let waits: Waits = clock
            .starved(now_ps, 0)
            .iter()
            .filter_map(|s| Some((s.tcb, (s.mutex, clock.mutexes().get(&s.mutex).and_then(|times| times.holder)?))))
            .collect();
        for starvation in starved {
            if !self.starved.insert((starvation.tcb, starvation.mutex)) {
                continue;
            }
            let since_ps = starvation.waiting.since_ps;
            if let Some(cycle) = cycle(starvation.tcb, &waits) {
                // Told once, by whichever of them has waited long enough last.
                let set: BTreeSet<u32> = cycle.iter().copied().collect();
                if self.deadlocked.insert(set) {
                    findings.push(deadlock(rtos, &cycle, &waits, since_ps, instructions));
                }
                continue;
            }
            let name = rtos.title(starvation.tcb);
            let holder = starvation.holder.map_or_else(|| "somebody".to_owned(), |tcb| rtos.title(tcb));
            findings.push(Finding {
                kind: Kind::Starvation,
                time_ps: since_ps,
                instructions,
                text: format!(
                    "{name} waits for the mutex at {:#010x} since {} s, was woken {} times, and did not get it; \
                     {holder} held it for {}.{} % of that time",
                    starvation.mutex,
                    seconds(since_ps),
                    starvation.waiting.woken,
                    starvation.held_permille / 10,
                    starvation.held_permille % 10
                ),
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

    /// `switches` so far, while a handler runs.
    fn stacks(&mut self, machine: &Machine, rtos: &Rtos, switches: Option<u64>, findings: &mut Vec<Finding>) {
        let suspected = self.suspected.take();
        for task in &rtos.tasks {
            let never_used = task.never_used_bytes;
            let thread = (task.tcb, task.stack_base);
            if never_used.is_some_and(|bytes| bytes >= FILLED_BYTES) {
                self.filled.insert(thread);
            }
            let mut is_below = task.free_bytes < 0;
            // While the kernel switches, the stack pointer is one thread's and `pxCurrentTCB` another's. That does not
            // last, though the next look may well meet the same threads in another switch: ticks come at the time of
            // looks. A kernel that found the overflow itself stays in the switch for good.
            if let Some(switches) = switches.filter(|_| is_below && task.state == TaskState::Running) {
                let suspect = Some((task.tcb, switches));
                is_below = suspected == suspect;
                self.suspected = suspect;
            }
            let is_used_up = never_used == Some(0) && self.filled.contains(&thread);
            if !(is_below || is_used_up) || !self.overflowed.insert(thread) {
                continue;
            }
            let (sp, base) = (task.stack_pointer, task.stack_base);
            let text = match is_below {
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

/// Who waits for which mutex, and who holds that now.
type Waits = BTreeMap<u32, (u32, u32)>;

/// The threads that wait for each other in a circle, beginning with this one.
fn cycle(from: u32, waits: &Waits) -> Option<Vec<u32>> {
    let mut tcbs = vec![from];
    let mut at = from;
    loop {
        let (_, holder) = *waits.get(&at)?;
        if holder == from {
            return Some(tcbs);
        }
        // The circle may not have this one in it.
        if tcbs.contains(&holder) {
            return None;
        }
        tcbs.push(holder);
        at = holder;
    }
}

fn deadlock(rtos: &Rtos, cycle: &[u32], waits: &Waits, since_ps: u64, instructions: u64) -> Finding {
    let wait = |tcb: &u32| {
        let (mutex, holder) = waits.get(tcb).copied().unwrap_or_default();
        format!("{} for the mutex at {mutex:#010x} that {} holds", rtos.title(*tcb), rtos.title(holder))
    };
    let mut names: Vec<String> = cycle.iter().map(|tcb| rtos.title(*tcb)).collect();
    names.sort();
    Finding {
        kind: Kind::Deadlock,
        time_ps: since_ps,
        instructions,
        text: format!(
            "{} wait for each other since {} s: {}",
            names.join(" and "),
            seconds(since_ps),
            cycle.iter().map(wait).collect::<Vec<_>>().join(", ")
        ),
        signature: names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MUTEX: u32 = 0x2000_0100;

    fn waits(pairs: &[(u32, u32)]) -> Waits {
        pairs.iter().map(|(tcb, holder)| (*tcb, (MUTEX, *holder))).collect()
    }

    #[test]
    fn a_circle_is_found_from_each_that_is_in_it_and_from_nobody_else() {
        let two = waits(&[(1, 2), (2, 1), (3, 1)]);
        assert_eq!(cycle(1, &two), Some(vec![1, 2]));
        assert_eq!(cycle(2, &two), Some(vec![2, 1]));
        assert_eq!(cycle(3, &two), None, "it waits for the circle");
        assert_eq!(cycle(1, &waits(&[(1, 2), (2, 3), (3, 1)])), Some(vec![1, 2, 3]));
        assert_eq!(cycle(1, &waits(&[(1, 1)])), Some(vec![1]), "a mutex that is not recursive, taken twice");
        assert_eq!(cycle(1, &waits(&[(1, 2)])), None, "its holder waits for nobody");
        assert_eq!(cycle(9, &waits(&[])), None);
    }

    proptest::proptest! {
        #[test]
        fn a_circle_is_closed_and_each_of_it_finds_the_same(pairs in proptest::collection::btree_map(0u32..8, 0u32..8, 0..8), from in 0u32..8) {
            let pairs: Vec<(u32, u32)> = pairs.into_iter().collect();
            let waits = waits(&pairs);
            if let Some(tcbs) = cycle(from, &waits) {
                let set: BTreeSet<u32> = tcbs.iter().copied().collect();
                proptest::prop_assert_eq!(set.len(), tcbs.len());
                for tcb in &tcbs {
                    let other: BTreeSet<u32> = cycle(*tcb, &waits).unwrap().into_iter().collect();
                    proptest::prop_assert_eq!(&other, &set);
                }
            }
        }
    }
}
