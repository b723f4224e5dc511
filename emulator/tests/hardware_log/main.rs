//! Genuine firmware against logs of real hardware (`tests/hardware/`): the same order of commands on the same flow, and
//! the same times.
//!
//! **Like with like.** The times in the logs are the firmware's own: it stamps a line when it has read it, and it looks
//! for lines every 10 ms. Genuine released firmware writes the same log of its AT traffic, in the same form, to an
//! application that asks for it. So both sides are read by one parser and measured by one function, polling grid,
//! logging and rounding included; nothing is derived. The logs' text left the device at about 87 kB/s (the 557-byte
//! read prints some 1,400 characters more than a short one, and its OK is read 16 ms later): Serial1 runs at 921,600
//! bit/s here.
//!
//! **Which firmware.** The log is of 0.8.0-rc.2, which is in no registry. 0.5.2 treats the line the same way: it looks
//! every 10 ms, waits 50 ms before a payload, and asks nothing beside what it needs; all kinds of times are compared
//! with it. 1.5.0 and 2.2.0 take a line as soon as it is there and do not wait before a payload, so the logs' 10 ms
//! steps have no counterpart in theirs: of the times, they are compared in those from 50 ms on. What they send in
//! addition ([`events::without_later_habits`]) is left out of the order and the times.
//!
//! **How near.** The medians within 20 %. Both ends of a time are rounded to 1 ms, on both sides, so two short times
//! that differ by up to 2 ms are the same.

#[allow(dead_code)] // Shared with the other tests of genuine firmware.
#[path = "../genuine/device.rs"]
mod device;
mod events;
mod measures;
mod table;
#[path = "../common/vendor.rs"]
mod vendor;

use std::io::Write as _;

use lockstep_images::app_config::{self, AppConfig, Mode, SystemLog};
use lockstep_modem::network::CloudEventKind;
use lockstep_modem::network::service::ServerRequest;

use device::{APP, Device};
use events::{Event, What};
use measures::Measures;
use vendor::vendor_set;

const WORKS: &str = include_str!("../hardware/works-no-threading.txt");
const FAILS: &str = include_str!("../hardware/fails-with-threading.txt");
const VERSIONS: [&str; 3] = ["0.5.2", "1.5.0", "2.2.0"];
/// Firmware that looks at the line as that of the log does.
const SAME_GRID: &str = "0.5.2";
/// Length of the application that the log's update brought: 28 chunks.
const UPDATE_BYTES: usize = 14_252;

fn config(system_thread: bool) -> AppConfig {
    AppConfig {
        mode: Mode::Echo,
        system_thread,
        log_pending: true,
        system_log: SystemLog::Trace,
        baud: 921_600,
        ..AppConfig::default()
    }
}

fn events_of(device: &Device) -> Vec<Event> {
    let events: Vec<Event> = device.lines.iter().filter_map(|line| events::of_line(line.text.trim_end())).collect();
    events::without_later_habits(&events)
}

/// The log's flow: connected, two echoes, and 14.6 s after the cloud an update.
fn flow(version: &str) -> Option<Device> {
    let set = vendor_set(version, "hardware log 0002")?;
    let mut device = Device::online(&set, &config(false));
    device.run_while(50_000, |device| device.logged("[app] INFO: connected").next().is_none());
    let connected_ms = device.now_ms();
    device.run_until_ms(connected_ms + 14_000);
    let image = app_config::configure(APP, &AppConfig { version: 2, ..AppConfig::default() }).unwrap();
    device.ask(ServerRequest::Update { image: app_config::pad(&image, UPDATE_BYTES).unwrap() });
    let delivered =
        |device: &Device| device.cloud_since(0).any(|k| matches!(k, CloudEventKind::UpdateDelivered { .. }));
    device.run_while(connected_ms + 60_000, |device| !delivered(device));
    assert!(delivered(&device), "{version}: {:?}", device.cloud);
    Some(device)
}

/// What concerns the application's connection, from the opening of its socket on: at most `length` events.
fn of_the_application(events: &[Event], length: usize) -> Vec<String> {
    let mut ours = true;
    let mut socket = None;
    let mut kept = Vec::new();
    for event in &events[opening_of(events)..] {
        let mut what = event.what.clone();
        // Sockets have other numbers where name resolution uses one.
        match &mut what {
            What::Command(name, numbers) => {
                ours = name == "USOCR" || numbers.first() == socket.as_ref();
                numbers.iter_mut().take(1).for_each(|number| *number = 1);
            }
            What::Line(name, numbers) => {
                if name == "USOCR" {
                    socket = numbers.first().copied();
                }
                if name.starts_with("UUSO") && numbers.first() != socket.as_ref() || !ours {
                    continue;
                }
                numbers.iter_mut().take(1).for_each(|number| *number = 1);
            }
            What::App(word) if word != "sending" && word != "got" && word != "connected" => continue,
            What::App(_) => {
                kept.push(what.to_string());
                continue;
            }
            _ => {}
        }
        if ours {
            kept.push(what.to_string());
        }
    }
    kept.truncate(length);
    kept
}

