use super::super::tasks::{EVENT_ITEM, FILL, NAME, PRIORITY, STACK_BASE};
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
        MemoryCopy { sram: &self.bytes, flash: &[] }.word(address).unwrap()
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
