//! Blocks: single, streams, partial ones, erasing.

use super::*;

const SIZE: u32 = 64 * MIB;

#[test]
fn what_is_written_is_read_on_both_kinds_of_card() {
    for (blocks, unit) in [(SIZE, 512), (4096 * MIB, 1)] {
        let mut host = Host::ready(blocks);
        for number in [0, 1, blocks - 1] {
            assert_eq!(host.write_block(number * unit, &pattern(number)), 0x05);
        }
        for number in [blocks - 1, 1, 0] {
            assert_eq!(host.read_block(number * unit), pattern(number));
        }
        assert_eq!(host.read_block(2 * unit), [0; 512]);
        assert_eq!(host.card.storage().block(1), pattern(1));
    }
}

/// 7.2.4: busy after the data response; other bytes are not lost on the card, they are not taken.
#[test]
fn it_is_busy_while_it_programs_and_takes_no_command() {
    let mut host = Host::ready(SIZE);
    assert_eq!(host.command(24, 0), 0);
    assert_eq!(host.send_block(0xfe, &pattern(0)), 0x05);
    let (low, high) = SdTiming::default().program_us;
    let start_ps = host.now_ps;
    assert_eq!(host.command(13, 0), 0x00, "busy, not a response");
    assert_eq!(host.read(), 0x00);
    assert_eq!(host.card.storage().block(0), [0; 512], "not programmed yet");
    host.select(false);
    assert_eq!(host.exchange(0xff), None);
    host.select(true);
    assert_eq!(host.read(), 0x00, "7.2.4: the line is held low again");
    host.wait_while_busy();
    let us = (host.now_ps - start_ps) / PS_PER_US;
    assert!((low..=high + 10).contains(&us), "{us} us");
    assert_eq!(host.status(), [0, 0]);
    assert_eq!(host.read_block(0), pattern(0));
}

#[test]
fn a_stream_of_blocks_is_read_until_cmd12() {
    let mut host = Host::ready(SIZE);
    for number in 0..4 {
        host.write_block(number * 512, &pattern(number));
    }
    assert_eq!(host.command(18, 512), 0);
    assert_eq!((host.block(), host.block()), (pattern(1), pattern(2)));
    assert_eq!(host.first_other_than(0xff), 0xfe);
    let mut first = [0; 3];
    first.fill_with(|| host.read());
    assert_eq!(first, pattern(3)[..3]);
    // The command goes out while data comes in; then the stuff byte, N_CR, R1 (7.2.3).
    let during = Host::frame_of(12, 0).map(|byte| host.send(byte));
    assert_eq!(during, pattern(3)[3..9]);
    assert_eq!(host.bytes(), [pattern(3)[9], 0xff, 0x00, 0xff]);
    assert_eq!(host.status(), [0, 0]);
    assert_eq!(host.read_block(0), pattern(0));
}

#[test]
fn a_stream_is_left_open_between_selections() {
    let mut host = Host::ready(SIZE);
    for number in 0..3 {
        host.write_block(number * 512, &pattern(number));
    }
    assert_eq!(host.command(18, 0), 0);
    for number in 0..3 {
        assert_eq!(host.block(), pattern(number));
        host.select(false);
        host.exchange(0xff);
        host.select(true);
    }
    host.command(12, 0);
    assert_eq!(host.command(25, 512), 0);
    for number in 7..9 {
        assert_eq!(host.send_block(0xfc, &pattern(number)), 0x05);
        host.select(false);
        host.select(true);
        host.wait_while_busy();
    }
    host.send(0xfd);
    assert_eq!(host.read(), 0x00, "7.2.4: busy");
    host.wait_while_busy();
    assert_eq!((host.read_block(512), host.read_block(1024)), (pattern(7), pattern(8)));
}

#[test]
fn busy_one_byte_after_the_stop_token() {
    let timing = SdTiming { stop_bytes: 1, ..SdTiming::default() };
    let mut host = Host::with(SdConfig { timing, ..SdConfig::default() }, image(SIZE), 1);
    host.initialise();
    assert_eq!(host.command(25, 0), 0);
    host.send(0xfd);
    assert_eq!(host.bytes(), [0xff, 0x00]);
    host.wait_while_busy();
    assert_eq!(host.status(), [0, 0]);
}

#[test]
fn a_block_goes_on_after_a_rise_of_the_chip_select() {
    let mut host = Host::ready(SIZE);
    assert_eq!(host.command(17, 0), 0);
    assert_eq!(host.first_other_than(0xff), 0xfe);
    host.bytes::<9>();
    let unselect = |host: &mut Host| {
        host.select(false);
        host.select(true);
    };
    unselect(&mut host);
    assert_eq!(host.bytes(), [0; 9]);
    // Or is ended by another command.
    unselect(&mut host);
    assert_eq!(host.command(24, 0), 0);
    for byte in [&[0xfe][..], &pattern(1), &crc16(&pattern(1)).to_be_bytes()].concat() {
        host.send(byte);
        unselect(&mut host);
    }
    assert_eq!(host.read() & 0x1f, 0x05);
    host.wait_while_busy();
    assert_eq!(host.read_block(0), pattern(1));
}

