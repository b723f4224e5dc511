//! The processes around a run: a broker, a gateway, an observer; all on loopback, all ended with the test.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::gateway_command::gateway;

/// Longer than anything here takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(20);

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Debian's mosquitto on a port that was free.
pub struct Broker {
    pub address: SocketAddr,
    _process: Ended,
    _dir: tempfile::TempDir,
}

impl Broker {
    /// `None`, said on stderr, where it is not installed.
    pub fn start(test: &str) -> Option<Self> {
        // Debian has it where only root's PATH leads.
        let program = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"].into_iter().find(|p| Path::new(p).exists());
        let Some(program) = program else {
            let _ = writeln!(std::io::stderr(), "SKIPPED (no mosquitto; ./setup guest installs it): {test}");
            return None;
        };
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("mosquitto.conf");
        // Somebody else may take the port between our asking for it and the broker's.
        (0..5)
            .find_map(|_| {
                let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
                let text = format!("listener {} 127.0.0.1\nallow_anonymous true\npersistence false\n", address.port());
                std::fs::write(&config, text).unwrap();
                let mut command = Command::new(program);
                command.arg("-c").arg(&config).stdout(Stdio::null()).stderr(Stdio::null());
                let mut process = Ended(command.spawn().unwrap());
                let started = Instant::now();
                while TcpStream::connect(address).is_err() {
                    assert!(started.elapsed() < LIMIT, "mosquitto does not listen");
                    if process.0.try_wait().unwrap().is_some() {
                        return None;
                    }
                    std::thread::sleep(Duration::from_millis(10));
                }
                Some((address, process))
            })
            .map(|(address, process)| Self { address, _process: process, _dir: dir })
            .or_else(|| panic!("mosquitto does not start"))
    }
}

/// `lockstep-gateway bridge`.
pub struct Bridge {
    _process: Ended,
}

impl Bridge {
    pub fn start(socket: &str, allow: &[&str]) -> Self {
        let mut command = gateway();
        command.args(["bridge", socket]).stdout(Stdio::piped()).stderr(Stdio::null());
        for rule in allow {
            command.args(["--allow", rule]);
        }
        let mut process = Ended(command.spawn().unwrap());
        let mut line = String::new();
        BufReader::new(process.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("listening on "), "{line:?}");
        Self { _process: process }
    }
}

/// `lockstep-gateway observe`: an MQTT client of another make.
pub struct Observer {
    process: Ended,
    log: BufReader<ChildStderr>,
}

impl Observer {
    /// Subscribed when this returns; ends after so many messages.
    pub fn start(broker: &Broker, topic: &str, count: u32) -> Self {
        let (broker, count) = (broker.address.to_string(), count.to_string());
        let mut command = gateway();
        command.args(["observe", "--broker", &broker, "--topic", topic, "--count", &count, "--for", "120", "--json"]);
        let mut process = Ended(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
        let mut log = BufReader::new(process.0.stderr.take().unwrap());
        let mut line = String::new();
        log.read_line(&mut line).unwrap();
        assert!(line.contains("subscribed to"), "{line:?}");
        Self { process, log }
    }

    /// What it printed, once it has all it waited for.
    pub fn messages(mut self) -> Vec<Value> {
        let lines = BufReader::new(self.process.0.stdout.take().unwrap()).lines();
        let messages = lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
        let status = self.process.0.wait().unwrap();
        let log = std::io::read_to_string(&mut self.log).unwrap();
        assert!(status.success(), "{status}: {log}");
        messages
    }
}
