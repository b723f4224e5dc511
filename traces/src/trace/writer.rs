//! Writing a trace, frame by frame.

use std::io::{self, Write};

use serde::Serialize;

use super::frame::{FrameInfo, FrameKind, HEADER_BYTES};
use super::head::{Blob, Head};
use super::record::{EndRecord, Record};
use super::{
    BLOB_BYTES_MAX, CHECKSUM_BYTES, MAGIC, PAYLOAD_BYTES_MAX, PIECE_BYTES, PROLOGUE_BYTES, TRAILER_MAGIC, VERSION,
    checksum,
};

/// A frame is written when it has so many records, ...
const FRAME_RECORDS: u32 = 4096;
/// ... so many bytes, ...
const FRAME_BYTES: usize = 256 << 10;
/// ... or when its first record is so old, in picoseconds of virtual time.
const FRAME_PS: u64 = 500_000_000_000;
/// The level at which Zstandard's time and gain are in balance.
const LEVEL: i32 = 3;

/// A piece of a blob, as its frame holds it.
#[derive(Serialize, serde::Deserialize)]
pub(super) struct Piece {
    /// Index of the blob in the head's list.
    pub blob: u32,
    /// Its next bytes.
    pub bytes: Vec<u8>,
}

/// The records of a frame that is not written yet.
#[derive(Default)]
struct Pending {
    payload: Vec<u8>,
    records: u32,
    first_ps: u64,
    last_ps: u64,
    /// Where the run stood when the first record came.
    since_ps: u64,
}

/// Writes each frame whole, at once: whatever happens to the process, the frames before it are in the file.
pub struct TraceWriter<W> {
    to: W,
    compressor: zstd::bulk::Compressor<'static>,
    id: [u8; CHECKSUM_BYTES],
    frames: Vec<FrameInfo>,
    offset: u64,
    pending: Pending,
    now_ps: u64,
    instructions: u64,
    written_instructions: u64,
}

impl<W: Write> TraceWriter<W> {
    /// Begins a trace. The blobs are those of `head.blobs`, in that order.
    pub fn new(mut to: W, head: &Head, blobs: &[Blob]) -> io::Result<Self> {
        let mut prologue = MAGIC.to_vec();
        prologue.extend(VERSION.to_le_bytes());
        prologue.extend([0; 4]);
        to.write_all(&prologue)?;
        let mut writer = Self {
            to,
            compressor: zstd::bulk::Compressor::new(LEVEL)?,
            id: prologue_id(&prologue),
            frames: Vec::new(),
            offset: PROLOGUE_BYTES as u64,
            pending: Pending::default(),
            now_ps: head.start.time_ps,
            instructions: head.start.instructions,
            written_instructions: head.start.instructions,
        };
        let payload = postcard::to_stdvec(head).map_err(io::Error::other)?;
        let header = writer.frame(FrameKind::Head, &payload, &Pending::default())?;
        // From here on every header is bound to this head.
        writer.id.iter_mut().zip(header.iter().skip(HEADER_BYTES - CHECKSUM_BYTES)).for_each(|(to, from)| *to = *from);
        for (index, blob) in (0..).zip(blobs) {
            if blob.is_embedded {
                writer.blob(index, blob)?;
            }
        }
        Ok(writer)
    }

    fn blob(&mut self, blob: u32, Blob { bytes, name, .. }: &Blob) -> io::Result<()> {
        if bytes.len() as u64 > BLOB_BYTES_MAX {
            return Err(io::Error::other(format!("{name}: {} bytes are too many for a trace", bytes.len())));
        }
        for piece in bytes.chunks(PIECE_BYTES) {
            let payload = postcard::to_stdvec(&Piece { blob, bytes: piece.to_vec() }).map_err(io::Error::other)?;
            self.frame(FrameKind::Blob, &payload, &Pending::default())?;
        }
        Ok(())
    }

