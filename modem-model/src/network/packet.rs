//! What travels on the link.
//!
//! TCP is modelled above sequence numbers: a link keeps the order of packets, so a segment needs no number, and a lost
//! segment appears to both ends as a late one.

use std::fmt;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

/// Transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protocol {
    /// 6 in `AT+USOCR`.
    Tcp,
    /// 17 in `AT+USOCR`.
    Udp,
}

impl Protocol {
    /// IANA's protocol number.
    pub fn number(self) -> u32 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
        }
    }
}

/// An address and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Endpoint {
    /// IPv4 address.
    pub address: Ipv4Addr,
    /// Port.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.address, self.port)
    }
}

/// A TCP segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Segment {
    /// Open; carries the bytes that the sender can hold.
    Syn(u32),
    /// Open accepted; likewise.
    SynAck(u32),
    /// Payload.
    Data(Vec<u8>),
    /// The reader has taken this many bytes more: room in the window.
    Ack(u32),
    /// The sender has no more to send.
    Fin,
    /// The connection does not exist (any more).
    Reset,
}

/// What a packet carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Payload {
    /// A UDP datagram.
    Udp(Vec<u8>),
    /// A TCP segment.
    Tcp(Segment),
}

impl Payload {
    /// The transport.
    pub fn protocol(&self) -> Protocol {
        match self {
            Self::Udp(_) => Protocol::Udp,
            Self::Tcp(_) => Protocol::Tcp,
        }
    }
}

/// One packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packet {
    /// Sender.
    pub from: Endpoint,
    /// Receiver.
    pub to: Endpoint,
    /// Content.
    pub payload: Payload,
    /// When it was sent. A socket opened later never receives it, even on the same port.
    pub sent_ps: u64,
}
