//! The network behind the modem, in process: packets, a link with latency, and peers that answer.
//!
//! Sans-IO: the caller sends packets in and takes those that arrived for the device out, at explicit times.

pub mod dns;
pub mod echo;
pub mod outside;
pub mod packet;
pub mod peer;
pub mod service;
pub mod stream_host;
pub mod stream_service;
pub mod tcp;
pub mod tcp_host;

use std::collections::VecDeque;
use std::net::Ipv4Addr;

use lockstep_traces::Decisions;
use serde::{Deserialize, Serialize};

use crate::time::{DurationRange, TimerQueue};
pub use dns::{DnsRecord, DnsServer};
pub use echo::{Echo, EchoForm};
pub use outside::{OutboundAt, Outside};
pub use packet::{Endpoint, Packet, Payload, Protocol};
pub use peer::{Peer, PeerAt, PeerOutput};
pub use service::{CloudEvent, CloudEventKind, DeviceService};
pub use stream_host::{Service, StreamHost};
pub use stream_service::{ConnectionId, StreamAction, StreamEvent, StreamService};
pub use tcp::{Segment, TcpState};
pub use tcp_host::{HostConfig, HostEvent, TcpHost};

/// Observations kept for a caller that does not drain them.
const OBSERVATIONS_MAX: usize = 1024;

/// The link between modem and peers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkConfig {
    /// One-way latency, drawn for each packet. A packet never overtakes an earlier one of its direction. The default
    /// fits the logs of real hardware: connect 480 ms, echo about 530 ms after the last payload byte.
    pub latency: DurationRange,
}

impl Default for LinkConfig {
    fn default() -> Self {
        Self { latency: DurationRange::ms(225, 265) }
    }
}

/// A datagram that reached an address where no peer listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Datagram {
    /// When it arrived there, in picoseconds.
    pub time_ps: u64,
    /// The device's end.
    pub from: Endpoint,
    /// Where nobody listens.
    pub to: Endpoint,
    /// The payload.
    pub bytes: Vec<u8>,
}

impl Datagram {
    /// Whether it is a DTLS ClientHello: record type 22, handshake type 1.
    pub fn is_client_hello(&self) -> bool {
        self.bytes.first() == Some(&22) && self.bytes.get(13) == Some(&1)
    }
}

/// A packet as the modem's side of the link sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Captured {
    /// When it was sent, or arrived; for a lost one that the network sent, when it was lost. In picoseconds.
    pub time_ps: u64,
    /// From the modem (`true`) or to it.
    pub is_outbound: bool,
    /// Whether it was lost on the link: sent in vain, or never seen by the modem.
    pub is_lost: bool,
    /// The packet, with the addresses of the modem's side.
    pub packet: Packet,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Flight {
    ToPeer(Packet),
    ToDevice(Packet),
}

/// A packet that arrived at the device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Arrival {
    pub packet: Packet,
}

/// The network: link, packets under way, peers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Network {
    link: LinkConfig,
    peers: Vec<PeerAt>,
    outside: Option<Box<Outside>>,
    in_flight: TimerQueue<Flight>,
    last_to_peer_ps: u64,
    last_to_device_ps: u64,
    arrived: VecDeque<Arrival>,
    unanswered: VecDeque<Datagram>,
    unanswered_dropped: u64,
    cloud: VecDeque<CloudEvent>,
    cloud_dropped: u64,
    captured: VecDeque<Captured>,
    captured_dropped: u64,
    /// Asked of peers and not modelled; the modem's ledger takes it.
    unmodelled: Vec<String>,
}

impl Network {
    /// A network of these peers.
    pub fn new(link: LinkConfig, peers: Vec<PeerAt>) -> Self {
        Self {
            link,
            peers,
            outside: None,
            in_flight: TimerQueue::default(),
            last_to_peer_ps: 0,
            last_to_device_ps: 0,
            arrived: VecDeque::new(),
            unanswered: VecDeque::new(),
            unanswered_dropped: 0,
            cloud: VecDeque::new(),
            cloud_dropped: 0,
            captured: VecDeque::new(),
            captured_dropped: 0,
            unmodelled: Vec::new(),
        }
    }

