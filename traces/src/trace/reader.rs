//! Reading a trace: by frame, from any place.

use std::io::{Read, Seek, SeekFrom};

use super::frame::{FrameInfo, FrameKind, HEADER_BYTES};
use super::head::Head;
use super::record::{EndRecord, Record};
use super::writer::{Piece, prologue_id};
use super::{
    BLOB_BYTES_MAX, CHECKSUM_BYTES, FRAMES_MAX, MAGIC, PROLOGUE_BYTES, TRAILER_BYTES, TRAILER_MAGIC, TraceError,
    VERSION, checksum,
};
use crate::Hash;

/// How the file ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With the run: index and trailer are there.
    Orderly,
    /// In or behind a frame: the run was killed, or the disk was full.
    Cut {
        /// Bytes of a frame that was being written; they are left out.
        bytes: u64,
    },
    /// At damage that hides what follows.
    Damaged(Damage),
}

/// A place where the file is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Number of the frame.
    pub frame: u32,
    /// Where it begins in the file.
    pub offset: u64,
    /// What is wrong.
    pub reason: String,
}

/// A trace that is open. Everything is read when it is asked for; no more than a frame, or a blob, is held.
pub struct TraceReader<R> {
    from: R,
    length: u64,
    id: [u8; CHECKSUM_BYTES],
    head: Head,
    frames: Vec<FrameInfo>,
    has_index: bool,
    ending: Ending,
}

impl<R: Read + Seek> TraceReader<R> {
    /// Reads the head and finds the frames: by the index, or by walking from header to header.
    pub fn open(mut from: R) -> Result<Self, TraceError> {
        let length = from.seek(SeekFrom::End(0))?;
        from.rewind()?;
        let mut prologue = [0; PROLOGUE_BYTES];
        let short = length < PROLOGUE_BYTES as u64;
        if short {
            let mut magic = Vec::new();
            from.read_to_end(&mut magic)?;
            let is_ours = !magic.is_empty() && MAGIC.starts_with(magic.get(..MAGIC.len()).unwrap_or(&magic));
            return Err(if is_ours { TraceError::NoHead { length } } else { TraceError::NotATrace });
        }
        from.read_exact(&mut prologue)?;
        let rest = prologue.strip_prefix(&MAGIC).ok_or(TraceError::NotATrace)?;
        let version = rest.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        if version > VERSION {
            return Err(TraceError::Newer(version));
        }
        if version < VERSION {
            return Err(TraceError::Older(version));
        }
        let offset = PROLOGUE_BYTES as u64;
        let damaged = |reason: String| TraceError::Head { offset, reason };
        let mut header = [0; HEADER_BYTES];
        if length < offset + HEADER_BYTES as u64 {
            return Err(TraceError::NoHead { length });
        }
        from.read_exact(&mut header)?;
        let (info, id) = FrameInfo::decode(&header, &prologue_id(&prologue), offset).map_err(damaged)?;
        if info.end() > length {
            return Err(TraceError::NoHead { length });
        }
        if (info.kind, info.number) != (FrameKind::Head, 0) {
            return Err(damaged("the first frame is not a head".to_owned()));
        }
        let plain = payload(&mut from, &info)?.map_err(damaged)?;
        let head = whole(&plain).map_err(damaged)?;
        let mut reader =
            Self { from, length, id, head, frames: vec![info], has_index: false, ending: Ending::Cut { bytes: 0 } };
        if !reader.take_index()? {
            reader.walk()?;
        }
        Ok(reader)
    }

    /// What is needed to run again.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// All frames found, head first.
    pub fn frames(&self) -> &[FrameInfo] {
        &self.frames
    }

    /// Length of the file in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Whether the frames were found by the index.
    pub fn has_index(&self) -> bool {
        self.has_index
    }

    /// How the file ends.
    pub fn ending(&self) -> &Ending {
        &self.ending
    }

    /// The records of a frame, by its place in [`Self::frames`]; none if it holds no records.
    pub fn records(&mut self, place: usize) -> Result<Vec<Record>, TraceError> {
        let Some(info) = self.frames.get(place).filter(|info| info.kind == FrameKind::Records).copied() else {
            return Ok(Vec::new());
        };
        let wrong = |reason: String| TraceError::Frame { frame: info.number, offset: info.offset, reason };
        let plain = payload(&mut self.from, &info)?.map_err(wrong)?;
        let mut rest = plain.as_slice();
        let mut records = Vec::with_capacity(info.records as usize);
        for number in 0..info.records {
            let (record, left) = postcard::take_from_bytes(rest)
                .map_err(|error| wrong(format!("record {number} of {}: {error}", info.records)))?;
            records.push(record);
            rest = left;
        }
        if !rest.is_empty() {
            return Err(wrong(format!("{} bytes behind its last record", rest.len())));
        }
        Ok(records)
    }

