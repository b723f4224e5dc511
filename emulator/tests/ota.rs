//! Genuine firmware is called, pinged and told events by the device service, and updated over the air: a new application
//! on every version of the catalogue, a system upgrade in parts, slow mode, a device in safe mode that is healed.
//!
//! Each test prints its row of the table in docs/OTA.md.

#[path = "common/vendor.rs"]
mod vendor;

use std::io::Write;

use lockstep::electron::{DeviceSettings, electron};
use lockstep::{Machine, Seen, Snapshot, cloud};
use lockstep_images::{FirmwareSet, Image};
use lockstep_modem::network::CloudEventKind;
use lockstep_modem::network::service::{Action, CommandState, OperatorCommand, ServerRequest, UpdateSettings};

use vendor::vendor_set;

const PS_PER_MS: u64 = 1_000_000_000;
const PS_PER_S: u64 = 1_000 * PS_PER_MS;
/// Our own application, as built.
const APP: &[u8] = include_bytes!("../../firmware-images/built/app.bin");
const APP_PLACE: u32 = 0x0808_0000;

/// A device, its service's operator, and what was seen.
struct Bench {
    machine: Machine,
    cloud: Vec<(u64, CloudEventKind)>,
    resets_ps: Vec<u64>,
    /// Lines on Serial1 with the time of their last byte.
    lines: Vec<(u64, String)>,
    line: String,
}

impl Bench {
    fn new(set: &FirmwareSet, own: &[Image], update: UpdateSettings) -> Self {
        let mut flash = set.flash_with(own).unwrap();
        cloud::provision(&mut flash).unwrap();
        let settings = DeviceSettings { seed: 1, cloud: true, update, ..DeviceSettings::default() };
        let machine = electron(flash.into_bytes(), &settings).unwrap();
        Self { machine, cloud: Vec::new(), resets_ps: Vec::new(), lines: Vec::new(), line: String::new() }
    }

    fn command(&mut self, text: &str, at_s: u64, action: Action) -> usize {
        let command = OperatorCommand { text: text.to_owned(), at_ps: at_s * PS_PER_S, after_ps: 0, action };
        let service = self.machine.world.state.electron.modem.network().service_mut().unwrap();
        service.command(command).unwrap() as usize - 1
    }

    fn state(&mut self, command: usize) -> CommandState {
        let service = self.machine.world.state.electron.modem.network().service().unwrap();
        service.commands()[command].state.clone()
    }

    fn answer(&mut self, command: usize) -> String {
        match self.state(command) {
            CommandState::Done { answer } => answer,
            other => panic!("{other:?}: {:?}", self.cloud),
        }
    }

    fn run(&mut self, to_s: u64) {
        self.machine.run_until_ps(to_s * PS_PER_S).unwrap();
        for seen in self.machine.observer.take_seen() {
            match seen {
                Seen::Cloud(event) => self.cloud.push((event.time_ps, event.kind)),
                Seen::Reset(reset) => self.resets_ps.push(reset.now.time_ps),
                Seen::Serial { usart: 1, byte: b'\n', now } => {
                    self.lines.push((now.time_ps, std::mem::take(&mut self.line)));
                }
                Seen::Serial { usart: 1, byte, .. } => self.line.push(char::from(byte)),
                _ => {}
            }
        }
    }

    /// Runs until a command is over, in steps of a second.
    fn run_while_open(&mut self, command: usize, to_s: u64) {
        while matches!(self.state(command), CommandState::Waiting | CommandState::Running | CommandState::Watching)
            && self.machine.now().time_ps < to_s * PS_PER_S
        {
            self.run(self.machine.now().time_ps / PS_PER_S + 1);
        }
    }

    fn at(&self, from_ps: u64, is_it: impl Fn(&CloudEventKind) -> bool) -> u64 {
        let found = self.cloud.iter().find(|(time_ps, kind)| *time_ps >= from_ps && is_it(kind));
        found.unwrap_or_else(|| panic!("not seen since {from_ps} ps: {:?}", self.cloud)).0
    }

