//! Parts that are added to a board: what they see of the chip's pins, and what they do to them.

use lockstep_traces::Decisions;
use serde::{Deserialize, Serialize};

use super::sd_slot::SdSlot;
use crate::device::Pin;
use crate::spi::SpiFrame;

/// A part that a board may have.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Part {
    /// A socket for an SD card.
    SdSlot(Box<SdSlot>),
}

impl Part {
    /// The chip drives a pin, or lets it go.
    pub fn pin_driven(&mut self, pin: Pin, level: Option<bool>, now_ps: u64, decisions: &mut Decisions) {
        match self {
            Self::SdSlot(slot) => slot.pin_driven(pin, level, now_ps, decisions),
        }
    }

    /// A frame of an SPI; what it answers, `None` if it drives nothing.
    pub fn spi_frame(&mut self, frame: &SpiFrame, decisions: &mut Decisions) -> Option<u16> {
        match self {
            Self::SdSlot(slot) => slot.frame(frame, decisions),
        }
    }

    /// The board's supply comes or goes.
    pub fn set_supply(&mut self, is_supplied: bool, now_ps: u64, decisions: &mut Decisions) {
        match self {
            Self::SdSlot(slot) => slot.set_supply(is_supplied, now_ps, decisions),
        }
    }

    /// When it does something next, in picoseconds.
    pub fn next_wake_ps(&self) -> u64 {
        match self {
            Self::SdSlot(slot) => slot.next_wake_ps(),
        }
    }

    /// A pin of the chip gets a new level from it.
    pub fn take_level(&mut self) -> Option<(Pin, bool)> {
        match self {
            Self::SdSlot(slot) => slot.take_level(),
        }
    }
}
