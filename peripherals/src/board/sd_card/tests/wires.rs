//! Bits on the wires: modes, word length, an unselected card, the beginning of its life.

use super::*;

#[test]
fn nothing_is_driven_while_it_is_not_selected() {
    let mut host = Host::ready(64 * MIB);
    assert_eq!(host.exchange(0xff), Some(0xff));
    host.select(false);
    assert_eq!((host.exchange(0xff), host.card.miso(host.now_ps)), (None, None));
}

#[test]
fn a_card_that_was_not_woken_says_nothing() {
    let mut host = Host::with(SdConfig::default(), image(64 * MIB), 1);
    host.select(true);
    host.now_ps = 1_000_000_000_000;
    assert_eq!(host.command(0, 0), 0xff, "6.4.1: 74 clocks first");
    host.select(false);
    (0..9).for_each(|_| _ = host.exchange(0xff));
    host.select(true);
    assert_eq!(host.command(0, 0), 0xff, "72 are too few");
    host.select(false);
    host.exchange(0xff);
    host.select(true);
    assert_eq!(host.command(8, 0x1aa), 0xff, "7.2.1: SD mode until CMD0");
    assert_eq!(host.command(0, 0), 0x01);
}

#[test]
fn responses_come_after_the_bytes_that_are_set() {
    for bytes in 1..=8 {
        let mut config = SdConfig::default();
        config.timing.response_bytes = bytes;
        let mut host = Host::with(config, image(64 * MIB), 1);
        host.power_up();
        Host::frame_of(0, 0).into_iter().for_each(|byte| _ = host.send(byte));
        let before = (0..20).take_while(|_| host.read() == 0xff).count();
        assert_eq!(before, usize::from(bytes));
    }
}

/// The same transaction by frames of 8 and 16 bits in modes 0 and 3, and bit by bit.
#[test]
fn modes_0_and_3_words_and_bit_banging_give_the_same() {
    let sent: Vec<u8> = Host::frame_of(58, 0).into_iter().chain([0xff; 10]).collect();
    let expected = [0x00, 0x80, 0xff, 0x80, 0x00];
    for (cpol, is_wide) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut host = Host::ready(64 * MIB);
        let mut found: Vec<u8> = Vec::new();
        for bytes in sent.chunks(if is_wide { 2 } else { 1 }) {
            let word = bytes.iter().fold(0u16, |word, byte| word << 8 | u16::from(*byte));
            let bits = 8 * bytes.len() as u8;
            let frame = SpiFrame { mosi: Some(word), bits, cpol, cpha: cpol, ..SpiFrame::byte(0, BIT_PS, host.now_ps) };
            host.now_ps += u64::from(bits) * BIT_PS;
            let word = host.card.frame(&frame, &mut host.decisions).unwrap();
            found.extend(&word.to_be_bytes()[2 - bytes.len()..]);
        }
        assert_eq!(found[7..12], expected, "cpol {cpol}, wide {is_wide}");
    }
    for cpol in [false, true] {
        let mut host = Host::ready(64 * MIB);
        let mut found = Vec::new();
        for byte in &sent {
            let mut word = 0u8;
            for bit in (0..8).rev() {
                let mosi = byte >> bit & 1 != 0;
                // Mode 3 begins with the falling edge, mode 0 ends with it.
                for sck in if cpol { [false, true] } else { [true, false] } {
                    if sck {
                        word = word << 1 | u8::from(host.card.miso(host.now_ps).unwrap());
                    }
                    host.card.edge(sck, mosi, host.now_ps, &mut host.decisions);
                    host.now_ps += BIT_PS / 2;
                }
            }
            found.push(word);
        }
        assert_eq!(found[7..12], expected, "bit by bit, cpol {cpol}");
    }
}

/// A host in mode 1 changes MOSI where the card samples: what comes in is one bit late, and another
/// command if any.
#[test]
fn another_mode_is_not_understood() {
    let mut host = Host::ready(64 * MIB);
    let mut answers = Vec::new();
    for byte in Host::frame_of(58, 0).into_iter().chain([0xff; 9]) {
        let frame = SpiFrame { cpha: true, ..SpiFrame::byte(byte, BIT_PS, host.now_ps) };
        host.now_ps += 8 * BIT_PS;
        answers.push(host.card.frame(&frame, &mut host.decisions).unwrap());
    }
    assert!(!answers.contains(&0x00) && !answers.contains(&0x80), "neither R1 nor OCR: {answers:x?}");
}

#[test]
fn the_rise_of_the_chip_select_ends_half_a_command_and_no_response() {
    let mut host = Host::ready(64 * MIB);
    (0..3).for_each(|_| _ = host.send(0x7a));
    host.select(false);
    host.select(true);
    assert_eq!(host.command(58, 0), 0);
    let ocr = [(); 4].map(|()| {
        host.select(false);
        host.exchange(0xff);
        host.select(true);
        host.read()
    });
    assert_eq!(ocr, [0x80, 0xff, 0x80, 0x00], "a driver that selects the card for each byte");
    assert_eq!(host.status(), [0, 0]);
}

#[test]
fn bytes_are_counted_from_the_fall_of_the_chip_select() {
    let mut host = Host::ready(64 * MIB);
    for _ in 0..3 {
        host.card.edge(true, true, host.now_ps, &mut host.decisions);
        host.card.edge(false, true, host.now_ps, &mut host.decisions);
    }
    host.select(false);
    host.select(true);
    assert_eq!(host.status(), [0, 0]);
}
