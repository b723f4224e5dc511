use super::*;
use crate::testing::Bench;
use crate::time::{Now, PS_PER_MS, PS_PER_S};

const ALL: u32 = u32::MAX;

/// The board's crystal: ClockSettings::default().
const HSE_US: u64 = 600;

struct Rig {
    bench: Bench,
    rcc: Rcc,
}

impl Rig {
    fn new() -> Self {
        let mut rcc = Rcc::new(ClockSettings::default());
        rcc.system_reset(ResetCause::PowerOn, false);
        Self { bench: Bench::new(), rcc }
    }
    fn at_us(&mut self, us: u64) {
        self.bench.now = Now { cycles: us * 16, time_ps: us * PS_PER_US };
    }
    fn read(&mut self, offset: u32) -> u32 {
        self.rcc.read(offset, &mut self.bench.cx())
    }
    fn write(&mut self, offset: u32, value: u32) {
        self.rcc.write(offset, value, ALL, &mut self.bench.cx());
    }
    fn set(&mut self, offset: u32, bits: u32) {
        let value = self.read(offset) | bits;
        self.write(offset, value);
    }
}

#[test]
fn reset_values_are_the_manual_s() {
    let mut rig = Rig::new();
    for (offset, value) in [(0x00, 0x83), (0x04, 0x2400_3010), (0x08, 0), (0x50, 0x7e67_91ff), (0x74, 0x0e00_0000)] {
        assert_eq!(rig.read(offset), value, "offset {offset:#x}");
    }
    assert_eq!(rig.rcc.clocks(), Clocks::RESET);
}

#[test]
fn the_electron_s_sequence_gives_120_mhz_after_the_start_up_times() {
    let mut rig = Rig::new();
    rig.set(0x00, HSEON);
    assert_eq!(rig.read(0x00) & HSERDY, 0);
    rig.at_us(HSE_US - 1);
    assert_eq!(rig.read(0x00) & HSERDY, 0);
    rig.at_us(HSE_US);
    assert_eq!(rig.read(0x00) & HSERDY, HSERDY);
    rig.set(0x08, 0x9400);
    rig.write(0x04, 0x0540_3c1a);
    rig.set(0x00, PLLON);
    rig.set(0x08, 2);
    assert_eq!(rig.read(0x08) & 0xc, 0, "SYSCLK waits for the PLL to lock");
    let Some(ready_ps) = rig.rcc.oscillators.pll.ready_ps() else { panic!("PLL not starting") };
    assert_eq!(rig.rcc.wake(&Clocks::RESET), Wake::at_time_ps(ready_ps));
    let lock_us = ready_ps / PS_PER_US - HSE_US;
    assert!((75..=200).contains(&lock_us), "{lock_us}");
    rig.at_us(HSE_US + lock_us);
    assert_eq!(rig.read(0x08), 0x940a);
    let clocks = rig.rcc.clocks();
    assert_eq!(clocks.hclk_hz, 120_000_000);
    assert_eq!((clocks.hclk_per_pclk1, clocks.hclk_per_pclk2), (4, 2));
    assert_eq!((clocks.hclk_per_tim_apb1, clocks.hclk_per_tim_apb2), (2, 1));
    assert_eq!(clocks.clk48_hz, Some(48_000_000));
    // What SYSCLK comes from cannot be switched off or changed.
    rig.write(0x00, HSION);
    assert_eq!(rig.read(0x00) & (PLLON | PLLRDY | HSEON | HSERDY), PLLON | PLLRDY | HSEON | HSERDY);
    rig.write(0x04, 0);
    assert_eq!(rig.read(0x04), 0x2540_3c1a, "reserved bits keep their reset value");
}

