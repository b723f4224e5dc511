//! What software and the other end of the wire observe.

use proptest::prelude::*;

use super::Usart;
use super::table::{cr1, cr2, cr3, sr};
use crate::device::{Device, UartFrame};
use crate::testing::Bench;
use crate::time::{Clocks, Wake};

const SR: u32 = 0x00;
const DR: u32 = 0x04;
const BRR: u32 = 0x08;
const CR1: u32 = 0x0c;
const CR2: u32 = 0x10;
const CR3: u32 = 0x14;
const ON: u32 = cr1::UE | cr1::TE | cr1::RE;
/// Cycles per bit and per 8N1 frame of the USART under test.
const BIT: u64 = 160;
const FRAME: u64 = 10 * BIT;
/// One bit at 16 MHz.
const BIT_PS: u64 = BIT * 62_500;

struct Rig {
    bench: Bench,
    usart: Usart,
}

impl Rig {
    /// Enabled, past the idle frame.
    fn new() -> Self {
        Self::with(3, 0, 0, 0)
    }

    fn with(number: u8, control_1: u32, control_2: u32, control_3: u32) -> Self {
        let mut rig = Self { bench: Bench::new(), usart: Usart::new(number) };
        rig.set(BRR, BIT as u32);
        rig.set(CR2, control_2);
        rig.set(CR3, control_3);
        rig.set(CR1, ON | control_1);
        rig.at(20 * BIT);
        rig
    }

    fn set(&mut self, offset: u32, value: u32) {
        self.usart.write(offset, value, u32::MAX, &mut self.bench.cx());
    }

    fn get(&mut self, offset: u32) -> u32 {
        self.usart.read(offset, &mut self.bench.cx())
    }

    /// Moves on to a cycle, stopping wherever the USART asks to.
    fn at(&mut self, cycle: u64) {
        self.bench.advance_to(&mut self.usart, cycle);
    }

    fn after(&mut self, cycles: u64) {
        self.at(self.bench.now.cycles + cycles);
    }

    /// A frame arrives, taking its time.
    fn arrives(&mut self, frame: UartFrame) {
        self.usart.receive_start(&mut self.bench.cx());
        self.after(FRAME);
        self.usart.receive(frame, &mut self.bench.cx());
    }

    fn byte(&mut self, data: u8) {
        self.arrives(UartFrame::byte(data, BIT_PS));
    }

    fn sent(&self) -> Vec<u16> {
        self.bench.board.sent.iter().map(|(_, frame, _)| frame.data).collect()
    }
}

#[test]
fn a_byte_takes_ten_bits_and_the_flags_tell_each_step() {
    let mut rig = Rig::new();
    let start = rig.bench.now.cycles;
    rig.get(SR);
    rig.set(DR, 0x41);
    assert_eq!(rig.get(SR) & (sr::TXE | sr::TC), sr::TXE, "DR moves to the shift register at once");
    rig.set(DR, 0x42);
    assert_eq!(rig.get(SR) & (sr::TXE | sr::TC), 0);
    rig.at(start + FRAME - 1);
    assert_eq!(rig.get(SR) & sr::TXE, 0);
    rig.at(start + FRAME);
    assert_eq!(rig.get(SR) & (sr::TXE | sr::TC), sr::TXE);
    rig.at(start + 2 * FRAME);
    assert_eq!(rig.get(SR) & (sr::TXE | sr::TC), sr::TXE | sr::TC);
    let ends: Vec<_> = rig.bench.board.sent.iter().map(|(n, f, now)| (*n, f.data, f.bit_ps, now.cycles)).collect();
    assert_eq!(ends, [(3, 0x41, BIT_PS, start + FRAME), (3, 0x42, BIT_PS, start + 2 * FRAME)]);
}

#[test]
fn a_frame_starts_on_the_free_running_bit_clock() {
    let mut rig = Rig::new();
    rig.after(BIT / 3);
    rig.set(DR, 0x55);
    rig.after(3 * FRAME);
    assert_eq!(rig.bench.board.sent[0].2.cycles, 21 * BIT + FRAME);
}

