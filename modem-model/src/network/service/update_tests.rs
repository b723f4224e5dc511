//! Updates to devices of both kinds, in both modes, over a link that loses what a test says.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;

use super::coap::{self, Incoming, code};
use super::tests::{Bench, HELLO_2, ID};
use super::*;

/// Devices before 1.0.0 ask for missing chunks after this silence.
const SILENCE_PS: u64 = 3 * PS_PER_S;

/// A device that takes updates, as `chunked_transfer.cpp` does.
struct Taker {
    is_old: bool,
    slow: bool,
    refuses: Option<u8>,
    next_id: u16,
    length: usize,
    chunk_bytes: usize,
    chunks: BTreeMap<u16, Vec<u8>>,
    asks: bool,
    is_updating: bool,
    last_chunk_ps: u64,
    seen: VecDeque<u16>,
    done: bool,
    /// Chunks whose CRC was wrong.
    damaged: usize,
    /// How many chunks the service says it has sent, whenever it was asked.
    counts: BTreeSet<u32>,
}

impl Taker {
    fn new(is_old: bool) -> Self {
        Self {
            is_old,
            slow: false,
            refuses: None,
            next_id: 100,
            length: 0,
            chunk_bytes: 0,
            chunks: BTreeMap::new(),
            asks: false,
            is_updating: false,
            last_chunk_ps: 0,
            seen: VecDeque::new(),
            done: false,
            damaged: 0,
            counts: BTreeSet::new(),
        }
    }

    fn id(&mut self) -> [u8; 2] {
        self.next_id += 1;
        self.next_id.to_be_bytes()
    }

    fn missing(&self) -> Vec<u16> {
        let count = self.length.div_ceil(self.chunk_bytes.max(1)) as u16;
        (0..count).filter(|index| !self.chunks.contains_key(index)).collect()
    }

    fn ask(&mut self) -> Vec<u8> {
        let [high, low] = self.id();
        let mut message = vec![0x40, 1, high, low, 0xb1, b'c', 0xff];
        message.extend(self.missing().iter().take(40).flat_map(|index| index.to_be_bytes()));
        message
    }

    fn take(&mut self, now_ps: u64, message: &[u8]) -> Vec<Vec<u8>> {
        let Some(Incoming::Request(request)) = coap::read(message) else { return Vec::new() };
        if self.done || (request.is_confirmable && self.seen.contains(&request.id)) {
            return Vec::new();
        }
        self.seen.push_back(request.id);
        let id = request.id.to_be_bytes();
        let token = request.token[0];
        match (request.method, request.path[0].as_slice()) {
            (code::POST, b"u") => {
                assert_eq!(message[7], 0xff, "devices look for the marker there");
                if let Some(refusal) = self.refuses {
                    return vec![vec![0x61, refusal, id[0], id[1], token]];
                }
                let p = &request.payload;
                self.slow |= p[0] & 1 == 0;
                self.chunk_bytes = usize::from(u16::from_be_bytes([p[1], p[2]]));
                self.length = u32::from_be_bytes([p[3], p[4], p[5], p[6]]) as usize;
                assert_eq!(p[7..], [0; 5], "firmware, from the start of the staging area");
                (self.is_updating, self.last_chunk_ps) = (true, now_ps);
                let ready = self.id();
                let flags = u8::from(!self.slow);
                vec![vec![0x60, 0, id[0], id[1]], vec![0x41, 0x44, ready[0], ready[1], token, 0xff, flags]]
            }
            (code::POST, b"c") => {
                self.last_chunk_ps = now_ps;
                let crc = u32::from_be_bytes(request.query[0].as_slice().try_into().unwrap());
                let is_good = crc == crc32fast::hash(&request.payload);
                self.damaged += usize::from(!is_good);
                let index = match request.query.get(1) {
                    Some(index) => u16::from_be_bytes(index.as_slice().try_into().unwrap()),
                    None => self.chunks.len() as u16,
                };
                if is_good {
                    self.chunks.insert(index, request.payload.clone());
                }
                if self.slow {
                    assert!(request.is_confirmable && request.query.len() == 1);
                    let code = if is_good { code::CHANGED } else { code::BAD_REQUEST };
                    let own = self.id();
                    return vec![vec![0x60, 0, id[0], id[1]], vec![0x41, code, own[0], own[1], token]];
                }
                if self.is_old && self.asks && self.missing().is_empty() {
                    (self.is_updating, self.done) = (false, true);
                    let own = self.id();
                    return vec![vec![0x40, 3, own[0], own[1], 0xb1, b'u']];
                }
                Vec::new()
            }
            (code::PUT, b"u") => {
                assert!(self.is_updating, "UpdateDone to an idle device makes an old one fault");
                if self.missing().is_empty() {
                    self.done = true;
                    return vec![vec![0x61, 0x44, id[0], id[1], token]];
                }
                (self.asks, self.last_chunk_ps) = (true, now_ps);
                vec![vec![0x61, 0x80, id[0], id[1], token], self.ask()]
            }
            other => panic!("{other:?}"),
        }
    }

