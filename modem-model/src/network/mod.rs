//! The network behind the modem, in process: packets, a link that delays and loses them, and peers that answer.
//!
//! Sans-IO: the caller sends packets in and takes those that arrived for the device out, at explicit times.

pub mod directory;
pub mod dns;
pub mod echo;
pub mod http;
pub mod link;
pub mod mqtt;
pub mod nat;
pub mod ntp;
pub mod outside;
pub mod packet;
pub mod peer;
pub mod service;
pub mod stream_host;
pub mod stream_service;
pub mod tcp;
pub mod tcp_host;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::Ipv4Addr;

use lockstep_traces::Decisions;
use serde::{Deserialize, Serialize};

use crate::time::TimerQueue;
pub use dns::{DnsRecord, DnsServer};
pub use echo::{Echo, EchoForm};
use http::HttpRequest;
pub use http::{HttpConfig, HttpServer};
use link::Direction;
pub use link::{DirectionConfig, LinkConfig, Outage, Probability};
use mqtt::BrokerEvent;
pub use mqtt::{Broker, BrokerConfig};
use nat::Nat;
pub use nat::NatConfig;
pub use ntp::NtpServer;
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
    /// When a peer or the outside is due; `None` is to be found anew. It follows from the rest and is asked for at each
    /// access of the device to its own peripherals.
    #[serde(skip)]
    peers_wake_ps: Option<u64>,
    in_flight: TimerQueue<Flight>,
    uplink: Direction,
    downlink: Direction,
    /// The link was taken down by a call.
    is_down: bool,
    nat: Nat,
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
            peers_wake_ps: None,
            in_flight: TimerQueue::default(),
            uplink: Direction::default(),
            downlink: Direction::default(),
            is_down: false,
            nat: Nat::default(),
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
        self.peers_wake_ps = None;
        self.peers.push(peer);
    }

    /// What no peer answers goes to the real network from now on, over new connections.
    pub fn attach_outside(&mut self) {
        self.peers_wake_ps = None;
        self.outside = Some(Box::default());
    }

    /// The border to the real network, if there is one.
    pub fn outside_mut(&mut self) -> Option<&mut Outside> {
        self.peers_wake_ps = None;
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
        self.peers_wake_ps = None;
        self.peers.iter_mut().find_map(|at| match &mut at.peer {
            Peer::Service(service) => Some(&mut **service),
            _ => None,
        })
    }

    /// The MQTT broker, if there is one: the operator may publish.
    pub fn broker_mut(&mut self) -> Option<&mut Broker> {
        self.peers_wake_ps = None;
        self.broker()
    }

    fn broker(&mut self) -> Option<&mut Broker> {
        self.stream_services().find_map(|service| match service {
            Service::Mqtt(broker) => Some(&mut **broker),
            _ => None,
        })
    }

    /// Takes what the MQTT broker saw since the last call.
    pub fn take_broker(&mut self) -> Vec<BrokerEvent> {
        self.broker().map(Broker::take_events).unwrap_or_default()
    }

    /// The HTTP server, if there is one: its resources may change.
    pub fn http_mut(&mut self) -> Option<&mut HttpServer> {
        self.peers_wake_ps = None;
        self.http()
    }

    fn http(&mut self) -> Option<&mut HttpServer> {
        self.stream_services().find_map(|service| match service {
            Service::Http(server) => Some(&mut **server),
            _ => None,
        })
    }

    /// Takes what the HTTP server was asked since the last call.
    pub fn take_http(&mut self) -> Vec<HttpRequest> {
        self.http().map(HttpServer::take_requests).unwrap_or_default()
    }

    fn stream_services(&mut self) -> impl Iterator<Item = &mut Service> {
        self.peers.iter_mut().filter_map(|at| match &mut at.peer {
            Peer::Stream(host) => Some(host.service_mut()),
            _ => None,
        })
    }

    pub(crate) fn take_unmodelled(&mut self) -> Vec<String> {
        std::mem::take(&mut self.unmodelled)
    }

    /// The link's settings, to change them from now on: a branch of a run may have another link.
    pub fn link_mut(&mut self) -> &mut LinkConfig {
        &mut self.link
    }

    /// Packets that are sent from now on, from the modem or to it, arrive at `until_ps` at the earliest, in their order.
    pub fn hold(&mut self, from_modem: bool, until_ps: u64) {
        let direction = if from_modem { &mut self.uplink } else { &mut self.downlink };
        direction.hold(until_ps);
    }

    /// Begins or ends an outage: nothing passes, and neither end is told.
    pub(crate) fn set_down(&mut self, is_down: bool) {
        self.is_down = is_down;
    }

    fn passes(&self, time_ps: u64) -> bool {
        !self.is_down && !self.link.is_out(time_ps)
    }

    /// The device sends a packet.
    pub fn send(&mut self, time_ps: u64, packet: Packet, decisions: &mut Decisions) {
        let arrivals = if self.passes(time_ps) {
            let length = packet.ip_length();
            self.uplink.carry(&self.link.uplink, time_ps, length, "network.uplink", decisions)
        } else {
            Vec::new()
        };
        self.capture(time_ps, true, arrivals.is_empty(), &packet);
        for arrival_ps in arrivals {
            self.in_flight.insert(arrival_ps, Flight::ToPeer(packet.clone()));
        }
    }

    /// When [`step`](Self::step) has something to do next.
    pub fn next_wake_ps(&self) -> u64 {
        self.in_flight.next_ps().min(self.peers_wake_ps.unwrap_or_else(|| self.find_peers_wake_ps()))
    }

    fn find_peers_wake_ps(&self) -> u64 {
        let outside_ps = self.outside.as_ref().map_or(u64::MAX, |outside| outside.next_wake_ps());
        self.peers.iter().map(|p| p.peer.next_wake_ps()).fold(outside_ps, u64::min)
    }

    /// Handles the next thing that is due by `now_ps`.
    pub(crate) fn step(&mut self, now_ps: u64, decisions: &mut Decisions) {
        if self.in_flight.next_ps() <= now_ps {
            match self.in_flight.pop_due(now_ps) {
                Some((time_ps, Flight::ToDevice(packet))) if self.passes(time_ps) => {
                    self.arrived.push_back(Arrival { packet });
                }
                Some((time_ps, Flight::ToDevice(packet))) => self.capture(time_ps, false, true, &packet),
                Some((time_ps, Flight::ToPeer(packet))) => self.deliver(time_ps, packet, decisions),
                None => {}
            }
        } else {
            self.advance_peers(now_ps, decisions);
        }
        self.peers_wake_ps = Some(self.find_peers_wake_ps());
    }

    fn advance_peers(&mut self, now_ps: u64, decisions: &mut Decisions) {
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

    fn deliver(&mut self, time_ps: u64, mut packet: Packet, decisions: &mut Decisions) {
        self.nat.outbound(&self.link.nat, time_ps, &mut packet, decisions);
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
            if !self.nat.inbound(&self.link.nat, time_ps, &mut packet) {
                continue;
            }
            let length = packet.ip_length();
            let arrivals = self.downlink.carry(&self.link.downlink, time_ps, length, "network.downlink", decisions);
            if arrivals.is_empty() {
                self.capture(time_ps, false, true, &packet);
            }
            for arrival_ps in arrivals {
                self.in_flight.insert(arrival_ps, Flight::ToDevice(packet.clone()));
            }
        }
    }
}

impl Default for Network {
    /// A DNS server at 8.8.8.8 and 8.8.4.4, and the services of the [`directory`].
    fn default() -> Self {
        let dns = |address| PeerAt { address, port: Some(53), peer: Peer::Dns(DnsServer::default()) };
        let mut peers = vec![dns(Ipv4Addr::new(8, 8, 8, 8)), dns(Ipv4Addr::new(8, 8, 4, 4))];
        peers.extend(directory::services(directory::EPOCH_UNIX_S));
        Self::new(LinkConfig::default(), peers)
    }
}
