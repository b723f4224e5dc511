//! `lockstep run` with a real network behind it: genuine firmware publishes by MQTT through modem and gateway to a real
//! broker on loopback; the recording repeats the run without any of them.

mod broker;
#[path = "../common/gateway_command.rs"]
mod gateway_command;
mod run;
#[path = "../common/vendor.rs"]
mod vendor;

use std::io::Write;
use std::os::unix::net::UnixListener;

use lockstep_gateway_protocol::{FromGateway, Inbound, Outbound, VERSION, encode};
use lockstep_traces::recording::Entry;
use lockstep_traces::{Recording, RecordingWriter};

use broker::{Bridge, Broker, Observer};
use run::{Ran, bare_metal, publishes, refused, run};

/// Where the application is told that its broker is: an address reserved for documentation.
const BROKER: &str = "203.0.113.9:1883";

/// A recording with entries changed, its checksums as they should be.
fn tampered(recording: &Recording, change: impl Fn(&mut Entry)) -> Vec<u8> {
    let mut writer = RecordingWriter::new(Vec::new(), &recording.header).unwrap();
    let inbound = recording.inbound.iter().cloned().map(|(time_ps, event)| Entry::Inbound { time_ps, event });
    let outbound = recording.outbound.iter().cloned().map(|(time_ps, event)| Entry::Outbound { time_ps, event });
    for mut entry in outbound.chain(inbound).chain(recording.end.map(Entry::End)) {
        change(&mut entry);
        writer.write(&entry).unwrap();
    }
    writer.into_inner()
}

#[test]
fn genuine_firmware_publishes_to_a_real_broker_and_the_recording_repeats_it_offline() {
    let Some(arguments) = publishes("genuine_firmware_publishes_to_a_real_broker") else { return };
    let Some(broker) = Broker::start("genuine_firmware_publishes_to_a_real_broker") else { return };
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let bridge = Bridge::start(&file("socket"), &[&format!("{BROKER}={}", broker.address)]);
    let observer = Observer::start(&broker, "lockstep/#", 3);
    let recorded = run(&arguments, &["--for", "44s", "--gateway", &file("socket"), "--record", &file("recording")]);
    assert_eq!(recorded.code, Some(0), "{}", recorded.error);
    let payloads: Vec<String> = observer.messages().iter().map(|message| message["payload"].to_string()).collect();
    assert_eq!(payloads, ["\"0\"", "\"1\"", "\"2\""]);
    drop((bridge, broker));

    let whole = run(&arguments, &["--replay", &file("recording")]);
    assert_eq!(whole.code, Some(0), "{}", whole.findings());
    assert_eq!(whole.summary()["state_hash"], recorded.summary()["state_hash"]);
    assert_eq!(whole.summary()["instructions"], recorded.summary()["instructions"]);
    assert_eq!(whole.of_type("outside"), recorded.of_type("outside"));
    assert_eq!(whole.of_type("at"), recorded.of_type("at"));

    let bytes = std::fs::read(file("recording")).unwrap();
    let recording = Recording::parse(&bytes).unwrap();
    // Another byte in what the device sent: the run is not the one that was recorded.
    let other_bytes = tampered(&recording, |entry| {
        if let Entry::Outbound { event: Outbound::Data { bytes, .. }, .. } = entry
            && let Some(last) = bytes.last_mut().filter(|last| **last == b'0')
        {
            *last = b'7';
        }
    });
    std::fs::write(file("tampered"), other_bytes).unwrap();
    let diverged = run(&arguments, &["--replay", &file("tampered")]);
    assert_eq!(diverged.code, Some(5), "{}", diverged.findings());
    assert!(diverged.findings().contains("they differ from byte 18"), "{}", diverged.findings());
    // Another answer of the broker: the device does something else.
    let refusal = tampered(&recording, |entry| {
        if let Entry::Inbound { event: Inbound::Data { bytes, .. }, .. } = entry
            && bytes.starts_with(b"\x20\x02")
        {
            *bytes = b"\x20\x02\x00\x05".to_vec();
        }
    });
    std::fs::write(file("tampered"), refusal).unwrap();
    let diverged = run(&arguments, &["--replay", &file("tampered")]);
    assert_eq!(diverged.code, Some(5), "{}", diverged.findings());
    assert!(diverged.findings().contains("divergence"), "{}", diverged.findings());
    // A run that was killed leaves what it had written.
    std::fs::write(file("cut"), &bytes[..300]).unwrap();
    let cut = run(&arguments, &["--replay", &file("cut")]);
    assert_eq!(cut.code, Some(0), "{}", cut.findings());
    assert!(cut.error.contains("was killed at") && cut.error.contains("no state hash"), "{}", cut.error);
    // Damage, another seed, other settings: not even begun.
    let mut damaged = bytes;
    damaged[200] ^= 1;
    std::fs::write(file("damaged"), damaged).unwrap();
    refused(&arguments, &["--replay", &file("damaged")], "frame");
    refused(&arguments, &["--replay", &file("recording"), "--seed", "2"], "give --seed 1");
    refused(&arguments, &["--replay", &file("recording"), "--set", "link.latency=100ms"], "other settings");
    refused(&arguments, &["--replay", &file("recording"), "--app-set", "send_ms=4000"], "other images");
}

