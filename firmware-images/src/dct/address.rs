//! The server address record of a device configuration table.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::layout::SERVER_ADDRESS;

/// Type byte of an IPv4 address in bytes 2 to 5.
const TYPE_IP: u8 = 0;
/// Type byte of a domain name from byte 2 on.
const TYPE_DOMAIN: u8 = 1;
/// The port, big-endian, ends the room for a domain name.
const PORT_OFFSET: usize = 66;
/// Longest domain name: the firmware copies it to 64 bytes and adds a zero.
pub const LONGEST_DOMAIN: usize = 63;

/// Where the device looks for its server.
///
/// As text `host` or `host:port`; `$id` in a domain name stands for the device id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServerAddress {
    /// Domain name or IPv4 address.
    pub host: Host,
    /// UDP port; `None` lets the firmware use its default, 5684.
    pub port: Option<u16>,
}

/// A host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A domain name.
    Domain(String),
    /// An IPv4 address.
    Ip(Ipv4Addr),
}

/// What is wrong with a server address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No host.
    #[error("no host; write host or host:port")]
    NoHost,
    /// Too long.
    #[error("the domain name has {length} bytes, longest is {LONGEST_DOMAIN}")]
    TooLong {
        /// Its length.
        length: usize,
    },
    /// Not a domain name.
    #[error("the domain name {name:?} has other characters than letters, digits, '.', '-', '_' and '$'")]
    BadDomain {
        /// The name.
        name: String,
    },
    /// Not a port.
    #[error("port {port:?} is not a number from 1 to 65534")]
    BadPort {
        /// The port as written.
        port: String,
    },
    /// The record's type.
    #[error("type {found}, expected 0 (IP address) or 1 (domain name)")]
    BadType {
        /// The type byte.
        found: u8,
    },
}

impl ServerAddress {
    /// The record, with erased bytes where nothing is said.
    pub fn encode(&self) -> Vec<u8> {
        let mut record = match &self.host {
            Host::Ip(ip) => {
                let mut record = vec![TYPE_IP, 4];
                record.extend(ip.octets());
                record
            }
            Host::Domain(name) => {
                let mut record = vec![TYPE_DOMAIN, name.len() as u8];
                record.extend(name.bytes());
                record
            }
        };
        // From 0.5.2 on firmware takes 0 and 0xffff for the default port.
        record.resize(PORT_OFFSET, 0xff);
        record.extend(self.port.unwrap_or(0xffff).to_be_bytes());
        record.resize(SERVER_ADDRESS.size, 0xff);
        record
    }

    /// Reads a record; `None` when it is erased.
    pub fn decode(record: &[u8]) -> Result<Option<Self>, AddressError> {
        let byte = |offset: usize| record.get(offset).copied().unwrap_or(0xff);
        let length = usize::from(byte(1));
        let host = match byte(0) {
            0xff => return Ok(None),
            TYPE_IP => Host::Ip(Ipv4Addr::new(byte(2), byte(3), byte(4), byte(5))),
            TYPE_DOMAIN => {
                let name = record.get(2..2 + length).unwrap_or_default();
                if length > LONGEST_DOMAIN || name.len() != length {
                    return Err(AddressError::TooLong { length });
                }
                Host::Domain(check_domain(&String::from_utf8_lossy(name))?)
            }
            found => return Err(AddressError::BadType { found }),
        };
        let port = u16::from_be_bytes([byte(PORT_OFFSET), byte(PORT_OFFSET + 1)]);
        Ok(Some(Self { host, port: (port != 0 && port != 0xffff).then_some(port) }))
    }
}

fn check_domain(name: &str) -> Result<String, AddressError> {
    if name.is_empty() {
        return Err(AddressError::NoHost);
    }
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || ".-_$".contains(c)) {
        return Err(AddressError::BadDomain { name: name.to_owned() });
    }
    if name.len() > LONGEST_DOMAIN {
        return Err(AddressError::TooLong { length: name.len() });
    }
    Ok(name.to_owned())
}

impl FromStr for ServerAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (host, port) = match text.trim().rsplit_once(':') {
            Some((host, port)) => {
                let number = port.parse().ok().filter(|port| *port != 0 && *port != 0xffff);
                (host, Some(number.ok_or_else(|| AddressError::BadPort { port: port.to_owned() })?))
            }
            None => (text.trim(), None),
        };
        let host = match host.parse() {
            Ok(ip) => Host::Ip(ip),
            Err(_) => Host::Domain(check_domain(host)?),
        };
        Ok(Self { host, port })
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Domain(name) => f.write_str(name)?,
            Host::Ip(ip) => write!(f, "{ip}")?,
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

impl TryFrom<String> for ServerAddress {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl From<ServerAddress> for String {
    fn from(address: ServerAddress) -> Self {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn records_are_as_the_firmware_reads_them() {
        let record = "$id.udp.example.net".parse::<ServerAddress>().unwrap().encode();
        assert_eq!(record.len(), 128);
        assert_eq!(&record[..7], b"\x01\x13$id.u");
        assert_eq!(&record[66..68], [0xff, 0xff]);
        let record = "10.1.2.3:5685".parse::<ServerAddress>().unwrap().encode();
        assert_eq!(&record[..6], [0, 4, 10, 1, 2, 3]);
        assert_eq!(&record[66..68], 5685u16.to_be_bytes());
    }

    #[test]
    fn mistakes_are_named() {
        let error = |text: &str| text.parse::<ServerAddress>().unwrap_err();
        assert_eq!(error(&"a".repeat(64)), AddressError::TooLong { length: 64 });
        assert_eq!(error(":5684"), AddressError::NoHost);
        assert!(matches!(error("a b"), AddressError::BadDomain { .. }));
        assert!(matches!(error("a:70000"), AddressError::BadPort { .. }));
        assert_eq!(ServerAddress::decode(&[7; 128]), Err(AddressError::BadType { found: 7 }));
        assert_eq!(ServerAddress::decode(&[0xff; 128]), Ok(None));
        assert_eq!(ServerAddress::decode(&[1, 100]), Err(AddressError::TooLong { length: 100 }));
    }

    proptest! {
        #[test]
        fn an_address_reads_back(host in "[a-z$][a-z0-9.$-]{0,62}", port in prop::option::of(1u16..0xffff)) {
            let address = ServerAddress { host: Host::Domain(host), port };
            prop_assert_eq!(ServerAddress::decode(&address.encode()), Ok(Some(address.clone())));
            prop_assert_eq!(address.to_string().parse(), Ok(address));
        }

        #[test]
        fn arbitrary_records_never_panic(record: Vec<u8>, text: String) {
            let _ = ServerAddress::decode(&record);
            let _ = text.parse::<ServerAddress>();
        }
    }
}
