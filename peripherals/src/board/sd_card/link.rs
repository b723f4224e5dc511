//! Bits and bytes on the card's wires (Physical Layer Simplified Specification 7.2.1, 7.5).
//!
//! The card takes MOSI at the rising edge of the clock and changes MISO at the falling one: modes 0 and 3. Bytes are
//! counted from the fall of the chip select.

use serde::{Deserialize, Serialize};

/// The card's end of the wires.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    is_selected: bool,
    /// Level of SCK.
    sck: bool,
    /// Bits of the present byte taken, 0 to 7.
    bits: u8,
    incoming: u8,
    /// What is shifted out, once the byte has begun.
    outgoing: Option<u8>,
    miso: bool,
}

/// What an edge of the clock made of the card's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// Nothing that the card's logic sees.
    Nothing,
    /// A byte has come in whole.
    Byte(u8),
    /// A clock while another part is selected.
    Unselected,
}

impl Link {
    /// Whether the chip select is low.
    pub fn is_selected(&self) -> bool {
        self.is_selected
    }

    /// The chip select changed.
    pub fn select(&mut self, is_selected: bool) {
        (self.is_selected, self.bits, self.outgoing) = (is_selected, 0, None);
    }

    /// Whether the next byte to send is wanted: a byte begins and nothing is shifted out yet.
    pub fn wants_byte(&self) -> bool {
        self.is_selected && self.outgoing.is_none()
    }

    /// What is sent during the byte that begins.
    pub fn give(&mut self, byte: u8) {
        self.outgoing = Some(byte);
        self.miso = byte & 0x80 != 0;
    }

    /// Level of MISO; `None` while not selected.
    pub fn miso(&self) -> Option<bool> {
        self.is_selected.then_some(self.miso)
    }

    /// Level of SCK as last told.
    pub fn sck(&self) -> bool {
        self.sck
    }

    /// SCK's level between frames, where no edge told it.
    pub fn rest(&mut self, sck: bool) {
        self.sck = sck;
    }

    /// SCK changed while MOSI has this level.
    pub fn clock(&mut self, sck: bool, mosi: bool) -> Edge {
        if std::mem::replace(&mut self.sck, sck) == sck {
            return Edge::Nothing;
        }
        match (self.is_selected, sck) {
            (false, true) => Edge::Unselected,
            (false, false) => Edge::Nothing,
            (true, false) => {
                if let Some(byte) = self.outgoing {
                    self.miso = byte << self.bits & 0x80 != 0;
                }
                Edge::Nothing
            }
            (true, true) => {
                self.incoming = self.incoming << 1 | u8::from(mosi);
                self.bits = (self.bits + 1) % 8;
                if self.bits != 0 {
                    return Edge::Nothing;
                }
                self.outgoing = None;
                Edge::Byte(self.incoming)
            }
        }
    }
}
