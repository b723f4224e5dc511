//! What an observer of the broker sees.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::codec::{CodecError, ConnectCode};
use super::{Message, Qos};
use crate::network::packet::Endpoint;

/// How a client broke the protocol (section 4.8).
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum ProtocolError {
    /// Bytes that are no packet of a client's.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// Something else before the CONNECT.
    #[error("a packet before the CONNECT")]
    NotConnected,
    /// A second CONNECT.
    #[error("a second CONNECT")]
    SecondConnect,
    /// A topic name that cannot be published to.
    #[error("topic name {0:?}")]
    TopicName(String),
    /// A topic filter that cannot be subscribed to.
    #[error("topic filter {0:?}")]
    TopicFilter(String),
    /// An acknowledgement of another kind than the message's quality of service asks for.
    #[error("acknowledgement of the wrong kind for packet identifier {0}")]
    Acknowledgement(u16),
}

/// Why a client is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisconnectReason {
    /// It sent DISCONNECT.
    Disconnect,
    /// It closed its connection without one.
    Closed,
    /// Its connection was reset or timed out.
    Lost,
    /// It was silent for one and a half times its keepalive.
    KeepAlive,
    /// It did not send CONNECT in time.
    NoConnect,
    /// Another connection came with its name.
    TakenOver,
    /// It was refused.
    Refused(ConnectCode),
    /// It broke the protocol.
    Protocol(ProtocolError),
}

/// Something that happened at the broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BrokerEventKind {
    /// A client connected and was accepted.
    Connected {
        /// Where it comes from.
        from: Endpoint,
        /// Whether it wants no session kept.
        clean_session: bool,
        /// Whether there was one.
        session_present: bool,
        /// Its keepalive, in seconds.
        keep_alive_s: u16,
    },
    /// A client subscribed.
    Subscribed {
        /// To what.
        filter: String,
        /// What was granted; `None` is a refusal.
        granted: Option<Qos>,
    },
    /// A client unsubscribed.
    Unsubscribed {
        /// From what.
        filter: String,
    },
    /// A message was published; a will, too, by the client whose it is.
    Published(Message),
    /// A client has acknowledged a message of quality of service 1 or 2 for good.
    Delivered {
        /// Its topic.
        topic: String,
    },
    /// A message was not queued for a client, or not retained: what is kept is full.
    Dropped {
        /// Its topic.
        topic: String,
    },
    /// A connection ended.
    Disconnected(DisconnectReason),
}

/// Something that happened at the broker, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerEvent {
    /// When, in picoseconds.
    pub time_ps: u64,
    /// The client's name; none of a connection that has not said it, or of the operator.
    pub client: Option<String>,
    /// What.
    pub kind: BrokerEventKind,
}
