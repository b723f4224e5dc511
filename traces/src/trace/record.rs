//! What was observed: neutral records, without the types of those who observe.

use lockstep_gateway_protocol::{Inbound, Outbound};
use serde::{Deserialize, Serialize};

use crate::{Decision, Hash};

/// Observers look at least this often, in picoseconds.
const LOOK_PS: u64 = 10_000_000_000;

/// Which way an AT entry went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AtDirection {
    /// A command line to the modem.
    ToModem,
    /// Payload to the modem, behind a prompt.
    PayloadToModem,
    /// A response or URC.
    FromModem,
}

/// A hash of the state between two instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateRecord {
    /// Virtual time in picoseconds.
    pub time_ps: u64,
    /// Instructions executed since power-on.
    pub instructions: u64,
    /// Hash of the whole state, choices to come included: equal means that the runs go on alike.
    pub state: Hash,
    /// Hash of what the firmware has done: registers, SRAM, flash, time. Runs with different seeds can agree in it.
    pub guest: Hash,
}

/// The end of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndRecord {
    /// The state at the end.
    pub state: StateRecord,
    /// Why it ended.
    pub reason: String,
}

/// One thing that was observed. All times are virtual, in picoseconds since power-on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// The outside world made a choice.
    Decision(Decision),
    /// AT traffic.
    At {
        /// When.
        time_ps: u64,
        /// Which way.
        direction: AtDirection,
        /// The bytes, line ends included.
        bytes: Vec<u8>,
    },
    /// A byte that the firmware sent.
    Serial {
        /// When its stop bit ended.
        time_ps: u64,
        /// USART number; 0 is the host's console, by semihosting.
        usart: u8,
        /// The byte.
        byte: u8,
    },
    /// An IPv4 packet at the modem's side of the link.
    Packet {
        /// When.
        time_ps: u64,
        /// From the modem (`true`) or to it.
        is_outbound: bool,
        /// Lost on the link.
        is_lost: bool,
        /// The packet from its IPv4 header on.
        bytes: Vec<u8>,
    },
    /// A datagram that no peer answered.
    Unanswered {
        /// When.
        time_ps: u64,
        /// Sender.
        from: String,
        /// Receiver.
        to: String,
        /// Content.
        bytes: Vec<u8>,
    },
    /// Something happened at the device service.
    Cloud {
        /// When.
        time_ps: u64,
        /// The device, once it has said its name.
        device: Option<String>,
        /// The kind of event, for programs.
        kind: String,
        /// The event, for people.
        text: String,
    },
    /// A milestone of the device's start.
    Stage {
        /// When.
        time_ps: u64,
        /// Instructions executed.
        instructions: u64,
        /// Its name.
        name: String,
    },
    /// The RGB LED shows something else.
    Led {
        /// When.
        time_ps: u64,
        /// Colour and pattern.
        state: String,
        /// What it means on a Particle device.
        meaning: Option<String>,
    },
    /// A pin of the microcontroller is driven otherwise.
    Pin {
        /// When.
        time_ps: u64,
        /// Its name, for example `PB2`.
        pin: String,
        /// Its level; `None`: not driven.
        level: Option<bool>,
    },
    /// The microcontroller was reset.
    Reset {
        /// When.
        time_ps: u64,
        /// Instructions executed.
        instructions: u64,
        /// Why.
        cause: String,
    },
    /// The firmware took a fault.
    Fault {
        /// When.
        time_ps: u64,
        /// Address of the instruction.
        pc: u32,
        /// Link register.
        lr: u32,
        /// Bit of CFSR.
        cfsr: String,
        /// Address accessed, if that was the fault.
        address: Option<u32>,
    },
    /// The core locked up.
    LockUp {
        /// When.
        time_ps: u64,
        /// Where.
        pc: u32,
    },
    /// How often each exception has been entered so far; only those that have been.
    Exceptions {
        /// When.
        time_ps: u64,
        /// Number and count.
        counts: Vec<(u16, u64)>,
    },
    /// Another task runs.
    TaskSwitch {
        /// When.
        time_ps: u64,
        /// Address of its TCB.
        tcb: u32,
        /// Its name.
        name: String,
    },
    /// Something not modelled was used for the first time.
    Unmodelled {
        /// When.
        time_ps: u64,
        /// What.
        name: String,
        /// Address of the instruction, if it was an access.
        pc: Option<u32>,
    },
    /// Something that is wrong was found.
    Finding {
        /// When.
        time_ps: u64,
        /// Its kind, for programs.
        kind: String,
        /// What, for people.
        text: String,
    },
    /// Something was done to the machine: a button, a step of the scenario's timeline.
    Input {
        /// When.
        time_ps: u64,
        /// What.
        what: String,
    },
    /// Something came from the real network.
    Inbound {
        /// When it was given to the world.
        time_ps: u64,
        /// What.
        event: Inbound,
    },
    /// Something left for the real network.
    Outbound {
        /// When.
        time_ps: u64,
        /// What.
        event: Outbound,
    },
    /// A hash of the state.
    State(StateRecord),
    /// The run ended. Nothing follows.
    End(EndRecord),
}