    /// The peers.
    pub fn peers(&self) -> &[PeerAt] {
        &self.peers
    }

    /// Adds a peer.
    pub fn add_peer(&mut self, peer: PeerAt) {
        self.peers.push(peer);
    }

    /// What no peer answers goes to the real network from now on, over new connections.
    pub fn attach_outside(&mut self) {
        self.outside = Some(Box::default());
    }

    /// The border to the real network, if there is one.
    pub fn outside_mut(&mut self) -> Option<&mut Outside> {
        self.outside.as_deref_mut()
    }

    /// Takes what has left for the real network since the last call.
    pub fn take_outbound(&mut self) -> Vec<OutboundAt> {
        self.outside.as_deref_mut().map(Outside::take_outbound).unwrap_or_default()
    }

    /// Takes the datagrams that nobody answered since the last call.
    pub fn take_unanswered(&mut self) -> Vec<Datagram> {
        self.unanswered.drain(..).collect()
    }

    /// Datagrams forgotten because nobody took them.
    pub fn unanswered_dropped(&self) -> u64 {
        self.unanswered_dropped
    }

    /// Takes what the device service saw since the last call.
    pub fn take_cloud(&mut self) -> Vec<CloudEvent> {
        self.cloud.drain(..).collect()
    }

    /// What the device service saw and nobody took in time.
    pub fn cloud_dropped(&self) -> u64 {
        self.cloud_dropped
    }

    /// Takes the packets seen at the modem's side of the link since the last call, in the order of time.
    pub fn take_captured(&mut self) -> Vec<Captured> {
        self.captured.drain(..).collect()
    }

    /// Packets that nobody took in time.
    pub fn captured_dropped(&self) -> u64 {
        self.captured_dropped
    }

    pub(crate) fn capture(&mut self, time_ps: u64, is_outbound: bool, is_lost: bool, packet: &Packet) {
        if self.captured.len() >= OBSERVATIONS_MAX {
            self.captured.pop_front();
            self.captured_dropped += 1;
        }
        self.captured.push_back(Captured { time_ps, is_outbound, is_lost, packet: packet.clone() });
    }

    /// The device service, if there is one.
    pub fn service(&self) -> Option<&DeviceService> {
        self.peers.iter().find_map(|at| match &at.peer {
            Peer::Service(service) => Some(&**service),
            _ => None,
        })
    }

    /// The same, to ask something of a device.
    pub fn service_mut(&mut self) -> Option<&mut DeviceService> {
        self.peers.iter_mut().find_map(|at| match &mut at.peer {
            Peer::Service(service) => Some(&mut **service),
            _ => None,
        })
    }

    pub(crate) fn take_unmodelled(&mut self) -> Vec<String> {
        std::mem::take(&mut self.unmodelled)
    }

    /// The device sends a packet.
    pub fn send(&mut self, time_ps: u64, packet: Packet, decisions: &mut Decisions) {
        self.capture(time_ps, true, false, &packet);
        let latency = self.link.latency.draw_ps(time_ps, "network.uplink", "latency_us", decisions);
        self.last_to_peer_ps = self.last_to_peer_ps.max(time_ps.saturating_add(latency));
        self.in_flight.insert(self.last_to_peer_ps, Flight::ToPeer(packet));
    }

    /// When [`advance`](Self::advance) has something to do next.
    pub fn next_wake_ps(&self) -> u64 {
        let outside_ps = self.outside.as_ref().map_or(u64::MAX, |outside| outside.next_wake_ps());
        let peers = self.peers.iter().map(|p| p.peer.next_wake_ps());
        peers.fold(self.in_flight.next_ps().min(outside_ps), u64::min)
    }

