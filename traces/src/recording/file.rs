//! Reading a recording.

use std::collections::VecDeque;

use lockstep_gateway_protocol::{Inbound, Outbound};
use serde::de::DeserializeOwned;

use super::{BODY_BYTES_MAX, CHECKSUM_BYTES, Chain, End, Entry, Header, LENGTH_BYTES, MAGIC, VERSION};

/// A file that is no recording, or a damaged one.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// Another kind of file.
    #[error("not a recording of a run: it does not begin with LKSTRECO")]
    NotARecording,
    /// Written by another version.
    #[error("recording version {0}, this lockstep reads {VERSION}; record the run again with this one")]
    Version(u32),
    /// The first frame is missing.
    #[error("the recording is cut short in its header")]
    NoHeader,
    /// A frame is damaged.
    #[error("frame {frame} of the recording, at byte {offset}: {reason}")]
    Frame {
        /// Its number; the header is 0.
        frame: usize,
        /// Where it begins in the file.
        offset: usize,
        /// What is wrong.
        reason: String,
    },
}

/// A recording, as a run repeats it.
#[derive(Clone, Debug)]
pub struct Recording {
    /// What was recorded.
    pub header: Header,
    /// What came in, with its times in picoseconds.
    pub inbound: VecDeque<(u64, Inbound)>,
    /// What went out, with its times in picoseconds.
    pub outbound: VecDeque<(u64, Outbound)>,
    /// How it ended; `None` if the run was killed.
    pub end: Option<End>,
    /// Virtual time of the last entry in picoseconds.
    pub last_ps: u64,
    /// Bytes of a frame that was being written when the run was killed.
    pub cut_bytes: usize,
}

struct Frames<'a> {
    rest: &'a [u8],
    offset: usize,
    number: usize,
    chain: Chain,
}

impl Frames<'_> {
    fn wrong(&self, reason: impl Into<String>) -> RecordingError {
        RecordingError::Frame { frame: self.number, offset: self.offset, reason: reason.into() }
    }

    /// The next frame's content; `None` if no whole frame follows.
    fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, RecordingError> {
        let Some((length, rest)) = self.rest.split_first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
        let length = u32::from_le_bytes(*length) as usize;
        if length > BODY_BYTES_MAX {
            return Err(self.wrong(format!("{length} bytes long: the file is damaged")));
        }
        let Some((checksum, rest)) = rest.split_first_chunk::<CHECKSUM_BYTES>() else { return Ok(None) };
        let Some((body, rest)) = rest.split_at_checked(length) else { return Ok(None) };
        if self.chain.next(body) != *checksum {
            return Err(self.wrong("wrong checksum: the file is damaged, or a frame is missing"));
        }
        let (content, left) = postcard::take_from_bytes(body).map_err(|error| self.wrong(error.to_string()))?;
        if !left.is_empty() {
            return Err(self.wrong(format!("{} bytes too many", left.len())));
        }
        self.offset += LENGTH_BYTES + CHECKSUM_BYTES + length;
        self.number += 1;
        self.rest = rest;
        Ok(Some(content))
    }
}

impl Recording {
    /// Reads a file's content.
    pub fn parse(bytes: &[u8]) -> Result<Self, RecordingError> {
        let rest = bytes.strip_prefix(&MAGIC).ok_or(RecordingError::NotARecording)?;
        let (version, rest) = rest.split_first_chunk::<4>().ok_or(RecordingError::NoHeader)?;
        let version = u32::from_le_bytes(*version);
        if version != VERSION {
            return Err(RecordingError::Version(version));
        }
        let mut frames = Frames { rest, offset: MAGIC.len() + 4, number: 0, chain: Chain::new() };
        let header: Header = frames.next()?.ok_or(RecordingError::NoHeader)?;
        let (mut inbound, mut outbound) = (VecDeque::new(), VecDeque::new());
        let (mut end, mut last_ps): (Option<End>, u64) = (None, header.start_ps);
        loop {
            let before = frames.number;
            let at = frames.offset;
            let wrong = |reason: &str| RecordingError::Frame { frame: before, offset: at, reason: reason.to_owned() };
            let Some(entry) = frames.next::<Entry>()? else { break };
            if end.is_some() {
                return Err(wrong("something follows behind the end"));
            }
            // What left the world is stamped with when it left, what came in with when it was given to it: each
            // stream is in order, and so is the end.
            match entry {
                Entry::Inbound { time_ps, event } => {
                    if inbound.back().is_some_and(|(last_ps, _)| *last_ps > time_ps) {
                        return Err(wrong("time goes backwards"));
                    }
                    last_ps = last_ps.max(time_ps);
                    inbound.push_back((time_ps, event));
                }
                Entry::Outbound { time_ps, event } => {
                    if outbound.back().is_some_and(|(last_ps, _)| *last_ps > time_ps) {
                        return Err(wrong("time goes backwards"));
                    }
                    last_ps = last_ps.max(time_ps);
                    outbound.push_back((time_ps, event));
                }
                Entry::End(found) => {
                    if found.time_ps < last_ps {
                        return Err(wrong("time goes backwards"));
                    }
                    last_ps = found.time_ps;
                    end = Some(found);
                }
            }
        }
        Ok(Self { header, inbound, outbound, end, last_ps, cut_bytes: frames.rest.len() })
    }
}
