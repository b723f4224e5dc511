//! The network's side of TCP: many connections, each one end of TCP, and packets for them.
//!
//! The owner takes events, reads and writes. Flow control is the owner's pace: bytes it does not read close the
//! window, and [`TcpHost::send`] takes no more than fits.

use std::collections::{BTreeMap, VecDeque};

use lockstep_traces::Decisions;
use serde::{Deserialize, Serialize};

use super::packet::{Endpoint, Packet, Payload};
use super::peer::PeerOutput;
use super::stream_service::ConnectionId;
use super::tcp::{Connection, Segment, TcpConfig, TcpEvent, TcpFailure, is_opening};
use crate::time::PS_PER_S;

/// Stream of initial sequence numbers.
const STREAM: &str = "network.tcp";
/// Connections at most; the one heard least recently gives way, as clients vanish without a word.
const CONNECTIONS_MAX: usize = 256;

/// How long a client that the owner does not answer is remembered after its last SYN: longer than any client's pause
/// between two of them.
const ASKED_PS: u64 = 180 * PS_PER_S;

/// What happened to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostEvent {
    /// Somebody wants to connect, and waits: [`TcpHost::accept`], [`TcpHost::refuse`], or neither for a timeout.
    Incoming {
        /// Who.
        from: Endpoint,
        /// Where to.
        to: Endpoint,
    },
    /// The handshake is done.
    Connected {
        /// The other end.
        with: Endpoint,
    },
    /// There is something to read.
    Readable,
    /// There is room to write again.
    Writable,
    /// The other end sends no more.
    PeerClosed,
    /// It is over: both have closed.
    Closed,
    /// It is over: refused, reset, or timed out.
    Lost(TcpFailure),
}

/// What can be chosen about a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostConfig {
    /// Each connection's end.
    pub tcp: TcpConfig,
    /// Bytes of a connection that wait to be acknowledged, at most.
    pub send_bytes: usize,
    /// Whether [`HostEvent::Incoming`] asks the owner; otherwise everybody is accepted.
    pub asks: bool,
}

