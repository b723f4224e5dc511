//! Commands of the operator, as their events and the device show them.

use super::event::CommandProgress;
use super::modules::{ModuleHead, ModuleKind, USER_PART, Upload};
use super::tests::{Bench, HELLO_2, ID};
use super::*;

fn command(text: &str, at_s: u64, action: Action) -> OperatorCommand {
    OperatorCommand { text: text.to_owned(), at_ps: at_s * PS_PER_S, after_ps: 0, action }
}

fn described(bench: &mut Bench, id: u8, text: &str) {
    bench.message(&[&[0x40, 2, 0, id], &b"\xb1d\xff"[..], text.as_bytes()].concat());
}

fn state(bench: &Bench, at: usize) -> CommandState {
    bench.service.commands()[at].state.clone()
}

#[test]
fn a_command_takes_effect_at_its_time_when_a_device_is_connected() {
    let mut bench = Bench::connected(HELLO_2);
    let call = ServerRequest::Function { name: "brew".to_owned(), argument: "now".to_owned() };
    bench.service.command(command("call", 20, Action::Ask(call))).unwrap();
    let ping = OperatorCommand { after_ps: 2 * PS_PER_S, ..command("ping", 0, Action::Ask(ServerRequest::Ping)) };
    bench.service.command(ping).unwrap();
    assert_eq!(bench.service.next_wake_ps(), u64::MAX, "the device has not said what it is");
    bench.now_ps = PS_PER_S;
    described(&mut bench, 2, "{}");
    // 3 s after its description it listens, and 2 s after that.
    assert_eq!(bench.wait(), [b"\x40\x00\x00\x01"]);
    assert_eq!(bench.now_ps, 6 * PS_PER_S);
    bench.message(b"\x60\x00\x00\x01");
    assert_eq!(state(&bench, 1), CommandState::Done { answer: "acknowledged".to_owned() });
    assert_eq!(bench.wait(), [b"\x41\x02\x00\x02\x02\xb1f\x04brew\x43now"]);
    assert_eq!(bench.now_ps, 20 * PS_PER_S);
    assert_eq!(state(&bench, 0), CommandState::Running);
    bench.message(b"\x60\x00\x00\x02");
    bench.message(b"\x41\x44\x00\x33\x02\xff\xff\xff\xff\xfe");
    assert_eq!(state(&bench, 0), CommandState::Done { answer: "-2".to_owned() });
    let number = 1;
    let progress = CommandProgress::Done { answer: "-2".to_owned() };
    let expected = CloudEventKind::Command { number, command: "call".to_owned(), progress };
    assert_eq!(bench.events.last(), Some(&expected));
}

