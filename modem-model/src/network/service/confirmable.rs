//! A confirmable message under way (RFC 7252 section 4.2): repeated until it is acknowledged or given up.

use serde::{Deserialize, Serialize};

use crate::time::PS_PER_S;

/// First wait for an acknowledgement; doubled each time, as devices do it themselves.
const ACKNOWLEDGEMENT_TIMEOUT_PS: u64 = 4 * PS_PER_S;
/// How often a message is sent before it is given up.
const TRANSMISSIONS: u32 = 4;

/// A message that waits for its acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Confirmable {
    /// Message id.
    pub id: u16,
    /// When [`again`](Self::again) is wanted.
    pub due_ps: u64,
    bytes: Vec<u8>,
    sent: u32,
}

impl Confirmable {
    /// Sent for the first time just now.
    pub fn new(now_ps: u64, id: u16, bytes: Vec<u8>) -> Self {
        Self { id, due_ps: now_ps + ACKNOWLEDGEMENT_TIMEOUT_PS, bytes, sent: 1 }
    }

    /// The message to send once more, now that it is due; `None` when it was sent often enough.
    pub fn again(&mut self, now_ps: u64) -> Option<Vec<u8>> {
        if self.sent >= TRANSMISSIONS {
            return None;
        }
        self.due_ps = now_ps + (ACKNOWLEDGEMENT_TIMEOUT_PS << self.sent);
        self.sent += 1;
        Some(self.bytes.clone())
    }
}
