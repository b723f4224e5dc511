//! Finds the tasks and what they wait for; keeps what it learned about where the scheduler's variables are.

use super::lists::{LIST_BYTES, List, list, lists};
use super::memory::{MemoryCopy, Words};
use super::objects::{SyncObject, object, objects, waits_for};
use super::tasks::{Found, STATE_ITEM, Task, TaskState, filled_bytes, stack_limit, task};
use crate::machine::Machine;
use crate::world::{SRAM_BASE, SRAM_SIZE};

/// `tasks.c` keeps its variables together; the pointers to the delayed lists lie this near to the ready lists.
const NEARBY_BYTES: u32 = 1024;

/// What was found of an RTOS at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Rtos {
    /// The tasks in order of priority, highest first, then by name.
    pub tasks: Vec<Task>,
    /// Mutexes, semaphores and queues, by address.
    pub objects: Vec<SyncObject>,
}

impl Rtos {
    /// The task with this control block.
    pub fn task(&self, tcb: u32) -> Option<&Task> {
        self.tasks.iter().find(|task| task.tcb == tcb)
    }

    /// What to call a task, known or not.
    pub fn title(&self, tcb: u32) -> String {
        self.task(tcb).map_or_else(|| format!("the task at {tcb:#010x}"), Task::title)
    }

    /// The object at this address.
    pub fn object(&self, address: u32) -> Option<&SyncObject> {
        self.objects.iter().find(|object| object.address == address)
    }

    /// The task that executes.
    pub fn running(&self) -> Option<&Task> {
        self.tasks.iter().find(|task| task.state == TaskState::Running)
    }
}

/// Recognises tasks and what they wait for. The first looks search the whole of SRAM; once the scheduler's variables
/// are known, [`glance`](Self::glance) reads only them.
#[derive(Clone, Debug, Default)]
pub struct RtosObserver {
    /// Addresses that always held the running task's TCB: `pxCurrentTCB` is among them.
    current: Option<Vec<u32>>,
    /// Different running tasks seen while learning.
    seen: Vec<u32>,
    /// `pxReadyTasksLists[0]`.
    ready_lists: Option<u32>,
    /// Lists of the scheduler: those near the ready lists.
    scheduler_lists: Vec<u32>,
    /// Control blocks and objects as of the last look.
    tcbs: Vec<u32>,
    objects: Vec<u32>,
}

impl RtosObserver {
    /// The tasks in order of priority, highest first, then by name; `None` when no scheduler is recognised.
    pub fn look(&mut self, machine: &Machine) -> Option<Vec<Task>> {
        Some(self.survey(machine)?.tasks)
    }

    /// Tasks and objects, by a search of the whole of SRAM.
    pub fn survey(&mut self, machine: &Machine) -> Option<Rtos> {
        let psp = machine.registers().psp;
        self.survey_memory(&machine.world.memory, psp)
    }

    /// Tasks and objects; cheap once the scheduler's variables are known, else as [`survey`](Self::survey). An object
    /// that appeared since the last search is found when a task waits for it.
    pub fn glance(&mut self, machine: &Machine) -> Option<Rtos> {
        self.glance_or_survey(&machine.world.memory, machine.registers().psp)
    }

    /// [`glance`](Self::glance) of any memory.
    pub fn glance_or_survey(&mut self, memory: &impl Words, psp: u32) -> Option<Rtos> {
        self.glance_memory(memory, psp).or_else(|| self.survey_memory(memory, psp))
    }

    /// The same for a copy of SRAM and the process stack pointer.
    pub fn look_at(&mut self, sram: &[u8], psp: Option<u32>) -> Option<Vec<Task>> {
        Some(self.search(&MemoryCopy { sram, flash: &[] }, psp)?.tasks)
    }

    /// [`survey`](Self::survey) of any memory.
    pub fn survey_memory(&mut self, memory: &impl Words, psp: u32) -> Option<Rtos> {
        let mut bytes = vec![0; SRAM_SIZE as usize];
        // Before the scheduler starts nobody uses the process stack; handlers leave it as the task had it.
        let psp = (psp != 0).then_some(psp);
        let is_there = memory.bytes(SRAM_BASE, &mut bytes);
        is_there.then(|| self.search(&MemoryCopy { sram: &bytes, flash: &[] }, psp)).flatten()
    }

