//! Same images, settings and seed: the same run, in everything that anybody can see of it. A device with genuine firmware
//! holds an MQTT connection on a bad link while it is updated over the air, twenty times over, on threads beside each
//! other.

#[path = "common/vendor.rs"]
mod vendor;

use std::fmt::Write as _;
use std::io::Write as _;

use lockstep::electron::{DeviceSettings, electron};
use lockstep::{cloud, fleet};
use lockstep_images::app_config::{self, AppConfig, Mode};
use lockstep_images::{FirmwareSet, Image};
use lockstep_modem::network::service::{Action, OperatorCommand, UpdateSettings};
use lockstep_modem::network::{DirectionConfig, LinkConfig, Probability, directory, mqtt};
use lockstep_modem::time::DurationRange;
use vendor::vendor_set;

const PS_PER_S: u64 = 1_000_000_000_000;
const APP: &[u8] = include_bytes!("../../firmware-images/built/app.bin");
const OTA_AT_S: u64 = 34;
const END_S: u64 = 55;

/// What a run looked like.
#[derive(Debug, PartialEq, Eq)]
struct Looks {
    /// Hash of everything seen: AT traffic, packets, serial output, the device service, resets, the LED.
    trace: blake3::Hash,
    /// Hash of the whole state at the end.
    state: blake3::Hash,
    instructions: u64,
    /// Of the update's events, to know that it took place.
    updates: usize,
    lost: usize,
}

fn look(set: &FirmwareSet, seed: u64) -> Looks {
    let config = AppConfig {
        mode: Mode::Mqtt,
        server_address: directory::BROKER,
        server_port: mqtt::PORT,
        poll_delay_ms: 20,
        ..AppConfig::default()
    };
    let app = |version| app_config::configure(APP, &AppConfig { version, ..config }).unwrap();
    let mut flash = set.flash_with(&[Image::parse("app", &app(1), None).unwrap()]).unwrap();
    cloud::provision(&mut flash).unwrap();
    let direction = DirectionConfig {
        latency: DurationRange::ms(150, 400),
        loss: Probability::percent(3),
        reordering: Probability::percent(2),
        duplication: Probability::percent(1),
        ..DirectionConfig::default()
    };
    let link = LinkConfig { uplink: direction.clone(), downlink: direction, ..LinkConfig::default() };
    let settings =
        DeviceSettings { seed, cloud: true, link, update: UpdateSettings::default(), ..DeviceSettings::default() };
    let mut machine = electron(flash.into_bytes(), &settings).unwrap();
    machine.world.state.electron.watch_traffic();
    let action = Action::Update(vec![cloud::upload("the new application", &app(2))]);
    let command = OperatorCommand { text: "ota".to_owned(), at_ps: OTA_AT_S * PS_PER_S, after_ps: 0, action };
    machine.world.state.electron.modem.network().service_mut().unwrap().command(command).unwrap();

    let (mut trace, mut text) = (blake3::Hasher::new(), String::new());
    let (mut updates, mut lost) = (0, 0);
    for s in 1..=END_S {
        machine.run_until_ps(s * PS_PER_S).unwrap();
        for seen in machine.observer.take_seen() {
            text.clear();
            write!(text, "{seen:?}").unwrap();
            updates += usize::from(text.starts_with("Cloud") && text.contains("Update"));
            lost += usize::from(text.contains("is_lost: true"));
            trace.update(text.as_bytes());
        }
    }
    for change in machine.observer.led().changes() {
        trace.update(format!("{change:?}").as_bytes());
    }
    let state = machine.state_hash();
    Looks { trace: trace.finalize(), state, instructions: machine.instructions(), updates, lost }
}

#[test]
fn twenty_runs_of_a_seed_are_one_and_another_seed_is_another() {
    let Some(set) = vendor_set("2.2.0", "twenty runs of a seed") else { return };
    // The last one is the other seed.
    let mut seeds = vec![11; 20];
    seeds.push(12);
    let mut looks: Vec<Option<Looks>> = seeds.iter().map(|_| None).collect();
    fleet::run_all(2, &seeds, |seed| look(&set, *seed), |index, result| looks[index].replace(result).is_none());
    let looks: Vec<Looks> = looks.into_iter().flatten().collect();
    let [first, .., other] = &looks[..] else { panic!() };
    let _ = writeln!(std::io::stderr(), "seed 11: {first:?}\nseed 12: {other:?}");
    assert!(first.updates >= 3 && first.lost >= 3, "the update and the losses took place: {first:?}");
    assert!(looks[..20].iter().all(|look| look == first), "{looks:?}");
    assert!(other.trace != first.trace && other.state != first.state);
}
