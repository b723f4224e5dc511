use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::client::{Client, spki};
use super::server::Refusal;
use super::*;

const SERVER_KEY: [u8; 32] = [0x42; 32];
const DEVICE: [u8; 12] = *b"device-id-01";

fn endpoint(port: u16) -> Endpoint {
    Endpoint { address: Ipv4Addr::new(10, 0, 0, 1), port }
}

/// A server with its randomness, at one address.
struct Bench {
    server: DtlsServer,
    entropy: u8,
    now_ps: u64,
}

impl Bench {
    fn new() -> Self {
        Self { server: DtlsServer::new(SERVER_KEY), entropy: 0, now_ps: 0 }
    }

    fn receive_from(&mut self, remote: Endpoint, datagram: &[u8]) -> Received {
        // The state goes through a snapshot before every datagram.
        self.server = postcard::from_bytes(&postcard::to_stdvec(&self.server).unwrap()).unwrap();
        let mut entropy = || {
            self.entropy = self.entropy.wrapping_add(1);
            [self.entropy; 32]
        };
        self.server.receive(self.now_ps, endpoint(5684), remote, datagram, &mut entropy)
    }

    fn receive(&mut self, datagram: &[u8]) -> Received {
        self.receive_from(endpoint(9), datagram)
    }

    /// The one answer to a datagram.
    fn answer(&mut self, datagram: &[u8]) -> Vec<u8> {
        let mut received = self.receive(datagram);
        assert_eq!(received.answers.len(), 1, "{received:?}");
        received.answers.remove(0)
    }

    fn flight(&mut self, client: &mut Client) -> Vec<u8> {
        let request = self.answer(&client.hello(&[]));
        self.answer(&client.hello(&Client::cookie(&request)))
    }

    fn connect(&mut self, client: &mut Client) -> u64 {
        let flight = self.flight(client);
        let received = self.receive(&client.answer(&flight));
        client.finish(&received.answers[0]);
        let [DtlsEvent::Established { session }] = received.events[..] else { panic!("{received:?}") };
        session
    }
}

fn data(received: &Received) -> Vec<&[u8]> {
    let bytes = received.events.iter().filter_map(|event| match event {
        DtlsEvent::Data { bytes, .. } => Some(&bytes[..]),
        _ => None,
    });
    bytes.collect()
}

#[test]
fn a_handshake_makes_a_session_for_both_ends() {
    let (mut bench, mut client) = (Bench::new(), Client::new(1, &SERVER_KEY));
    let flight = bench.flight(&mut client);
    assert!((312..=314).contains(&flight.len()), "{} bytes; devices were seen to take 312 to 314", flight.len());
    let received = bench.receive(&client.answer(&flight));
    client.finish(&received.answers[0]);
    assert_eq!(received.events, [DtlsEvent::Established { session: 1 }]);
    assert_eq!(bench.server.handshakes(), 0);
    assert_eq!(bench.server.session(1).unwrap().public_key, spki(&[1; 32]));
    assert_eq!(data(&bench.receive(&client.send(b"up"))), [b"up"]);
    let (from, to, datagram) = bench.server.send(1, b"down").unwrap();
    assert_eq!((from, to), (endpoint(5684), endpoint(9)));
    assert_eq!(datagram.len(), 4 + 29, "the overhead that devices reckon with");
    assert_eq!(client.open(&datagram).unwrap(), b"down");
}

#[test]
fn a_server_can_show_its_key() {
    let (mut bench, mut client) = (Bench::new(), Client::new(1, &SERVER_KEY));
    bench.server = DtlsServer::new(SERVER_KEY).with_certificate(CertificateMode::RawPublicKey);
    client.wants_certificate = true;
    let session = bench.connect(&mut client);
    assert_eq!(data(&bench.receive(&client.send(b"up"))), [b"up"]);
    let (_, _, datagram) = bench.server.send(session, b"down").unwrap();
    assert_eq!(client.open(&datagram).unwrap(), b"down");
}

#[test]
fn nothing_is_kept_for_a_client_without_a_cookie() {
    let (mut bench, mut client) = (Bench::new(), Client::new(1, &SERVER_KEY));
    let request = bench.answer(&client.hello(&[]));
    assert_eq!(bench.server.handshakes(), 0);
    let mut cookie = Client::cookie(&request);
    let from_elsewhere = bench.receive_from(endpoint(10), &client.clone().hello(&cookie));
    assert_eq!(from_elsewhere.events, [DtlsEvent::ClientHello { has_cookie: false }]);
    cookie[3] ^= 1;
    assert_eq!(bench.receive(&client.hello(&cookie)).events, [DtlsEvent::ClientHello { has_cookie: false }]);
    assert_eq!(bench.server.handshakes(), 0);
}

