use super::*;

#[test]
fn a_frame_takes_eight_periods_and_the_flags_tell_each_step() {
    // 25.3.5: TXE when DR has moved on, RXNE at the last sampling edge; 25.3.7: BSY from the start to the end.
    for phase in [0, cr1::CPHA] {
        let mut rig = Rig::master(phase);
        rig.answers(&[0x93]);
        let all = sr::TXE | sr::RXNE | sr::BSY;
        assert_eq!(rig.flags(all), sr::TXE);
        rig.set(DR, 0x41);
        assert_eq!(rig.flags(all), sr::TXE | sr::BSY, "DR moves to the shift register at once");
        rig.at(FRAME - BIT / 2 - 1);
        assert_eq!(rig.flags(all), sr::TXE | sr::BSY);
        rig.at(FRAME - BIT / 2);
        assert_eq!(rig.flags(all), all);
        rig.at(FRAME - 1);
        assert_eq!(rig.flags(all), all);
        rig.at(FRAME);
        assert_eq!(rig.flags(all), sr::TXE | sr::RXNE);
        assert_eq!(rig.get(DR), 0x93);
        assert_eq!(rig.flags(all), sr::TXE);
        assert_eq!(rig.spi.wake(&Clocks::RESET), Wake::NEVER);
        let (bus, frame, now) = rig.bench.board.spi[0];
        assert_eq!((bus, frame.mosi, frame.bits, frame.bit_ps), (2, Some(0x41), 8, BIT_PS));
        assert_eq!((frame.start_ps, now.cycles), (0, FRAME - BIT / 2));
    }
}

#[test]
fn words_written_in_time_follow_without_a_gap() {
    // 25.3.5, continuous transfers: BSY stays set, TXE falls until the next frame begins.
    let mut rig = Rig::master(0);
    rig.set(DR, 1);
    rig.set(DR, 2);
    assert_eq!(rig.flags(sr::TXE | sr::BSY), sr::BSY);
    rig.at(FRAME - 1);
    assert_eq!(rig.flags(sr::TXE | sr::BSY), sr::BSY);
    rig.at(FRAME);
    assert_eq!(rig.flags(sr::TXE | sr::BSY), sr::TXE | sr::BSY);
    rig.at(2 * FRAME - 1);
    rig.set(DR, 3);
    rig.at(3 * FRAME - 1);
    assert_eq!(rig.flags(sr::BSY), sr::BSY);
    rig.at(3 * FRAME);
    assert_eq!(rig.flags(sr::BSY), 0);
    assert_eq!(rig.sent(), [1, 2, 3]);
    assert_eq!(rig.sampled_at(), [1, 2, 3].map(|n| n * FRAME - BIT / 2));
}

#[test]
fn a_word_written_too_early_replaces_the_one_that_waits() {
    // 25.3.5, note on TXE.
    let mut rig = Rig::master(0);
    for word in [1, 2, 3] {
        rig.set(DR, word);
    }
    rig.after(4 * FRAME);
    assert_eq!(rig.sent(), [1, 3]);
}

#[test]
fn all_baud_rates_on_both_buses() {
    // 25.5.1, BR: fPCLK/2 to fPCLK/256. SPI1 is on APB2.
    let clocks = Clocks { hclk_hz: 120_000_000, hclk_per_pclk1: 4, hclk_per_pclk2: 2, ..Clocks::RESET };
    for (number, pclk) in [(1, 2), (2, 4), (3, 4)] {
        for (rate, divisor) in [2, 4, 8, 16, 32, 64, 128, 256].into_iter().enumerate() {
            for (format, bits) in [(0, 8), (cr1::DFF, 16)] {
                let mut rig = Rig::new(number);
                rig.bench.clocks = clocks;
                rig.set(CR1, MASTER & !(7 << 3) | (rate as u32) << 3 | SPE | format);
                rig.set(DR, 0x55);
                let bit = divisor * pclk;
                rig.at(bits * bit - 1);
                assert_eq!(rig.flags(sr::BSY), sr::BSY, "SPI{number} / {divisor}");
                rig.at(bits * bit);
                assert_eq!(rig.flags(sr::BSY), 0, "SPI{number} / {divisor}");
                assert_eq!(rig.sampled_at(), [bits * bit - bit / 2]);
                let bit_ps = bit * 1_000_000 / 120;
                assert_eq!((rig.bench.board.spi[0].1.bit_ps, rig.spi.bit_ps(&clocks)), (bit_ps, bit_ps));
            }
        }
    }
}

