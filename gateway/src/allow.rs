//! What may be bridged: rules, and the names resolved by them.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::{Mutex, MutexGuard, PoisonError};

use lockstep_gateway_protocol::{ADDRESSES_MAX, NAME_OCTETS_MAX, ResolveFailure};

use crate::error::GatewayError;

/// Addresses remembered for all names of a session. A name's addresses change seldom; a run never needs many.
const RESOLVED_MAX: usize = 1024;

/// An address or a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// An IPv4 address.
    Address(Ipv4Addr),
    /// A name, in lower case.
    Name(String),
}

impl Host {
    /// `HOST:PORT`.
    pub fn parse_with_port(text: &str) -> Result<(Self, u16), String> {
        let (host, port) = text.rsplit_once(':').ok_or_else(|| format!("{text:?} has no port: give HOST:PORT"))?;
        let port = port.parse().ok().filter(|&port| port != 0);
        let port = port.ok_or_else(|| format!("{text:?}: the port is a number from 1 to 65535"))?;
        if let Ok(address) = host.parse() {
            return Ok((Self::Address(address), port));
        }
        let is_name = !host.is_empty()
            && host.len() <= NAME_OCTETS_MAX
            && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
        // Only digits and dots: an address with a mistake in it, not a name.
        if !is_name || host.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return Err(format!("{host:?} is neither an IPv4 address nor a name"));
        }
        Ok((Self::Name(host.to_ascii_lowercase()), port))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

/// One `--allow`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    host: Host,
    port: u16,
    target: Option<(Host, u16)>,
}

impl Rule {
    /// `HOST:PORT` or `HOST:PORT=HOST:PORT`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (place, target) = match text.split_once('=') {
            Some((place, target)) => (place, Some(Host::parse_with_port(target)?)),
            None => (text, None),
        };
        let (host, port) = Host::parse_with_port(place)?;
        Ok(Self { host, port, target })
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)?;
        match &self.target {
            Some((host, port)) => write!(f, "={host}:{port}"),
            None => Ok(()),
        }
    }
}

struct Permit {
    host: Host,
    port: u16,
    target: Option<SocketAddrV4>,
}

/// The rules with their other places resolved, and what each name was resolved to in this session.
pub struct AllowList {
    permits: Vec<Permit>,
    /// Addresses that the device was told, and the names they were told for.
    told: Mutex<BTreeMap<Ipv4Addr, Vec<String>>>,
}

impl AllowList {
    /// Resolves the rules' other places.
    pub async fn new(rules: &[Rule]) -> Result<Self, GatewayError> {
        let mut permits = Vec::new();
        for rule in rules {
            let target = match &rule.target {
                Some((host, port)) => {
                    let failed = |reason: String| GatewayError::Target { rule: rule.to_string(), reason };
                    let addresses = addresses_of(host).await.map_err(|error| failed(format!("{host}: {error}")))?;
                    let address = addresses.first().ok_or_else(|| failed(format!("{host} has no IPv4 address")))?;
                    Some(SocketAddrV4::new(*address, *port))
                }
                None => None,
            };
            permits.push(Permit { host: rule.host.clone(), port: rule.port, target });
        }
        Ok(Self { permits, told: Mutex::default() })
    }

    /// Where packets for this place go; `None` if nothing allows it.
    pub fn place(&self, to: SocketAddrV4) -> Option<SocketAddrV4> {
        let told = self.told();
        let permit = self.permits.iter().find(|permit| {
            permit.port == to.port()
                && match &permit.host {
                    Host::Address(address) => address == to.ip(),
                    Host::Name(name) => told.get(to.ip()).is_some_and(|names| names.contains(name)),
                }
        })?;
        Some(permit.target.unwrap_or(to))
    }

