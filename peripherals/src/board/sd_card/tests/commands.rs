//! Every command and what is answered to it; the numbers are sections of the Physical Layer Simplified Specification.

use super::*;

/// The state in which a command is probed.
#[derive(Clone, Copy, PartialEq)]
enum State {
    Idle,
    Ready,
}
use State::{Idle, Ready};

/// Standard capacity, high capacity.
const STANDARD: u32 = 64 * MIB;
const HIGH: u32 = 4096 * MIB;

fn in_state(state: State, blocks: u32) -> Host {
    match state {
        Ready => Host::ready(blocks),
        Idle => {
            let mut host = Host::with(SdConfig::default(), image(blocks), 1);
            host.power_up();
            assert_eq!(host.command(0, 0), 1);
            host
        }
    }
}

/// Command, argument, R1 in idle state, R1 of a ready standard card, of a ready high capacity card, section.
type Row = (&'static str, u32, u8, u8, u8, &'static str);

const ILLEGAL: u8 = 0x04;
const ILLEGAL_IDLE: u8 = 0x05;

#[rustfmt::skip]
const RESPONSES: &[Row] = &[
    ("CMD0", 0, 0x01, 0x01, 0x01, "7.2.1"),
    ("CMD1", 1 << 30, 0x01, 0x00, 0x00, "7.2.1"),
    ("CMD2", 0, ILLEGAL_IDLE, ILLEGAL, ILLEGAL, "7.3.1.3: reserved in SPI mode"),
    ("CMD3", 0, ILLEGAL_IDLE, ILLEGAL, ILLEGAL, "7.3.1.3: reserved in SPI mode"),
    ("CMD6", 0x00ff_fff0, ILLEGAL_IDLE, 0x00, 0x00, "4.3.10, 7.2.1"),
    ("CMD7", 0, ILLEGAL_IDLE, ILLEGAL, ILLEGAL, "7.3.1.3: reserved in SPI mode"),
    ("CMD8", 0x1aa, 0x01, 0x00, 0x00, "7.3.2.6"),
    ("CMD9", 0, ILLEGAL_IDLE, 0x00, 0x00, "7.2.6"),
    ("CMD10", 0, ILLEGAL_IDLE, 0x00, 0x00, "7.2.6"),
    ("CMD12", 0, ILLEGAL_IDLE, ILLEGAL, ILLEGAL, "table 4-35: not in transfer state"),
    ("CMD13", 0, ILLEGAL_IDLE, 0x00, 0x00, "7.3.2.3"),
    ("CMD15", 0, ILLEGAL_IDLE, ILLEGAL, ILLEGAL, "7.3.1.3: reserved in SPI mode"),
    ("CMD16", 512, ILLEGAL_IDLE, 0x00, 0x00, "4.3.2"),
    ("CMD16", 0, ILLEGAL_IDLE, 0x40, 0x40, "7.3.2.1: parameter"),
    ("CMD16", 513, ILLEGAL_IDLE, 0x40, 0x40, "7.3.2.1: parameter"),
    ("CMD17", 512, ILLEGAL_IDLE, 0x00, 0x00, "7.2.3"),
    ("CMD17", 513, ILLEGAL_IDLE, 0x20, 0x00, "7.3.2.1: misaligned; blocks with high capacity"),
    ("CMD17", u32::MAX, ILLEGAL_IDLE, 0x40, 0x40, "7.3.2.1: behind the end"),
    ("CMD18", 512, ILLEGAL_IDLE, 0x00, 0x00, "7.2.3"),
    ("CMD20", 0, ILLEGAL_IDLE, ILLEGAL, ILLEGAL, "7.3.1.3: speed class control is not in SPI mode"),
    ("CMD24", 512, ILLEGAL_IDLE, 0x00, 0x00, "7.2.4"),
    ("CMD24", 513, ILLEGAL_IDLE, 0x20, 0x00, "7.2.4"),
    ("CMD24", u32::MAX, ILLEGAL_IDLE, 0x40, 0x40, "7.2.4"),
    ("CMD25", 512, ILLEGAL_IDLE, 0x00, 0x00, "7.2.4"),
    ("CMD27", 0, ILLEGAL_IDLE, 0x00, 0x00, "7.3.1.3"),
    ("CMD28", 0, ILLEGAL_IDLE, 0x00, ILLEGAL, "4.3.6: not with high capacity"),
    ("CMD29", 0, ILLEGAL_IDLE, 0x00, ILLEGAL, "4.3.6"),
    ("CMD30", 0, ILLEGAL_IDLE, 0x00, ILLEGAL, "4.3.6"),
    ("CMD32", 0, ILLEGAL_IDLE, 0x00, 0x00, "4.3.5"),
    ("CMD33", 0, ILLEGAL_IDLE, 0x10, 0x10, "4.3.5: without CMD32"),
    ("CMD38", 0, ILLEGAL_IDLE, 0x10, 0x10, "4.3.5: without CMD32 and CMD33"),
    ("CMD42", 0, ILLEGAL_IDLE, ILLEGAL, ILLEGAL, "4.3.7: class 7 is not claimed"),
    ("CMD55", 0, 0x01, 0x00, 0x00, "4.3.9"),
    ("CMD56", 1, ILLEGAL_IDLE, 0x00, 0x00, "4.3.9.2"),
    ("CMD56", 0, ILLEGAL_IDLE, 0x00, 0x00, "4.3.9.2"),
    ("CMD58", 0, 0x01, 0x00, 0x00, "7.3.2.4"),
    ("CMD59", 0, 0x01, 0x00, 0x00, "7.2.2"),
    ("CMD63", 0, ILLEGAL_IDLE, ILLEGAL, ILLEGAL, "7.3.1.3"),
    ("ACMD6", 2, ILLEGAL_IDLE, 0x00, 0x00, "4.3.9.1: no application command in SPI mode, so CMD6"),
    ("ACMD13", 0, ILLEGAL_IDLE, 0x00, 0x00, "4.10.2"),
    ("ACMD22", 0, ILLEGAL_IDLE, 0x00, 0x00, "4.3.4"),
    ("ACMD23", 8, ILLEGAL_IDLE, 0x00, 0x00, "4.3.4"),
    ("ACMD41", 1 << 30, 0x01, 0x00, 0x00, "7.2.1"),
    ("ACMD42", 0, ILLEGAL_IDLE, 0x00, 0x00, "4.3.9"),
    ("ACMD51", 0, ILLEGAL_IDLE, 0x00, 0x00, "5.6"),
];

