//! RTOS tasks as GDB's threads.
//!
//! What executes has the core's registers, also while it handles an exception. A task that was switched out has left
//! its own on its stack: the port of FreeRTOS for the Cortex-M3 pushes R4 to R11 below the frame of the exception
//! (`xPortPendSVHandler` of `portable/GCC/ARM_CM3/port.c`).

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use super::arch::CortexM3Registers;
use crate::machine::Machine;
use crate::rtos::{RtosObserver, Task, TaskState};

/// The thread that stands for the core when no task is known to execute.
pub const CORE: NonZeroUsize = NonZeroUsize::MIN;
/// R4 to R11, and the frame of the exception.
const SAVED_BYTES: u32 = 32;
const FRAME_BYTES: u32 = 32;

/// A thread.
#[derive(Clone, Debug)]
pub struct Thread {
    /// Its number, the same for the same task control block.
    pub id: NonZeroUsize,
    /// The task; `None` for the core by itself.
    pub task: Option<Task>,
    /// It has the core's registers.
    pub executes: bool,
}

impl Thread {
    /// Its name and state, as GDB shows them beside its number.
    pub fn description(&self) -> String {
        let Some(task) = &self.task else { return "no task".to_owned() };
        let state = match task.state {
            TaskState::Running => "running",
            TaskState::Ready => "ready",
            TaskState::Blocked => "blocked",
            TaskState::Delayed => "delayed",
            TaskState::Suspended => "suspended",
            TaskState::Unknown => "state unknown",
        };
        let name = if task.name.is_empty() { "(no name)" } else { &task.name };
        format!("{name}, {state}, priority {}, {} bytes of stack free", task.priority, task.free_bytes)
    }

    /// Its registers; of a task that was switched out, those on its stack, if they can be read.
    pub fn registers(&self, machine: &Machine) -> CortexM3Registers {
        let core = CortexM3Registers::from(&machine.registers());
        match &self.task {
            Some(task) if !self.executes => saved(machine, task.stack_pointer, &core).unwrap_or_default(),
            _ => core,
        }
    }
}

fn saved(machine: &Machine, stack_pointer: u32, core: &CortexM3Registers) -> Option<CortexM3Registers> {
    let word = |index: u32| machine.world.memory.peek_word(stack_pointer.checked_add(4 * index)?);
    let mut r = [0; 13];
    for (register, index) in (4..12).zip(0..) {
        r[register] = word(index)?;
    }
    for (register, index) in [(0, 8), (1, 9), (2, 10), (3, 11), (12, 12)] {
        r[register] = word(index)?;
    }
    let (lr, pc, xpsr) = (word(13)?, word(14)?, word(15)?);
    let padding = if xpsr & 1 << 9 != 0 { 4 } else { 0 };
    let sp = stack_pointer.checked_add(SAVED_BYTES + FRAME_BYTES + padding)?;
    Some(core.of_task(r, sp, lr, pc & !1, xpsr & !(1 << 9)))
}

/// The threads as they are now.
#[derive(Debug, Default)]
pub struct Threads {
    observer: RtosObserver,
    ids: BTreeMap<u32, NonZeroUsize>,
    threads: Vec<Thread>,
    of_cycle: Option<u64>,
}

impl Threads {
    /// Looks, if time has passed since the last look or the run went back.
    pub fn look(&mut self, machine: &Machine) -> &[Thread] {
        if self.of_cycle != Some(machine.cycles()) {
            self.of_cycle = Some(machine.cycles());
            let tasks = self.observer.look(machine).unwrap_or_default();
            self.threads = tasks.into_iter().map(|task| self.thread(task)).collect();
            if !self.threads.iter().any(|thread| thread.executes) {
                self.threads.insert(0, Thread { id: CORE, task: None, executes: true });
            }
        }
        &self.threads
    }

    fn thread(&mut self, task: Task) -> Thread {
        let next = NonZeroUsize::MIN.saturating_add(self.ids.len() + 1);
        let id = *self.ids.entry(task.tcb).or_insert(next);
        Thread { id, executes: task.state == TaskState::Running, task: Some(task) }
    }

    /// The thread with this number, as of the last look.
    pub fn get(&self, id: NonZeroUsize) -> Option<&Thread> {
        self.threads.iter().find(|thread| thread.id == id)
    }

    /// The number of the one that executes.
    pub fn executing(&mut self, machine: &Machine) -> NonZeroUsize {
        self.look(machine).iter().find(|thread| thread.executes).map_or(CORE, |thread| thread.id)
    }

    /// The lowest addresses of all stacks, in order.
    pub fn stacks(&mut self, machine: &Machine) -> Vec<u32> {
        let tasks = self.look(machine).iter().filter_map(|thread| thread.task.as_ref());
        let mut stacks: Vec<u32> = tasks.map(|task| task.stack_base).collect();
        stacks.sort_unstable();
        stacks
    }

    /// The next look is a fresh one, whatever the time.
    pub fn forget(&mut self) {
        self.of_cycle = None;
    }
}
