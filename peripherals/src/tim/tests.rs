//! What firmware observes of a timer, and the counter against a reference that counts one clock at a time.

use super::*;
use crate::testing::Bench;
use proptest::prelude::*;

struct Rig {
    bench: Bench,
    tim: Timer,
}

impl Rig {
    fn new(instance: Instance) -> Self {
        Self { bench: Bench::new(), tim: Timer::new(instance) }
    }

    fn r(&mut self, index: usize) -> u32 {
        self.tim.read(4 * index as u32, &mut self.bench.cx())
    }

    fn w(&mut self, index: usize, value: u32) {
        self.tim.write(4 * index as u32, value, u32::MAX, &mut self.bench.cx());
    }

    fn pass(&mut self, cycles: u64) {
        self.bench.at_cycle(self.bench.now.cycles + cycles);
    }

    fn input(&mut self, channel: usize, level: bool) {
        self.tim.input(channel, level, &mut self.bench.cx());
    }
}

#[test]
fn the_led_s_pwm_is_seen_as_duty() {
    // As the vendor's firmware sets it up: 1 MHz, 100 Hz, PWM1, preloads.
    let mut rig = Rig::new(Instance::Tim2);
    rig.w(PSC, 59);
    rig.w(ARR, 9999);
    rig.w(CCMR1, 0x68 << 8);
    rig.w(CCER, 1 << 4);
    rig.w(CCR1 + 1, 2500);
    rig.w(CR1, CEN | ARPE);
    rig.w(EGR, 1);
    assert_eq!(rig.tim.channel_output(1), (2500, 10_000, true));
    assert!(rig.tim.output_level(1));
    rig.pass(60 * 2500);
    assert_eq!(rig.r(CNT), 2500);
    assert!(!rig.tim.output_level(1));
    rig.w(CCR1 + 1, 5000);
    assert_eq!(rig.tim.channel_output(1).0, 2500, "preloaded until the update");
    rig.pass(60 * 7500);
    rig.r(CNT);
    assert_eq!(rig.tim.channel_output(1).0, 5000);
    rig.w(CCER, 3 << 4);
    assert_eq!(rig.tim.channel_output(1).0, 5000);
    assert!(!rig.tim.output_level(1), "active low");
}

#[test]
fn the_update_interrupt_comes_every_period_of_the_prescaled_clock() {
    let mut rig = Rig::new(Instance::Tim6);
    rig.bench.clocks.hclk_per_tim_apb1 = 2;
    rig.w(PSC, 9);
    rig.w(ARR, 99);
    rig.w(EGR, 1);
    assert_eq!(rig.r(SR), UIF, "UG loads the prescaler and sets UIF");
    rig.w(SR, 0);
    rig.w(DIER, 1);
    rig.w(CR1, CEN);
    for period in 1..=5 {
        let wake = rig.tim.wake(&rig.bench.clocks).cycle;
        assert_eq!(wake, period * 2 * 10 * 100);
        rig.bench.at_cycle(wake - 1);
        rig.tim.advance(&mut rig.bench.cx());
        assert_eq!(rig.tim.irq_lines(), 0);
        rig.bench.at_cycle(wake);
        rig.tim.advance(&mut rig.bench.cx());
        assert_eq!(rig.tim.irq_lines(), 1);
        rig.w(SR, !UIF);
    }
}

#[test]
fn one_pulse_mode_stops_at_the_update() {
    let mut rig = Rig::new(Instance::Tim3);
    rig.w(ARR, 49);
    rig.w(CR1, CEN | OPM);
    rig.pass(1000);
    assert_eq!(rig.r(CR1), OPM);
    assert_eq!((rig.r(CNT), rig.r(SR) & UIF), (0, UIF));
}

#[test]
fn urs_and_udis_keep_uif_clear() {
    let mut rig = Rig::new(Instance::Tim4);
    rig.w(CR1, URS);
    rig.w(EGR, 1);
    assert_eq!(rig.r(SR) & UIF, 0);
    rig.w(ARR, 9);
    rig.w(CR1, UDIS | CEN);
    rig.pass(1000);
    assert_eq!(rig.r(SR) & UIF, 0);
    rig.w(CR1, CEN);
    rig.pass(10);
    assert_eq!(rig.r(SR) & UIF, UIF);
}

