//! A device with genuine firmware, and what its user sees of it.

use lockstep::electron::{D7, DeviceSettings, electron};
use lockstep::{Machine, Seen, Stage, Stop, cloud};
use lockstep_images::app_config::{self, AppConfig};
use lockstep_images::dct::{DctSpec, KeySource};
use lockstep_images::{FirmwareSet, Image};
use lockstep_modem::AtLogEntry;
use lockstep_modem::network::service::ServerRequest;
use lockstep_modem::network::{CloudEvent, CloudEventKind};
use lockstep_peripherals::time::{PS_PER_MS, PS_PER_S};

/// Our own application, as built.
pub const APP: &[u8] = include_bytes!("../../../firmware-images/built/app.bin");
/// Where user modules live.
pub const APP_PLACE: u32 = 0x0808_0000;

/// What a device gets when it is set up: keys, the server's key and address.
pub fn provisioned() -> DctSpec {
    DctSpec {
        device_private_key: Some(KeySource::Seed { seed: 1 }),
        server_public_key: Some(KeySource::Seed { seed: 2 }),
        server_address: Some("$id.udp.particle.io:5684".parse().unwrap()),
        claimed: Some(true),
        ..DctSpec::default()
    }
}

/// Our application with these settings.
pub fn app(config: &AppConfig) -> Image {
    Image::parse("app", &app_config::configure(APP, config).unwrap(), None).unwrap()
}

/// A line of text.
pub struct Line {
    /// When the stop bits of its first and last characters ended, in picoseconds.
    pub start_ps: u64,
    pub end_ps: u64,
    pub text: String,
}

/// A running device.
pub struct Device {
    pub machine: Machine,
    /// Text on Serial1 (USART1).
    pub lines: Vec<Line>,
    line: String,
    line_start_ps: u64,
    /// AT traffic.
    pub at: Vec<AtLogEntry>,
    /// What the device service saw.
    pub cloud: Vec<CloudEvent>,
    /// Changes of D7's pin: time in milliseconds to 10 ms, level driven.
    pub d7: Vec<(u64, Option<bool>)>,
}

impl Device {
    /// With the set, images of our own over it, and a configuration table unless it shall stay erased.
    pub fn new(set: &FirmwareSet, own: &[Image], dct: Option<&DctSpec>) -> Self {
        let mut flash = set.flash_with(own).unwrap();
        if let Some(dct) = dct {
            flash.place_dct("dct", &dct.build(".".as_ref()).unwrap()).unwrap();
        }
        Self::with_flash(flash.into_bytes())
    }

    /// With this content of flash.
    pub fn with_flash(flash: Vec<u8>) -> Self {
        Self::with_settings(flash, &DeviceSettings { seed: 1, ..DeviceSettings::default() })
    }

    fn with_settings(flash: Vec<u8>, settings: &DeviceSettings) -> Self {
        let machine = electron(flash, settings).unwrap();
        Self {
            machine,
            lines: Vec::new(),
            line: String::new(),
            line_start_ps: 0,
            at: Vec::new(),
            cloud: Vec::new(),
            d7: vec![(0, None)],
        }
    }

    /// With the set, our application and the device service.
    pub fn online(set: &FirmwareSet, config: &AppConfig) -> Self {
        Self::online_with_seed(set, config, 1)
    }

    /// The same with another seed of what the outside world chooses.
    pub fn online_with_seed(set: &FirmwareSet, config: &AppConfig, seed: u64) -> Self {
        let mut flash = set.flash_with(&[app(config)]).unwrap();
        cloud::provision(&mut flash).unwrap();
        let settings = DeviceSettings { seed, cloud: true, ..DeviceSettings::default() };
        Self::with_settings(flash.into_bytes(), &settings)
    }

    /// Asks something of the device through its service.
    pub fn ask(&mut self, request: ServerRequest) -> u64 {
        let now_ps = self.machine.now().time_ps;
        let service = self.machine.world.state.electron.modem.network().service_mut().unwrap();
        let (&id, _) = service.devices().iter().next().unwrap();
        service.ask(now_ps, id, request).unwrap()
    }

    /// What the service saw from a time on, in milliseconds.
    pub fn cloud_since(&self, ms: u64) -> impl Iterator<Item = &CloudEventKind> {
        self.cloud.iter().filter(move |event| event.time_ps >= ms * PS_PER_MS).map(|event| &event.kind)
    }

    /// The texts of the lines on Serial1 that have this in them, with the firmware's milliseconds before it.
    pub fn logged<'a>(&'a self, part: &'a str) -> impl Iterator<Item = (u64, &'a str)> {
        self.lines.iter().filter(move |line| line.text.contains(part)).map(|line| {
            let (time, text) = line.text.trim_end().split_once(' ').unwrap_or_default();
            (time.parse().unwrap_or(0), text)
        })
    }

    /// Runs until `ms` of virtual time have passed since power-on.
    pub fn run_until_ms(&mut self, ms: u64) {
        self.run_while(ms, |_| true);
    }

    /// Runs until a stage is reached, or `ms` have passed since power-on.
    pub fn run_to(&mut self, stage: Stage, ms: u64) -> bool {
        self.run_while(ms, |device| device.machine.observer.stage(stage).is_none());
        self.machine.observer.stage(stage).is_some()
    }

    /// Runs as long as this holds, looked at every 10 ms, or until `ms` have passed since power-on.
    pub fn run_while(&mut self, ms: u64, go_on: impl Fn(&Self) -> bool) {
        while self.now_ms() < ms && go_on(self) {
            let next_ms = (self.now_ms() / 10 * 10 + 10).min(ms);
            let stop = self.machine.run_until_ps(next_ms * PS_PER_MS).unwrap();
            assert_eq!(stop, Stop::Limit, "at {next_ms} ms");
            self.look(next_ms);
        }
    }

    /// Milliseconds of virtual time since power-on.
    pub fn now_ms(&self) -> u64 {
        self.machine.now().time_ps / PS_PER_MS
    }

    fn look(&mut self, now_ms: u64) {
        let level = self.machine.world.state.soc.pin_driven(D7);
        if self.d7.last().is_none_or(|last| last.1 != level) {
            self.d7.push((now_ms, level));
        }
        for seen in self.machine.observer.take_seen() {
            match seen {
                Seen::Serial { usart: 1, byte, now } => {
                    if self.line.is_empty() {
                        self.line_start_ps = now.time_ps;
                    }
                    self.line.push(char::from(byte));
                    if byte == b'\n' {
                        let text = std::mem::take(&mut self.line);
                        self.lines.push(Line { start_ps: self.line_start_ps, end_ps: now.time_ps, text });
                    }
                }
                Seen::At(entry) => self.at.push(entry),
                Seen::Cloud(event) => self.cloud.push(event),
                _ => {}
            }
        }
    }

    /// What the LED showed, in words, with the time in seconds at which each began.
    pub fn led(&self) -> Vec<(f64, String)> {
        let changes = self.machine.observer.led().changes();
        changes.iter().map(|c| (c.time_ps as f64 / PS_PER_S as f64, c.state.to_string())).collect()
    }

    /// No fault, and nothing touched that is not modelled, in the chip or in the modem.
    pub fn assert_healthy(&mut self) {
        assert!(self.machine.observer.faults().is_empty(), "{:?}", self.machine.observer.faults());
        assert_eq!(self.machine.observer.lock_up(), None);
        let state = &mut self.machine.world.state;
        assert!(state.ledger.entries().is_empty(), "{:?}", state.ledger.entries());
        let modem = state.electron.modem.ledger().entries();
        assert!(modem.is_empty(), "{modem:?}");
    }
}
