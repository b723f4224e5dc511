//! Which task ran when, and since when each waits, from nothing but the kernel's context switches.
//!
//! [`TaskClock::switched`] is called whenever PendSV, which switches tasks in every port of FreeRTOS to a Cortex-M, is
//! entered. `pxCurrentTCB` then still says who ran until now, and the lists say what becomes of it.
//!
//! **Since when does a task want a mutex?** A task that is woken and finds the mutex taken again blocks once more in the
//! same call, so "blocked since" starts anew each time and says nothing. What holds instead: between two switches one
//! task runs alone. If a mutex was held by another when task T was given the core, T cannot have got it in that run. So
//! T has been without it since the first time it blocked on it, until a run of T that began with the mutex free, or
//! after which T holds it or waits for something else. That is exact, and needs no symbols.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;

use super::memory::Words;
use super::objects::{ObjectKind, WaitsFor, holder, object, waits_for};
use super::observer::{Rtos, RtosObserver};
use super::tasks::{PRIORITY, STATE_ITEM, event_list, is_task};

/// Runs of tasks that are remembered: about a second of a busy system.
const RUNS_KEPT: usize = 4096;
/// Between two searches of SRAM while the scheduler's variables are not known, in picoseconds.
const SEARCH_PS: u64 = 1_000_000_000;
/// The same after so many searches in vain: no FreeRTOS as it is known here.
const SEARCH_SELDOM_PS: u64 = 1_000_000_000_000;
const SEARCHES: u32 = 500;
/// Waits from this long on are remembered when they are over, in picoseconds.
const PAST_WAIT_PS: u64 = 1_000_000_000_000;
/// So many of them.
const PAST_WAITS_KEPT: usize = 16;
/// Switches at which the running task cannot be told, one after the other, until what was learned is given up.
const LOST_SWITCHES: u32 = 16;

/// A stretch of time in which one task had the core (interrupts in it included).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Run {
    /// Its TCB.
    pub tcb: u32,
    /// From when, in picoseconds.
    pub from_ps: u64,
    /// Until when.
    pub to_ps: u64,
}

/// A wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// What for.
    pub for_what: WaitsFor,
    /// Since when, in picoseconds. For a mutex: since when the task wants it and has not got it; else since when it is
    /// blocked this time.
    pub since_ps: u64,
    /// It waited already when it was first looked at: since then or earlier.
    pub or_earlier: bool,
    /// How often it was given the core since without getting the mutex.
    pub woken: u64,
}

/// What is known of a task's past.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TaskTimes {
    /// When it had the core last, in picoseconds; `None` if never since the watch began.
    pub ran_ps: Option<u64>,
    /// How long that run was, in picoseconds.
    pub last_run_ps: u64,
    /// How long it had the core altogether.
    pub total_ps: u64,
    /// How often it was given the core.
    pub runs: u64,
    /// What it waits for.
    pub waiting: Option<Waiting>,
}

/// A mutex that somebody waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MutexTimes {
    /// Who held it at the last switch.
    pub holder: Option<u32>,
    /// How long each task held it since somebody waits for it, in picoseconds: time between two switches counts for the
    /// task that held it at both.
    pub held_ps: BTreeMap<u32, u64>,
    /// Since when somebody waits for it.
    pub from_ps: u64,
}

/// A task that wants a mutex for long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Starvation {
    /// TCB of the task.
    pub tcb: u32,
    /// The mutex.
    pub mutex: u32,
    /// Since when it waits.
    pub waiting: Waiting,
    /// TCB of the task that held it longest since then.
    pub holder: Option<u32>,
    /// The share of the time since then for which that task held it, in thousandths.
    pub held_permille: u32,
}

/// A long wait for a mutex that is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PastWait {
    /// The wait, as it was when it ended.
    pub starvation: Starvation,
    /// When it ended, in picoseconds.
    pub until_ps: u64,
}

/// Watches context switches.
#[derive(Clone, Debug, Default)]
pub struct TaskClock {
    rtos: RtosObserver,
    tasks: BTreeMap<u32, TaskTimes>,
    mutexes: BTreeMap<u32, MutexTimes>,
    runs: VecDeque<Run>,
    past: VecDeque<PastWait>,
    switched_ps: Option<u64>,
    search_ps: u64,
    searches: u32,
    lost: u32,
    switches: u64,
}

