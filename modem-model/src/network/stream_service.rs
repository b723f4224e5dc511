//! The border between TCP and a service above it: what a service is told of its connections, and what it asks of them.
//!
//! A service is sans-IO: the same code serves connections of the simulated network and, in tests, real ones.

use serde::{Deserialize, Serialize};

use super::packet::Endpoint;

/// A connection; never used again for another one within a run.
pub type ConnectionId = u64;

/// What a service is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEvent<'a> {
    /// A client has connected.
    Connected {
        /// Where it comes from.
        from: Endpoint,
    },
    /// Bytes came, in order.
    Data(&'a [u8]),
    /// The client will send no more; what it is sent still reaches it.
    PeerClosed,
    /// The connection is gone: reset, or timed out. Nothing can be sent any more.
    Lost,
}

/// What a service asks of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StreamAction {
    /// Send bytes.
    Send(Vec<u8>),
    /// Send no more: a FIN follows the last byte.
    Close,
    /// Reset it.
    Abort,
}

/// A service above TCP. Times are virtual, in picoseconds.
pub trait StreamService {
    /// Something happened to a connection. Actions go to `actions`, in order, each for any connection of the service.
    fn event(
        &mut self,
        now_ps: u64,
        connection: ConnectionId,
        event: StreamEvent<'_>,
        actions: &mut Vec<(ConnectionId, StreamAction)>,
    );

    /// When [`advance`](Self::advance) is wanted; `u64::MAX` is never.
    fn next_wake_ps(&self) -> u64 {
        u64::MAX
    }

    /// Time has come to the next wake.
    fn advance(&mut self, _now_ps: u64, _actions: &mut Vec<(ConnectionId, StreamAction)>) {}
}
