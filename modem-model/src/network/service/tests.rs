use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::dtls::client::Client;
use super::*;
use crate::network::packet::Endpoint;

const SERVER_KEY: [u8; 32] = [0x42; 32];
pub(super) const ID: DeviceId = DeviceId(*b"device-id-01");
const EPOCH_S: u32 = 1_600_000_000;
const HELLO: &[u8] = b"\x40\x02\x00\x01\xb1h\xff\x00\x0a\x00\x02\x00\x06\x00\x0a\x00\x0cdevice-id-01";
/// The same from a device that describes itself.
pub(super) const HELLO_2: &[u8] = b"\x40\x02\x00\x01\xb1h\xff\x00\x0a\x00\x02\x00\x36\x00\x0a\x00\x0cdevice-id-01";

fn device_end() -> Endpoint {
    Endpoint { address: Ipv4Addr::new(10, 0, 0, 1), port: 9 }
}

/// A device at the service.
pub(super) struct Bench {
    pub(super) service: DeviceService,
    decisions: Decisions,
    pub(super) client: Client,
    pub(super) now_ps: u64,
    pub(super) events: Vec<CloudEventKind>,
    pub(super) unmodelled: Vec<String>,
}

impl Bench {
    fn new() -> Self {
        let config = ServiceConfig {
            private_key: SERVER_KEY,
            epoch_unix_s: EPOCH_S,
            device_name: "kettle".to_owned(),
            update: UpdateSettings::default(),
        };
        Self {
            service: DeviceService::new(config),
            decisions: Decisions::new(1),
            client: Client::new(1, &SERVER_KEY),
            now_ps: 0,
            events: Vec::new(),
            unmodelled: Vec::new(),
        }
    }

    pub(super) fn connected(hello: &[u8]) -> Self {
        let mut bench = Self::new();
        let request = bench.datagram(bench.client.clone().hello(&[])).remove(0);
        let hello_datagram = bench.client.hello(&Client::cookie(&request));
        let flight = bench.datagram(hello_datagram).remove(0);
        let answer = bench.client.answer(&flight);
        let finished = bench.datagram(answer).remove(0);
        bench.client.finish(&finished);
        let answers = bench.message(hello);
        assert_eq!(answers[0], b"\x60\x00\x00\x01", "the hello is acknowledged");
        bench
    }

    fn take(&mut self, output: PeerOutput) -> Vec<Vec<u8>> {
        self.events.extend(output.cloud.into_iter().map(|event| event.kind));
        self.unmodelled.extend(output.unmodelled);
        let datagrams = output.packets.into_iter().map(|packet| match packet.payload {
            Payload::Udp(bytes) => bytes,
            Payload::Tcp(_) => panic!("the service speaks UDP"),
        });
        datagrams.collect()
    }

    pub(super) fn datagram(&mut self, bytes: Vec<u8>) -> Vec<Vec<u8>> {
        // The state goes through a snapshot before everything.
        self.service = postcard::from_bytes(&postcard::to_stdvec(&self.service).unwrap()).unwrap();
        let to = Endpoint { address: Ipv4Addr::new(198, 51, 100, 10), port: PORT };
        let packet = Packet { from: device_end(), to, payload: Payload::Udp(bytes), sent_ps: self.now_ps };
        let mut output = PeerOutput::default();
        self.service.receive(self.now_ps, &packet, &mut output, &mut self.decisions);
        self.take(output)
    }

    /// A CoAP message from the device; those that it gets.
    pub(super) fn message(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let datagram = self.client.send(bytes);
        let datagrams = self.datagram(datagram);
        datagrams.iter().map(|datagram| self.client.open(datagram).unwrap()).collect()
    }

    /// Goes to the service's next wake.
    pub(super) fn wait(&mut self) -> Vec<Vec<u8>> {
        self.now_ps = self.service.next_wake_ps().max(self.now_ps);
        let mut output = PeerOutput::default();
        self.service.advance(self.now_ps, &mut output, &mut self.decisions);
        let datagrams = self.take(output);
        datagrams.iter().map(|datagram| self.client.open(datagram).unwrap()).collect()
    }

    pub(super) fn device(&self) -> &DeviceRecord {
        &self.service.devices()[&ID]
    }
}

#[test]
fn a_device_says_hello_and_is_asked_for_its_description() {
    let mut bench = Bench::connected(HELLO);
    let hello = Hello { product_id: 10, product_version: 2, flags: 6, platform: 10 };
    assert_eq!(bench.events[2..], [CloudEventKind::Handshake, CloudEventKind::Hello(hello.clone())]);
    assert_eq!(bench.device().hello, Some(hello));
    // The request went out with the acknowledgement, and is repeated until it is answered.
    assert_eq!(bench.wait(), [b"\x41\x01\x00\x01\x01\xb1d"]);
    assert!(bench.message(b"\x61\x45\x00\x01\x01\xff{\"f\":[\"brew\"]}").is_empty());
    assert_eq!(bench.device().description.functions, ["brew"]);
    assert_eq!(bench.service.next_wake_ps(), u64::MAX);
}