impl TaskClock {
    /// What is known of a task's past.
    pub fn task(&self, tcb: u32) -> Option<&TaskTimes> {
        self.tasks.get(&tcb)
    }

    /// What is known of the mutexes that somebody waits for.
    pub fn mutexes(&self) -> &BTreeMap<u32, MutexTimes> {
        &self.mutexes
    }

    /// Context switches since the scheduler was recognised.
    pub fn switches(&self) -> u64 {
        self.switches
    }

    /// The task that had the core at a time not long ago.
    pub fn running_at(&self, time_ps: u64) -> Option<u32> {
        let index = self.runs.partition_point(|run| run.to_ps <= time_ps);
        self.runs.get(index).filter(|run| run.from_ps <= time_ps).map(|run| run.tcb)
    }

    /// The task that has the core now; `None` while the scheduler is not recognised.
    pub fn running(&self, memory: &impl Words) -> Option<u32> {
        let tcb = memory.word(self.rtos.current_address()?)?;
        is_task(memory, tcb).then_some(tcb)
    }

    /// Tasks and objects as they are now, by what was learned at switches; as cheap as
    /// [`RtosObserver::glance`].
    pub fn rtos(&self, memory: &impl Words, psp: u32) -> Option<Rtos> {
        self.rtos.clone().glance_or_survey(memory, psp)
    }

    /// The recogniser, with what it learned.
    pub fn observer(&self) -> &RtosObserver {
        &self.rtos
    }

    /// Tasks that want a mutex for at least `threshold_ps`, by TCB.
    pub fn starved(&self, now_ps: u64, threshold_ps: u64) -> Vec<Starvation> {
        let starved = self.tasks.iter().filter_map(|(tcb, times)| {
            let waiting = times.waiting.filter(|waiting| now_ps.saturating_sub(waiting.since_ps) >= threshold_ps)?;
            self.starvation(*tcb, waiting)
        });
        starved.collect()
    }

    /// Waits for a mutex of a second and more that are over, oldest first; the last sixteen.
    pub fn past_waits(&self) -> impl Iterator<Item = &PastWait> {
        self.past.iter()
    }

    /// A wait for a mutex, as it is at the last switch.
    fn starvation(&self, tcb: u32, waiting: Waiting) -> Option<Starvation> {
        let mutex = waiting.for_what.object?;
        let times = self.mutexes.get(&mutex)?;
        let longest = times.held_ps.iter().max_by_key(|(_, held_ps)| **held_ps);
        let whole_ps = self.switched_ps.unwrap_or(times.from_ps).saturating_sub(times.from_ps).max(1);
        let permille = longest.map_or(0, |(_, held_ps)| u128::from(*held_ps) * 1000 / u128::from(whole_ps));
        Some(Starvation {
            tcb,
            mutex,
            waiting,
            holder: longest.map(|(tcb, _)| *tcb),
            held_permille: u32::try_from(permille).unwrap_or(1000).min(1000),
        })
    }

    /// The system was reset: nothing is known any more.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// PendSV is entered; `psp` points to the frame of the task that ran until now.
    pub fn switched(&mut self, memory: &impl Words, psp: u32, now_ps: u64) {
        let Some(current) = self.rtos.current_address() else {
            self.learn(memory, psp, now_ps);
            return;
        };
        let Some(tcb) = memory.word(current).filter(|tcb| is_task(memory, *tcb)) else {
            self.lost += 1;
            if self.lost >= LOST_SWITCHES {
                self.reset();
            }
            return;
        };
        self.lost = 0;
        self.switches += 1;
        let from_ps = self.switched_ps.replace(now_ps).unwrap_or(now_ps);
        if self.runs.len() == RUNS_KEPT {
            self.runs.pop_front();
        }
        self.runs.push_back(Run { tcb, from_ps, to_ps: now_ps });
        let before = self.tasks.get(&tcb).and_then(|times| times.waiting);
        let waiting = self.waiting(memory, tcb, before, now_ps);
        let times = self.tasks.entry(tcb).or_default();
        times.ran_ps = Some(now_ps);
        times.last_run_ps = now_ps - from_ps;
        times.total_ps += now_ps - from_ps;
        times.runs += 1;
        times.waiting = waiting;
        if before.and_then(|w| w.for_what.object) != waiting.and_then(|w| w.for_what.object) {
            if let Some(before) = before.filter(|before| now_ps.saturating_sub(before.since_ps) >= PAST_WAIT_PS)
                && let Some(starvation) = self.starvation(tcb, before)
            {
                if self.past.len() == PAST_WAITS_KEPT {
                    self.past.pop_front();
                }
                self.past.push_back(PastWait { starvation, until_ps: now_ps });
            }
            self.follow(memory, before, waiting, now_ps);
        }
        for (mutex, times) in &mut self.mutexes {
            let now_held_by = holder(memory, *mutex);
            if let (Some(tcb), true) = (now_held_by, times.holder == now_held_by) {
                *times.held_ps.entry(tcb).or_default() += now_ps - from_ps;
            }
            times.holder = now_held_by;
        }
    }

