//! The border to the real network, with the gateway's events written by hand: what the AT client sees, and what leaves.

mod common;

use common::Client;
use lockstep_gateway_protocol::{ConnectFailure, Inbound, Outbound, ResolveFailure, UNTAKEN_BYTES_MAX};
use lockstep_modem::network::outside::UNACKNOWLEDGED_BYTES_MAX;
use lockstep_modem::time::PS_PER_MS;
use lockstep_modem::{ModemConfig, Network};

const BROKER: &str = "203.0.113.9";

fn online() -> Client {
    let mut client = Client::new(ModemConfig::default(), Network::default(), 1);
    client.modem.network().attach_outside();
    client.power_on();
    client.wait_ms(15_000);
    client.online();
    client
}

/// The gateway says something in `ms`.
fn arrive_in(client: &mut Client, ms: u64, event: Inbound) {
    let time_ps = client.now_ps + ms * PS_PER_MS;
    client.modem.network().outside_mut().unwrap().arrive(time_ps, event);
}

fn left(client: &mut Client) -> Vec<Outbound> {
    client.modem.network().take_outbound().into_iter().map(|outbound| outbound.event).collect()
}

fn connect_event(connection: u64) -> Outbound {
    let to = format!("{BROKER}:1883").parse().unwrap();
    Outbound::Connect { connection, to, credit_bytes: UNACKNOWLEDGED_BYTES_MAX }
}

/// A TCP socket that is connected to the broker through the gateway.
fn connected() -> Client {
    let mut client = online();
    client.ok("AT+USOCR=6");
    arrive_in(&mut client, 2_000, Inbound::Connected { connection: 0 });
    client.ok(&format!("AT+USOCO=0,\"{BROKER}\",1883"));
    assert_eq!(left(&mut client), [connect_event(0)]);
    client
}

/// Bytes of a stream that left, and what else did.
fn data(events: Vec<Outbound>) -> (Vec<u8>, Vec<Outbound>) {
    let (mut bytes, mut others) = (Vec::new(), Vec::new());
    for event in events {
        match event {
            Outbound::Data { connection: 0, bytes: more } => bytes.extend(more),
            other => others.push(other),
        }
    }
    (bytes, others)
}

#[test]
fn a_connection_waits_for_the_real_one_and_carries_bytes_both_ways() {
    let mut client = online();
    client.ok("AT+USOCR=6");
    let asked_ps = client.now_ps;
    arrive_in(&mut client, 5_000, Inbound::Connected { connection: 0 });
    client.ok(&format!("AT+USOCO=0,\"{BROKER}\",1883"));
    assert!(client.now_ps - asked_ps > 5_000 * PS_PER_MS, "not before the real one is open");
    let response = client.payload("AT+USOWR=0,5", b"hello");
    assert!(response.contains("+USOWR: 0,5"), "{response}");
    client.wait_ms(2_000);
    assert_eq!(left(&mut client), [connect_event(0), Outbound::Data { connection: 0, bytes: b"hello".to_vec() }]);
    arrive_in(&mut client, 10, Inbound::Taken { connection: 0, bytes: 5 });
    arrive_in(&mut client, 10, Inbound::Data { connection: 0, bytes: b"welcome".to_vec() });
    client.wait_ms(1_000);
    let urc = String::from_utf8(client.take()).unwrap();
    assert!(urc.contains("+UUSORD: 0,7"), "{urc}");
    assert!(client.ok("AT+USORD=0,7").contains("\"welcome\""));
    client.wait_ms(1_000);
    assert_eq!(left(&mut client), [Outbound::Credit { connection: 0, bytes: 7 }]);
    // The peer ends first, then the device.
    arrive_in(&mut client, 10, Inbound::Finished { connection: 0 });
    client.wait_ms(1_000);
    assert!(String::from_utf8(client.take()).unwrap().contains("+UUSOCL: 0"));
    client.wait_ms(30_000);
    client.command("AT+USOCL=0");
    client.wait_ms(30_000);
    assert_eq!(left(&mut client), [Outbound::Finish { connection: 0 }]);
    assert!(client.modem.ledger().entries().is_empty(), "{:?}", client.modem.ledger().entries());
}

