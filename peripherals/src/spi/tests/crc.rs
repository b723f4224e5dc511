use super::*;

const CRCEN: u32 = cr1::CRCEN;
const CRCNEXT: u32 = cr1::CRCNEXT;

/// A master with the CRC on.
fn rig(control: u32) -> Rig {
    let mut rig = Rig::new(2);
    rig.set(CR1, MASTER | control);
    rig.set(CR1, MASTER | control | CRCEN);
    rig.set(CR1, MASTER | control | CRCEN | SPE);
    rig
}

/// Reads each word as it comes.
fn receive(rig: &mut Rig, count: usize) -> Vec<u32> {
    let mut words = Vec::new();
    while words.len() < count {
        rig.after(1);
        if rig.flags(sr::RXNE) != 0 {
            words.push(rig.get(DR));
        }
    }
    words
}

#[test]
fn the_crc_follows_the_last_word_on_both_sides() {
    // 25.3.6. By hand with x^8 + x^2 + x + 1: a word is XORed to the register, which is then multiplied by x^8, that is
    // by 7 without carries, modulo 0x107.
    // Sent: 0x01 gives 0x07; 0x07 ^ 0x02 = 0x05 = bits 0 and 2, 0x07 ^ 0x1c = 0x1b.
    // Received: 0x10 gives 0x70; 0x70 ^ 0x20 = 0x50 = bits 4 and 6, 0x70 ^ 0x1c0 = 0x1b0, 0x1b0 ^ 0x107 = 0xb7.
    for (answer, error) in [(0xb7, 0), (0xb6, sr::CRCERR)] {
        let mut rig = rig(0);
        rig.answers(&[0x10, 0x20, answer]);
        rig.set(CR2, cr2::ERRIE);
        rig.set(DR, 1);
        rig.set(DR, 2);
        rig.set(CR1, MASTER | CRCEN | SPE | CRCNEXT);
        assert_eq!(receive(&mut rig, 2), [0x10, 0x20], "the word that waits in DR goes first");
        assert_eq!((rig.get(TXCRCR), rig.get(RXCRCR)), (0x1b, 0xb7));
        assert_eq!(rig.get(CR1) & CRCNEXT, CRCNEXT);
        rig.at(2 * FRAME);
        assert_eq!(rig.get(CR1) & CRCNEXT, 0);
        rig.at(3 * FRAME - BIT / 2 - 1);
        assert_eq!(rig.flags(sr::CRCERR | sr::RXNE), 0);
        rig.at(3 * FRAME - BIT / 2);
        assert_eq!(rig.flags(sr::CRCERR | sr::RXNE), error | sr::RXNE);
        assert_eq!(rig.spi.irq_lines(), u32::from(error != 0));
        assert_eq!(rig.get(DR), answer.into(), "the CRC must be read too (25.3.9)");
        assert_eq!((rig.get(TXCRCR), rig.get(RXCRCR)), (0x1b, 0xb7), "frozen in the CRC phase");
        rig.after(5 * FRAME);
        assert_eq!(rig.sent(), [1, 2, 0x1b]);
        // rc_w0.
        rig.set(SR, u32::MAX);
        assert_eq!(rig.flags(sr::CRCERR), error);
        rig.set(SR, !sr::CRCERR);
        assert_eq!(rig.flags(sr::CRCERR), 0);
        assert_eq!(rig.spi.irq_lines(), 0);
    }
}

#[test]
fn a_transfer_may_go_on_after_its_crc() {
    let mut rig = rig(0);
    rig.set(DR, 1);
    rig.set(CR1, MASTER | CRCEN | SPE | CRCNEXT);
    rig.after(FRAME);
    rig.set(DR, 2);
    rig.after(3 * FRAME);
    assert_eq!(rig.sent(), [1, 0x07, 2], "a word written in the CRC phase");
    assert_eq!(rig.get(TXCRCR), 0x1b);
}

#[test]
fn crcnext_too_late_waits_for_another_frame() {
    let mut rig = rig(0);
    rig.set(DR, 1);
    rig.after(2 * FRAME);
    rig.set(CR1, MASTER | CRCEN | SPE | CRCNEXT);
    rig.after(2 * FRAME);
    assert_eq!(rig.sent(), [1]);
    rig.set(DR, 2);
    rig.after(3 * FRAME);
    assert_eq!(rig.sent(), [1, 2, 0x1b]);
}