    fn count(&self, is_it: impl Fn(&CloudEventKind) -> bool) -> usize {
        self.cloud.iter().filter(|(_, kind)| is_it(kind)).count()
    }

    fn flash(&self, address: u32, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        assert!(self.machine.world.memory.peek(address, &mut bytes));
        bytes
    }

    fn assert_healthy(&mut self) {
        assert!(self.machine.observer.faults().is_empty(), "{:?}", self.machine.observer.faults());
        assert_eq!(self.machine.observer.lock_up(), None);
        let state = &mut self.machine.world.state;
        assert!(state.ledger.entries().is_empty(), "{:?}", state.ledger.entries());
        let modem = state.electron.modem.ledger().entries();
        assert!(modem.is_empty(), "{modem:?}");
    }
}

fn s(time_ps: u64) -> String {
    format!("{}.{:03}", time_ps / PS_PER_S, time_ps / PS_PER_MS % 1000)
}

fn row(cells: &[String]) {
    let _ = writeln!(std::io::stderr(), "| {} |", cells.join(" | "));
}

fn our_application() -> Action {
    Action::Update(vec![cloud::upload("app.bin", APP)])
}

/// Connected, called, pinged, told an event; then a new application over the vendor's, copied and running, and the
/// session kept over the reset.
fn a_new_application(version: &str, update: UpdateSettings) {
    let Some(set) = vendor_set(version, "a new application over the air") else { return };
    let is_fast = update.fast;
    let mut bench = Bench::new(&set, &[], update);
    let start_s = if version == "0.5.2" { 42 } else { 28 };
    let call = ServerRequest::Function { name: "digitalwrite".to_owned(), argument: "D7,HIGH".to_owned() };
    let call = bench.command("call", start_s, Action::Ask(call));
    let ping = bench.command("ping", start_s + 2, Action::Ask(ServerRequest::Ping));
    let event = ServerRequest::Event { name: "spark/lockstep".to_owned(), data: "x".to_owned() };
    let event = bench.command("publish", start_s + 4, Action::Ask(event));
    let ota_s = start_s + 6;
    let ota = bench.command("ota", ota_s, our_application());
    assert_ne!(bench.flash(APP_PLACE, APP.len()), APP);
    bench.run(ota_s);
    assert_eq!(bench.machine.observer.led().state().to_string(), "breathing cyan", "{version}");
    assert_eq!(bench.answer(call), "1", "{version}");
    assert_eq!(bench.answer(ping), "acknowledged");
    assert_eq!(bench.answer(event), "acknowledged");
    assert!(bench.count(|kind| matches!(kind, CloudEventKind::Published { .. })) > 0, "{version} has published");
    let handshakes = bench.count(|kind| *kind == CloudEventKind::Handshake);

    bench.run_while_open(ota, ota_s + 60);
    assert_eq!(bench.answer(ota), "the device has it", "{version}");
    bench.run(bench.machine.now().time_ps / PS_PER_S + 5);
    assert!(bench.flash(APP_PLACE, APP.len()) == APP, "{version}: copied byte for byte");
    let from_ps = ota_s * PS_PER_S;
    let reset_ps = *bench.resets_ps.iter().find(|reset_ps| **reset_ps > from_ps).unwrap();
    let first = bench.lines.first().unwrap_or_else(|| panic!("{version}: the application says nothing")).clone();
    assert!(first.0 > reset_ps && first.1.contains("lockstep-app 1 "), "{first:?}");
    let resumed_ps = bench.at(reset_ps, |kind| *kind == CloudEventKind::Resumed);
    assert_eq!(bench.count(|kind| *kind == CloudEventKind::Handshake), handshakes, "{version}: the session is kept");
    assert_eq!(bench.machine.observer.led().state().to_string(), "breathing cyan", "{version}");
    bench.assert_healthy();

    let ready = |kind: &CloudEventKind| matches!(kind, CloudEventKind::UpdateReady { fast, .. } if *fast == is_fast);
    let delivered = |kind: &CloudEventKind| matches!(kind, CloudEventKind::UpdateDelivered { .. });
    let cells = [
        bench.at(0, |kind| matches!(kind, CloudEventKind::Hello(_))),
        from_ps,
        bench.at(from_ps, ready),
        bench.at(from_ps, delivered),
        reset_ps,
        first.0,
        resumed_ps,
    ];
    let mode = if is_fast { "fast" } else { "slow" };
    let names = [version.to_owned(), mode.to_owned()];
    row(&names.into_iter().chain(cells.map(s)).collect::<Vec<_>>());
}