#[test]
fn an_advanced_timer_counts_repetitions_and_splits_its_interrupts() {
    let mut rig = Rig::new(Instance::Tim1);
    rig.w(ARR, 9);
    rig.w(RCR, 2);
    rig.w(EGR, 1);
    rig.w(SR, 0);
    rig.w(DIER, 0xff);
    rig.w(CR1, CEN);
    assert_eq!(rig.tim.wake(&rig.bench.clocks).cycle, 10, "the compare channels match at 0 each period");
    rig.w(DIER, 1);
    assert_eq!(rig.tim.wake(&rig.bench.clocks).cycle, 30);
    rig.pass(29);
    assert_eq!(rig.r(SR) & UIF, 0);
    rig.pass(1);
    assert_eq!(rig.r(SR) & UIF, UIF);
    assert_eq!(rig.tim.irq_lines(), 1 << 1);
    rig.w(EGR, 0xa0);
    rig.w(DIER, 0xff);
    assert_eq!(rig.tim.irq_lines(), 0b1111);
}

#[test]
fn break_takes_the_outputs_off_until_software_or_an_update_allows_them() {
    let mut rig = Rig::new(Instance::Tim8);
    rig.w(CCMR1, 0x50);
    rig.w(CCER, 1);
    assert!(!rig.tim.output_level(0));
    rig.w(BDTR, MOE | BKE | BKP);
    assert!(rig.tim.output_level(0), "forced active");
    rig.tim.break_input(true, &mut rig.bench.cx());
    assert!(!rig.tim.output_level(0));
    assert_eq!(rig.r(SR) & BIF, BIF);
    rig.w(BDTR, MOE | BKE | BKP | AOE);
    assert!(!rig.tim.output_level(0), "not while the break lasts");
    rig.tim.break_input(false, &mut rig.bench.cx());
    rig.w(EGR, 1);
    assert!(rig.tim.output_level(0));
}

#[test]
fn capture_measures_the_time_between_edges() {
    let mut rig = Rig::new(Instance::Tim5);
    rig.w(CCMR1, 0x01);
    rig.w(CCER, 0x1);
    rig.w(DIER, 2 | 1 << 9);
    rig.w(CR1, CEN);
    rig.pass(123);
    rig.input(0, true);
    assert_eq!(rig.tim.irq_lines(), 1);
    assert_eq!(rig.tim.dma_requests(), 2);
    rig.tim.acknowledge_dma(2);
    assert_eq!(rig.r(CCR1), 123);
    assert_eq!((rig.tim.irq_lines(), rig.tim.dma_requests()), (0, 0), "reading the capture clears its flag");
    rig.pass(10);
    rig.input(0, false);
    assert_eq!(rig.r(SR) & 2, 0, "falling edges are not captured");
    rig.pass(10);
    rig.input(0, true);
    rig.pass(1);
    rig.input(0, false);
    rig.input(0, true);
    assert_eq!(rig.r(SR) & 0x202, 0x202, "overcapture");
    assert_eq!(rig.r(CCR1), 144);
}

#[test]
fn the_input_filter_swallows_glitches_and_the_prescaler_counts_edges() {
    let mut rig = Rig::new(Instance::Tim3);
    // Filter 3: eight kernel clocks; every second edge.
    rig.w(CCMR1, 0x35);
    rig.w(CCER, 0x1);
    rig.w(CR1, CEN);
    rig.pass(100);
    rig.input(0, true);
    rig.pass(7);
    rig.input(0, false);
    rig.pass(100);
    assert_eq!(rig.r(SR) & 2, 0);
    for _ in 0..2 {
        rig.input(0, true);
        rig.pass(20);
        rig.input(0, false);
        rig.pass(20);
    }
    assert_eq!(rig.r(SR) & 2, 2);
    assert_eq!(rig.r(CCR1), 207 + 40 + 8);
}

