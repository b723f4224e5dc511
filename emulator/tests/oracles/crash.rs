//! Faults, panics, watchdogs, reset loops, lock-up, null pointers.

use lockstep::oracle::Kind;

use crate::bench::{APP, Bench, says};

/// By then the application has started and done what it does wrong.
const BY_MS: u64 = 8_000;

fn faulty(fault: &str) -> String {
    format!("system_mode = \"manual\", period_ms = 100, fault = \"{fault}\", fault_at_ms = 500")
}

/// The first address behind a word in a finding's text.
fn address(text: &str, before: &str) -> u32 {
    let rest = text.split_once(before).unwrap_or_else(|| panic!("{before:?} in {text:?}")).1;
    u32::from_str_radix(rest[..10].trim_start_matches("0x"), 16).unwrap_or_else(|_| panic!("{text:?}"))
}

#[test]
fn a_fault_is_found_with_its_class_and_place() {
    for version in ["0.5.2", "2.2.0"] {
        for (fault, name) in [
            ("wild_pointer", "PRECISERR"),
            ("divide_by_zero", "DIVBYZERO"),
            ("unaligned", "UNALIGNED"),
            ("undefined", "UNDEFINSTR"),
            ("wild_jump", "IBUSERR"),
        ] {
            let Some(mut bench) = Bench::start(version, &faulty(fault), "") else { return };
            let finding = bench.until(Kind::GuestFault, BY_MS);
            assert!(finding.text.starts_with(name), "{version} {fault}: {finding:?}");
            let place = address(&finding.text, if fault == "wild_jump" { "LR " } else { " at " });
            assert!(APP.contains(&place), "{version} {fault}: {finding:?}");
            assert_eq!(bench.kinds(), [Kind::GuestFault], "{version} {fault}");
            let page = bench.explanation(false);
            says(&page, &["at the fault, before its handler", &format!("The thread app_thread took {name}")]);
            match fault {
                "wild_pointer" => says(&page, &["It accessed 0x20030000"]),
                "wild_jump" => says(&page, &["At 0x61616160 there is no code"]),
                _ => {}
            }
        }
    }
}

#[test]
fn a_panic_is_found_with_its_code() {
    let Some(mut bench) = Bench::start("2.2.0", &faulty("wild_pointer"), "") else { return };
    let finding = bench.until(Kind::Panic, BY_MS + 10_000);
    assert_eq!(finding.signature, "1", "{finding:?}");
    assert_eq!(bench.kinds(), [Kind::GuestFault, Kind::Panic]);
    // The fault is the moment; the SOS that follows says nothing new.
    says(&bench.explanation(false), &["at the fault, before its handler", "panic: the LED says SOS and 1 blinks"]);
}

#[test]
fn a_reset_loop_is_found() {
    for version in ["0.5.2", "2.2.0"] {
        let Some(mut bench) = Bench::start(version, &faulty("reset_loop"), "") else { return };
        let finding = bench.until(Kind::ResetLoop, 40_000);
        assert!(finding.text.starts_with("4 resets since"), "{version}: {finding:?}");
        assert_eq!(bench.kinds(), [Kind::ResetLoop], "{version}");
        says(&bench.explanation(true), &["reset_loop: 4 resets", "software"]);
    }
}

#[test]
fn a_watchdog_on_the_reset_pin_is_found_and_what_it_makes_a_loop_of() {
    let dog = "[set]\n\"board.watchdog\" = \"D2:5s\"\n";
    for fault in ["deadlock", "none"] {
        let settings = format!("{}, watchdog_pin = 2", faulty(fault));
        let Some(mut bench) = Bench::start("2.2.0", &settings, dog) else { return };
        if fault == "none" {
            bench.run_to(20_000);
            assert_eq!(bench.kinds(), [], "it is fed");
            return;
        }
        let finding = bench.until(Kind::WatchdogReset, 15_000);
        assert_eq!(finding.signature, "external");
        bench.until(Kind::ResetLoop, 60_000);
        assert_eq!(bench.kinds(), [Kind::WatchdogReset, Kind::ResetLoop]);
        says(&bench.explanation(true), &["the watchdog on the reset pin reset the chip"]);
    }
}

#[test]
fn a_store_through_a_null_pointer_is_found_once_with_its_place() {
    for version in ["0.5.2", "2.2.0"] {
        let Some(mut bench) = Bench::start(version, &faulty("null_write"), "") else { return };
        let finding = bench.until(Kind::NullWrite, BY_MS);
        assert!(APP.contains(&address(&finding.text, "null pointer, at ")), "{version}: {finding:?}");
        assert_eq!(address(&finding.text, ", to "), 12, "{version}");
        bench.run_to(bench.now_ms() + 2_000);
        assert_eq!(bench.kinds(), [Kind::NullWrite], "{version}");
        assert_eq!(bench.found().len(), 1, "{version}: {:?}", bench.found());
        says(&bench.explanation(true), &["as through a null pointer"]);
    }
}

#[test]
fn a_lock_up_is_found() {
    let mut bench = Bench::of("[device]\nimages = [\"test-lockup.elf\"]\n");
    let finding = bench.until(Kind::LockUp, 100);
    bench.run_to(30_000);
    assert!(
        bench.kinds().iter().all(|kind| [Kind::GuestFault, Kind::LockUp].contains(kind)),
        "and that nobody runs any more is no further finding"
    );
    says(&bench.explanation(false), &["when the core locked up", &finding.text]);
}

/// Nothing is found in ten seconds of a device that does nothing wrong.
#[test]
fn without_the_fault_nothing_is_found() {
    for version in ["0.5.2", "2.2.0"] {
        let Some(mut bench) = Bench::start(version, &faulty("none"), "") else { return };
        bench.run_to(10_000);
        assert_eq!(bench.kinds(), [], "{version}");
    }
}
