//! Buttons pressed at virtual times.

use serde::{Deserialize, Serialize};

use super::duration::parse_duration_ps;
use crate::machine::Machine;

/// A button of the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Button {
    /// MODE (SETUP): held low while pressed.
    Mode,
    /// RESET: the NRST pin, as an instant.
    Reset,
}

/// One press.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Press {
    /// The button.
    pub button: Button,
    /// When, in picoseconds since power-on.
    pub at_ps: u64,
    /// For how long, in picoseconds.
    pub duration_ps: u64,
}

/// What is done to a button at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// When, in picoseconds since power-on.
    pub at_ps: u64,
    /// The button.
    pub button: Button,
    /// Pressed or let go.
    pub down: bool,
}

impl Edge {
    /// Does to a machine's button what it says, now.
    pub fn apply(self, machine: &mut Machine) {
        match self.button {
            Button::Reset => machine.tap_reset(),
            Button::Mode if self.down => machine.press_mode(),
            Button::Mode => machine.release_mode(),
        }
    }
}

impl std::fmt::Display for Edge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.button {
            Button::Reset => f.write_str("tap on RESET"),
            Button::Mode => write!(f, "MODE {}", if self.down { "pressed" } else { "let go" }),
        }
    }
}

/// `mode@2s:500ms` or `reset@2s`.
pub fn parse_press(text: &str) -> Result<Press, String> {
    let wrong = |what: &str| format!("{what}: give mode@TIME:DURATION or reset@TIME, for example mode@2s:500ms");
    let (button, when) = text.split_once('@').ok_or_else(|| wrong("no @"))?;
    let (at, duration) = match when.split_once(':') {
        Some((at, duration)) => (at, Some(parse_duration_ps(duration)?)),
        None => (when, None),
    };
    let at_ps = parse_duration_ps(at)?;
    let (button, duration_ps) = match (button, duration) {
        ("mode", Some(duration_ps)) => (Button::Mode, duration_ps),
        ("mode", None) => return Err(wrong("no duration")),
        ("reset", None) => (Button::Reset, 0),
        ("reset", Some(_)) => return Err(wrong("a reset is an instant here, holding it is not modelled")),
        _ => return Err(wrong(&format!("no button {button:?}"))),
    };
    Ok(Press { button, at_ps, duration_ps })
}

/// The edges of all presses in the order of time. Presses that overlap are one long press.
pub fn edges(presses: &[Press]) -> Vec<Edge> {
    let mut edges = Vec::new();
    let mut held: Vec<(u64, u64)> = Vec::new();
    for press in presses {
        match press.button {
            Button::Reset => edges.push(Edge { at_ps: press.at_ps, button: Button::Reset, down: true }),
            Button::Mode => held.push((press.at_ps, press.at_ps.saturating_add(press.duration_ps))),
        }
    }
    held.sort_unstable();
    let mut merged: Vec<(u64, u64)> = Vec::new();
    for (start, end) in held {
        match merged.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => merged.push((start, end)),
        }
    }
    for (start, end) in merged {
        edges.push(Edge { at_ps: start, button: Button::Mode, down: true });
        edges.push(Edge { at_ps: end, button: Button::Mode, down: false });
    }
    // MODE first: one who holds it and taps RESET at the same instant wants it seen by the boot loader.
    edges.sort_by_key(|edge| (edge.at_ps, edge.button == Button::Reset));
    edges
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000_000;

    #[test]
    fn presses_are_read_and_mistakes_named() {
        let press = parse_press("mode@2s:500ms").unwrap();
        assert_eq!(press, Press { button: Button::Mode, at_ps: 2 * S, duration_ps: S / 2 });
        assert_eq!(parse_press("reset@1s").unwrap().button, Button::Reset);
        for text in ["mode", "mode@2s", "reset@1s:1s", "user@1s:1s", "mode@x:1s", "mode@1s:", "@", "@:"] {
            assert!(parse_press(text).is_err(), "{text}");
        }
    }

    #[test]
    fn overlapping_presses_are_one() {
        let presses: Vec<Press> =
            ["mode@3s:1s", "reset@0s", "mode@0s:2s", "mode@1s:4s"].iter().map(|t| parse_press(t).unwrap()).collect();
        let seen: Vec<_> = edges(&presses).iter().map(|e| (e.at_ps / S, e.button, e.down)).collect();
        assert_eq!(seen, [(0, Button::Mode, true), (0, Button::Reset, true), (5, Button::Mode, false)]);
    }
}
