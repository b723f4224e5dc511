//! The SPIs' wires: which pins they are on, what they drive there, and the NSS input.

use serde::{Deserialize, Serialize};

use super::devices::{PORTS, SPIS, spi_index};
use super::map::Id;
use super::{Soc, SocEnv};
use crate::device::{Pin, Port};
use crate::spi::{SpiFrame, SpiOutputs, SpiPins};

/// A wire of an SPI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wire {
    Sck,
    Mosi,
    Miso,
    Nss,
}

/// Wires of the SPIs by port, pin, alternate function and SPI (STM32F205 data sheet, alternate function mapping).
#[rustfmt::skip]
const WIRES: &[(Port, u8, u8, u8, Wire)] = &[
    (Port::A, 4, 5, 1, Wire::Nss), (Port::A, 5, 5, 1, Wire::Sck), (Port::A, 6, 5, 1, Wire::Miso),
    (Port::A, 7, 5, 1, Wire::Mosi), (Port::A, 15, 5, 1, Wire::Nss), (Port::B, 3, 5, 1, Wire::Sck),
    (Port::B, 4, 5, 1, Wire::Miso), (Port::B, 5, 5, 1, Wire::Mosi),
    (Port::B, 9, 5, 2, Wire::Nss), (Port::B, 10, 5, 2, Wire::Sck), (Port::B, 12, 5, 2, Wire::Nss),
    (Port::B, 13, 5, 2, Wire::Sck), (Port::B, 14, 5, 2, Wire::Miso), (Port::B, 15, 5, 2, Wire::Mosi),
    (Port::C, 2, 5, 2, Wire::Miso), (Port::C, 3, 5, 2, Wire::Mosi), (Port::I, 0, 5, 2, Wire::Nss),
    (Port::I, 1, 5, 2, Wire::Sck), (Port::I, 2, 5, 2, Wire::Miso), (Port::I, 3, 5, 2, Wire::Mosi),
    (Port::A, 4, 6, 3, Wire::Nss), (Port::A, 15, 6, 3, Wire::Nss), (Port::B, 3, 6, 3, Wire::Sck),
    (Port::B, 4, 6, 3, Wire::Miso), (Port::B, 5, 6, 3, Wire::Mosi), (Port::C, 10, 6, 3, Wire::Sck),
    (Port::C, 11, 6, 3, Wire::Miso), (Port::C, 12, 6, 3, Wire::Mosi),
];

/// Ports with wires of an SPI: A, B, C and I.
const SPI_PORTS: [usize; 4] = [0, 1, 2, 8];

/// The SPIs' wires as last carried on, by SPI number less one.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct SpiWires {
    /// Pins set to each wire; where two are, the first of the table.
    pub pins: [SpiPins; 3],
    outputs: [SpiOutputs; 3],
}

impl SpiWires {
    /// The pins of SPI `spi`, 1 to 3.
    fn pins_of(&self, spi: u8) -> SpiPins {
        self.pins.get(usize::from(spi).wrapping_sub(1)).copied().unwrap_or_default()
    }

    /// A frame as it leaves the chip: `None` if its clock is on no pin.
    pub fn outside(&self, spi: u8, frame: &SpiFrame) -> Option<SpiFrame> {
        let pins = self.pins_of(spi);
        pins.sck?;
        Some(SpiFrame { pins, mosi: frame.mosi.filter(|_| pins.mosi.is_some()), ..*frame })
    }

    /// What a master takes in, of `answer` from the board and `inputs`, the ports' levels that count where nobody
    /// drives the line: all ones or zeros. An alternate-function input without a pin reads 0.
    pub fn taken_in(&self, spi: u8, frame: &SpiFrame, answer: Option<u16>, inputs: &[u16; PORTS.len()]) -> u16 {
        let pins = self.pins_of(spi);
        match if frame.one_line { pins.mosi } else { pins.miso } {
            None => 0,
            Some(pin) => answer.unwrap_or(if is_high(pin, inputs) { frame.ones() } else { 0 }),
        }
    }
}

fn is_high(pin: Pin, inputs: &[u16; PORTS.len()]) -> bool {
    inputs[pin.port as usize] >> (pin.number & 15) & 1 != 0
}

impl Soc {
    /// An SPI was touched: its pins show what it drives now.
    pub(super) fn spi_changed(&mut self, id: Id, env: &mut SocEnv<'_>) {
        let Some(index) = spi_index(id) else { return };
        let outputs = self.devices.spi[index].outputs();
        if outputs == std::mem::replace(&mut self.spi.outputs[index], outputs) {
            return;
        }
        for port in SPI_PORTS {
            self.drive_af_pins(port, env);
            self.port_changed(port, env);
        }
    }

    /// Pins of a port that SPIs drive, and their levels.
    pub(super) fn spi_levels(&self, index: usize) -> (u16, u16) {
        let gpio = &self.devices.gpio[index];
        let (mut driven, mut levels) = (0u16, 0u16);
        for (port, pin, af, spi, wire) in WIRES {
            if *port != PORTS[index] || gpio.af(*pin) != Some(*af) {
                continue;
            }
            let outputs = self.spi.outputs[usize::from(*spi).saturating_sub(1)];
            let level = match wire {
                Wire::Sck => outputs.sck,
                Wire::Mosi => outputs.mosi,
                Wire::Miso => outputs.miso,
                Wire::Nss => outputs.nss,
            };
            driven |= u16::from(level.is_some()) << pin;
            levels |= u16::from(level == Some(true)) << pin;
        }
        (driven, levels)
    }

    /// Alternate functions of a port changed: finds the pins of each wire.
    pub(super) fn route_spi(&mut self) {
        let mut pins = [SpiPins::default(); 3];
        for (port, pin, af, spi, wire) in WIRES {
            if self.devices.gpio[*port as usize].af(*pin) != Some(*af) {
                continue;
            }
            let pins = &mut pins[usize::from(*spi).saturating_sub(1)];
            let place = match wire {
                Wire::Sck => &mut pins.sck,
                Wire::Mosi => &mut pins.mosi,
                Wire::Miso => &mut pins.miso,
                Wire::Nss => &mut pins.nss,
            };
            place.get_or_insert(Pin::new(*port, *pin));
        }
        self.spi.pins = pins;
    }

    /// Levels or routes of pins changed: the SPIs see their NSS inputs.
    pub(super) fn carry_nss(&mut self, env: &mut SocEnv<'_>) {
        for (index, id) in SPIS.into_iter().enumerate() {
            let level = self.spi.pins[index].nss.is_some_and(|pin| is_high(pin, &self.inputs));
            if level != self.devices.spi[index].nss() {
                self.devices.spi[index].set_nss(level, &mut cx!(self, env));
                self.settle(id, env);
            }
        }
    }
}