#[test]
fn the_device_ends_first() {
    let mut client = connected();
    client.payload("AT+USOWR=0,3", b"bye");
    arrive_in(&mut client, 2_000, Inbound::Finished { connection: 0 });
    client.ok("AT+USOCL=0");
    client.wait_ms(60_000);
    let (bytes, others) = data(left(&mut client));
    assert_eq!((bytes.as_slice(), others), (b"bye".as_slice(), vec![Outbound::Finish { connection: 0 }]));
}

#[test]
fn what_the_gateway_refuses_is_refused_at_once() {
    for failure in [ConnectFailure::NotAllowed, ConnectFailure::Refused] {
        let mut client = online();
        client.ok("AT+USOCR=6");
        let asked_ps = client.now_ps;
        arrive_in(&mut client, 1_000, Inbound::Failed { connection: 0, failure });
        let response = client.command(&format!("AT+USOCO=0,\"{BROKER}\",1883"));
        assert!(response.contains("ERROR"), "{response}");
        assert!(client.now_ps - asked_ps < 3_000 * PS_PER_MS, "{failure:?}");
        client.wait_ms(1_000);
        assert_eq!(left(&mut client), [connect_event(0)], "the gateway knows");
    }
}

#[test]
fn without_an_answer_the_device_waits_until_its_own_limit() {
    for failure in [Some(ConnectFailure::Unreachable), None] {
        let mut client = online();
        client.ok("AT+USOCR=6");
        let asked_ps = client.now_ps;
        if let Some(failure) = failure {
            arrive_in(&mut client, 3_000, Inbound::Failed { connection: 0, failure });
        }
        let response = client.command(&format!("AT+USOCO=0,\"{BROKER}\",1883"));
        assert!(response.contains("ERROR"), "{response}");
        assert!(client.now_ps - asked_ps > 10_000 * PS_PER_MS, "{failure:?}");
        client.wait_ms(400_000);
        let resets: &[Outbound] = if failure.is_some() { &[] } else { &[Outbound::Reset { connection: 0 }] };
        assert_eq!(left(&mut client)[1..], *resets, "a connection that may still come is given up");
    }
}

#[test]
fn a_reset_from_outside_closes_the_socket() {
    let mut client = connected();
    arrive_in(&mut client, 10, Inbound::Reset { connection: 0 });
    client.wait_ms(1_000);
    assert!(String::from_utf8(client.take()).unwrap().contains("+UUSOCL: 0"));
    assert_eq!(left(&mut client), []);
}

#[test]
fn no_more_leaves_than_the_gateway_writes() {
    let mut client = connected();
    for round in 0..24 {
        let response = client.command("AT+USOWR=0,1024");
        if response != "\r\n@" {
            break;
        }
        client.wait_ms(50);
        client.send(&[round; 1024]);
        if client.response().contains("ERROR") {
            break;
        }
    }
    client.wait_ms(60_000);
    let (bytes, others) = data(left(&mut client));
    assert_eq!((bytes.len(), others), (UNTAKEN_BYTES_MAX as usize, vec![]));
    arrive_in(&mut client, 10, Inbound::Taken { connection: 0, bytes: 1000 });
    client.wait_ms(10_000);
    let (bytes, others) = data(left(&mut client));
    assert_eq!((bytes.len(), others), (1000, vec![]), "what waited goes on, in the same measure");
}