/// What the cloud's socket sees from the beginning of an update to the second chunk, without the application's lines and
/// socket. Which of the two URCs announces data depends on whether it came before or after the last read, so their
/// names are the same here; what is announced, and what room firmware has for a read, are left out.
fn of_the_update(events: &[Event]) -> Vec<String> {
    let is_chunk =
        |event: &Event| matches!(&event.what, What::Line(name, n) if name == "USORF" && n.last() == Some(&557));
    let first = events.iter().position(is_chunk).expect("a chunk");
    let second = first + 1 + events[first + 1..].iter().position(is_chunk).expect("a second chunk");
    let is_payload = |event: &Event| matches!(event.what, What::Payload(_));
    // Two messages go out before the first chunk: that the update may begin, and that the device is ready.
    let payloads: Vec<usize> = (0..first).filter(|index| is_payload(&events[*index])).collect();
    let [.., begin, _] = payloads[..] else { panic!("two messages before the first chunk") };
    let is_urc = |event: &Event| matches!(&event.what, What::Line(name, _) if name.starts_with("UUSO"));
    let start = (0..begin).rfind(|index| is_urc(&events[*index])).expect("the request's URC");
    let of = |event: &Event| match &event.what {
        What::App(_) => None,
        What::Line(name, _) if name.starts_with("UUSOR") => Some("< URC".to_owned()),
        What::Command(name, _) => Some(format!("> {name}")),
        What::Line(name, numbers) => numbers.last().map(|length| format!("< +{name} {length}")),
        what => Some(what.to_string()),
    };
    events[start..=second].iter().filter_map(of).collect()
}

/// Without SYSTEM_THREAD: the application's connection and the update have the steps of the log, in its order, and the
/// medians of the times between them are near the log's.
#[test]
fn without_system_thread_order_and_times_are_those_of_hardware() {
    let log = events::of_extract(WORKS);
    let application = of_the_application(&log, usize::MAX);
    assert_eq!(application.iter().filter(|what| *what == "app got").count(), 4, "two echoes before the update");
    let mut columns = Vec::new();
    for version in VERSIONS {
        let Some(device) = flow(version) else { continue };
        let events = events_of(&device);
        assert_eq!(of_the_application(&events, application.len()), application, "{version}");
        assert_eq!(of_the_update(&events), of_the_update(&log), "{version}");
        columns.push((version, measures::of(&events)));
    }
    // The application asks for data and so does the system, one after the other in a pass: the time from a URC to the
    // read depends on which of the two saw it. The log's two samples are of one phase; log 0001 has more of them.
    assert_near(&measures::of(&log), &columns, &["+UUSORD to USORD"]);
}

/// With SYSTEM_THREAD: the cloud's last read comes right after the connection is made, or before; then its socket is
/// left alone for good, while the application's goes on. In the log it comes after. Which of the two threads gets the
/// modem first then is a matter of fractions of a millisecond: of 24 seeds, a third have it so. The first one of those
/// is compared.
#[test]
fn with_system_thread_the_cloud_starves_as_on_hardware() {
    let Some(set) = vendor_set(SAME_GRID, "hardware log 0001") else { return };
    let log = events::of_extract(FAILS);
    let log = &log[opening_of(&log)..];
    let commands = commands_of(log);
    let found = (1..=8).find_map(|seed| {
        let config = AppConfig { log_tcp: true, ..config(true) };
        let mut device = Device::online_with_seed(&set, &config, seed);
        device.run_while(50_000, |device| device.logged("[app] INFO: connected").next().is_none());
        device.run_until_ms(device.now_ms() + 4_000);
        let begun = events_of(&device);
        let begun = commands_of(&begun[opening_of(&begun)..]);
        // It starves in any case.
        assert!(begun.len() <= 3, "seed {seed}: {begun:?}");
        (begun == commands[..3]).then_some(device)
    });
    let mut device = found.expect("a seed with the log's order");
    device.run_until_ms(device.now_ms() + 57_000);
    let events = events_of(&device);
    let events = &events[opening_of(&events)..];
    assert_eq!(commands_of(events)[..commands.len()], commands);
    // In the log two datagrams had come, here one: no URC after the read, and another wait before it.
    let left_out = ["OK of USORF to +UUSORF", "+UUSORx to USORF"];
    assert_near(&measures::of(log), &[(SAME_GRID, measures::of(events))], &left_out);
}

fn assert_near(log: &Measures, columns: &[(&str, Measures)], left_out: &[&str]) {
    let (table, unlike) = table::compare(log, columns, left_out);
    let _ = writeln!(std::io::stderr(), "{table}");
    assert!(unlike.is_empty(), "{unlike:#?}");
}

/// Where the application opens its socket.
fn opening_of(events: &[Event]) -> usize {
    let opens = |event: &Event| event.what == What::Command("USOCR".to_owned(), vec![]);
    events.iter().rposition(opens).expect("a socket of the application")
}

/// The commands, by name.
fn commands_of(events: &[Event]) -> Vec<&str> {
    let commands = events.iter().map(|event| match &event.what {
        What::Command(name, _) => Some(name.as_str()),
        _ => None,
    });
    commands.flatten().collect()
}
