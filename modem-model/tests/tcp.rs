//! TCP sockets on a link that is not perfect, as the client of the modem sees them.

mod common;

use std::net::Ipv4Addr;

use common::Client;
use lockstep_modem::events::Change;
use lockstep_modem::network::{
    Captured, DirectionConfig, Echo, EchoForm, LinkConfig, NatConfig, Payload, Peer, PeerAt, Probability,
};
use lockstep_modem::time::{DurationRange, PS_PER_MS};
use lockstep_modem::{ModemConfig, Network};

const ECHO: &str = "\"192.0.2.7\",7";

fn client(link: LinkConfig) -> Client {
    let address = Ipv4Addr::new(192, 0, 2, 7);
    let echo = PeerAt { address, port: Some(7), peer: Peer::Echo(Echo::new(EchoForm::Same)) };
    let mut client = Client::new(ModemConfig::default(), Network::new(link, vec![echo]), 1);
    client.power_on();
    client.wait_ms(15_000);
    client.online();
    client.ok("AT+USOCR=6");
    client
}

fn both(change: impl Fn(&mut DirectionConfig)) -> LinkConfig {
    let mut link = LinkConfig::default();
    change(&mut link.uplink);
    change(&mut link.downlink);
    link
}

/// Reads what a socket holds until `length` bytes are there, or nothing comes for two minutes.
fn read_all(client: &mut Client, length: usize) -> Vec<u8> {
    client.ok("AT+UDCONF=1,1");
    let mut bytes = Vec::new();
    for _ in 0..1200 {
        let answer = client.ok("AT+USORD=0,512");
        let hex = answer.split('"').nth(1).unwrap_or_default().as_bytes().to_vec();
        bytes.extend(hex.chunks(2).map(|c| u8::from_str_radix(std::str::from_utf8(c).unwrap(), 16).unwrap()));
        if bytes.len() >= length {
            break;
        }
        client.wait_ms(100);
        client.take();
    }
    client.ok("AT+UDCONF=1,0");
    bytes
}

/// Writes 4 KB, which come back whole; how many packets it took.
fn round_trip(client: &mut Client) -> Vec<Captured> {
    client.modem.network().take_captured();
    let sent: Vec<u8> = (0..4096usize).map(|n| (n * 7 + n / 256) as u8).collect();
    for piece in sent.chunks(512) {
        let answer = client.payload("AT+USOWR=0,512", piece);
        assert!(answer.contains("+USOWR: 0,512"), "{answer}");
    }
    assert_eq!(read_all(client, sent.len()), sent);
    client.modem.network().take_captured()
}

#[test]
fn bytes_arrive_whole_and_in_order_however_bad_the_link_is() {
    let mut clean = client(LinkConfig::default());
    clean.ok(&format!("AT+USOCO=0,{ECHO}"));
    let packets = round_trip(&mut clean);
    assert!(packets.iter().all(|captured| !captured.is_lost));
    assert!(packets.windows(2).all(|pair| pair[0].time_ps <= pair[1].time_ps));

    let mut bad = client(both(|d| {
        d.loss = Probability::percent(10);
        d.reordering = Probability::percent(10);
        d.duplication = Probability::percent(10);
    }));
    bad.ok(&format!("AT+USOCO=0,{ECHO}"));
    let packets = round_trip(&mut bad);
    assert!(packets.iter().any(|captured| captured.is_lost));
    assert!(bad.ok("AT+USOCL=0").ends_with("OK\r\n"));
    bad.wait_ms(300_000);
    assert!(bad.modem.sockets().is_empty());
    assert_eq!(bad.modem.next_wake_ps(), u64::MAX, "what was left to say has been said");
}

#[test]
fn what_is_written_out_of_coverage_is_sent_when_it_is_back() {
    let mut client = client(LinkConfig::default());
    client.ok(&format!("AT+USOCO=0,{ECHO}"));
    client.modem.change(client.now_ps, Change::Coverage(false));
    client.ok("AT+USOWR=0,3,\"abc\"");
    client.wait_ms(20_000);
    assert_eq!(client.ok("AT+USOCTL=0,11"), "\r\n+USOCTL: 0,11,3\r\n\r\nOK\r\n", "not acknowledged");
    client.modem.change(client.now_ps, Change::Coverage(true));
    client.wait_ms(20_000);
    assert!(String::from_utf8_lossy(&client.take()).contains("+UUSORD: 0,3"));
    assert_eq!(client.ok("AT+USORD=0,3"), "\r\n+USORD: 0,3,\"abc\"\r\nOK\r\n");
    assert!(client.modem.ledger().entries().is_empty());
    let lost = client.modem.network().take_captured().iter().filter(|captured| captured.is_lost).count();
    assert!((3..=6).contains(&lost), "{lost}: one and its repetitions after 1, 3, 7, 15 s");
}

