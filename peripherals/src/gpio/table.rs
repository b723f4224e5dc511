//! Register tables of the ports (RM0033 6.4). Ports A and B differ in their reset values.

use crate::device::Port;
use crate::registers::Access::{R, Rw, W};
use crate::registers::{Field, Register};

pub(super) const NAMES: [&str; 9] = ["GPIOA", "GPIOB", "GPIOC", "GPIOD", "GPIOE", "GPIOF", "GPIOG", "GPIOH", "GPIOI"];

macro_rules! per_pin {
    ($name:literal, $first:literal, $width:literal, $access:expr) => {
        per_pin!($name, $first, $width, $access; 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
    };
    ($name:literal, $first:literal, $width:literal, $access:expr; $($n:literal)*) => {
        &[$(Field::new(concat!($name, $n), $first + $n % (32 / $width) * $width, $width, $access)),*]
    };
}

macro_rules! table {
    ($moder:literal, $ospeedr:literal, $pupdr:literal) => {
        &[
            Register { offset: 0x00, name: "MODER", reset: $moder, section: "6.4.1", fields: per_pin!("MODER", 0, 2, Rw) },
            Register { offset: 0x04, name: "OTYPER", reset: 0, section: "6.4.2", fields: per_pin!("OT", 0, 1, Rw) },
            Register { offset: 0x08, name: "OSPEEDR", reset: $ospeedr, section: "6.4.3", fields: per_pin!("OSPEEDR", 0, 2, Rw) },
            Register { offset: 0x0c, name: "PUPDR", reset: $pupdr, section: "6.4.4", fields: per_pin!("PUPDR", 0, 2, Rw) },
            Register { offset: 0x10, name: "IDR", reset: 0, section: "6.4.5", fields: per_pin!("IDR", 0, 1, R) },
            Register { offset: 0x14, name: "ODR", reset: 0, section: "6.4.6", fields: per_pin!("ODR", 0, 1, Rw) },
            Register { offset: 0x18, name: "BSRR", reset: 0, section: "6.4.7", fields: BSRR },
            Register { offset: 0x1c, name: "LCKR", reset: 0, section: "6.4.8", fields: LCKR },
            Register { offset: 0x20, name: "AFRL", reset: 0, section: "6.4.9", fields: per_pin!("AFRL", 0, 4, Rw; 0 1 2 3 4 5 6 7) },
            Register { offset: 0x24, name: "AFRH", reset: 0, section: "6.4.10", fields: per_pin!("AFRH", 0, 4, Rw; 8 9 10 11 12 13 14 15) },
        ]
    };
}

const BSRR: &[Field] = &[Field::new("BS", 0, 16, W), Field::new("BR", 16, 16, W)];
const LCKR: &[Field] = &[Field::new("LCK", 0, 16, Rw), Field::new("LCKK", 16, 1, Rw)];

const PORT_A: &[Register] = table!(0xa800_0000, 0, 0x6400_0000);
const PORT_B: &[Register] = table!(0x0000_0280, 0x0000_00c0, 0x0000_0100);
const PORT_C_TO_I: &[Register] = table!(0, 0, 0);

pub(super) fn table(port: Port) -> &'static [Register] {
    match port {
        Port::A => PORT_A,
        Port::B => PORT_B,
        _ => PORT_C_TO_I,
    }
}

pub(super) fn reset_values(port: Port) -> [u32; 10] {
    let mut values = [0; 10];
    for (value, register) in values.iter_mut().zip(table(port)) {
        *value = register.reset;
    }
    values
}
