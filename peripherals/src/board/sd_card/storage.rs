//! What is on the card: an image that stays as it is, and what a run has changed of it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::registers::{BLOCK_BYTES, MAX_BLOCKS, UNIT_BLOCKS};

/// Blocks that are kept together.
const CHUNK_BLOCKS: u32 = 8;
const CHUNK_BYTES: usize = BLOCK_BYTES * CHUNK_BLOCKS as usize;

/// A block.
pub type Block = [u8; BLOCK_BYTES];

/// Why something is no card's image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    /// Its size is none that a card can have.
    #[error("has {bytes} bytes: a card has 512 KiB to 32 GiB, in steps of 512 KiB")]
    Size {
        /// Its size.
        bytes: u64,
    },
}

/// An image of a card, whole; pieces of zeros take no memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SdImage {
    blocks: u32,
    chunks: BTreeMap<u32, Box<[u8]>>,
}

impl SdImage {
    /// A card of zeros with this many blocks.
    pub fn empty(blocks: u32) -> Result<Self, ImageError> {
        let is_good = (UNIT_BLOCKS..=MAX_BLOCKS).contains(&blocks) && blocks.is_multiple_of(UNIT_BLOCKS);
        let bytes = u64::from(blocks) * BLOCK_BYTES as u64;
        if is_good { Ok(Self { blocks, chunks: BTreeMap::new() }) } else { Err(ImageError::Size { bytes }) }
    }

    /// The image that `source` holds, of `bytes` bytes.
    pub fn read(mut source: impl Read, bytes: u64) -> Result<Self, ImageError> {
        let is_whole = bytes.is_multiple_of(BLOCK_BYTES as u64);
        let blocks = u32::try_from(bytes / BLOCK_BYTES as u64).ok().filter(|_| is_whole);
        let mut image = Self::empty(blocks.ok_or(ImageError::Size { bytes })?)?;
        let mut chunk = [0; CHUNK_BYTES];
        for number in 0..image.blocks / CHUNK_BLOCKS {
            source.read_exact(&mut chunk)?;
            if chunk.iter().any(|byte| *byte != 0) {
                image.chunks.insert(number, chunk.into());
            }
        }
        Ok(image)
    }

    /// Its size in blocks.
    pub fn blocks(&self) -> u32 {
        self.blocks
    }

    /// A block; zeros beyond the end.
    pub fn block(&self, number: u32) -> Block {
        let place = (number % CHUNK_BLOCKS) as usize * BLOCK_BYTES;
        let found = self.chunks.get(&(number / CHUNK_BLOCKS)).and_then(|chunk| chunk.get(place..place + BLOCK_BYTES));
        found.and_then(|bytes| bytes.try_into().ok()).unwrap_or([0; BLOCK_BYTES])
    }

    /// A hash of its content.
    pub fn hash(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.blocks.to_le_bytes());
        for (number, chunk) in &self.chunks {
            hasher.update(&number.to_le_bytes()).update(chunk);
        }
        hasher.finalize().into()
    }
}

/// The content of a card. What a run has not changed is the image's, which is not copied: it is no part of the
/// serialised state but for its hash, and [`attach`](Self::attach) gives it back to a state that was read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Storage {
    #[serde(skip)]
    image: Arc<SdImage>,
    image_hash: [u8; 32],
    blocks: u32,
    written: BTreeMap<u32, Arc<[u8]>>,
    /// Erased ranges, first block and the one behind the last; apart from each other. What was written later counts.
    erased: BTreeMap<u32, u32>,
    unreadable: BTreeSet<u32>,
    /// What a bit of an erased block reads as, eight of them.
    erased_byte: u8,
}

impl Storage {
    /// A card with the content of an image.
    pub fn new(image: Arc<SdImage>, erased_byte: u8) -> Self {
        let (image_hash, blocks) = (image.hash(), image.blocks());
        let (written, erased, unreadable) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Self { image, image_hash, blocks, written, erased, unreadable, erased_byte }
    }

    /// Gives back the image to a state that was read; `false` if it is another one than it had.
    #[must_use]
    pub fn attach(&mut self, image: &Arc<SdImage>) -> bool {
        let is_same = image.hash() == self.image_hash;
        if is_same {
            self.image = Arc::clone(image);
        }
        is_same
    }

    /// The image it began with.
    pub fn image(&self) -> &Arc<SdImage> {
        &self.image
    }

    /// Its size in blocks.
    pub fn blocks(&self) -> u32 {
        self.blocks
    }

