//! What the application does while it is replaced over the air: it closes its connection, if so set, and its successor
//! says so.

use lockstep_images::app_config::{self, AppConfig, Mode};
use lockstep_modem::network::CloudEventKind;
use lockstep_modem::network::service::ServerRequest;

use crate::device::{APP, Device, vendor_set};

fn is_replaced(version: &str, system_thread: bool) {
    let Some(set) = vendor_set(version, "the application closes its connection for an update") else { return };
    let poll_delay_ms = if system_thread { 20 } else { 0 };
    let old =
        AppConfig { mode: Mode::Echo, system_thread, poll_delay_ms, close_on_update: true, ..AppConfig::default() };
    let mut device = Device::online(&set, &old);
    device.run_while(50_000, |device| device.logged("sending 0x00").next().is_none());
    let asked_ms = device.now_ms();
    let new = AppConfig { version: 2, ..old };
    device.ask(ServerRequest::Update { image: app_config::configure(APP, &new).unwrap() });
    let says = "[app] INFO: lockstep-app 2 starts, mode echo";
    device.run_while(asked_ms + 90_000, |device| device.logged(says).next().is_none());
    assert_eq!(device.logged(says).count(), 1, "{version}: {:?}", device.cloud);
    assert_eq!(device.logged("firmware update begins").count(), 1, "{version}");
    assert_eq!(device.logged("closed: suspended").count(), 1, "{version}");
    let delivered = |kind: &CloudEventKind| matches!(kind, CloudEventKind::UpdateDelivered { .. });
    assert!(device.cloud_since(asked_ms).any(delivered), "{version}");
    assert!(device.machine.observer.faults().is_empty(), "{version}");
    device.run_until_ms(device.now_ms() + 45_000);
    assert_eq!(device.logged("[app] INFO: connected").count(), 2, "{version}: the new one connects too");
}

#[test]
fn it_closes_its_connection_and_its_successor_starts_without_system_thread() {
    for version in ["0.5.2", "1.5.0", "2.2.0"] {
        is_replaced(version, false);
    }
}

#[test]
fn it_closes_its_connection_and_its_successor_starts_with_system_thread() {
    for version in ["0.5.2", "1.5.0", "2.2.0"] {
        is_replaced(version, true);
    }
}
