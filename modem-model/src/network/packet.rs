//! What travels on the link.

use std::fmt;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::tcp::Segment;

/// Transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protocol {
    /// 6 in `AT+USOCR`.
    Tcp,
    /// 17 in `AT+USOCR`.
    Udp,
}

impl Protocol {
    /// IANA's protocol number.
    pub fn number(self) -> u32 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
        }
    }
}

/// An address and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Endpoint {
    /// IPv4 address.
    pub address: Ipv4Addr,
    /// Port.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.address, self.port)
    }
}

/// What a packet carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Payload {
    /// A UDP datagram.
    Udp(Vec<u8>),
    /// A TCP segment.
    Tcp(Segment),
}

impl Payload {
    /// The transport.
    pub fn protocol(&self) -> Protocol {
        match self {
            Self::Udp(_) => Protocol::Udp,
            Self::Tcp(_) => Protocol::Tcp,
        }
    }
}

/// One packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packet {
    /// Sender.
    pub from: Endpoint,
    /// Receiver.
    pub to: Endpoint,
    /// Content.
    pub payload: Payload,
    /// When it was sent. A UDP socket opened later never receives it, even on the same port.
    pub sent_ps: u64,
}

/// Bytes of an IPv4 header without options.
const IPV4_HEADER_BYTES: usize = 20;
/// Bytes of a UDP header.
const UDP_HEADER_BYTES: usize = 8;
/// Bytes of a TCP header without options.
const TCP_HEADER_BYTES: usize = 20;
/// Bytes of the MSS option.
const MSS_OPTION_BYTES: usize = 4;
/// Payload of an IPv4 datagram at most, beside the longest headers used here.
const PAYLOAD_BYTES_MAX: usize = 65_535 - IPV4_HEADER_BYTES - TCP_HEADER_BYTES - MSS_OPTION_BYTES;

impl Packet {
    /// Its length with IPv4 and transport headers.
    pub fn ip_length(&self) -> usize {
        IPV4_HEADER_BYTES
            + match &self.payload {
                Payload::Udp(bytes) => UDP_HEADER_BYTES + bytes.len(),
                Payload::Tcp(segment) => {
                    let options = if segment.mss.is_some() { MSS_OPTION_BYTES } else { 0 };
                    TCP_HEADER_BYTES + options + segment.payload.len()
                }
            }
    }
}

/// The packet as it would be on a wire: IPv4 (RFC 791; not to be fragmented, hence identification 0 by RFC 6864) with
/// UDP (RFC 768) or TCP (RFC 9293 3.1). Payload that no IPv4 packet can hold is cut.
pub fn to_ipv4_bytes(packet: &Packet) -> Vec<u8> {
    let (from, to) = (packet.from, packet.to);
    let ports = [from.port.to_be_bytes(), to.port.to_be_bytes()].concat();
    let fits = |bytes: &[u8]| bytes.get(..PAYLOAD_BYTES_MAX).unwrap_or(bytes).to_vec();
    let (mut transport, checksum_at) = match &packet.payload {
        Payload::Udp(bytes) => {
            let payload = fits(bytes);
            let length = length_field(UDP_HEADER_BYTES + payload.len());
            ([&ports[..], &length, &[0, 0], &payload].concat(), 6)
        }
        Payload::Tcp(segment) => {
            let Segment { sequence, acknowledgment, flags, window, mss, payload } = segment;
            let option = mss.map(|mss| [&[2, 4], &mss.to_be_bytes()[..]].concat()).unwrap_or_default();
            let words = (TCP_HEADER_BYTES + option.len()) / 4;
            let bits = [flags.fin, flags.syn, flags.rst, flags.psh, flags.ack];
            let bits = bits.iter().enumerate().fold(0, |byte, (at, set)| byte | u8::from(*set) << at);
            let numbers = [sequence.0.to_be_bytes(), acknowledgment.0.to_be_bytes()].concat();
            let offset = u8::try_from(words << 4).unwrap_or_default();
            let head = [&ports[..], &numbers, &[offset, bits], &window.to_be_bytes(), &[0; 4]].concat();
            ([head, option, fits(payload)].concat(), 16)
        }
    };
    let protocol = u8::try_from(packet.payload.protocol().number()).unwrap_or_default();
    let addresses = [from.address.octets(), to.address.octets()].concat();
    let pseudo_header = [&addresses[..], &[0, protocol], &length_field(transport.len())].concat();
    let sum = match checksum(&[&pseudo_header, &transport]) {
        // In UDP, 0 says that there is none.
        0 => 0xffff,
        sum => sum,
    };
    put(&mut transport, checksum_at, sum);
    const VERSION_AND_LENGTH: u8 = 0x45;
    const DO_NOT_FRAGMENT: u8 = 0x40;
    const TIME_TO_LIVE: u8 = 64;
    let total = length_field(IPV4_HEADER_BYTES + transport.len());
    let mut header = [VERSION_AND_LENGTH, 0].to_vec();
    header.extend(total);
    header.extend([0, 0, DO_NOT_FRAGMENT, 0, TIME_TO_LIVE, protocol, 0, 0]);
    header.extend(addresses);
    let sum = checksum(&[&header]);
    put(&mut header, 10, sum);
    [header, transport].concat()
}

