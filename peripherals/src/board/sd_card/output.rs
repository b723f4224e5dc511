//! What the card sends: responses, blocks, busy (Physical Layer Simplified Specification 7.2.3, 7.3.3, 7.5).

use serde::{Deserialize, Serialize};

use super::checksum::crc16;
use super::command::{r2, token};
use super::{At, BLOCK_BYTES, Reading, SdCard};

/// Something that waits to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Output {
    /// A byte of a response.
    Byte(u8),
    /// A byte of a block, its token or its CRC.
    Data(u8),
    /// All ones until this instant.
    Until(u64),
}

impl Output {
    /// Whether it belongs to a block that has begun.
    pub fn is_data(self) -> bool {
        matches!(self, Self::Data(_))
    }
}

impl SdCard {
    /// What is sent if a byte begins now.
    pub(super) fn next_byte(&self, now_ps: u64) -> u8 {
        for output in &self.output {
            match *output {
                Output::Byte(byte) | Output::Data(byte) => return byte,
                Output::Until(until_ps) if now_ps < until_ps => return 0xff,
                Output::Until(_) => {}
            }
        }
        if self.is_busy(now_ps) { 0 } else { 0xff }
    }

    /// Whether it holds the line low.
    pub(super) fn is_busy(&self, now_ps: u64) -> bool {
        self.faults.hangs || now_ps < self.busy_until_ps
    }

    /// Takes what is sent during the byte that begins now.
    pub(super) fn take_next_byte(&mut self, at: &mut At<'_>) -> u8 {
        self.settle(at.now_ps);
        if self.output.is_empty() && !self.is_busy(at.now_ps) {
            self.queue_next_block(at);
        }
        let byte = self.next_byte(at.now_ps);
        while let Some(Output::Until(until_ps)) = self.output.front() {
            if at.now_ps < *until_ps {
                return byte;
            }
            self.output.pop_front();
        }
        self.output.pop_front();
        byte
    }

    /// R1, and what follows it.
    pub(super) fn respond(&mut self, r1: u8, more: &[u8]) {
        // N_CR is 1 to 8 bytes (7.5.1).
        let gap = usize::from(self.config.timing.response_bytes.clamp(1, 8));
        self.output.extend(std::iter::repeat_n(Output::Byte(0xff), gap));
        self.output.push_back(Output::Byte(r1));
        self.output.extend(more.iter().map(|byte| Output::Byte(*byte)));
    }

    /// A block, after the time of an access.
    pub(super) fn queue_data(&mut self, bytes: &[u8], at: &mut At<'_>) {
        let crc = crc16(bytes);
        let mut bytes = bytes.to_vec();
        if Self::happens(at, "read_error", self.faults.read_ppm) {
            let bit = at.decisions.draw(at.now_ps, super::STREAM, "wrong_bit", 0, bytes.len() as u64 * 8 - 1);
            bytes[(bit / 8) as usize] ^= 0x80 >> (bit % 8);
        }
        self.wait_for_access(at);
        let block = std::iter::once(token::START).chain(bytes).chain(crc.to_be_bytes());
        self.output.extend(block.map(Output::Data));
    }

    /// CSD or CID: they come within a few bytes, N_CX (7.5.4).
    pub(super) fn queue_register(&mut self, bytes: &[u8; 16]) {
        let block = std::iter::once(token::START).chain(*bytes).chain(crc16(bytes).to_be_bytes());
        self.output.push_back(Output::Data(0xff));
        self.output.extend(block.map(Output::Data));
    }

    fn wait_for_access(&mut self, at: &mut At<'_>) {
        let until_ps = at.now_ps.saturating_add(self.duration_ps(at, "read_us", self.config.timing.read_us));
        self.output.push_back(Output::Until(until_ps));
    }

    /// The next block of a command that reads, if there is one.
    pub(super) fn queue_next_block(&mut self, at: &mut At<'_>) {
        let Some(Reading { next, is_multiple }) = self.reading else { return };
        let number = (next / BLOCK_BYTES as u64) as u32;
        let (place, length) = ((next % BLOCK_BYTES as u64) as usize, self.read_length());
        let error = if next >= u64::from(self.storage.blocks()) * BLOCK_BYTES as u64 {
            Some((token::OUT_OF_RANGE, r2::OUT_OF_RANGE))
        } else if self.storage.is_unreadable(number) {
            Some((token::ECC_FAILED, r2::ECC))
        } else if place + length > BLOCK_BYTES {
            // READ_BLK_MISALIGN is 0.
            Some((token::ERROR, r2::ERROR))
        } else {
            None
        };
        if let Some((token, status)) = error {
            self.wait_for_access(at);
            self.output.push_back(Output::Data(token));
            self.status |= status;
            self.reading = None;
            return;
        }
        let block = self.storage.block(number);
        let bytes = block.get(place..place + length).unwrap_or(&block);
        self.queue_data(bytes, at);
        self.counts.blocks_read += 1;
        self.reading = is_multiple.then_some(Reading { next: next + length as u64, is_multiple });
    }

    /// Bytes of a block that is read: 512 on a card of high capacity, else as CMD16 says (7.2.3).
    pub(super) fn read_length(&self) -> usize {
        if self.is_high() { BLOCK_BYTES } else { self.block_length as usize }
    }
}
