//! The application of the hardware logs: one byte every 5 s over TCP, two come back; with the cloud beside it.

use lockstep_images::app_config::{AppConfig, Mode};
use lockstep_modem::Direction;
use lockstep_modem::network::CloudEventKind;
use lockstep_modem::network::service::ServerRequest;
use lockstep_peripherals::time::PS_PER_MS;

use crate::device::Device;
use crate::vendor::vendor_set;

/// 0.5.2 asks for its registration every 15 s only.
const CONNECTED_MS: u64 = 50_000;

fn config(system_thread: bool, poll_delay_ms: u32) -> AppConfig {
    AppConfig { mode: Mode::Echo, system_thread, poll_delay_ms, ..AppConfig::default() }
}

/// Runs until the application's connection is there; the time.
fn connected(device: &mut Device) -> u64 {
    device.run_while(CONNECTED_MS, |device| device.logged("[app] INFO: connected").next().is_none());
    let line = device.lines.iter().find(|line| line.text.contains("[app] INFO: connected")).expect("connected");
    line.end_ps / PS_PER_MS
}

/// Each byte came back as its two hexadecimal digits, one after the other, and the next was sent 5 s later.
fn assert_echoes(device: &Device, at_least: usize) {
    let sent: Vec<(u64, &str)> = device.logged("sending").collect();
    let got: Vec<&str> = device.logged("got").map(|(_, text)| text).collect();
    assert!(sent.len() >= at_least, "{sent:?}");
    assert!(got.len() / 2 + 1 >= sent.len(), "{got:?}");
    for (number, (_, text)) in sent.iter().enumerate() {
        assert_eq!(*text, format!("[app] INFO: sending 0x{number:02x}"));
    }
    for (number, pair) in got.chunks_exact(2).enumerate() {
        let digits: Vec<String> =
            format!("{number:02x}").bytes().map(|digit| format!("[app] INFO: got 0x{digit:02x}")).collect();
        assert_eq!(pair, digits);
    }
    for pair in sent.windows(2) {
        // A pass of the loop, in which the modem may be busy with the cloud, comes on top.
        assert!((5_000..5_600).contains(&(pair[1].0 - pair[0].0)), "{sent:?}");
    }
}

/// How the device answers a ping of its service within 20 s.
fn ping(device: &mut Device, at_ms: u64) -> bool {
    device.run_until_ms(at_ms);
    let request = device.ask(ServerRequest::Ping);
    device.run_until_ms(at_ms + 20_000);
    let answer = CloudEventKind::Answered { request, code: 0, payload: vec![] };
    device.cloud_since(at_ms).any(|kind| *kind == answer)
}

fn works(version: &str, system_thread: bool, poll_delay_ms: u32) {
    let Some(set) = vendor_set(version, "the echo application works") else { return };
    let mut device = Device::online(&set, &config(system_thread, poll_delay_ms));
    let connected_ms = connected(&mut device);
    assert!(ping(&mut device, connected_ms + 10_000), "the cloud lives: {:?}", device.cloud);
    assert_echoes(&device, 5);
    assert_eq!(device.machine.observer.led().state().to_string(), "breathing cyan");
    device.assert_healthy();
}

#[test]
fn without_system_thread_the_echo_and_the_cloud_live_on_0_5_2() {
    works("0.5.2", false, 0);
}

#[test]
fn without_system_thread_the_echo_and_the_cloud_live_on_2_2_0() {
    works("2.2.0", false, 0);
}

#[test]
fn with_system_thread_and_a_pause_in_the_loop_both_live_on_0_5_2() {
    works("0.5.2", true, 20);
}

#[test]
fn with_system_thread_and_a_pause_in_the_loop_both_live_on_2_2_0() {
    works("2.2.0", true, 20);
}

/// The fault of the field: with SYSTEM_THREAD, a loop that asks for data again and again keeps the modem's lock, and
/// the system's thread never reads the cloud's socket again. No emulator does that: the firmware's own mutex does.
fn starves(version: &str) {
    let Some(set) = vendor_set(version, "a tight loop starves the cloud") else { return };
    let mut device = Device::online(&set, &config(true, 0));
    let connected_ms = connected(&mut device);
    assert!(!ping(&mut device, connected_ms + 10_000), "the ping is not answered: {:?}", device.cloud);
    assert_echoes(&device, 5);
    let since = (connected_ms + 1_000) * PS_PER_MS;
    let commands: Vec<String> = device
        .at
        .iter()
        .filter(|entry| entry.time_ps > since && entry.direction == Direction::ToModem)
        .map(|entry| String::from_utf8_lossy(&entry.bytes).into_owned())
        .collect();
    let of_the_cloud: Vec<&String> = commands.iter().filter(|c| c.contains("USORF") || c.contains("USOST")).collect();
    assert!(of_the_cloud.is_empty(), "{of_the_cloud:?}");
    assert!(commands.iter().any(|command| command.contains("USORD")), "the application's socket lives");
    device.assert_healthy();
}

#[test]
fn with_system_thread_a_tight_loop_starves_the_cloud_on_0_5_2() {
    starves("0.5.2");
}

#[test]
fn with_system_thread_a_tight_loop_starves_the_cloud_on_1_5_0() {
    starves("1.5.0");
}

#[test]
fn with_system_thread_a_tight_loop_starves_the_cloud_on_2_2_0() {
    starves("2.2.0");
}

/// Nobody to connect to: it tries again after the time that is set.
#[test]
fn a_refused_connection_is_tried_again() {
    let Some(set) = vendor_set("2.2.0", "a_refused_connection_is_tried_again") else { return };
    let config = AppConfig { server_port: 9, reconnect_ms: 3_000, connect_delay_ms: 2_000, ..config(true, 20) };
    let mut device = Device::online(&set, &config);
    device.run_until_ms(40_000);
    let tried: Vec<u64> = device.logged("connecting to 192.0.2.8:9").map(|(ms, _)| ms).collect();
    assert!(tried.len() >= 3, "{tried:?}");
    assert_eq!(device.logged("connection failed").count(), tried.len());
    assert!(tried.windows(2).all(|pair| (3_000..5_500).contains(&(pair[1] - pair[0]))), "{tried:?}");
    device.assert_healthy();
}
