//! `lockstep run --pcap`: what tshark reads in the file, and that the run is the same with it.

#[path = "../common/tshark.rs"]
mod tshark;
#[path = "../common/vendor.rs"]
mod vendor;

use std::path::Path;
use std::process::Command;

use tshark::{assert_sound, count, tshark};

/// The summary of a run of genuine 2.2.0 until after its handshake with the device service.
fn run(arguments: &[&str]) -> serde_json::Value {
    let output = Command::new(env!("CARGO_BIN_EXE_lockstep"))
        .args(["run", "--firmware", "2.2.0", "--for", "30s", "--json"])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("RUST_LOG")
        .output()
        .unwrap();
    let (text, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{error}");
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

fn field(file: &Path, filter: &str, field: &str) -> Vec<String> {
    let text = tshark(file, &["-Y", filter, "-T", "fields", "-e", field]);
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_device_that_connects_is_captured_and_does_not_notice() {
    if vendor::vendor_set("2.2.0", "the capture of a run").is_none() || tshark::is_missing() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("run.pcapng");
    let without = run(&[]);
    let with = run(&["--pcap", file.to_str().unwrap()]);
    assert_eq!(with["state_hash"], without["state_hash"]);

    assert_sound(&file);
    // The name service is asked before the handshake; the handshake goes both ways.
    assert!(count(&file, "dns.flags.response == 0 && frame.interface_name == \"ip\"") >= 1);
    assert_eq!(field(&file, "dns.flags.response == 1", "dns.a").first().map(String::as_str), Some("198.51.100.10"));
    for handshake_type in [1, 3, 2, 12, 14, 16] {
        assert!(count(&file, &format!("dtls.handshake.type == {handshake_type}")) > 0, "type {handshake_type}");
    }
    assert!(count(&file, "dtls.app_data && frame.packet_flags_direction == 1") > 0);
    assert!(count(&file, "dtls.app_data && frame.packet_flags_direction == 2") > 0);
    // The dialogue, with its roles.
    let commands = field(&file, "at.role == 2", "at.cmd");
    for command in ["+CGMM", "+CPIN", "+CREG", "+UPSDA", "+USOST"] {
        assert!(commands.iter().any(|line| line.split(',').any(|c| c == command)), "no {command} in {commands:?}");
    }
    assert!(count(&file, "at.role == 1") >= commands.len(), "answers");
    // The line: as many characters as the dialogue needs, in both directions.
    let characters = |filter: &str| {
        let lengths = field(&file, filter, "frame.len");
        lengths.iter().map(|length| length.parse::<usize>().unwrap() - 12).sum::<usize>()
    };
    assert!(characters("rtacser.eventtype == 1") > 1000);
    assert!(characters("rtacser.eventtype == 2") > 1000);
    // Virtual time on the clock of the device service.
    let first: f64 = field(&file, "frame.number == 1", "frame.time_epoch")[0].parse().unwrap();
    let epoch = f64::from(lockstep::cloud::EPOCH_UNIX_S);
    assert!((epoch..epoch + 30.0).contains(&first), "{first}");
}
