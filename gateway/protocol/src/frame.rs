//! Framing: four bytes of length, little-endian, and a message in postcard's format.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::PAYLOAD_BYTES_MAX;

/// A frame's body at most: the largest payload, and what surrounds it.
pub const FRAME_BYTES_MAX: usize = PAYLOAD_BYTES_MAX + 512;
const LENGTH_BYTES: usize = 4;

/// A peer that does not speak this protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Too long.
    #[error("a frame of {length} bytes; at most {FRAME_BYTES_MAX} are allowed")]
    TooLong {
        /// What it said.
        length: usize,
    },
    /// Not a message.
    #[error("a frame that is no message of this protocol: {reason}")]
    Malformed {
        /// What the decoder said.
        reason: String,
    },
}

/// A message as it travels. Too long a message cannot be sent.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, FrameError> {
    let mut bytes = vec![0; LENGTH_BYTES];
    bytes = postcard::to_extend(message, bytes).map_err(|error| FrameError::Malformed { reason: error.to_string() })?;
    let length = bytes.len() - LENGTH_BYTES;
    let field = u32::try_from(length).ok().filter(|_| length <= FRAME_BYTES_MAX);
    let field = field.ok_or(FrameError::TooLong { length })?;
    if let Some(place) = bytes.first_chunk_mut::<LENGTH_BYTES>() {
        *place = field.to_le_bytes();
    }
    Ok(bytes)
}

/// Makes messages of the bytes that come. After an error the connection is of no more use.
#[derive(Debug)]
pub struct Decoder<T> {
    pending: Vec<u8>,
    message: PhantomData<T>,
}

impl<T> Default for Decoder<T> {
    fn default() -> Self {
        Self { pending: Vec::new(), message: PhantomData }
    }
}

impl<T: DeserializeOwned> Decoder<T> {
    /// Bytes came. Take all messages before the next call: so no more than one frame and one read are ever held.
    pub fn push(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// The next whole message.
    pub fn next_message(&mut self) -> Result<Option<T>, FrameError> {
        let Some((field, rest)) = self.pending.split_first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
        let length = u32::from_le_bytes(*field) as usize;
        if length > FRAME_BYTES_MAX {
            return Err(FrameError::TooLong { length });
        }
        let Some(body) = rest.get(..length) else { return Ok(None) };
        let malformed = |reason: String| FrameError::Malformed { reason };
        let (message, left) = postcard::take_from_bytes(body).map_err(|error| malformed(error.to_string()))?;
        if !left.is_empty() {
            return Err(malformed(format!("{} bytes behind the message", left.len())));
        }
        self.pending.drain(..LENGTH_BYTES + length);
        Ok(Some(message))
    }

    /// Whether bytes of an unfinished frame wait.
    pub fn is_within_frame(&self) -> bool {
        !self.pending.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Inbound, Outbound, ToGateway};

    fn messages(bytes: &[u8], cut: usize) -> Result<Vec<ToGateway>, FrameError> {
        let mut decoder = Decoder::default();
        let mut messages = Vec::new();
        for part in bytes.chunks(cut) {
            decoder.push(part);
            while let Some(message) = decoder.next_message()? {
                messages.push(message);
            }
        }
        Ok(messages)
    }

    #[test]
    fn the_largest_payload_fits_a_frame() {
        let bytes = vec![0xff; PAYLOAD_BYTES_MAX];
        let data = ToGateway::Event(Outbound::Data { connection: u64::MAX, bytes });
        assert_eq!(messages(&encode(&data).unwrap(), 1000).unwrap(), [data]);
        let name = "x".repeat(crate::NAME_OCTETS_MAX);
        assert!(encode(&ToGateway::Event(Outbound::Resolve { query: u64::MAX, name })).is_ok());
        let addresses = vec![std::net::Ipv4Addr::BROADCAST; crate::ADDRESSES_MAX];
        assert!(encode(&Inbound::Resolved { query: u64::MAX, answer: Ok(addresses) }).is_ok());
    }

    #[test]
    fn a_frame_too_long_is_refused_on_both_sides() {
        let long = ToGateway::Event(Outbound::Data { connection: 1, bytes: vec![0; FRAME_BYTES_MAX] });
        assert!(matches!(encode(&long), Err(FrameError::TooLong { .. })));
        assert_eq!(messages(&u32::MAX.to_le_bytes(), 4), Err(FrameError::TooLong { length: u32::MAX as usize }));
    }

    #[test]
    fn bytes_behind_a_message_are_an_error() {
        let mut bytes = encode(&ToGateway::Hello { version: 1 }).unwrap();
        bytes.push(0);
        bytes[0] += 1;
        assert!(matches!(messages(&bytes, 100), Err(FrameError::Malformed { .. })));
    }

    proptest::proptest! {
        #[test]
        fn messages_survive_any_cut(cut in 1usize..50, numbers: Vec<u64>) {
            let sent: Vec<ToGateway> =
                numbers.iter().map(|&connection| ToGateway::Event(Outbound::Finish { connection })).collect();
            let bytes: Vec<u8> = sent.iter().flat_map(|message| encode(message).unwrap()).collect();
            proptest::prop_assert_eq!(messages(&bytes, cut).unwrap(), sent);
        }

        #[test]
        fn hostile_bytes_are_an_error_or_wait(bytes: Vec<u8>, cut in 1usize..50) {
            let _ = messages(&bytes, cut);
            let mut frame = u32::try_from(bytes.len()).unwrap().to_le_bytes().to_vec();
            frame.extend(&bytes);
            let _ = messages(&frame, cut);
        }
    }
}
