//! What firmware observes of the clock.

use super::table::*;
use super::*;
use crate::testing::Bench;
use crate::time::{PS_PER_MS, PS_PER_S};
use proptest::prelude::*;

struct Rig {
    bench: Bench,
    rtc: Rtc,
}

impl Rig {
    fn new() -> Self {
        let mut bench = Bench::new();
        bench.clocks.rtc_hz = Some(32_768);
        let mut rig = Self { bench, rtc: Rtc::new() };
        rig.rtc.set_backup_write_enabled(true);
        rig
    }

    fn r(&mut self, offset: u32) -> u32 {
        self.rtc.read(offset, &mut self.bench.cx())
    }

    fn w(&mut self, offset: u32, value: u32) {
        self.rtc.write(offset, value, u32::MAX, &mut self.bench.cx());
    }

    fn pass_ms(&mut self, ms: u64) {
        self.bench.now.time_ps += ms * PS_PER_MS;
    }

    fn unlock(&mut self) {
        self.w(0x24, 0xca);
        self.w(0x24, 0x53);
    }

    /// Programs the calendar as vendor drivers do.
    fn set(&mut self, tr: u32, dr: u32) {
        self.unlock();
        self.w(0x0c, 0xffff_ffff);
        self.pass_ms(1);
        assert_eq!(self.r(0x0c) & INITF, INITF);
        self.w(0x00, tr);
        self.w(0x04, dr);
        self.w(0x0c, !INIT);
        self.pass_ms(1);
    }

    /// Runs from wake to wake until an interrupt line rises; returns the virtual time it took in milliseconds.
    fn until_line(&mut self, line: u32) -> u64 {
        let start = self.bench.now.time_ps;
        for _ in 0..100_000 {
            if self.rtc.irq_lines() & 1 << line != 0 {
                return (self.bench.now.time_ps - start) / PS_PER_MS;
            }
            let wake = self.rtc.wake(&self.bench.clocks).time_ps;
            assert_ne!(wake, u64::MAX, "nothing will ever happen");
            self.bench.now.time_ps = wake;
            self.rtc.advance(&mut self.bench.cx());
        }
        panic!("line {line} did not rise");
    }
}

#[test]
fn the_calendar_counts_seconds_of_the_crystal() {
    let mut rig = Rig::new();
    rig.set(0x23_59_58, 0x24_62_28);
    rig.pass_ms(2100);
    assert_eq!(rig.r(0x00), 0);
    assert_eq!(rig.r(0x04), 0x24_82_29, "29 February 2024");
    assert_eq!(rig.r(0x0c) & INITS, INITS);
}

#[test]
fn without_the_keys_or_dbp_nothing_is_written() {
    let mut rig = Rig::new();
    rig.w(0x0c, INIT);
    rig.pass_ms(1);
    assert_eq!(rig.r(0x0c) & (INIT | INITF), 0, "WPR is locked");
    rig.rtc.set_backup_write_enabled(false);
    rig.unlock();
    rig.w(0x50, 0xc1c1);
    rig.rtc.set_backup_write_enabled(true);
    rig.w(0x0c, INIT);
    assert_eq!(rig.r(0x0c) & INIT, 0, "the keys themselves need DBP");
    assert_eq!(rig.r(0x50), 0);
    rig.w(0x50, 0xc1c1);
    assert_eq!(rig.r(0x50), 0xc1c1, "backup registers need DBP only");
}

#[test]
fn a_system_reset_keeps_the_time_and_the_backup_registers() {
    let mut rig = Rig::new();
    rig.set(0x10_00_00, 0x24_21_01);
    rig.w(0x9c, 0x1234_5678);
    rig.pass_ms(1000);
    rig.rtc.reset();
    rig.pass_ms(1000);
    assert_eq!(rig.r(0x00), 0x10_00_02);
    assert_eq!(rig.r(0x9c), 0x1234_5678);
    rig.rtc.set_backup_write_enabled(true);
    rig.rtc.backup_domain_reset();
    assert_eq!(rig.r(0x9c), 0);
    rig.pass_ms(1500);
    assert_eq!(rig.r(0x00), 0x00_00_01, "the clock starts afresh");
}

#[test]
fn reading_the_time_freezes_the_date() {
    let mut rig = Rig::new();
    rig.set(0x23_59_59, 0x24_21_01);
    assert_eq!(rig.r(0x00), 0x23_59_59);
    rig.pass_ms(1500);
    assert_eq!(rig.r(0x04), 0x24_21_01);
    assert_eq!(rig.r(0x04), 0x24_41_02);
}

#[test]
fn rsf_falls_when_cleared_and_comes_back_with_fresh_shadows() {
    let mut rig = Rig::new();
    rig.set(0, 0x24_21_01);
    assert_eq!(rig.r(0x0c) & RSF, RSF);
    rig.w(0x0c, !RSF & !INIT);
    assert_eq!(rig.r(0x0c) & RSF, 0);
    rig.pass_ms(1);
    assert_eq!(rig.r(0x0c) & RSF, RSF);
}