#[test]
fn enabling_the_transmitter_sends_an_idle_frame_first() {
    let mut rig = Rig { bench: Bench::new(), usart: Usart::new(3) };
    rig.set(BRR, BIT as u32);
    rig.set(CR1, ON);
    rig.set(DR, 0x31);
    assert_eq!(rig.get(SR) & sr::TXE, 0, "DR waits behind the idle frame");
    rig.after(3 * FRAME);
    assert_eq!(rig.bench.board.sent[0].2.cycles, BIT + FRAME + FRAME);
}

#[test]
fn genuine_settings_give_the_genuine_bit_time() {
    // 30 MHz PCLK1 of a 120 MHz HCLK, BRR 0x104: 260 PCLK cycles a bit.
    let mut rig = Rig::new();
    rig.set(BRR, 0x104);
    let clocks = Clocks { hclk_hz: 120_000_000, hclk_per_pclk1: 4, hclk_per_pclk2: 2, ..Clocks::RESET };
    assert_eq!(rig.usart.bit_ps(&clocks), Some(8_666_666));
    rig.set(CR1, ON | cr1::OVER8);
    rig.set(BRR, 0x103);
    assert_eq!(rig.usart.bit_ps(&clocks), Some((16 * 8 + 3) * 1_000_000 / 30));
    let mut first = Usart::new(1);
    first.write(BRR, 0x104, u32::MAX, &mut rig.bench.cx());
    assert_eq!(first.bit_ps(&clocks), Some(4_333_333), "USART1 is on APB2");
    first.write(BRR, 0xf, u32::MAX, &mut rig.bench.cx());
    assert_eq!(first.bit_ps(&clocks), None);
}

#[test]
fn a_clock_change_stretches_the_rest_of_a_frame() {
    let mut rig = Rig::new();
    rig.set(DR, 1);
    rig.after(FRAME / 2);
    rig.bench.clocks.hclk_per_pclk1 = 4;
    rig.usart.clocks_changed(&mut rig.bench.cx());
    let half = rig.bench.now.cycles;
    rig.after(10 * FRAME);
    assert_eq!(rig.bench.board.sent[0].2.cycles, half + 4 * FRAME / 2);
}

#[test]
fn a_second_write_before_txe_loses_the_first() {
    let mut rig = Rig::new();
    for byte in [1, 2, 3] {
        rig.set(DR, byte);
    }
    rig.after(5 * FRAME);
    assert_eq!(rig.sent(), [1, 3]);
}

#[test]
fn tc_is_cleared_by_sr_read_and_dr_write_or_by_writing_zero() {
    let mut rig = Rig::new();
    rig.set(DR, 1);
    assert_ne!(rig.get(SR) & sr::TC, 0, "without a read of SR before it the write leaves TC");
    rig.set(SR, !sr::TC);
    assert_eq!(rig.get(SR) & sr::TC, 0);
    rig.after(FRAME);
    assert_ne!(rig.get(SR) & sr::TC, 0);
    rig.set(DR, 2);
    assert_eq!(rig.get(SR) & sr::TC, 0);
}

#[test]
fn received_bytes_and_overrun() {
    let mut rig = Rig::new();
    rig.set(CR1, ON | cr1::RXNEIE);
    rig.byte(0x5a);
    assert_eq!(rig.usart.irq_lines(), 1);
    rig.byte(0xa5);
    assert_eq!(rig.get(SR) & (sr::RXNE | sr::ORE), sr::RXNE | sr::ORE);
    assert_eq!(rig.get(DR), 0x5a, "the word that waited is kept");
    assert_eq!(rig.get(SR) & (sr::RXNE | sr::ORE), 0);
    assert_eq!(rig.usart.irq_lines(), 0);
}

#[test]
fn a_dr_read_without_an_sr_read_leaves_the_overrun() {
    let mut rig = Rig::new();
    rig.set(CR1, ON | cr1::RXNEIE);
    rig.byte(1);
    rig.get(SR);
    rig.byte(2);
    rig.get(DR);
    assert_eq!(rig.usart.irq_lines(), 1, "ORE came after the read of SR: it still interrupts");
    assert_ne!(rig.get(SR) & sr::ORE, 0);
    rig.get(DR);
    assert_eq!(rig.usart.irq_lines(), 0);
}

