use super::*;
use crate::network::tcp::{Connection, TcpConfig, TcpEvent};
use crate::time::{DurationRange, PS_PER_MS, PS_PER_S};

fn endpoint(address: [u8; 4], port: u16) -> Endpoint {
    Endpoint { address: address.into(), port }
}

fn run(network: &mut Network, decisions: &mut Decisions) -> Vec<(u64, Packet)> {
    let mut arrived = Vec::new();
    while network.next_wake_ps() != u64::MAX {
        let now = network.next_wake_ps();
        network.step(now, decisions);
        while let Some(packet) = network.take_arrival() {
            arrived.push((now, packet));
        }
    }
    arrived
}

#[test]
fn an_echo_comes_from_the_address_it_was_sent_to() {
    let (mut network, mut decisions) = (Network::default(), Decisions::new(1));
    let (from, to) = (endpoint([10, 0, 0, 1], 9), endpoint([192, 0, 2, 7], 7));
    network.send(5, Packet { from, to, payload: Payload::Udp(b"x".to_vec()), sent_ps: 5 }, &mut decisions);
    let arrived = run(&mut network, &mut decisions);
    assert_eq!(arrived.len(), 1);
    assert_eq!((arrived[0].1.from, arrived[0].1.to), (to, from));
    assert_eq!(arrived[0].1.payload, Payload::Udp(b"x".to_vec()));
    let milliseconds = arrived[0].0 / crate::time::PS_PER_MS;
    assert!((450..=530).contains(&milliseconds), "{milliseconds} ms");
}

#[test]
fn nobody_listens() {
    let (mut network, mut decisions) = (Network::default(), Decisions::new(1));
    let (from, to) = (endpoint([10, 0, 0, 1], 9), endpoint([203, 0, 113, 1], 5684));
    let mut hello = vec![0; 40];
    (hello[0], hello[13]) = (22, 1);
    network.send(0, Packet { from, to, payload: Payload::Udp(hello), sent_ps: 0 }, &mut decisions);
    let flags = tcp::Flags { syn: true, ..tcp::Flags::default() };
    let syn = Segment { sequence: tcp::Seq(7), flags, ..Segment::default() };
    network.send(0, Packet { from, to, payload: Payload::Tcp(syn), sent_ps: 0 }, &mut decisions);
    let arrived = run(&mut network, &mut decisions);
    assert_eq!(arrived.len(), 1);
    let Payload::Tcp(refusal) = &arrived[0].1.payload else { panic!("{arrived:?}") };
    assert!(refusal.flags.rst && refusal.flags.ack);
    assert_eq!(refusal.acknowledgment, tcp::Seq(8));
    let unanswered = network.take_unanswered();
    assert!(unanswered[0].is_client_hello());
    assert_eq!((unanswered[0].from, unanswered[0].to), (from, to));
}

#[test]
fn packets_keep_their_order() {
    let (mut network, mut decisions) = (Network::default(), Decisions::new(3));
    let (from, to) = (endpoint([10, 0, 0, 1], 9), endpoint([192, 0, 2, 7], 7));
    for n in 0..50 {
        network.send(u64::from(n), Packet { from, to, payload: Payload::Udp(vec![n]), sent_ps: 0 }, &mut decisions);
    }
    let order: Vec<_> = run(&mut network, &mut decisions).into_iter().map(|(_, p)| p.payload).collect();
    assert_eq!(order, (0..50).map(|n| Payload::Udp(vec![n])).collect::<Vec<_>>());
}

fn echo() -> Endpoint {
    endpoint([192, 0, 2, 7], 7)
}

fn network(link: LinkConfig) -> Network {
    let peer = Peer::Echo(Echo::new(EchoForm::Same));
    Network::new(link, vec![PeerAt { address: echo().address, port: Some(7), peer }])
}

/// One property of both directions.
fn both(change: impl Fn(&mut DirectionConfig)) -> LinkConfig {
    let mut link = LinkConfig::default();
    change(&mut link.uplink);
    change(&mut link.downlink);
    link
}

/// A device that writes to the echo service over TCP and reads the answers, through a network.
struct Transfer {
    network: Network,
    decisions: Decisions,
    now_ps: u64,
    device: Endpoint,
    tcp: Connection,
    received: Vec<u8>,
    /// Packets and losses by direction: to the device, from it.
    packets: [(u32, u32); 2],
}

impl Transfer {
    fn new(link: LinkConfig, seed: u64) -> Self {
        Self {
            network: network(link),
            decisions: Decisions::new(seed),
            now_ps: 0,
            device: endpoint([10, 0, 0, 1], 50_000),
            tcp: Connection::connect(TcpConfig { nagle: false, ..TcpConfig::default() }, 1),
            received: Vec::new(),
            packets: Default::default(),
        }
    }