    fn image(&self) -> Vec<u8> {
        self.chunks.values().flatten().copied().collect()
    }
}

/// Runs an update; `loses` says of the n-th message whether it is lost. Returns the device.
fn update(bench: &mut Bench, mut device: Taker, image: &[u8], loses: &mut dyn FnMut(usize) -> bool) -> Taker {
    let system = if device.is_old { 110 } else { 2202 };
    let told = format!(r#"{{"m":[{{"l":"m","f":"s","n":"1","v":{system},"d":[]}}]}}"#);
    bench.message(&[b"\x40\x02\x00\x02\xb1d\xff", told.as_bytes()].concat());
    bench.service.ask(bench.now_ps, ID, ServerRequest::Update { image: image.to_vec() }).unwrap();
    let (mut count, mut to_device) = (0, VecDeque::new());
    let is_over = |kind: &CloudEventKind| {
        matches!(kind, CloudEventKind::UpdateDelivered { .. } | CloudEventKind::UpdateFailed { .. })
    };
    for _ in 0..20_000 {
        if bench.events.iter().any(is_over) {
            return device;
        }
        if to_device.is_empty() {
            let silent_ps = device.last_chunk_ps + SILENCE_PS;
            if device.is_old && device.asks && !device.done && silent_ps <= bench.service.next_wake_ps() {
                bench.now_ps = bench.now_ps.max(silent_ps);
                device.last_chunk_ps = bench.now_ps;
                let ask = device.ask();
                count += 1;
                if !loses(count) {
                    to_device.extend(bench.message(&ask));
                }
                continue;
            }
            to_device.extend(bench.wait());
        }
        // In slow mode each message brings the next: nobody waits.
        if let Some(sent) = bench.service.chunks_sent() {
            assert!(device.chunks.len() <= sent as usize, "it has more than was sent");
            device.counts.insert(sent);
        }
        let Some(message) = to_device.pop_front() else { continue };
        count += 1;
        if loses(count) {
            continue;
        }
        for answer in device.take(bench.now_ps, &message) {
            // What is confirmable comes again, up to four times; its repetitions are not timed here.
            let is_confirmable = answer[0] & 0x30 == 0;
            for _ in 0..if is_confirmable { 4 } else { 1 } {
                count += 1;
                if !loses(count) {
                    to_device.extend(bench.message(&answer));
                    break;
                }
            }
        }
    }
    panic!("it never ends: {:?}", bench.events);
}

fn image(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n * 7 + n / 256) as u8).collect()
}

fn padded(image: &[u8]) -> Vec<u8> {
    let mut padded = image.to_vec();
    padded.resize(image.len().next_multiple_of(4), 0xff);
    padded
}

fn delivered(bench: &Bench) -> bool {
    bench.events.iter().any(|kind| matches!(kind, CloudEventKind::UpdateDelivered { .. }))
}

