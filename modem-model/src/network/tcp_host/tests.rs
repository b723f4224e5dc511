use super::*;
use crate::network::stream_service::{StreamAction, StreamEvent, StreamService};
use crate::network::{StreamHost, TcpState};

const SERVER: Endpoint = Endpoint { address: std::net::Ipv4Addr::new(192, 0, 2, 1), port: 80 };

fn client_end(port: u16) -> Endpoint {
    Endpoint { address: [10, 0, 0, 1].into(), port }
}

/// Gives segments to a host and gets its answers.
struct Bench {
    host: TcpHost,
    decisions: Decisions,
    now_ps: u64,
}

impl Bench {
    fn new(asks: bool) -> Self {
        let host = TcpHost::new(HostConfig { asks, ..HostConfig::default() });
        Self { host, decisions: Decisions::new(1), now_ps: 0 }
    }

    fn events(&mut self) -> Vec<HostEvent> {
        std::iter::from_fn(|| self.host.poll_event().map(|(_, event)| event)).collect()
    }

    /// All that the client has to say, and what is answered.
    fn exchange(&mut self, port: u16, client: &mut Connection) {
        while let Some(segment) = client.poll(self.now_ps) {
            let mut output = PeerOutput::default();
            let ends = (client_end(port), SERVER);
            self.host.receive(self.now_ps, ends, &segment, &mut output, &mut self.decisions);
            give(self.now_ps, output, client);
        }
    }
}

fn give(now_ps: u64, output: PeerOutput, client: &mut Connection) {
    for packet in output.packets {
        assert_eq!(packet.from, SERVER);
        let Payload::Tcp(segment) = packet.payload else { panic!("{packet:?}") };
        client.on_segment(now_ps, &segment);
    }
}

#[test]
fn an_accept_may_come_late_or_be_refused_or_never_come() {
    let mut bench = Bench::new(true);
    let mut clients: Vec<Connection> = (0..3).map(|n| Connection::connect(TcpConfig::default(), n)).collect();
    for (port, client) in (1..).zip(&mut clients) {
        bench.exchange(port, client);
        assert_eq!(bench.events(), [HostEvent::Incoming { from: client_end(port), to: SERVER }]);
    }
    // A SYN that is repeated meanwhile asks no second time.
    bench.now_ps = PS_PER_S;
    for (port, client) in (1..).zip(&mut clients) {
        client.advance(bench.now_ps);
        bench.exchange(port, client);
    }
    assert!(bench.events().is_empty() && clients.iter().all(|c| c.state() == TcpState::SynSent));
    let mut output = PeerOutput::default();
    bench.host.accept(bench.now_ps, 0, &mut output, &mut bench.decisions);
    give(bench.now_ps, output, &mut clients[0]);
    bench.exchange(1, &mut clients[0]);
    assert_eq!(bench.events(), [HostEvent::Connected { with: client_end(1) }]);
    let mut output = PeerOutput::default();
    bench.host.refuse(1, &mut output);
    give(bench.now_ps, output, &mut clients[1]);
    assert_eq!(clients[1].poll_event(), Some(TcpEvent::Failed(TcpFailure::Refused)));
    bench.host.advance(bench.host.next_wake_ps(), &mut PeerOutput::default());
    assert_eq!(bench.events(), [HostEvent::Lost(TcpFailure::TimedOut)], "the third is forgotten");
    assert_eq!(bench.host.len(), 1);
}

#[test]
fn bytes_go_at_the_owner_s_pace() {
    let mut bench = Bench::new(false);
    let mut client = Connection::connect(TcpConfig { nagle: false, ..TcpConfig::default() }, 3);
    bench.exchange(1, &mut client);
    client.write(&[7; 40_000]);
    bench.exchange(1, &mut client);
    // 11 whole segments; what is left of the window is not worth one.
    assert_eq!((bench.host.readable(0), client.unacknowledged()), (16_060, 40_000 - 16_060));
    let mut output = PeerOutput::default();
    assert_eq!(bench.host.read(0, 0, usize::MAX, &mut output).len(), 16_060);
    give(0, output, &mut client);
    bench.exchange(1, &mut client);
    assert_eq!(bench.host.readable(0), 16_060);
    // The other way round: the client does not read.
    let mut output = PeerOutput::default();
    assert_eq!(bench.host.send(0, 0, &[1; 100_000], &mut output), 65_536);
    assert!(!bench.events().contains(&HostEvent::Writable));
    give(0, output, &mut client);
    for _ in 0..10 {
        client.read(usize::MAX);
        bench.exchange(1, &mut client);
    }
    assert!(bench.events().contains(&HostEvent::Writable));
}

