//! Congestion window: slow start, congestion avoidance, fast recovery (RFC 5681, RFC 6582).

use serde::{Deserialize, Serialize};

use super::segment::Seq;

/// Segments sent before the first acknowledgment (RFC 6928).
const INITIAL_SEGMENTS: usize = 10;
/// Acknowledgments without news that tell of a loss (RFC 5681 3.2).
const DUPLICATES: u32 = 3;
/// No window is larger: without window scaling a peer's is below 64 KB.
const WINDOW_MAX_BYTES: usize = 1 << 20;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Congestion {
    pub window_bytes: usize,
    threshold_bytes: usize,
    duplicates: u32,
    is_recovering: bool,
    /// What was sent before the last loss ends here.
    recover: Seq,
}

impl Congestion {
    pub fn new(iss: Seq) -> Self {
        Self {
            window_bytes: usize::MAX,
            threshold_bytes: WINDOW_MAX_BYTES,
            duplicates: 0,
            is_recovering: false,
            recover: iss,
        }
    }

    pub fn established(&mut self, mss: usize, syn_was_lost: bool) {
        self.window_bytes = if syn_was_lost { mss } else { INITIAL_SEGMENTS.saturating_mul(mss) };
    }

    /// New data up to `una` was acknowledged. `true`: send the first outstanding segment again, it was lost too.
    pub fn acknowledged(&mut self, una: Seq, bytes: usize, mss: usize) -> bool {
        self.duplicates = 0;
        if self.is_recovering {
            if una.is_before(self.recover) {
                self.window_bytes = self.window_bytes.saturating_sub(bytes).saturating_add(mss).max(mss);
                return true;
            }
            self.is_recovering = false;
            self.window_bytes = self.threshold_bytes.max(mss);
            return false;
        }
        let growth = if self.window_bytes < self.threshold_bytes {
            bytes.min(mss)
        } else {
            (mss.saturating_mul(mss) / self.window_bytes.max(1)).max(1)
        };
        self.window_bytes = self.window_bytes.saturating_add(growth).min(WINDOW_MAX_BYTES);
        false
    }

    /// An acknowledgment without news. `true`: send the first outstanding segment again.
    pub fn duplicate(&mut self, una: Seq, max: Seq, mss: usize) -> bool {
        self.duplicates = self.duplicates.saturating_add(1);
        if self.is_recovering {
            self.window_bytes = self.window_bytes.saturating_add(mss).min(WINDOW_MAX_BYTES);
        } else if self.duplicates == DUPLICATES && !una.is_before(self.recover) {
            self.lose((max - una) as usize, mss);
            self.window_bytes = self.threshold_bytes.saturating_add(DUPLICATES as usize * mss);
            self.is_recovering = true;
            self.recover = max;
            return true;
        }
        false
    }

    /// The retransmission timer expired with this much outstanding.
    pub fn timed_out(&mut self, una: Seq, max: Seq, is_first: bool, mss: usize) {
        if is_first {
            self.lose((max - una) as usize, mss);
        }
        self.window_bytes = mss;
        self.duplicates = 0;
        self.is_recovering = false;
        self.recover = max;
    }

    fn lose(&mut self, outstanding: usize, mss: usize) {
        self.threshold_bytes = (outstanding / 2).max(2 * mss);
    }
}