    /// What an erased byte reads as.
    pub fn erased_byte(&self) -> u8 {
        self.erased_byte
    }

    /// A block, also where the card cannot read it.
    pub fn block(&self, number: u32) -> Block {
        let written = self.written.get(&number).and_then(|bytes| bytes.as_ref().try_into().ok());
        written.unwrap_or_else(|| match self.erased.range(..=number).next_back() {
            Some((_, end)) if *end > number => [self.erased_byte; BLOCK_BYTES],
            _ => self.image.block(number),
        })
    }

    /// Whether the card cannot read a block: its error correction fails.
    pub fn is_unreadable(&self, number: u32) -> bool {
        self.unreadable.contains(&number)
    }

    /// A block holds this.
    pub fn write(&mut self, number: u32, content: &Block) {
        if number < self.blocks {
            self.unreadable.remove(&number);
            self.written.insert(number, Arc::from(&content[..]));
        }
    }

    /// From now on a block cannot be read, until it is written or erased.
    pub fn spoil(&mut self, number: u32) {
        if number < self.blocks {
            self.unreadable.insert(number);
        }
    }

    /// Blocks are erased, the first up to the one before `end`.
    pub fn erase(&mut self, first: u32, end: u32) {
        let (mut first, mut end) = (first, end.min(self.blocks));
        if first >= end {
            return;
        }
        let inside: Vec<u32> = self.written.range(first..end).map(|(number, _)| *number).collect();
        inside.iter().for_each(|number| _ = self.written.remove(number));
        let inside: Vec<u32> = self.unreadable.range(first..end).copied().collect();
        inside.iter().for_each(|number| _ = self.unreadable.remove(number));
        // Ranges that touch become one.
        while let Some((&start, &stop)) = self.erased.range(..=end).next_back().filter(|(_, stop)| **stop >= first) {
            self.erased.remove(&start);
            (first, end) = (first.min(start), end.max(stop));
        }
        self.erased.insert(first, end);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_image_is_read_whole_or_refused() {
        let mut bytes = vec![0; 512 * 1024];
        bytes[512 * 9 + 3] = 7;
        let image = SdImage::read(&bytes[..], bytes.len() as u64).unwrap();
        assert_eq!((image.blocks(), image.block(9)[3], image.block(8)), (1024, 7, [0; 512]));
        assert_ne!(image.hash(), SdImage::empty(1024).unwrap().hash());
        assert!(matches!(SdImage::read(&bytes[..], 1024), Err(ImageError::Size { bytes: 1024 })));
        assert!(matches!(SdImage::read(&bytes[..100], bytes.len() as u64), Err(ImageError::Read(_))));
    }

    #[test]
    fn a_state_that_was_read_gets_its_image_back_and_no_other() {
        let mut bytes = vec![0; 512 * 1024];
        bytes[0] = 1;
        let image = Arc::new(SdImage::read(&bytes[..], bytes.len() as u64).unwrap());
        let mut storage = Storage::new(Arc::clone(&image), 0);
        storage.write(5, &[9; 512]);
        let kept = postcard::to_stdvec(&storage).unwrap();
        assert!(kept.len() < 1024, "the image is not in it");
        let mut read: Storage = postcard::from_bytes(&kept).unwrap();
        assert!(!read.attach(&Arc::new(SdImage::empty(1024).unwrap())));
        assert!(read.attach(&image));
        assert_eq!((read.block(0)[0], read.block(5)[0]), (1, 9));
    }

    proptest! {
        /// Against an array of bytes, one for a block.
        #[test]
        fn it_is_what_was_done_to_it_last(steps in prop::collection::vec((0u8..3, 0u32..1024, 0u32..1024), 0..60)) {
            let mut storage = Storage::new(Arc::new(SdImage::empty(1024).unwrap()), 0xff);
            let mut model = [Some(0u8); 1024];
            for (number, (what, a, b)) in steps.into_iter().enumerate() {
                let (first, end) = (a.min(b), a.max(b) + 1);
                match what {
                    0 => {
                        storage.write(a, &[number as u8; 512]);
                        model[a as usize] = Some(number as u8);
                    }
                    1 => {
                        storage.erase(first, end);
                        model[first as usize..end as usize].fill(Some(0xff));
                    }
                    _ => {
                        storage.spoil(a);
                        model[a as usize] = None;
                    }
                }
            }
            for (number, expected) in model.iter().enumerate() {
                let number = number as u32;
                let found = (!storage.is_unreadable(number)).then(|| storage.block(number)[511]);
                prop_assert_eq!(found, *expected);
            }
        }
    }
}
