//! What happens to the modem in a run, and when: changes of the world around it, and faults. One list of both, with one
//! text form ([`SYNTAX`]), so that a command line, a scenario file and a hunt say it the same way.

mod text;

use serde::{Deserialize, Serialize};

use crate::config::{Admission, SimState};
use crate::time::DurationRange;

pub use text::{PlanError, SYNTAX};

/// One entry of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// What happens.
    pub what: What,
    /// When.
    pub when: When,
}

/// All that happens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan(pub Vec<Event>);

/// What happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// The world around the modem changes.
    Change(Change),
    /// The module, or the network with it, fails.
    Fault(Fault),
}

/// A change of the world around the modem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// `coverage=on|off`: radio coverage.
    Coverage(bool),
    /// `link=up|down`: the link behind the modem passes packets or none, and the modem is not told (see also
    /// [`LinkConfig::outages`](crate::network::LinkConfig)).
    LinkDown(bool),
    /// `signal=RSSI,QUALITY`: as `AT+CSQ` codes them.
    Signal {
        /// 0 to 31, 99 unknown.
        strength: u8,
        /// 0 to 7, 99 unknown.
        quality: u8,
    },
    /// `admission=home|roaming|denied`: the network lets the modem in, or no longer; it registers anew.
    Admission(Admission),
    /// `detach`: the network detaches the modem from packet service; PDP contexts and sockets die.
    Detach,
    /// `pdp_drop`: the network ends the PDP contexts and leaves the modem attached.
    PdpDrop,
    /// `pdp=refused|accepted`: whether PDP activation succeeds from now on.
    PdpRefused(bool),
    /// `sim=ready|absent|failure|pin:DIGITS|puk:DIGITS`: the card.
    Sim(SimState),
    /// `sms=NUMBER,TEXT`: somebody sends a message to the modem.
    Sms {
        /// The sender's number.
        from: String,
        /// The text.
        text: String,
    },
    /// `supply=on|off`: the module's supply voltage.
    Supply(bool),
}

/// A failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// `stuck[=TIME]`: the serial interface takes and gives nothing, for that long or until a reset. What happens
    /// meanwhile is told afterwards.
    Stuck(Option<DurationRange>),
    /// `lockup`: the module does nothing any more, and only loss of its supply helps: RESET_N and PWR_ON do not.
    LockUp,
    /// `reset`: the module resets by itself.
    Reset,
    /// `power_cut=TIME`: the supply is gone for that long.
    PowerCut(DurationRange),
    /// `garbage`: a character that nobody sent appears on TXD, also within a response.
    Garbage,
    /// `lost_ok`: a command's final result is never sent.
    LostResult,
    /// `late_ok=TIME`: a command's final result comes later by that.
    LateResult(DurationRange),
    /// `error[=CME]`: a command is not executed and answered by an error: the plain `ERROR`, or this number.
    Error(Option<u32>),
    /// `lost_urc`: a URC is never sent.
    LostUrc,
    /// `leak`: a socket that is closed keeps its handle occupied until the module restarts.
    Leak,
    /// `slow_connect[=TIME]`: `AT+USOCO` takes longer by 5 to 20 s, or by that.
    SlowConnect(DurationRange),
    /// `denied`: an attempt to register is refused.
    Denied,
    /// `pdp_refused`: a PDP activation is refused.
    PdpRefused,
}

/// A time, an occasion, or an occasion from a time on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct When {
    /// Not before this virtual time, in picoseconds.
    pub from_ps: u64,
    /// At which occasion; `None` is the time itself.
    pub occasion: Option<Occasion>,
}

/// What an event waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Occasion {
    /// The command's or URC's name without its `+`; `None` is any that fits.
    pub name: Option<String>,
    /// Which of them.
    pub count: Count,
}

/// Which of several occasions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Count {
    /// All of them.
    Every,
    /// The nth, from 1.
    Nth(u64),
    /// So many of 10,000, drawn from the seed.
    Rate(u32),
}

/// At what kind of occasion something can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// A command is about to be executed.
    Command,
    /// A URC is about to be sent.
    Urc,
    /// The network answers an attempt to register.
    Registration,
    /// The network answers a PDP activation.
    Activation,
    /// A socket has been closed.
    Close,
}

impl What {
    /// Whether it can happen at a time, without an occasion.
    pub(crate) fn is_instant(&self) -> bool {
        match self {
            Self::Change(_) => true,
            Self::Fault(fault) => {
                matches!(fault, Fault::Stuck(_) | Fault::LockUp | Fault::Reset | Fault::PowerCut(_) | Fault::Garbage)
            }
        }
    }

    /// Whether it can happen at this occasion.
    pub(crate) fn fits(&self, class: Class, name: &str) -> bool {
        match self {
            Self::Fault(Fault::LostUrc) => class == Class::Urc,
            Self::Fault(Fault::Denied) => class == Class::Registration,
            Self::Fault(Fault::Leak) => class == Class::Close && name == "USOCL",
            Self::Fault(Fault::SlowConnect(_)) => class == Class::Command && name == "USOCO",
            Self::Fault(Fault::PdpRefused) => class == Class::Activation && (name == "UPSDA" || name == "CGACT"),
            _ => class == Class::Command,
        }
    }
}
