//! FreeRTOS as an observer sees it: tasks recognised by the shape of their structures in SRAM, without symbols.
//!
//! Layout (FreeRTOS 8 to 10 on a Cortex-M without MPU, `list.h` and `tasks.c`):
//! - list: count, index pointer, end marker {value 0xFFFFFFFF, next, previous}: 20 bytes;
//! - list item: value, next, previous, owner, container: 20 bytes;
//! - TCB: top of stack, state item at +4, event item at +24, priority at +44, stack base at +48, name at +52.
//!
//! What is certain is said, the rest is `None`. Nothing here touches the guest.

use serde::Serialize;

use crate::machine::Machine;
use crate::world::{SRAM_BASE, SRAM_SIZE};

const LIST_BYTES: u32 = 20;
const STATE_ITEM: u32 = 4;
const EVENT_ITEM: u32 = 24;
const PRIORITY: u32 = 44;
const STACK_BASE: u32 = 48;
const NAME: u32 = 52;
/// `configMAX_TASK_NAME_LEN` is 16 in FreeRTOS's own default and rarely more.
const NAME_MAX: u32 = 24;
/// No firmware of this class has more tasks or priorities.
const TASKS_MAX: u32 = 64;
/// Byte that a new task's stack is filled with (`tskSTACK_FILL_BYTE`).
const FILL: u8 = 0xa5;
/// `tasks.c` keeps its variables together; the pointers to the delayed lists lie this near to the ready lists.
const NEARBY_BYTES: u32 = 1024;

/// What a task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// It is the one that executes.
    Running,
    /// It could execute.
    Ready,
    /// It waits for a queue, semaphore, mutex or event, with or without a timeout.
    Blocked,
    /// It waits for time to pass.
    Delayed,
    /// It is suspended.
    Suspended,
    /// In a list that could not be told.
    Unknown,
}

/// A task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Task {
    /// Address of its control block.
    pub tcb: u32,
    /// Its name.
    pub name: String,
    /// Its priority, inherited ones included.
    pub priority: u32,
    /// What it does.
    pub state: TaskState,
    /// Its stack pointer: the live one of the running task, else the saved one.
    pub stack_pointer: u32,
    /// Lowest address of its stack.
    pub stack_base: u32,
    /// Bytes between stack base and stack pointer; negative after an overflow.
    pub free_bytes: i64,
    /// Bytes never used since the task was made; `None` if the stack was not filled.
    pub never_used_bytes: Option<u32>,
}

/// Recognises tasks; keeps what it learned about where the scheduler's variables are.
#[derive(Clone, Debug, Default)]
pub struct RtosObserver {
    /// Addresses that always held the running task's TCB: `pxCurrentTCB` is among them.
    current: Option<Vec<u32>>,
    /// Different running tasks seen while learning.
    seen: Vec<u32>,
    /// `pxReadyTasksLists[0]`.
    ready_lists: Option<u32>,
    sram: Vec<u8>,
}

impl RtosObserver {
    /// The tasks in order of priority, highest first, then by name; `None` when no scheduler is recognised.
    pub fn look(&mut self, machine: &Machine) -> Option<Vec<Task>> {
        let mut bytes = std::mem::take(&mut self.sram);
        bytes.resize(SRAM_SIZE as usize, 0);
        let registers = machine.registers();
        let tasks = if machine.world.memory.peek(SRAM_BASE, &mut bytes) {
            // Before the scheduler starts nobody uses the process stack; handlers leave it as the task had it.
            let psp = (registers.psp != 0).then_some(registers.psp);
            self.look_at(&bytes, psp)
        } else {
            None
        };
        self.sram = bytes;
        tasks
    }

    /// The same for a copy of SRAM and the process stack pointer.
    pub fn look_at(&mut self, sram: &[u8], psp: Option<u32>) -> Option<Vec<Task>> {
        let sram = Sram { bytes: sram };
        let lists = sram.lists();
        let mut found: Vec<Found> = Vec::new();
        for list in &lists {
            for item in &list.items {
                // Owners of event items are found through their state items.
                if item.owner.checked_add(STATE_ITEM) != Some(item.address) {
                    continue;
                }
                if let Some(task) = sram.task(item.owner, list.address)
                    && !found.iter().any(|other| other.tcb == task.tcb)
                {
                    found.push(task);
                }
            }
        }
        if found.is_empty() {
            return None;
        }
        let running = self.running(&sram, &found, psp);
        self.find_ready_lists(&lists, &found, running);
        let filled = found.iter().any(|task| sram.filled_bytes(task.stack_base) >= 16);
        let mut tasks: Vec<Task> = found
            .iter()
            .map(|task| {
                let is_running = running == Some(task.tcb);
                let stack_pointer = if is_running { psp.unwrap_or(task.top_of_stack) } else { task.top_of_stack };
                Task {
                    tcb: task.tcb,
                    name: task.name.clone(),
                    priority: task.priority,
                    state: if is_running { TaskState::Running } else { self.state(&sram, task, &found) },
                    stack_pointer,
                    stack_base: task.stack_base,
                    free_bytes: i64::from(stack_pointer) - i64::from(task.stack_base),
                    never_used_bytes: filled.then(|| sram.filled_bytes(task.stack_base)),
                }
            })
            .collect();
        tasks.sort_by(|a, b| b.priority.cmp(&a.priority).then_with(|| a.name.cmp(&b.name)).then(a.tcb.cmp(&b.tcb)));
        Some(tasks)
    }

