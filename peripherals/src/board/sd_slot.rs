//! A socket for an SD card, wired to pins of the chip: an SPI's, or any that software moves by itself.
//!
//! The socket pulls its lines up, as breakout boards do: an unselected or missing card leaves MISO high, and a chip
//! select that nobody drives does not select.
//!
//! MISO as an input pin follows the card whenever software moves the select or the clock as an output pin. Between the
//! frames of an SPI it keeps the level of the last such move: who clocks by an SPI does not look at the pin.

use std::sync::Arc;

use lockstep_traces::Decisions;
use serde::{Deserialize, Serialize};

use super::sd_card::{SdCard, SdConfig, SdFault, SdImage};
use crate::device::Pin;
use crate::spi::SpiFrame;

/// The pins that a socket is wired to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SdPins {
    /// Chip select, active low.
    pub select: Pin,
    /// Clock.
    pub sck: Pin,
    /// From the card.
    pub miso: Pin,
    /// To the card.
    pub mosi: Pin,
}

/// A socket and its card.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SdSlot {
    pins: SdPins,
    card: SdCard,
    is_inserted: bool,
    is_supplied: bool,
    mosi: bool,
    /// Level of MISO as the chip's pin was last told; `None` before.
    told: Option<bool>,
    miso: bool,
}

impl SdSlot {
    /// A socket with a card in it and a supply as of time 0.
    pub fn new(pins: SdPins, config: SdConfig, image: Arc<SdImage>) -> Self {
        let card = SdCard::new(config, image);
        Self { pins, card, is_inserted: true, is_supplied: true, mosi: true, told: None, miso: true }
    }

    /// Its pins.
    pub fn pins(&self) -> SdPins {
        self.pins
    }

    /// The card, in its socket or not.
    pub fn card(&self) -> &SdCard {
        &self.card
    }

    /// The same, to give its image back to it.
    pub fn card_mut(&mut self) -> &mut SdCard {
        &mut self.card
    }

    /// The card is put in or pulled out.
    pub fn insert(&mut self, is_inserted: bool, now_ps: u64, decisions: &mut Decisions) {
        self.is_inserted = is_inserted;
        self.power_changed(now_ps, decisions);
    }

    /// The board's supply comes or goes.
    pub fn set_supply(&mut self, is_supplied: bool, now_ps: u64, decisions: &mut Decisions) {
        self.is_supplied = is_supplied;
        self.power_changed(now_ps, decisions);
    }

    /// Something is wrong with the card from now on.
    pub fn set_fault(&mut self, fault: SdFault) {
        self.card.set_fault(fault);
    }

    /// The chip drives a pin, or lets it go.
    pub fn pin_driven(&mut self, pin: Pin, level: Option<bool>, now_ps: u64, decisions: &mut Decisions) {
        if pin == self.pins.mosi {
            self.mosi = level.unwrap_or(true);
        } else if pin == self.pins.select {
            self.card.select(level == Some(false));
            self.miso_changed(now_ps);
        } else if pin == self.pins.sck
            && let Some(level) = level
        {
            self.card.edge(level, self.mosi, now_ps, decisions);
            self.miso_changed(now_ps);
        }
    }

    /// A frame of an SPI; what the card answers, `None` if it is not on these wires or not asked.
    pub fn frame(&mut self, frame: &SpiFrame, decisions: &mut Decisions) -> Option<u16> {
        if frame.pins.sck != Some(self.pins.sck) {
            return None;
        }
        let is_heard = frame.pins.mosi == Some(self.pins.mosi);
        let held = if self.mosi { frame.ones() } else { 0 };
        let mosi = if is_heard { frame.mosi } else { Some(held) };
        let answer = self.card.frame(&SpiFrame { mosi, ..*frame }, decisions);
        answer.filter(|_| !frame.one_line && frame.pins.miso == Some(self.pins.miso))
    }

    /// When [`take_level`](Self::take_level) is due, in picoseconds: at once or never.
    pub fn next_wake_ps(&self) -> u64 {
        if self.told == Some(self.miso) { u64::MAX } else { 0 }
    }

    /// A new level of the chip's MISO pin.
    pub fn take_level(&mut self) -> Option<(Pin, bool)> {
        let is_new = self.told.replace(self.miso) != Some(self.miso);
        is_new.then_some((self.pins.miso, self.miso))
    }

    fn power_changed(&mut self, now_ps: u64, decisions: &mut Decisions) {
        self.card.set_power(self.is_inserted && self.is_supplied, now_ps, decisions);
        self.miso_changed(now_ps);
    }

