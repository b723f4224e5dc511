//! Properties that hold for any client: no panic, an end to every advance, the same bytes and times however time is
//! cut, and a restored state that continues as the original does.

mod common;

use common::Client;
use lockstep_modem::config::{Admission, SimState};
use lockstep_modem::events::{Count, Event, Fault, Occasion, What, When};
use lockstep_modem::line::bit_ps;
use lockstep_modem::network::{DirectionConfig, LinkConfig, NatConfig, Probability};
use lockstep_modem::time::{DurationRange, PS_PER_MS};
use lockstep_modem::{Change, Modem, ModemConfig, Network, Output, Plan};
use lockstep_traces::Decisions;
use proptest::prelude::*;

/// What a client can do.
#[derive(Clone, Debug)]
enum Act {
    Send(Vec<u8>),
    Wait(u64),
    Rts(bool),
    PowerKey(bool),
    Reset(bool),
    Lvloe(bool),
    Change(Change),
}

fn socket_command() -> impl Strategy<Value = Vec<u8>> {
    let handle = 0..8u32;
    let length = prop_oneof![0..4u32, Just(512), Just(1024), Just(1025)];
    prop_oneof![
        prop_oneof![Just(6), Just(17)].prop_map(|p| format!("AT+USOCR={p}")),
        handle.clone().prop_map(|h| format!("AT+USOCL={h}")),
        (handle.clone(), 6..9u32).prop_map(|(h, p)| format!("AT+USOCO={h},\"192.0.2.7\",{p}")),
        (handle.clone(), length.clone()).prop_map(|(h, n)| format!("AT+USOWR={h},{n}")),
        (handle.clone(), 1..6usize).prop_map(|(h, n)| format!("AT+USOWR={h},{n},\"{}\"", "x".repeat(n))),
        (handle.clone(), length.clone(), 6..9u32).prop_map(|(h, n, p)| format!("AT+USOST={h},\"192.0.2.7\",{p},{n}")),
        (handle.clone(), length.clone()).prop_map(|(h, n)| format!("AT+USORD={h},{n}")),
        (handle.clone(), length).prop_map(|(h, n)| format!("AT+USORF={h},{n}")),
        (handle, 0..13u32).prop_map(|(h, n)| format!("AT+USOCTL={h},{n}")),
        Just("AT+UDNSRN=0,\"a.particle.io\"".to_owned()),
        Just("AT+UPSDA=0,3".to_owned()),
        Just("AT+UPSDA=0,4".to_owned()),
        Just("AT+CGATT=1".to_owned()),
        Just("AT+CFUN=0;+CFUN=1".to_owned()),
        Just("AT+CFUN=16".to_owned()),
        Just("AT+CPWROFF".to_owned()),
        Just("AT+CREG=2;+CGREG=2;+CMER=1,0,0,2,1".to_owned()),
        Just("AT+IPR=9600".to_owned()),
        Just("AT+CMGS=\"1\"".to_owned()),
        Just("AT+CMGF=1;+CNMI=2,1;+CMGL=\"ALL\";+CMGD=1,4".to_owned()),
        (0..7u32).prop_map(|h| format!("AT+USODL={h}")),
        (0..7u32, 6..9u32).prop_map(|(h, p)| format!("AT+USOLI={h},{p}")),
        (0..7u32, 5..8u32).prop_map(|(h, n)| format!("AT+UDCONF={n},{h},100")),
        Just("AT+UPING=\"192.0.2.7\",3".to_owned()),
        Just("AT+UPING=\"a.particle.io\",1".to_owned()),
        Just("AT+USOCO=1,\"a.particle.io\",7".to_owned()),
        Just("AT+UPSV=1,40".to_owned()),
        Just("AT&K0+UPSV=2".to_owned()),
        Just("AT+COPS=?".to_owned()),
        Just("AT+COPS=1,2,\"1\"".to_owned()),
        Just("AT+URAT=0;+CFUN=15".to_owned()),
        Just("ATZ".to_owned()),
        Just("AT+CSGT=1,\"hi\"".to_owned()),
        Just("+++".to_owned()),
        Just("A/".to_owned()),
    ]
    .prop_map(|text| format!("{text}\r\n").into_bytes())
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        any::<bool>().prop_map(Change::Coverage),
        any::<bool>().prop_map(Change::LinkDown),
        Just(Change::Detach),
        Just(Change::PdpDrop),
        any::<bool>().prop_map(Change::PdpRefused),
        any::<bool>().prop_map(Change::Supply),
        (0..32u8, 0..8u8).prop_map(|(strength, quality)| Change::Signal { strength, quality }),
        prop_oneof![Just(Admission::Home), Just(Admission::Roaming), Just(Admission::Denied)]
            .prop_map(Change::Admission),
        prop_oneof![Just(SimState::Ready), Just(SimState::Absent)].prop_map(Change::Sim),
        "[ -~]{0,20}".prop_map(|text| Change::Sms { from: "+15550100".to_owned(), text }),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        12 => socket_command().prop_map(Act::Send),
        2 => proptest::collection::vec(any::<u8>(), 0..40).prop_map(Act::Send),
        1 => "(AT|at)[ -~]{0,30}\r".prop_map(|s| Act::Send(s.into_bytes())),
        12 => (0..1500u64).prop_map(Act::Wait),
        4 => (1..1100usize).prop_map(|n| Act::Send(vec![b'x'; n])),
        1 => prop_oneof![
            4 => any::<bool>().prop_map(Act::Rts),
            1 => any::<bool>().prop_map(Act::PowerKey),
            1 => any::<bool>().prop_map(Act::Reset),
            1 => any::<bool>().prop_map(Act::Lvloe),
            3 => change().prop_map(Act::Change),
        ],
    ]
}