/// A client that lost its memory opens again from the same port: its second SYN connects.
#[test]
fn a_half_open_connection_gives_way_to_a_new_one() {
    let mut bench = Bench::new(false);
    bench.exchange(1, &mut Connection::connect(TcpConfig::default(), 5));
    let mut client = Connection::connect(TcpConfig::default(), 1_000_000);
    bench.exchange(1, &mut client);
    assert_eq!(client.state(), TcpState::SynSent);
    bench.now_ps = client.next_wake_ps();
    client.advance(bench.now_ps);
    bench.exchange(1, &mut client);
    assert_eq!((client.state(), bench.now_ps, bench.host.len()), (TcpState::Established, PS_PER_S, 1));
}

/// The host closed first and remembers the connection; a client that uses the port again does not wait for it.
#[test]
fn a_port_may_be_used_again_at_once() {
    let mut bench = Bench::new(false);
    let mut client = Connection::connect(TcpConfig::default(), 5);
    bench.exchange(1, &mut client);
    let mut output = PeerOutput::default();
    bench.host.close(0, 0, &mut output);
    give(0, output, &mut client);
    client.close();
    bench.exchange(1, &mut client);
    assert_eq!((bench.host.tcp(0).unwrap().state(), client.state()), (TcpState::TimeWait, TcpState::Closed));
    let mut client = Connection::connect(TcpConfig::default(), 1000);
    bench.exchange(1, &mut client);
    assert_eq!((client.state(), bench.host.len()), (TcpState::Established, 1));
}

#[test]
fn the_number_of_connections_is_bounded() {
    let mut bench = Bench::new(false);
    for port in 1..=300 {
        bench.now_ps += 1;
        bench.exchange(port, &mut Connection::connect(TcpConfig::default(), 5));
    }
    assert_eq!(bench.host.len(), CONNECTIONS_MAX);
    assert!(bench.events().contains(&HostEvent::Lost(TcpFailure::Reset)));
}

/// Answers each byte with many, says when its client has closed, and then closes.
#[derive(Default)]
struct Flood {
    seen: Vec<&'static str>,
}

const FLOOD_BYTES: usize = 200_000;

impl StreamService for Flood {
    fn event(
        &mut self,
        _now_ps: u64,
        connection: ConnectionId,
        event: StreamEvent<'_>,
        actions: &mut Vec<(ConnectionId, StreamAction)>,
    ) {
        self.seen.push(match event {
            StreamEvent::Connected { .. } => "connected",
            StreamEvent::Data(_) => "data",
            StreamEvent::PeerClosed => "closed",
            StreamEvent::Lost => "lost",
        });
        match event {
            StreamEvent::Data(_) => actions.push((connection, StreamAction::Send(vec![9; FLOOD_BYTES]))),
            StreamEvent::PeerClosed => actions.push((connection, StreamAction::Close)),
            StreamEvent::Connected { .. } | StreamEvent::Lost => {}
        }
    }
}

#[test]
fn a_service_s_answers_all_arrive_before_its_end_and_it_hears_the_end_last() {
    let mut host = StreamHost::new(Flood::default());
    let mut decisions = Decisions::new(1);
    let mut client = Connection::connect(TcpConfig { nagle: false, ..TcpConfig::default() }, 3);
    client.write(b"a");
    let mut received = 0;
    let mut is_closed = false;
    for now_ps in 0..1000 {
        let mut output = PeerOutput::default();
        while let Some(segment) = client.poll(now_ps) {
            let payload = Payload::Tcp(segment);
            let packet = Packet { from: client_end(1), to: SERVER, payload, sent_ps: 0 };
            host.receive(now_ps, &packet, &mut output, &mut decisions);
        }
        give(now_ps, output, &mut client);
        received += client.read(usize::MAX).len();
        if received > 0 && !is_closed {
            // While the first answer is under way: what it asks now waits for it.
            client.write(b"b");
            client.close();
            is_closed = true;
        }
    }
    assert_eq!((received, client.state()), (2 * FLOOD_BYTES, TcpState::TimeWait));
    assert_eq!(host.service().seen.first(), Some(&"connected"));
    assert_eq!(host.service().seen.last(), Some(&"closed"));
}