#[test]
fn a_device_that_describes_itself_is_not_asked() {
    let mut bench = Bench::connected(HELLO_2);
    assert_eq!(bench.service.next_wake_ps(), u64::MAX);
    assert_eq!(bench.message(b"\x41\x02\x00\x02\x09\xb1d\xff{}"), [b"\x61\x44\x00\x02\x09"]);
    assert_eq!(bench.events.last(), Some(&CloudEventKind::Described { text: "{}".to_owned() }));
}

#[test]
fn the_time_is_the_epoch_and_virtual_time() {
    let mut bench = Bench::connected(HELLO_2);
    bench.now_ps = 65 * PS_PER_S + 1;
    let seconds = (EPOCH_S + 65).to_be_bytes();
    let expected = [&b"\x61\x45\x00\x07\x2a\xff"[..], &seconds].concat();
    assert_eq!(bench.message(b"\x41\x01\x00\x07\x2a\xb1t"), [expected]);
}

#[test]
fn events_are_recorded_once_and_acknowledged_each_time() {
    let mut bench = Bench::connected(HELLO_2);
    let event = b"\x40\x02\x00\x05\xb1E\x05motor\xff42";
    for _ in 0..3 {
        assert_eq!(bench.message(event), [b"\x60\x00\x00\x05"]);
    }
    assert!(bench.message(b"\x50\x02\x00\x06\xb1e\x03fan\xffon").is_empty(), "not confirmable");
    let published = |name: &str, data: &str, is_public, is_confirmable| CloudEventKind::Published {
        name: name.to_owned(),
        data: data.to_owned(),
        is_public,
        is_confirmable,
    };
    assert_eq!(bench.events[4..], [published("motor", "42", false, true), published("fan", "on", true, false)]);
    assert_eq!(bench.device().events, 2);
    assert_eq!(bench.message(b"\x40\x01\x00\x08\xb1e\x05spark\x41u"), [b"\x60\x00\x00\x08"]);
    assert_eq!(bench.device().subscriptions, ["spark"]);
}

#[test]
fn pings_are_acknowledged_and_nothing_else_is_said() {
    let mut bench = Bench::connected(HELLO_2);
    assert_eq!(bench.message(b"\x40\x00\x12\x34"), [b"\x60\x00\x12\x34"], "a reset would end the session");
    assert_eq!(bench.device().pings, 1);
    assert!(bench.message(b"\x00").is_empty());
    assert!(bench.message(b"").is_empty());
    assert!(bench.datagram(vec![0]).is_empty());
    assert!(bench.unmodelled.is_empty());
}

#[test]
fn a_function_is_called_until_the_device_answers() {
    let mut bench = Bench::connected(HELLO_2);
    let request = ServerRequest::Function { name: "brew".to_owned(), argument: "now".to_owned() };
    let number = bench.service.ask(bench.now_ps, ID, request).unwrap();
    let second = bench.service.ask(bench.now_ps, ID, ServerRequest::Ping).unwrap();
    let call = b"\x41\x02\x00\x01\x01\xb1f\x04brew\x43now";
    assert_eq!(bench.wait(), [call]);
    for expected_s in [4, 12, 28] {
        assert_eq!(bench.wait(), [call], "the second waits for the first");
        assert_eq!(bench.now_ps, expected_s * PS_PER_S);
    }
    assert!(bench.message(b"\x60\x00\x00\x01").is_empty(), "acknowledged: the answer comes by itself");
    let answers = bench.message(b"\x41\x44\x00\x33\x01\xff\x00\x00\x00\x01");
    assert_eq!(answers, [&b"\x60\x00\x00\x33"[..], b"\x40\x00\x00\x02"]);
    let answered = CloudEventKind::Answered { request: number, code: 0x44, payload: vec![0, 0, 0, 1] };
    assert_eq!(bench.events.last(), Some(&answered));
    for _ in 0..3 {
        assert_eq!(bench.wait().len(), 1);
    }
    assert!(bench.wait().is_empty());
    assert_eq!(bench.events.last(), Some(&CloudEventKind::Unanswered { request: second }));
    assert_eq!(bench.service.next_wake_ps(), u64::MAX);
}

