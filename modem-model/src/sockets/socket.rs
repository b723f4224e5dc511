//! One socket: its buffers, its counters, its TCP state.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::errors::SocketError;
use crate::network::{Endpoint, Protocol, StreamSender};

/// TCP state as `AT+USOCTL=n,10` numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum TcpState {
    Inactive,
    SynSent,
    Established,
    FinWait,
    CloseWait,
}

impl TcpState {
    /// The number.
    pub fn number(self) -> u32 {
        match self {
            Self::Inactive => 0,
            Self::SynSent => 2,
            Self::Established => 4,
            Self::FinWait => 5,
            Self::CloseWait => 7,
        }
    }
}

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
    /// Bytes lost because its buffer was full.
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
    pub tcp_state: TcpState,
    pub sender: StreamSender,
    pub error: SocketError,
    pub options: Vec<SocketOption>,
    pub sent_bytes: u64,
    pub received_bytes: u64,
    lost_bytes: u64,
    receive_limit: usize,
    stream: VecDeque<u8>,
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
            tcp_state: TcpState::Inactive,
            sender: StreamSender::default(),
            error: SocketError::None,
            options: Vec::new(),
            sent_bytes: 0,
            received_bytes: 0,
            lost_bytes: 0,
            receive_limit,
            stream: VecDeque::new(),
            datagrams: VecDeque::new(),
            datagram_bytes: 0,
        }
    }

    pub fn receive_limit(&self) -> usize {
        self.receive_limit
    }

    /// Bytes that wait to be read.
    pub fn pending(&self) -> usize {
        self.stream.len() + self.datagram_bytes
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

    /// Takes bytes of a stream; `true` if the queue was empty before. What exceeds the window we gave is lost.
    pub fn push_stream(&mut self, bytes: &[u8]) -> bool {
        let was_empty = self.pending() == 0;
        let room = self.receive_limit.saturating_sub(self.pending()).min(bytes.len());
        let (taken, lost) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
        self.stream.extend(taken);
        self.received_bytes += taken.len() as u64;
        self.lost_bytes += lost.len() as u64;
        was_empty && !taken.is_empty()
    }

    /// Reads at most `length` bytes of a stream.
    pub fn read_stream(&mut self, length: usize) -> Vec<u8> {
        let length = length.min(self.stream.len());
        self.stream.drain(..length).collect()
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
        self.stream.clear();
        self.datagrams.clear();
        self.datagram_bytes = 0;
    }

    pub fn view(&self, handle: u32) -> SocketView {
        SocketView {
            handle,
            protocol: self.protocol,
            local_port: self.local_port,
            remote: self.remote,
            tcp_state: self.tcp_state,
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

    #[test]
    fn a_stream_has_none() {
        let mut s = socket(Protocol::Tcp, 6);
        assert!(s.push_stream(b"abc"));
        assert!(!s.push_stream(b"defgh"));
        assert_eq!(s.read_stream(4), b"abcd");
        assert_eq!(s.read_stream(4), b"ef");
        assert_eq!(s.view(0).lost_bytes, 2);
    }
}