#[test]
fn a_pll_switched_on_before_its_source_locks_after_it() {
    let mut rig = Rig::new();
    rig.write(0x04, 0x0540_3c1a);
    rig.set(0x00, PLLON);
    rig.at_us(1_000);
    assert_eq!(rig.read(0x00) & PLLRDY, 0);
    rig.set(0x00, HSEON);
    rig.at_us(1_000 + HSE_US);
    assert_eq!(rig.read(0x00) & PLLRDY, 0, "HSE is stable only now");
    rig.at_us(1_200 + HSE_US);
    assert_eq!(rig.read(0x00) & PLLRDY, PLLRDY);
}

#[test]
fn ready_interrupts_are_flagged_only_when_enabled() {
    let mut rig = Rig::new();
    rig.set(0x74, LSION);
    rig.at_us(20);
    assert_eq!(rig.read(0x74) & LSIRDY, LSIRDY);
    assert_eq!(rig.read(0x0c), 0);
    rig.write(0x0c, 1 << 11);
    rig.set(0x00, HSEON);
    rig.at_us(3_000);
    rig.rcc.advance(&mut rig.bench.cx());
    assert_eq!(rig.rcc.irq_lines(), 1);
    assert_eq!(rig.read(0x0c), 1 << 11 | 1 << 3);
    rig.write(0x0c, 1 << 19 | 1 << 11);
    assert_eq!((rig.read(0x0c), rig.rcc.irq_lines()), (1 << 11, 0));
}

#[test]
fn the_backup_domain_is_write_protected_and_survives_a_system_reset() {
    let mut rig = Rig::new();
    rig.write(0x70, 0x8101);
    assert_eq!(rig.read(0x70), 0, "DBP is clear");
    rig.rcc.set_backup_write_enabled(true);
    rig.write(0x70, 0x0001);
    rig.at_us(1_999_999);
    assert_eq!(rig.read(0x70) & LSERDY, 0);
    rig.at_us(2_000_000);
    assert_eq!(rig.read(0x70) & LSERDY, LSERDY);
    rig.write(0x70, 0x8103);
    assert_eq!(rig.rcc.clocks().rtc_hz, Some(32_768));
    rig.write(0x70, 0x8203);
    assert_eq!(rig.read(0x70), 0x8103, "RTCSEL is fixed once written");
    rig.set(0x74, RMVF);
    assert_eq!(rig.read(0x74), 0);
    rig.rcc.system_reset(ResetCause::Software, true);
    assert_eq!(rig.read(0x70), 0x8103);
    assert_eq!(rig.read(0x74), 1 << 28 | 1 << 26, "SFTRSTF and PINRSTF");
    rig.rcc.system_reset(ResetCause::IndependentWatchdog, true);
    assert_eq!(rig.read(0x74), 1 << 29 | 1 << 28 | 1 << 26, "flags stay until RMVF");
    rig.write(0x70, BDRST);
    assert!(rig.rcc.take_backup_reset());
    assert_eq!(rig.read(0x70), BDRST);
}

#[test]
fn reading_often_changes_nothing() {
    let run = |step_us: u64| {
        let mut rig = Rig::new();
        rig.set(0x00, HSEON);
        rig.write(0x04, 0x0540_3c1a);
        rig.set(0x00, PLLON);
        rig.set(0x08, 2);
        let mut us = 0;
        while us < 10_000 {
            us += step_us;
            rig.at_us(us);
            rig.rcc.advance(&mut rig.bench.cx());
        }
        (rig.read(0x00), rig.read(0x08), rig.rcc.oscillators.pll)
    };
    assert_eq!(run(1), run(10_000));
    assert_eq!(run(7 * 10), run(10_000));
}

#[test]
fn no_register_value_panics() {
    let mut rig = Rig::new();
    rig.rcc.set_backup_write_enabled(true);
    for value in [0, ALL, 0x5555_5555, 0xaaaa_aaaa, 0x0f0f_0f0f] {
        for offset in (0..0x100).step_by(4) {
            rig.write(offset, value);
            assert!(rig.rcc.clocks().hclk_hz > 0);
        }
        rig.bench.now.time_ps += PS_PER_S + PS_PER_MS;
    }
}
