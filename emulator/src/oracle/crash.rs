//! Faults, lock-up, panics, watchdogs, reset loops.

use lockstep_modem::network::{CloudEvent, CloudEventKind};
use lockstep_peripherals::board::Pattern;
use lockstep_peripherals::rcc::ResetCause;
use lockstep_peripherals::time::PS_PER_S;

use super::finding::{Finding, Kind};
use crate::core::faults::Fault;
use crate::machine::{GuestFault, Machine};
use crate::observe::Seen;
use crate::setup::duration::seconds;
use crate::world::NullWrite;

/// So many resets that nobody outside caused,
const LOOP_RESETS: usize = 4;
/// each within this time of the one before, are a loop.
const LOOP_GAP_PS: u64 = 60 * PS_PER_S;

/// So many places of stores through a null pointer are named.
const PLACES_MAX: usize = 4;

/// What the oracle remembers.
#[derive(Clone, Debug, Default)]
pub struct Crash {
    resets_ps: Vec<u64>,
    is_loop_told: bool,
    /// The reset that follows is the board's watchdog's, not somebody's from outside.
    is_by_watchdog: bool,
    /// Changes of the LED that were looked at.
    led_changes: usize,
    /// Stores through a null pointer since the last look.
    null_writes: Vec<NullWrite>,
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
            Seen::ExternalWatchdog { now } => {
                self.is_by_watchdog = true;
                findings.push(Finding {
                    kind: Kind::WatchdogReset,
                    time_ps: now.time_ps,
                    instructions,
                    text: "the watchdog on the reset pin reset the chip".to_owned(),
                    signature: "external".to_owned(),
                });
            }
            Seen::NullWrite(write) => self.null_writes.push(*write),
            // After an update a device resets to take it, and again for each module: on purpose.
            Seen::Cloud(CloudEvent { kind: CloudEventKind::UpdateDelivered { .. }, .. }) => self.resets_ps.clear(),
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
        let is_by_watchdog = std::mem::take(&mut self.is_by_watchdog);
        if matches!(cause, ResetCause::Pin | ResetCause::PowerOn) && !is_by_watchdog {
            return self.resets_ps.clear();
        }
        if self.resets_ps.last().is_some_and(|last| time_ps.saturating_sub(*last) > LOOP_GAP_PS) {
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
                text: format!(
                    "{} resets since {} s, each within {} s of the one before, and nobody outside caused them",
                    self.resets_ps.len(),
                    seconds(first_ps),
                    LOOP_GAP_PS / PS_PER_S
                ),
                signature: format!("{cause:?}"),
            });
        }
    }

    /// The machine, looked at.
    pub fn look(&mut self, machine: &Machine, findings: &mut Vec<Finding>) {
        let null_writes = std::mem::take(&mut self.null_writes);
        findings.extend(null_write(&null_writes, machine.instructions()));
        let changes = machine.observer.led().changes();
        for change in changes.get(self.led_changes..).unwrap_or_default() {
            let Pattern::Sos { code } = change.state.pattern else { continue };
            findings.push(Finding {
                kind: Kind::Panic,
                time_ps: change.time_ps,
                instructions: machine.instructions(),
                text: format!("the LED says SOS and {code} blinks: {}", change.state.meaning().unwrap_or("unknown")),
                signature: code.to_string(),
            });
        }
        self.led_changes = changes.len();
    }
}

/// One finding for all stores of a look: a function that is given a null pointer makes several.
fn null_write(writes: &[NullWrite], instructions: u64) -> Option<Finding> {
    let first = writes.first()?;
    let mut places: Vec<String> = writes.iter().take(PLACES_MAX).map(|write| format!("{:#010x}", write.pc)).collect();
    if writes.len() > PLACES_MAX {
        places.push(format!("{} more", writes.len() - PLACES_MAX));
    }
    let (low, high) = writes.iter().fold((u32::MAX, 0), |(low, high), w| (low.min(w.address), high.max(w.address)));
    let to = if low == high { format!("{low:#010x}") } else { format!("{low:#010x} to {high:#010x}") };
    Some(Finding {
        kind: Kind::NullWrite,
        time_ps: first.now.time_ps,
        instructions,
        text: format!(
            "a store as through a null pointer, at {}, to {to}; flash is there, and keeps what it has",
            places.join(", ")
        ),
        signature: format!("at {:#010x}", first.pc),
    })
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

#[cfg(test)]
mod tests {
    use lockstep_peripherals::Now;

    use super::*;
    use crate::observe::ResetSeen;

    fn reset(at_s: u64, cause: ResetCause) -> Seen {
        let now = Now { cycles: 0, time_ps: at_s * PS_PER_S };
        Seen::Reset(ResetSeen { now, instructions: 0, cause })
    }

    fn found(seen: &[Seen]) -> Vec<(Kind, u64)> {
        let (mut oracle, mut findings) = (Crash::default(), Vec::new());
        seen.iter().for_each(|seen| oracle.see(seen, 0, &mut findings));
        findings.iter().map(|finding| (finding.kind, finding.time_ps / PS_PER_S)).collect()
    }

    #[test]
    fn four_resets_of_its_own_are_a_loop_told_once() {
        let resets: Vec<Seen> = (1..8).map(|n| reset(10 * n, ResetCause::Software)).collect();
        assert_eq!(found(&resets), [(Kind::ResetLoop, 10)]);
        assert_eq!(found(&resets[..3]), []);
        let seldom: Vec<Seen> = (1..8).map(|n| reset(61 * n, ResetCause::Software)).collect();
        assert_eq!(found(&seldom), []);
    }

    #[test]
    fn somebody_at_the_reset_pin_is_no_loop_and_the_board_s_watchdog_is() {
        let taps: Vec<Seen> = (1..8).map(|n| reset(n, ResetCause::Pin)).collect();
        assert_eq!(found(&taps), []);
        let dog = |n: u64| {
            [
                Seen::ExternalWatchdog { now: Now { cycles: 0, time_ps: 20 * n * PS_PER_S } },
                reset(20 * n, ResetCause::Pin),
            ]
        };
        let bites: Vec<Seen> = (1..5).flat_map(dog).collect();
        let kinds: Vec<Kind> = found(&bites).into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(kinds.iter().filter(|kind| **kind == Kind::WatchdogReset).count(), 4);
        assert_eq!(kinds.iter().filter(|kind| **kind == Kind::ResetLoop).count(), 1, "{kinds:?}");
    }

    #[test]
    fn the_resets_of_updates_are_no_loop() {
        let delivered = |n: u64| {
            let kind = CloudEventKind::UpdateDelivered { request: n };
            Seen::Cloud(CloudEvent { time_ps: 0, device_id: None, kind })
        };
        let updates: Vec<Seen> = (1..6)
            .flat_map(|n| [delivered(n), reset(40 * n, ResetCause::Software), reset(40 * n + 2, ResetCause::Software)])
            .collect();
        assert_eq!(found(&updates), []);
    }
}
