//! Genuine firmware at the device service: handshake, hello, subscriptions, time, a function call, a reset in which the
//! session is kept, and the keepalive ping.

#[path = "common/vendor.rs"]
mod vendor;

use lockstep::electron::{D7, DeviceSettings, electron};
use lockstep::{Machine, Seen, Snapshot, Stage, cloud};
use lockstep_modem::network::CloudEventKind;
use lockstep_modem::network::service::{DeviceId, DeviceRecord, ServerRequest};

use vendor::vendor_set;

const PS_PER_S: u64 = 1_000_000_000_000;

/// A device and what its service saw, with times.
struct Bench {
    machine: Machine,
    seen: Vec<(u64, CloudEventKind)>,
}

impl Bench {
    fn boot(version: &str) -> Option<Self> {
        let set = vendor_set(version, "genuine firmware at the device service")?;
        let mut flash = set.flash().unwrap();
        cloud::provision(&mut flash).unwrap();
        let settings = DeviceSettings { seed: 1, cloud: true, ..DeviceSettings::default() };
        Some(Self { machine: electron(flash.into_bytes(), &settings).unwrap(), seen: Vec::new() })
    }

    fn run(&mut self, to_s: u64) {
        self.machine.run_until_ps(to_s * PS_PER_S).unwrap();
        for seen in self.machine.observer.take_seen() {
            if let Seen::Cloud(event) = seen {
                self.seen.push((event.time_ps, event.kind));
            }
        }
    }

    fn led(&self) -> String {
        self.machine.observer.led().state().to_string()
    }

    fn device(&mut self) -> (DeviceId, DeviceRecord) {
        let service = self.machine.world.state.electron.modem.network().service().unwrap();
        let [(id, device)] = service.devices().iter().collect::<Vec<_>>()[..] else { panic!("one device") };
        (*id, device.clone())
    }

    fn ask(&mut self, request: ServerRequest) -> u64 {
        let (id, _) = self.device();
        let now_ps = self.machine.now().time_ps;
        let network = self.machine.world.state.electron.modem.network();
        network.service_mut().unwrap().ask(now_ps, id, request).unwrap()
    }

    fn since(&self, s: u64) -> impl Iterator<Item = &CloudEventKind> {
        self.seen.iter().filter(move |(time_ps, _)| *time_ps >= s * PS_PER_S).map(|(_, kind)| kind)
    }

    /// Connected as a healthy device is.
    fn assert_connected(&mut self, version: &str) {
        let reached = |stage| self.machine.observer.stage(stage).is_some();
        assert!(reached(Stage::Handshake) && reached(Stage::CloudConnected), "{version}: {:?}", self.seen);
        assert_eq!(self.led(), "breathing cyan", "{version}");
        let (_, device) = self.device();
        assert_eq!(device.hello.unwrap().platform, 10, "{version}");
        assert!(device.subscriptions.contains(&"spark".to_owned()), "{version}: {:?}", device.subscriptions);
        assert!(!device.description.modules.is_empty(), "{version}");
        let wants_time = |kind: &CloudEventKind| matches!(kind, CloudEventKind::Time { .. });
        assert!(self.since(0).any(wants_time), "{version}: {:?}", self.seen);
        assert!(self.machine.observer.faults().is_empty(), "{version}");
        let ledger = self.machine.world.state.electron.modem.ledger().entries();
        assert!(ledger.keys().all(|name| !name.starts_with("cloud")), "{version}: {ledger:?}");
    }
}

