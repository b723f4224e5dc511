use proptest::prelude::*;

use super::*;
use crate::time::PS_PER_MS;

const LATENCY_PS: u64 = 100 * PS_PER_MS;

/// Two ends with a link between them whose fate of each segment is told by a function.
struct Pair {
    now_ps: u64,
    ends: [Connection; 2],
    /// Arrival time, order of sending, receiver, segment.
    flying: Vec<(u64, u64, usize, Segment)>,
    sent: u64,
    received: [Vec<u8>; 2],
    events: [Vec<TcpEvent>; 2],
    reads: bool,
}

fn config() -> TcpConfig {
    TcpConfig { mss: 1000, receive_bytes: 4000, nagle: false, ..TcpConfig::default() }
}

impl Pair {
    /// Both ends of a connection that one of them opens: the other is made when the SYN is there.
    fn new(config: TcpConfig) -> Self {
        let mut active = Connection::connect(config.clone(), 0xffff_ff00);
        let syn = active.poll(0).unwrap();
        let passive = Connection::accept(config, 5, &syn).unwrap();
        Self::of([active, passive])
    }

    fn of(ends: [Connection; 2]) -> Self {
        Self {
            now_ps: 0,
            ends,
            flying: Vec::new(),
            sent: 0,
            received: Default::default(),
            events: Default::default(),
            reads: true,
        }
    }

    fn connected() -> Self {
        let mut pair = Self::new(config());
        pair.run(10, |_, _| vec![LATENCY_PS]);
        assert_eq!(pair.states(), [TcpState::Established; 2]);
        pair
    }

    fn states(&self) -> [TcpState; 2] {
        [self.ends[0].state(), self.ends[1].state()]
    }

    /// Takes what the ends have to say. `fate` gives the delays of a segment's copies; none: it is lost.
    fn settle(&mut self, fate: &mut impl FnMut(usize, &Segment) -> Vec<u64>) {
        for from in 0..2 {
            if self.reads {
                let bytes = self.ends[from].read(usize::MAX);
                self.received[from].extend(bytes);
            }
            let mut said = 0;
            while let Some(segment) = self.ends[from].poll(self.now_ps) {
                said += 1;
                assert!(said < 1000 && self.flying.len() < 1000, "a storm: {segment:?} {:?}", self.ends);
                for delay_ps in fate(from, &segment) {
                    self.sent += 1;
                    self.flying.push((self.now_ps + delay_ps, self.sent, 1 - from, segment.clone()));
                }
            }
            while let Some(event) = self.ends[from].poll_event() {
                self.events[from].push(event);
            }
        }
    }

    /// Runs until nothing is left to do, or for some virtual seconds.
    fn run(&mut self, seconds: u64, mut fate: impl FnMut(usize, &Segment) -> Vec<u64>) {
        let end_ps = self.now_ps + seconds * PS_PER_S;
        for _ in 0..100_000 {
            self.settle(&mut fate);
            let timers = self.ends.iter().map(Connection::next_wake_ps).min().unwrap();
            let next = self.flying.iter().map(|f| (f.0, f.1)).min();
            let next_ps = next.map_or(u64::MAX, |n| n.0).min(timers);
            if next_ps > end_ps {
                self.now_ps = if next_ps == u64::MAX { self.now_ps } else { end_ps };
                return;
            }
            self.now_ps = self.now_ps.max(next_ps);
            if let Some((_, number)) = next.filter(|n| n.0 <= timers) {
                let at = self.flying.iter().position(|f| f.1 == number).unwrap();
                let (_, _, to, segment) = self.flying.remove(at);
                self.ends[to].on_segment(self.now_ps, &segment);
            } else {
                self.ends.iter_mut().for_each(|end| end.advance(self.now_ps));
            }
        }
        panic!("no end: {:?}", self.ends);
    }
}

fn clean(_: usize, _: &Segment) -> Vec<u64> {
    vec![LATENCY_PS]
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n * 7 + n / 251) as u8).collect()
}