#[test]
fn a_frame_has_the_format_that_is_set() {
    // 25.3.1: DFF, LSBFIRST, CPOL and CPHA. A word of 8 bits leaves the upper half of DR 0 (25.5.4).
    for bits in 0..16 {
        let setting = |bit: u32, set: u32| if bits >> bit & 1 != 0 { set } else { 0 };
        let control = setting(0, cr1::DFF) | setting(1, cr1::LSBFIRST) | setting(2, cr1::CPOL) | setting(3, cr1::CPHA);
        let mut rig = Rig::master(control);
        rig.answers(&[0x8421]);
        rig.set(DR, 0x1248);
        rig.after(2 * FRAME);
        let wide = control & cr1::DFF != 0;
        let frame = rig.bench.board.spi[0].1;
        assert_eq!((frame.mosi, frame.bits), if wide { (Some(0x1248), 16) } else { (Some(0x48), 8) });
        assert_eq!(frame.lsb_first, control & cr1::LSBFIRST != 0);
        assert_eq!((frame.cpol, frame.cpha), (control & cr1::CPOL != 0, control & cr1::CPHA != 0));
        assert_eq!(rig.get(DR), if wide { 0x8421 } else { 0x21 });
    }
}

#[test]
fn nobody_on_the_line_gives_ones() {
    let mut rig = Rig::master(0);
    rig.set(DR, 0);
    rig.after(FRAME);
    assert_eq!(rig.get(DR), 0xff);
}

#[test]
fn a_receive_only_master_clocks_from_spe_to_the_middle_of_the_last_frame() {
    // 25.3.5: the sequence begins with SPE. 25.3.8: after the last but one RXNE, one period of SCK, then SPE = 0.
    let mut rig = Rig::master(cr1::RXONLY);
    rig.answers(&[1, 2, 3, 4]);
    for word in 1..=2 {
        rig.at(word * FRAME - BIT / 2);
        assert_eq!(rig.flags(sr::RXNE | sr::BSY), sr::RXNE | sr::BSY);
        assert_eq!(u64::from(rig.get(DR)), word);
    }
    rig.after(BIT);
    rig.set(CR1, MASTER | cr1::RXONLY);
    assert_eq!(rig.flags(sr::BSY), 0, "25.3.7: disabled");
    assert_eq!(rig.spi.outputs().sck, Some(false), "the clock runs on");
    rig.at(3 * FRAME - BIT / 2);
    assert_eq!(rig.flags(sr::RXNE), sr::RXNE);
    assert_eq!(rig.get(DR), 3);
    rig.after(10 * FRAME);
    assert_eq!(rig.sampled_at().len(), 3, "no further frame");
    assert!(rig.bench.board.spi.iter().all(|(_, frame, _)| frame.mosi.is_none()));
    assert_eq!(rig.spi.outputs(), Default::default());
}

#[test]
fn a_bidirectional_master_sends_or_clocks_words_in() {
    // 25.3.4, 25.3.5 and 25.3.7: nothing is received while it sends; BSY stays low while it receives.
    let mut rig = Rig::master(cr1::BIDIMODE | cr1::BIDIOE);
    rig.set(DR, 0x5a);
    assert_eq!(rig.flags(sr::BSY), sr::BSY);
    rig.after(2 * FRAME);
    assert_eq!(rig.flags(sr::RXNE | sr::OVR), 0);
    assert_eq!(rig.sent(), [0x5a]);
    rig.answers(&[0x77]);
    let start = rig.bench.now.cycles;
    rig.set(CR1, MASTER | SPE | cr1::BIDIMODE);
    rig.at(start + FRAME - BIT / 2);
    assert_eq!(rig.flags(sr::RXNE | sr::BSY), sr::RXNE);
    assert_eq!(rig.get(DR), 0x77);
    let (_, frame, _) = rig.bench.board.spi[1];
    assert!(frame.one_line && frame.mosi.is_none());
    rig.set(CR1, MASTER | SPE | cr1::BIDIMODE | cr1::BIDIOE);
    rig.after(5 * FRAME);
    assert_eq!(rig.bench.board.spi.len(), 2, "the frame that was on its way is the last");
}

