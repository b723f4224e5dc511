//! What driver code observes of a master transfer.

use super::table::*;
use super::*;
use crate::testing::Bench;
use proptest::prelude::*;

struct Rig {
    bench: Bench,
    i2c: I2c,
}

impl Rig {
    /// 100 kHz at PCLK1 = 30 MHz, HCLK = 120 MHz: SCL is 1200 HCLK cycles.
    fn new(target: Option<u8>) -> Self {
        let mut bench = Bench::new();
        bench.clocks.hclk_hz = 120_000_000;
        bench.clocks.hclk_per_pclk1 = 4;
        bench.board.i2c_target = target;
        let mut rig = Self { bench, i2c: I2c::new(3) };
        rig.w(0x04, 30);
        rig.w(0x1c, 150);
        rig.w(0x00, PE | ACK);
        rig
    }

    fn r(&mut self, offset: u32) -> u32 {
        self.i2c.read(offset, &mut self.bench.cx())
    }

    fn w(&mut self, offset: u32, value: u32) {
        self.i2c.write(offset, value, u32::MAX, &mut self.bench.cx());
    }

    fn set(&mut self, bits: u32) {
        let cr1 = self.r(0);
        self.w(0, cr1 | bits);
    }

    fn clear(&mut self, bits: u32) {
        let cr1 = self.r(0);
        self.w(0, cr1 & !bits);
    }

    /// Polls SR1 as a driver does until a flag shows; returns the cycles it took.
    fn wait(&mut self, flag: u32) -> u64 {
        let start = self.bench.now.cycles;
        while self.r(0x14) & flag == 0 {
            assert!(self.bench.now.cycles - start < 100_000, "flag {flag:#x} never came");
            self.bench.at_cycle(self.bench.now.cycles + 10);
        }
        self.bench.now.cycles - start
    }

    fn run(&mut self, cycles: u64) {
        let end = self.bench.now.cycles + cycles;
        loop {
            let wake = self.i2c.wake(&self.bench.clocks).cycle;
            if wake > end {
                break;
            }
            self.bench.at_cycle(wake);
            self.i2c.advance(&mut self.bench.cx());
        }
        self.bench.at_cycle(end);
    }

    fn start(&mut self, address_byte: u32) {
        self.set(START);
        self.wait(SB);
        self.w(0x10, address_byte);
    }

    fn addressed(&mut self, address_byte: u32) {
        self.start(address_byte);
        self.wait(ADDR);
        self.r(0x18);
    }

    fn wire(&self) -> String {
        self.bench.board.i2c.join(" ")
    }
}

#[test]
fn a_register_write_takes_nine_clocks_a_byte() {
    let mut rig = Rig::new(Some(0x6b));
    rig.set(START);
    rig.wait(SB);
    assert_eq!(rig.r(0x18), MSL | BUSY);
    rig.w(0x10, 0xd6);
    let cycles = rig.wait(ADDR);
    assert!((9 * 1200..9 * 1200 + 20).contains(&cycles), "{cycles}");
    assert_eq!(rig.r(0x14), ADDR | TXE, "MASTER_TRANSMITTER_MODE_SELECTED wants both");
    assert_eq!(rig.r(0x18), MSL | BUSY | TRA);
    assert_eq!(rig.r(0x14), TXE);
    rig.w(0x10, 0x05);
    rig.w(0x10, 0x8a);
    assert_eq!(rig.r(0x14) & (TXE | BTF), 0, "one in the shift register, one in DR");
    rig.wait(TXE);
    let cycles = rig.wait(BTF);
    assert!((9 * 1200 - 20..9 * 1200 + 20).contains(&cycles), "{cycles}");
    rig.set(STOP);
    rig.run(1200);
    assert_eq!(rig.r(0x18), 0);
    assert_eq!(rig.r(0) & STOP, 0);
    assert_eq!(rig.r(0x14), 0);
    assert_eq!(rig.wire(), "S6bw W05 W8a P");
}

#[test]
fn nobody_home_sets_af_and_raises_the_error_line() {
    let mut rig = Rig::new(Some(0x36));
    rig.w(0x04, 30 | ITERREN);
    rig.start(0xd6);
    rig.wait(AF);
    assert_eq!(rig.i2c.irq_lines(), 2);
    assert_eq!(rig.r(0x14) & (ADDR | TXE), 0);
    rig.w(0x14, !AF);
    assert_eq!(rig.i2c.irq_lines(), 0);
    assert_eq!(rig.r(0x18) & (MSL | BUSY), MSL | BUSY, "the master holds the bus until it stops");
    rig.set(STOP);
    rig.run(1200);
    assert_eq!(rig.r(0x18), 0);
}

