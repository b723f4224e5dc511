//! dosfstools and mtools, where they are installed: what others think of our images.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::{Command, Output};

/// Where the partition of an image begins.
pub const PARTITION_START: u64 = 4 << 20;

/// Says that a test is skipped, and gives `true`, if one of the tools is not there.
pub fn are_missing(test: &str) -> bool {
    let is_missing = |tool| command(tool).arg("--help").output().is_err();
    let missing = is_missing("fsck.vfat") || is_missing("mcopy");
    if missing {
        // Not `eprintln`, which the test harness keeps to itself when a test passes.
        let text = "SKIPPED (no dosfstools or mtools: ./setup guest installs them)";
        let _ = writeln!(std::io::stderr(), "{text}: {test}");
    }
    missing
}

fn command(tool: &str) -> Command {
    let mut command = Command::new(tool);
    // Debian has fsck where only root's PATH leads.
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin")).env("MTOOLSRC", "/dev/null").env("LC_ALL", "C.UTF-8");
    command
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// fsck.vfat finds nothing to repair. It wants the file system at the begin of a file.
pub fn assert_sound(image: &Path, start: u64) {
    let (mut from, mut volume) = (File::open(image).unwrap(), tempfile::NamedTempFile::new().unwrap());
    let bytes = from.metadata().unwrap().len() - start;
    volume.as_file().set_len(bytes).unwrap();
    let mut piece = vec![0; 1 << 19];
    for at in (0..bytes).step_by(piece.len()) {
        from.seek(SeekFrom::Start(start + at)).unwrap();
        from.read_exact(&mut piece).unwrap();
        // Most of it is holes.
        if piece.iter().any(|byte| *byte != 0) {
            volume.seek(SeekFrom::Start(at)).unwrap();
            volume.write_all(&piece).unwrap();
        }
    }
    let output = command("fsck.vfat").args(["-n", "-v"]).arg(volume.path()).output().unwrap();
    let said = said(&output);
    assert!(output.status.success(), "{}: {said}", image.display());
    // Some of what it finds does not change its exit code.
    for complaint in ["Dirty bit", "differences", "uninitialized", "wrong", "Bad ", "should be", "Contains", "invalid"]
    {
        assert!(!said.contains(complaint), "{}: {said}", image.display());
    }
}

/// Runs a tool of mtools on the file system at `start`; what it prints.
pub fn mtools(tool: &str, image: &Path, start: u64, arguments: &[&str]) -> String {
    let place = format!("{}@@{start}", image.display());
    let output = command(tool).arg("-i").arg(place).args(arguments).output().unwrap();
    assert!(output.status.success(), "{tool} {arguments:?}: {}", said(&output));
    said(&output)
}