#[test]
fn rxne_is_cleared_by_writing_zero() {
    let mut rig = Rig::new();
    rig.byte(1);
    rig.set(SR, !sr::RXNE);
    assert_eq!(rig.get(SR) & sr::RXNE, 0);
}

#[test]
fn an_idle_line_is_seen_once_a_frame_after_the_last_byte() {
    let mut rig = Rig::new();
    rig.set(CR1, ON | cr1::IDLEIE);
    rig.byte(1);
    rig.byte(2);
    rig.after(FRAME - 1);
    assert_eq!(rig.usart.irq_lines(), 0, "bytes back to back are no idle line");
    rig.after(1);
    assert_eq!(rig.usart.irq_lines(), 1);
    rig.get(SR);
    rig.get(DR);
    rig.after(10 * FRAME);
    assert_eq!(rig.usart.irq_lines(), 0, "not again until another byte");
}

#[test]
fn a_sender_with_another_baud_rate_is_garbled_the_same_way_each_time() {
    let mut seen = Vec::new();
    for _ in 0..2 {
        let mut rig = Rig::new();
        rig.arrives(UartFrame::byte(0x61, BIT_PS * 2));
        assert_ne!(rig.get(SR) & sr::FE, 0);
        seen.push(rig.get(DR));
    }
    assert_eq!(seen[0], seen[1]);
    assert_ne!(seen[0], 0x61);
    let mut rig = Rig::new();
    rig.arrives(UartFrame::byte(0x61, BIT_PS * 97 / 100));
    assert_eq!(rig.get(SR) & (sr::FE | sr::NF | sr::RXNE), sr::RXNE);
    assert_eq!(rig.get(DR), 0x61);
    rig.arrives(UartFrame::byte(0x61, BIT_PS * 1040 / 1000));
    assert_eq!(rig.get(SR) & (sr::FE | sr::NF), sr::NF, "readable, but the three samples differ");
    assert_eq!(rig.get(DR), 0x61);
}

#[test]
fn framing_error_break_and_parity() {
    let mut rig = Rig::with(3, 0, cr2::LINEN | cr2::LBDIE, 0);
    rig.arrives(UartFrame { framing_error: true, ..UartFrame::byte(0x42, BIT_PS) });
    assert_eq!(rig.get(SR) & (sr::FE | sr::LBD), sr::FE);
    assert_eq!(rig.get(DR), 0x42);
    rig.arrives(UartFrame { is_break: true, ..UartFrame::byte(0, BIT_PS) });
    assert_eq!(rig.get(SR) & (sr::FE | sr::LBD), sr::FE | sr::LBD);
    assert_eq!(rig.usart.irq_lines(), 1);
    assert_eq!(rig.get(DR), 0);
    rig.set(SR, !sr::LBD);
    assert_eq!(rig.usart.irq_lines(), 0);

    let mut rig = Rig::with(3, cr1::M | cr1::PCE | cr1::PEIE, 0, 0);
    let frame = UartFrame { bits: 9, ..UartFrame::byte(0x07, BIT_PS) };
    rig.arrives(frame);
    assert_eq!(rig.usart.irq_lines(), 0);
    assert_eq!(rig.get(DR), 0x107, "the parity bit stands above the data");
    rig.arrives(UartFrame { parity_error: true, ..frame });
    assert_eq!(rig.usart.irq_lines(), 1);
    rig.get(SR);
    assert_eq!(rig.get(DR), 0x007);
    assert_eq!(rig.usart.irq_lines(), 0);
}

#[test]
fn parity_replaces_the_top_bit_of_a_sent_word() {
    let mut rig = Rig::with(3, cr1::PCE, 0, 0);
    rig.set(DR, 0xff);
    rig.after(2 * FRAME);
    let frame = rig.bench.board.sent[0].1;
    assert_eq!((frame.data, frame.bits), (0x7f, 8));
}

#[test]
fn a_ninth_data_bit_is_not_there_when_the_sender_sends_eight() {
    let mut rig = Rig::with(3, cr1::M, 0, 0);
    rig.byte(0x12);
    assert_eq!(rig.get(DR), 0x112, "the stop bit is taken for data");
}

