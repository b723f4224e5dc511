//! The events.

use std::net::{Ipv4Addr, SocketAddrV4};

use serde::{Deserialize, Serialize};

/// What leaves the simulated world. A connection or query has a number that its run uses once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outbound {
    /// The device opens a TCP connection.
    Connect {
        /// The connection.
        connection: u64,
        /// Where to.
        to: SocketAddrV4,
        /// Bytes that the device's window takes: no more may be sent before [`Outbound::Credit`].
        credit_bytes: u32,
    },
    /// Bytes of a stream.
    Data {
        /// The connection.
        connection: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// The device sends no more (a FIN).
    Finish {
        /// The connection.
        connection: u64,
    },
    /// The device has reset the connection, or given it up.
    Reset {
        /// The connection.
        connection: u64,
    },
    /// The device has taken bytes: as many more may come.
    Credit {
        /// The connection.
        connection: u64,
        /// How many.
        bytes: u32,
    },
    /// A UDP datagram.
    Datagram {
        /// The device's port.
        from_port: u16,
        /// Where to.
        to: SocketAddrV4,
        /// The payload.
        bytes: Vec<u8>,
    },
    /// A name that the simulated world does not know.
    Resolve {
        /// The query.
        query: u64,
        /// The name.
        name: String,
    },
}

/// What comes into the simulated world.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Inbound {
    /// A connection is open.
    Connected {
        /// The connection.
        connection: u64,
    },
    /// It could not be opened.
    Failed {
        /// The connection.
        connection: u64,
        /// Why.
        failure: ConnectFailure,
    },
    /// Bytes of a stream.
    Data {
        /// The connection.
        connection: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// The peer sends no more.
    Finished {
        /// The connection.
        connection: u64,
    },
    /// The connection is gone.
    Reset {
        /// The connection.
        connection: u64,
    },
    /// Bytes of [`Outbound::Data`] were written to the real connection.
    Taken {
        /// The connection.
        connection: u64,
        /// How many.
        bytes: u32,
    },
    /// A UDP datagram.
    Datagram {
        /// Where from, as the device knows it.
        from: SocketAddrV4,
        /// The device's port.
        to_port: u16,
        /// The payload.
        bytes: Vec<u8>,
    },
    /// The answer to a query.
    Resolved {
        /// The query.
        query: u64,
        /// The name's addresses.
        answer: Result<Vec<Ipv4Addr>, ResolveFailure>,
    },
}

/// Why a connection could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConnectFailure {
    /// The gateway was not told to allow it.
    NotAllowed,
    /// The peer refused.
    Refused,
    /// No answer in time, or no way there.
    Unreachable,
}

/// Why a name could not be resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResolveFailure {
    /// The gateway was not told to allow it.
    NotAllowed,
    /// The resolver of the gateway's host has no IPv4 address for it.
    NotFound,
}

/// Run to gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToGateway {
    /// First, and once.
    Hello {
        /// The sender's [`VERSION`](crate::VERSION).
        version: u32,
    },
    /// An event.
    Event(Outbound),
}

/// Gateway to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromGateway {
    /// First, in answer to the run's.
    Hello {
        /// The sender's [`VERSION`](crate::VERSION).
        version: u32,
    },
    /// An event.
    Event(Inbound),
    /// The gateway ends the session.
    Bye {
        /// Why, for people.
        reason: String,
    },
}
