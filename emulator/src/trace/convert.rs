//! What an observer sees as records.

use lockstep_modem::Direction;
use lockstep_modem::network::CloudEvent;
use lockstep_modem::network::packet::to_ipv4_bytes;
use lockstep_peripherals::Pin;
use lockstep_traces::Hash;
use lockstep_traces::trace::{AtDirection, Record, StateRecord};

use crate::core::faults::Fault;
use crate::led::LedChange;
use crate::setup::options::stage_name;
use crate::{Machine, Seen};

/// The record of something seen; `None` for what traces leave out (single characters on the modem's line: they follow
/// from the AT traffic).
pub fn record(seen: &Seen) -> Option<Record> {
    Some(match seen {
        Seen::Stage(reached) => Record::Stage {
            time_ps: reached.time_ps,
            instructions: reached.instructions,
            name: stage_name(reached.stage).to_owned(),
        },
        Seen::At(entry) => Record::At {
            time_ps: entry.time_ps,
            direction: match entry.direction {
                Direction::ToModem => AtDirection::ToModem,
                Direction::PayloadToModem => AtDirection::PayloadToModem,
                Direction::FromModem => AtDirection::FromModem,
            },
            bytes: entry.bytes.clone(),
        },
        Seen::Serial { usart, byte, now } => Record::Serial { time_ps: now.time_ps, usart: *usart, byte: *byte },
        // The reset that follows has a record, and so has the finding that says who pulled the pin.
        Seen::Line(_) | Seen::ExternalWatchdog { .. } | Seen::NullWrite(_) => return None,
        Seen::Packet(captured) => Record::Packet {
            time_ps: captured.time_ps,
            is_outbound: captured.is_outbound,
            is_lost: captured.is_lost,
            bytes: to_ipv4_bytes(&captured.packet),
        },
        Seen::Datagram(datagram) => Record::Unanswered {
            time_ps: datagram.time_ps,
            from: datagram.from.to_string(),
            to: datagram.to.to_string(),
            bytes: datagram.bytes.clone(),
        },
        Seen::Cloud(event) => Record::Cloud {
            time_ps: event.time_ps,
            device: event.device_id.map(|id| id.to_string()),
            kind: cloud_kind(event),
            text: event.kind.to_string(),
        },
        Seen::Fault(fault) => Record::Fault {
            time_ps: fault.now.time_ps,
            pc: fault.pc,
            lr: fault.lr,
            cfsr: fault.fault.cfsr_bit().1.to_owned(),
            address: match fault.fault {
                Fault::DataBus(address) => Some(address),
                _ => None,
            },
        },
        Seen::Reset(reset) => Record::Reset {
            time_ps: reset.now.time_ps,
            instructions: reset.instructions,
            cause: format!("{:?}", reset.cause),
        },
        Seen::LockUp { now, pc } => Record::LockUp { time_ps: now.time_ps, pc: *pc },
    })
}

/// The name of a cloud event's kind, as its JSON form has it.
fn cloud_kind(event: &CloudEvent) -> String {
    match serde_json::to_value(&event.kind) {
        Ok(serde_json::Value::String(name)) => name,
        Ok(serde_json::Value::Object(fields)) => fields.keys().next().cloned().unwrap_or_default(),
        _ => String::new(),
    }
}

/// The record of a change of the LED.
pub fn led(change: &LedChange) -> Record {
    Record::Led {
        time_ps: change.time_ps,
        state: change.state.to_string(),
        meaning: change.state.meaning().map(str::to_owned),
    }
}

/// The record of a pin that is driven otherwise.
pub fn pin(time_ps: u64, pin: Pin, level: Option<bool>) -> Record {
    Record::Pin { time_ps, pin: format!("P{:?}{}", pin.port, pin.number), level }
}

/// The machine's state between two instructions.
pub fn state(machine: &mut Machine) -> StateRecord {
    StateRecord {
        time_ps: machine.now().time_ps,
        instructions: machine.instructions(),
        state: Hash(*machine.state_hash().as_bytes()),
        guest: Hash(*machine.guest_hash().as_bytes()),
    }
}

/// How often each exception has been entered so far.
pub fn exceptions(machine: &Machine) -> Record {
    let counts = (0u16..).zip(machine.observer.exception_counts());
    Record::Exceptions {
        time_ps: machine.now().time_ps,
        counts: counts.filter(|(_, count)| **count > 0).map(|(number, count)| (number, *count)).collect(),
    }
}
