//! One picture of a run, complete in itself: any frame may be dropped.

use std::net::Ipv4Addr;

use lockstep::electron::PacketCounts;
use lockstep::rtos::Task;
use lockstep::{CoreState, Machine};
use lockstep_modem::{PowerState, RegistrationStatus, SocketView};
use lockstep_peripherals::Pin;
use lockstep_peripherals::board::Rgb;

use lockstep::setup::duration::seconds;
use lockstep::setup::options::STAGES;

use super::update::Update;

/// One picture of a run.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    /// What runs.
    pub title: String,
    /// Virtual time in picoseconds.
    pub time_ps: u64,
    /// Virtual seconds per host second since the frame before.
    pub speed: f64,
    /// Million instructions per host second since the frame before.
    pub mips: f64,
    /// Instructions executed.
    pub instructions: u64,
    /// What the core is doing, if not just running.
    pub core: Option<&'static str>,
    /// Brightness of the RGB LED.
    pub led: Rgb,
    /// Its pattern, in words.
    pub led_text: String,
    /// What that means.
    pub led_meaning: Option<&'static str>,
    /// The user LED D7.
    pub d7: bool,
    /// Stages, and when they were reached.
    pub stages: Vec<(&'static str, Option<String>)>,
    /// Tasks, if an RTOS was recognised.
    pub tasks: Option<Vec<Task>>,
    /// The modem.
    pub modem: Modem,
    /// Its open sockets.
    pub sockets: Vec<SocketView>,
    /// The newest update over the air.
    pub update: Option<Update>,
    /// Faults so far.
    pub faults: usize,
    /// Things used that are not modelled.
    pub unmodelled: usize,
    /// AT traffic.
    pub modem_lines: Vec<String>,
    /// Serial output, resets, datagrams, faults.
    pub other_lines: Vec<String>,
}

/// The modem at a glance.
#[derive(Clone, Debug)]
pub struct Modem {
    /// What the module does.
    pub power: PowerState,
    /// For circuit and packet service.
    pub registration: (RegistrationStatus, RegistrationStatus),
    /// The operator's name while it is registered.
    pub operator: String,
    /// Signal strength as `AT+CSQ` codes it.
    pub signal: u8,
    /// The address, while a PDP context is up.
    pub address: Option<Ipv4Addr>,
    /// Bit rate of its line.
    pub baud_hz: u32,
    /// It can receive.
    pub cts: bool,
    /// Packets so far.
    pub packets: PacketCounts,
    /// What a socket holds for the client at most.
    pub socket_limit_bytes: usize,
}

impl Default for Modem {
    fn default() -> Self {
        Self {
            power: PowerState::Off,
            registration: (RegistrationStatus::NotRegistered, RegistrationStatus::NotRegistered),
            operator: String::new(),
            signal: 99,
            address: None,
            baud_hz: 0,
            cts: true,
            packets: PacketCounts::default(),
            socket_limit_bytes: 0,
        }
    }
}

impl Modem {
    fn of(machine: &Machine) -> Self {
        let electron = &machine.world.state.electron;
        let (modem, config) = (&electron.modem, electron.modem.config());
        let registration = modem.registration();
        let is_up = modem.pdp_profiles().iter().any(|profile| profile.active);
        let is_registered = registration.0.is_registered() || registration.1.is_registered();
        let is_on = modem.power_state() == PowerState::On;
        Self {
            power: modem.power_state(),
            registration,
            operator: if is_registered { config.cell.operator_long.clone() } else { String::new() },
            signal: if is_on && is_registered { config.cell.signal_strength } else { 99 },
            address: is_up.then_some(config.pdp.address),
            baud_hz: modem.baud_hz(),
            cts: modem.cts(),
            packets: electron.packet_counts(),
            socket_limit_bytes: config.sockets.receive_bytes,
        }
    }
}

/// What the core is doing when it does nothing any more.
pub const LOCKED_UP: &str = "LOCKED UP";

const D7: Pin = lockstep::electron::D7;

impl Frame {
    /// The machine as it is.
    pub fn of(machine: &Machine, tasks: Option<Vec<Task>>) -> Self {
        let state = &machine.world.state;
        let led = machine.observer.led();
        Self {
            time_ps: machine.now().time_ps,
            instructions: machine.instructions(),
            core: match machine.core_state() {
                CoreState::Running => None,
                CoreState::WaitForInterrupt | CoreState::WaitForEvent => Some("asleep"),
                CoreState::LockedUp => Some(LOCKED_UP),
                CoreState::Off => Some("without power"),
            },
            led: led.rgb(),
            led_text: led.state().to_string(),
            led_meaning: led.state().meaning(),
            d7: state.soc.pin_driven(D7) == Some(true),
            stages: STAGES
                .iter()
                .map(|(name, stage)| (*name, machine.observer.stage(*stage).map(|at| seconds(at.time_ps))))
                .collect(),
            tasks,
            modem: Modem::of(machine),
            sockets: state.electron.modem.sockets(),
            faults: machine.observer.faults().len(),
            unmodelled: state.ledger.entries().len(),
            ..Self::default()
        }
    }
}