#[test]
fn the_number_of_well_written_blocks() {
    let mut host = Host::ready(SIZE);
    host.command(59, 1);
    assert_eq!(host.application(23, 8), 0);
    assert_eq!(host.command(25, 0), 0);
    for number in 0..3 {
        assert_eq!(host.send_block(0xfc, &pattern(number)), 0x05);
        host.wait_while_busy();
    }
    host.send(0xfc);
    (0..514).for_each(|_| _ = host.send(0x55));
    assert_eq!(host.read() & 0x1f, 0x0b, "7.3.3.1: CRC error");
    assert_eq!(host.send_block(0xfc, &pattern(4)), 0x0d, "and nothing more is taken");
    assert_eq!(host.command(12, 0), 0);
    host.wait_while_busy();
    assert_eq!(host.application(22, 0), 0);
    assert_eq!(host.block::<4>(), [0, 0, 0, 3]);
    assert_eq!(host.read_block(3 * 512), [0; 512]);
}

/// 4.3.3, READ_BL_PARTIAL: standard capacity reads parts of blocks.
#[test]
fn parts_of_blocks() {
    let mut host = Host::ready(SIZE);
    host.write_block(512, &pattern(1));
    assert_eq!(host.command(16, 20), 0);
    assert_eq!(host.command(17, 512 + 100), 0);
    assert_eq!(host.block::<20>(), pattern(1)[100..120]);
    assert_eq!(host.command(17, 512 + 500), 0x20, "over the end of a block");
    assert_eq!(host.command(24, 512), 0x40, "WRITE_BL_PARTIAL is 0");
    assert_eq!(host.command(18, 512 + 480), 0);
    assert_eq!(host.block::<20>(), pattern(1)[480..500]);
    assert_eq!(host.first_other_than(0xff), 0x01, "7.3.3.3: error");
    assert_eq!(host.status(), [0, 0x04]);
}

#[test]
fn the_end_of_the_card() {
    let mut host = Host::ready(SIZE);
    let last = (SIZE - 1) * 512;
    assert_eq!(host.command(18, last), 0);
    assert_eq!(host.block(), [0; 512]);
    assert_eq!(host.first_other_than(0xff), 0x08, "7.3.3.3: out of range");
    assert_eq!(host.status(), [0, 0x80]);
    assert_eq!(host.command(25, last), 0);
    assert_eq!(host.send_block(0xfc, &pattern(1)), 0x05);
    host.wait_while_busy();
    assert_eq!(host.send_block(0xfc, &pattern(2)), 0x0d);
    assert_eq!(host.status(), [0, 0x80]);
}

#[test]
fn erasing() {
    for erased_byte in [0, 0xff] {
        let mut host = Host::with(SdConfig { erased_byte, ..SdConfig::default() }, image(SIZE), 1);
        host.initialise();
        for number in 0..6 {
            host.write_block(number * 512, &pattern(number));
        }
        let erase = [(32, 512), (33, 4 * 512), (38, 0)];
        assert!(erase.into_iter().all(|(index, argument)| host.command(index, argument) == 0));
        assert_eq!(host.read(), 0, "R1b");
        host.wait_while_busy();
        let blocks: Vec<Block> = (0..6).map(|number| host.read_block(number * 512)).collect();
        let gone = [erased_byte; 512];
        assert_eq!(blocks, [pattern(0), gone, gone, gone, gone, pattern(5)]);
        // DATA_STAT_AFTER_ERASE says it.
        host.application(51, 0);
        assert_eq!(host.block::<8>()[1] & 0x80 != 0, erased_byte != 0);
    }
}

#[test]
fn another_command_ends_an_erase_sequence() {
    let mut host = Host::ready(SIZE);
    host.write_block(0, &pattern(0));
    assert_eq!((host.command(32, 0), host.command(33, 0)), (0, 0));
    assert_eq!(host.command(58, 0), 0x02, "7.3.2.1: erase reset");
    host.bytes::<4>();
    assert_eq!(host.command(38, 0), 0x10);
    assert_eq!(host.read_block(0), pattern(0));
    // The last before the first.
    assert_eq!((host.command(32, 512), host.command(33, 0), host.command(38, 0)), (0, 0, 0));
    assert_eq!(host.status()[1], 0x40, "7.3.2.3: erase param");
}
