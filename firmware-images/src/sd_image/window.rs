//! A part of an image, as a file system sees it: from 0 to its length.

use std::io::{self, Read, Seek, SeekFrom, Write};

/// Bytes kept in memory: both readers of allocation tables ask for a few bytes at a time.
const PIECE_BYTES: usize = 4096;

/// A part of something larger. What is read is kept a piece at a time; what is written is written at once, except that
/// zeros are not written over zeros, so that a sparse file stays one.
#[derive(Debug)]
pub struct Window<T> {
    inner: T,
    start: u64,
    length: u64,
    position: u64,
    piece: Vec<u8>,
    /// Where in the window the piece begins.
    piece_start: Option<u64>,
}

impl<T: Read + Seek> Window<T> {
    /// `length` bytes of `inner` from `start`.
    pub fn new(inner: T, start: u64, length: u64) -> Self {
        Self { inner, start, length, position: 0, piece: Vec::new(), piece_start: None }
    }

    /// How many bytes there are.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Fills `bytes` from this offset; an error if there are fewer.
    pub fn read_at(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.position = offset;
        self.read_exact(bytes)
    }

    /// Where in the piece that holds the position the position is, with the piece loaded.
    fn load(&mut self) -> io::Result<usize> {
        let within = self.position % PIECE_BYTES as u64;
        let piece_start = self.position - within;
        if self.piece_start != Some(piece_start) {
            self.piece_start = None;
            let bytes = (self.length - piece_start).min(PIECE_BYTES as u64) as usize;
            self.piece.resize(bytes, 0);
            self.inner.seek(SeekFrom::Start(self.start + piece_start))?;
            self.inner.read_exact(&mut self.piece)?;
            self.piece_start = Some(piece_start);
        }
        Ok(within as usize)
    }
}

impl<T: Read + Seek> Read for Window<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position >= self.length || buffer.is_empty() {
            return Ok(0);
        }
        let within = self.load()?;
        let bytes = buffer.len().min(self.piece.len() - within);
        buffer[..bytes].copy_from_slice(&self.piece[within..within + bytes]);
        self.position += bytes as u64;
        Ok(bytes)
    }
}

impl<T: Read + Write + Seek> Write for Window<T> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let within = (self.position % PIECE_BYTES as u64) as usize;
        let room = self.length.saturating_sub(self.position).min((PIECE_BYTES - within) as u64) as usize;
        let bytes = &buffer[..buffer.len().min(room)];
        if bytes.is_empty() {
            return Ok(0);
        }
        let is_zero = bytes.iter().all(|byte| *byte == 0);
        if is_zero {
            self.load()?;
        }
        let is_loaded = self.piece_start == Some(self.position - within as u64);
        let is_there = is_zero && self.piece[within..within + bytes.len()] == *bytes;
        if !is_there {
            self.inner.seek(SeekFrom::Start(self.start + self.position))?;
            self.inner.write_all(bytes)?;
            if is_loaded {
                self.piece[within..within + bytes.len()].copy_from_slice(bytes);
            }
        }
        self.position += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<T: Read + Seek> Seek for Window<T> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
            SeekFrom::End(offset) => self.length.checked_add_signed(offset),
        };
        let before = || io::Error::new(io::ErrorKind::InvalidInput, "a place before the begin of the image");
        self.position = position.ok_or_else(before)?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn nothing_outside_is_touched_and_what_is_written_is_read() {
        let mut window = Window::new(Cursor::new(vec![7; 20_000]), 5_000, 10_000);
        let mut all = Vec::new();
        assert_eq!(window.read_to_end(&mut all).unwrap(), 10_000);
        window.seek(SeekFrom::Start(4_000)).unwrap();
        window.write_all(&[1; 200]).unwrap();
        window.seek(SeekFrom::Start(9_999)).unwrap();
        assert!(window.write_all(&[0; 2]).is_err());
        let mut bytes = [0; 200];
        window.read_at(4_000, &mut bytes).unwrap();
        assert_eq!(bytes, [1; 200]);
        assert!(window.read_at(9_900, &mut bytes).is_err());
        assert!(window.seek(SeekFrom::Current(-100_000)).is_err());
        let inner = window.inner.into_inner();
        assert_eq!(inner[14_999], 0);
        assert!(inner[..9_000].iter().chain(&inner[9_200..14_999]).chain(&inner[15_000..]).all(|byte| *byte == 7));
    }
}