#[test]
fn every_command_in_every_state() {
    for (name, argument, idle, standard, high, section) in RESPONSES {
        for (state, blocks, expected) in [(Idle, STANDARD, idle), (Ready, STANDARD, standard), (Ready, HIGH, high)] {
            let mut host = in_state(state, blocks);
            let found = match name.strip_prefix("ACMD") {
                Some(index) => host.application(index.parse().unwrap(), *argument),
                None => host.command(name[3..].parse().unwrap(), *argument),
            };
            assert_eq!(found, *expected, "{name} {argument:#x} ({section}), {blocks} blocks");
        }
    }
}

/// Each row of the card's own table is probed above.
#[test]
fn the_table_of_responses_is_whole() {
    for row in COMMANDS {
        let name = format!("{}CMD{}", if row.is_application { "A" } else { "" }, row.index);
        assert!(RESPONSES.iter().any(|(probed, ..)| **probed == name), "{name} {}", row.name);
    }
}

#[test]
fn the_interface_condition_is_echoed() {
    let mut host = in_state(Idle, HIGH);
    assert_eq!(host.command(8, 0x15a), 0x01);
    assert_eq!(host.bytes(), [0, 0, 1, 0x5a], "7.3.2.6: voltage accepted, check pattern");
    assert_eq!(host.command(8, 0x25a), 0x01);
    assert_eq!(host.bytes(), [0, 0, 0, 0x5a], "another voltage is not accepted");
}

#[test]
fn a_card_of_version_1_does_not_know_cmd8() {
    let config = SdConfig { is_version_1: true, ..SdConfig::default() };
    let mut host = Host::with(config, image(STANDARD), 1);
    host.power_up();
    assert_eq!((host.command(0, 0), host.command(8, 0x1aa)), (0x01, 0x05));
    while host.application(41, 0) != 0 {}
    assert_eq!(host.application(51, 0), 0);
    let scr: [u8; 8] = host.block();
    assert_eq!((scr[0], scr[2] & 0x80), (1, 0), "5.6: version 1.10");
}

/// 7.2.1 and figure 7-2: HCS, and CMD8 before.
#[test]
fn high_capacity_becomes_ready_only_for_a_host_that_knows_it() {
    let mut host = in_state(Idle, HIGH);
    let tries = |host: &mut Host, argument| {
        (0..4000).any(|_| {
            host.now_ps += 1_000_000_000;
            host.application(41, argument) == 0
        })
    };
    assert!(!tries(&mut host, 0), "without HCS");
    assert!(!tries(&mut host, 1 << 30), "without CMD8");
    host.command(8, 0x1aa);
    host.bytes::<4>();
    assert!(tries(&mut host, 1 << 30));
    assert_eq!(host.command(58, 0), 0);
    assert_eq!(host.bytes(), [0xc0, 0xff, 0x80, 0x00], "5.1: ready, CCS, 2.7 to 3.6 V");
}

#[test]
fn ocr_of_standard_capacity() {
    let mut host = in_state(Idle, STANDARD);
    assert_eq!((host.command(58, 0), host.bytes()), (0x01, [0x00, 0xff, 0x80, 0x00]));
    let mut host = Host::ready(STANDARD);
    assert_eq!((host.command(58, 0), host.bytes()), (0x00, [0x80, 0xff, 0x80, 0x00]));
}

