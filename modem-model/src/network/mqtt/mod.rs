//! An MQTT 3.1.1 broker (OASIS MQTT Version 3.1.1, referred to by its section numbers), sans-IO.
//!
//! | file | what |
//! |---|---|
//! | `codec.rs` | control packets as bytes |
//! | `topic.rs` | topic names, filters, and which matches which |
//! | `session.rs` | one client's session: subscriptions, messages under way, packet identifiers |
//! | `broker.rs` | connections, take-over, keepalive, retained messages, routing |
//! | `event.rs` | what an observer sees |

mod broker;
pub mod codec;
mod event;
mod session;
#[cfg(test)]
mod tests;
pub mod topic;

use serde::{Deserialize, Serialize};

pub use broker::{Access, Broker, BrokerConfig, PublishError};
pub use codec::{CodecError, ConnectCode};
pub use event::{BrokerEvent, BrokerEventKind, DisconnectReason, ProtocolError};

/// TCP port of the protocol without TLS (IANA).
pub const PORT: u16 = 1883;

/// Quality of service (section 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Qos {
    /// 0.
    AtMostOnce,
    /// 1.
    AtLeastOnce,
    /// 2.
    ExactlyOnce,
}

impl Qos {
    /// From its number; `None` for the reserved 3 and what is beyond.
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }

    /// Its number.
    pub fn number(self) -> u8 {
        match self {
            Self::AtMostOnce => 0,
            Self::AtLeastOnce => 1,
            Self::ExactlyOnce => 2,
        }
    }
}

/// An application message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Topic name.
    pub topic: String,
    /// Content.
    pub payload: Vec<u8>,
    /// Quality of service.
    pub qos: Qos,
    /// To be kept for those who subscribe later; in a delivery: one that was kept.
    pub retain: bool,
}
