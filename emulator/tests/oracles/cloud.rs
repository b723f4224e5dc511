//! The device and its service: M1 of the report, updates that do not go on, data lost.

use lockstep::oracle::Kind;

use crate::bench::{Bench, says};

const ECHO: &str = "mode = \"echo\"";
const UPDATE: &str = "[[image]]\nname = \"new.bin\"\napp = \"app.bin\"\nset = { version = 2 }\n";

/// A loop that polls a socket: the system's thread does not get the modem's mutex, and nobody reads the cloud's socket.
#[test]
fn a_polling_loop_starves_the_cloud_and_all_that_follows_is_found() {
    let steps = format!("{UPDATE}[[step]]\nwhen = \"tcp connected\"\nafter = \"5s\"\ndo = \"ota new.bin\"\n");
    let Some(mut bench) = Bench::start("0.5.2", ECHO, &steps) else { return };
    let starved = bench.until(Kind::Starvation, 60_000);
    assert_eq!(starved.signature, "std::thread waits for a mutex of app_thread");
    let unread = bench.until(Kind::UnreadData, 80_000);
    assert_eq!(unread.signature, "Udp");
    let page = bench.explanation(true);
    says(&page, &["waits for the mutex at", "app_thread held it for", "wait unread on the modem's socket"]);
    let failed = bench.until(Kind::UpdateFailed, 140_000);
    assert_eq!(failed.signature, "after it was told of it", "{failed:?}");
    says(&bench.explanation(true), &["The update over the air failed", "no answer to UpdateBegin"]);
}

#[test]
fn the_same_on_2_2_0_and_not_with_a_pause() {
    let steps = "[[step]]\nwhen = \"tcp connected\"\nafter = \"5s\"\ndo = \"ping\"\n";
    let Some(mut bench) = Bench::start("2.2.0", ECHO, steps) else { return };
    let starved = bench.until(Kind::Starvation, 60_000);
    assert_eq!(starved.signature, "active_object waits for a mutex of app_thread");
    let Some(mut healthy) = Bench::start("2.2.0", "mode = \"echo\", poll_delay_ms = 20", steps) else { return };
    healthy.run_to(bench.now_ms());
    assert_eq!(healthy.kinds(), []);
}

/// The device does not answer a ping: its link is gone.
#[test]
fn a_deaf_device_is_found() {
    let steps = "[[step]]\nwhen = \"cloud connected\"\nafter = \"5s\"\ndo = \"ping\"\n";
    let outage = "[[step]]\nwhen = \"cloud connected\"\nafter = \"4s\"\ndo = \"outage for 5m\"\n";
    let Some(mut bench) = Bench::start("0.5.2", "mode = \"blink\"", &format!("{outage}{steps}")) else { return };
    bench.until(Kind::CloudDeaf, 200_000);
    assert_eq!(bench.kinds(), [Kind::CloudDeaf]);
    says(&bench.explanation(true), &["the device did not answer request"]);
    let Some(mut healthy) = Bench::start("0.5.2", "mode = \"blink\"", steps) else { return };
    healthy.run_to(bench.now_ms());
    assert_eq!(healthy.kinds(), []);
}

#[test]
fn an_update_that_an_outage_ends_stalls_and_fails_and_one_that_is_let_alone_does_not() {
    let ota = format!("{UPDATE}[[step]]\nwhen = \"cloud connected\"\nafter = \"3s\"\ndo = \"ota new.bin\"\n");
    let outage = "[[step]]\nwhen = \"update ready\"\ndo = \"outage for 5m\"\n";
    let Some(mut bench) = Bench::start("2.2.0", "mode = \"blink\"", &format!("{ota}{outage}")) else { return };
    let stalled = bench.until(Kind::UpdateStalled, 140_000);
    assert!(stalled.signature.starts_with("after "), "{stalled:?}");
    bench.until(Kind::UpdateFailed, 240_000);
    assert!(
        bench.kinds().iter().all(|kind| [Kind::UpdateStalled, Kind::UpdateFailed].contains(kind)),
        "{:?}",
        bench.kinds()
    );
    says(&bench.explanation(true), &["The update over the air failed"]);
    let Some(mut healthy) = Bench::start("2.2.0", "mode = \"blink\"", &ota) else { return };
    healthy.run_to(90_000);
    assert_eq!(healthy.kinds(), []);
    assert!(!healthy.session.machine.observer.resets().is_empty(), "it took the update");
}

/// An image of 120 KB comes faster than it is read, and the modem has room for 16 KB: told, and no failure.
#[test]
fn a_burst_that_a_socket_has_no_room_for_is_told_and_no_failure() {
    let steps = "[[image]]\nname = \"big.bin\"\napp = \"app.bin\"\nset = { version = 2 }\nbytes = 120000\n\
                 [[step]]\nwhen = \"cloud connected\"\nafter = \"3s\"\ndo = \"ota big.bin\"\n\
                 [[expect]]\nthat = \"update delivered\"\n[[expect]]\nnever = \"finding\"\n[[expect]]\nthat = \"finding data_lost\"\n";
    let Some(mut bench) = Bench::start("0.5.2", "mode = \"blink\"", steps) else { return };
    let lost = bench.until(Kind::DataLost, 90_000);
    assert!(lost.text.contains("its buffer was full"), "{lost:?}");
    while !bench.session.judge().is_met() && bench.now_ms() < 200_000 {
        bench.run_to(bench.now_ms() + 1_000);
    }
    let now_ps = bench.session.machine.now().time_ps;
    assert_eq!(bench.session.judge().failures(now_ps, true), []);
    assert_eq!(bench.kinds(), [Kind::DataLost]);
}

/// What cannot be seen: an allocation that the firmware's own heap refused. The device never gets to its cloud.
#[test]
fn an_exhausted_heap_is_not_seen_by_itself() {
    let settings = "period_ms = 100, fault = \"heap_exhaustion\", fault_at_ms = 500";
    let Some(mut bench) = Bench::start("0.5.2", settings, "") else { return };
    bench.run_to(40_000);
    assert_eq!(bench.kinds(), []);
    assert!(bench.session.machine.observer.stage(lockstep::Stage::CloudConnected).is_none());
}