#[test]
fn a_connection_opens_in_one_round_trip_and_closes_both_ways() {
    let mut pair = Pair::new(config());
    pair.run(10, clean);
    assert_eq!(pair.now_ps, 2 * LATENCY_PS, "SYN with ACK, ACK; the SYN was handed over");
    assert_eq!(pair.events, [vec![TcpEvent::Connected], vec![TcpEvent::Connected]]);
    assert!(pair.ends[0].write(b"question"));
    pair.ends[0].close();
    assert!(!pair.ends[0].write(b"more"), "closed");
    pair.run(1, clean);
    assert_eq!(pair.states(), [TcpState::FinWait2, TcpState::CloseWait]);
    // The other half is still open.
    assert!(pair.ends[1].write(&pattern(5000)));
    pair.run(10, clean);
    assert_eq!((&pair.received[1][..], &pair.received[0]), (&b"question"[..], &pattern(5000)));
    pair.ends[1].close();
    pair.run(1, clean);
    assert_eq!(pair.states(), [TcpState::TimeWait, TcpState::Closed]);
    pair.run(20, clean);
    assert_eq!(pair.states(), [TcpState::Closed; 2]);
    assert_eq!(pair.events[0], [TcpEvent::Connected, TcpEvent::PeerClosed, TcpEvent::Closed]);
    assert_eq!(pair.events[1], [TcpEvent::Connected, TcpEvent::PeerClosed, TcpEvent::Closed]);
    assert_eq!(pair.ends[0].retransmissions() + pair.ends[1].retransmissions(), 0);
    assert_eq!(pair.ends.iter().map(Connection::next_wake_ps).min(), Some(u64::MAX), "at rest");
}

#[test]
fn both_may_open_at_once_and_close_at_once() {
    let mut pair = Pair::of([Connection::connect(config(), 100), Connection::connect(config(), u32::MAX)]);
    pair.run(10, clean);
    assert_eq!(pair.states(), [TcpState::Established; 2]);
    pair.ends[0].close();
    pair.ends[1].close();
    pair.run(0, clean);
    let mut seen = Vec::new();
    while pair.states() != [TcpState::Closed; 2] {
        seen.push(pair.states()[0]);
        let next_ps = pair.flying.iter().map(|f| f.0).min();
        let next_ps = next_ps.unwrap_or(u64::MAX).min(pair.ends[0].next_wake_ps());
        let until = next_ps.saturating_sub(pair.now_ps).div_ceil(PS_PER_S).max(1);
        pair.run(until, clean);
    }
    assert!(seen.contains(&TcpState::TimeWait), "{seen:?}");
    assert_eq!(pair.ends[0].retransmissions(), 1, "the SYN, now with ACK");
}

#[test]
fn a_lost_segment_is_repeated_after_a_second_or_after_three_duplicates() {
    let mut pair = Pair::connected();
    let start_ps = pair.now_ps;
    pair.ends[0].write(b"x");
    let mut losses = 1;
    pair.run(10, |from, _| {
        let is_lost = from == 0 && std::mem::take(&mut losses) > 0;
        if is_lost { vec![] } else { clean(0, &Segment::default()) }
    });
    assert_eq!(pair.now_ps - start_ps, PS_PER_S + 2 * LATENCY_PS);
    assert_eq!(pair.received[1], b"x");

    let mut pair = Pair::connected();
    let start_ps = pair.now_ps;
    pair.ends[0].write(&pattern(4000));
    let mut number = 0;
    pair.run(10, |from, _| {
        number += usize::from(from == 0);
        if from == 0 && number == 1 { vec![] } else { vec![LATENCY_PS] }
    });
    assert_eq!(pair.now_ps - start_ps, 4 * LATENCY_PS, "sent, three duplicates, sent again, acknowledged");
    assert_eq!(pair.received[1], pattern(4000));
    assert_eq!(pair.ends[0].retransmissions(), 1);
}

