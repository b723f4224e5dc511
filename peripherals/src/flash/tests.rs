use proptest::prelude::*;

use super::*;
use crate::device::Memory;
use crate::testing::Bench;
use crate::time::{PS_PER_MS, PS_PER_US};

const ALL: u32 = u32::MAX;
const PSIZE_X32: u32 = 2 << 8;

struct Rig {
    bench: Bench,
    flash: FlashController,
}

impl Rig {
    fn new() -> Self {
        Self { bench: Bench::new(), flash: FlashController::new(*b"lockstep-uid") }
    }
    fn unlocked() -> Self {
        let mut rig = Self::new();
        rig.write(0x04, 0x4567_0123);
        rig.write(0x04, 0xcdef_89ab);
        rig
    }
    fn read(&mut self, offset: u32) -> u32 {
        self.flash.read(offset, &mut self.bench.cx())
    }
    fn write(&mut self, offset: u32, value: u32) {
        self.flash.write(offset, value, ALL, &mut self.bench.cx());
    }
    fn store(&mut self, address: u32, size: u32, value: u32) -> bool {
        self.flash.array_write(address, size, value, &mut self.bench.cx())
    }
    fn array(&mut self, address: u32) -> u32 {
        self.bench.memory.read(address, 4).unwrap()
    }
    fn pass(&mut self, ps: u64) {
        self.bench.now.time_ps += ps;
    }
}

#[test]
fn a_store_outside_programming_changes_nothing_but_the_error_flag() {
    let mut rig = Rig::new();
    assert!(!rig.store(0x0800_0000, 4, 0));
    assert_eq!((rig.array(0x0800_0000), rig.read(0x0c)), (ALL, PGSERR));
    rig.write(0x0c, 0xf3);
    assert_eq!(rig.read(0x0c), 0);
    rig.write(0x10, PG);
    assert_eq!(rig.read(0x10), LOCK, "CR is locked");
}

#[test]
fn programming_clears_bits_only_and_takes_its_time() {
    let mut rig = Rig::unlocked();
    rig.write(0x10, PG | PSIZE_X32);
    assert!(rig.store(0x0802_0000, 4, 0xffff_0000));
    assert_eq!(rig.read(0x0c), BSY);
    rig.pass(15 * PS_PER_US);
    assert_eq!(rig.read(0x0c), BSY);
    rig.pass(100 * PS_PER_US);
    assert_eq!(rig.read(0x0c), 0, "EOP is set only with EOPIE");
    assert!(rig.store(0x0802_0000, 4, 0x00ff_ffff));
    assert_eq!(rig.array(0x0802_0000), 0x00ff_0000);
    rig.pass(PS_PER_MS);
    for (size, flag) in [(1, PGPERR), (2, PGPERR)] {
        assert!(!rig.store(0x0802_0004, size, 0));
        assert_eq!(rig.read(0x0c), flag);
        rig.write(0x0c, 0xf3);
    }
    assert!(!rig.store(0x0802_000e, 4, 0));
    assert_eq!((rig.read(0x0c), rig.array(0x0802_000c)), (PGAERR, ALL));
}

#[test]
fn a_wrong_key_locks_until_reset() {
    let mut rig = Rig::new();
    rig.write(0x04, 0x4567_0123);
    rig.write(0x04, 0x1234_5678);
    rig.write(0x04, 0x4567_0123);
    rig.write(0x04, 0xcdef_89ab);
    assert_eq!(rig.read(0x10), LOCK);
    rig.flash.system_reset(&mut rig.bench.cx());
    rig.write(0x04, 0x4567_0123);
    rig.write(0x04, 0xcdef_89ab);
    assert_eq!(rig.read(0x10), 0);
    rig.write(0x10, LOCK);
    rig.write(0x10, PG);
    assert_eq!(rig.read(0x10), LOCK);
}

