//! The recording of a run that spoke with the real network: what came in and what went out, each with its virtual
//! time. With it the run repeats without a network.
//!
//! A file of frames, written as it grows. Magic and version, then frames: length (four bytes, little-endian), checksum,
//! body in postcard's format. The first body is the [`Header`], the others are [`Entry`]s. A checksum is the first 16
//! bytes of BLAKE3 over the checksum before it and the body, so a frame lost, added or moved shows as well as a damaged
//! one. What follows the last whole frame is a frame that was being written when the run was killed; it is left out.
//! Bodies are small and few, so they are not compressed.

mod file;
mod writer;

use lockstep_gateway_protocol::{Inbound, Outbound};
use serde::{Deserialize, Serialize};

pub use crate::hash::Hash;
pub use file::{Recording, RecordingError};
pub use writer::RecordingWriter;

const MAGIC: [u8; 8] = *b"LKSTRECO";
/// Counted up whenever a header or an entry changes.
const VERSION: u32 = 1;
const LENGTH_BYTES: usize = 4;
const CHECKSUM_BYTES: usize = 16;
/// A frame's body at most. The largest entry holds one payload of the gateway's protocol.
const BODY_BYTES_MAX: usize = 64 << 10;

/// What was recorded: enough to tell whether a run that shall repeat it is the same at its beginning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Version of the program that wrote it.
    pub program: String,
    /// Seed of all choices.
    pub seed: u64,
    /// Virtual time at which the recording begins, in picoseconds.
    pub start_ps: u64,
    /// Hash of all images in flash.
    pub images: Hash,
    /// Hash of the whole state at the beginning: images, seed and all settings.
    pub state: Hash,
}

/// What happened, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entry {
    /// Something came into the simulated world.
    Inbound {
        /// When it was given to it, in picoseconds.
        time_ps: u64,
        /// What.
        event: Inbound,
    },
    /// Something left it.
    Outbound {
        /// When, in picoseconds.
        time_ps: u64,
        /// What.
        event: Outbound,
    },
    /// The run ended. Nothing follows.
    End(End),
}

/// The end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// When, in picoseconds.
    pub time_ps: u64,
    /// Instructions executed since power-on.
    pub instructions: u64,
    /// Hash of the whole state.
    pub state: Hash,
}

/// The chain of checksums.
struct Chain([u8; CHECKSUM_BYTES]);

impl Chain {
    fn new() -> Self {
        let mut start = [0; CHECKSUM_BYTES];
        let text = MAGIC.iter().copied().chain(VERSION.to_le_bytes());
        start.iter_mut().zip(text).for_each(|(to, from)| *to = from);
        Self(start)
    }