#[test]
fn a_new_application_on_0_5_2() {
    a_new_application("0.5.2", UpdateSettings::default());
}

#[test]
fn a_new_application_on_1_5_0() {
    a_new_application("1.5.0", UpdateSettings::default());
}

#[test]
fn a_new_application_on_1_5_1() {
    a_new_application("1.5.1", UpdateSettings::default());
}

#[test]
fn a_new_application_on_2_0_0() {
    a_new_application("2.0.0", UpdateSettings::default());
}

#[test]
fn a_new_application_on_2_1_0() {
    a_new_application("2.1.0", UpdateSettings::default());
}

#[test]
fn a_new_application_on_2_2_0() {
    a_new_application("2.2.0", UpdateSettings::default());
}

#[test]
fn a_new_application_on_2_3_1() {
    a_new_application("2.3.1", UpdateSettings::default());
}

#[test]
fn a_new_application_in_slow_mode() {
    for version in ["0.5.2", "1.5.0", "2.2.0"] {
        a_new_application(version, UpdateSettings { fast: false, ..UpdateSettings::default() });
    }
}

/// The vendor's whole system, part after part. The modem's buffer takes 16 KB of a part's burst; the rest is asked for.
#[test]
fn a_system_upgrade_from_1_5_0_to_2_2_0() {
    let Some(set) = vendor_set("1.5.0", "a system upgrade") else { return };
    let Some(newer) = vendor_set("2.2.0", "a system upgrade") else { return };
    let mut bench = Bench::new(&set, &[], UpdateSettings::default());
    let uploads = cloud::system_uploads(&newer);
    let upgrade = bench.command("ota-system", 0, Action::UpdateSystem(uploads.clone()));
    bench.run_while_open(upgrade, 300);
    assert_eq!(bench.answer(upgrade), "the device has it");
    bench.run(bench.machine.now().time_ps / PS_PER_S + 8);
    assert_eq!(bench.machine.observer.led().state().to_string(), "breathing cyan");
    for upload in &uploads {
        let start = lockstep_images::module::parse(&upload.image).unwrap().info.start;
        assert!(bench.flash(start, upload.image.len()) == upload.image, "{}", upload.name);
    }
    bench.assert_healthy();
    let delivered: Vec<u64> = bench
        .cloud
        .iter()
        .filter(|(_, kind)| matches!(kind, CloudEventKind::UpdateDelivered { .. }))
        .map(|(time_ps, _)| *time_ps)
        .collect();
    assert_eq!(delivered.len(), 4, "boot loader and three parts");
    let missed = |kind: &CloudEventKind| matches!(kind, CloudEventKind::UpdateChunksMissed { .. });
    let mut cells = vec!["1.5.0 to 2.2.0".to_owned(), format!("{} rounds of missing chunks", bench.count(missed))];
    cells.extend(delivered.into_iter().map(s));
    row(&cells);
}