#[test]
fn an_alarm_interrupts_at_its_second() {
    let mut rig = Rig::new();
    rig.set(0x12_00_00, 0x24_21_01);
    // 12:01:30 on any day.
    rig.w(0x1c, 0x8012_0130);
    rig.w(0x08, ALRAE | ALRAE << 4);
    assert_eq!(rig.r(0x0c) & ALRAWF, 0);
    let ms = rig.until_line(0);
    assert!((89_990..=90_010).contains(&ms), "{ms}");
    assert_eq!(rig.r(0x00), 0x12_01_30);
    rig.w(0x0c, !ALRAF & !INIT);
    assert_eq!(rig.rtc.irq_lines(), 0);
    rig.w(0x1c, 0);
    assert_eq!(rig.r(0x1c), 0x8012_0130, "an armed alarm is not writable");
}

#[test]
fn the_wakeup_timer_runs_on_rtcclk_or_on_seconds() {
    let mut rig = Rig::new();
    rig.unlock();
    // RTC/16, 2048 counts: one second.
    rig.w(0x14, 2047);
    rig.w(0x08, WUTE | WUTIE);
    for _ in 0..3 {
        let ms = rig.until_line(2);
        assert!((999..=1000).contains(&ms), "{ms}");
        rig.w(0x0c, !WUTF & !INIT);
    }
    rig.w(0x08, 0);
    rig.pass_ms(1);
    rig.w(0x14, 9);
    rig.w(0x08, 4);
    rig.w(0x08, 4 | WUTE | WUTIE);
    let ms = rig.until_line(2);
    assert!((9000..=10_000).contains(&ms), "{ms}");
}

#[test]
fn coarse_calibration_gains_two_apre_cycles_a_minute() {
    let mut rig = Rig::new();
    rig.unlock();
    rig.w(0x0c, INIT);
    rig.pass_ms(1);
    rig.w(0x18, 1);
    rig.w(0x08, DCE);
    rig.w(0x0c, 0);
    let restart = rig.rtc.ticks.count(rig.bench.now.time_ps) + RESTART_TICKS;
    let minutes = |ticks: &ClockTicks, tick: u64| ticks.time_of(tick);
    // DC = 1: two minutes shortened by two cycles of 128 RTCCLK, the third not.
    let third = restart + 3 * 60 * 32_768 - 2 * 2 * 128;
    rig.bench.now.time_ps = minutes(&rig.rtc.ticks, third) - 1;
    assert_eq!(rig.r(0x00), 0x00_02_59);
    rig.bench.now.time_ps += 1;
    assert_eq!(rig.r(0x00), 0x00_03_00);
}

#[test]
fn the_tamper_pin_stamps_the_time_and_wipes_the_backup_registers() {
    let mut rig = Rig::new();
    rig.set(0x08_30_00, 0x24_a6_15);
    rig.w(0x50, 1);
    rig.w(0x08, TSE | TSIE);
    rig.rtc.set_tamper_pin(true, &mut rig.bench.cx());
    assert_eq!(rig.rtc.irq_lines(), 2);
    assert_eq!((rig.r(0x30), rig.r(0x34)), (0x08_30_00, 0xa6_15));
    assert_eq!(rig.r(0x50), 1);
    rig.w(0x0c, !TSF & !INIT);
    assert_eq!((rig.rtc.irq_lines(), rig.r(0x30)), (0, 0));
    rig.w(0x40, TAMP1E | TAMP1TRG | TAMPIE);
    rig.rtc.set_tamper_pin(false, &mut rig.bench.cx());
    assert_eq!(rig.rtc.irq_lines(), 2);
    assert_eq!(rig.r(0x50), 0);
}

#[test]
fn a_stopped_crystal_stops_the_clock() {
    let mut rig = Rig::new();
    rig.set(0, 0x24_21_01);
    rig.pass_ms(10_000);
    assert_eq!(rig.r(0x00), 0x10);
    rig.bench.clocks.rtc_hz = None;
    rig.rtc.clocks_changed(&mut rig.bench.cx());
    rig.pass_ms(10_000);
    assert_eq!(rig.r(0x00), 0x10);
}

proptest! {
    #[test]
    fn splitting_time_changes_nothing(
        cr in any::<u32>(), alarm in any::<u32>(), wut in 0u32..0x40, stops in prop::collection::vec(0u64..3 * PS_PER_S, 1..20)
    ) {
        let mut one = Rig::new();
        one.set(0x23_59_50, 0x23_dc_31 & 0xff_ff_3f);
        one.w(0x1c, alarm);
        one.w(0x14, wut);
        one.w(0x08, cr & (ALRAE | ALRBE | WUTE | WUCKSEL | SUB1H | ADD1H));
        let mut many = one.rtc.clone();
        let start = one.bench.now.time_ps;
        for stop in stops {
            one.bench.now.time_ps += stop;
            many.advance(&mut one.bench.cx());
        }
        prop_assert!(one.bench.now.time_ps >= start);
        for offset in [0x0c, 0x00, 0x04] {
            prop_assert_eq!(one.rtc.read(offset, &mut one.bench.cx()), many.read(offset, &mut one.bench.cx()));
        }
        prop_assert_eq!(one.rtc.wake(&one.bench.clocks), many.wake(&one.bench.clocks));
    }

    #[test]
    fn hostile_writes_are_survived(writes in prop::collection::vec((0u32..40, any::<u32>(), 0u64..PS_PER_S / 4), 0..60)) {
        let mut rig = Rig::new();
        rig.unlock();
        for (index, value, delay) in writes {
            rig.w(index * 4, value);
            rig.unlock();
            rig.bench.now.time_ps += delay;
            rig.r(index * 4);
            rig.rtc.wake(&rig.bench.clocks);
        }
    }
}
