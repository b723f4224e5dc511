//! What the tests share: time that runs, endpoints, child processes that end with the test, skips that are seen.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Child;
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