#[test]
fn rts_falls_while_a_byte_waits() {
    let mut rig = Rig::with(3, 0, 0, cr3::RTSE);
    rig.byte(1);
    rig.get(DR);
    let levels: Vec<_> = rig.bench.board.rts.iter().map(|(_, level, _)| *level).collect();
    assert_eq!(levels, [true, false, true]);
    rig.usart.reset();
    assert!(rig.usart.wake(&Clocks::RESET).is_due(rig.bench.now), "a reset withdraws RTS at the next chance");
    rig.usart.advance(&mut rig.bench.cx());
    assert!(!rig.bench.board.rts.last().unwrap().1);
    assert_eq!(rig.usart.wake(&Clocks::RESET), Wake::NEVER);
}

#[test]
fn cts_holds_the_next_frame_but_not_the_present_one() {
    let mut rig = Rig::with(3, 0, 0, cr3::CTSE | cr3::CTSIE);
    rig.get(SR);
    rig.set(DR, 1);
    rig.set(DR, 2);
    rig.after(BIT);
    rig.usart.set_cts(false, &mut rig.bench.cx());
    assert_eq!(rig.usart.irq_lines(), 1);
    rig.set(SR, !sr::CTS);
    assert_eq!(rig.usart.irq_lines(), 0);
    rig.after(10 * FRAME);
    assert_eq!(rig.sent(), [1]);
    assert_eq!(rig.get(SR) & (sr::TXE | sr::TC), 0, "the second byte still waits in DR");
    rig.usart.set_cts(true, &mut rig.bench.cx());
    rig.after(2 * FRAME);
    assert_eq!(rig.sent(), [1, 2]);
}

#[test]
fn uart4_has_no_flow_control() {
    let mut rig = Rig::with(4, 0, 0, cr3::CTSE | cr3::RTSE);
    assert_eq!(rig.get(CR3), 0);
    assert!(rig.bench.board.rts.is_empty());
    assert_eq!(rig.usart.name(), "UART4");
}

#[test]
fn a_break_is_low_for_a_frame_and_then_stops() {
    let mut rig = Rig::new();
    let start = rig.bench.now.cycles;
    rig.set(CR1, ON | cr1::SBK);
    rig.set(DR, 0x33);
    rig.after(5 * FRAME);
    assert_eq!(rig.get(CR1) & cr1::SBK, 0);
    let seen: Vec<_> =
        rig.bench.board.sent.iter().map(|(_, f, now)| (f.is_break, f.data, now.cycles - start)).collect();
    assert_eq!(seen, [(true, 0, FRAME), (false, 0x33, FRAME + BIT + FRAME)]);
}

#[test]
fn half_duplex_hears_itself() {
    let mut rig = Rig::with(3, 0, 0, cr3::HDSEL);
    rig.set(DR, 0x77);
    rig.after(2 * FRAME);
    assert_eq!(rig.get(DR), 0x77);
}

#[test]
fn mute_mode_wakes_by_idle_line_or_address() {
    let mut rig = Rig::new();
    rig.set(CR1, ON | cr1::RWU);
    rig.byte(1);
    assert_eq!(rig.get(SR) & sr::RXNE, 0);
    rig.after(FRAME);
    assert_eq!(rig.get(CR1) & cr1::RWU, 0);
    assert_eq!(rig.get(SR) & sr::IDLE, 0);
    rig.byte(2);
    assert_eq!(rig.get(DR), 2);

    let mut rig = Rig::with(3, cr1::WAKE, 5, 0);
    rig.byte(0x83);
    rig.byte(0x01);
    assert_eq!(rig.get(SR) & sr::RXNE, 0, "another node's address mutes");
    rig.byte(0x85);
    assert_eq!(rig.get(DR), 0x85);
    rig.byte(0x01);
    assert_eq!(rig.get(DR), 0x01);
}

#[test]
fn dma_requests_follow_txe_and_rxne() {
    let mut rig = Rig::with(3, 0, 0, cr3::DMAT | cr3::DMAR);
    assert_eq!(rig.usart.dma_requests(), 1);
    rig.set(DR, 1);
    rig.set(DR, 2);
    assert_eq!(rig.usart.dma_requests(), 0);
    rig.byte(1);
    assert_eq!(rig.usart.dma_requests(), 0b11);
}