#[test]
fn an_update_goes_as_in_the_log_of_hardware() {
    // 14,252 bytes, 28 chunks of 512, all within some 0.25 s; nothing before UpdateReady's acknowledgement.
    let mut bench = Bench::connected(HELLO_2);
    let image = image(14_252);
    let device = update(&mut bench, Taker::new(false), &image, &mut |_| false);
    assert!(delivered(&bench));
    assert_eq!(device.image(), image);
    assert_eq!(device.chunks.len(), 28);
    assert!((200..280).contains(&(bench.now_ps / 1_000_000_000)), "{} ps", bench.now_ps);
    let first = CloudEventKind::UpdateBegun { request: 1, bytes: 14_252, chunks: 28 };
    let begun = bench.events.iter().position(|kind| *kind == first).unwrap();
    assert_eq!(bench.events[begun + 1], CloudEventKind::UpdateReady { request: 1, fast: true });
    assert_eq!(bench.events[begun + 2..].len(), 11, "ten tenths and the end");
    assert!(bench.unmodelled.is_empty());
}

#[test]
fn an_odd_image_is_padded_to_words() {
    for length in [1, 2, 3, 511, 513, IMAGE_BYTES_MAX] {
        let mut bench = Bench::connected(HELLO_2);
        let device = update(&mut bench, Taker::new(true), &image(length), &mut |_| false);
        assert_eq!(device.image(), padded(&image(length)), "{length}");
    }
    let mut bench = Bench::connected(HELLO_2);
    for length in [0, IMAGE_BYTES_MAX + 1] {
        let request = ServerRequest::Update { image: vec![0; length] };
        assert_eq!(bench.service.ask(0, ID, request), Err(RequestError::ImageLength { found: length }));
    }
}

#[test]
fn the_device_chooses_the_slow_mode() {
    let mut bench = Bench::connected(HELLO_2);
    let device = Taker { slow: true, ..Taker::new(false) };
    // One chunk in four is lost, and comes again when its acknowledgement is overdue.
    let device = update(&mut bench, device, &image(5_000), &mut |n| n > 4 && n % 9 == 0);
    assert!(delivered(&bench), "{:?}", bench.events);
    assert_eq!(device.image(), image(5_000));
    assert!(bench.events.contains(&CloudEventKind::UpdateReady { request: 1, fast: false }));
}

#[test]
fn lost_chunks_are_sent_again_when_the_device_asks() {
    for is_old in [true, false] {
        let mut bench = Bench::connected(HELLO_2);
        // The first messages pass; then one in four is lost.
        let device = update(&mut bench, Taker::new(is_old), &image(50_000), &mut |n| {
            n > 8 && n.wrapping_mul(2_654_435_761) >> 16 & 3 == 0
        });
        assert!(delivered(&bench), "{:?}", bench.events.last());
        assert_eq!(device.image(), image(50_000));
        let asked = |kind: &CloudEventKind| matches!(kind, CloudEventKind::UpdateChunksMissed { chunks, .. } if chunks.len() > 10);
        assert!(bench.events.iter().any(asked));
        assert_eq!(device.damaged, 0);
    }
}

#[test]
fn a_refusal_ends_it() {
    for (refusal, text) in [(0x80, "4.00"), (0xa3, "5.03")] {
        let mut bench = Bench::connected(HELLO_2);
        update(&mut bench, Taker { refuses: Some(refusal), ..Taker::new(false) }, &image(100), &mut |_| false);
        let reason = format!("the device refuses it with {text}");
        assert_eq!(bench.events.last(), Some(&CloudEventKind::UpdateFailed { request: 1, reason, may_have_it: false }));
        assert_eq!(bench.service.next_wake_ps(), u64::MAX, "nothing more is sent");
    }
}

