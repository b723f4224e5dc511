//! Address translation between the mobile network and the rest: the device's address and port outside, for as long as
//! it is not silent.
//!
//! Mappings do not depend on the other end (RFC 4787 4.1), packets from anybody pass in, and packets of both directions
//! keep a mapping alive (4.3).

use std::net::Ipv4Addr;

use lockstep_traces::Decisions;
use serde::{Deserialize, Serialize};

use super::packet::{Endpoint, Packet, Protocol};
use crate::time::DurationRange;

/// Mappings at most; the one silent for the longest time gives way.
const MAPPINGS_MAX: usize = 1024;
/// Ports given outside.
const PORTS: (u16, u16) = (1024, 65_535);

/// What can be chosen about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NatConfig {
    /// Whether addresses are translated; otherwise peers see the device's own.
    pub enabled: bool,
    /// The address outside.
    pub address: Ipv4Addr,
    /// Silence after which a mapping of UDP is forgotten, drawn for each mapping; `None` is never.
    pub udp_idle_timeout: Option<DurationRange>,
    /// The same for TCP.
    pub tcp_idle_timeout: Option<DurationRange>,
}

impl Default for NatConfig {
    /// Off.
    fn default() -> Self {
        Self {
            enabled: false,
            address: Ipv4Addr::new(198, 51, 100, 77),
            udp_idle_timeout: None,
            tcp_idle_timeout: None,
        }
    }
}

impl NatConfig {
    /// As behind SIM cards of third parties: 20 to 60 s of silence end a UDP mapping, by reports from the field (the
    /// vendor's documentation asks for a keepalive of about 20 s there). Nothing is known of TCP.
    pub fn third_party_sim() -> Self {
        Self { enabled: true, udp_idle_timeout: Some(DurationRange::ms(20_000, 60_000)), ..Self::default() }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mapping {
    protocol: Protocol,
    inside: Endpoint,
    port: u16,
    idle_ps: Option<u64>,
    used_ps: u64,
}

impl Mapping {
    fn is_alive(&self, time_ps: u64) -> bool {
        self.idle_ps.is_none_or(|idle_ps| time_ps.saturating_sub(self.used_ps) < idle_ps)
    }
}

/// The translator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Nat {
    mappings: Vec<Mapping>,
}

impl Nat {
    /// A packet from the device: gives it the sender that peers see.
    pub fn outbound(&mut self, config: &NatConfig, time_ps: u64, packet: &mut Packet, decisions: &mut Decisions) {
        if !config.enabled {
            return;
        }
        self.mappings.retain(|mapping| mapping.is_alive(time_ps));
        let (protocol, inside) = (packet.payload.protocol(), packet.from);
        let found = self.mappings.iter_mut().find(|m| (m.protocol, m.inside) == (protocol, inside));
        let port = match found {
            Some(mapping) => {
                mapping.used_ps = time_ps;
                mapping.port
            }
            None => self.map(config, time_ps, protocol, inside, decisions),
        };
        packet.from = Endpoint { address: config.address, port };
    }

    /// A packet for the device: gives it the receiver inside. `false`: there is none, and it is lost.
    pub fn inbound(&mut self, config: &NatConfig, time_ps: u64, packet: &mut Packet) -> bool {
        if !config.enabled {
            return true;
        }
        let (protocol, to) = (packet.payload.protocol(), packet.to);
        let found = self.mappings.iter_mut().find(|m| {
            m.protocol == protocol && (config.address, m.port) == (to.address, to.port) && m.is_alive(time_ps)
        });
        let Some(mapping) = found else { return false };
        mapping.used_ps = time_ps;
        packet.to = mapping.inside;
        true
    }

    fn map(
        &mut self,
        config: &NatConfig,
        time_ps: u64,
        protocol: Protocol,
        inside: Endpoint,
        decisions: &mut Decisions,
    ) -> u16 {
        const STREAM: &str = "network.nat";
        if self.mappings.len() >= MAPPINGS_MAX {
            let oldest = self.mappings.iter().enumerate().min_by_key(|(_, m)| m.used_ps).map(|(at, _)| at);
            oldest.map(|at| self.mappings.remove(at));
        }
        let (low, high) = (u64::from(PORTS.0), u64::from(PORTS.1));
        // Within the limits that are given.
        let mut port = decisions.draw(time_ps, STREAM, "port", low, high) as u16;
        while self.mappings.iter().any(|m| (m.protocol, m.port) == (protocol, port)) {
            port = if port == PORTS.1 { PORTS.0 } else { port + 1 };
        }
        let timeout = match protocol {
            Protocol::Udp => config.udp_idle_timeout,
            Protocol::Tcp => config.tcp_idle_timeout,
        };
        let idle_ps = timeout.map(|range| range.draw_ps(time_ps, STREAM, "idle_timeout_us", decisions));
        self.mappings.push(Mapping { protocol, inside, port, idle_ps, used_ps: time_ps });
        port
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::packet::Payload;
    use crate::time::PS_PER_S;

    #[test]
    fn silence_moves_the_device_to_another_port() {
        let timeout = Some(DurationRange::ms(30_000, 30_000));
        let config = NatConfig { enabled: true, udp_idle_timeout: timeout, ..NatConfig::default() };
        let (mut nat, mut decisions) = (Nat::default(), Decisions::new(1));
        let device = Endpoint { address: [10, 0, 0, 1].into(), port: 5684 };
        let peer = Endpoint { address: [192, 0, 2, 7].into(), port: 7 };
        let mut out = |nat: &mut Nat, s: u64| {
            let mut packet = Packet { from: device, to: peer, payload: Payload::Udp(vec![]), sent_ps: 0 };
            nat.outbound(&config, s * PS_PER_S, &mut packet, &mut decisions);
            packet.from
        };
        let back = |nat: &mut Nat, s: u64, to| {
            let mut packet = Packet { from: peer, to, payload: Payload::Udp(vec![]), sent_ps: 0 };
            nat.inbound(&config, s * PS_PER_S, &mut packet).then_some(packet.to)
        };
        let first = out(&mut nat, 0);
        assert_eq!(first.address, config.address);
        assert_eq!((out(&mut nat, 29), back(&mut nat, 58, first)), (first, Some(device)), "both keep it alive");
        assert_eq!(back(&mut nat, 88, first), None);
        let second = out(&mut nat, 90);
        assert_ne!(first, second);
        assert_eq!((back(&mut nat, 91, first), back(&mut nat, 91, second)), (None, Some(device)));
    }

    #[test]
    fn off_it_changes_nothing_and_draws_nothing() {
        let (mut nat, mut decisions) = (Nat::default(), Decisions::new(1));
        let ends = [10, 192].map(|n| Endpoint { address: [n, 0, 0, 1].into(), port: 9 });
        let packet = Packet { from: ends[0], to: ends[1], payload: Payload::Udp(vec![]), sent_ps: 0 };
        let mut same = packet.clone();
        nat.outbound(&NatConfig::default(), 0, &mut same, &mut decisions);
        assert!(nat.inbound(&NatConfig::default(), 0, &mut same));
        assert_eq!((same, decisions.log().len()), (packet, 0));
    }
}
