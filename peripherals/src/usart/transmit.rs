//! The transmitter (RM0033 24.3.2): DR, the shift register, idle frames and breaks.

use serde::{Deserialize, Serialize};

use super::table::{CR1, CR2, CR3, SR, cr1, cr2, cr3, sr};
use super::{Usart, cycles_to_ps};
use crate::device::{Cx, UartFrame};
use crate::time::Now;

/// What the shift register sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Content {
    /// A word from DR.
    Data,
    /// A line high for a frame, or the stop bit after a break.
    Idle,
    /// A line low for a frame.
    Break,
}

/// The shift register at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shift {
    pub content: Content,
    /// Data bits without parity.
    pub data: u16,
    /// Data bits on the wire.
    pub bits: u8,
    /// HCLK cycle of the start bit's falling edge.
    pub start_cycle: u64,
    /// HCLK cycle at which the last stop bit ends.
    pub end_cycle: u64,
}

impl Usart {
    /// Software writes DR. A word that still waits there is lost, as on hardware.
    pub(super) fn write_data(&mut self, value: u32, now: Now) {
        self.written = (value & 0x1ff) as u16;
        self.regs[SR] &= !(sr::TXE | self.seen & sr::TC);
        self.seen &= !sr::TC;
        self.start_next(now);
    }

    /// Starts the bit clock when the transmitter becomes enabled, and queues the idle frame that comes first.
    pub(super) fn follow_sender_enable(&mut self, now: Now) {
        let on = self.regs[CR1] & (cr1::UE | cr1::TE) == cr1::UE | cr1::TE && self.bit_cycles != 0;
        if on && !self.sender_on {
            self.sender_on = true;
            self.preamble_due = true;
            if self.shift.is_none() {
                self.bit_origin_cycle = now.cycles;
                self.start_next(now);
            }
        } else if !on && self.sender_on {
            self.sender_on = false;
            self.preamble_due = false;
            self.shift = self.shift.filter(|shift| shift.content != Content::Idle);
        }
    }

    /// Fills the empty shift register: an idle frame first, then a break, then DR unless nCTS holds it.
    pub(super) fn start_next(&mut self, at: Now) {
        if self.shift.is_some() || !self.sender_on {
            return;
        }
        let bit = self.bit_cycles.max(1);
        let edges = at.cycles.saturating_sub(self.bit_origin_cycle).div_ceil(bit);
        let start = self.bit_origin_cycle.saturating_add(edges.saturating_mul(bit));
        if self.preamble_due {
            self.preamble_due = false;
            self.load(Content::Idle, start.saturating_add(bit), self.frame_cycles());
        } else if self.has(CR1, cr1::SBK) {
            let bits = if self.has(CR2, cr2::LINEN) { 13 } else { 2 + u64::from(self.word_bits()) };
            self.load(Content::Break, start, bits.saturating_mul(bit));
        } else if !self.has(SR, sr::TXE) && (!self.has(CR3, cr3::CTSE) || self.cts_asserted) {
            self.load(Content::Data, start, self.frame_cycles());
            self.regs[SR] |= sr::TXE;
        }
        if self.has(CR3, cr3::HDSEL) && self.shift.is_some_and(|shift| shift.content != Content::Idle) {
            self.idle_at_cycle = None;
        }
    }

    fn load(&mut self, content: Content, start_cycle: u64, cycles: u64) {
        let bits = self.word_bits();
        // With parity the word's most significant bit is replaced by it (24.3.7).
        let data_bits = bits - u8::from(self.has(CR1, cr1::PCE));
        let data = if content == Content::Data { self.written & ((1 << data_bits) - 1) } else { 0 };
        // A frame takes at least a cycle, so that time always moves on.
        let end_cycle = start_cycle.saturating_add(cycles.max(1));
        self.shift = Some(Shift { content, data, bits, start_cycle, end_cycle });
    }

    /// SBK was cleared by software before the break began: it is not sent (24.3.2).
    pub(super) fn cancel_break(&mut self, now: Now) {
        self.shift = self.shift.filter(|s| s.content != Content::Break || s.start_cycle <= now.cycles);
    }

    /// The shift register's content has left.
    pub(super) fn shift_done(&mut self, at: Now, cx: &mut Cx<'_>) {
        let Some(shift) = self.shift.take() else { return };
        self.bit_origin_cycle = shift.end_cycle;
        if shift.content != Content::Idle {
            let frame = UartFrame {
                data: shift.data,
                bits: shift.bits,
                parity_error: false,
                framing_error: false,
                is_break: shift.content == Content::Break,
                bit_ps: cycles_to_ps(self.bit_cycles, cx.clocks),
            };
            cx.board.uart_sent(self.number, frame, at);
            if self.has(CR3, cr3::HDSEL) {
                self.take_in(frame, at, cx);
            }
        }
        match shift.content {
            Content::Data if self.has(SR, sr::TXE) => self.regs[SR] |= sr::TC,
            Content::Break => {
                // Hardware clears SBK during the stop bit, which lets the next start bit be seen.
                self.regs[CR1] &= !cr1::SBK;
                self.load(Content::Idle, at.cycles, self.stop_half_bits() * self.bit_cycles / 2);
            }
            _ => {}
        }
        self.start_next(at);
    }
}
