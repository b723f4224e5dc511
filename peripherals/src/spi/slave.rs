//! The slave (RM0033 25.3.2): clocked by an outside master, edge by edge, so that one in another mode is heard as
//! hardware hears it. Its flags change when the outside frame begins and when it ends.

use serde::{Deserialize, Serialize};

use super::table::{CR1, SR, cr1, sr};
use super::{Spi, SpiEdge, SpiFrame};
use crate::device::Cx;

/// A slave's shift register. Bits that came in stay when the outside frame ends in the middle of a word: only
/// disabling the SPI sets it back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SlaveShift {
    /// An outside frame is on its way.
    clocked: bool,
    /// The word that goes out; after it, what came in.
    out: u16,
    /// It was taken for the present word.
    loaded: bool,
    is_crc: bool,
    input: u16,
    /// Bits of the present word that were sampled.
    bits: u8,
    /// Level of MISO.
    level: bool,
}

impl SlaveShift {
    pub fn is_clocked(&self) -> bool {
        self.clocked
    }

    pub fn disable(&mut self) {
        *self = Self { out: self.out, level: self.level, ..Self::default() };
    }
}

impl Spi {
    /// An outside master begins a frame: BSY is set and the word in DR moves to the shift register.
    pub fn clock_start(&mut self, cx: &mut Cx<'_>) {
        self.catch_up(cx);
        if self.is_selected() {
            self.slave.clocked = true;
            self.load();
        }
    }

    /// An outside master's frame ends. The answer is what it finds on MISO (in bidirectional mode MISO is the one
    /// line), right-aligned in its own order of bits; `None` if this SPI does not drive the line: it is no slave, not
    /// selected, or only receives.
    pub fn clock_frame(&mut self, frame: &SpiFrame, cx: &mut Cx<'_>) -> Option<u16> {
        self.catch_up(cx);
        self.slave.clocked = false;
        if !self.is_selected() {
            return None;
        }
        self.load();
        if !self.has(CR1, cr1::CPHA) {
            self.slave.level = self.out_bit();
        }
        let mut left = 2 * u32::from(frame.bits.min(16));
        let miso = frame.exchange(self.slave.level, |edge| {
            left = left.saturating_sub(1);
            self.slave_edge(edge, left > 0)
        });
        self.transmits().then_some(miso)
    }

    fn is_selected(&self) -> bool {
        self.regs[CR1] & (cr1::SPE | cr1::MSTR) == cr1::SPE && !self.nss_level()
    }

    /// Takes the word to send, at the first bit of a word (25.3.5).
    fn load(&mut self) {
        if std::mem::replace(&mut self.slave.loaded, true) {
            return;
        }
        self.slave.is_crc = false;
        if self.transmits() && !self.has(SR, sr::TXE) {
            self.slave.out = self.written;
            self.regs[SR] |= sr::TXE;
        } else if self.crc_is_next() {
            self.slave.is_crc = true;
            self.slave.out = self.take_crc();
        }
    }

    /// Place in the word of the bit that is next on the wire.
    fn place(&self) -> u8 {
        let last = self.word_bits() - 1;
        let bit = self.slave.bits.min(last);
        if self.has(CR1, cr1::LSBFIRST) { bit } else { last - bit }
    }

    fn out_bit(&self) -> bool {
        self.slave.out >> self.place() & 1 != 0
    }

    /// SCK changes; the answer is the level of MISO after that. `more` edges of the frame follow.
    fn slave_edge(&mut self, edge: SpiEdge, more: bool) -> bool {
        let is_first = edge.sck != self.has(CR1, cr1::CPOL);
        if is_first != self.has(CR1, cr1::CPHA) {
            self.load();
            self.slave.input |= u16::from(edge.mosi) << self.place();
            self.slave.bits += 1;
            if self.slave.bits >= self.word_bits() {
                self.slave_word();
            }
        } else if more || self.slave.bits > 0 {
            // A word's first bit goes out with the word: not at the last edge of the frame before it.
            self.load();
            self.slave.level = self.out_bit();
        }
        self.slave.level
    }

    fn slave_word(&mut self) {
        let SlaveShift { out, input, is_crc, .. } = self.slave;
        (self.slave.out, self.slave.input, self.slave.bits, self.slave.loaded) = (input, 0, 0, false);
        let bits = self.word_bits();
        let sent = self.transmits().then_some(out & (u16::MAX >> (16 - bits)));
        let received = self.receives().then_some(input);
        self.word_done(sent, received, is_crc, bits, self.has(CR1, cr1::LSBFIRST));
    }
}
