//! The services that are there by default, where, and under which names: addresses from the ranges reserved for
//! documentation (RFC 5737), names below one reserved for tests (RFC 6761).

use std::net::Ipv4Addr;

use super::echo::{Echo, EchoForm};
use super::http::{self, HttpConfig, HttpServer};
use super::mqtt::{self, Broker, BrokerConfig};
use super::ntp::{self, NtpServer};
use super::peer::{Peer, PeerAt};
use super::stream_host::{Service, StreamHost};

/// Echo over TCP and UDP, port 7.
pub const ECHO: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);
/// Echo of the hardware logs' form (two digits a byte), over TCP and UDP, at the logs' port.
pub const DIGITS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 8);
/// Port of [`DIGITS`].
pub const DIGITS_PORT: u16 = 7123;
/// MQTT broker.
pub const BROKER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
/// HTTP server.
pub const HTTP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 11);
/// NTP server.
pub const NTP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 12);
/// The names of these. `pool.ntp.org` is where most time clients ask unless told otherwise.
pub const NAMES: [(&str, Ipv4Addr); 7] = [
    ("echo.example.test", ECHO),
    ("digits.example.test", DIGITS),
    ("mqtt.example.test", BROKER),
    ("http.example.test", HTTP),
    ("ntp.example.test", NTP),
    ("pool.ntp.org", NTP),
    ("*.pool.ntp.org", NTP),
];
/// The time at power-on of the world, unless told otherwise: 2020-01-01 00:00:00 UTC.
pub const EPOCH_UNIX_S: u32 = 1_577_836_800;

/// These services, with the time at power-on of the world in seconds since 1970.
pub fn services(epoch_unix_s: u32) -> Vec<PeerAt> {
    let at = |address, port, peer| PeerAt { address, port: Some(port), peer };
    let stream = |service| Peer::Stream(Box::new(StreamHost::new(service)));
    let broker = Service::Mqtt(Box::new(Broker::new(BrokerConfig::default())));
    let server = Service::Http(Box::new(HttpServer::new(HttpConfig::new(epoch_unix_s))));
    vec![
        at(ECHO, 7, Peer::Echo(Echo::new(EchoForm::Same))),
        at(DIGITS, DIGITS_PORT, Peer::Echo(Echo::new(EchoForm::HexDigits))),
        at(BROKER, mqtt::PORT, stream(broker)),
        at(HTTP, http::PORT, stream(server)),
        at(NTP, ntp::PORT, Peer::Ntp(NtpServer::new(epoch_unix_s))),
    ]
}