    /// Place of the first frame of records that ends at this virtual time or later, or at the end.
    pub fn frame_at_ps(&self, time_ps: u64) -> usize {
        self.first_frame(|info| info.last_ps >= time_ps)
    }

    /// Place of the first frame of records that ends at this instruction or later, or at the end.
    pub fn frame_at_instruction(&self, instruction: u64) -> usize {
        self.first_frame(|info| info.last_instruction >= instruction)
    }

    fn first_frame(&self, is_there: impl Fn(&FrameInfo) -> bool) -> usize {
        let found = self.frames.iter().position(|info| info.kind == FrameKind::Records && is_there(info));
        found.unwrap_or(self.frames.len())
    }

    /// An embedded blob, checked against the head; `None` if only its hash is there.
    pub fn blob(&mut self, index: usize) -> Result<Option<Vec<u8>>, TraceError> {
        let Some(info) = self.head.blobs.get(index).filter(|info| info.is_embedded).cloned() else { return Ok(None) };
        let wrong = |reason: String| TraceError::Blob { name: info.name.clone(), reason };
        if info.length > BLOB_BYTES_MAX {
            return Err(wrong(format!("{} bytes long; {BLOB_BYTES_MAX} is the most", info.length)));
        }
        let mut bytes = Vec::new();
        for frame in self.frames.iter().filter(|frame| frame.kind == FrameKind::Blob) {
            let damaged = |reason: String| TraceError::Frame { frame: frame.number, offset: frame.offset, reason };
            let plain = payload(&mut self.from, frame)?.map_err(damaged)?;
            let piece: Piece = whole(&plain).map_err(damaged)?;
            if piece.blob as usize == index {
                bytes.extend(piece.bytes);
            }
            if bytes.len() as u64 > info.length {
                break;
            }
        }
        if bytes.len() as u64 != info.length {
            return Err(wrong(format!("{} of its {} bytes are there", bytes.len(), info.length)));
        }
        if Hash::of(&bytes) != info.hash {
            return Err(wrong("its hash is not the one in the head".to_owned()));
        }
        Ok(Some(bytes))
    }

    /// Place of a blob in the head's list.
    pub fn blob_named(&self, name: &str) -> Option<usize> {
        self.head.blobs.iter().position(|blob| blob.name == name)
    }

    /// The end of the run, unless it was killed.
    pub fn end(&mut self) -> Result<Option<EndRecord>, TraceError> {
        let Some(place) = self.frames.iter().rposition(|info| info.kind == FrameKind::Records) else { return Ok(None) };
        Ok(match self.records(place)?.pop() {
            Some(Record::End(end)) => Some(end),
            _ => None,
        })
    }

    /// Latest virtual time of a record in picoseconds.
    pub fn last_ps(&self) -> u64 {
        let records = self.frames.iter().filter(|info| info.kind == FrameKind::Records);
        records.map(|info| info.last_ps).fold(self.head.start.time_ps, u64::max)
    }

    /// Reads everything; what is damaged.
    pub fn verify(&mut self) -> Result<Vec<Damage>, TraceError> {
        let mut damages = Vec::new();
        for place in 0..self.frames.len() {
            let Some(info) = self.frames.get(place).copied() else { break };
            let header = self.header_at(info.offset)?;
            let (frame, offset) = (info.number, info.offset);
            // The head is bound to the prologue and was checked when the file was opened.
            if place > 0 && header.map(|header| header.map(|(found, _)| found)) != Some(Ok(info)) {
                let reason = "its header is damaged".to_owned();
                damages.push(Damage { frame, offset, reason });
                continue;
            }
            let read = match info.kind {
                FrameKind::Records => self.records(place).map(|_| ()),
                _ => match payload(&mut self.from, &info)? {
                    Ok(_) => Ok(()),
                    Err(reason) => Err(TraceError::Frame { frame, offset, reason }),
                },
            };
            match read {
                Ok(()) => {}
                Err(TraceError::Frame { reason, .. }) => damages.push(Damage { frame, offset, reason }),
                Err(error) => return Err(error),
            }
        }
        if let Ending::Damaged(damage) = &self.ending
            && !damages.iter().any(|known| known.frame == damage.frame)
        {
            damages.push(damage.clone());
        }
        Ok(damages)
    }

    /// The header at a place; `None` if the file ends before it does.
    fn header_at(&mut self, offset: u64) -> Result<Option<Header>, TraceError> {
        if offset.saturating_add(HEADER_BYTES as u64) > self.length {
            return Ok(None);
        }
        let mut header = [0; HEADER_BYTES];
        self.from.seek(SeekFrom::Start(offset))?;
        self.from.read_exact(&mut header)?;
        Ok(Some(FrameInfo::decode(&header, &self.id, offset)))
    }

