//! Cards that go wrong, are pulled, lose their power.

use super::*;

const SIZE: u32 = 64 * MIB;

#[test]
fn a_pulled_card_is_an_open_line_and_begins_anew() {
    let mut host = Host::ready(SIZE);
    host.write_block(512, &pattern(1));
    host.card.set_power(false, host.now_ps, &mut host.decisions);
    assert_eq!(host.exchange(0xff), None);
    assert_eq!(host.command(13, 0), 0xff);
    host.now_ps += 1_000_000_000_000;
    host.card.set_power(true, host.now_ps, &mut host.decisions);
    assert_eq!(host.command(13, 0), 0xff, "SD mode");
    host.initialise();
    assert_eq!(host.read_block(512), pattern(1));
}

#[test]
fn a_block_that_cannot_be_read_can_be_written() {
    let mut host = Host::ready(SIZE);
    host.write_block(512, &pattern(1));
    host.card.set_fault(SdFault::Unreadable { block: 1 });
    assert_eq!(host.command(17, 512), 0);
    assert_eq!(host.first_other_than(0xff), 0x04, "7.3.3.3: card ECC failed");
    assert_eq!(host.status(), [0, 0x10]);
    assert_eq!(host.read_block(1024), [0; 512], "the next one is well");
    host.write_block(512, &pattern(2));
    assert_eq!(host.read_block(512), pattern(2));
}

#[test]
fn a_wrong_bit_on_the_line_is_seen_by_the_crc() {
    let mut host = Host::ready(SIZE);
    host.card.set_fault(SdFault::ReadErrors { block_ppm: 1_000_000 });
    assert_eq!(host.command(17, 0), 0);
    assert_eq!(host.first_other_than(0xff), 0xfe);
    let data: Block = host.bytes();
    assert_eq!(data.iter().map(|byte| byte.count_ones()).sum::<u32>(), 1);
    assert_ne!(u16::from_be_bytes(host.bytes()), crc16(&data));
    host.card.set_fault(SdFault::ReadErrors { block_ppm: 0 });
    assert_eq!(host.read_block(0), [0; 512]);
}

/// 7.3.3.1: what a host that checks does about it is to send the block again.
#[test]
fn a_block_that_came_in_wrong_is_refused_only_if_crc_is_on() {
    let mut host = Host::ready(SIZE);
    host.card.set_fault(SdFault::WriteErrors { block_ppm: 1_000_000 });
    assert_eq!(host.write_block(0, &pattern(1)), 0x05);
    host.command(59, 1);
    assert_eq!(host.write_block(0, &pattern(2)), 0x0b);
    assert_eq!(host.read_block(0), pattern(1));
}

#[test]
fn a_hang_is_cured_by_power_only() {
    let mut host = Host::ready(SIZE);
    host.card.set_fault(SdFault::Hang);
    assert_eq!((host.command(0, 0), host.read()), (0x00, 0x00), "busy, for ever");
    host.now_ps += 3_600_000_000_000_000;
    assert_eq!(host.read(), 0);
    host.cut_power();
    host.initialise();
}

#[test]
fn a_slow_card_takes_longer_by_its_factor() {
    let busy_us = |factor| {
        let mut host = Host::ready(SIZE);
        host.card.set_fault(SdFault::Slow { factor });
        assert_eq!(host.command(24, 0), 0);
        host.send_block(0xfe, &pattern(0));
        let start_ps = host.now_ps;
        host.wait_while_busy();
        (host.now_ps - start_ps) / PS_PER_US
    };
    let (usual, slow) = (busy_us(1), busy_us(20));
    assert!((usual * 20).abs_diff(slow) < 200, "{usual} us, {slow} us");
}

/// What a block may hold whose programming was interrupted.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Left {
    Old,
    New,
    Mixed,
    Unreadable,
}

fn left(host: &Host, block: u32, old: &Block, new: &Block) -> Left {
    let found = host.card.storage().block(block);
    let changed = found.iter().zip(new).take_while(|(found, new)| found == new).count();
    match found {
        _ if host.card.storage().is_unreadable(block) => Left::Unreadable,
        found if found == *old => Left::Old,
        found if found == *new => Left::New,
        found => {
            assert_eq!(found[changed..], old[changed..], "first new, then old");
            Left::Mixed
        }
    }
}

#[test]
fn power_lost_while_a_block_is_programmed() {
    for by_command in [false, true] {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..40 {
            let mut host = Host::with(SdConfig::default(), image(SIZE), seed);
            host.initialise();
            let (old, new) = (pattern(1), pattern(1).map(|byte| !byte));
            for block in 0..3 {
                host.write_block(block * 512, &old);
            }
            assert_eq!(host.command(24, 512), 0);
            assert_eq!(host.send_block(0xfe, &new), 0x05);
            if by_command {
                assert_eq!(host.command(0, 0) & 0x80, 0);
            } else {
                host.cut_power();
            }
            seen.insert(left(&host, 1, &old, &new));
            let others = [0, 2].map(|block| left(&host, block, &old, &new));
            assert_eq!(others, [Left::Old, Left::Old], "no other block changes");
        }
        assert_eq!(seen.len(), 4, "{seen:?}, by CMD0 {by_command}");
    }
}

#[test]
fn power_lost_before_a_block_is_whole_changes_nothing() {
    let mut host = Host::ready(SIZE);
    host.write_block(512, &pattern(1));
    assert_eq!(host.command(24, 512), 0);
    host.send(0xfe);
    (0..513).for_each(|_| _ = host.send(0x55));
    host.cut_power();
    host.initialise();
    assert_eq!(host.read_block(512), pattern(1));
}

#[test]
fn power_lost_while_blocks_are_erased() {
    let mut counts = std::collections::BTreeSet::new();
    for seed in 0..20 {
        let mut host = Host::with(SdConfig::default(), image(SIZE), seed);
        host.initialise();
        for block in 0..10 {
            host.write_block(block * 512, &[0xaa; 512]);
        }
        let erase = [(32, 512), (33, 8 * 512), (38, 0)];
        assert!(erase.into_iter().all(|(index, argument)| host.command(index, argument) == 0));
        host.cut_power();
        let content: Vec<u8> = (0..10).map(|block| host.card.storage().block(block)[0]).collect();
        let erased = content[1..9].iter().take_while(|byte| **byte == 0).count();
        assert!(content[0] == 0xaa && content[9] == 0xaa);
        assert!(content[1 + erased..].iter().all(|byte| *byte == 0xaa), "{content:x?}");
        counts.insert(erased);
    }
    assert!(counts.len() > 3, "{counts:?}");
}