    /// The address of `pxCurrentTCB`, once it is certain.
    pub fn current_address(&self) -> Option<u32> {
        match self.current.as_deref() {
            Some([address]) if self.seen.len() >= 2 => Some(*address),
            _ => None,
        }
    }

    /// Whether this list is the ready list of some priority; `None` while the ready lists are not known.
    pub(super) fn is_ready_list(&self, list: u32, priority: u32) -> Option<bool> {
        Some(self.ready_lists? + priority * LIST_BYTES == list)
    }

    fn search(&mut self, memory: &impl Words, psp: Option<u32>) -> Option<Rtos> {
        let lists = lists(memory);
        let mut found: Vec<Found> = Vec::new();
        for list in &lists {
            take_tasks(memory, list, &mut found);
        }
        if found.is_empty() {
            return None;
        }
        let running = self.running(memory, &found, psp);
        self.find_ready_lists(&lists, &found, running);
        let is_near = |list: &&List| self.ready_lists.is_some_and(|base| list.address.abs_diff(base) <= NEARBY_BYTES);
        self.scheduler_lists = lists.iter().filter(is_near).map(|list| list.address).collect();
        let objects = objects(memory, &lists);
        Some(self.describe(memory, &found, objects, running, psp))
    }

    fn glance_memory(&mut self, memory: &impl Words, psp: u32) -> Option<Rtos> {
        let (current, base) = (self.current_address()?, self.ready_lists?);
        let running = memory.word(current)?;
        list(memory, base)?;
        let mut found: Vec<Found> = Vec::new();
        // A list that is just being changed is passed over: its tasks are known from before.
        for address in &self.scheduler_lists {
            if let Some(list) = list(memory, *address) {
                take_tasks(memory, &list, &mut found);
            }
        }
        for tcb in &self.tcbs {
            if found.iter().all(|task| task.tcb != *tcb) {
                // A task that was deleted is in no list any more.
                found.extend(task(memory, *tcb).filter(|task| task.list != 0));
            }
        }
        // The running task is not recognised: what was learned does not hold any more.
        found.iter().find(|task| task.tcb == running)?;
        let mut known = self.objects.clone();
        known.extend(found.iter().filter(|task| task.event_list != 0).filter_map(|task| {
            let address = waits_for(memory, task.event_list).object?;
            (!self.objects.contains(&address)).then_some(address)
        }));
        known.sort_unstable();
        known.dedup();
        let objects = known.into_iter().filter_map(|address| object(memory, address)).collect();
        Some(self.describe(memory, &found, objects, Some(running), (psp != 0).then_some(psp)))
    }

    fn describe(
        &mut self,
        memory: &impl Words,
        found: &[Found],
        objects: Vec<SyncObject>,
        running: Option<u32>,
        psp: Option<u32>,
    ) -> Rtos {
        self.tcbs = found.iter().map(|task| task.tcb).collect();
        self.objects = objects.iter().map(|object| object.address).collect();
        let filled: Vec<u32> = found.iter().map(|task| filled_bytes(memory, task.stack_base)).collect();
        let is_filled = filled.iter().any(|bytes| *bytes >= 16);
        // Structures of the kernel: nothing of a stack lies beyond the next of them.
        let structures = || {
            let of_tasks = found.iter().flat_map(|task| [task.tcb, task.stack_base]);
            of_tasks.chain(self.objects.iter().copied()).chain([SRAM_BASE + SRAM_SIZE])
        };
        let mut tasks: Vec<Task> = found
            .iter()
            .zip(filled)
            .map(|(task, filled)| {
                let is_running = running == Some(task.tcb);
                let stack_pointer = if is_running { psp.unwrap_or(task.top_of_stack) } else { task.top_of_stack };
                let state = if is_running { TaskState::Running } else { self.state(memory, task, found) };
                let is_blocked = state == TaskState::Blocked;
                Task {
                    tcb: task.tcb,
                    name: task.name.clone(),
                    priority: task.priority,
                    state,
                    waits_for: is_blocked.then(|| waits_for(memory, task.event_list)),
                    stack_pointer,
                    stack_base: task.stack_base,
                    stack_limit: {
                        let above = structures().filter(|address| *address > task.stack_base).min();
                        stack_limit(memory, task.stack_base, above.unwrap_or(SRAM_BASE + SRAM_SIZE))
                    },
                    free_bytes: i64::from(stack_pointer) - i64::from(task.stack_base),
                    never_used_bytes: is_filled.then_some(filled),
                }
            })
            .collect();
        tasks.sort_by(|a, b| b.priority.cmp(&a.priority).then_with(|| a.name.cmp(&b.name)).then(a.tcb.cmp(&b.tcb)));
        Rtos { tasks, objects }
    }

