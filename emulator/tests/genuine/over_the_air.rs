//! What the application does while it is replaced over the air: it closes its connection, if so set, and its successor
//! says so.

use lockstep_images::app_config::{self, AppConfig, Mode};
use lockstep_modem::network::CloudEventKind;
use lockstep_modem::network::service::ServerRequest;

use lockstep::core::faults::Fault;
use lockstep_peripherals::time::PS_PER_MS;

use crate::device::{APP, Device, Line};
use crate::vendor::vendor_set;

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
    // 0.5.2 does not get that far: see below.
    for version in ["1.5.0", "2.2.0"] {
        is_replaced(version, true);
    }
}

/// The hard fault of the field, on the vendor's own 0.5.2. While the update begins, the system's thread waits for the
/// application's to run its queue, and by looking at the modem again and again keeps it from getting there: the
/// application stands still for 30 s. Then the system gives up waiting and goes on; a moment later the application
/// runs what was queued, which ends in a byte written to where the waiting function had a variable. By now a return
/// address lies there. Its uppermost byte becomes 1, and the system's thread returns to nowhere: SOS with one blink,
/// and a reset.
#[test]
fn with_system_thread_0_5_2_takes_a_hard_fault_in_the_update() {
    let Some(set) = vendor_set("0.5.2", "with_system_thread_0_5_2_takes_a_hard_fault_in_the_update") else { return };
    let old = AppConfig { mode: Mode::Echo, poll_delay_ms: 20, ..AppConfig::default() };
    let mut device = Device::online(&set, &old);
    device.run_while(50_000, |device| device.logged("sending 0x00").next().is_none());
    let asked_ms = device.now_ms();
    device.ask(ServerRequest::Update { image: app_config::configure(APP, &AppConfig { version: 2, ..old }).unwrap() });
    device.run_until_ms(asked_ms + 50_000);

    let [fault] = device.machine.observer.faults() else { panic!("{:?}", device.machine.observer.faults()) };
    assert_eq!(fault.fault, Fault::InstructionBus);
    assert_eq!(fault.pc >> 24, 1, "{:#x}", fault.pc);
    let returned_to = 0x0800_0000 | fault.pc & 0x00ff_ffff;
    assert!((0x0802_0000..0x0808_0000).contains(&returned_to), "an address of the system's but for one byte");
    let faulted_ms = fault.now.time_ps / PS_PER_MS;
    let silent = |line: &&Line| (asked_ms + 1_000..asked_ms + 29_000).contains(&(line.start_ps / PS_PER_MS));
    assert_eq!(device.lines.iter().filter(silent).count(), 0, "the application stands still");
    assert!((asked_ms + 30_000..asked_ms + 36_000).contains(&faulted_ms), "{asked_ms} {faulted_ms}");
    assert!(device.led().iter().any(|(_, led)| led == "SOS 1 red"), "{:?}", device.led());
    let failed = |kind: &CloudEventKind| matches!(kind, CloudEventKind::UpdateFailed { .. });
    assert!(device.cloud_since(asked_ms).any(failed));
    let starts: Vec<&str> = device.logged("starts, mode echo").map(|(_, text)| text).collect();
    assert_eq!(starts.len(), 2);
    assert!(starts.iter().all(|text| text.contains("lockstep-app 1 ")), "the old one runs on: {starts:?}");
}

/// Whether an update is pending the device learns from its service alone, and only when it refused one: an application
/// that asks before each call of TCP sees nothing of an update that simply begins.
#[test]
fn updates_pending_is_what_the_service_says() {
    let Some(set) = vendor_set("2.2.0", "updates_pending_is_what_the_service_says") else { return };
    let old = AppConfig {
        mode: Mode::Echo,
        poll_delay_ms: 20,
        send_ms: 1_000,
        check_pending: true,
        log_pending: true,
        ..AppConfig::default()
    };
    let mut device = Device::online(&set, &old);
    device.run_while(50_000, |device| device.logged("sending 0x00").next().is_none());
    device.run_until_ms(device.now_ms() + 5_000);
    let says = |data: &str| ServerRequest::Event { name: PENDING.to_owned(), data: data.to_owned() };
    let sent_in = |device: &Device, ms: std::ops::Range<u64>| {
        let lines = device.lines.iter().filter(|line| line.text.contains("sending"));
        lines.filter(|line| ms.contains(&(line.start_ps / PS_PER_MS))).count()
    };
    let pending_ms = device.now_ms();
    device.ask(says("true"));
    device.run_until_ms(pending_ms + 6_000);
    let over_ms = device.now_ms();
    device.ask(says("false"));
    device.run_until_ms(over_ms + 6_000);
    assert_eq!(sent_in(&device, pending_ms + 2_000..over_ms), 0, "TCP is left alone");
    assert!(device.logged("updatesPending=1").count() >= 4);
    assert!(sent_in(&device, over_ms + 2_000..over_ms + 6_000) >= 3, "and used again");

    let asked_ms = device.now_ms();
    let image = app_config::configure(APP, &AppConfig { version: 2, ..old }).unwrap();
    device.ask(ServerRequest::Update { image });
    device.run_while(asked_ms + 60_000, |device| device.logged("lockstep-app 2 starts").next().is_none());
    assert_eq!(device.logged("firmware update complete").count(), 1);
    let seen_ps = |line: &&Line| line.start_ps > asked_ms * PS_PER_MS && line.text.contains("updatesPending=1");
    assert_eq!(device.lines.iter().filter(seen_ps).count(), 0, "not a word of it");
}

/// The event that tells a device.
const PENDING: &str = "particle/device/updates/pending";

/// The vendor's own way: updates are refused until the application has been told of one and has closed its connection.
#[test]
fn an_update_waits_for_an_application_that_holds_it() {
    let Some(set) = vendor_set("2.2.0", "an_update_waits_for_an_application_that_holds_it") else { return };
    let old = AppConfig { mode: Mode::Echo, poll_delay_ms: 20, hold_updates: true, ..AppConfig::default() };
    let mut device = Device::online(&set, &old);
    device.run_while(50_000, |device| device.logged("sending 0x00").next().is_none());
    let image = app_config::configure(APP, &AppConfig { version: 2, ..old }).unwrap();
    device.ask(ServerRequest::Update { image: image.clone() });
    let failed = |kind: &CloudEventKind| matches!(kind, CloudEventKind::UpdateFailed { .. });
    device.run_while(device.now_ms() + 10_000, |device| !device.cloud_since(0).any(failed));
    assert!(device.cloud_since(0).any(failed), "refused");
    device.ask(ServerRequest::Event { name: PENDING.to_owned(), data: "true".to_owned() });
    device.run_while(device.now_ms() + 10_000, |device| device.logged("closed: suspended").next().is_none());
    assert_eq!(device.logged("an update is pending").count(), 1);
    device.ask(ServerRequest::Update { image });
    device.run_while(device.now_ms() + 60_000, |device| device.logged("lockstep-app 2 starts").next().is_none());
    assert_eq!(device.logged("lockstep-app 2 starts").count(), 1, "{:?}", device.cloud);
    assert!(device.machine.observer.faults().is_empty());
}
