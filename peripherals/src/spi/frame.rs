//! What runs over an SPI wire: a frame with the settings of the master that clocks it, and the edges it is made of.

use serde::{Deserialize, Serialize};

use crate::device::Pin;

/// The pins that a master's wires are on, from their alternate functions; `None` where no pin is set to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpiPins {
    /// Clock.
    pub sck: Option<Pin>,
    /// Master out, slave in; the one data line of a bidirectional master.
    pub mosi: Option<Pin>,
    /// Master in, slave out; the one data line of a bidirectional slave.
    pub miso: Option<Pin>,
    /// Slave select, active low.
    pub nss: Option<Pin>,
}

/// One frame as a master clocks it.
///
/// A part in the master's own mode may take [`mosi`](Self::mosi) as it is and answer with a word. A part that has its
/// own idea of polarity, phase, bit order or length looks at the edges: [`edges`](Self::edges),
/// [`exchange`](Self::exchange).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpiFrame {
    /// The word sent, right-aligned as it stood in DR (of a frame cut short: the bits sent); `None` while the master
    /// does not drive its data output.
    pub mosi: Option<u16>,
    /// Level of MOSI before the frame: what a part in another phase may sample first.
    pub mosi_before: bool,
    /// Clock periods, 1 to 16: 8 or 16, or fewer when the master was disabled in the middle.
    pub bits: u8,
    /// Clock polarity: the idle level of SCK.
    pub cpol: bool,
    /// Clock phase: `false` samples at the first edge of each period, `true` at the second.
    pub cpha: bool,
    /// The least significant bit is first on the wire.
    pub lsb_first: bool,
    /// Bidirectional mode: data goes both ways on the master's MOSI pin, and what a part has on MISO is not heard.
    pub one_line: bool,
    /// Duration of a clock period in picoseconds.
    pub bit_ps: u64,
    /// Instant at which the first bit begins, in picoseconds of virtual time: half a period before the first sample.
    pub start_ps: u64,
    /// Where the wires are.
    pub pins: SpiPins,
}

/// One edge of SCK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpiEdge {
    /// Its instant in picoseconds of virtual time.
    pub time_ps: u64,
    /// Level of SCK after it.
    pub sck: bool,
    /// Level of MOSI when it falls or rises: a master that changes MOSI at an edge does so just after it. High while
    /// not driven, as with a pull-up.
    pub mosi: bool,
    /// The master samples MISO at this edge.
    pub samples: bool,
}

impl SpiFrame {
    /// A byte in mode 0 that starts at `start_ps`, most significant bit first.
    pub fn byte(mosi: u8, bit_ps: u64, start_ps: u64) -> Self {
        Self {
            mosi: Some(mosi.into()),
            mosi_before: false,
            bits: 8,
            cpol: false,
            cpha: false,
            lsb_first: false,
            one_line: false,
            bit_ps,
            start_ps,
            pins: SpiPins::default(),
        }
    }

    /// Level of MOSI during bit `index` in the order on the wire.
    fn mosi_bit(&self, index: u32) -> bool {
        self.mosi.is_none_or(|word| word >> self.place(index) & 1 != 0)
    }

    /// Place in the word of bit `index` on the wire.
    fn place(&self, index: u32) -> u32 {
        let bits = u32::from(self.bits.clamp(1, 16));
        let index = index.min(bits - 1);
        if self.lsb_first { index } else { bits - 1 - index }
    }

    /// The level of MOSI when the frame is over: its last bit is held.
    pub fn mosi_after(&self) -> bool {
        if self.mosi.is_some() { self.mosi_bit(u32::from(self.bits)) } else { self.mosi_before }
    }

    /// The frame as the edges of SCK in their order, two for each bit (RM0033 25.3.1, figure of the data clock
    /// timing). They are taken to be evenly spaced, also where the master's clock changed within the frame.
    pub fn edges(&self) -> impl Iterator<Item = SpiEdge> + use<> {
        let frame = *self;
        (0..2 * u32::from(frame.bits.min(16))).map(move |number| {
            let (bit, is_second) = (number / 2, number % 2 != 0);
            // With CPHA set the first edge begins the bit, without it half of the bit has passed.
            let halves = u64::from(number) + u64::from(!frame.cpha);
            let samples = is_second == frame.cpha;
            let mosi = match (samples, bit) {
                (false, 0) if frame.cpha => frame.mosi_before || frame.mosi.is_none(),
                (false, _) if frame.cpha => frame.mosi_bit(bit - 1),
                _ => frame.mosi_bit(bit),
            };
            SpiEdge {
                time_ps: frame.start_ps.saturating_add(frame.bit_ps.saturating_mul(halves) / 2),
                sck: frame.cpol == is_second,
                mosi,
                samples,
            }
        })
    }

    /// The word that the master receives from a part that looks at edges: `miso` is the part's output before the
    /// first edge, and `part` tells the level it has after each.
    pub fn exchange(&self, miso: bool, mut part: impl FnMut(SpiEdge) -> bool) -> u16 {
        let (mut miso, mut word, mut bit) = (miso, 0, 0);
        for edge in self.edges() {
            if edge.samples {
                word |= u16::from(miso) << self.place(bit);
                bit += 1;
            }
            miso = part(edge);
        }
        word
    }

    /// All bits of the frame: what an open line with a pull-up gives.
    pub fn ones(&self) -> u16 {
        u16::MAX >> (16 - u32::from(self.bits.clamp(1, 16)))
    }
}