    /// Finds the frames by the index; `false` if there is none that can be trusted.
    fn take_index(&mut self) -> Result<bool, TraceError> {
        let Some(trailer_at) = self.length.checked_sub(TRAILER_BYTES as u64) else { return Ok(false) };
        let mut trailer = [0; TRAILER_BYTES];
        self.from.seek(SeekFrom::Start(trailer_at))?;
        self.from.read_exact(&mut trailer)?;
        let Some(rest) = trailer.strip_prefix(&TRAILER_MAGIC) else { return Ok(false) };
        let Some((offset, sum)) = rest.split_first_chunk::<8>() else { return Ok(false) };
        if checksum(&[&self.id, &TRAILER_MAGIC, offset]) != *sum {
            return Ok(false);
        }
        let Some(Ok((info, _))) = self.header_at(u64::from_le_bytes(*offset))? else { return Ok(false) };
        if info.kind != FrameKind::Index || info.end() != trailer_at {
            return Ok(false);
        }
        let Ok(plain) = payload(&mut self.from, &info)? else { return Ok(false) };
        let Ok(frames) = whole::<Vec<FrameInfo>>(&plain) else { return Ok(false) };
        // Each frame begins where the one before ends, from the head to the index.
        let mut next = PROLOGUE_BYTES as u64;
        for (number, frame) in (0..).zip(&frames) {
            if frame.number != number || frame.offset != next || frame.check().is_err() {
                return Ok(false);
            }
            next = frame.end();
        }
        if frames.first() != self.frames.first() || next != info.offset {
            return Ok(false);
        }
        self.frames = frames;
        self.frames.push(info);
        self.has_index = true;
        self.ending = Ending::Orderly;
        Ok(true)
    }

    /// Finds the frames by their headers.
    fn walk(&mut self) -> Result<(), TraceError> {
        let mut offset = self.frames.last().map_or(PROLOGUE_BYTES as u64, FrameInfo::end);
        for number in 1..FRAMES_MAX {
            let has_ended = self.frames.last().is_some_and(|frame| frame.kind == FrameKind::Index);
            let left = self.length.saturating_sub(offset);
            let damaged = |reason: String| Ending::Damaged(Damage { frame: number, offset, reason });
            if has_ended {
                // Nothing but a whole trailer belongs here, and with that the index would have been found.
                self.ending = match left {
                    left if left < TRAILER_BYTES as u64 => Ending::Cut { bytes: left },
                    _ => damaged("index or trailer is damaged; all records are there".to_owned()),
                };
                return Ok(());
            }
            let Some(header) = self.header_at(offset)? else {
                self.ending = Ending::Cut { bytes: left };
                return Ok(());
            };
            let info = match header {
                Ok((info, _)) if info.number != number => {
                    self.ending = damaged(format!("frame {} stands here: one is missing", info.number));
                    return Ok(());
                }
                Ok((info, _)) => info,
                Err(reason) => {
                    self.ending = damaged(reason);
                    return Ok(());
                }
            };
            if info.end() > self.length {
                self.ending = Ending::Cut { bytes: left };
                return Ok(());
            }
            self.frames.push(info);
            offset = info.end();
        }
        Ok(())
    }
}

type Header = Result<(FrameInfo, [u8; CHECKSUM_BYTES]), String>;

/// A frame's payload, checked and unpacked: no more than the header says, and that is bounded.
fn payload<R: Read + Seek>(from: &mut R, info: &FrameInfo) -> Result<Result<Vec<u8>, String>, TraceError> {
    from.seek(SeekFrom::Start(info.offset.saturating_add(HEADER_BYTES as u64)))?;
    let mut stored = vec![0; info.stored_bytes as usize];
    match from.read_exact(&mut stored) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            return Ok(Err("the file ends in it".to_owned()));
        }
        Err(error) => return Err(error.into()),
    }
    if checksum(&[&stored]) != info.payload {
        return Ok(Err("wrong checksum: the file is damaged".to_owned()));
    }
    if !info.is_compressed {
        return Ok(Ok(stored));
    }
    Ok(match zstd::bulk::decompress(&stored, info.plain_bytes as usize) {
        Ok(plain) if plain.len() == info.plain_bytes as usize => Ok(plain),
        Ok(plain) => Err(format!("{} bytes unpacked instead of {}", plain.len(), info.plain_bytes)),
        Err(error) => Err(format!("cannot be unpacked: {error}")),
    })
}

/// One value that fills the bytes.
fn whole<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let (value, left) = postcard::take_from_bytes(bytes).map_err(|error| error.to_string())?;
    if left.is_empty() { Ok(value) } else { Err(format!("{} bytes too many", left.len())) }
}
