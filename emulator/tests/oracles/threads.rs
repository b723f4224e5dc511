//! Threads that wait too long, for each other, that never run, whose stacks are too small.

use lockstep::hunt::Base;
use lockstep::oracle::Kind;
use lockstep::scenario::{Choices, Scenario};
use lockstep::session::Branch;
use lockstep_traces::Plan;

use crate::bench::{Bench, says};
use crate::vendor::vendor_set;

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

/// Two looks in a row may meet the same thread being switched to and the same stack pointer of the one before: this run of
/// the hunt does, at 69.5 and 69.6 s.
#[test]
fn a_switch_that_two_looks_meet_is_no_overflow() {
    const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../traces/hunts");
    let Some(_) = vendor_set("1.5.0", "a switch is no overflow") else { return };
    let text = std::fs::read_to_string(format!("{FOLDER}/field-report.toml")).unwrap();
    let scenario = Scenario::parse(&text.replace("firmware = \"2.2.0\"", "firmware = \"1.5.0\"")).unwrap();
    let variant = scenario.variants.iter().find(|variant| variant.name.starts_with("blocks 40 s")).unwrap();
    let base = Base::new(&scenario, variant, FOLDER.as_ref()).unwrap();
    let branch = Branch { seed: 42, choices: Choices::draw(&scenario, 42), plan: Plan::default() };
    let outcome = base.run(branch).unwrap();
    assert!(outcome.is_until_reached, "the new application runs: {outcome:#?}");
    assert!(outcome.findings.iter().all(|finding| finding.kind != Kind::StackOverflow), "{outcome:#?}");
}
