//! Inter-integrated circuit interface (RM0033 section 23), as a master: polled, by interrupt or by DMA.
//!
//! Slave mode is not modelled because no other master is on the board's buses: own addresses are stored and never
//! match. Bytes and conditions take their time on SCL; rise times (TRISE) are not added to it.

use serde::{Deserialize, Serialize};

use crate::device::{Cx, Device};
use crate::registers::{Register, RegisterFile};
use crate::time::{Clocks, Wake};

mod master;
mod table;
#[cfg(test)]
mod tests;

use master::Phase;
use table::*;

/// I2C1, I2C2 or I2C3. Interrupt lines: bit 0 event, bit 1 error. DMA requests: bit 0 TX, bit 1 RX.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct I2c {
    bus: u8,
    regs: RegisterFile,
    phase: Phase,
    /// HCLK cycle at which a timed phase ends.
    due_cycle: u64,
    /// Flags that the last read of SR1 showed: the first half of a clearing sequence.
    seen: u32,
    /// A target was addressed since the last stop.
    on_wire: bool,
    /// Byte of the shift register that waits behind DR after a stop.
    waiting_byte: Option<u8>,
    /// ACK as it was when the byte before the present one was through (for POS).
    acknowledge_latched: bool,
    /// DMA announced the last transfer and CR2.LAST is set: the next byte is not acknowledged.
    dma_last: bool,
}

impl I2c {
    /// I2C`bus` (1 to 3) after reset.
    pub fn new(bus: u8) -> Self {
        Self {
            bus,
            regs: RegisterFile::new(TABLE),
            phase: Phase::Idle,
            due_cycle: 0,
            seen: 0,
            on_wire: false,
            waiting_byte: None,
            acknowledge_latched: false,
            dma_last: false,
        }
    }

    /// The DMA stream that serves reception is about to take its last but one byte (EOT_1, RM0033 23.3.7): with
    /// CR2.LAST set the byte after it is not acknowledged.
    pub fn dma_last_but_one(&mut self) {
        self.dma_last = self.regs[CR2] & LAST != 0;
    }

    /// The interface lets go of both lines.
    fn release(&mut self, cx: &mut Cx<'_>) {
        if self.on_wire {
            cx.board.i2c_stop(self.bus, cx.now);
        }
        self.on_wire = false;
        self.phase = Phase::Idle;
        self.waiting_byte = None;
        self.dma_last = false;
        self.seen = 0;
        self.regs[SR1] = 0;
        self.regs[SR2] = 0;
    }

    fn write_cr1(&mut self, value: u32, lanes: u32, cx: &mut Cx<'_>) {
        let old = self.regs.write(TABLE, CR1, value, lanes, self.static_name(), cx);
        if self.seen & STOPF != 0 {
            self.regs[SR1] &= !STOPF;
        }
        let cr1 = self.regs[CR1];
        if cr1 & SWRST != 0 {
            self.release(cx);
            self.regs = RegisterFile::new(TABLE);
            self.regs[CR1] = SWRST;
            return;
        }
        if cr1 & PE == 0 {
            // Hardware waits for the end of a communication; software may not do this in the middle of one.
            if old & PE != 0 {
                self.release(cx);
            }
            self.regs[CR1] &= !(START | STOP | PEC);
            return;
        }
        if cr1 & STOP != 0 && self.phase == Phase::Idle && cr1 & START == 0 {
            // There is nothing to stop.
            self.regs[CR1] &= !STOP;
        }
        self.begin_condition(cx.now.cycles, cx);
    }

