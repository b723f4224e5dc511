//! Between sockets and network: packets out, packets in, connections made and lost.

use lockstep_traces::Decisions;

use super::{Announcement, TcpState};
use crate::errors::{CmeError, SocketError};
use crate::execution::{Outcome, Wait};
use crate::modem::Modem;
use crate::network::{Endpoint, Packet, Payload, Protocol, Segment};
use crate::urc::Urc;

/// Bytes of an IPv4 and a UDP header, for the traffic counters of `AT+UGCNTRD`.
const UDP_HEADERS_BYTES: u64 = 28;
/// The same for TCP.
const TCP_HEADERS_BYTES: u64 = 40;

fn counted_bytes(payload: &Payload) -> u64 {
    match payload {
        Payload::Udp(bytes) => UDP_HEADERS_BYTES + bytes.len() as u64,
        Payload::Tcp(Segment::Data(bytes)) => TCP_HEADERS_BYTES + bytes.len() as u64,
        Payload::Tcp(_) => TCP_HEADERS_BYTES,
    }
}

impl Modem {
    /// Sends a packet from one of our ports, if the packet service carries it.
    pub(crate) fn transmit(&mut self, local_port: u16, to: Endpoint, payload: Payload, decisions: &mut Decisions) {
        if !self.pdp.is_up() {
            return;
        }
        if !self.registration.coverage {
            match payload.protocol() {
                Protocol::Udp => return,
                Protocol::Tcp => self.ledger.unmodelled("TCP retransmission while out of coverage", self.now_ps),
            }
        }
        self.pdp.count_sent(counted_bytes(&payload));
        let from = Endpoint { address: self.config.pdp.address, port: local_port };
        self.network.send(self.now_ps, Packet { from, to, payload, sent_ps: self.now_ps }, decisions);
    }

    /// Sends what a TCP socket's window allows.
    pub(crate) fn flush_socket(&mut self, handle: u32, decisions: &mut Decisions) {
        loop {
            let Some(socket) = self.sockets.get_mut(handle) else { return };
            let (Some(to), port) = (socket.remote, socket.local_port) else { return };
            let Some(segment) = socket.sender.next_segment() else { return };
            self.transmit(port, to, Payload::Tcp(segment), decisions);
        }
    }

    /// A packet arrived at the module.
    pub(crate) fn packet_arrived(&mut self, packet: Packet, decisions: &mut Decisions) {
        // What arrives for an address that is no longer ours, or while out of coverage, is lost.
        if !self.pdp.is_up() || packet.to.address != self.config.pdp.address {
            return;
        }
        if !self.registration.coverage && packet.payload.protocol() == Protocol::Udp {
            return;
        }
        self.pdp.count_received(counted_bytes(&packet.payload));
        if packet.to.port == self.resolver.local_port()
            && let Payload::Udp(bytes) = &packet.payload
        {
            return self.dns_response(packet.from, bytes, decisions);
        }
        let found = self.sockets.iter().find(|(_, s)| {
            s.protocol == packet.payload.protocol()
                && s.local_port == packet.to.port
                && s.opened_ps <= packet.sent_ps
                && (s.remote.is_none_or(|r| r == packet.from) || s.protocol == Protocol::Udp)
        });
        let handle = found.map(|(handle, _)| handle);
        match (packet.payload, handle) {
            (Payload::Udp(bytes), Some(handle)) => {
                let Some(socket) = self.sockets.get_mut(handle) else { return };
                if socket.push_datagram(packet.from, &bytes) {
                    self.announce(handle, Announcement::Uusord, decisions);
                }
            }
            (Payload::Udp(_), None) | (Payload::Tcp(Segment::Reset), None) => {}
            (Payload::Tcp(_), None) => {
                self.transmit(packet.to.port, packet.from, Payload::Tcp(Segment::Reset), decisions);
            }
            (Payload::Tcp(segment), Some(handle)) => self.segment_arrived(handle, segment, decisions),
        }
    }

    fn segment_arrived(&mut self, handle: u32, segment: Segment, decisions: &mut Decisions) {
        let Some(socket) = self.sockets.get_mut(handle) else { return };
        let state = socket.tcp_state;
        match segment {
            Segment::SynAck(window) if state == TcpState::SynSent => {
                socket.tcp_state = TcpState::Established;
                socket.sender = crate::network::StreamSender::new(window);
                self.complete(|wait| *wait == Wait::Connect { handle }, Ok(Outcome::Lines(vec![])), decisions);
            }
            Segment::Data(bytes) if matches!(state, TcpState::Established) => {
                if socket.push_stream(&bytes) {
                    self.announce(handle, Announcement::Uusord, decisions);
                }
            }
            Segment::Ack(bytes) => {
                socket.sender.acknowledge(bytes);
                self.flush_socket(handle, decisions);
            }
            Segment::Fin if state == TcpState::Established => {
                socket.tcp_state = TcpState::CloseWait;
                self.peer_closed(handle, decisions);
            }
            Segment::Fin if state == TcpState::FinWait => self.close_done(handle, decisions),
            Segment::Reset => match state {
                TcpState::SynSent => {
                    socket.tcp_state = TcpState::Inactive;
                    socket.remote = None;
                    self.socket_failed(handle, SocketError::ConnectionRefused);
                    let wait = Wait::Connect { handle };
                    self.complete(|w| *w == wait, Err(CmeError::OperationNotAllowed.into()), decisions);
                }
                TcpState::Established | TcpState::CloseWait => {
                    let announce = state == TcpState::Established;
                    socket.tcp_state = TcpState::Inactive;
                    self.socket_failed(handle, SocketError::ConnectionReset);
                    if announce {
                        self.peer_closed(handle, decisions);
                    }
                }
                TcpState::FinWait => self.close_done(handle, decisions),
                TcpState::Inactive => {}
            },
            Segment::Syn(_) | Segment::SynAck(_) | Segment::Data(_) | Segment::Fin => {}
        }
    }

    fn peer_closed(&mut self, handle: u32, decisions: &mut Decisions) {
        if !self.config.behaviour.unread_data_survives_close
            && let Some(socket) = self.sockets.get_mut(handle)
        {
            socket.clear_received();
        }
        self.urc(Urc::SocketClosed { handle }, decisions);
    }

    /// The handshake of a close we began is over.
    pub(crate) fn close_done(&mut self, handle: u32, decisions: &mut Decisions) {
        self.sockets.remove(handle);
        self.complete(|wait| *wait == Wait::Close { handle }, Ok(Outcome::Lines(vec![])), decisions);
    }

    /// Records why a socket operation failed, for `AT+USOCTL=n,1` and `AT+USOER`.
    pub(crate) fn socket_failed(&mut self, handle: u32, error: SocketError) {
        self.last_socket_error = error;
        if let Some(socket) = self.sockets.get_mut(handle) {
            socket.error = error;
        }
    }

    pub(crate) fn announce(&mut self, handle: u32, form: Announcement, decisions: &mut Decisions) {
        if let Some(socket) = self.sockets.get(handle) {
            self.urc(Urc::SocketData { handle, generation: socket.generation, form }, decisions);
        }
    }

    /// All sockets die with the packet service.
    pub(crate) fn drop_sockets(&mut self, decisions: &mut Decisions) {
        let handles: Vec<u32> = self.sockets.iter().map(|(handle, _)| handle).collect();
        for handle in handles {
            self.sockets.remove(handle);
            let is_lost = |wait: &Wait| *wait == Wait::Connect { handle } || *wait == Wait::Close { handle };
            self.complete(is_lost, Err(CmeError::OperationNotAllowed.into()), decisions);
        }
    }
}
