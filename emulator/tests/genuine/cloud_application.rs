//! What the application has to do with the cloud, on every version: its function, its variable, events from loop() and
//! from a second thread, the keepalive, and what it says when it starts.

use lockstep_images::app_config::{Acknowledge, AppConfig, Mode, SystemLog};
use lockstep_modem::network::CloudEventKind;
use lockstep_modem::network::service::ServerRequest;

use crate::boot::VERSIONS;
use crate::device::Device;
use crate::vendor::vendor_set;

/// When even 0.5.2 is connected and the application's connection too.
const CONNECTED_MS: u64 = 45_000;
const END_MS: u64 = 100_000;

fn config(system_thread: bool) -> AppConfig {
    AppConfig {
        version: 7,
        mode: Mode::Echo,
        system_thread,
        poll_delay_ms: 20,
        cloud_keepalive_s: 20,
        log_pending: true,
        register_in_setup: !system_thread,
        loop_publish_ms: 31_000,
        loop_publish: Acknowledge::NoAck,
        thread_publish_ms: if system_thread { 37_000 } else { 0 },
        thread_publish: Acknowledge::WithAck,
        ..AppConfig::default()
    }
}

fn serves(version: &str, system_thread: bool) {
    let Some(set) = vendor_set(version, "function, variable and events of the application") else { return };
    let mut device = Device::online(&set, &config(system_thread));
    device.run_until_ms(CONNECTED_MS);
    let start = format!("[app] INFO: lockstep-app 7 starts, mode echo, threaded {}", u8::from(system_thread));
    assert_eq!(device.logged(&start).count(), 1, "{version}");

    let call = ServerRequest::Function { name: "app".to_owned(), argument: "hello".to_owned() };
    let (call, variable) = (device.ask(call), device.ask(ServerRequest::Variable { name: "sent".to_owned() }));
    device.run_until_ms(END_MS);
    let answered = |request| {
        device.cloud_since(CONNECTED_MS).find_map(|kind| match kind {
            CloudEventKind::Answered { request: of, payload, .. } if *of == request => Some(payload.clone()),
            _ => None,
        })
    };
    assert_eq!(answered(call), Some(vec![0, 0, 0, 7]), "{version}: the function gives the version");
    assert_eq!(device.logged("called with hello").count(), 1, "{version}");
    let sent_then = device.logged("sending").filter(|(ms, _)| *ms < CONNECTED_MS - 4_000).count() as u32;
    let value = answered(variable).map(|payload| u32::from_be_bytes(payload.try_into().unwrap_or_default()));
    assert!(value.is_some_and(|value| value.abs_diff(sent_then) <= 1), "{version}: {value:?}, {sent_then}");

    let published = |event: &str| {
        let is_it = |kind: &&CloudEventKind| matches!(kind, CloudEventKind::Published { name, .. } if name == event);
        device.cloud_since(0).filter(is_it).cloned().collect::<Vec<_>>()
    };
    let event = |name: &str, data: &str, is_confirmable| CloudEventKind::Published {
        name: name.to_owned(),
        data: data.to_owned(),
        is_public: false,
        is_confirmable,
    };
    let from_loop = published("lockstep/loop");
    assert!(from_loop.len() >= 2, "{version}: {from_loop:?}");
    assert_eq!(from_loop[1], event("lockstep/loop", "2", false), "{version}");
    assert_eq!(device.logged("loop published 2: 1").count(), 1, "{version}");
    if system_thread {
        assert_eq!(published("lockstep/thread")[0], event("lockstep/thread", "1", true), "{version}");
        assert_eq!(device.logged("thread published 1: 1").count(), 1, "{version}");
    }
    let pings = device.cloud_since(0).filter(|kind| **kind == CloudEventKind::Ping).count();
    assert!(pings >= 1, "{version}: keepalive");
    let pending: Vec<(u64, &str)> = device.logged("updatesPending=0").collect();
    assert!(pending.len() > 40 && pending.windows(2).all(|pair| pair[1].0 - pair[0].0 >= 1_000), "{version}");
    device.assert_healthy();
}

#[test]
fn every_version_serves_function_variable_events_and_keepalive_with_system_thread() {
    for version in VERSIONS {
        serves(version, true);
    }
}

#[test]
fn every_version_serves_function_variable_events_and_keepalive_without_system_thread() {
    for version in VERSIONS {
        serves(version, false);
    }
}

/// Released firmware writes its debugging log, AT traffic with it, to an application that asks for it: in the form of
/// the logs of hardware.
#[test]
fn the_firmware_s_own_log_comes_to_serial1() {
    for version in VERSIONS {
        let Some(set) = vendor_set(version, "the firmware's own log") else { continue };
        let log = AppConfig { system_log: SystemLog::Trace, baud: 921_600, ..config(true) };
        let mut device = Device::online(&set, &log);
        device.run_until_ms(CONNECTED_MS);
        for part in ["AT send      12 \"AT+USOCR=6\\r\\n\"", "AT read OK ", "[app] INFO: connected"] {
            assert!(device.logged(part).next().is_some(), "{version}: {part}");
        }
        // 0.5.2 has another form for everything but AT traffic.
        let part = if version == "0.5.2" { ":INFO : int " } else { "[system] INFO: Cloud connected" };
        assert!(device.logged(part).next().is_some(), "{version}: {part}");
        device.assert_healthy();
    }
}