#[test]
fn lost_flights_are_repeated() {
    let (mut bench, mut client) = (Bench::new(), Client::new(1, &SERVER_KEY));
    let lost = bench.flight(&mut client);
    let flight = bench.answer(&client.repeat());
    assert_ne!(lost, flight, "new record numbers");
    let finished = client.answer(&flight);
    let lost = bench.receive(&finished);
    assert_eq!(lost.events, [DtlsEvent::Established { session: 1 }]);
    let again = bench.receive(&client.repeat());
    assert_eq!(again.events, []);
    client.finish(&again.answers[0]);
    // A late copy of the flight itself, too.
    assert_eq!(
        bench.receive(&finished).events,
        [DtlsEvent::Ignored { what: "record that is not authentic or came before" }]
    );
    assert_eq!(data(&bench.receive(&client.send(b"x"))), [b"x"]);
    assert_eq!(bench.receive(&client.repeat()).answers, Vec::<Vec<u8>>::new(), "the client has it");
}

#[test]
fn a_flight_in_several_datagrams_and_twice_each_is_one_flight() {
    // As 0.5.2 and 0.6.4 send it.
    let (mut bench, mut client) = (Bench::new(), Client::new(1, &SERVER_KEY));
    let flight = bench.flight(&mut client);
    let answer = client.answer(&flight);
    let mut rest = &answer[..];
    let mut events = Vec::new();
    while !rest.is_empty() {
        let length = 13 + usize::from(u16::from_be_bytes([rest[11], rest[12]]));
        let (datagram, next) = rest.split_at(length);
        for _ in 0..2 {
            events.extend(bench.receive(datagram).events);
        }
        rest = next;
    }
    assert_eq!(events[0], DtlsEvent::Established { session: 1 });
    assert_eq!(bench.server.sessions().len(), 1);
}

#[test]
fn a_client_without_the_key_it_shows_is_refused() {
    let (mut bench, mut client) = (Bench::new(), Client::new(1, &SERVER_KEY));
    client.signing_key = [2; 32];
    let flight = bench.flight(&mut client);
    let received = bench.receive(&client.answer(&flight));
    assert_eq!(received.events[0], DtlsEvent::Failed { error: HandshakeError::Signature });
    assert_eq!(received.answers[0][13..], [2, 51], "fatal, decrypt_error");
    assert!(bench.server.sessions().is_empty());
}

#[test]
fn a_changed_handshake_is_refused() {
    // Whoever changes a message in the clear changes what the Finished messages cover.
    let (mut bench, mut client) = (Bench::new(), Client::new(1, &SERVER_KEY));
    let flight = bench.flight(&mut client);
    let mut answer = client.answer(&flight);
    let x = 13 + 12 + 3 + 91 + 13 + 12 + 1 + 10;
    answer[x] ^= 1;
    let received = bench.receive(&answer);
    assert_eq!(received.events[0], DtlsEvent::Failed { error: HandshakeError::ClientPoint });
    assert!(bench.server.sessions().is_empty());
}

#[test]
fn a_client_of_another_kind_is_refused() {
    let (mut bench, mut client) = (Bench::new(), Client::new(1, &SERVER_KEY));
    client.extensions.truncate(22);
    let request = bench.answer(&client.hello(&[]));
    let received = bench.receive(&client.hello(&Client::cookie(&request)));
    assert_eq!(received.events[1], DtlsEvent::Failed { error: HandshakeError::Hello(Refusal::RawPublicKeys) });
    assert_eq!(received.answers[0][13..], [2, 40], "fatal, handshake_failure");
}

#[test]
fn a_record_counts_once() {
    let (mut bench, mut client) = (Bench::new(), Client::new(1, &SERVER_KEY));
    bench.connect(&mut client);
    let (first, second) = (client.send(b"1"), client.send(b"2"));
    assert_eq!(data(&bench.receive(&second)), [b"2"]);
    assert_eq!(data(&bench.receive(&first)), [b"1"], "late, and new");
    assert!(data(&bench.receive(&first)).is_empty());
    assert!(data(&bench.receive(&second)).is_empty());
}

