//! Wireshark's reader of capture files, where it is installed.

use std::io::Write;
use std::path::Path;
use std::process::Command;

/// Says that a test is skipped, and gives `true`, if there is no tshark.
pub fn is_missing() -> bool {
    let is_missing = Command::new("tshark").arg("--version").output().is_err();
    if is_missing {
        let _ = writeln!(std::io::stderr(), "SKIPPED (no tshark: ./setup guest installs it): a capture file");
    }
    is_missing
}

/// What it prints about a file; it must be able to read it.
pub fn tshark(file: &Path, arguments: &[&str]) -> String {
    let output = Command::new("tshark").arg("-r").arg(file).args(arguments).output().unwrap();
    let (text, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments:?}: {error}");
    text.into_owned()
}

/// How many command lines of this text are whole in a file that may be cut short.
#[allow(dead_code, reason = "not every test has such a file")]
pub fn count_whole(file: &Path, command: &str) -> usize {
    let arguments = ["-Y", "at.role == 2", "-T", "fields", "-e", "at.data"];
    let output = Command::new("tshark").arg("-r").arg(file).args(arguments).output().unwrap();
    String::from_utf8_lossy(&output.stdout).lines().filter(|line| line.starts_with(command)).count()
}

/// How many records a display filter matches.
pub fn count(file: &Path, filter: &str) -> usize {
    tshark(file, &["-Y", filter]).lines().count()
}

/// Nothing in it is broken, checksums included, and time never goes back.
pub fn assert_sound(file: &Path) {
    let checks = ["-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE"];
    let broken = "_ws.malformed || ip.checksum.status == 0 || udp.checksum.status == 0 || tcp.checksum.status == 0";
    let found = tshark(file, &[&checks[..], &["-Y", broken]].concat());
    assert_eq!(found, "");
    let deltas = tshark(file, &["-T", "fields", "-e", "frame.time_delta"]);
    assert!(!deltas.lines().any(|delta| delta.starts_with('-')), "records are not in the order of time");
}
