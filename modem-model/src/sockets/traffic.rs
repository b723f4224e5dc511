//! Between sockets and network: packets out, packets in, connections made and lost.

use lockstep_traces::Decisions;

use super::{Announcement, Leaving, Socket, TcpState};
use crate::errors::{CmeError, SocketError};
use crate::execution::{Outcome, Wait};
use crate::modem::Modem;
use crate::network::tcp::{TcpEvent, TcpFailure};
use crate::network::{Endpoint, Packet, Payload, Protocol, Segment};
use crate::urc::Urc;

impl Modem {
    /// Sends a packet from one of our ports, if the packet service carries it.
    pub(crate) fn transmit(&mut self, local_port: u16, to: Endpoint, payload: Payload, decisions: &mut Decisions) {
        if !self.pdp.is_up() {
            return;
        }
        let from = Endpoint { address: self.config.pdp.address, port: local_port };
        let packet = Packet { from, to, payload, sent_ps: self.now_ps };
        if !self.registration.coverage {
            return self.network.capture(self.now_ps, true, true, &packet);
        }
        self.pdp.count_sent(packet.ip_length() as u64);
        self.network.send(self.now_ps, packet, decisions);
    }

    /// Sends what a socket's TCP has to send.
    pub(crate) fn flush_socket(&mut self, handle: u32, decisions: &mut Decisions) {
        loop {
            let Some(socket) = self.sockets.get_mut(handle) else { return };
            let (Some(to), port) = (socket.remote, socket.local_port) else { return };
            let Some(segment) = socket.tcp.as_mut().and_then(|tcp| tcp.poll(self.now_ps)) else { return };
            self.transmit(port, to, Payload::Tcp(segment), decisions);
        }
    }

    /// The same for connections without a socket; those that are over are forgotten.
    fn flush_leaving(&mut self, decisions: &mut Decisions) {
        let mut packets = Vec::new();
        for Leaving { local_port, remote, tcp } in &mut self.sockets.leaving {
            while let Some(segment) = tcp.poll(self.now_ps) {
                packets.push((*local_port, *remote, segment));
            }
        }
        self.sockets.leaving.retain(|leaving| leaving.tcp.state() != TcpState::Closed);
        for (port, to, segment) in packets {
            self.transmit(port, to, Payload::Tcp(segment), decisions);
        }
    }

    /// Closes a socket; its TCP says goodbye by itself.
    pub(crate) fn remove_socket(&mut self, handle: u32, decisions: &mut Decisions) {
        self.sockets.remove(self.now_ps, handle);
        if self.closed_socket_leaks(decisions) {
            self.sockets.leak(handle);
        }
        self.flush_leaving(decisions);
    }

    /// A timer of TCP has expired.
    pub(crate) fn tcp_timers(&mut self, decisions: &mut Decisions) {
        let now_ps = self.now_ps;
        for leaving in &mut self.sockets.leaving {
            leaving.tcp.advance(now_ps);
        }
        self.flush_leaving(decisions);
        let handles: Vec<u32> = self.sockets.iter().map(|(handle, _)| handle).collect();
        for handle in handles {
            if let Some(tcp) = self.sockets.get_mut(handle).and_then(|socket| socket.tcp.as_mut())
                && tcp.next_wake_ps() <= now_ps
            {
                tcp.advance(now_ps);
                self.settle_socket(handle, decisions);
            }
        }
    }

    /// A packet arrived at the module.
    pub(crate) fn packet_arrived(&mut self, packet: Packet, decisions: &mut Decisions) {
        // What arrives for an address that is no longer ours, or while out of coverage, is lost.
        let is_ours = self.pdp.is_up() && packet.to.address == self.config.pdp.address;
        let is_lost = !is_ours || !self.registration.coverage;
        self.network.capture(self.now_ps, false, is_lost, &packet);
        if is_lost {
            return;
        }
        self.pdp.count_received(packet.ip_length() as u64);
        let Packet { from, to, payload, sent_ps } = packet;
        match payload {
            Payload::Udp(bytes) if to.port == self.resolver.local_port() => self.dns_response(from, &bytes, decisions),
            Payload::Udp(bytes) => {
                let found = self
                    .sockets
                    .iter()
                    .find(|(_, s)| s.protocol == Protocol::Udp && s.local_port == to.port && s.opened_ps <= sent_ps);
                let Some(handle) = found.map(|(handle, _)| handle) else { return };
                let Some(socket) = self.sockets.get_mut(handle) else { return };
                if socket.push_datagram(from, &bytes) {
                    let form = socket.announces_by;
                    self.announce(handle, form, decisions);
                }
            }
            Payload::Tcp(segment) => self.segment_arrived(from, to.port, &segment, decisions),
        }
    }

