//! The trace: one file with what is needed to run again and, after it, what was observed.
//!
//! A file of frames, written as it grows. First a [`Head`]: images, seed, what to run, and a list of blobs (files that
//! the run needs); then the blobs that are embedded; then frames of [`Record`]s. A run that ends in an orderly way adds
//! an index of its frames; of one that was killed, the frames are walked instead. `docs/TRACES.md` has every byte.
//!
//! Each frame's header has a checksum of its own, which covers the payload's. So a damaged payload costs that frame
//! alone, and the frames behind it are found without a search. The checksum is bound to the file by its head, and to
//! the frame's place by its number: a frame of another file, one left out, or one moved does not pass.
//!
//! Payloads are compressed by the reference implementation of Zstandard (crate `zstd`, BSD-3-Clause, compatible with
//! the GPL), because a trace is written during the run: the pure Rust encoder (`ruzstd`) has only its fastest level.
//! Decompression goes into a buffer whose size the header names and this module bounds.

mod error;
mod frame;
mod head;
mod reader;
mod record;
mod writer;

#[cfg(test)]
mod tests;

pub use error::TraceError;
pub use frame::{FrameInfo, FrameKind};
pub use head::{Blob, BlobInfo, BlobSource, Head, ImageInfo, RunText, StartState};
pub use reader::{Damage, Ending, TraceReader};
pub use record::{AtDirection, EndRecord, Record, RecordKind, StateRecord};
pub use writer::TraceWriter;

/// First bytes of the file.
pub const MAGIC: [u8; 8] = *b"LKSTTRAC";
/// Version of the format; counted up whenever a header, the head or a record changes.
pub const VERSION: u32 = 1;
/// Magic, version, four zero bytes.
const PROLOGUE_BYTES: usize = 16;
/// First bytes of the trailer.
const TRAILER_MAGIC: [u8; 8] = *b"LKSTTEND";
/// Magic, offset of the index frame, checksum.
const TRAILER_BYTES: usize = 32;
/// Length of a checksum: a BLAKE3 hash cut off.
const CHECKSUM_BYTES: usize = 16;
/// A payload at most, before and after compression.
const PAYLOAD_BYTES_MAX: usize = 4 << 20;
/// Records in a frame at most.
const RECORDS_MAX: u32 = 1 << 16;
/// Content of one blob frame: a blob's next bytes.
const PIECE_BYTES: usize = 1 << 20;
/// A blob at most.
const BLOB_BYTES_MAX: u64 = 256 << 20;
/// Frames in a file at most.
const FRAMES_MAX: u32 = 1 << 24;

/// A hash cut to the length of a checksum.
fn checksum(parts: &[&[u8]]) -> [u8; CHECKSUM_BYTES] {
    let mut hasher = blake3::Hasher::new();
    parts.iter().for_each(|part| {
        hasher.update(part);
    });
    let mut short = [0; CHECKSUM_BYTES];
    short.iter_mut().zip(hasher.finalize().as_bytes()).for_each(|(to, from)| *to = *from);
    short
}