#[test]
fn a_silent_peer_is_given_up_after_doubling_pauses() {
    let mut pair = Pair::connected();
    pair.ends[0].write(b"x");
    let start_ps = pair.now_ps;
    let mut times = Vec::new();
    for _ in 0..400 {
        let now_ps = pair.now_ps;
        pair.run(1, |_, _| {
            times.push(now_ps);
            vec![]
        });
        pair.now_ps = now_ps + PS_PER_S;
    }
    let times_s: Vec<u64> = times.iter().map(|t| (t - start_ps) / PS_PER_S).collect();
    assert_eq!(times_s, [0, 0, 2, 6, 14, 30, 62, 122, 182], "each in the second after");
    assert_eq!(pair.events[0].last(), Some(&TcpEvent::Failed(TcpFailure::TimedOut)));
    // A SYN that nobody answers.
    let mut syn = Connection::connect(config(), 1);
    let mut sent = 0;
    while syn.next_wake_ps() != u64::MAX || sent == 0 {
        let now_ps = if sent == 0 { 0 } else { syn.next_wake_ps() };
        syn.advance(now_ps);
        sent += usize::from(syn.poll(now_ps).is_some());
    }
    assert_eq!((sent, syn.poll_event()), (8, Some(TcpEvent::Failed(TcpFailure::TimedOut))));
}

#[test]
fn a_closed_window_is_probed_and_an_opened_one_is_told() {
    let mut pair = Pair::connected();
    pair.reads = false;
    pair.ends[0].write(&pattern(10_000));
    pair.run(3600, clean);
    assert_eq!((pair.ends[1].readable(), pair.ends[0].unacknowledged()), (4000, 6000));
    assert_eq!(pair.states(), [TcpState::Established; 2], "an hour of probes is no failure while they are answered");
    // The news that there is room again is lost: the next probe finds it.
    pair.received[1] = pair.ends[1].read(4000);
    pair.reads = true;
    let mut losses = 1;
    pair.run(200, |from, _| if from == 1 && std::mem::take(&mut losses) > 0 { vec![] } else { vec![LATENCY_PS] });
    assert_eq!(pair.received[1], pattern(10_000));
}

#[test]
fn resets_follow_the_rules() {
    // To a SYN: refused.
    let mut syn = Connection::connect(config(), 9);
    let refusal = syn.poll(0).unwrap().refusal().unwrap();
    syn.on_segment(0, &Segment { acknowledgment: Seq(77), ..refusal.clone() });
    assert_eq!(syn.state(), TcpState::SynSent, "a blind reset");
    syn.on_segment(0, &refusal);
    assert_eq!(syn.poll_event(), Some(TcpEvent::Failed(TcpFailure::Refused)));
    // In a connection: at the exact number only; elsewhere in the window it is asked for again (RFC 5961).
    let mut pair = Pair::connected();
    let exact = pair.ends[1].receiver.next;
    let flags = Flags { rst: true, ..Flags::default() };
    pair.ends[1].on_segment(0, &Segment { sequence: exact + 10, flags, ..Segment::default() });
    assert_eq!(pair.ends[1].poll(0).unwrap().acknowledgment, exact);
    pair.ends[1].on_segment(0, &Segment { sequence: exact + 100_000, flags, ..Segment::default() });
    assert_eq!((pair.ends[1].poll(0), pair.states()[1]), (None, TcpState::Established));
    pair.ends[1].on_segment(0, &Segment { sequence: exact, flags, ..Segment::default() });
    assert_eq!(pair.ends[1].poll_event(), Some(TcpEvent::Failed(TcpFailure::Reset)));
    // What the other end still says is answered by a reset, which it believes.
    pair.ends[0].write(b"hello?");
    pair.run(10, clean);
    assert_eq!(pair.events[0].last(), Some(&TcpEvent::Failed(TcpFailure::Reset)));
    // A reader that has gone.
    let mut pair = Pair::connected();
    pair.ends[0].close_both(pair.now_ps);
    pair.ends[1].write(b"late");
    pair.run(10, clean);
    assert_eq!(pair.events[1].last(), Some(&TcpEvent::Failed(TcpFailure::Reset)));
    assert_eq!(pair.states(), [TcpState::Closed; 2]);
}

#[test]
fn small_writes_wait_for_the_acknowledgment_with_nagle() {
    let mut pair = Pair::new(TcpConfig { nagle: true, ..config() });
    pair.run(10, clean);
    for byte in 0..10 {
        pair.ends[0].write(&[byte]);
        pair.settle(&mut clean);
    }
    assert_eq!(pair.flying.len(), 1);
    pair.run(10, clean);
    assert_eq!(pair.received[1], (0..10).collect::<Vec<u8>>());
}

