//! `lockstep run` and what it printed.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::BROKER;
use crate::vendor::vendor_set;

/// A run that has ended.
pub struct Ran {
    pub code: Option<i32>,
    pub error: String,
    lines: Vec<Value>,
}

impl Ran {
    pub fn summary(&self) -> &Value {
        self.lines.last().filter(|line| line["type"] == "summary").expect("a summary")
    }

    pub fn findings(&self) -> String {
        self.summary()["findings"].to_string()
    }

    pub fn of_type(&self, kind: &str) -> Vec<&Value> {
        self.lines.iter().filter(|line| line["type"] == kind).collect()
    }
}

fn output(what: &[String], arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lockstep"));
    command.arg("run").args(what).args(arguments).arg("--json").env_remove("RUST_LOG").output().unwrap()
}

/// Runs to the end.
pub fn run(what: &[String], arguments: &[&str]) -> Ran {
    let output = output(what, arguments);
    let lines = String::from_utf8(output.stdout).unwrap();
    let lines = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    Ran { code: output.status.code(), error: String::from_utf8(output.stderr).unwrap(), lines }
}

/// Bad input: one line that says so.
pub fn refused(what: &[String], arguments: &[&str], says: &str) {
    let output = output(what, arguments);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
    assert!(error.lines().count() == 1 && error.contains(says), "{arguments:?}: {error}");
}

/// Genuine firmware with our application, which publishes to [`BROKER`]; `None`, said on stderr, without the images.
pub fn publishes(test: &str) -> Option<Vec<String>> {
    vendor_set("2.2.0", test)?;
    let app = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../firmware-images/built/app.bin");
    let (address, port) = BROKER.split_once(':').unwrap();
    let mut arguments = ["--firmware", "2.2.0", "--app", app.to_str().unwrap()].map(str::to_owned).to_vec();
    // Without a pause in its loop it would starve the system's thread, which is found.
    for setting in
        ["mode=mqtt", "poll_delay_ms=20", &format!("server_address={address}"), &format!("server_port={port}")]
    {
        arguments.extend(["--app-set".to_owned(), setting.to_owned()]);
    }
    Some(arguments)
}

/// An image that does nothing.
pub fn bare_metal(dir: &Path) -> String {
    let mut image = vec![0; 0x84];
    image[0..4].copy_from_slice(&0x2001_0000u32.to_le_bytes());
    image[4..8].copy_from_slice(&0x0800_0081u32.to_le_bytes());
    image[0x80..0x82].copy_from_slice(&0xe7feu16.to_le_bytes());
    let path = dir.join("loop.bin");
    std::fs::write(&path, image).unwrap();
    format!("{}@0x08000000", path.display())
}
