//! A served modem, and what its command said.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Longer than anything here takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

pub struct Served {
    child: Child,
    dir: Option<tempfile::TempDir>,
    pub path: PathBuf,
}

fn command(path: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lockstep"));
    command.arg("modem").arg("--pty").arg(path).env_remove("RUST_LOG");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What is said of a path that is taken.
pub fn refused(path: &Path) -> String {
    let output = command(path).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    String::from_utf8(output.stderr).unwrap()
}

impl Served {
    pub fn start(settings: &[&str], arguments: &[&str]) -> Self {
        Self::start_at(tempfile::tempdir().unwrap(), settings, arguments)
    }

    pub fn start_at(dir: tempfile::TempDir, settings: &[&str], arguments: &[&str]) -> Self {
        let path = dir.path().join("modem");
        let mut command = command(&path);
        command.arg("--log").arg(dir.path().join("log")).args(arguments);
        for setting in settings {
            command.args(["--set", setting]);
        }
        let served = Self { child: command.spawn().unwrap(), dir: Some(dir), path };
        let started = Instant::now();
        while !served.path.exists() {
            assert!(started.elapsed() < LIMIT, "no link");
            std::thread::sleep(Duration::from_millis(5));
        }
        served
    }

    fn dir(&self) -> &Path {
        self.dir.as_ref().unwrap().path()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir().join("log")).unwrap()
    }

    /// Ends it at once, so that it can clean up nothing.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it as Ctrl-C does; gives what it printed.
    pub fn end(self) -> String {
        self.end_in().0
    }

    /// The same, and the folder.
    pub fn end_in(mut self) -> (String, tempfile::TempDir) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::INT).unwrap();
        let status = self.child.wait().unwrap();
        let (mut out, mut error) = (String::new(), String::new());
        self.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
        assert_eq!(status.code(), Some(0), "{out}{error}");
        assert_eq!(error, "");
        (out, self.dir.take().unwrap())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A Python that has a package; made in a virtual environment beside the test's executable.
pub fn python_with(package: &str) -> Option<PathBuf> {
    let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{package}-venv"));
    let python = venv.join("bin/python");
    let marker = venv.join(format!("has-{package}"));
    if !marker.exists() {
        let does = |command: &mut Command| {
            command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
        };
        let made = does(Command::new("python3").args(["-m", "venv"]).arg(&venv))
            && does(Command::new(&python).args(["-m", "pip", "install", "--quiet", package]));
        if !made {
            let text = format!("SKIPPED ({package} cannot be installed: no python3 venv, or no network)");
            let _ = writeln!(std::io::stderr(), "{text}");
            return None;
        }
        std::fs::write(marker, "").unwrap();
    }
    Some(python)
}
