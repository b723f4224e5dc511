//! Faults, lock-up, panics, watchdogs, reset loops.

use lockstep_peripherals::board::Pattern;
use lockstep_peripherals::rcc::ResetCause;

use super::finding::{Finding, Kind};
use crate::core::faults::Fault;
use crate::machine::{GuestFault, Machine};
use crate::observe::Seen;
use crate::setup::duration::seconds;

/// So many resets that nobody outside caused,
const LOOP_RESETS: usize = 4;
/// each within this time of the one before, are a loop.
const LOOP_GAP_PS: u64 = 60_000_000_000_000;

/// What the oracle remembers.
#[derive(Clone, Debug, Default)]
pub struct Crash {
    resets_ps: Vec<u64>,
    is_loop_told: bool,
    told_panic_ps: Option<u64>,
}

impl Crash {
    /// Something was seen.
    pub fn see(&mut self, seen: &Seen, instructions: u64, findings: &mut Vec<Finding>) {
        match seen {
            Seen::Fault(fault) => findings.push(guest_fault(fault, instructions)),
            Seen::LockUp { now, pc } => findings.push(Finding {
                kind: Kind::LockUp,
                time_ps: now.time_ps,
                instructions,
                text: format!("the core locked up at {pc:#010x}: no handler runs any more, only a reset helps"),
                signature: place(*pc),
            }),
            Seen::ExternalWatchdog { now } => findings.push(Finding {
                kind: Kind::WatchdogReset,
                time_ps: now.time_ps,
                instructions,
                text: "the watchdog on the reset pin reset the chip".to_owned(),
                signature: "external".to_owned(),
            }),
            Seen::Reset(reset) => self.reset(reset.now.time_ps, reset.cause, instructions, findings),
            _ => {}
        }
    }

    fn reset(&mut self, time_ps: u64, cause: ResetCause, instructions: u64, findings: &mut Vec<Finding>) {
        if matches!(cause, ResetCause::IndependentWatchdog | ResetCause::WindowWatchdog) {
            let name = if cause == ResetCause::WindowWatchdog { "window" } else { "independent" };
            findings.push(Finding {
                kind: Kind::WatchdogReset,
                time_ps,
                instructions,
                text: format!("the {name} watchdog reset the chip"),
                signature: name.to_owned(),
            });
        }
        if matches!(cause, ResetCause::Pin | ResetCause::PowerOn) {
            return self.resets_ps.clear();
        }
        if self.resets_ps.last().is_some_and(|last| time_ps - last > LOOP_GAP_PS) {
            self.resets_ps.clear();
        }
        self.resets_ps.push(time_ps);
        if self.resets_ps.len() >= LOOP_RESETS && !self.is_loop_told {
            self.is_loop_told = true;
            let first_ps = self.resets_ps.first().copied().unwrap_or(time_ps);
            findings.push(Finding {
                kind: Kind::ResetLoop,
                time_ps: first_ps,
                instructions,
                text: format!("{} resets by the chip itself since {} s", self.resets_ps.len(), seconds(first_ps)),
                signature: format!("{cause:?}"),
            });
        }
    }

    /// The machine, looked at.
    pub fn look(&mut self, machine: &Machine, findings: &mut Vec<Finding>) {
        let state = machine.observer.led().state();
        let Pattern::Sos { code } = state.pattern else {
            self.told_panic_ps = None;
            return;
        };
        if self.told_panic_ps.is_some() {
            return;
        }
        let time_ps = machine.now().time_ps;
        self.told_panic_ps = Some(time_ps);
        findings.push(Finding {
            kind: Kind::Panic,
            time_ps,
            instructions: machine.instructions(),
            text: format!("the LED says SOS and {code} blinks: {}", state.meaning().unwrap_or("unknown")),
            signature: code.to_string(),
        });
    }
}

fn guest_fault(fault: &GuestFault, instructions: u64) -> Finding {
    let name = fault.fault.cfsr_bit().1;
    let bfar = match fault.fault {
        Fault::DataBus(address) => format!(", BFAR {address:#010x}"),
        _ => String::new(),
    };
    Finding {
        kind: Kind::GuestFault,
        time_ps: fault.now.time_ps,
        instructions,
        text: format!("{name} at {:#010x}, LR {:#010x}{bfar}", fault.pc, fault.lr),
        // A wild jump goes elsewhere in each run; where it came from is what they share.
        signature: match is_code(fault.pc) {
            true => format!("{name} at {:#010x}", fault.pc),
            false => format!("{name} outside code, LR {:#010x}", fault.lr),
        },
    }
}

fn is_code(address: u32) -> bool {
    (0x0800_0000..0x0810_0000).contains(&address)
}

fn place(pc: u32) -> String {
    if is_code(pc) { format!("{pc:#010x}") } else { "outside code".to_owned() }
}
