//! What a person sees on the RGB LED, and does with the MODE and RESET buttons.

use lockstep::Stage;
use lockstep_images::app_config::{AppConfig, SystemMode};
use lockstep_peripherals::rcc::ResetCause;

use crate::device::{Device, app, provisioned};
use crate::vendor::vendor_set;

fn device(test: &str) -> Option<Device> {
    let config = AppConfig { system_mode: SystemMode::SemiAutomatic, ..AppConfig::default() };
    Some(Device::new(&vendor_set("2.2.0", test)?, &[app(&config)], Some(&provisioned())))
}

/// Whether the LED showed these one after the other, perhaps with others in between.
fn shows(device: &Device, expected: &[&str]) -> bool {
    let led = device.led();
    let mut texts = led.iter().map(|(_, text)| text.as_str());
    expected.iter().all(|expected| texts.any(|text| text == *expected))
}

#[test]
fn the_led_tells_how_far_the_connection_is() {
    let Some(set) = vendor_set("2.2.0", "the_led_tells_how_far_the_connection_is") else { return };
    let mut device = Device::new(&set, &[], None);
    assert!(device.run_to(Stage::AtCommand, 30_000));
    assert_eq!(device.machine.observer.led().state().to_string(), "breathing white");
    assert!(device.run_to(Stage::Registered, 30_000));
    let state = device.machine.observer.led().state();
    assert_eq!(state.to_string(), "blinking green");
    assert_eq!(state.meaning(), Some("connecting to the network"));
    assert!(device.run_to(Stage::ClientHello, 30_000));
    device.run_until_ms(20_000);
    let state = device.machine.observer.led().state();
    assert_eq!(state.to_string(), "blinking cyan fast");
    assert_eq!(state.meaning(), Some("connecting to the cloud"));
    // Slower cyan before that lasts for half a second, about as long as counts as a change.
    let expected = ["breathing white", "blinking green", "blinking cyan fast"];
    assert!(shows(&device, &expected), "{:?}", device.led());
    device.assert_healthy();
}

/// Magenta from 1 s on, yellow from 3 s on; let go then, the boot loader waits for a host, until a reset.
#[test]
fn mode_held_at_reset_for_4_s_is_dfu_mode() {
    let Some(mut device) = device("mode_held_at_reset_for_4_s_is_dfu_mode") else { return };
    device.machine.press_mode();
    device.run_until_ms(2_500);
    assert_eq!(device.machine.observer.led().state().to_string(), "blinking magenta");
    device.run_until_ms(4_000);
    assert_eq!(device.machine.observer.led().state().to_string(), "blinking yellow");
    device.machine.release_mode();
    device.run_until_ms(8_000);
    let state = device.machine.observer.led().state();
    assert_eq!(state.to_string(), "blinking yellow");
    assert!(state.meaning().unwrap().starts_with("DFU mode"));
    assert_eq!(device.machine.observer.stage(Stage::SystemFirmware), None);
    let began: Vec<f64> = device.led().iter().map(|change| change.0).collect();
    assert!((0.9..1.5).contains(&began[0]) && (2.9..3.5).contains(&began[1]), "{:?}", device.led());
    device.machine.tap_reset();
    device.run_until_ms(12_000);
    assert_eq!(device.machine.observer.resets()[0].cause, ResetCause::Pin);
    assert!(!device.lines.is_empty(), "the application runs after a reset");
    device.assert_healthy();
}

/// Let go while magenta: the system connects, and the application is not started.
#[test]
fn mode_held_at_reset_for_2_s_is_safe_mode() {
    let Some(mut device) = device("mode_held_at_reset_for_2_s_is_safe_mode") else { return };
    device.run_until_ms(5_000);
    let lines = device.lines.len();
    assert!(lines > 0, "the application runs");
    device.machine.press_mode();
    device.machine.tap_reset();
    device.run_until_ms(7_000);
    assert_eq!(device.machine.observer.led().state().to_string(), "blinking magenta");
    device.machine.release_mode();
    // The application would wait to be told to connect; safe mode connects.
    assert!(device.run_to(Stage::ClientHello, 30_000));
    assert_eq!(device.lines.len(), lines, "and is not run in safe mode");
    device.assert_healthy();
}

#[test]
fn mode_held_for_4_s_while_running_is_listening_mode() {
    let Some(mut device) = device("mode_held_for_4_s_while_running_is_listening_mode") else { return };
    device.run_until_ms(5_000);
    assert_eq!(device.machine.observer.led().state().to_string(), "breathing white");
    device.machine.press_mode();
    device.run_until_ms(7_500);
    assert!(!shows(&device, &["blinking blue slowly"]), "not before 3 s");
    device.run_until_ms(9_000);
    device.machine.release_mode();
    device.run_until_ms(13_000);
    let state = device.machine.observer.led().state();
    assert_eq!(state.meaning(), Some("listening mode"), "{state}");
    assert!(device.led().iter().any(|(time_s, text)| text.starts_with("blinking blue") && (7.9..9.5).contains(time_s)));
    device.assert_healthy();
}
