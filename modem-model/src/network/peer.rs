//! What listens in the network: one variant per service, so that the state of all of them is serialisable.

use std::net::Ipv4Addr;

use lockstep_traces::Decisions;
use serde::{Deserialize, Serialize};

use super::dns::DnsServer;
use super::echo::Echo;
use super::ntp::NtpServer;
use super::packet::{Packet, Payload, Protocol};
use super::service::{CloudEvent, DeviceService};
use super::stream_host::{Service, StreamHost};

/// A peer and where it listens.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PeerAt {
    /// Its address.
    pub address: Ipv4Addr,
    /// Its port; `None` listens on all.
    pub port: Option<u16>,
    /// The service.
    pub peer: Peer,
}

impl PeerAt {
    /// Whether a packet is for it.
    pub fn listens(&self, packet: &Packet) -> bool {
        self.address == packet.to.address
            && self.port.is_none_or(|port| port == packet.to.port)
            && self.peer.speaks(packet.payload.protocol())
    }
}

/// A service.
///
/// A new one is a variant here and a file beside this one with the functions called below.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Peer {
    /// DNS server.
    Dns(DnsServer),
    /// Echo over TCP and UDP.
    Echo(Echo),
    /// NTP server.
    Ntp(NtpServer),
    /// A service above TCP.
    Stream(Box<StreamHost<Service>>),
    /// The device service.
    Service(Box<DeviceService>),
}

/// What a peer sends in answer to an event.
#[derive(Clone, Debug, Default)]
pub struct PeerOutput {
    pub(crate) packets: Vec<Packet>,
    pub(super) cloud: Vec<CloudEvent>,
    pub(super) unmodelled: Vec<String>,
}

impl PeerOutput {
    /// Sends a packet; `sent_ps` is filled in by the network.
    pub fn send(&mut self, packet: Packet) {
        self.packets.push(packet);
    }

    /// Something for an observer of the device service.
    pub fn observe(&mut self, event: CloudEvent) {
        self.cloud.push(event);
    }

    /// Something was asked for that is not modelled.
    pub fn unmodelled(&mut self, what: String) {
        self.unmodelled.push(what);
    }

    /// Answers a packet: from the address it was sent to, to its sender.
    pub fn reply(&mut self, to: &Packet, payload: Payload) {
        self.send(Packet { from: to.to, to: to.from, payload, sent_ps: 0 });
    }
}

impl Peer {
    /// Whether it listens for this transport.
    pub fn speaks(&self, protocol: Protocol) -> bool {
        match self {
            Self::Dns(_) | Self::Ntp(_) | Self::Service(_) => protocol == Protocol::Udp,
            Self::Stream(_) => protocol == Protocol::Tcp,
            Self::Echo(_) => true,
        }
    }

    /// A packet arrived.
    pub fn receive(&mut self, time_ps: u64, packet: Packet, output: &mut PeerOutput, decisions: &mut Decisions) {
        match self {
            Self::Dns(server) => server.receive(&packet, output),
            Self::Echo(echo) => echo.receive(time_ps, &packet, output, decisions),
            Self::Ntp(server) => server.receive(time_ps, &packet, output),
            Self::Stream(host) => host.receive(time_ps, &packet, output, decisions),
            Self::Service(service) => service.receive(time_ps, &packet, output, decisions),
        }
    }

    /// When [`advance`](Self::advance) is wanted.
    pub fn next_wake_ps(&self) -> u64 {
        match self {
            Self::Dns(_) | Self::Ntp(_) => u64::MAX,
            Self::Echo(echo) => echo.next_wake_ps(),
            Self::Stream(host) => host.next_wake_ps(),
            Self::Service(service) => service.next_wake_ps(),
        }
    }

    /// Time has come to its next wake.
    pub fn advance(&mut self, now_ps: u64, output: &mut PeerOutput, decisions: &mut Decisions) {
        match self {
            Self::Dns(_) | Self::Ntp(_) => {}
            Self::Echo(echo) => echo.advance(now_ps, output),
            Self::Stream(host) => host.advance(now_ps, output),
            Self::Service(service) => service.advance(now_ps, output, decisions),
        }
    }
}
