use super::super::objects::{ObjectKind, Wants};
use super::super::synthetic::{CURRENT, Memory, QUEUE, READY, SUSPENDED, TCBS, system};
use super::*;

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

/// Mutex, semaphore and queue in a row.
const OBJECTS: [u32; 3] = [SRAM_BASE + 0x5100, SRAM_BASE + 0x5200, SRAM_BASE + 0x5300];

fn system_with_objects(is_new: bool) -> Memory {
    let mut memory = system();
    let [mutex, semaphore, queue] = OBJECTS;
    memory.mutex(mutex, is_new);
    memory.semaphore(semaphore, 3, is_new);
    memory.queue(queue, 5, 12, is_new);
    memory.hold(mutex, TCBS[1], 2);
    memory.moves(TCBS[2], SUSPENDED, Some(mutex + 36));
    memory.moves(TCBS[3], SUSPENDED, Some(queue + 16));
    memory.set(CURRENT, TCBS[1]);
    memory
}

#[test]
fn mutexes_semaphores_and_queues_are_told_with_who_holds_them_and_who_waits() {
    for is_new in [false, true] {
        let memory = system_with_objects(is_new);
        let rtos = RtosObserver::default().survey_memory(&memory.copy(), TCBS[1] - 200).unwrap();
        let [mutex, semaphore, queue] = OBJECTS;
        let kinds: Vec<_> = rtos.objects.iter().map(|object| (object.address, object.kind)).collect();
        assert_eq!(
            kinds,
            [
                (mutex, ObjectKind::Mutex { holder: Some(TCBS[1]), recursion: 2 }),
                (semaphore, ObjectKind::Semaphore { available: 0, limit: 3 }),
                (queue, ObjectKind::Queue { items: 0, length: 5, item_bytes: 12 }),
            ],
            "new layout {is_new}"
        );
        assert_eq!(rtos.object(mutex).unwrap().receivers, [TCBS[2]]);
        let waits = rtos.task(TCBS[2]).unwrap().waits_for.unwrap();
        assert_eq!((waits.object, waits.wants), (Some(mutex), Wants::Item));
        let waits = rtos.task(TCBS[3]).unwrap().waits_for.unwrap();
        assert_eq!((waits.object, waits.wants), (Some(queue), Wants::Room));
        assert_eq!(rtos.task(TCBS[1]).unwrap().waits_for, None, "it runs");
    }
}

#[test]
fn what_only_resembles_an_object_is_none() {
    let [mutex, semaphore, queue] = OBJECTS;
    for (address, offset, value) in [
        (mutex, 60, 2),
        (mutex, 4, SRAM_BASE + 0x10),
        (semaphore, 64, 4),
        (queue, 8, SRAM_BASE),
        (queue, 56, 6),
        (queue, 68, 0x8080),
        (queue, 60, u32::MAX),
    ] {
        let mut memory = system_with_objects(false);
        memory.set(address + offset, value);
        assert_eq!(crate::rtos::object(&memory.copy(), address), None, "{address:#x} + {offset} = {value:#x}");
    }
    // A task that waits in a list of something else: an event group.
    let mut memory = system();
    memory.moves(TCBS[2], SUSPENDED, Some(QUEUE));
    memory.set(CURRENT, TCBS[1]);
    let rtos = RtosObserver::default().survey_memory(&memory.copy(), TCBS[1] - 200).unwrap();
    let waits = rtos.task(TCBS[2]).unwrap().waits_for.unwrap();
    assert_eq!((waits.list, waits.object), (QUEUE, None));
}

#[test]
fn a_glance_sees_what_a_search_does() {
    let mut memory = system_with_objects(true);
    let mut observer = RtosObserver::default();
    for tcb in [TCBS[1], TCBS[0], TCBS[2]] {
        memory.set(CURRENT, tcb);
        observer.survey_memory(&memory.copy(), tcb - 200).unwrap();
    }
    // What changed since: another runs, another mutex is waited for.
    let mutex = SRAM_BASE + 0x5400;
    memory.mutex(mutex, true);
    memory.hold(mutex, TCBS[2], 0);
    memory.moves(TCBS[4], SUSPENDED, Some(mutex + 36));
    memory.moves(TCBS[2], READY + 2 * LIST_BYTES, None);
    let glance = observer.clone().glance_memory(&memory.copy(), TCBS[2] - 100).unwrap();
    assert_eq!(Some(glance), observer.survey_memory(&memory.copy(), TCBS[2] - 100));
    memory.set(CURRENT, SRAM_BASE + 0x4);
    assert_eq!(observer.glance_memory(&memory.copy(), TCBS[2] - 100), None, "what was learned does not hold");
}

proptest::proptest! {
    #[test]
    fn damaged_memory_never_panics(
        changes in proptest::collection::vec((0u32..0x8000, proptest::prelude::any::<u32>()), 0..60), psp: u32,
        pointers in proptest::collection::vec((0u32..0x8000, 0u32..0x8000), 0..60),
    ) {
        let mut memory = system_with_objects(false);
        let mut observer = RtosObserver::default();
        for tcb in [TCBS[1], TCBS[0], TCBS[2]] {
            memory.set(CURRENT, tcb);
            observer.look_at(&memory.bytes, Some(tcb - 200));
        }
        for (offset, value) in changes {
            memory.set(SRAM_BASE + offset * 4, value);
        }
        for (offset, to) in pointers {
            memory.set(SRAM_BASE + offset * 4, SRAM_BASE + to * 4);
        }
        observer.glance_memory(&memory.copy(), psp);
        observer.look_at(&memory.bytes, Some(psp));
        observer.look_at(&memory.bytes, None);
    }
}
