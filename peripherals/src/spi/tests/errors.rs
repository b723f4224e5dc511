use super::*;

/// Two frames with nobody reading.
fn overrun() -> Rig {
    let mut rig = Rig::master(0);
    rig.answers(&[0x11, 0x22, 0x33, 0x44, 0x55]);
    rig.set(DR, 1);
    rig.set(DR, 2);
    rig.at(2 * FRAME - BIT / 2 - 1);
    assert_eq!(rig.flags(sr::OVR), 0);
    rig.at(2 * FRAME - BIT / 2);
    assert_eq!(rig.flags(sr::OVR | sr::RXNE), sr::OVR | sr::RXNE);
    rig.at(2 * FRAME);
    rig
}

#[test]
fn an_overrun_keeps_the_word_that_waits_and_is_cleared_by_dr_then_sr() {
    // 25.3.10.
    let mut rig = overrun();
    assert_eq!(rig.get(DR), 0x11, "the earlier word");
    assert_eq!(rig.flags(sr::OVR | sr::RXNE), sr::OVR, "the read that clears still shows it");
    assert_eq!(rig.flags(sr::OVR | sr::RXNE), 0);
    assert_eq!(rig.get(DR), 0x11, "the buffer keeps what was read");
}

#[test]
fn no_other_order_clears_an_overrun() {
    let mut rig = overrun();
    rig.get(SR);
    rig.get(SR);
    assert_eq!(rig.flags(sr::OVR), sr::OVR, "SR alone");
    rig.set(SR, 0);
    assert_eq!(rig.flags(sr::OVR), sr::OVR, "writing it");
    rig.get(DR);
    rig.set(DR, 3);
    rig.set(DR, 4);
    rig.after(2 * FRAME);
    rig.get(SR);
    assert_eq!(rig.flags(sr::OVR), sr::OVR, "another overrun between both reads");
    rig.get(DR);
    rig.get(SR);
    assert_eq!(rig.flags(sr::OVR), 0);
}

#[test]
fn a_word_after_dr_was_read_is_received_whether_sr_was_or_not() {
    let mut rig = overrun();
    rig.get(DR);
    rig.set(DR, 3);
    rig.after(FRAME);
    assert_eq!(rig.get(DR), 0x33);
    rig.get(SR);
    assert_eq!(rig.flags(sr::OVR), 0);
}

#[test]
fn a_master_whose_nss_falls_becomes_a_disabled_slave() {
    // 25.3.10: by the pin, or by SSI under software management.
    type Pull = fn(&mut Rig);
    let by_pin: Pull = |rig| rig.spi.set_nss(false, &mut rig.bench.cx());
    let by_ssi: Pull = |rig| {
        let control = rig.get(CR1);
        rig.set(CR1, control & !cr1::SSI);
    };
    for (control, pull) in [(MASTER & !(cr1::SSM | cr1::SSI), by_pin), (MASTER, by_ssi)] {
        let mut rig = Rig::new(2);
        rig.spi.set_nss(true, &mut rig.bench.cx());
        rig.set(CR2, cr2::ERRIE);
        rig.set(CR1, control | SPE);
        rig.set(DR, 0xff);
        rig.after(2 * BIT);
        assert_eq!(rig.flags(sr::MODF | sr::BSY), sr::BSY);
        pull(&mut rig);
        assert_eq!(rig.spi.irq_lines(), 1);
        assert_eq!(rig.get(CR1) & (SPE | cr1::MSTR), 0);
        assert_eq!(rig.spi.outputs(), Default::default());
        assert_eq!(rig.bench.board.spi[0].1.bits, 2, "cut short");
        assert_eq!(rig.flags(sr::MODF | sr::BSY), sr::MODF);
    }
}

#[test]
fn a_mode_fault_is_cleared_by_sr_then_cr1_and_locks_spe_and_mstr_until_then() {
    // 25.3.10: SR may be read or written.
    for by_write in [false, true] {
        let mut rig = Rig::new(2);
        rig.set(CR1, cr1::MSTR | SPE | cr1::SSM);
        rig.set(CR1, MASTER | SPE);
        assert_eq!(rig.get(CR1) & (SPE | cr1::MSTR), 0, "locked");
        assert_eq!(rig.spi.irq_lines(), 0, "ERRIE is clear");
        if by_write {
            rig.set(SR, 0);
        } else {
            assert_eq!(rig.flags(sr::MODF), sr::MODF);
        }
        rig.set(CR2, 0);
        rig.set(CR1, MASTER | SPE);
        assert_eq!(rig.flags(sr::MODF), 0);
        assert_eq!(rig.get(CR1) & (SPE | cr1::MSTR), 0, "locked while it was cleared");
        rig.set(CR1, MASTER | SPE);
        assert_eq!(rig.get(CR1) & (SPE | cr1::MSTR), SPE | cr1::MSTR);
        assert_eq!(rig.flags(sr::MODF), 0);
    }
    let mut rig = Rig::new(2);
    rig.set(CR1, cr1::MSTR | SPE | cr1::SSM);
    rig.set(CR1, MASTER);
    rig.set(CR1, MASTER);
    assert_eq!(rig.flags(sr::MODF), sr::MODF, "CR1 alone does not clear it");
}

#[test]
fn no_mode_fault_without_spe_in_a_slave_or_with_nss_as_an_output() {
    let mut rig = Rig::new(2);
    // As drivers do it that set MSTR first and SSI later.
    for control in [cr1::MSTR, cr1::MSTR | cr1::SSM, MASTER, MASTER | SPE] {
        rig.set(CR1, control);
        assert_eq!(rig.flags(sr::MODF), 0);
    }
    rig.set(CR1, SPE | cr1::SSM);
    assert_eq!(rig.flags(sr::MODF), 0, "a slave that is selected");
    rig.set(CR2, cr2::SSOE);
    rig.set(CR1, 0);
    rig.set(CR1, cr1::MSTR | SPE);
    rig.spi.set_nss(true, &mut rig.bench.cx());
    rig.spi.set_nss(false, &mut rig.bench.cx());
    assert_eq!(rig.flags(sr::MODF), 0, "its own output");
    rig.set(CR2, 0);
    assert_eq!(rig.flags(sr::MODF), sr::MODF, "the pin is an input again and low");
}
