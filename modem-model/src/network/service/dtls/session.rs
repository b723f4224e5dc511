//! An established session: keys, counters, and where its client was heard last.

use serde::{Deserialize, Serialize};

use super::crypto::{RecordPlace, SessionKeys};
use super::record::{self, CHANGE_CIPHER_SPEC, DEVICE_ID_BYTES, HANDSHAKE, Record, ReplayWindow};
use crate::network::packet::Endpoint;

/// The epoch of everything protected: renegotiation is not served.
pub const EPOCH: u16 = 1;

/// The server's last flight, repeated while the client asks for it by repeating its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastFlight {
    /// The number of the next record in epoch 0.
    pub next_plain_sequence: u64,
    /// The Finished message.
    pub finished: Vec<u8>,
}

/// One client's session. It outlives the client's resets: the vendor's clients keep theirs in backup memory and go on
/// where they were.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its number, never used again.
    pub id: u64,
    /// The address that the client sends to.
    pub local: Endpoint,
    /// The address it was heard from last.
    pub remote: Endpoint,
    /// The client's name, once it has said it.
    pub device_id: Option<[u8; DEVICE_ID_BYTES]>,
    /// The client's public key, SubjectPublicKeyInfo.
    pub public_key: Vec<u8>,
    /// Whether the last record came as that of a continued session; it does until the client hears from us.
    pub is_continued: bool,
    keys: SessionKeys,
    next_sequence: u64,
    window: ReplayWindow,
    last_flight: Option<LastFlight>,
}

impl Session {
    /// After both Finished messages. `window` has seen the client's.
    pub fn new(
        (local, remote): (Endpoint, Endpoint),
        public_key: Vec<u8>,
        keys: SessionKeys,
        window: ReplayWindow,
        last_flight: LastFlight,
    ) -> Self {
        Self {
            id: 0,
            local,
            remote,
            device_id: None,
            public_key,
            is_continued: false,
            keys,
            next_sequence: 0,
            window,
            last_flight: Some(last_flight),
        }
    }

    /// The content of a record from the client; `None` if it is not authentic or was seen before.
    pub fn open(&mut self, record: &Record<'_>) -> Option<Vec<u8>> {
        if record.epoch != EPOCH || !self.window.is_fresh(record.sequence) {
            return None;
        }
        let content = self.keys.client.open(record.place(), record.payload)?;
        self.window.note(record.sequence);
        Some(content)
    }

    /// The client has the session: it sent something in it.
    pub fn confirm(&mut self) {
        self.last_flight = None;
    }

    /// A record to the client.
    pub fn seal(&mut self, content_type: u8, content: &[u8]) -> Vec<u8> {
        let place = RecordPlace { content_type, epoch: EPOCH, sequence: self.next_sequence };
        self.next_sequence += 1;
        record::write(place, &self.keys.server.seal(place, content))
    }

    /// ChangeCipherSpec and Finished in one datagram, unless the client is known to have them.
    pub fn last_flight(&mut self) -> Option<Vec<u8>> {
        let flight = self.last_flight.as_mut()?;
        let place = RecordPlace { content_type: CHANGE_CIPHER_SPEC, epoch: 0, sequence: flight.next_plain_sequence };
        flight.next_plain_sequence += 1;
        let mut datagram = record::write(place, &[1]);
        let finished = flight.finished.clone();
        datagram.extend(self.seal(HANDSHAKE, &finished));
        Some(datagram)
    }
}
