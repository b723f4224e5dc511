#![allow(missing_docs)]
#[allow(dead_code)] // Shared with the tests of genuine firmware.
#[path = "../genuine/device.rs"]
mod device;
mod events;
mod measures;

use device::{Device, vendor_set};
use lockstep_images::app_config::{AppConfig, Mode, SystemLog};

#[test]
fn scratch() {
    let log = events::of_extract(include_str!("../hardware/works-no-threading.txt"));
    let hw = measures::of(&log);
    let log1 = events::of_extract(include_str!("../hardware/fails-with-threading.txt"));
    let hw1 = measures::of(&log1);
    let mut ours = vec![];
    for version in ["0.5.2", "1.5.0", "2.2.0"] {
        let Some(set) = vendor_set(version, "x") else { return };
        let config = AppConfig {
            mode: Mode::Echo,
            system_thread: false,
            log_pending: true,
            cloud_keepalive_s: 20,
            system_log: SystemLog::Trace,
            baud: 921_600,
            ..AppConfig::default()
        };
        let mut d = Device::online(&set, &config);
        d.run_until_ms(120_000);
        let ev: Vec<_> = d.lines.iter().filter_map(|l| events::of_line(l.text.trim_end())).collect();
        if version == "0.5.2" {
            for e in ev.iter().rev().take(60).rev() {
                println!("{} {}", e.ms, e.what);
            }
        }
        ours.push(measures::of(&ev));
    }
    for (k, v) in &hw {
        print!(
            "{k:40} {:>7.1} ({:2}) 0001 {:>7.1}",
            measures::median(v).unwrap(),
            v.len(),
            hw1.get(k).and_then(|t| measures::median(t)).unwrap_or(-1.0)
        );
        for o in &ours {
            print!(
                " | {:>7.1} ({:2})",
                o.get(k).and_then(|t| measures::median(t)).unwrap_or(-1.0),
                o.get(k).map_or(0, Vec::len)
            );
        }
        println!();
    }
}