#[test]
fn slave_modes_reset_gate_start_and_clock_the_counter() {
    let mut rig = Rig::new(Instance::Tim2);
    let pulse = |rig: &mut Rig| {
        rig.tim.internal_trigger(1, true, &mut rig.bench.cx());
        rig.tim.internal_trigger(1, false, &mut rig.bench.cx());
    };
    rig.w(SMCR, 1 << 4 | 4);
    rig.w(CR1, CEN);
    rig.pass(50);
    pulse(&mut rig);
    assert_eq!((rig.r(CNT), rig.r(SR) & (TIF | UIF)), (0, TIF | UIF));
    rig.w(SMCR, 1 << 4 | 5);
    rig.pass(50);
    assert_eq!(rig.r(CNT), 0, "gate closed");
    rig.tim.internal_trigger(1, true, &mut rig.bench.cx());
    rig.pass(7);
    rig.tim.internal_trigger(1, false, &mut rig.bench.cx());
    rig.pass(50);
    assert_eq!(rig.r(CNT), 7);
    rig.w(SMCR, 1 << 4 | 7);
    for _ in 0..5 {
        pulse(&mut rig);
    }
    assert_eq!(rig.r(CNT), 12, "external clock mode 1");
    rig.w(CR1, 0);
    rig.w(SMCR, 1 << 4 | 6);
    rig.pass(50);
    pulse(&mut rig);
    rig.pass(3);
    assert_eq!((rig.r(CNT), rig.r(CR1)), (15, CEN));
    rig.w(SMCR, ECE | 1 << 12);
    for _ in 0..6 {
        rig.tim.external_trigger(true, &mut rig.bench.cx());
        rig.tim.external_trigger(false, &mut rig.bench.cx());
        rig.pass(10);
    }
    assert_eq!(rig.r(CNT), 18, "external clock mode 2, every second edge");
}

#[test]
fn an_encoder_turned_forth_and_back_returns_to_its_count() {
    let mut rig = Rig::new(Instance::Tim4);
    rig.w(CCMR1, 0x0101);
    rig.w(SMCR, 3);
    rig.w(CR1, CEN);
    rig.w(CNT, 100);
    let forth = [(0, true), (1, true), (0, false), (1, false)];
    for (channel, level) in forth.into_iter().cycle().take(12) {
        rig.input(channel, level);
    }
    assert_eq!((rig.r(CNT), rig.r(CR1) & DIR), (112, 0));
    let back = [(1, true), (0, true), (1, false), (0, false)];
    for (channel, level) in back.into_iter().cycle().take(12) {
        rig.input(channel, level);
    }
    assert_eq!((rig.r(CNT), rig.r(CR1) & DIR), (100, DIR));
}

#[test]
fn a_dma_burst_walks_through_the_registers() {
    let mut rig = Rig::new(Instance::Tim3);
    rig.w(DIER, 1 << 8);
    rig.w(DCR, CCR1 as u32 | 2 << 8);
    rig.w(EGR, 1);
    for value in [11, 22, 33] {
        assert_eq!(rig.tim.dma_requests(), 1);
        rig.w(DMAR, value);
        rig.tim.acknowledge_dma(1);
    }
    assert_eq!(rig.tim.dma_requests(), 0);
    assert_eq!([rig.r(CCR1), rig.r(CCR1 + 1), rig.r(CCR1 + 2)], [11, 22, 33]);
    // A window onto itself must not recurse.
    rig.w(DCR, DMAR as u32);
    rig.w(DMAR, 1);
    assert_eq!(rig.r(DMAR), 0);
}

#[test]
fn an_hour_of_a_fast_timer_costs_nothing() {
    let mut rig = Rig::new(Instance::Tim3);
    rig.w(ARR, 1);
    rig.w(CCMR1, 0x30);
    rig.w(CCER, 1);
    rig.w(CR2, 2 << 4);
    rig.w(CR1, CEN);
    rig.pass(2 * 120_000_000 * 3600 + 2);
    rig.tim.advance(&mut rig.bench.cx());
    assert_eq!(rig.tim.trigger_pulses(), 120_000_000 * 3600 + 1);
    assert!(rig.tim.output_level(0), "toggled an odd number of times");
}

#[test]
fn a_counter_beyond_its_reload_value_comes_round_and_goes_on() {
    let mut rig = Rig::new(Instance::Tim2);
    rig.w(CNT, 0xffff_0000);
    rig.w(ARR, 2);
    rig.w(CR2, 2 << 4);
    rig.w(CR1, CEN);
    rig.pass(0x1_0000);
    assert_eq!((rig.r(CNT), rig.r(SR) & UIF), (0, 0), "the natural wrap is no overflow");
    rig.pass(3 * 1_000_000_000_000 + 1);
    assert_eq!((rig.r(CNT), rig.r(SR) & UIF), (1, UIF));
    assert_eq!(rig.tim.trigger_pulses(), 1_000_000_000_000);
}

#[test]
fn the_trigger_output_carries_the_reference() {
    let mut rig = Rig::new(Instance::Tim2);
    rig.w(CR2, 5 << 4);
    rig.w(CCMR1, 0x60 << 8);
    rig.w(ARR, 9);
    rig.w(CCR1 + 1, 4);
    rig.w(CR1, CEN);
    assert!(rig.tim.trigger_output());
    rig.pass(4);
    rig.r(CNT);
    assert!(!rig.tim.trigger_output());
}

