use super::*;

/// SPI3 as a slave selected by software.
fn slave(control: u32) -> Rig {
    let mut rig = Rig::new(3);
    rig.set(CR1, cr1::SSM | SPE | control);
    rig
}

#[test]
fn a_slave_answers_what_was_written_before_and_receives_what_came() {
    // 25.3.2 and 25.3.5: TXE when the first bit moves, RXNE at the last sampling edge.
    for phase in [false, true] {
        for polarity in [false, true] {
            let control = (u32::from(phase) * cr1::CPHA) | (u32::from(polarity) * cr1::CPOL);
            let mut rig = slave(control);
            rig.set(DR, 0xa5);
            let all = sr::TXE | sr::RXNE | sr::BSY;
            assert_eq!(rig.flags(all), 0, "the word waits for a clock");
            rig.spi.clock_start(&mut rig.bench.cx());
            assert_eq!(rig.flags(all), sr::TXE | sr::BSY);
            let frame = SpiFrame { cpol: polarity, cpha: phase, ..SpiFrame::byte(0x3c, BIT_PS, 0) };
            let miso = rig.spi.clock_frame(&frame, &mut rig.bench.cx());
            assert_eq!(miso, Some(0xa5), "mode {polarity} {phase}");
            assert_eq!(rig.flags(all), sr::TXE | sr::RXNE);
            assert_eq!(rig.get(DR), 0x3c);
        }
    }
}

#[test]
fn a_frame_that_was_not_announced_is_heard_too() {
    let mut rig = slave(cr1::LSBFIRST);
    rig.set(DR, 0x17);
    let frame = SpiFrame { lsb_first: true, ..SpiFrame::byte(0x3c, BIT_PS, 0) };
    assert_eq!(rig.spi.clock_frame(&frame, &mut rig.bench.cx()), Some(0x17));
    assert_eq!(rig.get(DR), 0x3c);
}

#[test]
fn a_slave_without_a_word_repeats_what_came_in() {
    let mut rig = slave(0);
    assert_eq!(rig.clocks(&SpiFrame::byte(0x12, BIT_PS, 0)), Some(0));
    rig.get(DR);
    assert_eq!(rig.clocks(&SpiFrame::byte(0x34, BIT_PS, 0)), Some(0x12));
}

#[test]
fn a_slave_overruns_as_a_master_does() {
    let mut rig = slave(0);
    rig.clocks(&SpiFrame::byte(1, BIT_PS, 0));
    rig.clocks(&SpiFrame::byte(2, BIT_PS, 0));
    assert_eq!(rig.flags(sr::OVR), sr::OVR);
    assert_eq!(rig.get(DR), 1);
}

#[test]
fn bits_are_counted_and_not_frames() {
    let mut wide = slave(cr1::DFF);
    wide.set(DR, 0xbeef);
    assert_eq!(wide.clocks(&SpiFrame::byte(0x12, BIT_PS, 0)), Some(0xbe));
    assert_eq!(wide.flags(sr::RXNE), 0);
    assert_eq!(wide.clocks(&SpiFrame::byte(0x34, BIT_PS, 0)), Some(0xef));
    assert_eq!(wide.get(DR), 0x1234);

    let mut narrow = slave(0);
    narrow.set(DR, 0x5a);
    let frame = SpiFrame { mosi: Some(0x1234), bits: 16, ..SpiFrame::byte(0, BIT_PS, 0) };
    assert_eq!(narrow.clocks(&frame), Some(0x5a12), "the second word is what came in with the first");
    assert_eq!(narrow.flags(sr::OVR), sr::OVR);

    // Three stray bits shift all that follows, until the SPI is disabled.
    let mut rig = slave(0);
    rig.clocks(&SpiFrame { bits: 3, ..SpiFrame::byte(0b101, BIT_PS, 0) });
    rig.clocks(&SpiFrame::byte(0xff, BIT_PS, 0));
    assert_eq!(rig.get(DR), 0b1011_1111);
    rig.set(CR1, cr1::SSM);
    rig.set(CR1, cr1::SSM | SPE);
    rig.clocks(&SpiFrame::byte(0x42, BIT_PS, 0));
    assert_eq!(rig.get(DR), 0x42);
}

#[test]
fn a_slave_in_another_mode_hears_shifted_bits() {
    // A master in mode 1 changes MOSI at the rising edge at which a slave in mode 0 samples: it gets the bit before.
    let mut rig = slave(0);
    rig.set(DR, 0xff);
    let frame = SpiFrame { cpha: true, ..SpiFrame::byte(0b1011_0011, BIT_PS, 0) };
    rig.clocks(&frame);
    assert_eq!(rig.get(DR), 0b0101_1001);
    rig.clocks(&SpiFrame { mosi_before: true, ..frame });
    assert_eq!(rig.get(DR), 0b1101_1001);
    // Mode 3 samples at the same edges as mode 0.
    rig.clocks(&SpiFrame { cpol: true, cpha: true, ..frame });
    assert_eq!(rig.get(DR), 0b1011_0011);
}

#[test]
fn a_slave_that_is_not_selected_or_is_off_hears_nothing() {
    // 25.3.1: NSS, by the pin or by SSI.
    for control in [cr1::SSM | cr1::SSI | SPE, cr1::SSM, MASTER | SPE] {
        let mut rig = Rig::new(3);
        rig.set(CR1, control);
        rig.set(CR2, 0);
        assert_eq!(rig.clocks(&SpiFrame::byte(0x12, BIT_PS, 0)), None);
        assert_eq!(rig.flags(sr::RXNE | sr::BSY), 0);
    }
    let mut rig = Rig::new(3);
    rig.set(CR1, SPE);
    rig.set(DR, 0x77);
    rig.spi.set_nss(true, &mut rig.bench.cx());
    assert_eq!(rig.clocks(&SpiFrame::byte(0x12, BIT_PS, 0)), None);
    assert_eq!(rig.flags(sr::TXE), 0, "the word waits");
    rig.spi.set_nss(false, &mut rig.bench.cx());
    assert_eq!(rig.clocks(&SpiFrame::byte(0x12, BIT_PS, 0)), Some(0x77));
}

#[test]
fn a_slave_on_one_line_sends_or_receives() {
    // 25.3.4.
    let mut rig = slave(cr1::BIDIMODE | cr1::BIDIOE);
    rig.set(DR, 0x5a);
    let frame = SpiFrame { mosi: None, one_line: true, ..SpiFrame::byte(0, BIT_PS, 0) };
    assert_eq!(rig.clocks(&frame), Some(0x5a));
    assert_eq!(rig.flags(sr::RXNE | sr::TXE), sr::TXE);
    rig.set(CR1, cr1::SSM | SPE | cr1::BIDIMODE);
    rig.set(DR, 0x99);
    assert_eq!(rig.clocks(&SpiFrame { mosi: Some(0x66), ..frame }), None);
    assert_eq!(rig.flags(sr::RXNE | sr::TXE), sr::RXNE, "nothing is taken from DR");
    assert_eq!(rig.get(DR), 0x66);
    let mut listener = slave(cr1::RXONLY);
    assert_eq!(listener.clocks(&SpiFrame::byte(0x12, BIT_PS, 0)), None);
    assert_eq!(listener.get(DR), 0x12);
}
