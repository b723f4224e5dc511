//! What an I2C master does on the wire, one condition or byte at a time (RM0033 23.3.3).

use serde::{Deserialize, Serialize};

use super::I2c;
use super::table::*;
use crate::device::Cx;

/// What the interface does on the wire. Phases with a duration end at [`I2c::due_cycle`]; in the others SCL is
/// stretched low, or the bus is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Phase {
    /// Not a master.
    Idle,
    /// A (repeated) start condition is on the wire.
    Start,
    /// SB is set: waits for the address in DR.
    Started,
    /// An address byte, or the header of a 10-bit address, is on the wire.
    Address {
        /// The byte.
        byte: u8,
    },
    /// ADD10 is set: waits for the second address byte in DR.
    HeaderSent,
    /// The second byte of a 10-bit address is on the wire.
    SecondAddress {
        /// The byte.
        byte: u8,
    },
    /// ADDR is set: waits for software to clear it.
    Addressed,
    /// Transmitter with an empty shift register.
    TransmitEmpty,
    /// A data byte goes out.
    Transmit {
        /// The byte.
        byte: u8,
    },
    /// A data byte comes in.
    Receive,
    /// Receiver, and a whole byte waits in the shift register because DR is full (BTF).
    ReceiveFull {
        /// The byte.
        byte: u8,
        /// Whether the master acknowledged it, that is, wants another.
        acknowledged: bool,
    },
    /// The last byte was not acknowledged: the master owes a stop or a repeated start.
    Ended,
    /// A stop condition is on the wire.
    Stop,
}

impl Phase {
    /// Whether the phase ends by itself.
    pub(super) fn is_timed(self) -> bool {
        matches!(
            self,
            Self::Start
                | Self::Address { .. }
                | Self::SecondAddress { .. }
                | Self::Transmit { .. }
                | Self::Receive
                | Self::Stop
        )
    }
}

/// SCL periods of a byte with its acknowledge bit.
const BYTE_PERIODS: u64 = 9;
/// SCL periods charged for a start or stop condition: set-up and hold time together are about one.
const CONDITION_PERIODS: u64 = 1;

/// First byte of a 10-bit address: 11110xx0.
fn is_10_bit_header(byte: u8) -> bool {
    byte & 0xf8 == 0xf0
}

impl I2c {
    /// HCLK cycles of one SCL period (RM0033 23.6.8).
    fn scl_cycles(&self, cx: &Cx<'_>) -> u64 {
        let ccr = self.regs[CCR];
        let count = u64::from(ccr & 0xfff).max(1);
        let pclk = match (ccr & FAST != 0, ccr & DUTY != 0) {
            (false, _) => 2 * count,
            (true, false) => 3 * count,
            (true, true) => 25 * count,
        };
        pclk * cx.clocks.hclk_per_pclk1.max(1)
    }

    fn enter(&mut self, phase: Phase, from_cycle: u64, periods: u64, cx: &Cx<'_>) {
        self.phase = phase;
        self.due_cycle = from_cycle.saturating_add(periods * self.scl_cycles(cx));
    }

    /// Puts a byte on the wire.
    pub(super) fn send(&mut self, phase: Phase, cx: &Cx<'_>) {
        self.enter(phase, cx.now.cycles, BYTE_PERIODS, cx);
    }

    /// If a start or stop is asked for and the wire is between bytes, puts it there. `true` if so.
    pub(super) fn begin_condition(&mut self, from_cycle: u64, cx: &Cx<'_>) -> bool {
        if self.phase.is_timed() || self.phase == Phase::Addressed {
            return false;
        }
        let cr1 = self.regs[CR1];
        if cr1 & STOP != 0 && self.phase != Phase::Idle {
            // A byte waiting in the shift register is not lost by the stop: it is read out of DR afterwards.
            if let Phase::ReceiveFull { byte, .. } = self.phase {
                self.waiting_byte = Some(byte);
            }
            self.enter(Phase::Stop, from_cycle, CONDITION_PERIODS, cx);
            return true;
        }
        if cr1 & START != 0 && !matches!(self.phase, Phase::Started | Phase::HeaderSent) {
            if let Phase::ReceiveFull { byte, .. } = self.phase {
                self.waiting_byte = Some(byte);
            }
            self.enter(Phase::Start, from_cycle, CONDITION_PERIODS, cx);
            return true;
        }
        false
    }

    /// The next thing to do when a byte is through and no condition was asked for meanwhile.
    pub(super) fn next_byte(&mut self, from_cycle: u64, cx: &Cx<'_>) {
        if self.regs[SR2] & TRA == 0 {
            self.enter(Phase::Receive, from_cycle, BYTE_PERIODS, cx);
        } else if self.regs[SR1] & TXE == 0 {
            self.regs[SR1] |= TXE;
            let byte = self.regs[DR] as u8;
            self.enter(Phase::Transmit { byte }, from_cycle, BYTE_PERIODS, cx);
        } else {
            self.phase = Phase::TransmitEmpty;
        }
    }