#[test]
fn a_variable_is_read_by_its_type_and_a_refusal_is_a_failure() {
    let mut bench = Bench::connected(HELLO_2);
    for name in ["cups", "none"] {
        let request = ServerRequest::Variable { name: name.to_owned() };
        bench.service.command(command(name, 0, Action::Ask(request))).unwrap();
    }
    described(&mut bench, 2, r#"{"v":{"cups":2}}"#);
    assert_eq!(bench.wait(), [b"\x41\x01\x00\x01\x01\xb1v\x04cups"]);
    assert_eq!(bench.message(b"\x61\x45\x00\x01\x01\xff\x00\x00\x00\x2a").len(), 1, "the next is asked");
    bench.message(b"\x61\x84\x00\x02\x02");
    assert_eq!(state(&bench, 0), CommandState::Done { answer: "42".to_owned() });
    assert_eq!(state(&bench, 1), CommandState::Failed { reason: "the device answers 4.04".to_owned() });
}

#[test]
fn events_reach_a_device_that_subscribed() {
    let mut bench = Bench::connected(HELLO_2);
    let event = |name: &str| {
        let request = ServerRequest::Event { name: name.to_owned(), data: "open".to_owned() };
        command(name, 0, Action::Ask(request))
    };
    bench.service.command(event("lid/front")).unwrap();
    bench.service.command(event("door")).unwrap();
    bench.message(b"\x40\x01\x00\x03\xb1e\x03lid\x41u");
    described(&mut bench, 4, "{}");
    assert_eq!(bench.wait(), [b"\x41\x02\x00\x01\x01\xb1E\x09lid/front\xffopen"]);
    let reason = "the device has not subscribed to \"door\"".to_owned();
    assert_eq!(state(&bench, 1), CommandState::Failed { reason });
    bench.message(b"\x60\x00\x00\x01");
    // What it publishes itself comes back to it, if it wants that; and it is told its name.
    let echoed = bench.message(b"\x40\x02\x00\x05\xb1E\x03lid\xff42");
    assert_eq!(echoed[0], b"\x60\x00\x00\x05");
    assert_eq!(bench.wait(), [b"\x41\x02\x00\x02\x02\xb1E\x03lid\xff42"]);
    bench.message(b"\x60\x00\x00\x02");
    bench.message(b"\x40\x02\x00\x06\xb1e\x0d\x04spark/device/name");
    assert_eq!(bench.wait(), [b"\x41\x02\x00\x03\x03\xb1E\x0d\x04spark/device/name\xffkettle"]);
    assert_eq!(bench.events.iter().filter(|kind| matches!(kind, CloudEventKind::Answered { .. })).count(), 1);
}

fn app(sha256: &str) -> Upload {
    let kind = ModuleKind { function: USER_PART, index: 1 };
    let module = Some(ModuleHead { kind, version: 5, sha256: Some(sha256.to_owned()), needs: Vec::new() });
    Upload { name: "app.bin".to_owned(), image: vec![7; 100], module }
}

/// Lets the device take one chunk of an update and reset.
fn take(bench: &mut Bench, id: u8, token: u8) {
    let begin = bench.wait();
    assert_eq!(begin[0][..8], [0x41, 2, 0, id, token, 0xb1, b'u', 0xff], "{begin:02x?}");
    bench.message(&[0x60, 0, 0, id]);
    bench.message(&[0x41, 0x44, 1, id, token, 0xff, 1]);
    assert_eq!(bench.wait().len(), 1);
    let done = bench.wait();
    assert_eq!(done[0][..2], [0x41, 3]);
    bench.message(&[0x61, 0x44, 0, id + 2, token]);
}

#[test]
fn an_update_is_done_when_the_device_is_back_with_it() {
    for (told, is_applied) in [("ABCD", true), ("0123", false)] {
        let mut bench = Bench::connected(HELLO_2);
        bench.service.command(command("ota", 0, Action::Update(vec![app("abcd")]))).unwrap();
        described(&mut bench, 2, "{}");
        take(&mut bench, 1, 1);
        assert_eq!(state(&bench, 0), CommandState::Running, "delivered, and not back");
        bench.message(&[&HELLO_2[..3], &[9], &HELLO_2[4..]].concat());
        let text = format!(r#"{{"m":[{{"l":"m","f":"u","n":"1","v":5,"u":"{told}"}}]}}"#);
        described(&mut bench, 3, &text);
        let done = matches!(state(&bench, 0), CommandState::Done { .. });
        assert_eq!(done, is_applied, "{:?}", state(&bench, 0));
    }
}

#[test]
fn a_set_is_tried_again_and_an_update_alone_is_not() {
    for is_set in [true, false] {
        let mut bench = Bench::connected(HELLO_2);
        let uploads = vec![app("abcd")];
        let action = if is_set { Action::UpdateSystem(uploads) } else { Action::Update(uploads) };
        bench.service.command(command("ota", 0, action)).unwrap();
        described(&mut bench, 2, "{}");
        assert_eq!(bench.wait().len(), 1);
        bench.message(b"\x61\xa3\x00\x01\x01");
        if is_set {
            assert_eq!(state(&bench, 0), CommandState::Running);
            assert_eq!(bench.wait()[0][..2], [0x41, 2]);
            assert_eq!(bench.now_ps, 13 * PS_PER_S, "10 s later");
        } else {
            let reason = "app.bin: the device refuses it with 5.03".to_owned();
            assert_eq!(state(&bench, 0), CommandState::Failed { reason });
        }
    }
}

#[test]
fn what_a_device_has_is_not_sent() {
    let mut bench = Bench::connected(HELLO_2);
    bench.service.command(command("ota-system", 0, Action::UpdateSystem(vec![app("abcd")]))).unwrap();
    described(&mut bench, 2, r#"{"m":[{"l":"m","f":"u","n":"1","v":5,"u":"ABCD"}]}"#);
    bench.wait();
    assert!(matches!(state(&bench, 0), CommandState::Done { .. }));
    assert_eq!(bench.service.devices()[&ID].description.modules.len(), 1);
}

const HAS_IT: &str = r#"{"m":[{"l":"m","f":"u","n":"1","v":5,"u":"ABCD"}]}"#;

/// The answer to UpdateDone is lost: what the device says when it is back decides.
#[test]
fn an_image_whose_end_was_lost_is_found_when_the_device_is_back() {
    for comes_back_early in [true, false] {
        let mut bench = Bench::connected(HELLO_2);
        bench.service.command(command("ota", 0, Action::Update(vec![app("abcd")]))).unwrap();
        described(&mut bench, 2, "{}");
        bench.wait();
        bench.message(&[0x60, 0, 0, 1]);
        bench.message(&[0x41, 0x44, 1, 1, 1, 0xff, 1]);
        bench.wait();
        assert_eq!(bench.wait()[0][..2], [0x41, 3], "UpdateDone");
        while !comes_back_early && !bench.events.iter().any(|e| matches!(e, CloudEventKind::UpdateFailed { .. })) {
            bench.wait();
        }
        bench.now_ps += 10 * PS_PER_S;
        bench.message(&[&HELLO_2[..3], &[9], &HELLO_2[4..]].concat());
        described(&mut bench, 3, HAS_IT);
        assert!(matches!(state(&bench, 0), CommandState::Done { .. }), "{:?}", state(&bench, 0));
    }
}

/// Whatever the device leaves out, a command that sends images is over some day.
#[test]
fn a_device_that_never_comes_back_or_never_says_what_it_has_ends_the_command() {
    for comes_back in [false, true] {
        let mut bench = Bench::connected(HELLO_2);
        bench.service.command(command("ota", 0, Action::Update(vec![app("abcd")]))).unwrap();
        described(&mut bench, 2, "{}");
        take(&mut bench, 1, 1);
        if comes_back {
            bench.message(&[&HELLO_2[..3], &[9], &HELLO_2[4..]].concat());
        }
        for _ in 0..100 {
            if bench.service.next_wake_ps() < u64::MAX {
                bench.wait();
            }
        }
        let CommandState::Failed { reason } = state(&bench, 0) else { panic!("{:?}", state(&bench, 0)) };
        let expected = if comes_back { "does not say what it has" } else { "did not come back" };
        assert!(reason.contains(expected), "{reason}");
    }
}

/// A device that is reset once more while it is asked what it has is asked again.
#[test]
fn a_device_that_resumes_twice_is_asked_again() {
    let mut bench = Bench::connected(HELLO_2);
    bench.service.command(command("ota", 0, Action::Update(vec![app("abcd")]))).unwrap();
    described(&mut bench, 2, "{}");
    take(&mut bench, 1, 1);
    bench.message(&[&HELLO_2[..3], &[9], &HELLO_2[4..]].concat());
    // The first question is never answered, the second is.
    let mut asked = 0;
    while asked < 2 {
        let sent = bench.wait();
        let ids: Vec<u8> = sent.iter().filter(|m| m[..2] == [0x41, 1]).map(|m| m[3]).collect();
        asked += usize::from(ids.first().is_some_and(|id| asked == 0 || *id != 4));
        assert!(bench.now_ps < 1000 * PS_PER_S);
    }
    described(&mut bench, 3, HAS_IT);
    assert!(matches!(state(&bench, 0), CommandState::Done { .. }), "{:?}", state(&bench, 0));
}
