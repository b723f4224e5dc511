//! What RTOS awareness costs: host time of a run with and without watching context switches, of a search of SRAM and of
//! a glance at what was learned. `cargo run --release --example rtos_cost VERSION` (default 2.2.0).

use std::error::Error;
use std::time::Instant;

use lockstep::cloud;
use lockstep::electron::{DeviceSettings, electron};
use lockstep::rtos::RtosObserver;
use lockstep_images::app_config::{self, AppConfig, Mode};
use lockstep_images::{Image, load_set};
use lockstep_peripherals::time::PS_PER_S;

const APP: &[u8] = include_bytes!("../../firmware-images/built/app.bin");
const VIRTUAL_S: u64 = 60;
const LOOKS: u32 = 2_000;

fn main() -> Result<(), Box<dyn Error>> {
    let version = std::env::args().nth(1).unwrap_or_else(|| "2.2.0".to_owned());
    let app = app_config::configure(APP, &AppConfig { mode: Mode::Echo, ..AppConfig::default() })?;
    let mut flash = load_set(&version)?.flash_with(&[Image::parse("app", &app, None)?])?;
    cloud::provision(&mut flash)?;
    let flash = flash.into_bytes();
    let settings = DeviceSettings { seed: 1, cloud: true, ..DeviceSettings::default() };
    let mut hashes = Vec::new();
    for what in ["plain", "watched", "with glances"].repeat(2) {
        let mut machine = electron(flash.clone(), &settings)?;
        if what != "plain" {
            machine.observer.watch_tasks();
        }
        let mut observer = RtosObserver::default();
        let started = Instant::now();
        for tenth in 1..=VIRTUAL_S * 10 {
            machine.run_until_ps(tenth * PS_PER_S / 10)?;
            if what == "with glances" {
                std::hint::black_box(observer.glance(&machine));
            }
        }
        println!("{version}, {VIRTUAL_S} s virtual, {what}: {:.3} s", started.elapsed().as_secs_f64());
        hashes.push(machine.state_hash());
        if what == "with glances" {
            let started = Instant::now();
            for _ in 0..LOOKS {
                std::hint::black_box(observer.survey(&machine));
            }
            println!("  a search of SRAM: {:.1} us", started.elapsed().as_secs_f64() * 1e6 / f64::from(LOOKS));
            let started = Instant::now();
            for _ in 0..LOOKS {
                std::hint::black_box(observer.glance(&machine));
            }
            println!("  a glance: {:.1} us", started.elapsed().as_secs_f64() * 1e6 / f64::from(LOOKS));
        }
    }
    hashes.dedup();
    println!("state hashes {}", if hashes.len() == 1 { "are all the same" } else { "DIFFER" });
    Ok(())
}