#[test]
fn the_disabling_procedure_loses_nothing() {
    // 25.3.8, full duplex: RXNE, TXE, BSY, then SPE.
    let mut rig = Rig::master(0);
    rig.answers(&[0x21, 0x43]);
    rig.set(DR, 1);
    rig.set(DR, 2);
    let mut received = Vec::new();
    while received.len() < 2 || rig.flags(sr::TXE) == 0 || rig.flags(sr::BSY) != 0 {
        rig.after(1);
        if rig.flags(sr::RXNE) != 0 {
            received.push(rig.get(DR));
        }
    }
    assert_eq!(rig.bench.now.cycles, 2 * FRAME);
    rig.set(CR1, MASTER);
    rig.after(FRAME);
    assert_eq!((received, rig.sent()), (vec![0x21, 0x43], vec![1, 2]));
}

#[test]
fn clearing_spe_cuts_a_frame_and_keeps_the_word_that_waits() {
    for (control, first_three) in [(0, 0b101), (cr1::LSBFIRST, 0b010)] {
        let mut rig = Rig::master(control);
        rig.set(DR, 0b1010_0010);
        rig.set(DR, 0x33);
        rig.after(3 * BIT);
        rig.set(CR1, MASTER | control);
        assert_eq!(rig.flags(sr::BSY | sr::TXE | sr::RXNE), 0, "25.3.7: BSY is cleared");
        let (_, frame, now) = rig.bench.board.spi[0];
        assert_eq!((frame.mosi, frame.bits), (Some(first_three), 3));
        assert_eq!((now.cycles, frame.start_ps), (5 * BIT / 2, 0), "the third sampling edge");
        rig.after(10 * FRAME);
        assert_eq!(rig.bench.board.spi.len(), 1);
        let start = rig.bench.now.cycles;
        rig.set(CR1, MASTER | SPE | control);
        rig.at(start + FRAME);
        assert_eq!(rig.bench.board.spi[1].1.mosi, Some(0x33));
        assert_eq!(rig.sampled_at()[1], start + FRAME - BIT / 2);
    }
    let mut early = Rig::master(0);
    early.set(DR, 1);
    early.after(BIT / 2 - 1);
    early.set(CR1, MASTER);
    assert!(early.bench.board.spi.is_empty(), "no sampling edge yet");
    let mut late = Rig::master(0);
    late.set(DR, 1);
    late.after(FRAME - 1);
    late.set(CR1, MASTER);
    assert_eq!(late.flags(sr::RXNE), sr::RXNE, "all bits were sampled");
    assert_eq!(late.bench.board.spi.len(), 1);
}

#[test]
fn a_changed_rate_holds_for_what_is_left_of_a_frame() {
    let mut rig = Rig::master(0);
    rig.set(DR, 1);
    rig.after(FRAME / 2);
    rig.set(CR1, MASTER & !(7 << 3) | SPE | 4 << 3);
    rig.at(FRAME / 2 + FRAME - 1);
    assert_eq!(rig.flags(sr::BSY), sr::BSY, "half a frame at half the rate");
    rig.at(FRAME / 2 + FRAME);
    assert_eq!(rig.flags(sr::BSY), 0);
    assert_eq!(rig.sampled_at(), [FRAME / 2 + FRAME - BIT]);

    let mut rig = Rig::master(0);
    rig.set(DR, 1);
    rig.after(FRAME / 2);
    rig.bench.clocks.hclk_per_pclk1 = 4;
    rig.spi.clocks_changed(&mut rig.bench.cx());
    rig.at(FRAME / 2 + 2 * FRAME - 1);
    assert_eq!(rig.flags(sr::BSY), sr::BSY);
    rig.at(FRAME / 2 + 2 * FRAME);
    assert_eq!(rig.flags(sr::BSY), 0);
}