    /// Until nothing is left to do, or the time is up.
    fn run(&mut self, until_ps: u64) {
        loop {
            self.received.extend(self.tcp.read(usize::MAX));
            while let Some(segment) = self.tcp.poll(self.now_ps) {
                let payload = Payload::Tcp(segment);
                let packet = Packet { from: self.device, to: echo(), payload, sent_ps: self.now_ps };
                self.network.send(self.now_ps, packet, &mut self.decisions);
            }
            for captured in self.network.take_captured() {
                let (sent, lost) = &mut self.packets[usize::from(captured.is_outbound)];
                // One that arrived is seen by the modem, which is not here.
                *sent += u32::from(captured.is_outbound);
                *lost += u32::from(captured.is_lost);
            }
            let next_ps = self.tcp.next_wake_ps().min(self.network.next_wake_ps());
            if next_ps > until_ps || next_ps == u64::MAX {
                return;
            }
            self.now_ps = next_ps;
            if self.tcp.next_wake_ps() <= self.now_ps {
                self.tcp.advance(self.now_ps);
                continue;
            }
            self.network.step(self.now_ps, &mut self.decisions);
            while let Some(packet) = self.network.take_arrival() {
                self.packets[0].0 += 1;
                let Payload::Tcp(segment) = packet.payload else { panic!("UDP") };
                self.tcp.on_segment(self.now_ps, &segment);
            }
        }
    }
}

const BYTES: usize = 65_536;

/// Sends 64 KB, which come back, and closes. A line of the table.
fn transfer(name: &str, link: LinkConfig, seed: u64) -> String {
    let mut transfer = Transfer::new(link, seed);
    let sent: Vec<u8> = (0..BYTES).map(|n| (n * 31 + n / 255) as u8).collect();
    transfer.tcp.write(&sent);
    while transfer.tcp.state() == TcpState::SynSent {
        let until_ps = transfer.now_ps + 100 * PS_PER_MS;
        transfer.run(until_ps);
        transfer.now_ps = until_ps;
    }
    transfer.tcp.close();
    let mut done_ps = 0;
    for second in 0..3600 {
        transfer.run(second * PS_PER_S);
        if transfer.received.len() == BYTES && done_ps == 0 {
            done_ps = transfer.now_ps;
        }
    }
    assert_eq!(transfer.received, sent, "{name}, seed {seed}");
    assert_eq!(transfer.tcp.state(), TcpState::Closed, "{name}, seed {seed}");
    let events: Vec<TcpEvent> = std::iter::from_fn(|| transfer.tcp.poll_event()).collect();
    assert_eq!(events, [TcpEvent::Connected, TcpEvent::PeerClosed, TcpEvent::Closed], "{name}, seed {seed}");
    let [(down, down_lost), (up, up_lost)] = transfer.packets;
    format!(
        "{name:<24} {seed:>4} {:>5}.{} {:>10} {up:>7} {up_lost:>5} {:>7} {down_lost:>5}\n",
        done_ps / PS_PER_S,
        done_ps / (PS_PER_S / 10) % 10,
        transfer.tcp.retransmissions(),
        down + down_lost,
    )
}

/// The table is reviewed when it changes: what a link does to a transfer must be explainable.
#[test]
fn transfers_over_links() {
    let loss = |percent| both(|d| d.loss = Probability::percent(percent));
    let mobile = |d: &mut DirectionConfig| {
        (d.bandwidth_bps, d.queue_bytes) = (64_000, 16_384);
        d.loss = Probability::percent(2);
        d.reordering = Probability::percent(2);
    };
    let outage = Outage { from_ps: PS_PER_S, to_ps: 61 * PS_PER_S };
    let profiles = [
        ("clean", LinkConfig::default()),
        ("loss 1 %", loss(1)),
        ("loss 5 %", loss(5)),
        ("loss 10 %", loss(10)),
        ("reordering 10 %", both(|d| d.reordering = Probability::percent(10))),
        ("duplication 10 %", both(|d| d.duplication = Probability::percent(10))),
        ("64 kbit/s, 16 KB queue", both(|d| (d.bandwidth_bps, d.queue_bytes) = (64_000, 16_384))),
        ("64 kbit/s, 4 KB queue", both(|d| (d.bandwidth_bps, d.queue_bytes) = (64_000, 4_096))),
        ("64 kbit/s, 2 % and 2 %", both(mobile)),
        ("outage of 60 s", LinkConfig { outages: vec![outage], ..LinkConfig::default() }),
    ];
    let head = ["64 KB echoed", "seed", "seconds", "repeated", "up", "lost", "down", "lost"];
    let [name, seed, seconds, repeated, up, up_lost, down, down_lost] = head;
    let mut table =
        format!("{name:<24} {seed:>4} {seconds:>7} {repeated:>10} {up:>7} {up_lost:>5} {down:>7} {down_lost:>5}\n");
    for (name, link) in profiles {
        for seed in 1..=3 {
            table += &transfer(name, link.clone(), seed);
        }
    }
    assert_eq!(table, include_str!("tests/transfers.txt"), "the table is now\n{table}");
}