#[test]
fn no_more_comes_than_the_device_takes() {
    let mut client = connected();
    let (mut credit, mut sent) = (UNACKNOWLEDGED_BYTES_MAX, 0u32);
    let mut feed = |client: &mut Client| {
        for _ in 0..100 {
            let length = credit.min(1024);
            if length > 0 {
                let bytes = (sent..sent + length).map(|n| n as u8).collect();
                arrive_in(client, 1, Inbound::Data { connection: 0, bytes });
                (credit, sent) = (credit - length, sent + length);
            }
            client.wait_ms(1_000);
            for event in left(client) {
                match event {
                    Outbound::Credit { connection: 0, bytes } => credit += bytes,
                    other => panic!("{other:?}"),
                }
            }
        }
        sent
    };
    let stalled = feed(&mut client);
    let view = client.modem.sockets().remove(0);
    assert_eq!(stalled, view.pending_bytes as u32 + UNACKNOWLEDGED_BYTES_MAX, "the device's window is closed");
    assert_eq!(view.lost_bytes, 0);
    client.take();
    for _ in 0..4 {
        assert!(client.ok("AT+USORD=0,1024").contains("+USORD: 0,1024,"));
    }
    let after = feed(&mut client);
    assert!((stalled + 2048..=stalled + 4096).contains(&after), "{after} after {stalled}");
    assert!(client.modem.ledger().entries().is_empty(), "{:?}", client.modem.ledger().entries());
}

#[test]
fn a_gateway_without_credit_loses_the_connection() {
    let mut client = connected();
    let bytes = vec![0; UNACKNOWLEDGED_BYTES_MAX as usize + 1];
    arrive_in(&mut client, 10, Inbound::Data { connection: 0, bytes });
    client.wait_ms(2_000);
    assert_eq!(left(&mut client), [Outbound::Reset { connection: 0 }]);
    assert!(String::from_utf8(client.take()).unwrap().contains("+UUSOCL: 0"));
    assert!(client.modem.ledger().entries().keys().any(|name| name.contains("no credit")));
}

#[test]
fn datagrams_go_out_and_come_back() {
    let mut client = online();
    client.ok("AT+USOCR=17,4000");
    client.payload(&format!("AT+USOST=0,\"{BROKER}\",5000,3"), b"ask");
    client.wait_ms(1_000);
    let there = format!("{BROKER}:5000").parse().unwrap();
    assert_eq!(left(&mut client), [Outbound::Datagram { from_port: 4000, to: there, bytes: b"ask".to_vec() }]);
    arrive_in(&mut client, 10, Inbound::Datagram { from: there, to_port: 4000, bytes: b"answer".to_vec() });
    client.wait_ms(1_000);
    client.take();
    let read = client.ok("AT+USORF=0,100");
    assert!(read.contains(&format!("+USORF: 0,\"{BROKER}\",5000,6,\"answer\"")), "{read}");
}