    fn write_dr(&mut self, value: u32, cx: &mut Cx<'_>) {
        let byte = value as u8;
        match self.phase {
            Phase::Started if self.seen & SB != 0 => {
                self.regs[SR1] &= !SB;
                self.send(Phase::Address { byte }, cx);
            }
            Phase::HeaderSent if self.seen & ADD10 != 0 => {
                self.regs[SR1] &= !ADD10;
                self.send(Phase::SecondAddress { byte }, cx);
            }
            Phase::TransmitEmpty => {
                // Falls through to the shift register at once, so DR is empty again.
                self.regs[SR1] &= !BTF;
                self.send(Phase::Transmit { byte }, cx);
            }
            Phase::Transmit { .. } | Phase::Addressed if self.regs[SR2] & TRA != 0 => {
                self.regs[DR] = byte.into();
                self.regs[SR1] &= !TXE;
            }
            // In a receiver or outside a transfer DR only takes the value.
            _ => {}
        }
        self.seen &= !(SB | ADD10 | BTF);
    }

    fn read_sr2(&mut self, cx: &mut Cx<'_>) -> u32 {
        let value = self.regs[SR2];
        if self.phase == Phase::Addressed && self.seen & ADDR != 0 {
            self.regs[SR1] &= !ADDR;
            self.seen &= !ADDR;
            self.phase = Phase::Ended;
            if !self.begin_condition(cx.now.cycles, cx) {
                self.next_byte(cx.now.cycles, cx);
            }
        }
        value
    }

    fn static_name(&self) -> &'static str {
        match self.bus {
            1 => "I2C1",
            2 => "I2C2",
            _ => "I2C3",
        }
    }
}

impl Device for I2c {
    fn name(&self) -> &str {
        self.static_name()
    }

    fn table(&self) -> &'static [Register] {
        TABLE
    }

    fn read(&mut self, offset: u32, cx: &mut Cx<'_>) -> u32 {
        self.advance(cx);
        match RegisterFile::index_of(TABLE, offset) {
            Some(SR1) => {
                self.seen = self.regs[SR1];
                self.regs[SR1]
            }
            Some(SR2) => self.read_sr2(cx),
            Some(DR) => {
                let value = self.regs[DR];
                if self.regs[SR1] & RXNE != 0 {
                    self.data_taken(cx);
                } else if self.seen & BTF != 0 {
                    self.regs[SR1] &= !BTF;
                }
                value
            }
            Some(index) => self.regs[index],
            None => {
                cx.unmodelled(&format!("{} read offset {offset:#x}", self.static_name()));
                0
            }
        }
    }

    fn write(&mut self, offset: u32, value: u32, lanes: u32, cx: &mut Cx<'_>) {
        self.advance(cx);
        let Some(index) = RegisterFile::index_of(TABLE, offset) else {
            cx.unmodelled(&format!("{} write offset {offset:#x}", self.static_name()));
            return;
        };
        if self.regs[CR1] & SWRST != 0 && index != CR1 {
            return;
        }
        match index {
            CR1 => self.write_cr1(value, lanes, cx),
            DR => self.write_dr(value & lanes, cx),
            _ => {
                self.regs.write(TABLE, index, value, lanes, self.static_name(), cx);
            }
        }
    }

    fn wake(&self, _clocks: &Clocks) -> Wake {
        if self.phase.is_timed() { Wake::at_cycle(self.due_cycle) } else { Wake::NEVER }
    }

    fn advance(&mut self, cx: &mut Cx<'_>) {
        while self.phase.is_timed() && self.due_cycle <= cx.now.cycles {
            self.finish_phase(cx);
        }
    }

    fn irq_lines(&self) -> u32 {
        let (cr2, sr1) = (self.regs[CR2], self.regs[SR1]);
        let buffer = if cr2 & ITBUFEN != 0 { TXE | RXNE } else { 0 };
        let event = cr2 & ITEVTEN != 0 && sr1 & (SB | ADDR | ADD10 | STOPF | BTF | buffer) != 0;
        let error = cr2 & ITERREN != 0 && sr1 & ERRORS != 0;
        u32::from(event) | u32::from(error) << 1
    }

    fn dma_requests(&self) -> u32 {
        if self.regs[CR2] & DMAEN == 0 {
            return 0;
        }
        let sr1 = self.regs[SR1];
        u32::from(sr1 & TXE != 0) | u32::from(sr1 & RXNE != 0) << 1
    }

    fn reset(&mut self) {
        *self = Self::new(self.bus);
    }
}