    /// The running task: by `pxCurrentTCB` once that is known, until then by whose stack the process stack pointer is
    /// in. The stack pointer alone would name the wrong task after a stack overflow.
    fn running(&mut self, memory: &impl Words, found: &[Found], psp: Option<u32>) -> Option<u32> {
        if let Some(address) = self.current_address() {
            let tcb = memory.word(address)?;
            return found.iter().any(|task| task.tcb == tcb).then_some(tcb);
        }
        let psp = psp?;
        let owner = found.iter().filter(|task| task.stack_base <= psp).max_by_key(|task| task.stack_base)?;
        // The running task's saved stack pointer is an old one, but of the same stack.
        let tcb = owner.tcb;
        let candidates: Vec<u32> = match self.current.take() {
            Some(candidates) => candidates.into_iter().filter(|a| memory.word(*a) == Some(tcb)).collect(),
            None => {
                let words = (SRAM_BASE..SRAM_BASE + SRAM_SIZE).step_by(4);
                words.filter(|address| memory.word(*address) == Some(tcb)).collect()
            }
        };
        // None left: a context switch was under way when we looked, or the guess was wrong. Start again.
        if candidates.is_empty() {
            self.seen.clear();
            return None;
        }
        self.current = Some(candidates);
        if !self.seen.contains(&tcb) {
            self.seen.push(tcb);
        }
        Some(tcb)
    }

    /// The running task is always in the ready list of its priority; so the array of ready lists is found.
    fn find_ready_lists(&mut self, lists: &[List], found: &[Found], running: Option<u32>) {
        let is_array = |base: u32, last: u32| {
            (0..=last).all(|priority| lists.iter().any(|list| list.address == base + priority * LIST_BYTES))
        };
        if self.ready_lists.is_some_and(|base| is_array(base, 0)) {
            return;
        }
        let running = running.and_then(|tcb| found.iter().find(|task| task.tcb == tcb));
        self.ready_lists = running.and_then(|task| {
            let base = task.list.checked_sub(task.priority * LIST_BYTES)?;
            is_array(base, task.priority).then_some(base)
        });
    }

    fn state(&self, memory: &impl Words, task: &Found, found: &[Found]) -> TaskState {
        match self.is_ready_list(task.list, task.priority) {
            None => return TaskState::Unknown,
            Some(true) => return TaskState::Ready,
            Some(false) if task.event_list != 0 => return TaskState::Blocked,
            Some(false) => {}
        }
        // Only the two delayed lists are pointed to by variables, which lie beside the lists.
        let base = self.ready_lists.unwrap_or(SRAM_BASE);
        let start = base.saturating_sub(NEARBY_BYTES).max(SRAM_BASE);
        let mut nearby = (start..base.saturating_add(NEARBY_BYTES)).step_by(4);
        let is_container = |address: u32| found.iter().any(|other| address == other.tcb + STATE_ITEM + 16);
        let is_pointed_to = nearby.any(|address| memory.word(address) == Some(task.list) && !is_container(address));
        if is_pointed_to { TaskState::Delayed } else { TaskState::Suspended }
    }
}

/// The tasks whose state items are in this list.
fn take_tasks(memory: &impl Words, list: &List, found: &mut Vec<Found>) {
    for item in &list.items {
        // Owners of event items are found through their state items.
        let is_state_item = item.owner.checked_add(STATE_ITEM) == Some(item.address);
        if is_state_item && found.iter().all(|other| other.tcb != item.owner) {
            found.extend(task(memory, item.owner));
        }
    }
}

#[cfg(test)]
mod tests;