#[test]
fn what_is_not_modelled_is_reported() {
    let mut rig = Rig::with(3, 0, 0, 1 << 1);
    rig.get(0x1c);
    let names: Vec<_> = rig.bench.ledger.entries().keys().cloned().collect();
    assert_eq!(names, ["USART3 read offset 0x1c", "USART3.CR3.IREN"]);
}

#[derive(Clone, Debug)]
enum Step {
    Advance(u64),
    Write(u8),
    Receive(u8, u64),
    Cts(bool),
    ReadStatus,
    ReadData,
    Control(u32),
    Divider(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0u64..5000).prop_map(Step::Advance),
        any::<u8>().prop_map(Step::Write),
        (any::<u8>(), 0..BIT_PS * 3).prop_map(|(byte, bit_ps)| Step::Receive(byte, bit_ps)),
        any::<bool>().prop_map(Step::Cts),
        Just(Step::ReadStatus),
        Just(Step::ReadData),
        (0u32..0x1_0000).prop_map(Step::Control),
        any::<u16>().prop_map(Step::Divider),
    ]
}

fn apply(rig: &mut Rig, step: &Step) -> u32 {
    match step {
        Step::Advance(_) => 0,
        Step::Write(byte) => {
            rig.set(DR, (*byte).into());
            0
        }
        Step::Receive(byte, bit_ps) => {
            rig.usart.receive(UartFrame::byte(*byte, *bit_ps), &mut rig.bench.cx());
            0
        }
        Step::Cts(level) => {
            rig.usart.set_cts(*level, &mut rig.bench.cx());
            0
        }
        Step::ReadStatus => rig.get(SR),
        Step::ReadData => rig.get(DR),
        Step::Control(value) => {
            rig.set(CR1, *value);
            rig.get(CR1)
        }
        Step::Divider(value) => {
            rig.set(BRR, (*value).into());
            0
        }
    }
}

proptest! {
    /// A driver that waits for TXE loses nothing, whatever nCTS and time do.
    #[test]
    fn bytes_accepted_are_bytes_sent(steps in prop::collection::vec(step(), 0..80)) {
        let mut rig = Rig::with(3, 0, 0, cr3::CTSE);
        let mut accepted = Vec::new();
        for step in &steps {
            match step {
                Step::Advance(cycles) => rig.after(*cycles),
                Step::Write(byte) if rig.get(SR) & sr::TXE != 0 => {
                    rig.set(DR, (*byte).into());
                    accepted.push(u16::from(*byte));
                }
                Step::Write(_) | Step::Control(_) | Step::Divider(_) => {}
                other => { apply(&mut rig, other); }
            }
        }
        rig.usart.set_cts(true, &mut rig.bench.cx());
        rig.after(3 * FRAME);
        prop_assert_eq!(rig.sent(), accepted);
    }

    /// Advancing in many steps, in one, or not at all between accesses gives the same reads, frames and state; nor
    /// does any sequence of register values panic.
    #[test]
    fn splitting_time_changes_nothing(steps in prop::collection::vec(step(), 0..60), cuts in 1u64..40) {
        let mut one = Rig::with(3, 0, 0, cr3::CTSE | cr3::RTSE);
        let mut many = Rig::with(3, 0, 0, cr3::CTSE | cr3::RTSE);
        for step in &steps {
            if let Step::Advance(cycles) = step {
                let target = one.bench.now.cycles + cycles;
                one.bench.at_cycle(target);
                for cut in 1..=cuts {
                    many.at(target - cycles + cycles * cut / cuts);
                }
            }
            prop_assert_eq!(apply(&mut one, step), apply(&mut many, step));
            one.usart.advance(&mut one.bench.cx());
            prop_assert_eq!(one.usart.irq_lines(), many.usart.irq_lines());
        }
        prop_assert_eq!(&one.bench.board.sent, &many.bench.board.sent);
        prop_assert_eq!(&one.bench.board.rts, &many.bench.board.rts);
        prop_assert_eq!(postcard::to_stdvec(&one.usart).unwrap(), postcard::to_stdvec(&many.usart).unwrap());
    }
}
