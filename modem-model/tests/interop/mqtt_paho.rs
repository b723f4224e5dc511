//! Eclipse Paho's Python client against the broker.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use lockstep_modem::network::mqtt::{Broker, BrokerConfig, BrokerEventKind, DisconnectReason};

use crate::loopback::Served;
use crate::support::{program, run, skip};

const REQUIREMENT: &str = "paho-mqtt>=2.1,<3";

/// A Python that has the client, in an environment that is made once. `Err` says what is missing.
fn python_with_paho() -> Result<PathBuf, &'static str> {
    let system = program("python3").ok_or("no python3")?;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("paho");
    let python = folder.join("bin/python");
    let succeeds = |command: &mut Command| {
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        quiet.status().is_ok_and(|status| status.success())
    };
    let has_client = || succeeds(Command::new(&python).args(["-c", "import paho.mqtt.client"]));
    if has_client() {
        return Ok(python);
    }
    if !succeeds(Command::new(system).args(["-m", "venv"]).arg(&folder)) {
        return Err("python3 has no venv: install python3-venv");
    }
    let pip = ["-m", "pip", "install", "--quiet", "--retries", "1", "--timeout", "15", REQUIREMENT];
    if !succeeds(Command::new(&python).args(pip)) || !has_client() {
        return Err("pip cannot reach the Python registry");
    }
    Ok(python)
}

#[test]
fn paho_does_all_that_a_client_does() {
    let python = match python_with_paho() {
        Ok(python) => python,
        Err(why) => return skip("paho_does_all_that_a_client_does", why),
    };
    let broker = Served::new(Broker::new(BrokerConfig::default()));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/paho_client.py");
    let (host, port) = (broker.address.ip().to_string(), broker.address.port().to_string());
    let output = run(Command::new(python).arg(script).args([host, port]));
    assert!(output.ends_with("all as it should be\n"), "{output}");
    let events = broker.service.lock().unwrap().take_events();
    let ended = |client: &str, wanted: DisconnectReason| {
        let kind = BrokerEventKind::Disconnected(wanted);
        events.iter().any(|event| event.client.as_deref() == Some(client) && event.kind == kind)
    };
    assert!(ended("polite", DisconnectReason::Disconnect) && ended("silent", DisconnectReason::KeepAlive));
}
