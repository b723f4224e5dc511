//! The application as a client of the simulated network's MQTT broker.

use lockstep_images::app_config::{AppConfig, Mode, Text};
use lockstep_modem::network::CloudEventKind;
use lockstep_modem::network::directory::BROKER;
use lockstep_modem::network::mqtt::{Message, PORT, Qos};
use lockstep_modem::network::service::ServerRequest;

use crate::device::Device;
use crate::vendor::vendor_set;

fn config(system_thread: bool) -> AppConfig {
    AppConfig {
        mode: Mode::Mqtt,
        system_thread,
        // Without it, SYSTEM_THREAD starves the cloud (`echo.rs`).
        poll_delay_ms: if system_thread { 20 } else { 0 },
        server_address: BROKER,
        server_port: PORT,
        ..AppConfig::default()
    }
}

/// Runs until the broker has accepted the client; the time in milliseconds.
fn accepted(device: &mut Device) -> u64 {
    device.run_while(55_000, |device| device.logged("mqtt connack 0").next().is_none());
    assert_eq!(device.logged("mqtt connack 0").count(), 1);
    device.now_ms()
}

/// Publishes at quality of service 1, gets its own messages and the operator's back, and the cloud lives beside it.
fn publishes(version: &str, system_thread: bool) {
    let Some(set) = vendor_set(version, "the application publishes by MQTT") else { return };
    let config = AppConfig { mqtt_qos: 1, mqtt_subscribe: Text::new("lockstep/#").unwrap(), ..config(system_thread) };
    let mut device = Device::online(&set, &config);
    let accepted_ms = accepted(&mut device);
    device.run_until_ms(accepted_ms + 12_000);
    let now_ps = device.machine.now().time_ps;
    let broker = device.machine.world.state.electron.modem.network().broker_mut().unwrap();
    let word =
        Message { topic: "lockstep/word".into(), payload: b"hello".to_vec(), qos: Qos::AtLeastOnce, retain: false };
    broker.publish(now_ps, word).unwrap();
    let ping = device.ask(ServerRequest::Ping);
    device.run_until_ms(accepted_ms + 33_000);

    assert_eq!(device.logged("mqtt suback 1").count(), 1, "{version}");
    let published: Vec<(u64, &str)> = device.logged("mqtt publish").collect();
    assert!(published.len() >= 5, "{version}: {published:?}");
    assert!(published.windows(2).all(|pair| (5_000..5_700).contains(&(pair[1].0 - pair[0].0))), "{version}");
    for number in 0..4 {
        // The first packet identifier is that of SUBSCRIBE.
        assert_eq!(device.logged(&format!("mqtt puback {}", number + 2)).count(), 1, "{version}");
        assert_eq!(device.logged(&format!("mqtt message lockstep/count: {number}")).count(), 1, "{version}");
    }
    assert_eq!(device.logged("mqtt message lockstep/word: hello").count(), 1, "{version}");
    let answer = CloudEventKind::Answered { request: ping, code: 0, payload: vec![] };
    assert!(device.cloud_since(accepted_ms).any(|kind| *kind == answer), "{version}: {:?}", device.cloud);
    assert_eq!(device.logged("closed").count(), 0, "{version}");
    device.assert_healthy();
}

#[test]
fn it_publishes_and_subscribes_without_system_thread() {
    for version in ["0.5.2", "2.2.0"] {
        publishes(version, false);
    }
}

#[test]
fn it_publishes_and_subscribes_with_system_thread() {
    for version in ["0.5.2", "2.2.0"] {
        publishes(version, true);
    }
}

/// Nothing to send: a ping each keepalive time. Then its connection is closed by a function call, and made again.
#[test]
fn it_pings_and_connects_again() {
    let Some(set) = vendor_set("2.2.0", "it_pings_and_connects_again") else { return };
    let config = AppConfig { mqtt_keepalive_s: 5, send_ms: 3_600_000, reconnect_ms: 2_000, ..config(false) };
    let mut device = Device::online(&set, &config);
    let accepted_ms = accepted(&mut device);
    device.run_until_ms(accepted_ms + 28_000);
    let pings = device.logged("mqtt pingreq").count();
    assert!((4..=6).contains(&pings), "{pings}");
    let answers = device.logged("mqtt pingresp").count();
    assert!(answers + 1 >= pings && device.logged("closed").count() == 0);

    device.ask(ServerRequest::Function { name: "app".to_owned(), argument: "close".to_owned() });
    device.run_until_ms(accepted_ms + 40_000);
    assert_eq!(device.logged("closed: asked for").count(), 1);
    assert_eq!(device.logged("mqtt connect").filter(|(_, text)| text.ends_with("mqtt connect")).count(), 2);
    assert_eq!(device.logged("mqtt connack 0").count(), 2);
    device.assert_healthy();
}