    /// Adds a record to the present frame.
    pub fn push(&mut self, record: &Record) -> io::Result<()> {
        let time_ps = record.time_ps();
        let bytes = postcard::to_stdvec(record).map_err(io::Error::other)?;
        if self.pending.records > 0 && self.pending.payload.len() + bytes.len() > PAYLOAD_BYTES_MAX {
            self.flush()?;
        }
        let pending = &mut self.pending;
        if pending.records == 0 {
            (pending.first_ps, pending.last_ps, pending.since_ps) = (time_ps, time_ps, self.now_ps);
        }
        pending.payload.extend(bytes);
        pending.records += 1;
        (pending.first_ps, pending.last_ps) = (pending.first_ps.min(time_ps), pending.last_ps.max(time_ps));
        if pending.records >= FRAME_RECORDS || pending.payload.len() >= FRAME_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// The run has come so far: writes the present frame if it is old enough.
    pub fn advance(&mut self, now_ps: u64, instructions: u64) -> io::Result<()> {
        (self.now_ps, self.instructions) = (now_ps, instructions);
        if self.pending.records > 0 && now_ps.saturating_sub(self.pending.since_ps) >= FRAME_PS {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes the present frame.
    pub fn flush(&mut self) -> io::Result<()> {
        if self.pending.records == 0 {
            return Ok(());
        }
        let pending = std::mem::take(&mut self.pending);
        self.frame(FrameKind::Records, &pending.payload, &pending)?;
        self.written_instructions = self.instructions;
        self.to.flush()
    }

    /// The run ended: writes what is left, the end, the index and the trailer.
    pub fn finish(&mut self, end: EndRecord) -> io::Result<()> {
        self.advance(end.state.time_ps, end.state.instructions)?;
        self.push(&Record::End(end))?;
        self.flush()?;
        let index = postcard::to_stdvec(&self.frames).map_err(io::Error::other)?;
        // An index that does not fit into a frame is left out; the frames are then walked.
        if index.len() <= PAYLOAD_BYTES_MAX {
            let offset = self.offset.to_le_bytes();
            self.frame(FrameKind::Index, &index, &Pending::default())?;
            let sum = checksum(&[&self.id, &TRAILER_MAGIC, &offset]);
            self.to.write_all(&[&TRAILER_MAGIC[..], &offset, &sum].concat())?;
        }
        self.to.flush()
    }

    /// What was written to.
    pub fn into_inner(self) -> W {
        self.to
    }

    /// Length of the file up to its last whole frame.
    pub fn whole_bytes(&self) -> u64 {
        self.offset
    }

    /// What is written to.
    pub fn get_ref(&self) -> &W {
        &self.to
    }

    fn frame(&mut self, kind: FrameKind, plain: &[u8], range: &Pending) -> io::Result<Vec<u8>> {
        let packed = self.compressor.compress(plain)?;
        let is_compressed = packed.len() < plain.len();
        let stored = if is_compressed { packed.as_slice() } else { plain };
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).map_err(io::Error::other);
        let info = FrameInfo {
            kind,
            number: u32::try_from(self.frames.len()).map_err(io::Error::other)?,
            offset: self.offset,
            is_compressed,
            stored_bytes: length(stored)?,
            plain_bytes: length(plain)?,
            records: range.records,
            first_ps: range.first_ps,
            last_ps: range.last_ps,
            first_instruction: self.written_instructions,
            last_instruction: self.instructions,
            payload: checksum(&[stored]),
        };
        info.check().map_err(io::Error::other)?;
        let header = info.encode(&self.id);
        self.to.write_all(&[&header, stored].concat())?;
        self.offset = info.end();
        self.frames.push(info);
        Ok(header)
    }
}

/// What binds the head's own header: the prologue.
pub(super) fn prologue_id(prologue: &[u8]) -> [u8; CHECKSUM_BYTES] {
    checksum(&[prologue])
}