impl Default for HostConfig {
    /// A server that answers at once (no Nagle) and holds 64 KB of answers.
    fn default() -> Self {
        Self { tcp: TcpConfig { nagle: false, ..TcpConfig::default() }, send_bytes: 65_536, asks: false }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Phase {
    /// The owner has not decided about this SYN.
    Asked(Segment),
    Open(Box<Connection>),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct HostConnection {
    ours: Endpoint,
    theirs: Endpoint,
    phase: Phase,
    heard_ps: u64,
    was_full: bool,
}

impl HostConnection {
    fn gives_way_to(&self, segment: &Segment) -> bool {
        matches!(&self.phase, Phase::Open(tcp) if tcp.gives_way_to(segment))
    }

    fn next_wake_ps(&self) -> u64 {
        match &self.phase {
            Phase::Open(tcp) => tcp.next_wake_ps(),
            Phase::Asked(_) => self.heard_ps.saturating_add(ASKED_PS),
        }
    }
}

/// The connections of a host.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TcpHost {
    config: HostConfig,
    connections: BTreeMap<ConnectionId, HostConnection>,
    next_id: ConnectionId,
    events: VecDeque<(ConnectionId, HostEvent)>,
}

impl TcpHost {
    /// Without connections.
    pub fn new(config: HostConfig) -> Self {
        Self { config, ..Self::default() }
    }

    /// Connections that are open, opening or not over yet.
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// Takes the next event, in the order in which they happened.
    pub fn poll_event(&mut self) -> Option<(ConnectionId, HostEvent)> {
        self.events.pop_front()
    }

    /// A segment arrived for one of our addresses.
    pub fn receive(
        &mut self,
        now_ps: u64,
        (from, to): (Endpoint, Endpoint),
        segment: &Segment,
        output: &mut PeerOutput,
        decisions: &mut Decisions,
    ) {
        let is_ours = |c: &HostConnection| (c.ours, c.theirs) == (to, from);
        let over = self.connections.iter().find(|(_, c)| is_ours(c) && c.gives_way_to(segment)).map(|(id, _)| *id);
        if let Some(over) = over {
            self.connections.remove(&over);
            self.events.push_back((over, HostEvent::Closed));
        }
        if let Some((&id, connection)) = self.connections.iter_mut().find(|(_, c)| is_ours(c)) {
            connection.heard_ps = now_ps;
            match &mut connection.phase {
                Phase::Open(tcp) => {
                    let readable = tcp.readable();
                    tcp.on_segment(now_ps, segment);
                    if tcp.readable() > readable {
                        self.events.push_back((id, HostEvent::Readable));
                    }
                    self.settle(now_ps, id, output);
                }
                // The client has given up, or repeats its SYN.
                Phase::Asked(_) if segment.flags.rst => {
                    self.connections.remove(&id);
                    self.events.push_back((id, HostEvent::Lost(TcpFailure::Reset)));
                }
                Phase::Asked(syn) if is_opening(segment) => *syn = segment.clone(),
                Phase::Asked(_) => {}
            }
            return;
        }
        if !is_opening(segment) {
            return send_refusal(segment, to, from, output);
        }
        let id = self.insert(now_ps, to, from, Phase::Asked(segment.clone()), output);
        if self.config.asks {
            self.events.push_back((id, HostEvent::Incoming { from, to }));
        } else {
            self.accept(now_ps, id, output, decisions);
        }
    }

    /// Opens a connection from one of our addresses.
    pub fn connect(
        &mut self,
        now_ps: u64,
        ours: Endpoint,
        theirs: Endpoint,
        output: &mut PeerOutput,
        decisions: &mut Decisions,
    ) -> ConnectionId {
        let tcp = Connection::connect(self.config.tcp.clone(), initial_sequence(now_ps, decisions));
        let id = self.insert(now_ps, ours, theirs, Phase::Open(Box::new(tcp)), output);
        self.settle(now_ps, id, output);
        id
    }

    /// Says yes to [`HostEvent::Incoming`].
    pub fn accept(&mut self, now_ps: u64, id: ConnectionId, output: &mut PeerOutput, decisions: &mut Decisions) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if let Phase::Asked(syn) = &connection.phase
            && let Some(tcp) = Connection::accept(self.config.tcp.clone(), initial_sequence(now_ps, decisions), syn)
        {
            connection.phase = Phase::Open(Box::new(tcp));
            self.settle(now_ps, id, output);
        }
    }

    /// Says no to it: the client sees its connection refused.
    pub fn refuse(&mut self, id: ConnectionId, output: &mut PeerOutput) {
        if let Some(HostConnection { ours, theirs, phase: Phase::Asked(syn), .. }) = self.connections.get(&id) {
            send_refusal(syn, *ours, *theirs, output);
            self.connections.remove(&id);
        }
    }

    /// Forgets a client that waits for an answer: it gets none, and times out.
    pub fn ignore(&mut self, id: ConnectionId) {
        if self.connections.get(&id).is_some_and(|c| matches!(c.phase, Phase::Asked(_))) {
            self.connections.remove(&id);
        }
    }

    /// Writes as much as fits; returns how much that was. [`HostEvent::Writable`] tells when the rest may follow.
    pub fn send(&mut self, now_ps: u64, id: ConnectionId, bytes: &[u8], output: &mut PeerOutput) -> usize {
        let limit = self.config.send_bytes;
        let Some(connection) = self.connections.get_mut(&id) else { return 0 };
        let Phase::Open(tcp) = &mut connection.phase else { return 0 };
        let room = limit.saturating_sub(tcp.unacknowledged()).min(bytes.len());
        connection.was_full = room < bytes.len();
        let taken = bytes.get(..room).unwrap_or_default();
        let is_taken = tcp.write(taken);
        self.settle(now_ps, id, output);
        if is_taken { room } else { 0 }
    }

    /// Bytes that wait to be read.
    pub fn readable(&self, id: ConnectionId) -> usize {
        self.tcp(id).map_or(0, Connection::readable)
    }

    /// Reads at most `length` bytes.
    pub fn read(&mut self, now_ps: u64, id: ConnectionId, length: usize, output: &mut PeerOutput) -> Vec<u8> {
        let Some(HostConnection { phase: Phase::Open(tcp), .. }) = self.connections.get_mut(&id) else {
            return Vec::new();
        };
        let bytes = tcp.read(length);
        self.settle(now_ps, id, output);
        bytes
    }

    /// Sends no more; the other end may go on.
    pub fn close(&mut self, now_ps: u64, id: ConnectionId, output: &mut PeerOutput) {
        if let Some(HostConnection { phase: Phase::Open(tcp), .. }) = self.connections.get_mut(&id) {
            tcp.close();
            self.settle(now_ps, id, output);
        }
    }

    /// Resets it. No event follows.
    pub fn abort(&mut self, now_ps: u64, id: ConnectionId, output: &mut PeerOutput) {
        if let Some(HostConnection { ours, theirs, phase: Phase::Open(tcp), .. }) = self.connections.get_mut(&id) {
            tcp.abort();
            send_all(now_ps, tcp, *ours, *theirs, output);
        }
        self.connections.remove(&id);
    }

    /// One end, to look at.
    pub fn tcp(&self, id: ConnectionId) -> Option<&Connection> {
        match &self.connections.get(&id)?.phase {
            Phase::Open(tcp) => Some(tcp),
            Phase::Asked(_) => None,
        }
    }

    /// When [`advance`](Self::advance) is wanted.
    pub fn next_wake_ps(&self) -> u64 {
        self.connections.values().map(HostConnection::next_wake_ps).min().unwrap_or(u64::MAX)
    }

    /// Time has come to `now_ps`.
    pub fn advance(&mut self, now_ps: u64, output: &mut PeerOutput) {
        let due = self.connections.iter().filter(|(_, c)| c.next_wake_ps() <= now_ps);
        let due: Vec<ConnectionId> = due.map(|(id, _)| *id).collect();
        for id in due {
            if let Some(HostConnection { phase: Phase::Open(tcp), .. }) = self.connections.get_mut(&id) {
                tcp.advance(now_ps);
                self.settle(now_ps, id, output);
            } else {
                self.connections.remove(&id);
                self.events.push_back((id, HostEvent::Lost(TcpFailure::TimedOut)));
            }
        }
    }

    fn insert(
        &mut self,
        now_ps: u64,
        ours: Endpoint,
        theirs: Endpoint,
        phase: Phase,
        output: &mut PeerOutput,
    ) -> ConnectionId {
        if self.connections.len() >= CONNECTIONS_MAX {
            let oldest = self.connections.iter().min_by_key(|(id, c)| (c.heard_ps, **id)).map(|(id, _)| *id);
            if let Some(oldest) = oldest {
                self.abort(now_ps, oldest, output);
                self.events.push_back((oldest, HostEvent::Lost(TcpFailure::Reset)));
            }
        }
        let id = self.next_id;
        self.next_id += 1;
        self.connections.insert(id, HostConnection { ours, theirs, phase, heard_ps: now_ps, was_full: false });
        id
    }

    /// Sends what a connection has to send, and tells what happened to it.
    fn settle(&mut self, now_ps: u64, id: ConnectionId, output: &mut PeerOutput) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let Phase::Open(tcp) = &mut connection.phase else { return };
        send_all(now_ps, tcp, connection.ours, connection.theirs, output);
        let mut is_over = false;
        while let Some(event) = tcp.poll_event() {
            let event = match event {
                TcpEvent::Connected => HostEvent::Connected { with: connection.theirs },
                TcpEvent::PeerClosed => HostEvent::PeerClosed,
                TcpEvent::Closed => HostEvent::Closed,
                TcpEvent::Failed(failure) => HostEvent::Lost(failure),
            };
            is_over |= matches!(event, HostEvent::Closed | HostEvent::Lost(_));
            self.events.push_back((id, event));
        }
        if connection.was_full && tcp.unacknowledged() <= self.config.send_bytes / 2 {
            connection.was_full = false;
            self.events.push_back((id, HostEvent::Writable));
        }
        if is_over {
            self.connections.remove(&id);
        }
    }
}

fn initial_sequence(now_ps: u64, decisions: &mut Decisions) -> u32 {
    // Within the limits that are given.
    decisions.draw(now_ps, STREAM, "initial_sequence", 0, u64::from(u32::MAX)) as u32
}

fn send_all(now_ps: u64, tcp: &mut Connection, ours: Endpoint, theirs: Endpoint, output: &mut PeerOutput) {
    while let Some(segment) = tcp.poll(now_ps) {
        output.send(Packet { from: ours, to: theirs, payload: Payload::Tcp(segment), sent_ps: 0 });
    }
}

fn send_refusal(segment: &Segment, ours: Endpoint, theirs: Endpoint, output: &mut PeerOutput) {
    if let Some(refusal) = segment.refusal() {
        output.send(Packet { from: ours, to: theirs, payload: Payload::Tcp(refusal), sent_ps: 0 });
    }
}

#[cfg(test)]
mod tests;
