//! A bench to put one peripheral on: memory, a board that records, and the outside world's choices.

use std::collections::VecDeque;

use lockstep_traces::Decisions;

use crate::device::{Board, Cx, Device, Memory, Pin, UartFrame};
use crate::ledger::Ledger;
use crate::spi::SpiFrame;
use crate::time::{Clocks, Now};

/// What the peripheral under test did to the world.
#[derive(Debug, Default)]
pub struct BenchBoard {
    /// Frames sent, with USART number and instant.
    pub sent: Vec<(u8, UartFrame, Now)>,
    /// RTS changes.
    pub rts: Vec<(u8, bool, Now)>,
    /// Pins driven.
    pub pins: Vec<(Pin, Option<bool>, Now)>,
    /// SPI frames, with SPI number and instant of the last sampling edge.
    pub spi: Vec<(u8, SpiFrame, Now)>,
    /// Words that the part on SPI answers with; then the line is open.
    pub spi_data: VecDeque<u16>,
    /// MISO is wired to MOSI.
    pub spi_loopback: bool,
    /// I2C traffic as text: `S50w`, `W12+`, `R34`, `P`.
    pub i2c: Vec<String>,
    /// The 7-bit address that acknowledges.
    pub i2c_target: Option<u8>,
    /// Bytes that target sends.
    pub i2c_data: VecDeque<u8>,
}

impl Board for BenchBoard {
    fn uart_sent(&mut self, usart: u8, frame: UartFrame, now: Now) {
        self.sent.push((usart, frame, now));
    }
    fn uart_rts(&mut self, usart: u8, asserted: bool, now: Now) {
        self.rts.push((usart, asserted, now));
    }
    fn i2c_start(&mut self, _bus: u8, address: u8, read: bool, _now: Now) -> bool {
        self.i2c.push(format!("S{address:02x}{}", if read { 'r' } else { 'w' }));
        self.i2c_target == Some(address)
    }
    fn i2c_write(&mut self, _bus: u8, byte: u8, _now: Now) -> bool {
        self.i2c.push(format!("W{byte:02x}"));
        true
    }
    fn i2c_read(&mut self, _bus: u8, ack: bool, _now: Now) -> u8 {
        let byte = self.i2c_data.pop_front().unwrap_or(0xff);
        self.i2c.push(format!("R{byte:02x}{}", if ack { '+' } else { '-' }));
        byte
    }
    fn i2c_stop(&mut self, _bus: u8, _now: Now) {
        self.i2c.push("P".to_owned());
    }
    fn spi_frame(&mut self, bus: u8, frame: &SpiFrame, now: Now, _decisions: &mut Decisions) -> Option<u16> {
        self.spi.push((bus, *frame, now));
        if self.spi_loopback { frame.mosi } else { self.spi_data.pop_front() }
    }
    fn pin_driven(&mut self, pin: Pin, level: Option<bool>, now: Now, _decisions: &mut Decisions) {
        self.pins.push((pin, level, now));
    }
}

/// 128 KB of SRAM at 0x2000_0000 and 1 MB of flash at 0x0800_0000.
#[derive(Debug)]
pub struct BenchMemory {
    /// SRAM bytes.
    pub sram: Vec<u8>,
    /// Flash bytes.
    pub flash: Vec<u8>,
}

impl Memory for BenchMemory {
    fn read(&mut self, address: u32, size: u32) -> Option<u32> {
        let (bytes, offset) = match address {
            0x2000_0000.. => (&self.sram, address - 0x2000_0000),
            0x0800_0000.. => (&self.flash, address - 0x0800_0000),
            _ => return None,
        };
        let slice = bytes.get(offset as usize..(offset + size) as usize)?;
        Some(slice.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte)))
    }
    fn write(&mut self, address: u32, size: u32, value: u32) -> bool {
        let Some(offset) = address.checked_sub(0x2000_0000) else { return false };
        let Some(slice) = self.sram.get_mut(offset as usize..(offset + size) as usize) else { return false };
        slice.copy_from_slice(&value.to_le_bytes()[..size as usize]);
        true
    }
    fn flash_program(&mut self, offset: u32, bytes: &[u8]) {
        for (i, byte) in bytes.iter().enumerate() {
            self.flash[offset as usize + i] &= byte;
        }
    }
    fn flash_erase(&mut self, offset: u32, length: u32) {
        self.flash[offset as usize..(offset + length) as usize].fill(0xff);
    }
}

/// Everything a [`Cx`] borrows.
#[derive(Debug)]
pub struct Bench {
    /// The instant of the next access.
    pub now: Now,
    /// Clocks in force.
    pub clocks: Clocks,
    /// Memory.
    pub memory: BenchMemory,
    /// The recording board.
    pub board: BenchBoard,
    /// Choices.
    pub decisions: Decisions,
    /// Unmodelled touches.
    pub ledger: Ledger,
}

impl Bench {
    /// At time zero, reset clocks, erased flash.
    pub fn new() -> Self {
        Self {
            now: Now::default(),
            clocks: Clocks::RESET,
            memory: BenchMemory { sram: vec![0; 128 << 10], flash: vec![0xff; 1 << 20] },
            board: BenchBoard::default(),
            decisions: Decisions::new(1),
            ledger: Ledger::default(),
        }
    }

    /// Moves to an HCLK cycle; picoseconds follow at the current HCLK.
    pub fn at_cycle(&mut self, cycles: u64) {
        let ps = u128::from(cycles) * 1_000_000_000_000 / u128::from(self.clocks.hclk_hz);
        self.now = Now { cycles, time_ps: ps as u64 };
    }

    /// Moves on to an HCLK cycle, stopping wherever the peripheral asks to.
    pub fn advance_to(&mut self, device: &mut impl Device, cycle: u64) {
        loop {
            let next = device.wake(&self.clocks).cycle.max(self.now.cycles);
            self.at_cycle(next.min(cycle));
            device.advance(&mut self.cx());
            if next >= cycle {
                return;
            }
        }
    }

    /// A context at the present instant.
    pub fn cx(&mut self) -> Cx<'_> {
        Cx {
            now: self.now,
            pc: 0,
            clocks: &self.clocks,
            memory: &mut self.memory,
            board: &mut self.board,
            decisions: &mut self.decisions,
            ledger: &mut self.ledger,
        }
    }
}

impl Default for Bench {
    fn default() -> Self {
        Self::new()
    }
}