fn length_field(length: usize) -> [u8; 2] {
    u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes()
}

fn put(bytes: &mut [u8], at: usize, value: u16) {
    if let Some(field) = bytes.get_mut(at..at + 2) {
        field.copy_from_slice(&value.to_be_bytes());
    }
}

/// The internet checksum (RFC 1071) over parts of which all but the last have an even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let octet = |word: &[u8], at: usize| word.get(at).copied().unwrap_or_default();
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let mut sum: u64 = words.map(|word| u64::from(octet(word, 0)) << 8 | u64::from(octet(word, 1))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::tcp::{Flags, Seq};

    fn ends() -> (Endpoint, Endpoint) {
        let end = |last, port| Endpoint { address: [10, 0, 0, last].into(), port };
        (end(1, 0x1234), end(2, 80))
    }

    /// RFC 1071: the sum over everything, checksum included, is all ones.
    fn sums_up(bytes: &[u8], protocol: u8) -> bool {
        let (header, transport) = bytes.split_at(20);
        let pseudo_header = [&header[12..20], &[0, protocol], &(transport.len() as u16).to_be_bytes()].concat();
        checksum(&[header]) == 0 && checksum(&[&pseudo_header, transport]) == 0
    }

    #[test]
    fn a_datagram_on_the_wire() {
        let (from, to) = ends();
        let packet = Packet { from, to, payload: Payload::Udp(b"odd".to_vec()), sent_ps: 0 };
        let bytes = to_ipv4_bytes(&packet);
        assert_eq!((bytes.len(), packet.ip_length()), (31, 31));
        assert_eq!(bytes[..10], [0x45, 0, 0, 31, 0, 0, 0x40, 0, 64, 17]);
        assert_eq!(bytes[12..26], [10, 0, 0, 1, 10, 0, 0, 2, 0x12, 0x34, 0, 80, 0, 11]);
        assert_eq!(&bytes[28..], b"odd");
        assert!(sums_up(&bytes, 17));
    }

    #[test]
    fn a_syn_on_the_wire() {
        let (from, to) = ends();
        let segment = Segment {
            sequence: Seq(0x0102_0304),
            acknowledgment: Seq(0x0506_0708),
            flags: Flags { syn: true, ack: true, ..Flags::default() },
            window: 0x1000,
            mss: Some(1460),
            payload: Vec::new(),
        };
        let packet = Packet { from, to, payload: Payload::Tcp(segment), sent_ps: 0 };
        let bytes = to_ipv4_bytes(&packet);
        assert_eq!((bytes.len(), packet.ip_length()), (44, 44));
        assert_eq!(bytes[24..36], [1, 2, 3, 4, 5, 6, 7, 8, 0x60, 0x12, 0x10, 0]);
        assert_eq!(bytes[38..], [0, 0, 2, 4, 0x05, 0xb4]);
        assert!(sums_up(&bytes, 6));
        // More than fits is cut, not wrong.
        let packet = Packet { payload: Payload::Udp(vec![1; 70_000]), ..packet };
        assert!(sums_up(&to_ipv4_bytes(&packet), 17));
    }
}
