//! Names of pins: the chip's, and those printed on the board.

use crate::device::{Pin, Port};

/// The Electron's pins with names of their own (its published schematic).
const NAMES: [(&str, Pin); 14] = [
    ("D0", Pin::new(Port::B, 7)),
    ("D1", Pin::new(Port::B, 6)),
    ("D2", Pin::new(Port::B, 5)),
    ("D3", Pin::new(Port::B, 4)),
    ("D4", Pin::new(Port::B, 3)),
    ("D5", Pin::new(Port::A, 15)),
    ("D6", Pin::new(Port::A, 14)),
    ("D7", Pin::new(Port::A, 13)),
    ("A0", Pin::new(Port::C, 5)),
    ("A1", Pin::new(Port::C, 3)),
    ("A2", Pin::new(Port::C, 2)),
    ("A3", Pin::new(Port::A, 5)),
    ("A4", Pin::new(Port::A, 6)),
    ("A5", Pin::new(Port::A, 7)),
];

/// `D2`, or `PB5` for any pin.
pub fn parse_pin(text: &str) -> Option<Pin> {
    if let Some((_, pin)) = NAMES.iter().find(|(name, _)| *name == text) {
        return Some(*pin);
    }
    let mut rest = text.strip_prefix('P')?.chars();
    let port = match rest.next()? {
        'A' => Port::A,
        'B' => Port::B,
        'C' => Port::C,
        'D' => Port::D,
        _ => return None,
    };
    let number = rest.as_str().parse().ok().filter(|number| *number < 16)?;
    Some(Pin::new(port, number))
}

/// The name on the board, or else the chip's.
pub fn pin_name(pin: Pin) -> String {
    match NAMES.iter().find(|(_, other)| *other == pin) {
        Some((name, _)) => (*name).to_owned(),
        None => format!("P{:?}{}", pin.port, pin.number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for name in ["D2", "A1", "PD15", "PB0"] {
            assert_eq!(pin_name(parse_pin(name).unwrap()), name);
        }
        assert_eq!(parse_pin("PB5"), parse_pin("D2"));
        for wrong in ["", "D9", "PB16", "P", "PZ1", "PB-1", "B5"] {
            assert_eq!(parse_pin(wrong), None, "{wrong}");
        }
    }
}