#[test]
fn interrupts_follow_their_flags_and_enables() {
    // 25.3.11.
    let mut rig = Rig::master(0);
    for (enable, line) in [(0, 0), (cr2::TXEIE, 1), (cr2::RXNEIE, 0), (cr2::ERRIE, 0)] {
        rig.set(CR2, enable);
        assert_eq!(rig.spi.irq_lines(), line, "TXE only");
    }
    rig.set(DR, 1);
    rig.after(FRAME);
    for (enable, line) in [(cr2::RXNEIE, 1), (cr2::ERRIE, 0)] {
        rig.set(CR2, enable);
        assert_eq!(rig.spi.irq_lines(), line, "and RXNE");
    }
    rig.set(DR, 1);
    rig.after(FRAME);
    assert_eq!(rig.spi.irq_lines(), 1, "OVR");
    rig.get(DR);
    rig.get(SR);
    assert_eq!(rig.spi.irq_lines(), 0);
    rig.set(CR2, cr2::TXEIE);
    rig.set(DR, 1);
    assert_eq!(rig.spi.irq_lines(), 1);
    rig.set(DR, 2);
    assert_eq!(rig.spi.irq_lines(), 0);
}

#[test]
fn dma_requests_follow_txe_and_rxne() {
    // 25.3.9.
    let mut rig = Rig::master(0);
    assert_eq!(rig.spi.dma_requests(), 0);
    rig.set(CR2, cr2::TXDMAEN | cr2::RXDMAEN);
    assert_eq!(rig.spi.dma_requests(), 0b01);
    rig.set(DR, 1);
    rig.set(DR, 2);
    assert_eq!(rig.spi.dma_requests(), 0);
    rig.after(FRAME - BIT / 2);
    assert_eq!(rig.spi.dma_requests(), 0b10);
    rig.get(DR);
    rig.after(BIT / 2);
    assert_eq!(rig.spi.dma_requests(), 0b01);
}

#[test]
fn pins_show_the_idle_levels_while_it_is_enabled() {
    let mut rig = Rig::new(2);
    let outputs = |rig: &Rig| {
        let outputs = rig.spi.outputs();
        [outputs.sck, outputs.mosi, outputs.miso, outputs.nss]
    };
    let (low, high) = (Some(false), Some(true));
    for (control_1, control_2, expected) in [
        (MASTER, 0, [None; 4]),
        (MASTER | SPE, 0, [low, low, None, None]),
        (MASTER | SPE | cr1::CPOL, 0, [high, low, None, None]),
        (MASTER | SPE, cr2::SSOE, [low, low, None, None]),
        (MASTER & !cr1::SSM | SPE, cr2::SSOE, [low, low, None, low]),
        (MASTER | SPE | cr1::BIDIMODE | cr1::BIDIOE, 0, [low, low, None, None]),
        (MASTER | SPE | cr1::BIDIMODE, 0, [low, None, None, None]),
        (MASTER | SPE | cr1::RXONLY, 0, [low, None, None, None]),
        (SPE | cr1::SSM, 0, [None, None, low, None]),
        (SPE | cr1::SSM | cr1::SSI, 0, [None; 4]),
        (SPE | cr1::SSM | cr1::RXONLY, 0, [None; 4]),
    ] {
        rig.spi.reset();
        rig.set(CR2, control_2);
        rig.set(CR1, control_1);
        assert_eq!(outputs(&rig), expected, "CR1 {control_1:#x} CR2 {control_2:#x}");
    }
}

#[test]
fn what_is_not_modelled_is_reported() {
    let mut rig = Rig::new(2);
    rig.set(CR2, 1 << 4);
    rig.set(0x1c, 1 << 11);
    rig.set(0x1c, 1 << 11);
    rig.get(0x24);
    let names: Vec<_> = rig.bench.ledger.entries().iter().map(|(name, entry)| (name.as_str(), entry.count)).collect();
    assert_eq!(names, [("SPI2 read offset 0x24", 1), ("SPI2.CR2.FRF", 1), ("SPI2.I2SCFGR.I2SMOD", 1)]);

    let mut rig = Rig::new(1);
    // The vendor's library clears I2SMOD of every SPI.
    rig.set(0x1c, 0);
    assert_eq!((rig.get(0x1c), rig.get(SR), rig.get(CRCPR)), (0, 2, 7));
    assert!(rig.bench.ledger.entries().is_empty());
}
