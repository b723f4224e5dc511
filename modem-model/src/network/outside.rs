//! The real network as the simulated one sees it: what no peer in process answers goes out, what comes back is given in
//! with its virtual time.
//!
//! Pure like every peer: a queue of events out, which the driver takes, and a queue of events in, each with the time at
//! which it takes effect. The same events at the same times give the same run, whether a gateway or a recording says
//! them. The device's TCP ends here; beyond, bytes travel as portions of streams.
//!
//! Flow control: what the gateway has not written ([`Inbound::Taken`]) closes the device's window; the gateway may send
//! no more than the device has acknowledged and [`UNACKNOWLEDGED_BYTES_MAX`].

use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddrV4};

use lockstep_gateway_protocol::{
    CONNECTIONS_MAX, ConnectFailure, Inbound, Outbound, PAYLOAD_BYTES_MAX, QUERIES_MAX, ResolveFailure,
    UNTAKEN_BYTES_MAX,
};
use lockstep_traces::Decisions;
use serde::{Deserialize, Serialize};

use super::dns;
use super::packet::{Endpoint, Packet, Payload};
use super::peer::PeerOutput;
use super::stream_service::ConnectionId;
use super::tcp::{Seq, TcpConfig, is_opening};
use super::tcp_host::{HostConfig, HostEvent, TcpHost};
use crate::time::PS_PER_S;

/// Bytes towards the device that it has not acknowledged, at most.
pub const UNACKNOWLEDGED_BYTES_MAX: u32 = 8192;
/// Less is not worth an event, as long as more is under way.
const CREDIT_BYTES_MIN: u32 = 1024;
/// Events that wait to be taken, or to take effect. A driver moves them each few milliseconds.
const EVENTS_MAX: usize = 4096;
/// A query without an answer is forgotten; every resolver has asked again or given up by then.
const QUERY_LIMIT_PS: u64 = 30 * PS_PER_S;
/// Refused connections that are remembered: a SYN sent again while the refusal was on its way asks nobody twice.
const REFUSED_MAX: usize = 16;

/// An event that leaves the simulated world.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboundAt {
    /// When, in picoseconds.
    pub time_ps: u64,
    /// What.
    pub event: Outbound,
}

/// A SYN: sent again it is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Opening {
    from: Endpoint,
    to: Endpoint,
    sequence: Seq,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Stream {
    opening: Option<Opening>,
    /// The gateway could not open it, and the device is left without an answer.
    is_dead: bool,
    untaken_bytes: u32,
    /// Bytes that the gateway may still send.
    credit_bytes: u32,
    /// The device sends no more; the gateway is told once it has all that came before.
    is_finishing: bool,
    is_finished: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Query {
    number: u64,
    asked_ps: u64,
    packet: Packet,
}

/// The border to the real network.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outside {
    host: TcpHost,
    streams: BTreeMap<ConnectionId, Stream>,
    /// The SYN that is being looked at.
    opening: Option<Opening>,
    refused: VecDeque<Opening>,
    queries: VecDeque<Query>,
    next_query: u64,
    /// The device's address, as its last packet said.
    device: Option<Ipv4Addr>,
    arriving: VecDeque<(u64, Inbound)>,
    leaving: VecDeque<OutboundAt>,
}

impl Default for Outside {
    /// Without connections.
    fn default() -> Self {
        let receive_bytes = UNTAKEN_BYTES_MAX as usize;
        let tcp = TcpConfig { nagle: false, receive_bytes, ..TcpConfig::default() };
        let config = HostConfig { tcp, send_bytes: UNACKNOWLEDGED_BYTES_MAX as usize, asks: true };
        Self {
            host: TcpHost::new(config),
            streams: BTreeMap::new(),
            opening: None,
            refused: VecDeque::new(),
            queries: VecDeque::new(),
            next_query: 0,
            device: None,
            arriving: VecDeque::new(),
            leaving: VecDeque::new(),
        }
    }
}

fn place(endpoint: Endpoint) -> SocketAddrV4 {
    SocketAddrV4::new(endpoint.address, endpoint.port)
}

impl Outside {
    /// Takes what has left since the last call.
    pub fn take_outbound(&mut self) -> Vec<OutboundAt> {
        self.leaving.drain(..).collect()
    }

    /// Room for events that come in.
    pub fn room(&self) -> usize {
        EVENTS_MAX.saturating_sub(self.arriving.len())
    }

    /// Something comes in, and takes effect at `time_ps`, or after what came before it. Beyond
    /// [`room`](Self::room) it is lost.
    pub fn arrive(&mut self, time_ps: u64, event: Inbound) {
        if self.room() > 0 {
            let after_last = self.arriving.back().map_or(0, |(last_ps, _)| *last_ps);
            self.arriving.push_back((time_ps.max(after_last), event));
        }
    }

    pub(super) fn next_wake_ps(&self) -> u64 {
        self.arriving.front().map_or(u64::MAX, |(time_ps, _)| *time_ps).min(self.host.next_wake_ps())
    }