#[test]
fn a_sector_erase_takes_the_data_sheet_s_time_and_erases_that_sector_only() {
    for (number, offset, length, low_ms, high_ms) in
        [(1, 0x4000, 0x4000, 250, 500), (4, 0x1_0000, 0x1_0000, 550, 1100), (11, 0xe_0000, 0x2_0000, 1000, 2000)]
    {
        let mut rig = Rig::unlocked();
        rig.bench.memory.flash.fill(0);
        rig.write(0x10, EOPIE | STRT | PSIZE_X32 | number << 3 | SER);
        let Wake { time_ps, .. } = rig.flash.wake(&Clocks::RESET);
        assert!((low_ms * PS_PER_MS..=high_ms * PS_PER_MS).contains(&time_ps), "sector {number}: {time_ps}");
        assert_eq!(rig.flash.busy_until_ps(), time_ps);
        rig.pass(time_ps - 1);
        assert_eq!((rig.read(0x0c), rig.flash.irq_lines()), (BSY, 0));
        rig.pass(1);
        rig.flash.advance(&mut rig.bench.cx());
        assert_eq!((rig.read(0x0c), rig.flash.irq_lines()), (EOP, 1));
        assert_eq!(rig.read(0x10) & STRT, 0);
        let erased = |i: usize| (offset..offset + length).contains(&(i as u32));
        assert!(rig.bench.memory.flash.iter().enumerate().all(|(i, b)| (*b == 0xff) == erased(i)));
    }
}

/// A sector of zeros, its erase interrupted, for each of many seeds: what is left of it.
fn interrupted_erases() -> Vec<Vec<u8>> {
    let leave = |seed| {
        let mut rig = Rig::unlocked();
        rig.bench.decisions.reseed(seed);
        rig.bench.memory.flash.fill(0x0f);
        rig.write(0x10, STRT | PSIZE_X32 | 5 << 3 | SER);
        rig.pass(PS_PER_MS);
        rig.flash.system_reset(&mut rig.bench.cx());
        assert_eq!((rig.read(0x0c), rig.read(0x10)), (0, LOCK));
        assert!(rig.bench.decisions.log().iter().any(|decision| decision.stream == "flash.power_loss"));
        let (before, rest) = rig.bench.memory.flash.split_at(0x2_0000);
        let (sector, after) = rest.split_at(0x2_0000);
        assert!(before.iter().chain(after).all(|byte| *byte == 0x0f), "the sectors around it are as they were");
        // Nothing of it happens later.
        let sector = sector.to_vec();
        rig.pass(10_000 * PS_PER_MS);
        rig.flash.advance(&mut rig.bench.cx());
        assert_eq!(rig.bench.memory.flash[0x2_0000..0x4_0000], sector);
        sector
    };
    (0..40).map(leave).collect()
}

#[test]
fn a_reset_during_an_erase_leaves_one_of_three_pictures() {
    let (mut erased, mut cleared, mut between) = (0, 0, 0);
    for sector in interrupted_erases() {
        let prefix = |value: u8| sector.iter().take_while(|byte| **byte == value).count();
        let is_old_from = |at: usize| sector[at..].iter().all(|byte| *byte == 0x0f);
        if prefix(0xff) > 0 && is_old_from(prefix(0xff)) {
            erased += 1;
        } else if prefix(0) > 0 && is_old_from(prefix(0)) {
            cleared += 1;
        } else {
            assert!(sector.iter().all(|byte| byte & 0x0f == 0x0f), "a 1 stays a 1");
            between += 1;
        }
    }
    assert!(erased > 3 && cleared > 3 && between > 3, "{erased} {cleared} {between}");
}

#[test]
fn a_word_whose_programming_is_interrupted_has_some_of_its_bits_cleared() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..40 {
        let mut rig = Rig::unlocked();
        rig.bench.decisions.reseed(seed);
        rig.write(0x10, PG | PSIZE_X32);
        rig.store(0x0802_0000, 4, 0xffff_0f0f);
        rig.pass(PS_PER_MS);
        rig.store(0x0802_0000, 4, 0xf0ff_0000);
        rig.pass(5 * PS_PER_US);
        rig.flash.system_reset(&mut rig.bench.cx());
        let word = rig.array(0x0802_0000);
        assert_eq!(word & 0xf0ff_0000, 0xf0ff_0000, "{word:#x}: what was not to be cleared is not");
        assert_eq!(word & 0x0000_f0f0, 0, "{word:#x}: nor does a cleared bit come back");
        assert_eq!((rig.array(0x0801_fffc), rig.array(0x0802_0004)), (ALL, ALL), "nor is a neighbour touched");
        seen.insert(word);
    }
    assert!(seen.len() > 30, "{seen:x?}");
}