fn any_segment() -> impl Strategy<Value = Segment> {
    // Near the numbers that count, and anywhere.
    let near = |base: u32| prop_oneof![3 => (0..12u32).prop_map(move |n| base.wrapping_add(n).wrapping_sub(4)), 1 => any::<u32>()];
    let flags = any::<[bool; 5]>().prop_map(|[syn, ack, fin, rst, psh]| Flags {
        syn: syn && ack != fin,
        ack: ack || fin,
        fin,
        rst: rst && syn,
        psh,
    });
    let bytes = proptest::collection::vec(any::<u8>(), 0..6);
    let window = prop_oneof![Just(0), Just(3), any::<u16>()];
    let mss = prop_oneof![Just(None), any::<u16>().prop_map(Some)];
    (near(1000), near(u32::MAX), flags, window, mss, bytes).prop_map(|(sequence, ack, flags, window, mss, payload)| {
        Segment { sequence: Seq(sequence), acknowledgment: Seq(ack), flags, window, mss, payload }
    })
}

/// What becomes of each segment, drawn: lost, late, or there twice.
fn fate(fates: Vec<(u32, u64, u8)>, loss_percent: u32) -> impl FnMut(usize, &Segment) -> Vec<u64> {
    let mut at = 0;
    move |_, _| {
        let (luck, ms, copies) = fates[at % fates.len()];
        at += 1;
        // The pattern of losses must not repeat itself in step with the segments.
        let luck = (luck + (at / fates.len()) as u32 * 37) % 100;
        if luck < loss_percent {
            return vec![];
        }
        let delay_ps = ms * PS_PER_MS;
        if copies == 0 { vec![delay_ps, delay_ps * 3] } else { vec![delay_ps] }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever comes, nothing panics, buffers stay within their limits, and an end answers only so much.
    #[test]
    fn any_segments_are_survived(is_active: bool, segments in proptest::collection::vec((any_segment(), 0..5u8, 0..3000u64), 0..40)) {
        let config = TcpConfig { receive_bytes: 16, ..config() };
        let syn = Segment { sequence: Seq(999), flags: Flags { syn: true, ..Flags::default() }, window: 5, ..Segment::default() };
        let mut end = if is_active { Connection::connect(config, u32::MAX) } else { Connection::accept(config, u32::MAX, &syn).unwrap() };
        let mut now_ps = 0;
        let drain = |end: &mut Connection, now_ps| -> Result<(), TestCaseError> {
            for n in 0.. {
                prop_assert!(n < 100, "endless");
                if end.poll(now_ps).is_none() { break; }
            }
            Ok(())
        };
        drain(&mut end, 0)?;
        for (segment, call, wait_ms) in segments {
            end.on_segment(now_ps, &segment);
            drain(&mut end, now_ps)?;
            prop_assert!(end.readable() <= 16);
            match call {
                0 => { end.write(b"abcdefgh"); }
                1 => { end.read(5); }
                2 if wait_ms < 300 => end.close(),
                3 if wait_ms < 300 => end.close_both(now_ps),
                _ => {}
            }
            drain(&mut end, now_ps)?;
            now_ps += wait_ms * PS_PER_MS;
            end.advance(now_ps);
            drain(&mut end, now_ps)?;
            while end.poll_event().is_some() {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// Over a link that loses, delays and repeats anything, both ends get exactly what the other wrote, and close.
    #[test]
    fn whatever_the_link_does_the_bytes_arrive(
        lengths in (0..20_000usize, 0..20_000usize),
        window in prop_oneof![Just(1usize), Just(1500), Just(4000), Just(65_535)],
        nagle: bool,
        loss_percent in 0..30u32,
        fates in proptest::collection::vec((0..100u32, 1..2000u64, 0..10u8), 50..200),
    ) {
        let receive_bytes = if window == 1 { 700 } else { window };
        let config = TcpConfig { mss: 1000, receive_bytes, nagle, retries: 40, syn_retries: 40 };
        let mut pair = Pair::new(config);
        let mut fate = fate(fates, loss_percent);
        let written = [pattern(lengths.0), pattern(lengths.1)];
        pair.run(3600, &mut fate);
        for (end, bytes) in pair.ends.iter_mut().zip(&written) {
            prop_assert!(end.write(bytes));
            end.close();
        }
        pair.run(200_000, &mut fate);
        prop_assert_eq!(&pair.received[1], &written[0]);
        prop_assert_eq!(&pair.received[0], &written[1]);
        prop_assert_eq!(pair.states(), [TcpState::Closed; 2]);
        prop_assert!(pair.events.iter().all(|events| !events.iter().any(|e| matches!(e, TcpEvent::Failed(_)))), "{:?}", pair.events);
    }
}

/// Behind a probe of a closed window stands a number that the other end would not accept.
#[test]
fn a_reset_reaches_an_end_whose_window_is_closed() {
    let mut pair = Pair::connected();
    pair.reads = false;
    pair.ends[0].write(&pattern(10_000));
    pair.run(100, clean);
    assert_eq!(pair.ends[1].readable(), 4000);
    pair.ends[0].abort();
    pair.run(10, clean);
    assert_eq!(pair.states(), [TcpState::Closed; 2]);
    assert_eq!(pair.events[1].last(), Some(&TcpEvent::Failed(TcpFailure::Reset)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, max_shrink_iters: 100, failure_persistence: None, ..ProptestConfig::default() })]

    /// Readers that take a little now and then, or nothing for minutes, and ends that close in the middle: nothing is
    /// lost, added or exchanged, and no end is left over.
    #[test]
    fn whatever_the_readers_do_the_bytes_arrive(
        numbers: (u32, u32),
        near_wrap: bool,
        opens_both: bool,
        steps in proptest::collection::vec((0..2usize, 0..6u8, 1..4000usize, 1..90u64), 1..60),
        loss_percent in 0..25u32,
        fates in proptest::collection::vec((0..100u32, 1..2000u64, 0..10u8), 50..200),
        receive_bytes in prop_oneof![Just(300usize), Just(600), Just(4000), Just(65_535)],
    ) {
        let config = TcpConfig { mss: 1000, receive_bytes, nagle: numbers.0 & 1 == 0, retries: 60, syn_retries: 60 };
        let number = |n: u32| if near_wrap { u32::MAX - n % 3000 } else { n };
        let mut pair = if opens_both {
            Pair::of([Connection::connect(config.clone(), number(numbers.0)), Connection::connect(config, number(numbers.1))])
        } else {
            let mut active = Connection::connect(config.clone(), number(numbers.0));
            let syn = active.poll(0).unwrap();
            Pair::of([active, Connection::accept(config, number(numbers.1), &syn).unwrap()])
        };
        pair.reads = false;
        let mut fate = fate(fates, loss_percent);
        let mut written = [Vec::new(), Vec::new()];
        for (end, what, amount, seconds) in steps {
            match what {
                0 | 1 => {
                    let bytes: Vec<u8> = (0..amount).map(|n| (n * 7 + written[end].len()) as u8).collect();
                    if pair.ends[end].write(&bytes) {
                        written[end].extend(bytes);
                    }
                }
                2..=4 => {
                    let bytes = pair.ends[end].read(amount);
                    pair.received[end].extend(bytes);
                }
                _ => if pair.ends[end].state() != TcpState::SynSent { pair.ends[end].close() },
            }
            pair.run(seconds, &mut fate);
        }
        pair.run(3600, &mut fate);
        pair.ends.iter_mut().for_each(Connection::close);
        pair.reads = true;
        pair.run(400_000, &mut fate);
        prop_assert_eq!(&pair.received[1], &written[0]);
        prop_assert_eq!(&pair.received[0], &written[1]);
        prop_assert_eq!(pair.states(), [TcpState::Closed; 2]);
        prop_assert!(pair.events.iter().all(|events| !events.iter().any(|e| matches!(e, TcpEvent::Failed(_)))), "{:?}", pair.events);
    }
}