    pub(super) fn advance(&mut self, now_ps: u64, output: &mut PeerOutput, decisions: &mut Decisions) {
        while self.arriving.front().is_some_and(|(time_ps, _)| *time_ps <= now_ps)
            && let Some((_, event)) = self.arriving.pop_front()
        {
            self.arrived(now_ps, event, output, decisions);
            self.settle(now_ps, output);
        }
        if self.host.next_wake_ps() <= now_ps {
            self.host.advance(now_ps, output);
            self.settle(now_ps, output);
        }
    }

    /// A packet of the device for which there is no peer.
    pub(super) fn receive(&mut self, now_ps: u64, packet: Packet, output: &mut PeerOutput, decisions: &mut Decisions) {
        self.device = Some(packet.from.address);
        match packet.payload {
            Payload::Tcp(segment) => {
                let (from, to) = (packet.from, packet.to);
                self.opening = is_opening(&segment).then_some(Opening { from, to, sequence: segment.sequence });
                if self.opening.is_some_and(|opening| self.refused.contains(&opening)) {
                    if let Some(refusal) = segment.refusal() {
                        output.send(Packet { from: to, to: from, payload: Payload::Tcp(refusal), sent_ps: 0 });
                    }
                    return;
                }
                self.host.receive(now_ps, (from, to), &segment, output, decisions);
                self.settle(now_ps, output);
            }
            Payload::Udp(bytes) if bytes.len() > PAYLOAD_BYTES_MAX => {
                output.unmodelled(format!("datagram of more than {PAYLOAD_BYTES_MAX} bytes to the real network"));
            }
            Payload::Udp(bytes) => {
                self.leave(now_ps, Outbound::Datagram { from_port: packet.from.port, to: place(packet.to), bytes });
            }
        }
    }

    /// A query for a name that no server in process knows.
    pub(super) fn resolve(&mut self, now_ps: u64, name: String, packet: Packet, output: &mut PeerOutput) {
        self.queries.retain(|query| now_ps.saturating_sub(query.asked_ps) < QUERY_LIMIT_PS);
        if self.queries.len() >= QUERIES_MAX {
            output.unmodelled(format!("more than {QUERIES_MAX} names to resolve at once in the real network"));
            return;
        }
        let number = self.next_query;
        self.next_query += 1;
        self.queries.push_back(Query { number, asked_ps: now_ps, packet });
        self.leave(now_ps, Outbound::Resolve { query: number, name });
    }

    fn leave(&mut self, time_ps: u64, event: Outbound) {
        // A driver that does not take them has no use for them.
        if self.leaving.len() >= EVENTS_MAX {
            self.leaving.pop_front();
        }
        self.leaving.push_back(OutboundAt { time_ps, event });
    }

    fn arrived(&mut self, now_ps: u64, event: Inbound, output: &mut PeerOutput, decisions: &mut Decisions) {
        match event {
            Inbound::Connected { connection } => self.host.accept(now_ps, connection, output, decisions),
            Inbound::Failed { connection, failure: ConnectFailure::Unreachable } => {
                if let Some(stream) = self.streams.get_mut(&connection) {
                    stream.is_dead = true;
                }
            }
            Inbound::Failed { connection, failure: ConnectFailure::NotAllowed | ConnectFailure::Refused } => {
                if let Some(opening) = self.streams.remove(&connection).and_then(|stream| stream.opening) {
                    if self.refused.len() >= REFUSED_MAX {
                        self.refused.pop_front();
                    }
                    self.refused.push_back(opening);
                }
                self.host.refuse(connection, output);
                // No gateway of ours says this of a connection that is open.
                self.host.abort(now_ps, connection, output);
            }
            Inbound::Data { connection, bytes } => self.data(now_ps, connection, &bytes, output),
            Inbound::Finished { connection } => self.host.close(now_ps, connection, output),
            Inbound::Reset { connection } => {
                if self.streams.remove(&connection).is_some() {
                    self.host.abort(now_ps, connection, output);
                }
            }
            Inbound::Taken { connection, bytes } => {
                if let Some(stream) = self.streams.get_mut(&connection) {
                    stream.untaken_bytes = stream.untaken_bytes.saturating_sub(bytes);
                }
            }
            Inbound::Datagram { from, to_port, bytes } => {
                let from = Endpoint { address: *from.ip(), port: from.port() };
                if let Some(address) = self.device {
                    let to = Endpoint { address, port: to_port };
                    output.send(Packet { from, to, payload: Payload::Udp(bytes), sent_ps: 0 });
                }
            }
            Inbound::Resolved { query, answer } => self.resolved(query, answer, output),
        }
    }

