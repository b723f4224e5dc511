use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Advance(u64),
    Read(u32),
    Write(u32, u32),
    Nss(bool),
    ClockStart,
    Clock(SpiFrame),
    DmaLast(u8),
    Divide(u64),
}

fn frame() -> impl Strategy<Value = SpiFrame> {
    (any::<Option<u16>>(), 0u8..20, 0u8..32, any::<u64>()).prop_map(|(mosi, bits, flags, bit_ps)| SpiFrame {
        mosi,
        bits,
        cpol: flags & 1 != 0,
        cpha: flags & 2 != 0,
        lsb_first: flags & 4 != 0,
        one_line: flags & 8 != 0,
        mosi_before: flags & 16 != 0,
        ..SpiFrame::byte(0, bit_ps, bit_ps)
    })
}

fn step() -> impl Strategy<Value = Step> {
    let control = prop_oneof![
        Just(MASTER | SPE),
        Just(MASTER | SPE | cr1::RXONLY),
        Just(MASTER | SPE | cr1::CRCEN | cr1::CRCNEXT),
        Just(cr1::SSM | SPE),
        0u32..0x1_0000,
    ];
    prop_oneof![
        4 => (0u64..700).prop_map(Step::Advance),
        2 => (0u32..10).prop_map(|word| Step::Read(word * 4)),
        2 => Just(Step::Read(SR)),
        2 => any::<u16>().prop_map(|word| Step::Write(DR, word.into())),
        2 => control.prop_map(|value| Step::Write(CR1, value)),
        1 => (0u32..10, 0u32..0x1_0000).prop_map(|(word, value)| Step::Write(word * 4, value)),
        1 => any::<bool>().prop_map(Step::Nss),
        1 => Just(Step::ClockStart),
        1 => frame().prop_map(Step::Clock),
        1 => (0u8..2).prop_map(Step::DmaLast),
        1 => (0u32..5).prop_map(|power| Step::Divide(1 << power)),
    ]
}

fn apply(rig: &mut Rig, step: &Step) -> u32 {
    match step {
        Step::Advance(_) => {}
        Step::Read(offset) => return rig.get(*offset),
        Step::Write(offset, value) => rig.set(*offset, *value),
        Step::Nss(level) => rig.spi.set_nss(*level, &mut rig.bench.cx()),
        Step::ClockStart => rig.spi.clock_start(&mut rig.bench.cx()),
        Step::Clock(frame) => {
            return rig.spi.clock_frame(frame, &mut rig.bench.cx()).map_or(u32::MAX, u32::from);
        }
        Step::DmaLast(line) => rig.spi.dma_last(*line),
        Step::Divide(hclk_per_pclk1) => {
            rig.spi.advance(&mut rig.bench.cx());
            rig.bench.clocks.hclk_per_pclk1 = *hclk_per_pclk1;
            rig.spi.clocks_changed(&mut rig.bench.cx());
        }
    }
    0
}

proptest! {
    /// Advancing in many steps, in one, or not at all between accesses gives the same reads, frames and state; nor
    /// does any sequence of register values panic.
    #[test]
    fn splitting_time_changes_nothing(steps in prop::collection::vec(step(), 0..60), cuts in 1u64..40) {
        let (mut one, mut many) = (Rig::master(0), Rig::master(0));
        one.answers(&[0x12, 0x34, 0x56]);
        many.answers(&[0x12, 0x34, 0x56]);
        for step in &steps {
            if let Step::Advance(cycles) = step {
                let target = one.bench.now.cycles + cycles;
                one.bench.at_cycle(target);
                for cut in 1..=cuts {
                    many.at(target - cycles + cycles * cut / cuts);
                }
            }
            prop_assert_eq!(apply(&mut one, step), apply(&mut many, step));
            one.spi.advance(&mut one.bench.cx());
            prop_assert_eq!(one.spi.irq_lines(), many.spi.irq_lines());
            prop_assert_eq!(one.spi.dma_requests(), many.spi.dma_requests());
            prop_assert_eq!(one.spi.outputs(), many.spi.outputs());
        }
        prop_assert_eq!(&one.bench.board.spi, &many.bench.board.spi);
        prop_assert_eq!(postcard::to_stdvec(&one.spi).unwrap(), postcard::to_stdvec(&many.spi).unwrap());
    }

    /// The short cut for polled registers: where it answers, a read answers the same and leaves the SPI as it was.
    #[test]
    fn a_quiet_read_is_a_read_that_changes_nothing(steps in prop::collection::vec(step(), 0..60)) {
        let mut rig = Rig::master(0);
        for step in &steps {
            if let Step::Advance(cycles) = step {
                rig.after(*cycles);
            }
            apply(&mut rig, step);
            rig.spi.advance(&mut rig.bench.cx());
            for offset in (0..0x28).step_by(4) {
                if let Some(quiet) = rig.spi.quiet_read(offset) {
                    let before = postcard::to_stdvec(&rig.spi).unwrap();
                    prop_assert_eq!(rig.get(offset), quiet, "{:#x}", offset);
                    prop_assert_eq!(postcard::to_stdvec(&rig.spi).unwrap(), before, "{:#x}", offset);
                }
            }
        }
    }

    /// A driver that waits for TXE and reads at RXNE gets back over a loop what it sends, in any format.
    #[test]
    fn words_accepted_are_words_received(
        words in prop::collection::vec(any::<u16>(), 1..30),
        format in 0u32..0x1_0000,
        step_cycles in 1u64..600,
    ) {
        let format = format & (cr1::CPHA | cr1::CPOL | cr1::LSBFIRST | cr1::DFF);
        let mut rig = Rig::new(1);
        rig.bench.board.spi_loopback = true;
        rig.set(CR1, MASTER | SPE | format);
        let mask = if format & cr1::DFF != 0 { 0xffff } else { 0xff };
        let expected: Vec<u32> = words.iter().map(|word| u32::from(*word) & mask).collect();
        let (mut left, mut received) = (words.into_iter(), Vec::new());
        let mut in_flight = 0;
        while received.len() < expected.len() {
            // No more than the shift register holds besides the Rx buffer, so that a slow driver loses nothing.
            if rig.flags(sr::TXE) != 0 && in_flight == 0 && let Some(word) = left.next() {
                rig.set(DR, word.into());
                in_flight += 1;
            }
            rig.after(step_cycles);
            if rig.flags(sr::RXNE) != 0 {
                received.push(rig.get(DR));
                in_flight -= 1;
            }
        }
        prop_assert_eq!(received, expected);
    }
}