/// Our application, needing a later system part than is there.
fn needing(version: u16) -> Vec<u8> {
    let mut bytes = APP.to_vec();
    bytes[18..20].copy_from_slice(&version.to_le_bytes());
    lockstep_images::module::seal(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_device_in_safe_mode_is_healed() {
    let Some(set) = vendor_set("1.5.0", "a device in safe mode") else { return };
    let Some(newer) = vendor_set("1.5.1", "a device in safe mode") else { return };
    let app = Image::parse("app", &needing(1511), None).unwrap();
    let mut bench = Bench::new(&set, &[app], UpdateSettings::default());
    let heal = bench.command("heal", 0, Action::Heal(cloud::system_uploads(&newer)));
    bench.run(22);
    assert_eq!(bench.machine.observer.led().state().to_string(), "breathing magenta", "safe mode");
    let safe_mode = |kind: &CloudEventKind| matches!(kind, CloudEventKind::Published { name, .. } if name == "spark/device/safemode");
    let seen_ps = bench.at(0, safe_mode);
    assert!(bench.lines.is_empty());
    bench.run_while_open(heal, 300);
    assert_eq!(bench.answer(heal), "the device has it");
    bench.run(bench.machine.now().time_ps / PS_PER_S + 6);
    assert_eq!(bench.machine.observer.led().state().to_string(), "breathing cyan");
    assert!(bench.lines[0].1.contains("lockstep-app 1 "), "{:?}", bench.lines);
    bench.assert_healthy();
    row(&["1.5.0, application needs 1.5.1".to_owned(), s(seen_ps), s(bench.lines[0].0)]);
}

/// What the device acknowledges and does not take, and what it takes and cannot run.
#[test]
fn a_damaged_application_is_not_taken_and_one_that_needs_more_ends_in_safe_mode() {
    let test = "a_damaged_application_is_not_taken";
    let Some(set) = vendor_set("2.2.0", test) else { return };
    let mut damaged = APP.to_vec();
    damaged[300] ^= 1;
    for (image, is_taken, led) in [(damaged, false, "breathing cyan"), (needing(9999), true, "breathing magenta")] {
        let mut bench = Bench::new(&set, &[], UpdateSettings::default());
        let before = bench.flash(APP_PLACE, 0x2_0000);
        let ota = bench.command("ota", 25, Action::Update(vec![cloud::upload("app.bin", &image)]));
        bench.run_while_open(ota, 60);
        let delivered = |kind: &CloudEventKind| matches!(kind, CloudEventKind::UpdateDelivered { .. });
        assert_eq!(bench.count(delivered), 1, "acknowledged either way");
        let expected = if is_taken {
            CommandState::Done { answer: "the device has it".to_owned() }
        } else {
            CommandState::Failed { reason: "app.bin: the device came back without it".to_owned() }
        };
        assert_eq!(bench.state(ota), expected);
        bench.run(bench.machine.now().time_ps / PS_PER_S + 5);
        assert_eq!(bench.machine.observer.led().state().to_string(), led);
        assert_eq!(bench.flash(APP_PLACE, image.len()) == image, is_taken);
        assert_eq!(bench.flash(APP_PLACE, 0x2_0000) == before, !is_taken);
        assert!(bench.lines.is_empty(), "our application runs in neither case");
        bench.assert_healthy();
    }
}

#[test]
fn an_updated_run_is_the_same_however_it_is_cut() {
    let Some(set) = vendor_set("2.2.0", "an updated run is the same however it is cut") else { return };
    let bench = || {
        let mut bench = Bench::new(&set, &[], UpdateSettings::default());
        bench.command("ota", 25, our_application());
        bench
    };
    let mut plain = bench();
    plain.run(30);
    assert_eq!(plain.state(0), CommandState::Running);
    let mut cut = bench();
    // Before the command, between UpdateBegin and UpdateReady, among the chunks, in the boot loader's copying.
    for at_ms in [24_999, 25_800, 27_070, 27_500, 28_400] {
        cut.machine.run_until_ps(at_ms * PS_PER_MS).unwrap();
        let bytes = cut.machine.snapshot().to_bytes().unwrap();
        cut.machine = Machine::restore(&Snapshot::from_bytes(&bytes).unwrap(), false).unwrap();
    }
    cut.run(30);
    assert_eq!(cut.machine.state_hash(), plain.machine.state_hash());
}
