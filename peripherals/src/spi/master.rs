//! The master: its clock, the shift register, and the frames it makes of words (RM0033 25.3.3 to 25.3.5, 25.3.8).

use serde::{Deserialize, Serialize};

use super::table::{CR1, SR, TXCRCR, cr1, sr};
use super::{Spi, SpiFrame, SpiPins};
use crate::device::Cx;
use crate::time::{Clocks, Now, cycles_to_ps};

/// The shift register at work, with the settings that hold for the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shift {
    /// The word sent; `None` in the receive-only modes.
    pub word: Option<u16>,
    receives: bool,
    is_crc: bool,
    /// Bits of the frame, 8 or 16.
    bits: u8,
    cpol: bool,
    cpha: bool,
    lsb_first: bool,
    pub one_line: bool,
    /// HCLK cycle of the last sampling edge.
    sample_cycle: u64,
    /// That edge has passed.
    sampled: bool,
    /// HCLK cycle at which the last period of SCK ends.
    end_cycle: u64,
}

impl Shift {
    /// When something happens next.
    pub fn next_cycle(&self) -> u64 {
        if self.sampled { self.end_cycle } else { self.sample_cycle }
    }

    /// The first `bits` bits of the frame as they are on the wire, with the last sampling edge of them at `at`.
    fn frame(&self, bits: u8, bit_ps: u64, mosi_before: bool, at: Now) -> SpiFrame {
        let bits = bits.clamp(1, self.bits);
        let first = |word: u16| {
            if self.lsb_first { word & (u16::MAX >> (16 - bits)) } else { word >> (self.bits - bits) }
        };
        let until_sample_ps = bit_ps.saturating_mul((2 * u64::from(bits)).saturating_sub(1)) / 2;
        SpiFrame {
            mosi: self.word.map(first),
            mosi_before,
            bits,
            cpol: self.cpol,
            cpha: self.cpha,
            lsb_first: self.lsb_first,
            one_line: self.one_line,
            bit_ps,
            start_ps: at.time_ps.saturating_sub(until_sample_ps),
            pins: SpiPins::default(),
        }
    }
}

impl Spi {
    /// Duration of a period of SCK in picoseconds under `clocks`.
    pub fn bit_ps(&self, clocks: &Clocks) -> u64 {
        cycles_to_ps(self.sck_cycles(clocks), clocks)
    }

    /// HCLK cycles per period of SCK: fPCLK divided by 2 to 256 (25.5.1, BR). SPI1 is on APB2.
    fn sck_cycles(&self, clocks: &Clocks) -> u64 {
        let pclk = if self.number == 1 { clocks.hclk_per_pclk2 } else { clocks.hclk_per_pclk1 };
        pclk.max(1).saturating_mul(2 << (self.regs[CR1] >> 3 & 7))
    }

    /// Brings everything up to `cx.now`: frames that were received and frames that ended.
    pub(super) fn catch_up(&mut self, cx: &mut Cx<'_>) {
        while let Some(shift) = self.shift.filter(|shift| shift.next_cycle() <= cx.now.cycles) {
            let at = cx.instant_of(shift.next_cycle());
            if shift.sampled { self.frame_ended(shift, at) } else { self.frame_sampled(shift, at, cx) }
        }
    }

    /// Takes over a changed baud rate: what is left of a frame passes at the new one.
    pub(super) fn follow_clock(&mut self, cx: &mut Cx<'_>) {
        let (now, new, old) = (cx.now.cycles, self.sck_cycles(cx.clocks), self.bit_cycles.max(1));
        if new == old {
            return;
        }
        let scale = |cycle: u64| {
            let left = u128::from(cycle.saturating_sub(now)) * u128::from(new) / u128::from(old);
            now.saturating_add(u64::try_from(left).unwrap_or(u64::MAX))
        };
        self.bit_cycles = new;
        if let Some(shift) = &mut self.shift {
            (shift.sample_cycle, shift.end_cycle) = (scale(shift.sample_cycle), scale(shift.end_cycle));
        }
        // What was a cycle away may be due now.
        self.catch_up(cx);
    }

