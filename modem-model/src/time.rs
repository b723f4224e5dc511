//! Virtual time of the modem: picoseconds since power-on of the world, and ranges from which durations are drawn.

use std::fmt;
use std::str::FromStr;

use lockstep_traces::Decisions;
use serde::{Deserialize, Serialize};

use crate::duration::{parse_duration_ps, write_duration_us};

/// Picoseconds in one second.
pub const PS_PER_S: u64 = 1_000_000_000_000;
/// Picoseconds in one millisecond.
pub const PS_PER_MS: u64 = 1_000_000_000;
/// Picoseconds in one microsecond.
pub const PS_PER_US: u64 = 1_000_000;

/// A duration known only within limits: each use draws a value from the seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DurationRange {
    /// Shortest, in microseconds.
    pub low_us: u64,
    /// Longest, in microseconds.
    pub high_us: u64,
}

impl DurationRange {
    /// From microseconds.
    pub const fn us(low_us: u64, high_us: u64) -> Self {
        Self { low_us, high_us }
    }

    /// From milliseconds.
    pub const fn ms(low_ms: u64, high_ms: u64) -> Self {
        Self { low_us: low_ms.saturating_mul(1000), high_us: high_ms.saturating_mul(1000) }
    }

    /// Always the same.
    pub const fn exactly_us(us: u64) -> Self {
        Self { low_us: us, high_us: us }
    }

    /// Draws one duration, in picoseconds.
    pub fn draw_ps(&self, time_ps: u64, stream: &str, what: &str, decisions: &mut Decisions) -> u64 {
        decisions.draw(time_ps, stream, what, self.low_us, self.high_us).saturating_mul(PS_PER_US)
    }
}

impl fmt::Display for DurationRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&write_duration_us(self.low_us))?;
        if self.low_us != self.high_us {
            write!(f, "..{}", write_duration_us(self.high_us))?;
        }
        Ok(())
    }
}

impl FromStr for DurationRange {
    type Err = String;

    /// `2s`, or `2s..4s`.
    fn from_str(text: &str) -> Result<Self, String> {
        let us = |text: &str| parse_duration_ps(text).map(|ps| ps / PS_PER_US);
        let (low, high) = text.split_once("..").unwrap_or((text, text));
        let (low_us, high_us) = (us(low)?, us(high)?);
        if low_us > high_us {
            return Err(format!("{text:?}: the longer duration stands first"));
        }
        Ok(Self { low_us, high_us })
    }
}

/// Events in the order of their times; those of one time in the order they were put in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TimerQueue<T> {
    next_sequence: u64,
    entries: Vec<(u64, u64, T)>,
}

impl<T> Default for TimerQueue<T> {
    fn default() -> Self {
        Self { next_sequence: 0, entries: Vec::new() }
    }
}

impl<T> TimerQueue<T> {
    pub fn insert(&mut self, time_ps: u64, event: T) {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        // Descending order, so that the next event is popped from the end.
        let at = self.entries.partition_point(|e| (e.0, e.1) > (time_ps, sequence));
        self.entries.insert(at, (time_ps, sequence, event));
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn next_ps(&self) -> u64 {
        self.entries.last().map_or(u64::MAX, |e| e.0)
    }

    /// The next event if it is due.
    pub fn pop_due(&mut self, now_ps: u64) -> Option<(u64, T)> {
        if self.next_ps() > now_ps {
            return None;
        }
        self.entries.pop().map(|e| (e.0, e.2))
    }

    pub fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        self.entries.retain(|e| keep(&e.2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_times_keep_their_order() {
        let mut queue = TimerQueue::default();
        for (time, name) in [(5, 'b'), (1, 'a'), (5, 'c'), (9, 'd')] {
            queue.insert(time, name);
        }
        let order: String = std::iter::from_fn(|| queue.pop_due(8).map(|e| e.1)).collect();
        assert_eq!(order, "abc");
        assert_eq!(queue.next_ps(), 9);
    }
}