/// The kind of a record: records of one kind are in the order in which they happened, whoever looked when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // Each is the variant of `Record` with its name.
pub enum RecordKind {
    Decision,
    At,
    Serial,
    Packet,
    Unanswered,
    Cloud,
    Stage,
    Led,
    Pin,
    Reset,
    Fault,
    LockUp,
    Exceptions,
    TaskSwitch,
    Unmodelled,
    Finding,
    Input,
    Inbound,
    Outbound,
    State,
    End,
}

impl RecordKind {
    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Decision => "decision",
            Self::At => "AT",
            Self::Serial => "serial",
            Self::Packet => "packet",
            Self::Unanswered => "unanswered",
            Self::Cloud => "cloud",
            Self::Stage => "stage",
            Self::Led => "LED",
            Self::Pin => "pin",
            Self::Reset => "reset",
            Self::Fault => "fault",
            Self::LockUp => "lock-up",
            Self::Exceptions => "exceptions",
            Self::TaskSwitch => "task",
            Self::Unmodelled => "unmodelled",
            Self::Finding => "finding",
            Self::Input => "input",
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
            Self::State => "state",
            Self::End => "end",
        }
    }
}

impl Record {
    /// When it happened, in picoseconds.
    pub fn time_ps(&self) -> u64 {
        match self {
            Self::Decision(decision) => decision.time_ps,
            Self::State(state) => state.time_ps,
            Self::End(end) => end.state.time_ps,
            Self::At { time_ps, .. }
            | Self::Serial { time_ps, .. }
            | Self::Packet { time_ps, .. }
            | Self::Unanswered { time_ps, .. }
            | Self::Cloud { time_ps, .. }
            | Self::Stage { time_ps, .. }
            | Self::Led { time_ps, .. }
            | Self::Pin { time_ps, .. }
            | Self::Reset { time_ps, .. }
            | Self::Fault { time_ps, .. }
            | Self::LockUp { time_ps, .. }
            | Self::Exceptions { time_ps, .. }
            | Self::TaskSwitch { time_ps, .. }
            | Self::Unmodelled { time_ps, .. }
            | Self::Finding { time_ps, .. }
            | Self::Input { time_ps, .. }
            | Self::Inbound { time_ps, .. }
            | Self::Outbound { time_ps, .. } => *time_ps,
        }
    }

    /// Whether it says the same as another. What an observer notices only when it looks (a stage that was reached) may be
    /// dated a little otherwise when it looks at other times.
    pub fn agrees(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Stage { name: a, time_ps: first_ps, .. }, Self::Stage { name: b, time_ps: second_ps, .. }) => {
                a == b && first_ps.abs_diff(*second_ps) <= LOOK_PS
            }
            _ => self == other,
        }
    }

    /// Its kind.
    pub fn kind(&self) -> RecordKind {
        match self {
            Self::Decision(_) => RecordKind::Decision,
            Self::At { .. } => RecordKind::At,
            Self::Serial { .. } => RecordKind::Serial,
            Self::Packet { .. } => RecordKind::Packet,
            Self::Unanswered { .. } => RecordKind::Unanswered,
            Self::Cloud { .. } => RecordKind::Cloud,
            Self::Stage { .. } => RecordKind::Stage,
            Self::Led { .. } => RecordKind::Led,
            Self::Pin { .. } => RecordKind::Pin,
            Self::Reset { .. } => RecordKind::Reset,
            Self::Fault { .. } => RecordKind::Fault,
            Self::LockUp { .. } => RecordKind::LockUp,
            Self::Exceptions { .. } => RecordKind::Exceptions,
            Self::TaskSwitch { .. } => RecordKind::TaskSwitch,
            Self::Unmodelled { .. } => RecordKind::Unmodelled,
            Self::Finding { .. } => RecordKind::Finding,
            Self::Input { .. } => RecordKind::Input,
            Self::Inbound { .. } => RecordKind::Inbound,
            Self::Outbound { .. } => RecordKind::Outbound,
            Self::State(_) => RecordKind::State,
            Self::End(_) => RecordKind::End,
        }
    }
}
