//! Threads that wait too long, for each other, that never run, whose stacks are too small.

use lockstep::oracle::Kind;

use crate::bench::{Bench, says};

fn faulty(fault: &str) -> String {
    format!("system_mode = \"manual\", period_ms = 100, fault = \"{fault}\", fault_at_ms = 500")
}

#[test]
fn two_threads_that_wait_for_each_other_are_both_named() {
    for version in ["0.5.2", "2.2.0"] {
        let Some(mut bench) = Bench::start(version, &faulty("deadlock"), "") else { return };
        let finding = bench.until(Kind::Deadlock, 40_000);
        assert_eq!(finding.signature, "app_thread, fault", "{version}");
        assert!(finding.time_ps < 8_000_000_000_000, "since it began: {finding:?}");
        bench.run_to(bench.now_ms() + 1_000);
        assert_eq!(bench.found().len(), 1, "{version}, told once: {:#?}", bench.found());
        says(&bench.explanation(true), &["Deadlock: ", "app_thread waits for 0x", "fault waits for 0x"]);
    }
}

#[test]
fn threads_that_a_busy_one_does_not_let_run_are_named() {
    let Some(mut bench) = Bench::start("2.2.0", &faulty("starvation"), "") else { return };
    bench.until(Kind::Starvation, 40_000);
    bench.run_to(bench.now_ms() + 2_000);
    let mut starved: Vec<&str> = bench.found().iter().map(|finding| finding.signature.as_str()).collect();
    starved.sort_unstable();
    assert!(starved.contains(&"app_thread is ready and does not run"), "{starved:?}");
    assert!(starved.contains(&"active_object is ready and does not run"), "{starved:?}");
    assert_eq!(bench.kinds(), [Kind::Starvation]);
    says(&bench.explanation(true), &["app_thread is ready since", "fault"]);
}

/// 0.5.2 looks at stacks itself and panics; 2.2.0 does not, and everything ends in silence.
#[test]
fn a_stack_that_is_too_small_is_named() {
    let Some(mut bench) = Bench::start("2.2.0", &faulty("stack_overflow"), "") else { return };
    let finding = bench.until(Kind::StackOverflow, 10_000);
    assert_eq!(finding.signature, "fault", "{finding:?}");
    says(&bench.explanation(true), &["stack_overflow: ", "fault"]);
}

/// 0.5.2 has a kernel that looks itself, at the next switch of tasks.
#[test]
fn a_stack_overflow_that_the_kernel_finds_is_its_panic() {
    let Some(mut bench) = Bench::start("0.5.2", &faulty("stack_overflow"), "") else { return };
    let finding = bench.until(Kind::Panic, 30_000);
    assert_eq!(finding.signature, "13", "{finding:?}");
}
