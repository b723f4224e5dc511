//! Writing a recording, frame by frame.

use std::io::{self, Write};

use serde::Serialize;

use super::{BODY_BYTES_MAX, Chain, Entry, Header, MAGIC, VERSION};

/// Writes each frame whole, at once.
pub struct RecordingWriter<W> {
    to: W,
    chain: Chain,
}

impl<W: Write> RecordingWriter<W> {
    /// Begins a recording.
    pub fn new(mut to: W, header: &Header) -> io::Result<Self> {
        let mut start = MAGIC.to_vec();
        start.extend(VERSION.to_le_bytes());
        to.write_all(&start)?;
        let mut writer = Self { to, chain: Chain::new() };
        writer.frame(header)?;
        Ok(writer)
    }

    /// Adds an entry.
    pub fn write(&mut self, entry: &Entry) -> io::Result<()> {
        self.frame(entry)
    }

    /// Hands everything to the operating system.
    pub fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }

    fn frame<T: Serialize>(&mut self, value: &T) -> io::Result<()> {
        let body = postcard::to_stdvec(value).map_err(io::Error::other)?;
        let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= BODY_BYTES_MAX);
        let length = length.ok_or_else(|| io::Error::other(format!("a frame of {} bytes", body.len())))?;
        let mut frame = length.to_le_bytes().to_vec();
        frame.extend(self.chain.next(&body));
        frame.extend(body);
        self.to.write_all(&frame)
    }

    /// What was written to.
    pub fn into_inner(self) -> W {
        self.to
    }
}
