//! One socket: its buffers, its counters, its TCP state.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::direct_link::Triggers;
use crate::errors::SocketError;
use crate::network::tcp::{Connection, TcpState};
use crate::network::{Endpoint, Protocol};

/// Which URC announces data: `+UUSORD` or `+UUSORF`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Announcement {
    Uusord,
    Uusorf,
}

/// A socket as a live view shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketView {
    /// 0 to 6.
    pub handle: u32,
    /// Transport.
    pub protocol: Protocol,
    /// Local port.
    pub local_port: u16,
    /// The address of `AT+USOCO`.
    pub remote: Option<Endpoint>,
    /// TCP state.
    pub tcp_state: TcpState,
    /// Bytes that wait to be read.
    pub pending_bytes: usize,
    /// Datagrams that wait to be read.
    pub pending_datagrams: usize,
    /// Bytes sent since it was opened.
    pub sent_bytes: u64,
    /// Bytes received since it was opened.
    pub received_bytes: u64,
    /// Bytes of UDP lost because its buffer was full.
    pub lost_bytes: u64,
}

/// A socket option (`AT+USOSO`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SocketOption {
    pub level: u32,
    pub name: u32,
    pub value: u32,
    pub linger_ms: Option<u32>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Socket {
    pub protocol: Protocol,
    pub local_port: u16,
    /// Tells apart the sockets that use one handle in turn.
    pub generation: u64,
    pub opened_ps: u64,
    pub remote: Option<Endpoint>,
    /// The end of a TCP connection, from `AT+USOCO` on. It stays, to be read from, when the connection is over.
    pub tcp: Option<Connection>,
    /// Waits for others to connect.
    pub is_listening: bool,
    /// The listening socket of a connection whose handshake is not done.
    pub accepted_by: Option<u32>,
    /// What sends in a direct link.
    pub triggers: Triggers,
    /// What announces the first arrival: `+UUSORF` on a listening socket.
    pub announces_by: Announcement,
    pub error: SocketError,
    pub options: Vec<SocketOption>,
    pub sent_bytes: u64,
    pub received_bytes: u64,
    lost_bytes: u64,
    receive_limit: usize,
    datagrams: VecDeque<(Endpoint, VecDeque<u8>)>,
    datagram_bytes: usize,
}

impl Socket {
    pub fn new(protocol: Protocol, local_port: u16, generation: u64, opened_ps: u64, receive_limit: usize) -> Self {
        Self {
            protocol,
            local_port,
            generation,
            opened_ps,
            remote: None,
            tcp: None,
            is_listening: false,
            accepted_by: None,
            triggers: Triggers::of(protocol),
            announces_by: Announcement::Uusord,
            error: SocketError::None,
            options: Vec::new(),
            sent_bytes: 0,
            received_bytes: 0,
            lost_bytes: 0,
            receive_limit,
            datagrams: VecDeque::new(),
            datagram_bytes: 0,
        }
    }

    pub fn tcp_state(&self) -> TcpState {
        let listens = self.is_listening && self.protocol == Protocol::Tcp;
        let without = if listens { TcpState::Listen } else { TcpState::Closed };
        self.tcp.as_ref().map_or(without, Connection::state)
    }

    pub fn is_established(&self) -> bool {
        self.tcp_state() == TcpState::Established
    }

    /// Bytes that wait to be read.
    pub fn pending(&self) -> usize {
        self.tcp.as_ref().map_or(0, Connection::readable) + self.datagram_bytes
    }

    /// Length of the datagram that is read next.
    pub fn next_datagram(&self) -> usize {
        self.datagrams.front().map_or(0, |(_, bytes)| bytes.len())
    }

    /// Takes a datagram; `true` if the queue was empty before.
    pub fn push_datagram(&mut self, from: Endpoint, bytes: &[u8]) -> bool {
        if self.pending() + bytes.len() > self.receive_limit || self.datagrams.len() >= self.receive_limit {
            self.lost_bytes += bytes.len() as u64;
            return false;
        }
        let was_empty = self.pending() == 0;
        self.received_bytes += bytes.len() as u64;
        self.datagram_bytes += bytes.len();
        self.datagrams.push_back((from, bytes.iter().copied().collect()));
        was_empty && !bytes.is_empty()
    }

    /// Reads at most `length` bytes of the next datagram; what is left of it is read next.
    pub fn read_datagram(&mut self, length: usize) -> Option<(Endpoint, Vec<u8>)> {
        let (from, bytes) = self.datagrams.front_mut()?;
        let from = *from;
        let length = length.min(bytes.len());
        let taken: Vec<u8> = bytes.drain(..length).collect();
        if bytes.is_empty() {
            self.datagrams.pop_front();
        }
        self.datagram_bytes -= taken.len();
        Some((from, taken))
    }

    pub fn clear_received(&mut self) {
        if let Some(tcp) = &mut self.tcp {
            tcp.discard_readable();
        }
        self.datagrams.clear();
        self.datagram_bytes = 0;
    }

    pub fn view(&self, handle: u32) -> SocketView {
        SocketView {
            handle,
            protocol: self.protocol,
            local_port: self.local_port,
            remote: self.remote,
            tcp_state: self.tcp_state(),
            pending_bytes: self.pending(),
            pending_datagrams: self.datagrams.len(),
            sent_bytes: self.sent_bytes,
            received_bytes: self.received_bytes,
            lost_bytes: self.lost_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(protocol: Protocol, receive_limit: usize) -> Socket {
        Socket::new(protocol, 5000, 1, 0, receive_limit)
    }

    #[test]
    fn datagrams_keep_their_boundaries() {
        let from = Endpoint { address: [1, 2, 3, 4].into(), port: 5 };
        let mut s = socket(Protocol::Udp, 10);
        assert!(s.push_datagram(from, b"abc"));
        assert!(!s.push_datagram(from, b"defg"), "not empty before");
        assert!(!s.push_datagram(from, b"hijk"), "no room: lost whole");
        assert_eq!((s.pending(), s.next_datagram()), (7, 3));
        assert_eq!(s.read_datagram(2).unwrap().1, b"ab");
        assert_eq!(s.read_datagram(100).unwrap().1, b"c");
        assert_eq!(s.read_datagram(100).unwrap().1, b"defg");
        assert_eq!(s.read_datagram(100), None);
        assert_eq!(s.view(0).lost_bytes, 4);
    }
}
