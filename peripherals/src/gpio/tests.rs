use proptest::prelude::*;

use super::*;
use crate::testing::Bench;

const ALL: u32 = u32::MAX;

fn write(gpio: &mut Gpio, bench: &mut Bench, offset: u32, value: u32) {
    gpio.write(offset, value, ALL, &mut bench.cx());
}

#[test]
fn the_table_names_each_bit_of_each_port_in_its_place() {
    for port in [Port::A, Port::B, Port::C] {
        for register in table::table(port) {
            let mut seen = 0;
            for field in register.fields {
                assert_eq!(seen & field.mask(), 0, "{}.{}", register.name, field.name);
                seen |= field.mask();
            }
            let expected = match register.name {
                "OTYPER" | "IDR" | "ODR" => 0xffff,
                "LCKR" => 0x1_ffff,
                _ => ALL,
            };
            assert_eq!(seen, expected, "{}", register.name);
        }
    }
}

#[test]
fn reset_leaves_the_debug_port_s_pins_as_the_manual_says() {
    let mut bench = Bench::new();
    let mut a = Gpio::new(Port::A);
    let mut b = Gpio::new(Port::B);
    assert_eq!(a.read(0x00, &mut bench.cx()), 0xa800_0000);
    assert_eq!(a.read(0x0c, &mut bench.cx()), 0x6400_0000);
    assert_eq!(b.read(0x08, &mut bench.cx()), 0xc0);
    // JTMS (PA13) and JTDI (PA15) are pulled up, JTCK (PA14) down, NJTRST (PB4) up.
    assert_eq!(a.read(0x10, &mut bench.cx()), 0xa000);
    assert_eq!(b.read(0x10, &mut bench.cx()), 0x0010);
    assert_eq!((a.af(13), a.af(0)), (Some(0), None));
}

#[test]
fn an_output_is_told_to_the_board_once() {
    let mut bench = Bench::new();
    let mut gpio = Gpio::new(Port::B);
    write(&mut gpio, &mut bench, 0x18, 1 << 2);
    assert!(bench.board.pins.is_empty(), "an input does not drive");
    write(&mut gpio, &mut bench, 0x00, 1 << 4);
    write(&mut gpio, &mut bench, 0x18, 1 << 2);
    write(&mut gpio, &mut bench, 0x18, 1 << 18);
    write(&mut gpio, &mut bench, 0x18, 1 << 18 | 1 << 2);
    write(&mut gpio, &mut bench, 0x00, 0);
    let levels: Vec<_> = bench.board.pins.iter().map(|(pin, level, _)| (pin.number, *level)).collect();
    assert_eq!(levels, [(2, Some(true)), (2, Some(false)), (2, Some(true)), (2, None)]);
}

#[test]
fn input_levels_follow_board_pull_and_open_drain() {
    let mut bench = Bench::new();
    let mut gpio = Gpio::new(Port::C);
    let idr = |gpio: &mut Gpio, bench: &mut Bench| gpio.read(0x10, &mut bench.cx()) & 0x80;
    write(&mut gpio, &mut bench, 0x0c, 1 << 14);
    assert_eq!(idr(&mut gpio, &mut bench), 0x80, "pulled up");
    gpio.drive(7, Some(false), &mut bench.cx());
    assert_eq!(idr(&mut gpio, &mut bench), 0, "button pressed");
    gpio.drive(7, None, &mut bench.cx());
    assert_eq!(idr(&mut gpio, &mut bench), 0x80);
    // Open drain high lets the board pull it low; open drain low wins.
    write(&mut gpio, &mut bench, 0x04, 1 << 7);
    write(&mut gpio, &mut bench, 0x18, 1 << 7);
    write(&mut gpio, &mut bench, 0x00, 1 << 14);
    assert_eq!((idr(&mut gpio, &mut bench), gpio.driven(7)), (0x80, None));
    gpio.drive(7, Some(false), &mut bench.cx());
    assert_eq!(idr(&mut gpio, &mut bench), 0);
    gpio.drive(7, Some(true), &mut bench.cx());
    write(&mut gpio, &mut bench, 0x18, 1 << 23);
    assert_eq!((idr(&mut gpio, &mut bench), gpio.driven(7)), (0, Some(false)));
    // Analog mode reads 0 whatever is outside.
    write(&mut gpio, &mut bench, 0x00, 3 << 14);
    assert_eq!(idr(&mut gpio, &mut bench), 0);
    // An alternate function shows its peripheral's level.
    write(&mut gpio, &mut bench, 0x04, 0);
    write(&mut gpio, &mut bench, 0x00, 2 << 14);
    gpio.drive(7, None, &mut bench.cx());
    gpio.set_af_level(7, Some(false), &mut bench.cx());
    assert_eq!((idr(&mut gpio, &mut bench), gpio.driven(7)), (0, Some(false)));
}

#[test]
fn the_lock_sequence_freezes_the_configuration_until_reset() {
    let mut bench = Bench::new();
    let mut gpio = Gpio::new(Port::D);
    write(&mut gpio, &mut bench, 0x1c, LCKK | 1);
    write(&mut gpio, &mut bench, 0x1c, 3);
    write(&mut gpio, &mut bench, 0x1c, LCKK | 1);
    assert_eq!(gpio.read(0x1c, &mut bench.cx()) & LCKK, 0, "the pins changed during the sequence");
    for value in [LCKK | 1, 1, LCKK | 1] {
        write(&mut gpio, &mut bench, 0x1c, value);
    }
    assert_eq!(gpio.read(0x1c, &mut bench.cx()), LCKK | 1);
    for offset in [0x00, 0x04, 0x08, 0x0c, 0x20] {
        write(&mut gpio, &mut bench, offset, ALL);
    }
    assert_eq!(gpio.read(0x00, &mut bench.cx()), !3);
    assert_eq!(gpio.read(0x04, &mut bench.cx()), 0xfffe);
    assert_eq!(gpio.read(0x20, &mut bench.cx()), !0xf);
    write(&mut gpio, &mut bench, 0x14, 1);
    assert_eq!(gpio.read(0x14, &mut bench.cx()), 1, "data is not locked");
    gpio.reset_port(&mut bench.cx());
    write(&mut gpio, &mut bench, 0x00, 1);
    assert_eq!(gpio.read(0x00, &mut bench.cx()), 1);
}

proptest! {
    /// The mask arithmetic against the plain per-pin definition.
    #[test]
    fn pins_with_is_the_per_pin_comparison(register: u32, value in 0u32..4, pins: u16) {
        let expected: u16 = (0..16).filter(|n| register >> (n * 2) & 3 == value).map(|n| 1u16 << n).sum();
        prop_assert_eq!(pins_with(register, value), expected);
        let spread: u32 = (0..16).filter(|n| pins >> n & 1 != 0).map(|n| 3u32 << (n * 2)).sum();
        prop_assert_eq!(two_bits(pins), spread);
    }

    #[test]
    fn no_access_panics(accesses: Vec<(u16, u32, bool)>, pins: Vec<(u8, Option<bool>)>) {
        let mut bench = Bench::new();
        let mut gpio = Gpio::new(Port::A);
        for (offset, value, read) in accesses {
            if read {
                gpio.read(offset.into(), &mut bench.cx());
            } else {
                gpio.write(offset.into(), value, ALL, &mut bench.cx());
            }
        }
        for (number, level) in pins {
            gpio.drive(number, level, &mut bench.cx());
            gpio.af(number);
        }
    }
}