/// A timer that is advanced one kernel clock at a time and knows no shortcut.
#[derive(Clone, Debug)]
struct Reference {
    count: i64,
    prescale: u32,
    down: bool,
    repetition: u32,
    active: (u32, u32, [u32; 4]),
    sr: u32,
    running: bool,
    level: [bool; 4],
}

#[derive(Clone, Debug)]
struct Program {
    psc: u32,
    arr: u32,
    rcr: u32,
    compare: [u32; 4],
    modes: [u32; 4],
    cr1: u32,
    count: u32,
    /// Values written to the preloads after the start.
    second: (u32, u32, [u32; 4]),
}

fn program() -> impl Strategy<Value = Program> {
    let values = || (0u32..4, 0u32..12, [0u32..15, 0u32..15, 0u32..15, 0u32..15]);
    // DIR, CMS, OPM, UDIS, URS in all combinations; ARPE too.
    (values(), 0u32..4, [0u32..16, 0u32..16, 0u32..16, 0u32..16], 0u32..0x100, 0u32..15, values()).prop_map(
        |((psc, arr, compare), rcr, modes, cr1, count, second)| Program {
            psc,
            arr,
            rcr,
            compare,
            modes,
            cr1: cr1 & !CEN,
            count,
            second,
        },
    )
}

impl Program {
    fn preloads(&self, channel: usize) -> bool {
        self.modes[channel] & 8 != 0
    }

    fn start(&self, rig: &mut Rig) {
        rig.w(
            CCMR1,
            self.modes[0] << 4 & 0x70 | self.modes[0] & 8 | self.modes[1] << 12 & 0x7000 | (self.modes[1] & 8) << 8,
        );
        rig.w(
            CCMR1 + 1,
            self.modes[2] << 4 & 0x70 | self.modes[2] & 8 | self.modes[3] << 12 & 0x7000 | (self.modes[3] & 8) << 8,
        );
        rig.w(PSC, self.psc);
        rig.w(ARR, self.arr);
        rig.w(RCR, self.rcr);
        for channel in 0..4 {
            rig.w(CCR1 + channel, self.compare[channel]);
        }
        rig.w(CR1, self.cr1 & !UDIS);
        rig.w(EGR, 1);
        rig.w(SR, 0);
        rig.w(CNT, self.count);
        rig.w(CR1, self.cr1 | CEN);
        rig.w(PSC, self.second.0);
        rig.w(ARR, self.second.1);
        for channel in 0..4 {
            rig.w(CCR1 + channel, self.second.2[channel]);
        }
    }

    fn reference(&self, level: [bool; 4]) -> Reference {
        let mut compare = self.compare;
        for (channel, compare) in compare.iter_mut().enumerate() {
            if !self.preloads(channel) {
                *compare = self.second.2[channel];
            }
        }
        Reference {
            count: self.count.into(),
            prescale: 0,
            down: self.cr1 & DIR != 0 && self.cr1 & CMS == 0,
            repetition: self.rcr,
            active: (self.psc, if self.cr1 & ARPE != 0 { self.arr } else { self.second.1 }, compare),
            sr: 0,
            running: true,
            level,
        }
    }
}