    fn segment_arrived(&mut self, from: Endpoint, port: u16, segment: &Segment, decisions: &mut Decisions) {
        let now_ps = self.now_ps;
        let is_ours = |s: &Socket| s.tcp.is_some() && (s.local_port, s.remote) == (port, Some(from));
        let found = self.sockets.iter().find(|(_, socket)| is_ours(socket)).map(|(handle, _)| handle);
        if let Some(handle) = found {
            let Some(socket) = self.sockets.get_mut(handle) else { return };
            let Some(tcp) = &mut socket.tcp else { return };
            let before = tcp.readable();
            tcp.on_segment(now_ps, segment);
            let received = tcp.readable().saturating_sub(before);
            socket.received_bytes += received as u64;
            if socket.accepted_by.is_some() {
                // The client learns of the connection before it learns of data.
                self.settle_socket(handle, decisions);
            }
            if before == 0 && received > 0 {
                self.announce(handle, Announcement::Uusord, decisions);
            }
            return self.settle_socket(handle, decisions);
        }
        if let Some(leaving) = self.sockets.leaving.iter_mut().find(|l| (l.local_port, l.remote) == (port, from)) {
            leaving.tcp.on_segment(now_ps, segment);
            return self.flush_leaving(decisions);
        }
        self.stray_segment(from, port, segment, decisions);
    }

    /// Sends what a socket's TCP has to send, and tells the client what happened to it.
    fn settle_socket(&mut self, handle: u32, decisions: &mut Decisions) {
        self.flush_socket(handle, decisions);
        loop {
            let Some(tcp) = self.sockets.get_mut(handle).and_then(|socket| socket.tcp.as_mut()) else { return };
            let Some(event) = tcp.poll_event() else { break };
            match event {
                TcpEvent::Connected => {
                    if let Some(listener) = self.sockets.get(handle).and_then(|socket| socket.accepted_by) {
                        self.connection_accepted(handle, listener, decisions);
                    }
                    self.complete(|w| *w == Wait::Connect { handle }, Ok(Outcome::Lines(vec![])), decisions);
                }
                // After AT+USOCL it is what was waited for; before, the client is told.
                TcpEvent::PeerClosed if tcp.state() == TcpState::CloseWait => self.peer_closed(handle, decisions),
                TcpEvent::PeerClosed | TcpEvent::Closed => {}
                TcpEvent::Failed(failure) => self.connection_failed(handle, failure, decisions),
            }
        }
        let is_closing = |wait: &Wait| *wait == Wait::Close { handle };
        let state = self.sockets.get(handle).map(|socket| socket.tcp_state());
        if matches!(state, Some(TcpState::TimeWait | TcpState::Closed)) && self.is_waiting(is_closing) {
            self.remove_socket(handle, decisions);
            self.complete(is_closing, Ok(Outcome::Lines(vec![])), decisions);
        }
    }

    fn connection_failed(&mut self, handle: u32, failure: TcpFailure, decisions: &mut Decisions) {
        let error = match failure {
            TcpFailure::Refused => SocketError::ConnectionRefused,
            TcpFailure::Reset => SocketError::ConnectionReset,
            TcpFailure::TimedOut => SocketError::TimedOut,
        };
        if self.sockets.get(handle).is_some_and(|socket| socket.accepted_by.is_some()) {
            // The client never knew of it.
            return self.sockets.remove(self.now_ps, handle);
        }
        self.socket_failed(handle, error);
        let Some(tcp) = self.sockets.get(handle).and_then(|socket| socket.tcp.as_ref()) else { return };
        let is_told = tcp.peer_has_closed();
        let is_connecting = |wait: &Wait| *wait == Wait::Connect { handle };
        if self.is_waiting(is_connecting) {
            if let Some(socket) = self.sockets.get_mut(handle) {
                socket.tcp = None;
                socket.remote = None;
            }
            self.complete(is_connecting, Err(CmeError::OperationNotAllowed.into()), decisions);
        } else if !is_told && !self.is_waiting(|wait| *wait == Wait::Close { handle }) {
            self.peer_closed(handle, decisions);
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

    /// Records why a socket operation failed, for `AT+USOCTL=n,1` and `AT+USOER`.
    pub(crate) fn socket_failed(&mut self, handle: u32, error: SocketError) {
        self.last_socket_error = error;
        if let Some(socket) = self.sockets.get_mut(handle) {
            socket.error = error;
        }
    }

    /// Sends a datagram to the socket's remote end, or what was written to its TCP.
    pub(crate) fn send_or_flush(&mut self, handle: u32, bytes: Vec<u8>, decisions: &mut Decisions) {
        let Some(socket) = self.sockets.get(handle) else { return };
        match (socket.protocol, socket.remote, socket.local_port) {
            (Protocol::Udp, Some(to), port) => self.transmit(port, to, Payload::Udp(bytes), decisions),
            _ => self.flush_socket(handle, decisions),
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
        self.sockets.clear();
        for handle in handles {
            let is_lost = |wait: &Wait| *wait == Wait::Connect { handle } || *wait == Wait::Close { handle };
            self.complete(is_lost, Err(CmeError::OperationNotAllowed.into()), decisions);
        }
    }
}