    /// The running task: by `pxCurrentTCB` once that is known, until then by whose stack the process stack pointer is
    /// in. The stack pointer alone would name the wrong task after a stack overflow.
    fn running(&mut self, sram: &Sram<'_>, found: &[Found], psp: Option<u32>) -> Option<u32> {
        if self.seen.len() >= 2
            && let Some([address]) = self.current.as_deref()
        {
            let tcb = sram.word(*address)?;
            return found.iter().any(|task| task.tcb == tcb).then_some(tcb);
        }
        let psp = psp?;
        let owner = found.iter().filter(|task| task.stack_base <= psp).max_by_key(|task| task.stack_base)?;
        // The running task's saved stack pointer is an old one, but of the same stack.
        let tcb = owner.tcb;
        let candidates = match self.current.take() {
            Some(candidates) => candidates.into_iter().filter(|a| sram.word(*a) == Some(tcb)).collect(),
            None => sram.words_equal(tcb),
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

    fn state(&self, sram: &Sram<'_>, task: &Found, found: &[Found]) -> TaskState {
        let Some(base) = self.ready_lists else { return TaskState::Unknown };
        if task.list == base + task.priority * LIST_BYTES {
            return TaskState::Ready;
        }
        if task.event_list != 0 {
            return TaskState::Blocked;
        }
        // Only the two delayed lists are pointed to by variables, which lie beside the lists.
        let start = base.saturating_sub(NEARBY_BYTES).max(SRAM_BASE);
        let mut nearby = (start..base.saturating_add(NEARBY_BYTES)).step_by(4);
        let is_container = |address: u32| found.iter().any(|other| address == other.tcb + STATE_ITEM + 16);
        let is_pointed_to = nearby.any(|address| sram.word(address) == Some(task.list) && !is_container(address));
        if is_pointed_to { TaskState::Delayed } else { TaskState::Suspended }
    }
}

/// A TCB as it is in memory.
#[derive(Clone, Debug)]
struct Found {
    tcb: u32,
    name: String,
    priority: u32,
    top_of_stack: u32,
    stack_base: u32,
    /// The list that its state item is in.
    list: u32,
    /// The list that its event item is in, or 0.
    event_list: u32,
}

#[derive(Clone, Debug)]
struct Item {
    address: u32,
    owner: u32,
}

#[derive(Clone, Debug)]
struct List {
    address: u32,
    items: Vec<Item>,
}

/// A copy of SRAM.
struct Sram<'a> {
    bytes: &'a [u8],
}

impl Sram<'_> {
    fn word(&self, address: u32) -> Option<u32> {
        let offset = address.checked_sub(SRAM_BASE)? as usize;
        let bytes = self.bytes.get(offset..)?.first_chunk::<4>()?;
        Some(u32::from_le_bytes(*bytes))
    }