#[test]
fn a_deaf_device_and_one_that_connects_anew_end_it() {
    let mut bench = Bench::connected(HELLO_2);
    update(&mut bench, Taker::new(false), &image(100), &mut |_| true);
    assert_eq!(bench.now_ps, 60 * PS_PER_S, "4, 8, 16 and 32 s");
    let reason = "no answer to UpdateBegin".to_owned();
    assert_eq!(bench.events.last(), Some(&CloudEventKind::UpdateFailed { request: 1, reason, may_have_it: false }));

    let mut bench = Bench::connected(HELLO_2);
    bench.service.ask(bench.now_ps, ID, ServerRequest::Update { image: image(5_000) }).unwrap();
    let begin = bench.wait();
    assert_eq!(begin.len(), 1);
    bench.message(b"\x60\x00\x00\x01");
    let answers = bench.message(b"\x41\x44\x00\x33\x01\xff\x01");
    assert_eq!(answers[0], b"\x60\x00\x00\x33", "before any chunk");
    bench.message(&[&HELLO_2[..3], &[9], &HELLO_2[4..]].concat());
    let failed = |kind: &CloudEventKind| matches!(kind, CloudEventKind::UpdateFailed { .. });
    assert_eq!(bench.events.iter().filter(|kind| failed(kind)).count(), 1);
    assert_eq!(bench.service.next_wake_ps(), u64::MAX, "no chunk and no UpdateDone to an idle device");
}

#[test]
fn chunks_are_counted_as_they_are_sent() {
    for slow in [false, true] {
        let mut bench = Bench::connected(HELLO_2);
        assert_eq!(bench.service.chunks_sent(), None);
        let device = update(&mut bench, Taker { slow, ..Taker::new(false) }, &image(5_000), &mut |_| false);
        assert_eq!((device.counts.first(), device.counts.last()), (Some(&0), Some(&10)), "slow: {slow}");
        assert!(device.counts.len() >= 9, "one by one: {:?}", device.counts);
        assert_eq!(bench.service.chunks_sent(), None);
    }
}

#[test]
fn requests_pass_while_an_update_goes_on() {
    let mut bench = Bench::connected(HELLO_2);
    bench.service.ask(bench.now_ps, ID, ServerRequest::Update { image: image(5_000) }).unwrap();
    let ping = bench.service.ask(bench.now_ps, ID, ServerRequest::Ping).unwrap();
    let sent = bench.wait();
    assert_eq!(sent.len(), 2);
    bench.message(b"\x60\x00\x00\x02");
    let pinged = CloudEventKind::Answered { request: ping, code: 0, payload: vec![] };
    assert_eq!(bench.events.last(), Some(&pinged));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever is lost: the update ends, and a delivered image is the image.
    #[test]
    fn any_loss_is_survived(is_old: bool, slow: bool, length in 1usize..20_000, lost in prop::collection::vec(0u8..100, 400), percent in 0u8..60) {
        let mut bench = Bench::connected(HELLO_2);
        let device = Taker { slow, ..Taker::new(is_old) };
        // The reply of an old device to its last UpdateDone, if lost, would bring it one more when idle: as on
        // hardware, where it is then on its way into a reset.
        let device = update(&mut bench, device, &image(length), &mut |n| lost[n % lost.len()] < percent);
        if delivered(&bench) {
            prop_assert_eq!(device.image(), padded(&image(length)));
        }
        prop_assert!(bench.unmodelled.is_empty(), "{:?}", bench.unmodelled);
    }

    /// Hostile messages in the middle of an update.
    #[test]
    fn any_message_in_an_update_is_survived(messages in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..30)), 1..40)) {
        let mut bench = Bench::connected(HELLO_2);
        bench.service.ask(bench.now_ps, ID, ServerRequest::Update { image: image(3_000) }).unwrap();
        bench.wait();
        for (start, mut message) in messages {
            let head: &[u8] = match start % 8 {
                0 => b"\x60\x00\x00\x01",
                1 => b"\x41\x44\x00\x33\x01\xff",
                2 => b"\x40\x01\x00\x34\xb1c\xff",
                3 => b"\x61\x80\x00\x05\x01",
                4 => b"\x61\x44\x00\x09\x01",
                5 => b"\x70\x00\x00\x01",
                6 => b"\x40\x03\x00\x35\xb1u",
                _ => b"",
            };
            message.splice(0..0, head.iter().copied());
            bench.message(&message);
            if start & 8 == 0 && bench.service.next_wake_ps() != u64::MAX {
                bench.wait();
            }
        }
    }
}
