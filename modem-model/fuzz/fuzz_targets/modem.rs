//! A client that does anything: each byte below 0x08 is an act (the next byte its argument), the others are sent. The
//! modem must not panic, must come to rest, and must continue alike after its state was stored and restored.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lockstep_modem::line::bit_ps;
use lockstep_modem::time::PS_PER_MS;
use lockstep_modem::{Change, Modem, ModemConfig, Network};
use lockstep_traces::Decisions;

fuzz_target!(|input: &[u8]| {
    let mut modem = Modem::new(ModemConfig::default(), Network::default());
    let mut decisions = Decisions::new(1);
    modem.set_power_key(0, false);
    modem.set_power_key(50 * PS_PER_MS, true);
    let mut now_ps = 12_000 * PS_PER_MS;
    modem.advance(now_ps, &mut decisions);
    let mut restored: Option<(Modem, Decisions)> = None;

    let mut bytes = input.iter().copied();
    while let Some(byte) = bytes.next() {
        let argument = if byte < 8 { bytes.next().unwrap_or(0) } else { 0 };
        let high = argument & 1 == 1;
        let character_ps = 10 * bit_ps(115_200);
        now_ps += match byte {
            0 => u64::from(argument) * 20 * PS_PER_MS,
            1..=7 => 0,
            _ => character_ps,
        };
        let act = |modem: &mut Modem, decisions: &mut Decisions| {
            match byte {
                0 => {}
                1 => modem.set_dte_rts(now_ps, high),
                2 => modem.set_power_key(now_ps, high),
                3 => modem.set_reset(now_ps, high),
                4 => modem.set_lvloe(now_ps, high),
                5 => modem.change(now_ps, Change::Coverage(high)),
                6 => modem.change(now_ps, Change::Detach),
                7 => {}
                _ => modem.line_rx(now_ps, byte, character_ps / 10),
            }
            modem.advance(now_ps, decisions);
        };
        act(&mut modem, &mut decisions);
        let outputs = modem.drain_outputs();
        if let Some((modem, decisions)) = &mut restored {
            act(modem, decisions);
            assert_eq!(modem.drain_outputs(), outputs);
        }
        if byte == 7 {
            let state = postcard::to_stdvec(&(&modem, &decisions)).expect("the state serialises");
            restored = Some(postcard::from_bytes(&state).expect("what was serialised is read back"));
        }
    }
    modem.set_dte_rts(now_ps, true);
    modem.advance(now_ps + 600_000 * PS_PER_MS, &mut decisions);
    modem.drain_outputs();
    assert_eq!(modem.next_wake_ps(), u64::MAX, "at rest");
});
