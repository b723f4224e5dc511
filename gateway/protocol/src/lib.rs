//! What a run and its gateway to the real network say to each other: events in both directions, and their framing.
//!
//! Sans-IO and without dependencies on either side. The same events are what a recording of a run holds.

#![forbid(unsafe_code)]

pub mod event;
pub mod frame;

pub use event::{ConnectFailure, FromGateway, Inbound, Outbound, ResolveFailure, ToGateway};
pub use frame::{Decoder, FrameError, encode};

/// Counted up when an event or the framing changes.
pub const VERSION: u32 = 1;
/// Payload bytes of a datagram or of one portion of a stream at most. An IPv4 datagram holds 65,507; a modem sends
/// and takes 1,024.
pub const PAYLOAD_BYTES_MAX: usize = 4096;
/// Bytes of a stream that may be on their way from device to network without the gateway having written them.
pub const UNTAKEN_BYTES_MAX: u32 = 8192;
/// Connections of one run that may be open at once.
pub const CONNECTIONS_MAX: usize = 32;
/// Names of one run that may be in question at once.
pub const QUERIES_MAX: usize = 16;
/// Addresses of a resolved name; more are left out.
pub const ADDRESSES_MAX: usize = 8;
/// Octets of a name (RFC 1035 2.3.4).
pub const NAME_OCTETS_MAX: usize = 255;