#[test]
fn an_observer_that_hears_too_little_says_so() {
    let Some(broker) = Broker::start("an_observer_that_hears_too_little_says_so") else { return };
    let address = broker.address.to_string();
    let heard = gateway_command::gateway()
        .args(["observe", "--broker", &address, "--count", "1", "--for", "1"])
        .output()
        .unwrap();
    let error = String::from_utf8(heard.stderr).unwrap();
    assert!(heard.status.code() == Some(1) && error.contains("0 messages instead of 1"), "{error}");
}

/// What the gateway does not allow is refused, and the device goes on trying.
#[test]
fn nothing_is_allowed_by_default() {
    let Some(arguments) = publishes("nothing_is_allowed_by_default") else { return };
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("socket").to_str().unwrap().to_owned();
    let _bridge = Bridge::start(&socket, &[]);
    let ran = run(&arguments, &["--for", "26s", "--gateway", &socket]);
    assert_eq!(ran.code, Some(0), "{}", ran.error);
    let crossings = ran.of_type("outside");
    assert!(crossings[1]["text"].to_string().contains("does not allow it"), "{crossings:?}");
    assert!(ran.of_type("at").iter().any(|at| at["text"].to_string().contains("USOCO")), "the device tried");
}

/// A gateway of a few lines: it greets, takes the first frame, says something and is gone.
fn short_gateway(socket: &str, says: Vec<u8>) -> std::thread::JoinHandle<()> {
    let listener = UnixListener::bind(socket).unwrap();
    std::thread::spawn(move || {
        let (mut run, _) = listener.accept().unwrap();
        run.write_all(&encode(&FromGateway::Hello { version: VERSION }).unwrap()).unwrap();
        let mut frames = [0; 256];
        let _ = std::io::Read::read(&mut run, &mut frames);
        run.write_all(&says).unwrap();
    })
}

fn assert_lost(ran: &Ran, reason: &str, code: i32) {
    assert_eq!(ran.code, Some(code), "{}{}", ran.error, ran.findings());
    assert!(ran.findings().contains("the gateway is lost") && ran.findings().contains(reason), "{}", ran.findings());
}

/// The gateway dies when the device has connected: the run says so and goes on; the device waits for answers in vain.
#[test]
fn a_gateway_that_dies_is_a_network_that_is_silent() {
    let Some(arguments) = publishes("a_gateway_that_dies_is_a_network_that_is_silent") else { return };
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let gateway = short_gateway(&file("socket"), Vec::new());
    let ran = run(&arguments, &["--for", "60s", "--gateway", &file("socket"), "--record", &file("recording")]);
    gateway.join().unwrap();
    // The application's thread waits for its connection with the modem's mutex in hand: the system's thread starves.
    assert_lost(&ran, "it ended the connection", 4);
    let speed = ran.summary()["speed"]["host_s"].as_f64().unwrap();
    assert!(speed < 30.0, "nothing to wait for: {speed} s for 60 s");
    let asked = ran.of_type("at").into_iter().filter(|at| at["text"].to_string().contains("AT+USOCO=")).count();
    assert!(asked >= 1, "the device has tried");
    assert!(!ran.of_type("outside").iter().any(|crossing| crossing["direction"] == "in"));
    let again = run(&arguments, &["--replay", &file("recording")]);
    assert_eq!(again.code, Some(4), "{}", again.findings());
    assert_eq!(again.summary()["state_hash"], ran.summary()["state_hash"]);
}

#[test]
fn a_gateway_that_says_nonsense_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("socket").to_str().unwrap().to_owned();
    let gateway = short_gateway(&socket, b"\xff\xff\xff\xff".to_vec());
    let image = bare_metal(dir.path());
    let ran = run(&[image], &["--for", "200ms", "--pace", "real", "--gateway", &socket]);
    gateway.join().unwrap();
    assert_lost(&ran, "a frame of 4294967295 bytes", 1);
}

#[test]
fn wrong_uses_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let image = [bare_metal(dir.path())];
    refused(&image, &["--gateway", &file("nowhere")], "lockstep-gateway bridge");
    refused(&image, &["--gateway", &file("nowhere"), "--pace", "free"], "leave --pace out");
    refused(&image, &["--record", &file("recording")], "--gateway");
    refused(&image, &["--replay", &file("nowhere")], "nowhere");
    std::fs::write(file("other"), b"something else").unwrap();
    refused(&image, &["--replay", &file("other")], "not a recording");
    assert!(!dir.path().join("recording").exists());
}