    fn data(&mut self, now_ps: u64, connection: ConnectionId, bytes: &[u8], output: &mut PeerOutput) {
        let Some(stream) = self.streams.get_mut(&connection) else { return };
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        match stream.credit_bytes.checked_sub(length) {
            Some(left) if self.host.send(now_ps, connection, bytes, output) == bytes.len() => {
                stream.credit_bytes = left;
            }
            // A gateway of ours keeps to its credit, and sends nothing before it says that a connection is open.
            _ => {
                output.unmodelled("stream data that the gateway had no credit for: connection reset".to_owned());
                self.streams.remove(&connection);
                self.host.abort(now_ps, connection, output);
                self.leave(now_ps, Outbound::Reset { connection });
            }
        }
    }

    fn resolved(&mut self, number: u64, answer: Result<Vec<Ipv4Addr>, ResolveFailure>, output: &mut PeerOutput) {
        let Some(at) = self.queries.iter().position(|query| query.number == number) else { return };
        let Some(Query { packet, .. }) = self.queries.remove(at) else { return };
        let Payload::Udp(query) = &packet.payload else { return };
        let answer = match &answer {
            Ok(addresses) => dns::respond(query, dns::ResponseCode::NoError, addresses),
            Err(ResolveFailure::NotFound) => dns::respond(query, dns::ResponseCode::NoSuchName, &[]),
            Err(ResolveFailure::NotAllowed) => dns::respond(query, dns::ResponseCode::Refused, &[]),
        };
        if let Some(answer) = answer {
            output.reply(&packet, Payload::Udp(answer));
        }
    }

    /// Tells the gateway what happened to connections, and moves what can move.
    fn settle(&mut self, now_ps: u64, output: &mut PeerOutput) {
        loop {
            while let Some((id, event)) = self.host.poll_event() {
                self.host_event(now_ps, id, event, output);
            }
            let ids: Vec<ConnectionId> = self.streams.keys().copied().collect();
            let mut has_moved = false;
            for id in ids {
                has_moved |= self.carry_out(now_ps, id, output);
            }
            if !has_moved {
                break;
            }
        }
        self.give_credit(now_ps);
    }

    fn host_event(&mut self, now_ps: u64, id: ConnectionId, event: HostEvent, output: &mut PeerOutput) {
        match event {
            HostEvent::Incoming { to, .. } => {
                if self.streams.len() >= CONNECTIONS_MAX {
                    output.unmodelled(format!("more than {CONNECTIONS_MAX} connections to the real network: refused"));
                    return self.host.refuse(id, output);
                }
                let stream = Stream {
                    opening: self.opening.take(),
                    is_dead: false,
                    untaken_bytes: 0,
                    credit_bytes: UNACKNOWLEDGED_BYTES_MAX,
                    is_finishing: false,
                    is_finished: false,
                };
                self.streams.insert(id, stream);
                let (to, credit_bytes) = (place(to), UNACKNOWLEDGED_BYTES_MAX);
                self.leave(now_ps, Outbound::Connect { connection: id, to, credit_bytes });
            }
            HostEvent::PeerClosed => {
                if let Some(stream) = self.streams.get_mut(&id) {
                    stream.is_finishing = true;
                }
            }
            HostEvent::Closed | HostEvent::Lost(_) => {
                let Some(stream) = self.streams.remove(&id) else { return };
                let is_in_order = event == HostEvent::Closed && stream.is_finished;
                if !is_in_order && !stream.is_dead {
                    self.leave(now_ps, Outbound::Reset { connection: id });
                }
            }
            HostEvent::Connected { .. } | HostEvent::Readable | HostEvent::Writable => {}
        }
    }

    /// Hands on what the device sent; `true` if that was anything.
    fn carry_out(&mut self, now_ps: u64, id: ConnectionId, output: &mut PeerOutput) -> bool {
        let Some(stream) = self.streams.get_mut(&id) else { return false };
        let room = UNTAKEN_BYTES_MAX.saturating_sub(stream.untaken_bytes) as usize;
        let bytes = self.host.read(now_ps, id, room.min(PAYLOAD_BYTES_MAX), output);
        if !bytes.is_empty() {
            stream.untaken_bytes = stream.untaken_bytes.saturating_add(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
            self.leave(now_ps, Outbound::Data { connection: id, bytes });
            return true;
        }
        if stream.is_finishing && !stream.is_finished && self.host.readable(id) == 0 {
            stream.is_finished = true;
            self.leave(now_ps, Outbound::Finish { connection: id });
            return true;
        }
        false
    }

    /// What the device has acknowledged may come again.
    fn give_credit(&mut self, now_ps: u64) {
        let mut given = Vec::new();
        for (&id, stream) in &mut self.streams {
            let Some(tcp) = self.host.tcp(id) else { continue };
            let unacknowledged = u32::try_from(tcp.unacknowledged()).unwrap_or(u32::MAX);
            let due = UNACKNOWLEDGED_BYTES_MAX.saturating_sub(unacknowledged).saturating_sub(stream.credit_bytes);
            if due >= CREDIT_BYTES_MIN || (due > 0 && unacknowledged == 0) {
                stream.credit_bytes += due;
                given.push(Outbound::Credit { connection: id, bytes: due });
            }
        }
        for event in given {
            self.leave(now_ps, event);
        }
    }
}
