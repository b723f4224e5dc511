//! What the tests share: time that runs, endpoints, child processes that end with the test, skips that are seen.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use lockstep_modem::network::Endpoint;

/// Longest that anything here may take.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Picoseconds since `start`.
pub fn elapsed_ps(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).unwrap().saturating_mul(1000)
}

pub fn endpoint(address: SocketAddr) -> Endpoint {
    let SocketAddr::V4(address) = address else { panic!("{address} is not IPv4") };
    Endpoint { address: *address.ip(), port: address.port() }
}

pub fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

/// Says that a test was skipped where the summary of all tests counts it.
pub fn skip(test: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED ({why}): {test}");
}

/// A program found on the path.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// A child process, killed at the latest when this goes out of scope.
pub struct Process(pub Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a program to its end, which must be a good one, and returns what it printed.
pub fn run(command: &mut Command) -> String {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = Process(child.unwrap());
    let (mut stdout, mut stderr) = (child.0.stdout.take().unwrap(), child.0.stderr.take().unwrap());
    let errors = thread::spawn(move || {
        let mut text = String::new();
        let _ = stderr.read_to_string(&mut text);
        text
    });
    let mut text = String::new();
    stdout.read_to_string(&mut text).unwrap();
    let status = child.0.wait().unwrap();
    assert!(status.success(), "{status}\n{text}\n{}", errors.join().unwrap());
    text
}
