//! One picture of a run, complete in itself: any frame may be dropped.

use lockstep::rtos::Task;
use lockstep::{CoreState, Machine};
use lockstep_peripherals::Pin;
use lockstep_peripherals::board::Rgb;

use crate::cli::duration::seconds;
use crate::cli::options::STAGES;

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
    /// The modem in some lines.
    pub modem: Vec<String>,
    /// Its sockets, a line each.
    pub sockets: Vec<String>,
    /// Faults so far.
    pub faults: usize,
    /// Things used that are not modelled.
    pub unmodelled: usize,
    /// AT traffic.
    pub modem_lines: Vec<String>,
    /// Serial output, resets, datagrams, faults.
    pub other_lines: Vec<String>,
}

const D7: Pin = lockstep::electron::D7;

impl Frame {
    /// The machine as it is.
    pub fn of(machine: &Machine, tasks: Option<Vec<Task>>) -> Self {
        let state = &machine.world.state;
        let modem = &state.electron.modem;
        let (circuit, packet) = modem.registration();
        let pdp = modem.pdp_profiles().iter().any(|profile| profile.active);
        let led = machine.observer.led();
        Self {
            time_ps: machine.now().time_ps,
            instructions: machine.instructions(),
            core: match machine.core_state() {
                CoreState::Running => None,
                CoreState::WaitForInterrupt | CoreState::WaitForEvent => Some("asleep"),
                CoreState::LockedUp => Some("LOCKED UP"),
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
            modem: vec![
                format!("power     {:?}", modem.power_state()),
                format!("network   {circuit:?}"),
                format!("packet    {packet:?}"),
                format!("PDP       {}", if pdp { "active" } else { "inactive" }),
                format!("line      {} bit/s, CTS {}", modem.baud_hz(), if modem.cts() { "ready" } else { "busy" }),
            ],
            sockets: modem
                .sockets()
                .iter()
                .map(|socket| {
                    let remote = socket.remote.map_or_else(|| "-".to_owned(), |remote| remote.to_string());
                    format!(
                        "{} {:?} :{} {remote} pending {} sent {} received {}",
                        socket.handle,
                        socket.protocol,
                        socket.local_port,
                        socket.pending_bytes,
                        socket.sent_bytes,
                        socket.received_bytes
                    )
                })
                .collect(),
            faults: machine.observer.faults().len(),
            unmodelled: state.ledger.entries().len(),
            ..Self::default()
        }
    }
}