impl Reference {
    fn clock(&mut self, p: &Program) {
        if !self.running || self.active.1 == 0 {
            return;
        }
        self.prescale += 1;
        if self.prescale <= self.active.0 {
            return;
        }
        self.prescale = 0;
        let centre = p.cr1 & CMS != 0;
        let top = i64::from(self.active.1);
        if centre && !self.down && self.count >= top {
            self.down = true;
        } else if centre && self.down && self.count == 0 {
            self.down = false;
        }
        let down = self.down;
        self.count += if down { -1 } else { 1 };
        let (overflow, underflow) = if centre {
            (!down && self.count == top, down && self.count == 0)
        } else {
            (!down && self.count == top + 1, down && self.count == -1)
        };
        if !centre && !down && self.count > 0xffff {
            self.count = 0;
        }
        if overflow || (underflow && !centre) {
            for channel in 0..4 {
                if i64::from(self.active.2[channel]) > top {
                    self.sr |= 2 << channel;
                }
            }
        }
        if overflow || underflow {
            if self.repetition > 0 {
                self.repetition -= 1;
            } else if p.cr1 & UDIS == 0 {
                self.sr |= 1;
                self.repetition = p.rcr;
                self.active = p.second;
                self.running = p.cr1 & OPM == 0;
            }
            match (centre, down) {
                (false, false) => self.count = 0,
                (false, true) => self.count = self.active.1.into(),
                (true, false) => {
                    self.count = self.active.1.into();
                    self.down = true;
                }
                (true, true) => self.down = false,
            }
        }
        for channel in 0..4 {
            if i64::from(self.active.2[channel]) == self.count {
                match p.modes[channel] & 7 {
                    1 => self.level[channel] = true,
                    2 => self.level[channel] = false,
                    3 => self.level[channel] = !self.level[channel],
                    _ => {}
                }
                let cms = (p.cr1 & CMS) >> 5;
                let shows = match cms {
                    1 => down || overflow,
                    2 => !down || underflow,
                    _ => true,
                };
                if shows {
                    self.sr |= 2 << channel;
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn jumping_equals_counting_one_by_one(p in program(), stops in prop::collection::vec(0u64..400, 1..6), per_tick in 1u64..4) {
        let mut rig = Rig::new(Instance::Tim1);
        rig.bench.clocks.hclk_per_tim_apb2 = per_tick;
        p.start(&mut rig);
        let mut reference = p.reference(rig.tim.counter.reference);
        let mut cycle = 0;
        let mut ticks = 0;
        for stop in stops {
            cycle += stop;
            rig.bench.at_cycle(cycle);
            while (ticks + 1) * per_tick <= cycle {
                reference.clock(&p);
                ticks += 1;
            }
            prop_assert_eq!(i64::from(rig.r(CNT)), reference.count, "count at {}", cycle);
            prop_assert_eq!(rig.r(SR), reference.sr, "flags at {}", cycle);
            prop_assert_eq!(rig.r(CR1) & CEN != 0, reference.running);
            prop_assert_eq!(rig.tim.counter.reference, reference.level);
            if p.cr1 & CMS != 0 {
                prop_assert_eq!(rig.r(CR1) & DIR != 0, reference.down);
            }
        }
    }

    #[test]
    fn splitting_time_changes_nothing(p in program(), cuts in prop::collection::vec(0u64..5000, 0..30)) {
        let mut one = Rig::new(Instance::Tim1);
        p.start(&mut one);
        let mut many = one.tim.clone();
        for cut in cuts {
            one.pass(cut);
            many.advance(&mut one.bench.cx());
        }
        one.tim.advance(&mut one.bench.cx());
        prop_assert_eq!(one.tim.counter, many.counter);
        prop_assert_eq!(one.tim.regs, many.regs);
    }

    #[test]
    fn the_wake_up_is_never_later_than_the_interrupt(p in program(), enabled in 0u32..0x20) {
        let mut rig = Rig::new(Instance::Tim1);
        p.start(&mut rig);
        rig.w(DIER, enabled);
        let mut reference = p.reference(rig.tim.counter.reference);
        let mut due = None;
        for cycle in 1..2000u64 {
            reference.clock(&p);
            if reference.sr & enabled != 0 {
                due = Some(cycle);
                break;
            }
        }
        // Follow the wakes as the machine does: an interrupt must be up exactly when it is due.
        while rig.tim.irq_lines() == 0 {
            let wake = rig.tim.wake(&rig.bench.clocks).cycle;
            prop_assert!(wake > rig.bench.now.cycles, "no progress");
            if wake >= 2000 {
                break;
            }
            rig.bench.at_cycle(wake);
            rig.tim.advance(&mut rig.bench.cx());
        }
        let seen = (rig.tim.irq_lines() != 0).then_some(rig.bench.now.cycles);
        prop_assert_eq!(seen, due);
    }

}

proptest! {
    #[test]
    fn hostile_accesses_are_survived(
        which in 0usize..14, accesses in prop::collection::vec((0u32..24, any::<u32>(), any::<bool>(), 0u64..1 << 40), 0..60)
    ) {
        let mut rig = Rig::new(Instance::ALL[which]);
        for (index, value, flag, delay) in accesses {
            if flag {
                rig.w(index as usize, value);
            } else {
                rig.r(index as usize);
            }
            rig.pass(delay);
            rig.input((value & 7) as usize, flag);
            rig.tim.external_trigger(flag, &mut rig.bench.cx());
            rig.tim.internal_trigger((value >> 3 & 7) as usize, flag, &mut rig.bench.cx());
            rig.tim.wake(&rig.bench.clocks);
            for channel in 0..6 {
                let (high, period, _) = rig.tim.channel_output(channel);
                prop_assert!(high <= period && period > 0);
                rig.tim.output_level(channel);
            }
            rig.tim.trigger_output();
        }
    }
}