#[test]
fn an_operation_that_is_over_is_not_interrupted() {
    let mut rig = Rig::unlocked();
    rig.write(0x10, PG | PSIZE_X32);
    rig.store(0x0802_0000, 4, 0x1234_5678);
    let begun = rig.flash.last_operation().unwrap();
    assert_eq!((begun.kind, begun.offset, begun.length), (OperationKind::Program, 0x2_0000, 4));
    rig.pass(begun.end_ps - begun.start_ps);
    rig.flash.system_reset(&mut rig.bench.cx());
    assert_eq!(rig.array(0x0802_0000), 0x1234_5678);
    assert_eq!(rig.flash.operations(), 1);
}

#[test]
fn option_bytes_protect_sectors_at_once_and_take_effect_at_reset() {
    let mut rig = Rig::unlocked();
    assert_eq!(rig.read(0x14), 0x0fff_aaed);
    rig.write(0x14, 0);
    assert_eq!(rig.read(0x14), 0x0fff_aaed, "locked");
    rig.write(0x08, 0x0819_2a3b);
    rig.write(0x08, 0x4c5d_6e7f);
    rig.write(0x14, 0x0ffe_aacc | OPTSTRT);
    assert_eq!(rig.read(0x0c), BSY);
    rig.pass(500 * PS_PER_MS);
    assert_eq!((rig.read(0x0c), rig.read(0x14)), (0, 0x0ffe_aacc));
    assert!(!rig.flash.hardware_watchdog(), "WDG_SW is loaded at reset");
    rig.write(0x10, PG | PSIZE_X32);
    assert!(!rig.store(0x0800_0000, 4, 0), "sector 0 is protected");
    assert_eq!(rig.read(0x0c), WRPERR);
    rig.flash.system_reset(&mut rig.bench.cx());
    assert!(rig.flash.hardware_watchdog());
    assert_eq!(rig.read(0x14), 0x0ffe_aacd);
    // 0x1FFFC000: user options and RDP, then their complement.
    let half = rig.flash.information_read(0x1fff_c000, 2).unwrap();
    assert_eq!(half & 0xffec, 0xaacc);
    assert_eq!(rig.flash.information_read(0x1fff_c002, 2).unwrap(), !half & 0xffff);
}

#[test]
fn information_block() {
    let mut rig = Rig::unlocked();
    assert_eq!(rig.flash.information_read(0x1fff_7a10, 4), Some(u32::from_le_bytes(*b"lock")));
    assert_eq!(rig.flash.information_read(0x1fff_7a22, 2), Some(1024));
    assert_eq!(rig.flash.information_read(0x1fff_0000, 4), None);
    rig.write(0x10, PG);
    assert!(rig.store(0x1fff_7800, 1, 0x5a));
    rig.pass(PS_PER_MS);
    assert!(rig.store(0x1fff_7a00, 1, 0), "lock block 0");
    rig.pass(PS_PER_MS);
    assert!(!rig.store(0x1fff_7801, 1, 0));
    assert_eq!(rig.flash.information_read(0x1fff_7800, 2), Some(0xff5a));
    assert!(rig.store(0x1fff_7820, 1, 0), "block 1 is open");
}

#[test]
fn sectors_cover_the_array_without_gap() {
    let mut next = 0;
    for sector in sectors() {
        assert_eq!((sector.offset, sector_of(next)), (next, Some(sector)));
        next += sector.length;
    }
    assert_eq!((next, sector_of(next)), (ARRAY_SIZE, None));
}

proptest! {
    #[test]
    fn whatever_software_does_bits_never_set_without_an_erase(
        actions: Vec<(u8, u32, u32)>,
    ) {
        let mut rig = Rig::unlocked();
        let mut before = rig.bench.memory.flash.clone();
        for (kind, a, b) in actions {
            match kind % 4 {
                0 => rig.write(a % 0x20, b),
                1 => { rig.write(0x10, PG | (b & 3) << 8); }
                2 => { rig.store(ARRAY_BASE.wrapping_add(a % 0x40), 1 << (b % 4), b); }
                _ => rig.pass(u64::from(a)),
            }
            let erasing = rig.read(0x10) & (SER | MER) != 0;
            for (new, old) in rig.bench.memory.flash[..0x80].iter().zip(&before[..0x80]) {
                prop_assert!(erasing || new & !old == 0);
            }
            before.copy_from_slice(&rig.bench.memory.flash);
        }
    }
}