#[test]
fn a_session_goes_on_after_the_device_s_reset_from_another_address() {
    let (mut bench, mut client) = (Bench::new(), Client::new(1, &SERVER_KEY));
    let session = bench.connect(&mut client);
    bench.server.name_session(session, DEVICE);
    let first = client.send_continued(b"ping", &DEVICE);
    let received = bench.receive_from(endpoint(77), &first);
    let expected = [DtlsEvent::Continued { session }, DtlsEvent::Data { session, bytes: b"ping".to_vec() }];
    assert_eq!(received.events, expected);
    let (_, to, datagram) = bench.server.send(session, b"pong").unwrap();
    assert_eq!((to, client.open(&datagram).unwrap()), (endpoint(77), b"pong".to_vec()));
    let again = bench.receive_from(endpoint(77), &client.send_continued(b"more", &DEVICE));
    assert_eq!(again.events, [DtlsEvent::Data { session, bytes: b"more".to_vec() }]);
    assert_eq!(data(&bench.receive_from(endpoint(77), &client.send(b"y"))), [b"y"]);
    assert!(data(&bench.receive_from(endpoint(77), &first)).is_empty(), "no replay");
    let other = *b"device-id-02";
    let received = bench.receive(&client.send_continued(b"ping", &other));
    assert_eq!(received.events, [DtlsEvent::UnknownSession { device_id: other }]);
    assert!(received.answers.is_empty());
}

#[test]
fn a_session_follows_its_device_behind_a_nat_that_gave_it_another_port() {
    let (mut bench, mut client) = (Bench::new(), Client::new(1, &SERVER_KEY));
    let session = bench.connect(&mut client);
    let first = client.send(b"x");
    let received = bench.receive_from(endpoint(77), &first);
    let moved = DtlsEvent::Moved { session, to: endpoint(77) };
    assert_eq!(received.events, [moved, DtlsEvent::Data { session, bytes: b"x".to_vec() }]);
    let (_, to, datagram) = bench.server.send(session, b"pong").unwrap();
    assert_eq!((to, client.open(&datagram).unwrap()), (endpoint(77), b"pong".to_vec()));
    // Neither a replay nor a forgery moves it.
    assert!(data(&bench.receive_from(endpoint(78), &first)).is_empty());
    let mut forged = client.send(b"y");
    *forged.last_mut().unwrap() ^= 1;
    assert!(data(&bench.receive_from(endpoint(78), &forged)).is_empty());
    assert_eq!(bench.server.send(session, b"pong").unwrap().1, endpoint(77));
}

#[test]
fn a_new_session_of_a_device_replaces_its_old_one() {
    let (mut bench, mut client) = (Bench::new(), Client::new(1, &SERVER_KEY));
    let old = bench.connect(&mut client);
    bench.server.name_session(old, DEVICE);
    let mut client = Client::new(3, &SERVER_KEY);
    let new = bench.connect(&mut client);
    assert_eq!(bench.server.sessions().len(), 2, "until it says its name");
    assert_eq!(data(&bench.receive(&client.send(b"x"))), [b"x"]);
    bench.server.name_session(new, DEVICE);
    let left: Vec<u64> = bench.server.sessions().iter().map(|s| s.id).collect();
    assert_eq!(left, [new]);
}

#[test]
fn a_handshake_that_stops_is_forgotten() {
    let (mut bench, mut client) = (Bench::new(), Client::new(1, &SERVER_KEY));
    bench.flight(&mut client);
    bench.now_ps += 61 * PS_PER_S;
    bench.receive(b"");
    assert_eq!(bench.server.handshakes(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_datagram_is_survived(datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..10)) {
        let mut bench = Bench::new();
        for datagram in datagrams {
            bench.receive(&datagram);
        }
    }

    /// A handshake under attack: each datagram comes damaged, cut, twice, and whole at last; what an attacker does
    /// may end it, and never makes two sessions of it or lets a wrong one in.
    #[test]
    fn a_damaged_handshake_is_survived(
        damage in prop::collection::vec((0usize..400, any::<u8>(), any::<prop::sample::Index>(), 0u8..4), 1..20),
    ) {
        let (mut bench, mut client) = (Bench::new(), Client::new(1, &SERVER_KEY));
        let request = bench.answer(&client.hello(&[]));
        let mut known = vec![client.hello(&Client::cookie(&request))];
        let flight = bench.answer(&known[0]);
        known.push(client.answer(&flight));
        let mut bytes = Vec::new();
        for (at, value, which, how) in damage {
            let mut datagram = which.get(&known).clone();
            let at = at % datagram.len();
            match how {
                0 => datagram[at] = value,
                1 => datagram.truncate(at),
                2 => datagram.extend_from_within(at..),
                _ => {}
            }
            for event in bench.receive(&datagram).events {
                if let DtlsEvent::Data { bytes: b, .. } = event {
                    bytes.push(b);
                }
            }
        }
        prop_assert!(bytes.is_empty());
        prop_assert!(bench.server.sessions().len() <= 1);
        if let [session] = bench.server.sessions() {
            prop_assert_eq!(&session.public_key, &spki(&[1; 32]));
        }
    }
}