#[test]
fn one_byte_is_read_after_the_stop() {
    let mut rig = Rig::new(Some(0x36));
    rig.bench.board.i2c_data.push_back(0x42);
    rig.start(0x6d);
    rig.wait(ADDR);
    rig.clear(ACK);
    rig.r(0x18);
    rig.set(STOP);
    rig.run(100_000);
    assert_eq!(rig.r(0x18), 0);
    assert_eq!(rig.r(0x14), RXNE, "RxNE survives the stop");
    assert_eq!(rig.r(0x10), 0x42);
    assert_eq!(rig.r(0x14), 0);
    assert_eq!(rig.wire(), "S36r R42- P");
}

#[test]
fn two_bytes_with_pos_acknowledge_the_first_only() {
    let mut rig = Rig::new(Some(0x36));
    rig.bench.board.i2c_data.extend([0x97, 0x1c]);
    rig.set(POS);
    rig.start(0x6d);
    rig.wait(ADDR);
    rig.r(0x18);
    rig.clear(ACK);
    rig.wait(BTF);
    rig.set(STOP);
    assert_eq!(rig.r(0x10), 0x97);
    assert_eq!(rig.r(0x10), 0x1c);
    rig.run(2000);
    assert_eq!(rig.wire(), "S36r R97+ R1c- P");
    assert_eq!(rig.r(0x14), 0);
}

#[test]
fn pos_takes_the_acknowledge_as_it_was_before_the_byte_began() {
    // The order of later vendor drivers: ACK off and POS on while ADDR still holds the clock.
    let mut rig = Rig::new(Some(0x36));
    rig.bench.board.i2c_data.extend([0x97, 0x1c]);
    rig.start(0x6d);
    rig.wait(ADDR);
    rig.clear(ACK);
    rig.set(POS);
    rig.r(0x14);
    rig.r(0x18);
    rig.wait(BTF);
    rig.set(STOP);
    rig.run(2000);
    assert_eq!(rig.wire(), "S36r R97+ R1c- P");
}

#[test]
fn many_bytes_stretch_the_clock_until_they_are_read() {
    let mut rig = Rig::new(Some(0x36));
    rig.bench.board.i2c_data.extend([1, 2, 3, 4]);
    rig.addressed(0x6d);
    rig.wait(RXNE);
    assert_eq!(rig.r(0x10), 1);
    rig.wait(BTF);
    rig.run(1_000_000);
    assert_eq!(rig.wire(), "S36r R01+ R02+ R03+", "a full receiver clocks nothing");
    rig.clear(ACK);
    assert_eq!(rig.r(0x10), 2);
    rig.set(STOP);
    assert_eq!(rig.r(0x10), 3);
    rig.wait(RXNE);
    assert_eq!(rig.r(0x10), 4);
    rig.run(2000);
    assert_eq!(rig.wire(), "S36r R01+ R02+ R03+ R04- P");
}

#[test]
fn a_repeated_start_turns_the_bus_round() {
    let mut rig = Rig::new(Some(0x6b));
    rig.bench.board.i2c_data.push_back(0x74);
    rig.addressed(0xd6);
    rig.w(0x10, 0x08);
    rig.wait(BTF);
    rig.start(0xd7);
    rig.wait(ADDR);
    rig.clear(ACK);
    rig.r(0x18);
    rig.set(STOP);
    rig.wait(RXNE);
    assert_eq!(rig.r(0x10), 0x74);
    rig.run(2000);
    assert_eq!(rig.wire(), "S6bw W08 S6br R74- P");
}

#[test]
fn addr_needs_both_reads_and_sb_needs_sr1_first() {
    let mut rig = Rig::new(Some(0x6b));
    rig.set(START);
    rig.run(1200);
    rig.w(0x10, 0xd6);
    rig.run(20_000);
    assert_eq!(rig.wire(), "", "SB was not read: the address does not go out");
    assert_eq!(rig.r(0x14) & SB, SB);
    rig.w(0x10, 0xd6);
    rig.run(20_000);
    rig.r(0x18);
    assert_eq!(rig.r(0x14) & ADDR, ADDR, "SR2 alone does not clear ADDR");
    rig.r(0x18);
    assert_eq!(rig.r(0x14) & ADDR, 0);
}

