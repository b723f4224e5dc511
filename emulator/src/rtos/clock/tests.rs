use super::super::lists::LIST_BYTES;
use super::super::synthetic::{CURRENT, DELAYED, Memory, READY, SUSPENDED, TCBS, system};
use super::*;
use crate::world::SRAM_BASE;

const IDLE: u32 = TCBS[0];
const APP: u32 = TCBS[1];
const SYSTEM: u32 = TCBS[2];
const MUTEX: u32 = SRAM_BASE + 0x5100;
const READY_2: u32 = READY + 2 * LIST_BYTES;
const MS: u64 = 1_000_000_000;

/// A scheduler that is watched, with time going on by a millisecond a switch.
struct Watched {
    memory: Memory,
    clock: TaskClock,
    now_ps: u64,
}

impl Watched {
    fn new() -> Self {
        let mut memory = system();
        memory.mutex(MUTEX, false);
        let mut watched = Self { memory, clock: TaskClock::default(), now_ps: 0 };
        for tcb in [APP, IDLE, APP, IDLE, SYSTEM] {
            watched.ran(tcb);
        }
        assert!(watched.clock.rtos.current_address().is_some());
        watched
    }

    /// This task has run until now, and gives up the core.
    fn ran(&mut self, tcb: u32) {
        self.now_ps += MS;
        self.memory.set(CURRENT, tcb);
        self.clock.switched(&self.memory.copy(), tcb - 200, self.now_ps);
    }

    fn starved(&self, threshold_ms: u64) -> Vec<Starvation> {
        self.clock.starved(self.now_ps, threshold_ms * MS)
    }

    /// The application's loop once: takes the mutex, sleeps with it, gives it back, takes it again before it sleeps.
    fn application_keeps_the_mutex(&mut self) {
        self.memory.hold(MUTEX, APP, 1);
        self.memory.moves(APP, DELAYED, None);
        self.ran(APP);
    }

    /// The system's thread is woken, finds the mutex taken, and blocks again.
    fn system_tries_in_vain(&mut self) {
        self.memory.moves(SYSTEM, SUSPENDED, Some(MUTEX + 36));
        self.ran(SYSTEM);
    }
}

#[test]
fn a_task_that_is_woken_and_blocks_again_waits_since_the_first_time() {
    let mut watched = Watched::new();
    watched.application_keeps_the_mutex();
    watched.system_tries_in_vain();
    let since_ps = watched.now_ps;
    for _ in 0..50 {
        watched.application_keeps_the_mutex();
        watched.system_tries_in_vain();
    }
    let [starvation] = &watched.starved(100)[..] else { panic!("{:?}", watched.starved(0)) };
    assert_eq!((starvation.tcb, starvation.mutex, starvation.holder), (SYSTEM, MUTEX, Some(APP)));
    assert_eq!((starvation.waiting.since_ps, starvation.waiting.woken), (since_ps, 50));
    assert_eq!(starvation.held_permille, 1000);
    assert!(!starvation.waiting.or_earlier);
    assert!(watched.starved(101).is_empty());
}

#[test]
fn a_task_interrupted_before_it_could_look_again_still_waits() {
    let mut watched = Watched::new();
    watched.application_keeps_the_mutex();
    watched.system_tries_in_vain();
    let since_ps = watched.now_ps;
    watched.application_keeps_the_mutex();
    // Woken, given the core, and the time slice ends.
    watched.memory.moves(SYSTEM, READY_2, None);
    watched.ran(SYSTEM);
    watched.application_keeps_the_mutex();
    watched.system_tries_in_vain();
    assert_eq!(watched.starved(0)[0].waiting.since_ps, since_ps);
}

#[test]
fn a_task_that_gets_the_mutex_now_and_then_does_not_starve() {
    let mut watched = Watched::new();
    for _ in 0..50 {
        watched.application_keeps_the_mutex();
        watched.system_tries_in_vain();
        // The application gives it back and sleeps; the system's thread gets it, and waits for time to pass.
        watched.memory.hold(MUTEX, 0, 0);
        watched.ran(APP);
        watched.memory.hold(MUTEX, SYSTEM, 1);
        watched.memory.moves(SYSTEM, DELAYED, None);
        watched.ran(SYSTEM);
    }
    assert!(watched.starved(0).is_empty(), "{:?}", watched.starved(0));
    assert_eq!(watched.clock.past_waits().count(), 0, "waits of some milliseconds are not remembered");
}

#[test]
fn a_task_that_got_the_mutex_and_lost_it_between_two_looks_waits_anew() {
    let mut watched = Watched::new();
    watched.application_keeps_the_mutex();
    watched.system_tries_in_vain();
    watched.memory.hold(MUTEX, 0, 0);
    watched.ran(APP);
    // It takes the free mutex, gives it back, and is interrupted after that.
    watched.memory.moves(SYSTEM, READY_2, None);
    watched.ran(SYSTEM);
    watched.application_keeps_the_mutex();
    watched.system_tries_in_vain();
    assert_eq!(watched.starved(0)[0].waiting.since_ps, watched.now_ps);
}

#[test]
fn a_long_wait_is_remembered_when_it_is_over() {
    let mut watched = Watched::new();
    watched.application_keeps_the_mutex();
    watched.system_tries_in_vain();
    let since_ps = watched.now_ps;
    for _ in 0..1000 {
        watched.application_keeps_the_mutex();
        watched.system_tries_in_vain();
    }
    watched.memory.hold(MUTEX, 0, 0);
    watched.ran(APP);
    watched.memory.hold(MUTEX, SYSTEM, 1);
    watched.memory.moves(SYSTEM, DELAYED, None);
    watched.ran(SYSTEM);
    let past: Vec<_> = watched.clock.past_waits().collect();
    assert_eq!(past.len(), 1);
    assert_eq!((past[0].starvation.waiting.since_ps, past[0].until_ps), (since_ps, watched.now_ps));
    assert_eq!(past[0].starvation.holder, Some(APP));
}

#[test]
fn runs_are_remembered_and_a_reset_forgets() {
    let mut watched = Watched::new();
    watched.ran(APP);
    watched.ran(IDLE);
    assert_eq!(watched.clock.running_at(watched.now_ps - MS / 2), Some(IDLE));
    assert_eq!(watched.clock.running_at(watched.now_ps - 3 * MS / 2), Some(APP));
    assert_eq!(watched.clock.running_at(watched.now_ps), None, "that run is not over");
    assert_eq!(watched.clock.task(APP).unwrap().last_run_ps, MS);
    watched.clock.reset();
    assert_eq!((watched.clock.task(APP), watched.clock.switches()), (None, 0));
}

proptest::proptest! {
    #[test]
    fn damaged_memory_never_panics(
        changes in proptest::collection::vec((0u32..0x8000, proptest::prelude::any::<u32>(), 0usize..5), 0..60),
    ) {
        let mut watched = Watched::new();
        watched.application_keeps_the_mutex();
        watched.system_tries_in_vain();
        for (offset, value, task) in changes {
            watched.memory.set(SRAM_BASE + offset * 4, value);
            watched.ran(TCBS[task]);
            let _ = (watched.starved(0), watched.clock.rtos(&watched.memory.copy(), value));
        }
    }
}
