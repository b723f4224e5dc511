//! General-purpose I/O port (RM0033 section 6).
//!
//! A pin's level is what drives it: the chip's own output stage first, then the board, then the pull resistor. A pin
//! that nothing drives reads 0 (on hardware it is undefined). Output speed has no effect.

mod table;

use serde::{Deserialize, Serialize};

use crate::device::{Cx, Device, Pin, Port};
use crate::registers::Register;

const MODER: usize = 0;
const OTYPER: usize = 1;
const OSPEEDR: usize = 2;
const PUPDR: usize = 3;
const IDR: usize = 4;
const ODR: usize = 5;
const BSRR: usize = 6;
const LCKR: usize = 7;
const AFRL: usize = 8;
const AFRH: usize = 9;
const LCKK: u32 = 1 << 16;

/// Where the lock sequence stands (RM0033 6.4.8): write LCKK 1, 0, 1 with the same pins, then read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Lock {
    Open,
    WroteOne(u16),
    WroteZero(u16),
    WroteOneAgain(u16),
    Locked,
}

/// A port of sixteen pins. Has no interrupt of its own: EXTI watches the levels.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Gpio {
    port: Port,
    regs: [u32; 10],
    lock: Lock,
    /// Pins the board drives, and to which level.
    external_driven: u16,
    external_level: u16,
    /// Pins whose alternate function drives them, and to which level.
    af_driven: u16,
    af_level: u16,
    /// MODER or an AFR was written: the alternate functions' levels may have to be set anew.
    af_changed: bool,
    /// What the chip drives: kept so that a change can be told to the board.
    driven: u16,
    driven_level: u16,
    input: u16,
}

/// Bit per pin whose two-bit field in `register` equals `value`.
fn pins_with(register: u32, value: u32) -> u16 {
    let differs = register ^ value.wrapping_mul(0x5555_5555);
    let mut equal = !(differs | differs >> 1) & 0x5555_5555;
    equal = (equal | equal >> 1) & 0x3333_3333;
    equal = (equal | equal >> 2) & 0x0f0f_0f0f;
    equal = (equal | equal >> 4) & 0x00ff_00ff;
    (equal | equal >> 8) as u16
}

/// Spreads a bit per pin to a two-bit mask per pin.
fn two_bits(pins: u16) -> u32 {
    let mut x = u32::from(pins);
    x = (x | x << 8) & 0x00ff_00ff;
    x = (x | x << 4) & 0x0f0f_0f0f;
    x = (x | x << 2) & 0x3333_3333;
    x = (x | x << 1) & 0x5555_5555;
    x | x << 1
}

/// Spreads a bit per pin to a four-bit mask per pin, for eight pins.
fn four_bits(pins: u8) -> u32 {
    (0..8).filter(|pin| pins >> pin & 1 != 0).map(|pin| 0xf << (pin * 4)).sum()
}

impl Gpio {
    /// After reset: ports A and B start with the debug port's pins as alternate functions (RM0033 6.4.1).
    pub fn new(port: Port) -> Self {
        let mut gpio = Self {
            port,
            regs: table::reset_values(port),
            lock: Lock::Open,
            external_driven: 0,
            external_level: 0,
            af_driven: 0,
            af_level: 0,
            af_changed: true,
            driven: 0,
            driven_level: 0,
            input: 0,
        };
        gpio.input = gpio.resolve().2;
        gpio
    }

    /// The port's letter.
    pub fn port(&self) -> Port {
        self.port
    }

    /// Levels as IDR shows them, bit per pin.
    pub fn input(&self) -> u16 {
        self.input
    }

    /// What the chip drives: `Some(level)`, or `None` when the pin is high impedance to it.
    pub fn driven(&self, number: u8) -> Option<bool> {
        let bit = bit(number);
        (self.driven & bit != 0).then_some(self.driven_level & bit != 0)
    }

    /// The alternate function selected for a pin; `None` if the pin is not in alternate function mode.
    pub fn af(&self, number: u8) -> Option<u8> {
        if number > 15 || self.regs[MODER] >> (number * 2) & 3 != 2 {
            return None;
        }
        let word = if number < 8 { self.regs[AFRL] } else { self.regs[AFRH] };
        Some((word >> (number % 8 * 4) & 0xf) as u8)
    }

    /// Whether pins may have got or lost an alternate function since the last call.
    pub fn take_af_changed(&mut self) -> bool {
        std::mem::take(&mut self.af_changed)
    }

    /// The board drives a pin, or lets it go.
    pub fn drive(&mut self, number: u8, level: Option<bool>, cx: &mut Cx<'_>) {
        set(&mut self.external_driven, &mut self.external_level, number, level);
        self.update(cx);
    }

    /// The peripheral behind a pin's alternate function drives it to a level, or does not drive it (an input).
    pub fn set_af_level(&mut self, number: u8, level: Option<bool>, cx: &mut Cx<'_>) {
        set(&mut self.af_driven, &mut self.af_level, number, level);
        self.update(cx);
    }

    /// The same for all pins at once, bit per pin.
    pub fn set_af_levels(&mut self, driven: u16, levels: u16, cx: &mut Cx<'_>) {
        if (driven, levels) != (self.af_driven, self.af_level) {
            (self.af_driven, self.af_level) = (driven, levels & driven);
            self.update(cx);
        }
    }

