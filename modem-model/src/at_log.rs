//! The observer's log of AT traffic: what a live view or a transcript shows. Never read by the modem itself.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Entries kept for an observer that does not drain.
const ENTRIES_MAX: usize = 4096;

/// Which way an entry went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// A command line from the client.
    ToModem,
    /// Payload that followed a prompt.
    PayloadToModem,
    /// A response or URC from the modem.
    FromModem,
}

/// One line, response or payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AtLogEntry {
    /// Virtual time: the last character received, or the moment the first was ready to be sent.
    pub time_ps: u64,
    /// Which way it went.
    pub direction: Direction,
    /// The bytes, line ends included.
    pub bytes: Vec<u8>,
}

/// The newest entries, oldest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct AtLog {
    entries: VecDeque<AtLogEntry>,
    dropped: u64,
}

impl AtLog {
    pub(crate) fn push(&mut self, time_ps: u64, direction: Direction, bytes: &[u8]) {
        if self.entries.len() >= ENTRIES_MAX {
            self.entries.pop_front();
            self.dropped += 1;
        }
        self.entries.push_back(AtLogEntry { time_ps, direction, bytes: bytes.to_vec() });
    }

    /// Takes all entries.
    pub fn drain(&mut self) -> Vec<AtLogEntry> {
        self.entries.drain(..).collect()
    }

    /// Entries lost because nobody drained the log.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}