    /// Handles the next thing that is due by `now_ps`.
    pub(crate) fn step(&mut self, now_ps: u64, decisions: &mut Decisions) {
        if self.in_flight.next_ps() <= now_ps {
            match self.in_flight.pop_due(now_ps) {
                Some((_, Flight::ToDevice(packet))) => self.arrived.push_back(Arrival { packet }),
                Some((time_ps, Flight::ToPeer(packet))) => self.deliver(time_ps, packet, decisions),
                None => {}
            }
            return;
        }
        let mut output = PeerOutput::default();
        for peer in self.peers.iter_mut().filter(|p| p.peer.next_wake_ps() <= now_ps) {
            peer.peer.advance(now_ps, &mut output, decisions);
        }
        if let Some(outside) = self.outside.as_mut().filter(|outside| outside.next_wake_ps() <= now_ps) {
            outside.advance(now_ps, &mut output, decisions);
        }
        self.take_output(now_ps, output, decisions);
    }

    pub(crate) fn take_arrival(&mut self) -> Option<Packet> {
        self.arrived.pop_front().map(|a| a.packet)
    }

    fn deliver(&mut self, time_ps: u64, packet: Packet, decisions: &mut Decisions) {
        let mut output = PeerOutput::default();
        if let Some(name) = self.unknown_name(&packet)
            && let Some(outside) = &mut self.outside
        {
            outside.resolve(time_ps, name, packet, &mut output);
            return self.take_output(time_ps, output, decisions);
        }
        match (self.peers.iter_mut().find(|p| p.listens(&packet)), &mut self.outside) {
            (Some(peer), _) => peer.peer.receive(time_ps, packet, &mut output, decisions),
            (None, Some(outside)) => outside.receive(time_ps, packet, &mut output, decisions),
            (None, None) => match packet.payload {
                Payload::Udp(bytes) => {
                    if self.unanswered.len() >= OBSERVATIONS_MAX {
                        self.unanswered.pop_front();
                        self.unanswered_dropped += 1;
                    }
                    self.unanswered.push_back(Datagram { time_ps, from: packet.from, to: packet.to, bytes });
                }
                // TCP to nobody is refused.
                Payload::Tcp(segment) => {
                    if let Some(refusal) = segment.refusal() {
                        let (from, to) = (packet.to, packet.from);
                        output.send(Packet { from, to, payload: Payload::Tcp(refusal), sent_ps: 0 });
                    }
                }
            },
        }
        self.take_output(time_ps, output, decisions);
    }

    /// The name that a query to a name server in process asks for, if it is to be asked in the real network.
    fn unknown_name(&self, packet: &Packet) -> Option<String> {
        self.outside.as_ref()?;
        let peer = self.peers.iter().find(|peer| peer.listens(packet))?;
        match (&peer.peer, &packet.payload) {
            (Peer::Dns(server), Payload::Udp(query)) => server.unknown_name(query),
            _ => None,
        }
    }

    fn take_output(&mut self, time_ps: u64, output: PeerOutput, decisions: &mut Decisions) {
        for event in output.cloud {
            if self.cloud.len() >= OBSERVATIONS_MAX {
                self.cloud.pop_front();
                self.cloud_dropped += 1;
            }
            self.cloud.push_back(event);
        }
        self.unmodelled.extend(output.unmodelled);
        for mut packet in output.packets {
            packet.sent_ps = time_ps;
            let latency = self.link.latency.draw_ps(time_ps, "network.downlink", "latency_us", decisions);
            self.last_to_device_ps = self.last_to_device_ps.max(time_ps.saturating_add(latency));
            self.in_flight.insert(self.last_to_device_ps, Flight::ToDevice(packet));
        }
    }
}

