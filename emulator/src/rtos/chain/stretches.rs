//! Recursion in a chain: what is repeated, and how often.

use serde::Serialize;

use super::Frame;

/// A part of a chain that is repeated: recursion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Stretch {
    /// Index of its first frame.
    pub first: usize,
    /// Frames of one round.
    pub frames: usize,
    /// Rounds.
    pub times: usize,
}

/// Divides a chain into stretches: single frames, and rounds of a recursion with how often they are repeated.
pub fn stretches(frames: &[Frame]) -> Vec<Stretch> {
    const LONGEST: usize = 24;
    let mut stretches = Vec::new();
    let mut first = 0;
    while first < frames.len() {
        let rest = frames.get(first..).unwrap_or_default();
        let rounds = |length: usize| {
            let round = rest.get(..length).unwrap_or_default();
            let is_same =
                |other: &&[Frame]| other.len() == length && other.iter().zip(round).all(|(a, b)| a.pc == b.pc);
            rest.chunks(length).take_while(is_same).count()
        };
        // The shortest round explains most.
        let found = (1..=LONGEST.min(rest.len() / 2)).map(|length| (length, rounds(length))).find(|(_, n)| *n > 1);
        let (length, times) = found.unwrap_or((1, 1));
        stretches.push(Stretch { first, frames: length, times });
        first += length * times;
    }
    stretches
}