    /// A name's addresses, if a rule names it.
    pub async fn resolve(&self, name: &str) -> Result<Vec<Ipv4Addr>, ResolveFailure> {
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let host = Host::Name(name.clone());
        let named: Vec<&Permit> = self.permits.iter().filter(|permit| permit.host == host).collect();
        if named.is_empty() {
            return Err(ResolveFailure::NotAllowed);
        }
        // With another place to go to, the name itself need not exist.
        let addresses = match named.iter().find_map(|permit| permit.target) {
            Some(target) => vec![*target.ip()],
            None => addresses_of(&host).await.map_err(|error| {
                tracing::info!("{name}: {error}");
                ResolveFailure::NotFound
            })?,
        };
        if addresses.is_empty() {
            return Err(ResolveFailure::NotFound);
        }
        let mut told = self.told();
        for &address in &addresses {
            if told.len() >= RESOLVED_MAX && !told.contains_key(&address) {
                told.pop_first();
            }
            let names = told.entry(address).or_default();
            if !names.contains(&name) {
                names.push(name.clone());
            }
        }
        Ok(addresses)
    }

    fn told(&self) -> MutexGuard<'_, BTreeMap<Ipv4Addr, Vec<String>>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// IPv4 addresses, each once, in the resolver's order.
async fn addresses_of(host: &Host) -> std::io::Result<Vec<Ipv4Addr>> {
    let name = match host {
        Host::Address(address) => return Ok(vec![*address]),
        Host::Name(name) => name,
    };
    let mut addresses = Vec::new();
    for found in tokio::net::lookup_host((name.as_str(), 0)).await? {
        if let SocketAddr::V4(found) = found
            && !addresses.contains(found.ip())
            && addresses.len() < ADDRESSES_MAX
        {
            addresses.push(*found.ip());
        }
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn list(rules: &[&str]) -> AllowList {
        let rules: Vec<Rule> = rules.iter().map(|rule| Rule::parse(rule).unwrap()).collect();
        AllowList::new(&rules).await.unwrap()
    }

    fn place(text: &str) -> SocketAddrV4 {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn nothing_is_allowed_unless_it_is_named() {
        assert_eq!(list(&[]).await.place(place("127.0.0.1:1883")), None);
        let list = list(&["127.0.0.1:1883"]).await;
        assert_eq!(list.place(place("127.0.0.1:1883")), Some(place("127.0.0.1:1883")));
        assert_eq!(list.place(place("127.0.0.1:1884")), None);
        assert_eq!(list.place(place("127.0.0.2:1883")), None);
        assert_eq!(list.resolve("localhost").await, Err(ResolveFailure::NotAllowed));
    }

    #[tokio::test]
    async fn a_rule_may_lead_elsewhere() {
        let list = list(&["203.0.113.9:1883=127.0.0.1:40001", "broker.invalid:8883=127.0.0.5:40002"]).await;
        assert_eq!(list.place(place("203.0.113.9:1883")), Some(place("127.0.0.1:40001")));
        assert_eq!(list.place(place("127.0.0.1:40001")), None, "only through the rule");
        assert_eq!(list.resolve("Broker.INVALID.").await, Ok(vec![[127, 0, 0, 5].into()]));
        assert_eq!(list.place(place("127.0.0.5:8883")), Some(place("127.0.0.5:40002")));
    }

    #[tokio::test]
    async fn a_name_s_address_is_allowed_once_it_was_resolved() {
        let list = list(&["localhost:1883"]).await;
        assert_eq!(list.place(place("127.0.0.1:1883")), None);
        assert_eq!(list.resolve("localhost").await, Ok(vec![Ipv4Addr::LOCALHOST]));
        assert_eq!(list.place(place("127.0.0.1:1883")), Some(place("127.0.0.1:1883")));
        assert_eq!(list.place(place("127.0.0.1:80")), None);
    }

    #[test]
    fn mistakes_in_rules_are_named() {
        for (rule, says) in [
            ("localhost", "no port"),
            ("localhost:0", "from 1 to 65535"),
            ("localhost:70000", "from 1 to 65535"),
            ("127.0.0.256:1", "neither"),
            (":1", "neither"),
            ("a b:1", "neither"),
            ("a:1=b", "no port"),
        ] {
            let error = Rule::parse(rule).unwrap_err();
            assert!(error.contains(says), "{rule}: {error}");
        }
    }
}