#[test]
fn a_10_bit_address_goes_out_in_two_bytes() {
    let mut rig = Rig::new(Some(0x79));
    rig.start(0xf2);
    rig.wait(ADD10);
    rig.w(0x10, 0x55);
    rig.wait(ADDR);
    assert_eq!(rig.r(0x14) & ADD10, 0);
    assert_eq!(rig.wire(), "S79w W55");
}

#[test]
fn dma_fills_and_drains_and_last_ends_with_a_nack() {
    let mut rig = Rig::new(Some(0x6b));
    rig.w(0x04, 30 | DMAEN | LAST);
    rig.addressed(0xd6);
    assert_eq!(rig.i2c.dma_requests(), 1);
    rig.w(0x10, 0x00);
    rig.wait(BTF);
    rig.bench.board.i2c_data.extend([1, 2, 3]);
    rig.addressed_again(0xd7);
    for expected in 1..=2 {
        rig.run_until_request(2);
        if expected == 2 {
            rig.i2c.dma_last_but_one();
        }
        assert_eq!(rig.r(0x10), expected);
    }
    rig.run_until_request(2);
    assert_eq!(rig.r(0x10), 3);
    rig.run(100_000);
    assert_eq!(rig.wire(), "S6bw W00 S6br R01+ R02+ R03-");
}

impl Rig {
    fn addressed_again(&mut self, address_byte: u32) {
        self.set(START);
        self.wait(SB);
        self.w(0x10, address_byte);
        self.wait(ADDR);
        self.r(0x18);
    }

    fn run_until_request(&mut self, request: u32) {
        while self.i2c.dma_requests() & request == 0 {
            let wake = self.i2c.wake(&self.bench.clocks).cycle;
            assert_ne!(wake, u64::MAX, "no request will come");
            self.bench.at_cycle(wake);
            self.i2c.advance(&mut self.bench.cx());
        }
    }
}

#[test]
fn swrst_lets_go_of_the_bus() {
    let mut rig = Rig::new(Some(0x6b));
    rig.addressed(0xd6);
    rig.w(0, SWRST);
    assert_eq!(rig.r(0x18), 0);
    assert_eq!(rig.r(0x20), 2);
    rig.w(0, 0);
    assert_eq!(rig.r(0), 0);
    assert_eq!(rig.wire(), "S6bw P");
}

proptest! {
    /// Whatever software does: no panic, no endless loop, and every start on the wire is stopped or repeated.
    #[test]
    fn hostile_software_finds_no_way_to_break_it(
        accesses in prop::collection::vec((0u32..10, any::<u32>(), any::<bool>(), 0u64..20_000), 0..200)
    ) {
        let mut rig = Rig::new(Some(0x36));
        for (index, value, is_read, delay) in accesses {
            if is_read {
                rig.r(index * 4);
            } else {
                rig.w(index * 4, value);
            }
            rig.bench.at_cycle(rig.bench.now.cycles + delay);
            rig.i2c.advance(&mut rig.bench.cx());
            let busy = rig.r(0x18) & BUSY != 0;
            let open = rig.bench.board.i2c.last().is_some_and(|entry| entry != "P");
            prop_assert!(busy || !open, "bus left open: {}", rig.wire());
        }
    }

    #[test]
    fn advancing_in_small_steps_changes_nothing(cuts in prop::collection::vec(1u64..3000, 0..40)) {
        let mut one = Rig::new(Some(0x36));
        one.bench.board.i2c_data.extend([1, 2, 3]);
        one.addressed(0x6d);
        let mut many = Rig::new(Some(0x36));
        many.bench.board.i2c_data.extend([1, 2, 3]);
        many.addressed(0x6d);
        let mut total = 0;
        for cut in cuts {
            many.bench.at_cycle(many.bench.now.cycles + cut);
            many.i2c.advance(&mut many.bench.cx());
            total += cut;
        }
        one.bench.at_cycle(one.bench.now.cycles + total);
        for offset in [0x14, 0x18, 0x10, 0x14] {
            prop_assert_eq!(one.r(offset), many.r(offset));
        }
        prop_assert_eq!(one.wire(), many.wire());
    }
}