#[test]
fn genuine_2_2_0_connects_answers_keeps_its_session_over_a_reset_and_pings() {
    let Some(mut bench) = Bench::boot("2.2.0") else { return };
    bench.run(30);
    bench.assert_connected("2.2.0");
    let handshakes = |bench: &Bench| bench.since(0).filter(|kind| **kind == CloudEventKind::Handshake).count();
    assert_eq!(handshakes(&bench), 1);

    // The vendor's default application registers a function that writes a pin.
    let call = ServerRequest::Function { name: "digitalwrite".to_owned(), argument: "D7,HIGH".to_owned() };
    let (call, ping) = (bench.ask(call), bench.ask(ServerRequest::Ping));
    bench.run(35);
    let answers: Vec<_> = bench.since(30).filter(|kind| matches!(kind, CloudEventKind::Answered { .. })).collect();
    let called = CloudEventKind::Answered { request: call, code: 0x44, payload: vec![0, 0, 0, 1] };
    let pinged = CloudEventKind::Answered { request: ping, code: 0, payload: vec![] };
    assert_eq!(answers, [&called, &pinged]);
    assert_eq!(bench.machine.world.state.soc.pin_driven(D7), Some(true), "and the pin is high");

    bench.run(40);
    bench.machine.tap_reset();
    bench.run(60);
    assert_eq!(bench.led(), "breathing cyan");
    assert_eq!(bench.since(40).next(), Some(&CloudEventKind::Resumed), "{:?}", bench.seen);
    assert_eq!(handshakes(&bench), 1, "no second handshake");
    assert_eq!(bench.device().1.resumptions, 1);

    // The keepalive falls 23 minutes after the device last sent something.
    let last_ps = bench.seen.last().unwrap().0;
    bench.run(1450);
    let pings: Vec<u64> =
        bench.seen.iter().filter(|(ps, k)| *ps > last_ps && *k == CloudEventKind::Ping).map(|(ps, _)| *ps).collect();
    assert_eq!(pings.len(), 1, "{pings:?}");
    let minutes = (pings[0] - last_ps) as f64 / (60 * PS_PER_S) as f64;
    assert!((22.9..23.2).contains(&minutes), "{minutes} min");
    assert_eq!(bench.led(), "breathing cyan", "answered: the device goes on");
}

#[test]
fn every_other_genuine_set_connects_and_keeps_its_session_over_a_reset() {
    for (version, connected_s) in
        [("2.0.0", 25), ("2.1.0", 25), ("2.3.1", 25), ("1.5.0", 25), ("1.5.1", 25), ("0.5.2", 38)]
    {
        let Some(mut bench) = Bench::boot(version) else { continue };
        bench.run(connected_s);
        bench.assert_connected(version);
        bench.machine.tap_reset();
        bench.run(connected_s + 8);
        assert_eq!(bench.since(connected_s).next(), Some(&CloudEventKind::Resumed), "{version}: {:?}", bench.seen);
        assert_eq!(bench.led(), "breathing cyan", "{version}");
        assert_eq!(bench.device().1.resumptions, 1, "{version}");
    }
}

#[test]
fn a_device_with_another_server_s_key_refuses_the_service() {
    let Some(set) = vendor_set("2.2.0", "a device with another server's key") else { return };
    // No table: the vendor's key, compiled in.
    let flash = set.flash().unwrap();
    assert_eq!(cloud::server_key(flash.bytes()).unwrap(), cloud::ServerKey::None);
    let settings = DeviceSettings { seed: 1, cloud: true, ..DeviceSettings::default() };
    let mut bench = Bench { machine: electron(flash.into_bytes(), &settings).unwrap(), seen: Vec::new() };
    bench.run(22);
    let is_hello = |kind: &CloudEventKind| matches!(kind, CloudEventKind::ClientHello { has_cookie: true });
    assert!(bench.since(0).any(is_hello), "{:?}", bench.seen);
    assert!(bench.machine.observer.stage(Stage::Handshake).is_none());
}

#[test]
fn a_cloud_connected_run_is_the_same_however_it_is_cut() {
    let Some(mut plain) = Bench::boot("2.2.0") else { return };
    plain.run(26);
    let expected = plain.machine.state_hash();
    let mut cut = Bench::boot("2.2.0").unwrap();
    // In the first hello's flight, between the flights, after the handshake, online.
    for at_ms in [17_300, 17_900, 18_900, 20_300, 20_900, 23_456] {
        cut.machine.run_until_ps(at_ms * PS_PER_S / 1000).unwrap();
        let bytes = cut.machine.snapshot().to_bytes().unwrap();
        cut.machine = Machine::restore(&Snapshot::from_bytes(&bytes).unwrap(), false).unwrap();
    }
    cut.run(26);
    assert_eq!(cut.machine.state_hash(), expected);
}
