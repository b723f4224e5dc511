//! What software and the other end of the wires observe.

mod crc;
mod errors;
mod master;
mod properties;
mod slave;
mod wire;

use super::table::{cr1, cr2, sr};
use super::{Spi, SpiFrame};
use crate::device::Device;
use crate::testing::Bench;
use crate::time::{Clocks, Wake};

const CR1: u32 = 0x00;
const CR2: u32 = 0x04;
const SR: u32 = 0x08;
const DR: u32 = 0x0c;
const CRCPR: u32 = 0x10;
const RXCRCR: u32 = 0x14;
const TXCRCR: u32 = 0x18;

/// A master with slave select by software, at fPCLK/16.
const MASTER: u32 = cr1::MSTR | cr1::SSM | cr1::SSI | 3 << 3;
const SPE: u32 = cr1::SPE;
/// Cycles per period of SCK and per 8-bit frame of that master.
const BIT: u64 = 16;
const FRAME: u64 = 8 * BIT;
/// One period at 16 MHz.
const BIT_PS: u64 = BIT * 62_500;

struct Rig {
    bench: Bench,
    spi: Spi,
}

impl Rig {
    fn new(number: u8) -> Self {
        Self { bench: Bench::new(), spi: Spi::new(number) }
    }

    /// SPI2 as an enabled master with more bits of CR1.
    fn master(control_1: u32) -> Self {
        let mut rig = Self::new(2);
        rig.set(CR1, MASTER | SPE | control_1);
        rig
    }

    fn set(&mut self, offset: u32, value: u32) {
        self.spi.write(offset, value, u32::MAX, &mut self.bench.cx());
    }

    fn get(&mut self, offset: u32) -> u32 {
        self.spi.read(offset, &mut self.bench.cx())
    }

    /// The flags of SR among `bits`.
    fn flags(&mut self, bits: u32) -> u32 {
        self.get(SR) & bits
    }

    /// Moves on to a cycle, stopping wherever the SPI asks to.
    fn at(&mut self, cycle: u64) {
        self.bench.advance_to(&mut self.spi, cycle);
    }

    fn after(&mut self, cycles: u64) {
        self.at(self.bench.now.cycles + cycles);
    }

    fn answers(&mut self, words: &[u16]) {
        self.bench.board.spi_data.extend(words);
    }

    /// Words the board heard.
    fn sent(&self) -> Vec<u16> {
        self.bench.board.spi.iter().filter_map(|(_, frame, _)| frame.mosi).collect()
    }

    /// Cycles of the last sampling edges.
    fn sampled_at(&self) -> Vec<u64> {
        self.bench.board.spi.iter().map(|(_, _, now)| now.cycles).collect()
    }

    /// An outside master clocks a frame.
    fn clocks(&mut self, frame: &SpiFrame) -> Option<u16> {
        self.spi.clock_start(&mut self.bench.cx());
        self.after(FRAME);
        self.spi.clock_frame(frame, &mut self.bench.cx())
    }
}
