//! The sending half of a TCP connection: a queue, the peer's window, and the end.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::packet::Segment;

/// Payload bytes of a segment at most.
const SEGMENT_BYTES_MAX: usize = 1024;

/// Bytes that wait for room in the peer's window, and those it has not yet taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamSender {
    queue: VecDeque<u8>,
    window: u32,
    unacknowledged: u32,
    finishing: bool,
    fin_sent: bool,
}

impl StreamSender {
    /// For a peer that can hold `window` bytes.
    pub fn new(window: u32) -> Self {
        Self { window, ..Self::default() }
    }

    /// Queues payload.
    pub fn write(&mut self, bytes: &[u8]) {
        self.queue.extend(bytes);
    }

    /// Bytes not sent yet.
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Bytes sent or queued and not taken by the peer.
    pub fn outstanding(&self) -> usize {
        self.queue.len() + self.unacknowledged as usize
    }

    /// The peer took `bytes` more.
    pub fn acknowledge(&mut self, bytes: u32) {
        self.unacknowledged = self.unacknowledged.saturating_sub(bytes);
    }

    /// Nothing more will be written: a Fin follows the last byte.
    pub fn finish(&mut self) {
        self.finishing = true;
    }

    /// The next segment that may be sent now.
    pub fn next_segment(&mut self) -> Option<Segment> {
        let room = self.window.saturating_sub(self.unacknowledged) as usize;
        let length = self.queue.len().min(room).min(SEGMENT_BYTES_MAX);
        if length > 0 {
            self.unacknowledged = self.unacknowledged.saturating_add(u32::try_from(length).unwrap_or(u32::MAX));
            return Some(Segment::Data(self.queue.drain(..length).collect()));
        }
        if self.finishing && !self.fin_sent && self.queue.is_empty() {
            self.fin_sent = true;
            return Some(Segment::Fin);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_holds_bytes_back_and_the_end_comes_last() {
        let mut sender = StreamSender::new(5);
        sender.write(b"abcdefg");
        sender.finish();
        assert_eq!(sender.next_segment(), Some(Segment::Data(b"abcde".to_vec())));
        assert_eq!(sender.next_segment(), None);
        sender.acknowledge(4);
        assert_eq!(sender.next_segment(), Some(Segment::Data(b"fg".to_vec())));
        assert_eq!(sender.next_segment(), Some(Segment::Fin));
        assert_eq!(sender.next_segment(), None);
        assert_eq!(sender.outstanding(), 3);
    }
}
