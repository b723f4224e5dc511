//! Our own application under genuine system firmware.

use lockstep::Stage;
use lockstep_images::app_config::{AppConfig, SystemMode};
use lockstep_images::dct::{DctSpec, SystemFlags};
use lockstep_peripherals::time::{PS_PER_MS, PS_PER_US};

use crate::device::{Device, app, provisioned};
use crate::vendor::vendor_set;

/// One line and one blink of D7 each second, after the line in which it says its version.
fn assert_runs(device: &Device, threaded: u8, seconds: usize) {
    let (first, lines) = device.lines.split_first().expect("a first line");
    let start = format!(" [app] INFO: lockstep-app 1 starts, mode blink, threaded {threaded}, system ");
    assert!(first.text.contains(&start), "{:?}", first.text);
    assert!(lines.len() >= seconds, "{} lines", lines.len());
    for (index, line) in lines.iter().enumerate() {
        let start = format!("lockstep-app 1 loop {} millis ", index + 1);
        let end = format!(" threaded {threaded}\r\n");
        let millis = line.text.strip_prefix(&start).and_then(|rest| rest.strip_suffix(&end));
        assert!(millis.is_some_and(|millis| millis.parse::<u32>().is_ok()), "{:?}", line.text);
        // 115,200 bit/s by a divider of 60 MHz, ten bits a character, one right after the other.
        let character_ps = (line.end_ps - line.start_ps) / (line.text.len() as u64 - 1);
        assert!((86 * PS_PER_US..=88 * PS_PER_US).contains(&character_ps), "{character_ps} ps a character");
    }
    for pair in lines.windows(2) {
        let distance_ms = (pair[1].start_ps - pair[0].start_ps + PS_PER_MS / 2) / PS_PER_MS;
        assert!((990..=1010).contains(&distance_ms), "{distance_ms} ms between two lines");
    }
    let lit: Vec<u64> = device.d7.iter().filter(|d7| d7.1 == Some(true)).map(|d7| d7.0).collect();
    let dark: Vec<u64> = device.d7.iter().filter(|d7| d7.1 == Some(false)).map(|d7| d7.0).collect();
    assert!(lit.len() >= seconds, "{:?}", device.d7);
    for (on, off) in lit.iter().zip(dark.iter().filter(|off| **off > lit[0])) {
        assert!((480..=520).contains(&(off - on)), "{:?}", device.d7);
    }
    for pair in lit.windows(2) {
        assert!((980..=1020).contains(&(pair[1] - pair[0])), "{:?}", device.d7);
    }
}

/// With SYSTEM_THREAD the application runs from the start, whatever the network does.
fn with_system_thread(version: &str, client_hello_ms: u64) {
    let Some(set) = vendor_set(version, "the application runs with SYSTEM_THREAD") else { return };
    let mut device = Device::new(&set, &[app(&AppConfig::default())], Some(&provisioned()));
    assert!(device.run_to(Stage::ClientHello, client_hello_ms));
    let since_start_ms = device.machine.now().time_ps / PS_PER_MS - device.lines[0].start_ps / PS_PER_MS;
    assert_runs(&device, 1, (since_start_ms / 1000) as usize);
    device.assert_healthy();
}

#[test]
fn the_application_runs_on_0_5_2_with_system_thread() {
    with_system_thread("0.5.2", 40_000);
}

#[test]
fn the_application_runs_on_2_2_0_with_system_thread() {
    with_system_thread("2.2.0", 30_000);
}

/// Without SYSTEM_THREAD the application and the system share a thread: it runs when it connects by itself, and in
/// automatic mode it waits for the cloud, which is not there yet.
fn without_system_thread(version: &str) {
    let Some(set) = vendor_set(version, "the application runs without SYSTEM_THREAD") else { return };
    let run = |system_mode| {
        let config = AppConfig { system_thread: false, system_mode, ..AppConfig::default() };
        let mut device = Device::new(&set, &[app(&config)], Some(&provisioned()));
        device.run_until_ms(9_000);
        device.assert_healthy();
        device
    };
    assert_runs(&run(SystemMode::SemiAutomatic), 0, 5);
    let waiting = run(SystemMode::Automatic);
    assert!(waiting.lines.is_empty());
    assert!(waiting.machine.observer.stage(Stage::AtCommand).is_some(), "it connects first");
}

#[test]
fn the_application_runs_on_0_5_2_without_system_thread() {
    without_system_thread("0.5.2");
}

#[test]
fn the_application_runs_on_2_2_0_without_system_thread() {
    without_system_thread("2.2.0");
}

/// 0.5.2 keeps its system flags in the configuration table, and an erased start-up mode means safe mode. The boot
/// loaders of 2.0.0 and later keep theirs in backup registers and leave the table alone; that of 0.5.2 itself, which
/// no package carries, would clear it at each start. A device that was ever set up has it cleared.
#[test]
fn erased_system_flags_are_safe_mode_on_0_5_2_and_not_on_2_2_0() {
    let erased_flags = SystemFlags { startup_mode: None, ..SystemFlags::default() };
    let erased_flags = DctSpec { system_flags: erased_flags, ..provisioned() };
    for (version, dct, expected) in [
        ("0.5.2", Some(&erased_flags), false),
        ("0.5.2", None, false),
        ("0.5.2", Some(&provisioned()), true),
        ("2.2.0", Some(&erased_flags), true),
    ] {
        let Some(set) = vendor_set(version, "erased_system_flags_are_safe_mode") else { continue };
        let mut device = Device::new(&set, &[app(&AppConfig::default())], dct);
        device.run_until_ms(8_000);
        assert_eq!(!device.lines.is_empty(), expected, "{version} {:?}", device.led());
        let entered = device.machine.observer.stage(Stage::UserModule).is_some();
        assert_eq!(entered, expected, "{version}");
        assert!(device.machine.observer.stage(Stage::ModemPower).is_some(), "it connects all the same");
    }
}