    /// With POS the acknowledge of a byte is decided when the byte before it was through.
    fn acknowledge_next(&mut self) {
        self.acknowledge_latched = self.regs[CR1] & ACK != 0;
    }

    /// Ends the phase that is due.
    pub(super) fn finish_phase(&mut self, cx: &mut Cx<'_>) {
        let cycle = self.due_cycle;
        match self.phase {
            Phase::Start => {
                self.regs[CR1] &= !START;
                self.clear_transfer_flags();
                self.regs[SR1] |= SB;
                self.regs[SR2] = self.regs[SR2] & !TRA | MSL | BUSY;
                self.phase = Phase::Started;
                self.begin_condition(cycle, cx);
            }
            Phase::Address { byte } => {
                let read = byte & 1 != 0;
                let acknowledged = cx.board.i2c_start(self.bus, byte >> 1, read, cx.now);
                self.on_wire = true;
                if !acknowledged {
                    self.not_acknowledged(cycle, cx);
                } else if is_10_bit_header(byte) && !read {
                    self.regs[SR1] |= ADD10;
                    self.phase = Phase::HeaderSent;
                    self.begin_condition(cycle, cx);
                } else {
                    self.addressed(read);
                }
            }
            Phase::SecondAddress { byte } => {
                if cx.board.i2c_write(self.bus, byte, cx.now) {
                    self.addressed(false);
                } else {
                    self.not_acknowledged(cycle, cx);
                }
            }
            Phase::Transmit { byte } => {
                if cx.board.i2c_write(self.bus, byte, cx.now) {
                    self.phase = Phase::TransmitEmpty;
                    if self.begin_condition(cycle, cx) {
                        return;
                    }
                    if self.regs[SR1] & TXE != 0 {
                        self.regs[SR1] |= BTF;
                    }
                    self.next_byte(cycle, cx);
                } else {
                    self.not_acknowledged(cycle, cx);
                }
            }
            Phase::Receive => self.received(cycle, cx),
            Phase::Stop => {
                if self.on_wire {
                    cx.board.i2c_stop(self.bus, cx.now);
                    self.on_wire = false;
                }
                self.regs[CR1] &= !STOP;
                self.clear_transfer_flags();
                self.regs[SR2] &= !(MSL | BUSY | TRA);
                self.phase = Phase::Idle;
                self.begin_condition(cycle, cx);
            }
            _ => {}
        }
    }

    /// At a start or stop: RxNE and the bytes received survive, what was to be sent does not (RM0033 23.6.6, TxE).
    fn clear_transfer_flags(&mut self) {
        self.regs[SR1] &= !(SB | ADDR | ADD10 | TXE);
        if self.waiting_byte.is_none() {
            self.regs[SR1] &= !BTF;
        }
    }

    fn addressed(&mut self, read: bool) {
        self.regs[SR1] |= ADDR;
        if read {
            self.regs[SR2] &= !TRA;
        } else {
            // DR is empty as soon as the target answered: EV6 and EV8_1 show together.
            self.regs[SR1] |= TXE;
            self.regs[SR2] |= TRA;
        }
        self.acknowledge_next();
        self.phase = Phase::Addressed;
    }

    fn not_acknowledged(&mut self, cycle: u64, cx: &Cx<'_>) {
        self.regs[SR1] |= AF;
        self.phase = Phase::Ended;
        self.begin_condition(cycle, cx);
    }

    fn received(&mut self, cycle: u64, cx: &mut Cx<'_>) {
        let acknowledged = if self.dma_last {
            false
        } else if self.regs[CR1] & POS != 0 {
            self.acknowledge_latched
        } else {
            self.regs[CR1] & ACK != 0
        };
        self.dma_last = false;
        let byte = cx.board.i2c_read(self.bus, acknowledged, cx.now);
        self.acknowledge_next();
        if self.regs[SR1] & RXNE != 0 {
            self.regs[SR1] |= BTF;
            self.phase = Phase::ReceiveFull { byte, acknowledged };
            self.begin_condition(cycle, cx);
            return;
        }
        self.regs[DR] = byte.into();
        self.regs[SR1] |= RXNE;
        self.phase = Phase::Ended;
        if !self.begin_condition(cycle, cx) && acknowledged {
            self.next_byte(cycle, cx);
        }
    }

    /// Software or DMA took the byte in DR: the one behind it moves up.
    pub(super) fn data_taken(&mut self, cx: &Cx<'_>) {
        if let Some(byte) = self.waiting_byte.take() {
            self.regs[DR] = byte.into();
            if !matches!(self.phase, Phase::ReceiveFull { .. }) {
                self.regs[SR1] &= !BTF;
            }
            return;
        }
        if let Phase::ReceiveFull { byte, acknowledged } = self.phase {
            self.regs[DR] = byte.into();
            self.regs[SR1] &= !BTF;
            self.phase = Phase::Ended;
            if acknowledged {
                self.next_byte(cx.now.cycles, cx);
            }
            return;
        }
        self.regs[SR1] &= !RXNE;
    }
}