    /// Whether a frame may run on under the present settings: one that only receives does so after SPE was cleared.
    pub(super) fn goes_on(&self, shift: Shift) -> bool {
        self.has(CR1, cr1::MSTR) && (self.has(CR1, cr1::SPE) || shift.word.is_none())
    }

    /// Starts a frame if the shift register is empty and there is a reason: a word in DR, the CRC after a frame, or
    /// being a master that only receives and therefore clocks without end (25.3.5).
    pub(super) fn start_next(&mut self, follows_frame: bool, at: Now) {
        if self.shift.is_some() || !self.is_master() {
            return;
        }
        let sends = self.transmits();
        let has_word = sends && !self.has(SR, sr::TXE);
        let is_crc = follows_frame && !has_word && self.crc_is_next();
        if sends && !has_word && !is_crc {
            return;
        }
        let word = if is_crc { self.take_crc() } else { self.written };
        if has_word {
            self.regs[SR] |= sr::TXE;
        }
        let bits = self.word_bits();
        let mask = u16::MAX >> (16 - bits);
        let end_cycle = at.cycles.saturating_add(self.bit_cycles.saturating_mul(bits.into()));
        self.shift = Some(Shift {
            word: sends.then_some(word & mask),
            receives: self.receives(),
            is_crc,
            bits,
            cpol: self.has(CR1, cr1::CPOL),
            cpha: self.has(CR1, cr1::CPHA),
            lsb_first: self.has(CR1, cr1::LSBFIRST),
            one_line: self.has(CR1, cr1::BIDIMODE),
            sample_cycle: end_cycle.saturating_sub(self.bit_cycles / 2),
            sampled: false,
            end_cycle,
        });
    }

    /// The CRC phase begins.
    pub(super) fn take_crc(&mut self) -> u16 {
        self.regs[CR1] &= !cr1::CRCNEXT;
        self.dma_ended = false;
        self.regs[TXCRCR] as u16
    }

    /// The last sampling edge: the board has seen all bits, and the word on MISO is complete.
    fn frame_sampled(&mut self, shift: Shift, at: Now, cx: &mut Cx<'_>) {
        let miso = self.tell(&shift, shift.bits, at, cx);
        self.word_done(shift.word, shift.receives.then_some(miso), shift.is_crc, shift.bits, shift.lsb_first);
        self.shift = Some(Shift { sampled: true, ..shift });
    }

    fn frame_ended(&mut self, shift: Shift, at: Now) {
        self.mosi_level = shift.frame(shift.bits, 0, self.mosi_level, at).mosi_after();
        self.shift = None;
        self.start_next(true, at);
    }

    /// The frame ends before its time. The board hears of the bits that had their sampling edge, and what it answers
    /// is lost.
    pub(super) fn cut(&mut self, cx: &mut Cx<'_>) {
        let Some(shift) = self.shift.take().filter(|shift| !shift.sampled) else { return };
        let to_come = shift.sample_cycle.saturating_sub(cx.now.cycles).div_ceil(self.bit_cycles.max(1));
        let bits = shift.bits.saturating_sub(u8::try_from(to_come).unwrap_or(u8::MAX));
        if bits > 0 {
            let until_sample = shift.sample_cycle.saturating_sub(cx.now.cycles);
            let since_sample = to_come.saturating_mul(self.bit_cycles).saturating_sub(until_sample);
            let at = cx.instant_of(cx.now.cycles.saturating_sub(since_sample));
            self.tell(&shift, bits, at, cx);
            self.mosi_level = shift.frame(bits, 0, self.mosi_level, at).mosi_after();
        }
    }

    /// Tells the board of a frame and gives what was on MISO: ones if nobody says anything.
    fn tell(&self, shift: &Shift, bits: u8, at: Now, cx: &mut Cx<'_>) -> u16 {
        let frame = shift.frame(bits, cycles_to_ps(self.bit_cycles, cx.clocks), self.mosi_level, at);
        cx.board.spi_frame(self.number, &frame, at, cx.decisions).unwrap_or(u16::MAX) & frame.ones()
    }
}