#[test]
fn sixteen_bits_and_another_polynomial() {
    // 25.5.5. One bit in the last place leaves the polynomial, in the place before it twice that.
    let mut rig = Rig::new(2);
    rig.set(CRCPR, 0x1021);
    rig.set(CR1, MASTER | cr1::DFF | CRCEN);
    rig.set(CR1, MASTER | cr1::DFF | CRCEN | SPE);
    rig.answers(&[0x0002, 0x2042]);
    rig.set(DR, 0x0001);
    rig.set(CR1, MASTER | cr1::DFF | CRCEN | SPE | CRCNEXT);
    assert_eq!(receive(&mut rig, 2), [0x0002, 0x2042]);
    assert_eq!(rig.flags(sr::CRCERR), 0);
    assert_eq!(rig.sent(), [0x0001, 0x1021]);
    assert_eq!((rig.get(TXCRCR), rig.get(RXCRCR)), (0x1021, 0x2042));
}

#[test]
fn setting_crcen_clears_the_registers() {
    // 25.3.6: SPE = 0, CRCEN = 0, CRCEN = 1, SPE = 1.
    let mut rig = rig(0);
    rig.set(DR, 1);
    rig.after(FRAME);
    assert_ne!((rig.get(TXCRCR), rig.get(RXCRCR)), (0, 0));
    rig.set(CR1, MASTER | CRCEN);
    rig.set(CR1, MASTER | CRCEN | SPE);
    assert_eq!(rig.get(TXCRCR), 0x07, "kept while CRCEN is");
    rig.set(CR1, MASTER);
    assert_eq!(rig.get(TXCRCR), 0x07);
    rig.set(CR1, MASTER | CRCEN);
    assert_eq!((rig.get(TXCRCR), rig.get(RXCRCR)), (0, 0));
    rig.set(TXCRCR, 0x55);
    assert_eq!(rig.get(TXCRCR), 0, "read only");
}

#[test]
fn a_receive_only_master_checks_the_word_after_the_last() {
    // 25.3.6: CRCNEXT after the last but one word.
    let mut rig = rig(cr1::RXONLY);
    rig.answers(&[0x01, 0x02, 0x1b]);
    assert_eq!(receive(&mut rig, 1), [0x01]);
    rig.after(BIT);
    rig.set(CR1, MASTER | cr1::RXONLY | CRCEN | SPE | CRCNEXT);
    assert_eq!(receive(&mut rig, 1), [0x02]);
    rig.after(BIT);
    rig.set(CR1, MASTER | cr1::RXONLY | CRCEN);
    assert_eq!(receive(&mut rig, 1), [0x1b]);
    assert_eq!(rig.flags(sr::CRCERR), 0);
    assert_eq!((rig.get(TXCRCR), rig.get(RXCRCR)), (0, 0x1b));
    assert_eq!(rig.bench.board.spi.len(), 3);
}

#[test]
fn dma_s_last_word_needs_no_crcnext() {
    // 25.3.9.
    let mut sender = rig(0);
    sender.set(DR, 1);
    sender.spi.dma_last(1);
    sender.spi.dma_last(0);
    sender.after(4 * FRAME);
    assert_eq!(sender.sent(), [1, 0x07]);
    let mut receiver = rig(cr1::RXONLY);
    receiver.answers(&[0x01, 0x07, 0x02]);
    assert_eq!(receive(&mut receiver, 1), [0x01]);
    receiver.spi.dma_last(1);
    assert_eq!(receive(&mut receiver, 2), [0x07, 0x02]);
    assert_eq!(receiver.flags(sr::CRCERR), 0);
    let mut plain = Rig::master(0);
    plain.set(DR, 1);
    plain.spi.dma_last(0);
    plain.after(4 * FRAME);
    assert_eq!(plain.sent(), [1]);
}

#[test]
fn a_slave_checks_and_sends_its_crc() {
    let mut rig = Rig::new(3);
    rig.set(CR1, cr1::SSM | CRCEN);
    rig.set(CR1, cr1::SSM | CRCEN | SPE);
    rig.set(DR, 0x01);
    assert_eq!(rig.clocks(&SpiFrame::byte(0x01, BIT_PS, 0)), Some(0x01));
    rig.get(DR);
    rig.set(DR, 0x02);
    rig.set(CR1, cr1::SSM | CRCEN | SPE | CRCNEXT);
    assert_eq!(rig.clocks(&SpiFrame::byte(0x02, BIT_PS, 0)), Some(0x02));
    rig.get(DR);
    assert_eq!(rig.clocks(&SpiFrame::byte(0x1b, BIT_PS, 0)), Some(0x1b));
    assert_eq!(rig.flags(sr::CRCERR | sr::RXNE), sr::RXNE);
    assert_eq!(rig.get(CR1) & CRCNEXT, 0);
    rig.get(DR);
    rig.set(CR1, cr1::SSM | CRCEN | SPE | CRCNEXT);
    rig.clocks(&SpiFrame::byte(0x1c, BIT_PS, 0));
    assert_eq!(rig.flags(sr::CRCERR), sr::CRCERR);
}