    fn end(&self) -> u32 {
        SRAM_BASE.saturating_add(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX))
    }

    fn is_pointer(&self, value: u32) -> bool {
        value.is_multiple_of(4) && (SRAM_BASE..self.end()).contains(&value)
    }

    fn words_equal(&self, value: u32) -> Vec<u32> {
        (SRAM_BASE..self.end()).step_by(4).filter(|address| self.word(*address) == Some(value)).collect()
    }

    /// All structures that can only be lists: every link is checked in both directions.
    fn lists(&self) -> Vec<List> {
        (SRAM_BASE..self.end()).step_by(4).filter_map(|address| self.list(address)).collect()
    }

    fn list(&self, address: u32) -> Option<List> {
        let end_marker = address.checked_add(8)?;
        if self.word(end_marker)? != u32::MAX {
            return None;
        }
        let count = self.word(address)?;
        if count > TASKS_MAX || !self.is_pointer(self.word(address + 4)?) {
            return None;
        }
        let mut items = Vec::new();
        let (mut at, mut next) = (end_marker, self.word(address + 12)?);
        while next != end_marker {
            if items.len() as u32 >= count || !self.is_pointer(next) {
                return None;
            }
            let links_back = self.word(next.checked_add(8)?)? == at;
            let container = self.word(next.checked_add(16)?)?;
            if !links_back || container != address {
                return None;
            }
            items.push(Item { address: next, owner: self.word(next.checked_add(12)?)? });
            at = next;
            next = self.word(at.checked_add(4)?)?;
        }
        let index = self.word(address + 4)?;
        let index_inside = index == end_marker || items.iter().any(|item| item.address == index);
        let is_whole = items.len() as u32 == count && self.word(address + 16)? == at && index_inside;
        is_whole.then_some(List { address, items })
    }

    fn task(&self, tcb: u32, list: u32) -> Option<Found> {
        let at = |offset: u32| self.word(tcb.checked_add(offset)?);
        // The event item belongs to the same task, whether it is in a list or not.
        if !self.is_pointer(tcb) || at(EVENT_ITEM + 12)? != tcb {
            return None;
        }
        let (top_of_stack, stack_base, priority) = (at(0)?, at(STACK_BASE)?, at(PRIORITY)?);
        if !self.is_pointer(top_of_stack) || !self.is_pointer(stack_base) || priority >= TASKS_MAX {
            return None;
        }
        let name = self.name(tcb.checked_add(NAME)?)?;
        Some(Found { tcb, name, priority, top_of_stack, stack_base, list, event_list: at(EVENT_ITEM + 16)? })
    }

    fn name(&self, address: u32) -> Option<String> {
        let offset = address.checked_sub(SRAM_BASE)? as usize;
        let bytes = self.bytes.get(offset..)?;
        let bytes = bytes.get(..bytes.len().min(NAME_MAX as usize))?;
        let length = bytes.iter().position(|byte| *byte == 0)?;
        let name = bytes.get(..length)?;
        // A task may have no name at all; one that has one spells it in ASCII.
        name.iter()
            .all(|byte| byte.is_ascii_graphic() || *byte == b' ')
            .then(|| String::from_utf8_lossy(name).into_owned())
    }

    /// Bytes from the stack's base on that still have the fill pattern.
    fn filled_bytes(&self, base: u32) -> u32 {
        let offset = base.saturating_sub(SRAM_BASE) as usize;
        let bytes = self.bytes.get(offset..).unwrap_or_default();
        let filled = bytes.iter().take_while(|byte| **byte == FILL).count();
        u32::try_from(filled).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Builds the structures that FreeRTOS has in memory.
    struct Memory {
        bytes: Vec<u8>,
    }

    const READY: u32 = SRAM_BASE + 0x100;
    const DELAYED: u32 = SRAM_BASE + 0x200;
    const SUSPENDED: u32 = SRAM_BASE + 0x240;
    const QUEUE: u32 = SRAM_BASE + 0x5000;
    const DELAYED_POINTER: u32 = SRAM_BASE + 0x280;
    const CURRENT: u32 = SRAM_BASE + 0x284;

    impl Memory {
        fn new() -> Self {
            let mut memory = Self { bytes: vec![0; SRAM_SIZE as usize] };
            for priority in 0..4 {
                memory.empty_list(READY + priority * LIST_BYTES);
            }
            for list in [DELAYED, SUSPENDED, QUEUE] {
                memory.empty_list(list);
            }
            memory.set(DELAYED_POINTER, DELAYED);
            memory
        }

        fn set(&mut self, address: u32, value: u32) {
            let offset = (address - SRAM_BASE) as usize;
            self.bytes[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
        }

        fn get(&self, address: u32) -> u32 {
            Sram { bytes: &self.bytes }.word(address).unwrap()
        }

        fn empty_list(&mut self, list: u32) {
            let end = list + 8;
            for (offset, value) in [(0, 0), (4, end), (8, u32::MAX), (12, end), (16, end)] {
                self.set(list + offset, value);
            }
        }

        fn insert(&mut self, list: u32, item: u32, owner: u32) {
            let (end, last) = (list + 8, self.get(list + 16));
            for (address, value) in [
                (item + 4, end),
                (item + 8, last),
                (item + 12, owner),
                (item + 16, list),
                (last + 4, item),
                (end + 8, item),
                (list, self.get(list) + 1),
            ] {
                self.set(address, value);
            }
        }

        /// A task at `tcb` with a stack of 512 bytes right before it, 100 of them used.
        fn task(&mut self, tcb: u32, name: &str, priority: u32, list: u32, event_list: Option<u32>) {
            let stack = tcb - 512;
            let offset = (stack - SRAM_BASE) as usize;
            self.bytes[offset..offset + 412].fill(FILL);
            self.set(tcb, stack + 412);
            self.set(tcb + EVENT_ITEM + 12, tcb);
            self.set(tcb + PRIORITY, priority);
            self.set(tcb + STACK_BASE, stack);
            let offset = (tcb + NAME - SRAM_BASE) as usize;
            self.bytes[offset..offset + name.len()].copy_from_slice(name.as_bytes());
            self.insert(list, tcb + STATE_ITEM, tcb);
            if let Some(event_list) = event_list {
                self.insert(event_list, tcb + EVENT_ITEM, tcb);
            }
        }
    }

    const TCBS: [u32; 5] = [0x2000_2000, 0x2000_3000, 0x2000_4000, 0x2000_6000, 0x2000_7000];

    fn system() -> Memory {
        let mut memory = Memory::new();
        memory.task(TCBS[0], "IDLE", 0, READY, None);
        memory.task(TCBS[1], "app", 2, READY + 2 * LIST_BYTES, None);
        memory.task(TCBS[2], "system", 2, DELAYED, None);
        memory.task(TCBS[3], "timer", 3, SUSPENDED, Some(QUEUE));
        memory.task(TCBS[4], "stopped", 1, SUSPENDED, None);
        memory
    }

    #[test]
    fn tasks_have_their_names_states_and_stacks() {
        let mut memory = system();
        memory.set(CURRENT, TCBS[1]);
        let tasks = RtosObserver::default().look_at(&memory.bytes, Some(TCBS[1] - 200)).unwrap();
        let seen: Vec<_> = tasks.iter().map(|task| (task.name.as_str(), task.priority, task.state)).collect();
        assert_eq!(
            seen,
            [
                ("timer", 3, TaskState::Blocked),
                ("app", 2, TaskState::Running),
                ("system", 2, TaskState::Delayed),
                ("stopped", 1, TaskState::Suspended),
                ("IDLE", 0, TaskState::Ready),
            ]
        );
        assert_eq!((tasks[1].stack_pointer, tasks[1].free_bytes), (TCBS[1] - 200, 312), "live, not saved");
        assert_eq!((tasks[2].free_bytes, tasks[2].never_used_bytes), (412, Some(412)));
    }

    #[test]
    fn the_current_task_pointer_is_learned_and_outlives_a_stack_overflow() {
        let mut memory = system();
        let mut observer = RtosObserver::default();
        for tcb in [TCBS[1], TCBS[0], TCBS[2]] {
            memory.set(CURRENT, tcb);
            observer.look_at(&memory.bytes, Some(tcb - 200)).unwrap();
        }
        // The system task's stack pointer has run down into the application's memory.
        let tasks = observer.look_at(&memory.bytes, Some(TCBS[1] - 16)).unwrap();
        let running = tasks.iter().find(|task| task.state == TaskState::Running).unwrap();
        assert_eq!(running.name, "system");
        assert!(running.free_bytes < 0, "{running:?}");
    }

    #[test]
    fn without_a_scheduler_nothing_is_claimed() {
        let mut observer = RtosObserver::default();
        assert_eq!(observer.look_at(&vec![0; SRAM_SIZE as usize], None), None);
        assert_eq!(observer.look_at(&Memory::new().bytes, Some(SRAM_BASE + 0x900)), None, "lists alone are no tasks");
        let tasks = observer.look_at(&system().bytes, None).unwrap();
        assert!(tasks.iter().all(|task| task.state == TaskState::Unknown), "nobody knows who runs");
    }

    proptest::proptest! {
        #[test]
        fn damaged_memory_never_panics(
            changes in proptest::collection::vec((0u32..0x8000, proptest::prelude::any::<u32>()), 0..60), psp: u32,
            pointers in proptest::collection::vec((0u32..0x8000, 0u32..0x8000), 0..60),
        ) {
            let mut memory = system();
            let mut observer = RtosObserver::default();
            observer.look_at(&memory.bytes, Some(TCBS[1] - 200));
            for (offset, value) in changes {
                memory.set(SRAM_BASE + offset * 4, value);
            }
            for (offset, to) in pointers {
                memory.set(SRAM_BASE + offset * 4, SRAM_BASE + to * 4);
            }
            observer.look_at(&memory.bytes, Some(psp));
            observer.look_at(&memory.bytes, None);
        }
    }
}