    /// What the task that ran until now waits for from now on.
    fn waiting(&self, memory: &impl Words, tcb: u32, before: Option<Waiting>, now_ps: u64) -> Option<Waiting> {
        let list = event_list(memory, tcb).filter(|list| *list != 0);
        let was_for = before.filter(|before| self.is_mutex(before));
        let Some(list) = list else {
            // It could go on, or waits for time to pass.
            let before = was_for?;
            let mutex = before.for_what.object?;
            let is_ready = is_ready(&self.rtos, memory, tcb) == Some(true);
            // Held by another when this run began: it was interrupted before it could look again.
            let held_by_other = self.mutexes.get(&mutex)?.holder.is_some_and(|holder| holder != tcb);
            return (is_ready && held_by_other).then_some(before);
        };
        if let Some(before) = was_for.filter(|before| before.for_what.list == list) {
            return Some(Waiting { woken: before.woken + 1, ..before });
        }
        let for_what = waits_for(memory, list);
        Some(Waiting { for_what, since_ps: now_ps, or_earlier: false, woken: 0 })
    }

    fn is_mutex(&self, waiting: &Waiting) -> bool {
        waiting.for_what.object.is_some_and(|object| self.mutexes.contains_key(&object))
    }

    /// Keeps the mutexes that somebody waits for, and only those.
    fn follow(&mut self, memory: &impl Words, before: Option<Waiting>, now: Option<Waiting>, now_ps: u64) {
        let awaited = |clock: &Self, mutex: u32| {
            clock.tasks.values().any(|times| times.waiting.is_some_and(|w| w.for_what.object == Some(mutex)))
        };
        if let Some(mutex) = before.and_then(|before| before.for_what.object)
            && !awaited(self, mutex)
        {
            self.mutexes.remove(&mutex);
        }
        if let Some(address) = now.and_then(|now| now.for_what.object)
            && !self.mutexes.contains_key(&address)
            && let Some(ObjectKind::Mutex { holder, .. }) = object(memory, address).map(|object| object.kind)
        {
            self.mutexes.insert(address, MutexTimes { holder, held_ps: BTreeMap::new(), from_ps: now_ps });
        }
    }

    /// Looks for the scheduler's variables, until they are certain.
    fn learn(&mut self, memory: &impl Words, psp: u32, now_ps: u64) {
        if now_ps < self.search_ps {
            return;
        }
        let every_ps = if self.searches < SEARCHES { SEARCH_PS } else { SEARCH_SELDOM_PS };
        self.search_ps = now_ps.saturating_add(every_ps);
        self.searches += 1;
        let Some(rtos) = self.rtos.survey_memory(memory, psp) else { return };
        if self.rtos.current_address().is_none() {
            return;
        }
        self.switched_ps = Some(now_ps);
        for task in &rtos.tasks {
            let waiting =
                task.waits_for.map(|for_what| Waiting { for_what, since_ps: now_ps, or_earlier: true, woken: 0 });
            self.tasks.insert(task.tcb, TaskTimes { waiting, ..TaskTimes::default() });
            self.follow(memory, None, waiting, now_ps);
        }
    }
}

fn is_ready(rtos: &RtosObserver, memory: &impl Words, tcb: u32) -> Option<bool> {
    let list = memory.word(tcb.checked_add(STATE_ITEM + super::lists::ITEM_CONTAINER)?)?;
    rtos.is_ready_list(list, memory.word(tcb.checked_add(PRIORITY)?)?.min(64))
}

#[cfg(test)]
mod tests;