/// What a client that does not reset the module may send: commands, payload, anything. Left out: what switches it off, or
/// its line to another rate, or its results off or to another form.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let lacks = |words: &'static [&'static str]| {
        move |bytes: &Vec<u8>| {
            let text = String::from_utf8_lossy(bytes).to_ascii_uppercase();
            !words.iter().any(|word| text.contains(word))
        }
    };
    let random = prop_oneof![
        2 => proptest::collection::vec(any::<u8>(), 0..60),
        1 => "(AT|at)[ -~]{0,30}\r".prop_map(String::into_bytes),
    ];
    prop_oneof![
        4 => socket_command().prop_filter("it switches off", lacks(&["IPR", "PWROFF"])),
        3 => random.prop_filter("it may change the results", lacks(&["V", "Q", "S", "&", "IPR", "PWROFF"])),
        2 => (1..1100usize).prop_map(|n| vec![b'x'; n]),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let range = || (0..2_000u64).prop_map(|ms| DurationRange::ms(ms / 2, ms));
    let fault = prop_oneof![
        proptest::option::of(range()).prop_map(Fault::Stuck),
        Just(Fault::LockUp),
        Just(Fault::Reset),
        range().prop_map(Fault::PowerCut),
        Just(Fault::Garbage),
        Just(Fault::LostResult),
        range().prop_map(Fault::LateResult),
        proptest::option::of(0..200u32).prop_map(Fault::Error),
        Just(Fault::LostUrc),
        Just(Fault::Leak),
        range().prop_map(Fault::SlowConnect),
        Just(Fault::Denied),
        Just(Fault::PdpRefused),
    ];
    let what = prop_oneof![3 => fault.prop_map(What::Fault), 1 => change().prop_map(What::Change)];
    let count = prop_oneof![Just(Count::Every), (1..5u64).prop_map(Count::Nth), (0..3_000u32).prop_map(Count::Rate)];
    let occasion = proptest::option::of(count.prop_map(|count| Occasion { name: None, count }));
    (what, 0..40_000u64, occasion)
        .prop_map(|(what, ms, occasion)| Event { what, when: When { from_ps: ms * PS_PER_MS, occasion } })
}

fn perform(client: &mut Client, act: &Act) {
    let now_ps = client.now_ps;
    match act {
        Act::Send(bytes) => client.send(bytes),
        Act::Wait(ms) => client.wait_ms(*ms),
        Act::Rts(on) => client.modem.set_dte_rts(now_ps, *on),
        Act::PowerKey(high) => client.modem.set_power_key(now_ps, *high),
        Act::Reset(high) => client.modem.set_reset(now_ps, *high),
        Act::Lvloe(high) => client.modem.set_lvloe(now_ps, *high),
        Act::Change(change) => client.modem.change(now_ps, change.clone()),
    }
}

/// Half of the links do to packets whatever a link can do.
fn network(seed: u64) -> Network {
    if seed.is_multiple_of(2) {
        return Network::default();
    }
    let bad = DirectionConfig {
        bandwidth_bps: 50_000,
        queue_bytes: 4_096,
        loss: Probability::percent(5),
        reordering: Probability::percent(5),
        duplication: Probability::percent(5),
        ..DirectionConfig::default()
    };
    let nat = NatConfig { tcp_idle_timeout: Some(DurationRange::ms(2_000, 9_000)), ..NatConfig::third_party_sim() };
    let link = LinkConfig { uplink: bad.clone(), downlink: bad, nat, ..LinkConfig::default() };
    let good = Network::default();
    Network::new(link, good.peers().to_vec())
}