#[test]
fn a_dead_link_times_out_and_a_dead_connection_is_told() {
    let mut client = client(LinkConfig::default());
    client.modem.change(client.now_ps, Change::LinkDown(true));
    let start_ps = client.now_ps;
    assert_eq!(client.command(&format!("AT+USOCO=0,{ECHO}")), "\r\n+CME ERROR: operation not allowed\r\n");
    assert_eq!((client.now_ps - start_ps) / PS_PER_MS / 1000, 75, "the limit of AT+USOCO");
    assert_eq!(client.ok("AT+USOER"), "\r\n+USOER: 110\r\n\r\nOK\r\n");
    client.modem.change(client.now_ps, Change::LinkDown(false));
    client.ok(&format!("AT+USOCO=0,{ECHO}"));
    client.modem.change(client.now_ps, Change::LinkDown(true));
    client.ok("AT+USOWR=0,1,\"x\"");
    client.wait_ms(240_000);
    assert_eq!((client.take(), client.ok("AT+USOCTL=0,10").contains("0,10,4")), (vec![], true));
    client.wait_ms(60_000);
    assert_eq!(client.take(), b"\r\n+UUSOCL: 0\r\n");
    assert_eq!(client.ok("AT+USOCTL=0,1;+USOCTL=0,10"), "\r\n+USOCTL: 0,1,110\r\n\r\n+USOCTL: 0,10,0\r\n\r\nOK\r\n");
    // A goodbye that nobody hears takes no longer than AT+USOCL waits.
    client.ok("AT+USOCL=0");
    client.wait_ms(600_000);
    assert_eq!(client.modem.next_wake_ps(), u64::MAX);
}

/// A translator forgets a silent connection; the peer resets what then comes from another port.
#[test]
fn a_connection_that_the_network_forgot_is_reset() {
    let tcp_idle_timeout = Some(DurationRange::ms(60_000, 60_000));
    let nat = NatConfig { enabled: true, tcp_idle_timeout, ..NatConfig::default() };
    let mut client = client(LinkConfig { nat, ..LinkConfig::default() });
    client.ok(&format!("AT+USOCO=0,{ECHO}"));
    for wait_ms in [50_000, 50_000] {
        client.wait_ms(wait_ms);
        client.ok("AT+USOWR=0,1,\"x\"");
    }
    client.wait_ms(70_000);
    client.take();
    client.ok("AT+USOWR=0,1,\"y\"");
    client.wait_ms(1_000);
    assert_eq!(client.take(), b"\r\n+UUSOCL: 0\r\n");
    assert_eq!(client.ok("AT+USOCTL=0,1"), "\r\n+USOCTL: 0,1,104\r\n\r\nOK\r\n");
    assert_eq!(client.ok("AT+USORD=0,2"), "\r\n+USORD: 0,2,\"xx\"\r\nOK\r\n", "what came before stays readable");
    assert!(client.command("AT+USORD=0,2").contains("ERROR"));
}

#[test]
fn small_writes_wait_for_each_other_unless_the_client_says_no_delay() {
    for (option, segments) in [("0", 2), ("1", 3)] {
        let mut client = client(LinkConfig::default());
        client.ok(&format!("AT+USOSO=0,6,1,{option}"));
        client.ok(&format!("AT+USOCO=0,{ECHO}"));
        client.modem.network().take_captured();
        // Three writes within a round trip of 450 to 530 ms.
        for text in ["a", "b", "c"] {
            client.ok(&format!("AT+USOWR=0,1,\"{text}\""));
        }
        client.wait_ms(2_000);
        let captured = client.modem.network().take_captured();
        let with_payload = captured.iter().filter(|c| {
            c.is_outbound && matches!(&c.packet.payload, Payload::Tcp(segment) if !segment.payload.is_empty())
        });
        assert_eq!(with_payload.count(), segments, "no-delay {option}");
    }
}

#[test]
fn a_client_that_does_not_read_stops_its_peer_and_loses_nothing() {
    let mut client = client(LinkConfig::default());
    client.ok(&format!("AT+USOCO=0,{ECHO}"));
    let mut sent = Vec::new();
    let mut refused = 0;
    for n in 0..160u32 {
        let piece = vec![b'A' + (n % 26) as u8; 1024];
        let answer = client.command(&format!("AT+USOWR=0,1024,\"{}\"", String::from_utf8_lossy(&piece)));
        if answer.contains("+USOWR: 0,1024") {
            sent.extend(piece);
        } else {
            assert_eq!(client.ok("AT+USOER"), "\r\n+USOER: 11\r\n\r\nOK\r\n", "would block");
            refused += 1;
        }
        client.wait_ms(500);
        client.take();
    }
    assert!(refused > 0, "the windows between us and the peer are finite");
    assert!(client.modem.sockets()[0].pending_bytes <= 16_384);
    assert_eq!(read_all(&mut client, sent.len()), sent);
    assert_eq!(client.modem.sockets()[0].lost_bytes, 0);
}
