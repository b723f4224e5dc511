//! The receiver (RM0033 24.3.3): sampling, error flags, idle line, mute mode.

use super::table::{BRR, CR1, CR2, CR3, SR, cr1, cr2, cr3, sr};
use super::{OVERRUN_NOTE, Usart, cycles_to_ps};
use crate::device::{Cx, UartFrame};
use crate::time::Now;

impl Usart {
    /// A start bit begins on the RX line. The line's idle time is judged by it: without this call a frame that
    /// follows another closely would be taken for an idle line before it has ended.
    pub fn receive_start(&mut self, cx: &mut Cx<'_>) {
        self.catch_up(cx);
        self.idle_at_cycle = None;
    }

    /// A frame's last stop bit ends on the RX line (the TX line in half-duplex mode). Lost while the receiver is off.
    pub fn receive(&mut self, frame: UartFrame, cx: &mut Cx<'_>) {
        self.catch_up(cx);
        self.take_in(frame, cx.now, cx);
    }

    pub(super) fn take_in(&mut self, frame: UartFrame, at: Now, cx: &mut Cx<'_>) {
        if self.regs[CR1] & (cr1::UE | cr1::RE) != cr1::UE | cr1::RE || self.bit_cycles == 0 {
            return;
        }
        self.idle_at_cycle = Some(at.cycles.saturating_add(self.frame_cycles().max(1)));
        let own_bit_ps = cycles_to_ps(self.bit_cycles, cx.clocks);
        let (word, stop) = self.sample(&frame, own_bit_ps);
        if self.has(CR2, cr2::LINEN) && frame.is_break {
            self.regs[SR] |= sr::LBD;
        }
        if self.muted_by(word) {
            return;
        }
        if self.has(SR, sr::RXNE) {
            // The word that waits is kept and the new one lost; of a lost word only the overrun is told (24.3.3).
            self.regs[SR] |= sr::ORE;
            cx.ledger.note(&format!("{}{OVERRUN_NOTE}", self.name), cx.pc, at.time_ps);
            return;
        }
        self.received = word;
        self.regs[SR] |= sr::RXNE;
        let (noise, garbled) = self.clock_errors(frame.bit_ps, own_bit_ps);
        if noise {
            self.regs[SR] |= sr::NF;
        }
        if garbled || !stop {
            self.regs[SR] |= sr::FE;
        }
        if self.has(CR1, cr1::PCE) && word.count_ones() & 1 != u32::from(self.has(CR1, cr1::PS)) {
            self.regs[SR] |= sr::PE;
        }
        self.drive_rts(at, cx);
    }

    /// One whole frame time has passed without a start bit.
    pub(super) fn line_idle(&mut self) {
        self.idle_at_cycle = None;
        if !self.has(CR1, cr1::RWU) {
            self.regs[SR] |= sr::IDLE;
        } else if !self.has(CR1, cr1::WAKE) {
            // Waking by an idle line does not set IDLE (24.3.6).
            self.regs[CR1] &= !cr1::RWU;
        }
    }

    /// Mute mode (24.3.6): whether this word is kept from software. Address marks change the state.
    fn muted_by(&mut self, word: u16) -> bool {
        if !self.has(CR1, cr1::WAKE) {
            return self.has(CR1, cr1::RWU);
        }
        let address_mark = 1 << (self.word_bits() - 1);
        if word & address_mark != 0 {
            if u32::from(word & 0xf) == self.regs[CR2] & 0xf {
                self.regs[CR1] &= !cr1::RWU;
            } else {
                self.regs[CR1] |= cr1::RWU;
            }
        }
        self.has(CR1, cr1::RWU)
    }

    /// The word and the stop bit as this receiver's clock samples them: in the middle of each of its own bits.
    fn sample(&self, frame: &UartFrame, own_bit_ps: u64) -> (u16, bool) {
        let bits = self.word_bits();
        let mut wire = frame.data;
        if self.has(CR1, cr1::PCE) && (1..=16).contains(&frame.bits) {
            let mask = (1 << (frame.bits - 1)) - 1;
            let parity = self.parity_of(frame.data & mask) ^ u16::from(frame.parity_error);
            wire = frame.data & mask | parity << (frame.bits - 1);
        }
        let level_at_middle_of = |bit: u8| {
            let ps = u128::from(own_bit_ps) * u128::from(2 * u32::from(bit) + 1) / 2;
            match ps / u128::from(frame.bit_ps.max(1)) {
                _ if frame.is_break => false,
                0 => false,
                n if n <= u128::from(frame.bits.min(16)) => wire >> (n - 1) & 1 != 0,
                n if n == u128::from(frame.bits) + 1 => !frame.framing_error,
                _ => true,
            }
        };
        let word = (0..bits).fold(0, |word, bit| word | u16::from(level_at_middle_of(bit + 1)) << bit);
        (word, level_at_middle_of(bits + 1))
    }

    /// Whether the sender's clock is far enough off to make the three samples of a bit differ (NF), and whether it is
    /// beyond the receiver's tolerance altogether, by the tables of 24.3.5 in hundredths of a per cent. Past that
    /// the word is whatever [`sample`](Self::sample) found, and FE is always reported: an approximation, as hardware
    /// sometimes finds a high level where it expects the stop bit.
    fn clock_errors(&self, sender_bit_ps: u64, own_bit_ps: u64) -> (bool, bool) {
        let whole = self.regs[BRR] & 0xf == 0;
        let (three_samples, one_sample) = match (self.has(CR1, cr1::M), self.has(CR1, cr1::OVER8), whole) {
            (false, false, true) => (375, 437),
            (false, true, true) => (250, 375),
            (true, false, true) => (341, 397),
            (true, true, true) => (227, 341),
            (false, false, false) => (333, 388),
            (false, true, false) => (200, 300),
            (true, false, false) => (303, 353),
            (true, true, false) => (182, 273),
        };
        let off = u128::from(sender_bit_ps.abs_diff(own_bit_ps)) * 10_000;
        let exceeds = |limit: u128| off > u128::from(own_bit_ps) * limit;
        (!self.has(CR3, cr3::ONEBIT) && exceeds(three_samples), exceeds(one_sample))
    }
}
