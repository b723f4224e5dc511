//! TCP segments and sequence numbers (RFC 9293 3.1, 3.4).

use std::ops::{Add, Sub};

use serde::{Deserialize, Serialize};

/// A sequence number: arithmetic modulo 2^32, so that two of them are ordered only while they are near each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seq(pub u32);

impl Add<u32> for Seq {
    type Output = Self;
    fn add(self, count: u32) -> Self {
        Self(self.0.wrapping_add(count))
    }
}

impl Sub for Seq {
    type Output = u32;
    fn sub(self, other: Self) -> u32 {
        self.0.wrapping_sub(other.0)
    }
}

impl Seq {
    /// Whether it stands before `other`.
    pub fn is_before(self, other: Self) -> bool {
        // Half of the numbers are behind another one, half ahead.
        self - other > 1 << 31
    }

    /// The later of the two.
    pub fn later(self, other: Self) -> Self {
        if self.is_before(other) { other } else { self }
    }
}

/// Control bits of a segment; URG and the congestion bits are not used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flags {
    /// Opens: the sequence number is the first one.
    pub syn: bool,
    /// The acknowledgment field counts.
    pub ack: bool,
    /// The sender has no more to send.
    pub fin: bool,
    /// The connection is no more.
    pub rst: bool,
    /// The sender has nothing more to send for the moment.
    pub psh: bool,
}

/// A TCP segment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// Number of the first octet (of the SYN, if there is one).
    pub sequence: Seq,
    /// The number that is expected next from the other end.
    pub acknowledgment: Seq,
    /// Control bits.
    pub flags: Flags,
    /// Octets that the sender can take from `acknowledgment` on.
    pub window: u16,
    /// Option 2, maximum segment size in bytes; only in a SYN.
    pub mss: Option<u16>,
    /// Payload.
    pub payload: Vec<u8>,
}

impl Segment {
    /// Sequence numbers that it occupies: payload, SYN and FIN.
    pub fn length(&self) -> u32 {
        let payload = u32::try_from(self.payload.len()).unwrap_or(u32::MAX);
        payload.saturating_add(u32::from(self.flags.syn)).saturating_add(u32::from(self.flags.fin))
    }

    /// The reset that answers it where no connection is (RFC 9293 3.10.7.1); a reset is never answered.
    pub fn refusal(&self) -> Option<Self> {
        if self.flags.rst {
            return None;
        }
        let mut flags = Flags { rst: true, ..Flags::default() };
        if self.flags.ack {
            return Some(Self { sequence: self.acknowledgment, flags, ..Self::default() });
        }
        flags.ack = true;
        Some(Self { acknowledgment: self.sequence + self.length(), flags, ..Self::default() })
    }
}