impl Default for Network {
    /// A DNS server at 8.8.8.8 and 8.8.4.4, and an echo service (TCP and UDP, port 7) at 192.0.2.7.
    fn default() -> Self {
        let dns = |address| PeerAt { address, port: Some(53), peer: Peer::Dns(DnsServer::default()) };
        let echo =
            PeerAt { address: Ipv4Addr::new(192, 0, 2, 7), port: Some(7), peer: Peer::Echo(Echo::new(EchoForm::Same)) };
        Self::new(LinkConfig::default(), vec![dns(Ipv4Addr::new(8, 8, 8, 8)), dns(Ipv4Addr::new(8, 8, 4, 4)), echo])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(address: [u8; 4], port: u16) -> Endpoint {
        Endpoint { address: address.into(), port }
    }

    fn run(network: &mut Network, decisions: &mut Decisions) -> Vec<(u64, Packet)> {
        let mut arrived = Vec::new();
        while network.next_wake_ps() != u64::MAX {
            let now = network.next_wake_ps();
            network.step(now, decisions);
            while let Some(packet) = network.take_arrival() {
                arrived.push((now, packet));
            }
        }
        arrived
    }

    #[test]
    fn an_echo_comes_from_the_address_it_was_sent_to() {
        let (mut network, mut decisions) = (Network::default(), Decisions::new(1));
        let (from, to) = (endpoint([10, 0, 0, 1], 9), endpoint([192, 0, 2, 7], 7));
        network.send(5, Packet { from, to, payload: Payload::Udp(b"x".to_vec()), sent_ps: 5 }, &mut decisions);
        let arrived = run(&mut network, &mut decisions);
        assert_eq!(arrived.len(), 1);
        assert_eq!((arrived[0].1.from, arrived[0].1.to), (to, from));
        assert_eq!(arrived[0].1.payload, Payload::Udp(b"x".to_vec()));
        let milliseconds = arrived[0].0 / crate::time::PS_PER_MS;
        assert!((450..=530).contains(&milliseconds), "{milliseconds} ms");
    }

    #[test]
    fn nobody_listens() {
        let (mut network, mut decisions) = (Network::default(), Decisions::new(1));
        let (from, to) = (endpoint([10, 0, 0, 1], 9), endpoint([203, 0, 113, 1], 5684));
        let mut hello = vec![0; 40];
        (hello[0], hello[13]) = (22, 1);
        network.send(0, Packet { from, to, payload: Payload::Udp(hello), sent_ps: 0 }, &mut decisions);
        let flags = tcp::Flags { syn: true, ..tcp::Flags::default() };
        let syn = Segment { sequence: tcp::Seq(7), flags, ..Segment::default() };
        network.send(0, Packet { from, to, payload: Payload::Tcp(syn), sent_ps: 0 }, &mut decisions);
        let arrived = run(&mut network, &mut decisions);
        assert_eq!(arrived.len(), 1);
        let Payload::Tcp(refusal) = &arrived[0].1.payload else { panic!("{arrived:?}") };
        assert!(refusal.flags.rst && refusal.flags.ack);
        assert_eq!(refusal.acknowledgment, tcp::Seq(8));
        let unanswered = network.take_unanswered();
        assert!(unanswered[0].is_client_hello());
        assert_eq!((unanswered[0].from, unanswered[0].to), (from, to));
    }

    #[test]
    fn packets_keep_their_order() {
        let (mut network, mut decisions) = (Network::default(), Decisions::new(3));
        let (from, to) = (endpoint([10, 0, 0, 1], 9), endpoint([192, 0, 2, 7], 7));
        for n in 0..50 {
            network.send(u64::from(n), Packet { from, to, payload: Payload::Udp(vec![n]), sent_ps: 0 }, &mut decisions);
        }
        let order: Vec<_> = run(&mut network, &mut decisions).into_iter().map(|(_, p)| p.payload).collect();
        assert_eq!(order, (0..50).map(|n| Payload::Udp(vec![n])).collect::<Vec<_>>());
    }
}