#[test]
fn registers_are_sent_as_blocks() {
    let mut host = Host::ready(HIGH);
    assert_eq!(host.command(9, 0), 0);
    let csd: [u8; 16] = host.block();
    assert_eq!(u32::from_be_bytes([0, csd[7] & 0x3f, csd[8], csd[9]]), HIGH / UNIT_BLOCKS - 1);
    assert_eq!(host.command(10, 0), 0);
    assert_eq!(&host.block::<16>()[3..8], b"MODEL");
    assert_eq!(host.application(51, 0), 0);
    assert_eq!(host.block::<8>(), [0x02, 0x05, 0x80, 0, 0, 0, 0, 0]);
    assert_eq!((host.application(13, 0), host.read()), (0, 0), "R2");
    assert_eq!(host.block::<64>()[8..11], [2, 0, 0x90]);
    assert_eq!(host.command(6, 0x80ff_fff1), 0);
    assert_eq!(host.block::<64>()[16], 1, "high speed");
}

#[test]
fn an_application_command_follows_cmd55_at_once() {
    let mut host = Host::ready(STANDARD);
    host.command(55, 0);
    assert_eq!(host.command(58, 0), 0, "4.3.9.1: a plain command stays what it is");
    host.bytes::<4>();
    assert_eq!(host.command(51, 0), ILLEGAL, "and the prefix is gone");
}

#[test]
fn crc_is_checked_when_it_is_turned_on_and_with_cmd0_and_cmd8() {
    let wrong = |index, argument| {
        let mut frame = Host::frame_of(index, argument);
        frame[5] ^= 0x10;
        frame
    };
    let mut host = Host::with(SdConfig::default(), image(STANDARD), 1);
    host.power_up();
    assert_eq!(host.raw_command(wrong(0, 0)), 0xff, "7.2.2: SD mode checks");
    assert_eq!(host.command(0, 0), 0x01);
    assert_eq!(host.raw_command(wrong(8, 0x1aa)), 0x09, "7.2.2: always with CMD8");
    assert_eq!(host.raw_command(wrong(58, 0)), 0x01);
    host.bytes::<4>();
    assert_eq!(host.command(59, 1), 0x01);
    assert_eq!(host.raw_command(wrong(58, 0)), 0x09);
    assert_eq!(host.command(59, 0), 0x01);
    assert_eq!(host.raw_command(wrong(58, 0)), 0x01);
    assert_eq!(host.card.counts().crc_errors, 2);
}

#[test]
fn writable_bits_of_csd() {
    let mut host = Host::ready(STANDARD);
    host.command(9, 0);
    let mut csd: [u8; 16] = host.block();
    csd[14] |= 1 << 4; // TMP_WRITE_PROTECT
    csd[15] = crc7(&csd[..15]) << 1 | 1;
    assert_eq!((host.command(27, 0), host.send_block(0xfe, &csd)), (0, 0x05));
    host.wait_while_busy();
    assert_eq!(host.write_block(0, &pattern(1)), 0x0d, "7.3.3.1: write error");
    assert_eq!(host.status(), [0, 0x20], "7.3.2.3: write protect violation");
    assert_eq!(host.status(), [0, 0], "cleared when read");
    csd[7] ^= 1;
    csd[15] = crc7(&csd[..15]) << 1 | 1;
    assert_eq!((host.command(27, 0), host.send_block(0xfe, &csd)), (0, 0x0d), "C_SIZE cannot be written");
    assert_eq!(host.status()[1], 0x80, "CSD overwrite");
}

#[test]
fn write_protection_groups() {
    let mut host = Host::ready(STANDARD);
    let group_bytes = registers::GROUP_BLOCKS * 512;
    assert_eq!(host.command(28, group_bytes + 5000), 0);
    host.wait_while_busy();
    assert_eq!(host.command(30, 0), 0);
    assert_eq!(host.block::<4>(), [0, 0, 0, 2], "4.3.6: the first group in the lowest bit");
    assert_eq!(host.write_block(group_bytes, &pattern(1)), 0x0d);
    assert_eq!(host.write_block(group_bytes - 512, &pattern(1)), 0x05);
    host.status();
    // An erase leaves the group out.
    assert_eq!(host.command(29, group_bytes), 0);
    host.wait_while_busy();
    for block in [group_bytes, 2 * group_bytes] {
        assert_eq!(host.write_block(block, &pattern(2)), 0x05);
    }
    assert_eq!(host.command(28, group_bytes), 0);
    host.wait_while_busy();
    let erase = [(32, group_bytes - 512), (33, 2 * group_bytes), (38, 0)];
    assert!(erase.into_iter().all(|(index, argument)| host.command(index, argument) == 0));
    host.wait_while_busy();
    assert_eq!(host.status()[1], 0x02, "WP erase skip");
    let blocks = [group_bytes - 512, group_bytes, 2 * group_bytes].map(|address| host.read_block(address));
    assert_eq!(blocks, [[0; 512], pattern(2), [0; 512]]);
}