    fn miso_changed(&mut self, now_ps: u64) {
        self.miso = self.card.miso(now_ps).unwrap_or(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Port;
    use crate::spi::SpiPins;

    const PINS: SdPins = SdPins {
        select: Pin::new(Port::C, 2),
        sck: Pin::new(Port::A, 5),
        miso: Pin::new(Port::A, 6),
        mosi: Pin::new(Port::A, 7),
    };
    const MS: u64 = crate::time::PS_PER_MS;

    struct Wires {
        slot: SdSlot,
        now_ps: u64,
        decisions: Decisions,
    }

    impl Wires {
        fn new() -> Self {
            let image = Arc::new(SdImage::empty(2048).unwrap());
            Self { slot: SdSlot::new(PINS, SdConfig::default(), image), now_ps: 10 * MS, decisions: Decisions::new(1) }
        }

        fn drive(&mut self, pin: Pin, level: bool) {
            self.now_ps += 1_000_000;
            self.slot.pin_driven(pin, Some(level), self.now_ps, &mut self.decisions);
        }

        /// A byte by moving pins: the level of MISO as the chip's pin has it.
        fn bang(&mut self, byte: u8, level: &mut bool) -> u8 {
            (0..8).rev().fold(0, |word, bit| {
                self.drive(PINS.mosi, byte >> bit & 1 != 0);
                self.drive(PINS.sck, true);
                if let Some((pin, new)) = self.slot.take_level() {
                    assert_eq!(pin, PINS.miso);
                    *level = new;
                }
                let word = word << 1 | u8::from(*level);
                self.drive(PINS.sck, false);
                if let Some((_, new)) = self.slot.take_level() {
                    *level = new;
                }
                word
            })
        }

        fn byte(&mut self, byte: u8, pins: SpiPins) -> Option<u16> {
            let frame = SpiFrame { pins, ..SpiFrame::byte(byte, 1_000_000, self.now_ps) };
            self.now_ps += 8_000_000;
            self.slot.frame(&frame, &mut self.decisions)
        }
    }

    #[test]
    fn cmd0_by_moving_pins() {
        let mut wires = Wires::new();
        let mut level = true;
        assert_eq!(wires.slot.take_level(), Some((PINS.miso, true)), "pulled up");
        (0..10).for_each(|_| assert_eq!(wires.bang(0xff, &mut level), 0xff));
        wires.drive(PINS.select, false);
        let command = [0x40, 0, 0, 0, 0, 0x95, 0xff, 0xff, 0xff];
        let answers = command.map(|byte| wires.bang(byte, &mut level));
        assert_eq!(answers[6..], [0xff, 0x01, 0xff]);
    }

    #[test]
    fn frames_reach_it_by_their_pins() {
        let own = SpiPins { sck: Some(PINS.sck), mosi: Some(PINS.mosi), miso: Some(PINS.miso), nss: None };
        let others = SpiPins { sck: Some(Pin::new(Port::B, 3)), ..own };
        let mut wires = Wires::new();
        (0..10).for_each(|_| assert_eq!(wires.byte(0xff, own), None, "not selected"));
        wires.drive(PINS.select, false);
        for byte in [0x40, 0, 0, 0, 0, 0x95] {
            assert_eq!(wires.byte(byte, others), None, "another SPI's clock");
            wires.byte(byte, own);
        }
        let deaf = SpiPins { miso: None, ..own };
        assert_eq!((wires.byte(0xff, own), wires.byte(0xff, deaf)), (Some(0xff), None));
        assert_eq!(wires.byte(0xff, own), Some(0xff), "R1 went out unheard");
    }

    #[test]
    fn pulled_out_it_is_an_open_socket() {
        let mut wires = Wires::new();
        let own = SpiPins { sck: Some(PINS.sck), mosi: Some(PINS.mosi), miso: Some(PINS.miso), nss: None };
        wires.slot.insert(false, wires.now_ps, &mut wires.decisions);
        wires.slot.set_supply(false, wires.now_ps, &mut wires.decisions);
        wires.slot.set_supply(true, wires.now_ps, &mut wires.decisions);
        (0..10).for_each(|_| assert_eq!(wires.byte(0xff, own), None));
        wires.drive(PINS.select, false);
        for byte in [0x40, 0, 0, 0, 0, 0x95, 0xff, 0xff] {
            assert_eq!(wires.byte(byte, own), None);
        }
    }
}