#[test]
fn names_that_no_server_in_process_knows_are_asked_outside() {
    let mut client = online();
    assert!(client.ok("AT+UDNSRN=0,\"device.udp.particle.io\"").contains("198.51.100.10"));
    assert_eq!(left(&mut client), [], "known here");
    let resolved = |query, answer| Inbound::Resolved { query, answer };
    arrive_in(&mut client, 2_000, resolved(0, Ok(vec![[203, 0, 113, 9].into(), [203, 0, 113, 10].into()])));
    assert!(client.ok("AT+UDNSRN=0,\"broker.example\"").contains(&format!("+UDNSRN: \"{BROKER}\"")));
    for (query, failure) in [(1, ResolveFailure::NotFound), (2, ResolveFailure::NotAllowed)] {
        arrive_in(&mut client, 2_000, resolved(query, Err(failure)));
        let response = client.command("AT+UDNSRN=0,\"nowhere.example\"");
        assert!(response.contains("ERROR"), "{response}");
    }
    let asked: Vec<u64> = left(&mut client)
        .into_iter()
        .map(|event| match event {
            Outbound::Resolve { query, .. } => query,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(asked, [0, 1, 2]);
}

/// A whole session, in strides of a length; gives the final state and what left.
fn session(stride_ms: u64) -> (Vec<u8>, Vec<(u64, Outbound)>) {
    let mut client = connected();
    client.stride_ps = stride_ms * PS_PER_MS;
    arrive_in(&mut client, 700, Inbound::Data { connection: 0, bytes: vec![7; 3000] });
    arrive_in(&mut client, 701, Inbound::Finished { connection: 0 });
    client.payload("AT+USOWR=0,5", b"hello");
    client.wait_ms(20_000);
    let outbound = client.modem.network().take_outbound();
    client.take();
    let state = postcard::to_stdvec(&(&client.modem, &client.decisions)).unwrap();
    (state, outbound.into_iter().map(|outbound| (outbound.time_ps, outbound.event)).collect())
}

#[test]
fn the_same_events_at_the_same_times_give_the_same_run() {
    let whole = session(1_000_000);
    assert!(whole.1.len() >= 2, "{:?}", whole.1);
    for stride_ms in [1, 7, 100] {
        assert!(session(stride_ms) == whole, "stride {stride_ms} ms");
    }
}

fn any_inbound() -> impl proptest::strategy::Strategy<Value = Inbound> {
    use proptest::prelude::*;
    let connection = 0u64..3;
    prop_oneof![
        connection.clone().prop_map(|connection| Inbound::Connected { connection }),
        (connection.clone(), 0..3).prop_map(|(connection, which)| Inbound::Failed {
            connection,
            failure: match which {
                0 => ConnectFailure::NotAllowed,
                1 => ConnectFailure::Refused,
                _ => ConnectFailure::Unreachable,
            },
        }),
        (connection.clone(), proptest::collection::vec(any::<u8>(), 0..10_000))
            .prop_map(|(connection, bytes)| Inbound::Data { connection, bytes }),
        connection.clone().prop_map(|connection| Inbound::Finished { connection }),
        connection.clone().prop_map(|connection| Inbound::Reset { connection }),
        (connection, any::<u32>()).prop_map(|(connection, bytes)| Inbound::Taken { connection, bytes }),
        (any::<u16>(), proptest::collection::vec(any::<u8>(), 0..3000)).prop_map(|(to_port, bytes)| {
            Inbound::Datagram { from: "203.0.113.9:1883".parse().unwrap(), to_port, bytes }
        }),
        (0u64..3, proptest::collection::vec(any::<u32>(), 0..20)).prop_map(|(query, addresses)| {
            Inbound::Resolved { query, answer: Ok(addresses.into_iter().map(Into::into).collect()) }
        }),
    ]
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(24))]

    /// Whatever a gateway says, in whatever order: the modem answers, and what leaves keeps to the protocol.
    #[test]
    fn no_gateway_can_break_the_modem(events in proptest::collection::vec((any_inbound(), 0u64..400), 0..40)) {
        let mut client = online();
        client.ok("AT+USOCR=6");
        client.ok("AT+USOCR=17,4000");
        let mut at_ms = 0;
        for (event, pause_ms) in events {
            at_ms += pause_ms;
            arrive_in(&mut client, at_ms, event);
        }
        client.command(&format!("AT+USOCO=0,\"{BROKER}\",1883"));
        client.command("AT+USOWR=0,4,\"abcd\"");
        client.wait_ms(30_000);
        client.take();
        client.ok("AT");
        let mut open = std::collections::BTreeMap::new();
        for event in left(&mut client) {
            match event {
                Outbound::Connect { connection, .. } => {
                    proptest::prop_assert_eq!(open.insert(connection, true), None);
                }
                Outbound::Finish { connection } | Outbound::Reset { connection } => {
                    proptest::prop_assert_eq!(open.insert(connection, false), Some(true));
                }
                Outbound::Data { connection, .. } | Outbound::Credit { connection, .. } => {
                    proptest::prop_assert!(open.contains_key(&connection));
                }
                Outbound::Datagram { .. } | Outbound::Resolve { .. } => {}
            }
        }
    }
}