/// What becomes of datagrams: arrived, lost, twice, overtaken.
#[test]
fn datagrams_are_lost_doubled_and_overtaken() {
    let link = both(|d| {
        d.loss = Probability::percent(10);
        d.reordering = Probability::percent(10);
        d.duplication = Probability::percent(10);
    });
    let (mut network, mut decisions) = (network(link), Decisions::new(1));
    let from = endpoint([10, 0, 0, 1], 9);
    let mut numbers = Vec::new();
    for n in 0..1000u32 {
        let now_ps = u64::from(n) * 20 * PS_PER_MS;
        let payload = Payload::Udp(n.to_be_bytes().to_vec());
        network.send(now_ps, Packet { from, to: echo(), payload, sent_ps: now_ps }, &mut decisions);
    }
    for (_, packet) in run(&mut network, &mut decisions) {
        let Payload::Udp(bytes) = packet.payload else { panic!("TCP") };
        numbers.push(u32::from_be_bytes(bytes.try_into().unwrap()));
    }
    let overtaken = numbers.windows(2).filter(|pair| pair[1] < pair[0]).count();
    let distinct: std::collections::BTreeSet<_> = numbers.iter().collect();
    // 0.9^2 arrive, and of them about a fifth twice.
    assert!((780..840).contains(&distinct.len()), "{}", distinct.len());
    assert!((120..220).contains(&(numbers.len() - distinct.len())), "{}", numbers.len());
    assert!(overtaken > 50, "{overtaken}");
}

#[test]
fn an_outage_loses_what_is_sent_and_what_arrives_in_it() {
    let outages = vec![Outage { from_ps: 1_300 * PS_PER_MS, to_ps: 2 * PS_PER_S }];
    let latency = |d: &mut DirectionConfig| d.latency = DurationRange::ms(200, 200);
    let (mut network, mut decisions) = (network(LinkConfig { outages, ..both(latency) }), Decisions::new(1));
    let from = endpoint([10, 0, 0, 1], 9);
    let mut send = |network: &mut Network, ms: u64| {
        let now_ps = ms * PS_PER_MS;
        let payload = Payload::Udp(ms.to_be_bytes().to_vec());
        network.send(now_ps, Packet { from, to: echo(), payload, sent_ps: now_ps }, &mut decisions);
        run(network, &mut decisions).len()
    };
    // There and back in 400 ms.
    assert_eq!([800, 1_000, 1_400, 1_999, 2_000].map(|ms| send(&mut network, ms)), [1, 0, 0, 0, 1]);
    network.set_down(true);
    assert_eq!(send(&mut network, 3_000), 0);
    network.set_down(false);
    assert_eq!(send(&mut network, 4_000), 1);
    let lost: Vec<(u64, bool)> = network
        .take_captured()
        .iter()
        .filter(|captured| captured.is_lost)
        .map(|captured| (captured.time_ps / PS_PER_MS, captured.is_outbound))
        .collect();
    assert_eq!(lost, [(1_400, false), (1_400, true), (1_999, true), (3_000, true)]);
}

#[test]
fn behind_a_translator_a_peer_s_late_answer_finds_nobody() {
    let timeout = Some(DurationRange::ms(30_000, 30_000));
    let nat = NatConfig { enabled: true, udp_idle_timeout: timeout, ..NatConfig::default() };
    let public = nat.address;
    let mut network = Network::new(LinkConfig { nat, ..LinkConfig::default() }, Vec::new());
    let mut decisions = Decisions::new(1);
    let from = endpoint([10, 0, 0, 1], 9);
    for s in [0, 20, 60] {
        let packet = Packet { from, to: echo(), payload: Payload::Udp(vec![1]), sent_ps: 0 };
        network.send(s * PS_PER_S, packet, &mut decisions);
        assert!(run(&mut network, &mut decisions).is_empty());
    }
    let seen: Vec<Endpoint> = network.take_unanswered().iter().map(|datagram| datagram.from).collect();
    assert_eq!((seen[0].address, seen[0] == seen[1], seen[1] == seen[2]), (public, true, false));
}