    /// The checksum of the next body.
    fn next(&mut self, body: &[u8]) -> [u8; CHECKSUM_BYTES] {
        let hash = blake3::Hasher::new().update(&self.0).update(body).finalize();
        if let Some(first) = hash.as_bytes().first_chunk() {
            self.0 = *first;
        }
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            program: "lockstep 0.1.0".to_owned(),
            seed: 7,
            start_ps: 0,
            images: Hash([1; 32]),
            state: Hash([2; 32]),
        }
    }

    fn entries() -> Vec<Entry> {
        let to = std::net::SocketAddrV4::new([127, 0, 0, 1].into(), 1883);
        vec![
            Entry::Outbound { time_ps: 5, event: Outbound::Connect { connection: 1, to, credit_bytes: 16_384 } },
            Entry::Inbound { time_ps: 9, event: Inbound::Connected { connection: 1 } },
            Entry::Inbound { time_ps: 9, event: Inbound::Data { connection: 1, bytes: b"abc".to_vec() } },
            Entry::End(End { time_ps: 10, instructions: 3, state: Hash([3; 32]) }),
        ]
    }

    fn written(entries: &[Entry]) -> Vec<u8> {
        let mut writer = RecordingWriter::new(Vec::new(), &header()).unwrap();
        for entry in entries {
            writer.write(entry).unwrap();
        }
        writer.into_inner()
    }

    #[test]
    fn a_recording_reads_as_it_was_written() {
        let recording = Recording::parse(&written(&entries())).unwrap();
        assert_eq!(recording.header, header());
        assert_eq!(recording.inbound.len(), 2);
        assert_eq!(recording.outbound.len(), 1);
        assert_eq!(recording.end.unwrap().instructions, 3);
        assert_eq!(recording.last_ps, 10);
        assert_eq!(recording.cut_bytes, 0);
    }

    #[test]
    fn a_killed_run_s_recording_is_read_to_its_last_whole_frame() {
        let bytes = written(&entries());
        let ends: Vec<usize> = (0..entries().len()).map(|count| written(&entries()[..count]).len()).collect();
        for length in ends[0]..bytes.len() {
            let recording = Recording::parse(&bytes[..length]).unwrap();
            let whole = ends.iter().filter(|&&end| end <= length).count() - 1;
            assert_eq!(recording.inbound.len() + recording.outbound.len(), whole, "{length} bytes");
            assert_eq!(recording.cut_bytes, length - ends[whole]);
            assert_eq!(recording.end, None);
        }
    }

    #[test]
    fn a_damaged_byte_is_found() {
        let bytes = written(&entries());
        for place in MAGIC.len() + 4..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 0x40;
            // A length that reaches beyond the end looks like a frame that was cut; everything else is an error.
            match Recording::parse(&damaged) {
                Err(RecordingError::Frame { .. } | RecordingError::NoHeader) => {}
                Err(error) => panic!("byte {place}: {error}"),
                Ok(recording) => assert!(recording.cut_bytes > 0 && recording.end.is_none(), "byte {place}"),
            }
        }
    }

    #[test]
    fn frames_that_are_missing_or_out_of_order_are_found() {
        let whole = written(&entries());
        let ends: Vec<usize> = (0..=entries().len()).map(|count| written(&entries()[..count]).len()).collect();
        let missing = [&whole[..ends[1]], &whole[ends[2]..]].concat();
        assert!(Recording::parse(&missing).unwrap_err().to_string().contains("frame 2"));
        let backwards =
            [Entry::Inbound { time_ps: 5, event: Inbound::Connected { connection: 1 } }, entries()[3].clone()];
        let mut later = backwards.to_vec();
        later[0] = Entry::Inbound { time_ps: 50, event: Inbound::Connected { connection: 1 } };
        assert!(Recording::parse(&written(&backwards)).is_ok());
        assert!(Recording::parse(&written(&later)).unwrap_err().to_string().contains("backwards"));
        let mut beyond = entries();
        beyond.push(entries()[1].clone());
        assert!(Recording::parse(&written(&beyond)).unwrap_err().to_string().contains("behind the end"));
    }

    #[test]
    fn what_is_no_recording_is_named() {
        let error = |bytes: &[u8]| Recording::parse(bytes).unwrap_err().to_string();
        assert!(error(b"").contains("not a recording"));
        assert!(error(b"LKSTRECO\x63\0\0\0").contains("version 99"));
        assert!(error(b"LKSTRECO\x01\0\0\0").contains("header"));
    }

    proptest::proptest! {
        #[test]
        fn hostile_files_do_not_panic(tail: Vec<u8>) {
            let mut bytes = MAGIC.to_vec();
            bytes.extend(VERSION.to_le_bytes());
            bytes.extend(&tail);
            let _ = Recording::parse(&bytes);
            let mut framed = MAGIC.to_vec();
            framed.extend(VERSION.to_le_bytes());
            framed.extend(u32::try_from(tail.len()).unwrap().to_le_bytes());
            framed.extend(Chain::new().next(&tail));
            framed.extend(&tail);
            let _ = Recording::parse(&framed);
        }
    }
}