    /// Resets the registers; what the board drives stays. The board hears of the pins let go.
    pub fn reset_port(&mut self, cx: &mut Cx<'_>) {
        self.reset();
        self.update(cx);
    }

    /// Chip-driven mask and levels, and the input levels.
    fn resolve(&self) -> (u16, u16, u16) {
        let moder = self.regs[MODER];
        let output = pins_with(moder, 1);
        let af = pins_with(moder, 2) & self.af_driven;
        let analog = pins_with(moder, 3);
        let level = (self.regs[ODR] as u16 & output) | (self.af_level & af);
        // An open drain drives only low.
        let open_drain = self.regs[OTYPER] as u16;
        let driven = (output | af) & !(open_drain & level);
        let pull_up = pins_with(self.regs[PUPDR], 1) & !analog;
        let outside = (self.external_level & self.external_driven) | (pull_up & !self.external_driven);
        // The Schmitt trigger is off in analog mode: the bit reads 0 (6.3.12).
        let input = ((level & driven) | (outside & !driven)) & !analog;
        (driven, level & driven, input)
    }

    fn update(&mut self, cx: &mut Cx<'_>) {
        let (driven, level, input) = self.resolve();
        let changed = (driven ^ self.driven) | (level ^ self.driven_level);
        (self.driven, self.driven_level, self.input) = (driven, level, input);
        let mut rest = changed;
        while rest != 0 {
            let number = rest.trailing_zeros() as u8;
            rest &= rest - 1;
            cx.board.pin_driven(Pin::new(self.port, number), self.driven(number), cx.now, cx.decisions);
        }
    }

    fn locked_pins(&self) -> u16 {
        if self.lock == Lock::Locked { self.regs[LCKR] as u16 } else { 0 }
    }

    fn write_lckr(&mut self, value: u32) {
        if self.lock == Lock::Locked {
            return;
        }
        let pins = value as u16;
        let key = value & LCKK != 0;
        // Any step that is out of order or names other pins starts the sequence again (6.4.8).
        self.lock = match self.lock {
            Lock::WroteOne(first) if !key && first == pins => Lock::WroteZero(pins),
            Lock::WroteZero(first) if key && first == pins => Lock::WroteOneAgain(pins),
            _ if key => Lock::WroteOne(pins),
            _ => Lock::Open,
        };
        self.regs[LCKR] = pins.into();
    }
}

fn bit(number: u8) -> u16 {
    1u16.checked_shl(number.into()).unwrap_or(0)
}

fn set(driven: &mut u16, levels: &mut u16, number: u8, level: Option<bool>) {
    let bit = bit(number);
    *driven = if level.is_some() { *driven | bit } else { *driven & !bit };
    *levels = if level == Some(true) { *levels | bit } else { *levels & !bit };
}

impl Device for Gpio {
    fn name(&self) -> &str {
        table::NAMES[self.port as usize]
    }

    fn table(&self) -> &'static [Register] {
        table::table(self.port)
    }

    fn read(&mut self, offset: u32, cx: &mut Cx<'_>) -> u32 {
        match (offset / 4) as usize {
            IDR => self.input.into(),
            BSRR => 0,
            LCKR => {
                if let Lock::WroteOneAgain(_) = self.lock {
                    self.lock = Lock::Locked;
                    self.regs[LCKR] |= LCKK;
                }
                self.regs[LCKR]
            }
            index @ 0..=9 => self.regs[index],
            _ => {
                cx.unmodelled(&format!("{} read offset {offset:#x}", self.name()));
                0
            }
        }
    }

    fn quiet_read(&self, offset: u32) -> Option<u32> {
        match (offset / 4) as usize {
            IDR => Some(self.input.into()),
            BSRR | LCKR => None,
            index @ 0..=9 => Some(self.regs[index]),
            _ => None,
        }
    }

    fn write(&mut self, offset: u32, value: u32, lanes: u32, cx: &mut Cx<'_>) {
        let index = (offset / 4) as usize;
        let locked = self.locked_pins();
        let writable = match index {
            MODER | OSPEEDR | PUPDR => !two_bits(locked),
            OTYPER => 0xffff & !u32::from(locked),
            AFRL => !four_bits(locked as u8),
            AFRH => !four_bits((locked >> 8) as u8),
            ODR => 0xffff,
            BSRR => {
                let value = value & lanes;
                // Set wins over reset (6.4.7).
                self.regs[ODR] = (self.regs[ODR] & !(value >> 16)) | (value & 0xffff);
                self.update(cx);
                return;
            }
            LCKR => {
                // The sequence must be made of word accesses.
                if lanes == u32::MAX {
                    self.write_lckr(value);
                } else {
                    cx.unmodelled(&format!("{}.LCKR narrow write", self.name()));
                }
                return;
            }
            IDR => return,
            _ => {
                cx.unmodelled(&format!("{} write offset {offset:#x}", self.name()));
                return;
            }
        } & lanes;
        self.regs[index] = (self.regs[index] & !writable) | (value & writable);
        self.af_changed |= matches!(index, MODER | AFRL | AFRH);
        self.update(cx);
    }

    /// The board is not told here which pins were let go: [`Gpio::reset_port`] is what the composition calls.
    fn reset(&mut self) {
        self.regs = table::reset_values(self.port);
        self.lock = Lock::Open;
        self.af_changed = true;
        self.input = self.resolve().2;
    }
}

#[cfg(test)]
mod tests;