#[test]
fn a_request_waits_for_its_time_and_a_description_is_asked_for_once() {
    let mut bench = Bench::connected(HELLO);
    for id in 2..9 {
        bench.message(&[&HELLO[..3], &[id], &HELLO[4..]].concat());
    }
    assert_eq!(bench.message(b"\x61\x45\x00\x01\x01\xff{}"), Vec::<Vec<u8>>::new(), "nothing more to ask");
    bench.service.ask(5 * PS_PER_S, ID, ServerRequest::Ping).unwrap();
    assert!(bench.message(b"\x40\x00\x12\x34").len() == 1, "its own acknowledgement only");
    assert_eq!(bench.wait(), [b"\x40\x00\x00\x02"]);
    assert_eq!(bench.now_ps, 5 * PS_PER_S);
}

#[test]
fn requests_that_cannot_be_sent_are_refused() {
    let mut bench = Bench::connected(HELLO_2);
    let other = DeviceId(*b"device-id-02");
    assert_eq!(bench.service.ask(0, other, ServerRequest::Ping), Err(RequestError::UnknownDevice(other)));
    let long = ServerRequest::Event { name: "x".to_owned(), data: "y".repeat(1000) };
    assert!(matches!(bench.service.ask(bench.now_ps, ID, long), Err(RequestError::TooLong { .. })));
}

#[test]
fn what_is_not_modelled_is_counted_and_refused() {
    let mut bench = Bench::connected(HELLO_2);
    assert_eq!(bench.message(b"\x40\x01\x00\x09\xb1c\xff\x00\x01"), [b"\x60\x84\x00\x09"]);
    assert_eq!(bench.unmodelled, ["cloud: request 1 \"c\""]);
}

#[test]
fn after_a_reset_the_device_goes_on_where_it_was() {
    let mut bench = Bench::connected(HELLO_2);
    let datagram = bench.client.send_continued(b"\x40\x00\x00\x07", &ID.0);
    let answers = bench.datagram(datagram);
    assert_eq!(bench.client.open(&answers[0]).unwrap(), b"\x60\x00\x00\x07");
    assert_eq!(bench.events[4..], [CloudEventKind::Resumed, CloudEventKind::Ping]);
    assert_eq!(bench.device().resumptions, 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_message_of_a_device_is_survived(
        messages in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..60)), 1..30),
    ) {
        let mut bench = Bench::connected(HELLO);
        for (start, mut message) in messages {
            // Half of them begin as a CoAP message does.
            if start & 1 == 0 {
                message.splice(0..0, [0x40 | (start & 0x30), start >> 6, 0, start, 0xb1, b"heEtdvuc"[usize::from(start >> 5)]]);
            }
            bench.message(&message);
            if start & 6 == 0 {
                bench.wait();
            }
        }
        prop_assert!(bench.service.devices().len() <= 31);
    }
}

/// Without its description no command reaches a device: one that did not answer is asked again when it is heard.
#[test]
fn a_device_that_did_not_describe_itself_is_asked_again_when_it_is_heard() {
    let mut bench = Bench::connected(HELLO);
    while bench.service.next_wake_ps() < u64::MAX {
        bench.wait();
    }
    assert!(bench.now_ps > 50 * PS_PER_S, "given up");
    let answers = bench.message(b"\x40\x00\x00\x09");
    assert_eq!(answers, [&b"\x60\x00\x00\x09"[..], b"\x41\x01\x00\x02\x02\xb1d"]);
    bench.message(b"\x61\x45\x00\x02\x02\xff{}");
    assert!(bench.device().ready_from_ps < u64::MAX);
    assert_eq!(bench.message(b"\x40\x00\x00\x0a").len(), 1, "and not again");
}

/// A device that subscribes to its own events and acknowledges nothing must not fill the service's memory.
#[test]
fn events_for_a_device_that_acknowledges_nothing_are_bounded() {
    let mut bench = Bench::connected(HELLO_2);
    bench.message(b"\x50\x01\x00\x03\xb1e\x01x");
    for n in 0..2000u16 {
        let [high, low] = n.to_be_bytes();
        bench.message(&[&[0x50, 2, high, low, 0xb1, b'E', 1, b'x', 0xff][..], &[b'y'; 200]].concat());
    }
    let state = postcard::to_stdvec(&bench.service).unwrap().len();
    assert!(state < 64 * 1024, "{state} bytes");
    assert!(bench.unmodelled.iter().any(|what| what.contains("acknowledges none")));
}

/// A time-out that no run reaches is none, and not one in the past.
#[test]
fn the_longest_time_out_of_an_update_is_no_overflow() {
    let mut bench = Bench::connected(HELLO_2);
    bench.service.config.update.timeout_s = u64::MAX;
    bench.now_ps = PS_PER_S;
    bench.service.ask(bench.now_ps, ID, ServerRequest::Update { image: vec![1; 8] }).unwrap();
    assert_eq!(bench.wait().len(), 1);
    bench.now_ps += PS_PER_S;
    bench.wait();
    assert!(!bench.events.iter().any(|kind| matches!(kind, CloudEventKind::UpdateFailed { .. })));
}
