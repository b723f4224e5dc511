//! A frame's header: 88 bytes, numbers little-endian.

use serde::{Deserialize, Serialize};

use super::{CHECKSUM_BYTES, PAYLOAD_BYTES_MAX, RECORDS_MAX, checksum};

/// Length of a header.
pub const HEADER_BYTES: usize = 88;
/// Where the checksum of the header stands in it.
const CHECKSUM_AT: usize = HEADER_BYTES - CHECKSUM_BYTES;

const PLAIN: u8 = 0;
const ZSTD: u8 = 1;

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FrameKind {
    /// The head.
    Head,
    /// A piece of a blob.
    Blob,
    /// Records.
    Records,
    /// The index of the frames before it.
    Index,
}

impl FrameKind {
    fn number(self) -> u8 {
        match self {
            Self::Head => 1,
            Self::Blob => 2,
            Self::Records => 3,
            Self::Index => 4,
        }
    }

    fn of(number: u8) -> Option<Self> {
        [Self::Head, Self::Blob, Self::Records, Self::Index].into_iter().find(|kind| kind.number() == number)
    }
}

/// A frame without its payload, and where it is: what an index holds of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameInfo {
    /// What it holds.
    pub kind: FrameKind,
    /// Its number in the file, from 0.
    pub number: u32,
    /// Where its header begins in the file.
    pub offset: u64,
    /// Whether the payload is compressed.
    pub is_compressed: bool,
    /// Length of the payload in the file.
    pub stored_bytes: u32,
    /// Length of the payload before compression.
    pub plain_bytes: u32,
    /// Records in it.
    pub records: u32,
    /// Earliest virtual time of a record in picoseconds.
    pub first_ps: u64,
    /// Latest virtual time of a record in picoseconds.
    pub last_ps: u64,
    /// Instructions executed when the frame before it ended.
    pub first_instruction: u64,
    /// Instructions executed when it ended.
    pub last_instruction: u64,
    /// Checksum of the payload as stored.
    pub payload: [u8; CHECKSUM_BYTES],
}

impl FrameInfo {
    /// Where the frame ends in the file.
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(HEADER_BYTES as u64).saturating_add(u64::from(self.stored_bytes))
    }

    /// The header's bytes. `id` binds it to its file.
    pub fn encode(&self, id: &[u8; CHECKSUM_BYTES]) -> Vec<u8> {
        let mut header = Vec::with_capacity(HEADER_BYTES);
        header.extend([self.kind.number(), if self.is_compressed { ZSTD } else { PLAIN }, 0, 0]);
        header.extend(self.number.to_le_bytes());
        header.extend(self.stored_bytes.to_le_bytes());
        header.extend(self.plain_bytes.to_le_bytes());
        header.extend(self.records.to_le_bytes());
        header.extend([0; 4]);
        for range in [self.first_ps, self.last_ps, self.first_instruction, self.last_instruction] {
            header.extend(range.to_le_bytes());
        }
        header.extend(self.payload);
        let sum = checksum(&[id, &header]);
        header.extend(sum);
        header
    }

    /// Reads a header that begins at `offset`; gives its checksum too.
    pub fn decode(
        header: &[u8; HEADER_BYTES],
        id: &[u8; CHECKSUM_BYTES],
        offset: u64,
    ) -> Result<(Self, [u8; CHECKSUM_BYTES]), String> {
        let (covered, sum) = header.split_at(CHECKSUM_AT);
        let expected = checksum(&[id, covered]);
        if expected != *sum {
            return Err(
                "wrong checksum of its header: the file is damaged, or the frame is not of this file".to_owned()
            );
        }
        let mut fields = Fields(covered);
        let [kind, encoding, _, _] = fields.take();
        let kind = FrameKind::of(kind).ok_or_else(|| format!("a frame of unknown kind {kind}"))?;
        let is_compressed = match encoding {
            PLAIN => false,
            ZSTD => true,
            other => return Err(format!("payload encoded in an unknown way, {other}")),
        };
        let (number, stored_bytes, plain_bytes, records) = (fields.word(), fields.word(), fields.word(), fields.word());
        let _zero = fields.word();
        let info = Self {
            kind,
            number,
            offset,
            is_compressed,
            stored_bytes,
            plain_bytes,
            records,
            first_ps: fields.long(),
            last_ps: fields.long(),
            first_instruction: fields.long(),
            last_instruction: fields.long(),
            payload: fields.take(),
        };
        info.check()?;
        Ok((info, expected))
    }

    /// Whether its numbers are within the bounds of the format.
    pub fn check(&self) -> Result<(), String> {
        let (stored, plain) = (self.stored_bytes as usize, self.plain_bytes as usize);
        if stored > PAYLOAD_BYTES_MAX || plain > PAYLOAD_BYTES_MAX {
            return Err(format!("a payload of {stored} bytes ({plain} unpacked); {PAYLOAD_BYTES_MAX} is the most"));
        }
        if self.records > RECORDS_MAX {
            return Err(format!("{} records; {RECORDS_MAX} is the most", self.records));
        }
        if !self.is_compressed && stored != plain {
            return Err(format!("{stored} bytes stored and {plain} unpacked, without compression"));
        }
        Ok(())
    }
}

/// Takes fields off a header. What is not there is zero; callers hand it enough.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let Some((field, rest)) = self.0.split_first_chunk::<N>() else { return [0; N] };
        self.0 = rest;
        *field
    }

    fn word(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    fn long(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }
}