fn client(seed: u64, stride_ps: u64) -> Client {
    let mut client = Client::new(ModemConfig::default(), network(seed), seed);
    client.power_on();
    client.wait_ms(12_000);
    // Something to talk through: packet data, a connected TCP socket and a UDP socket.
    client.online();
    client.ok("AT+USOCR=6;+USOCR=17,5684;+USOCO=0,\"192.0.2.7\",7");
    client.stride_ps = stride_ps;
    client
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cutting_time_changes_nothing(seed: u64, acts in proptest::collection::vec(act(), 0..25), stride_us in 50..20_000u64) {
        let mut whole = client(seed, u64::MAX);
        let mut cut = client(seed, stride_us * 1_000_000 + 17);
        for act in &acts {
            perform(&mut whole, act);
            perform(&mut cut, act);
        }
        whole.wait_ms(3000);
        cut.wait_ms(3000);
        prop_assert_eq!(&whole.outputs, &cut.outputs);
        prop_assert_eq!(whole.decisions.log(), cut.decisions.log());
        prop_assert_eq!(serde_json::to_string(&whole.modem).unwrap(), serde_json::to_string(&cut.modem).unwrap());
    }

    #[test]
    fn a_restored_state_continues_identically(seed: u64, acts in proptest::collection::vec(act(), 2..25), cut in 0..25usize) {
        let mut original = client(seed, u64::MAX);
        let (before, after) = acts.split_at(cut.min(acts.len()));
        before.iter().for_each(|act| perform(&mut original, act));
        let bytes = postcard::to_stdvec(&(&original.modem, &original.decisions)).unwrap();
        let (modem, decisions): (Modem, Decisions) = postcard::from_bytes(&bytes).unwrap();
        let mut restored = Client::new(ModemConfig::default(), Network::default(), 0);
        (restored.modem, restored.decisions, restored.now_ps) = (modem, decisions, original.now_ps);
        original.outputs.clear();
        for act in after {
            perform(&mut original, act);
            perform(&mut restored, act);
        }
        original.wait_ms(3000);
        restored.wait_ms(3000);
        prop_assert_eq!(&original.outputs, &restored.outputs);
    }

    /// Inputs given ahead of time, and one single advance over everything.
    #[test]
    fn inputs_may_be_given_in_advance(seed: u64, bytes in proptest::collection::vec(socket_command(), 1..8)) {
        let bit = bit_ps(115_200);
        let start_ps = 15_000 * PS_PER_MS;
        let (mut ahead, mut along) = (Modem::new(ModemConfig::default(), Network::default()), Modem::new(ModemConfig::default(), Network::default()));
        let (mut d1, mut d2) = (Decisions::new(seed), Decisions::new(seed));
        for (modem, d) in [(&mut ahead, &mut d1), (&mut along, &mut d2)] {
            modem.set_power_key(0, false);
            modem.set_power_key(50 * PS_PER_MS, true);
            modem.advance(start_ps, d);
        }
        let times = (1..).map(|n: u64| start_ps + n * 10 * bit);
        let characters: Vec<(u64, u8)> = times.zip(bytes.concat()).collect();
        for &(end_ps, byte) in &characters {
            ahead.line_rx(end_ps, byte, bit);
            along.line_rx(end_ps, byte, bit);
            along.advance(end_ps, &mut d2);
        }
        let end_ps = start_ps + 30_000 * PS_PER_MS;
        ahead.advance(end_ps, &mut d1);
        along.advance(end_ps, &mut d2);
        prop_assert_eq!(ahead.drain_outputs(), along.drain_outputs());
    }

    /// After any noise, at any timing, a client that does not reset the module is understood again: it ends what payload
    /// or message may be awaited, or a direct link, and then each `AT` is answered by one OK.
    #[test]
    fn framing_is_never_lost(seed: u64, noise in proptest::collection::vec((noise(), 0..3000u64), 0..20)) {
        let mut client = client(seed, u64::MAX);
        client.ok("AT+CMGF=1");
        for (bytes, wait_ms) in &noise {
            client.send(bytes);
            client.wait_ms(*wait_ms);
        }
        // The longest wait of a command is 180 s; then the next command of what was sent has its turn.
        for _ in 0..60 {
            client.wait_ms(200_000);
            client.send(b"+++");
            client.wait_ms(2_000);
            client.send(b"\x1b");
            client.send(&[b'\r'; 1024]);
            client.wait_ms(1_000);
            // With AT+UPSV=1 the first character only wakes the line.
            client.send(b"\r");
            client.wait_ms(30);
            client.take();
            client.send(b"ATE0\r");
            client.wait_ms(1_000);
            if client.take().ends_with(b"\r\nOK\r\n") {
                break;
            }
        }
        client.send(b"\r");
        client.wait_ms(30);
        client.take();
        client.send(b"AT\r");
        client.wait_ms(100);
        prop_assert_eq!(common::escape(&client.take()), "\\r\\nOK\\r\\n");
    }

    /// Whatever a plan does, the modem goes on, deterministically.
    #[test]
    fn any_plan_is_survived(seed: u64, events in proptest::collection::vec(event(), 0..6), acts in proptest::collection::vec(act(), 0..20), stride_us in 50..20_000u64) {
        let config = ModemConfig { events: Plan(events), ..ModemConfig::default() };
        let outputs: Vec<_> = [u64::MAX, stride_us * 1_000_000 + 17].into_iter().map(|stride_ps| {
            let mut client = Client::new(config.clone(), Network::default(), seed);
            client.stride_ps = stride_ps;
            client.power_on();
            client.wait_ms(12_000);
            client.send(b"ATE0;+UPSDA=0,3;+USOCR=6;+USOCR=17,5684;+USOCO=0,\"192.0.2.7\",7\r");
            client.wait_ms(3_000);
            acts.iter().for_each(|act| perform(&mut client, act));
            client.wait_ms(60_000);
            (client.outputs, client.decisions.log().to_vec())
        }).collect();
        prop_assert_eq!(&outputs[0], &outputs[1]);
    }

    /// However a client behaves, the modem comes to rest, characters follow each other at their duration, and once
    /// its payload is complete and power is good it answers.
    #[test]
    fn any_client_is_answered_in_the_end(seed: u64, acts in proptest::collection::vec(act(), 0..40)) {
        let mut client = client(seed, u64::MAX);
        acts.iter().for_each(|act| perform(&mut client, act));
        let mut last_end_ps = 0;
        let mut last_start_ps = None;
        for output in &client.outputs {
            match output {
                Output::StartBit { time_ps } => last_start_ps = Some(*time_ps),
                Output::Byte { end_ps, bit_ps, .. } => {
                    let start_ps = end_ps - 10 * bit_ps;
                    prop_assert!(start_ps >= last_end_ps, "characters overlap");
                    last_end_ps = *end_ps;
                    // Its start was told, unless the level shifters were still off then.
                    let told_ps = last_start_ps.take();
                    let was_cut_off = acts.iter().any(|act| matches!(act, Act::Lvloe(_)));
                    prop_assert!(told_ps == Some(start_ps) || was_cut_off, "{told_ps:?}, began at {start_ps}");
                }
                _ => {}
            }
        }
        // A reset puts any of it right. It waits for commands still to be executed: the last may switch the modem off.
        for act in [Act::Change(Change::Supply(true)), Act::Lvloe(false), Act::Rts(true), Act::PowerKey(true), Act::Reset(true), Act::Wait(8_000_000),
            Act::PowerKey(false), Act::Wait(20), Act::PowerKey(true), Act::Wait(6000),
            Act::Reset(false), Act::Wait(100), Act::Reset(true), Act::Wait(8000)] {
            perform(&mut client, &act);
        }
        client.take();
        client.send(b"ATE0\r");
        client.wait_ms(100);
        prop_assert!(client.take().ends_with(b"\r\nOK\r\n"));
        client.wait_ms(600_000);
        prop_assert_eq!(client.modem.next_wake_ps(), u64::MAX, "at rest");
    }
}

/// RTS falls at the very instant a character ends: whether the caller says so before or after bringing the modem to
/// that instant, the next character has begun.
#[test]
fn an_input_at_the_instant_of_an_output_comes_after_it() {
    let run = |ahead: bool| {
        let mut client = client(1, u64::MAX);
        client.send(b"AT\r");
        while client.receive(1, 0).is_empty() {
            let next_ps = client.modem.next_wake_ps();
            client.advance_to(next_ps);
        }
        let end_ps = client.modem.next_wake_ps();
        if !ahead {
            client.advance_to(end_ps);
        }
        client.modem.set_dte_rts(end_ps, false);
        client.wait_ms(100);
        client.take()
    };
    assert_eq!(run(true), b"\nO");
    assert_eq!(run(false), b"\nO");
}
