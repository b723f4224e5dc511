//! What the card is sent: commands, and blocks behind a token (Physical Layer Simplified Specification 7.2.4, 7.3.1).

use serde::{Deserialize, Serialize};

use super::checksum::{crc7, crc16};
use super::command::{Command, r1, r2, token};
use super::output::Output;
use super::program::Programming;
use super::{At, BLOCK_BYTES, Block, CLOCKS_BEFORE, Mode, SUPPLY_PS, SdCard};

/// What a block that is sent is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// CMD24, CMD25: the block to be written next.
    Write {
        /// The block.
        block: u32,
        /// CMD25.
        is_multiple: bool,
        /// A block before it was not taken: nothing is until the stream ends.
        has_failed: bool,
    },
    /// CMD27.
    Csd,
    /// CMD56.
    General,
}

/// A block that is expected or comes in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receiving {
    purpose: Purpose,
    /// Its bytes, CRC included, once its token was heard.
    bytes: Option<Vec<u8>>,
}

impl Receiving {
    /// A block is expected.
    pub fn new(purpose: Purpose) -> Self {
        Self { purpose, bytes: None }
    }

    fn length(&self) -> usize {
        if self.purpose == Purpose::Csd { 16 } else { BLOCK_BYTES }
    }
}

impl SdCard {
    /// A byte has come in.
    pub(super) fn take(&mut self, byte: u8, at: &mut At<'_>) {
        self.settle(at.now_ps);
        let has_begun = at.now_ps.saturating_sub(self.supplied_ps) >= SUPPLY_PS && self.clocks >= CLOCKS_BEFORE;
        if self.mode == Mode::Off || !has_begun {
            return;
        }
        if !self.is_busy(at.now_ps) && self.command_bytes == 0 && self.take_data(byte, at) {
            return;
        }
        if self.command_bytes == 0 && byte & 0xc0 != 0x40 {
            return;
        }
        self.command[usize::from(self.command_bytes)] = byte;
        self.command_bytes += 1;
        if self.command_bytes == 6 {
            self.command_bytes = 0;
            self.hear(at);
        }
    }

    /// A command is whole.
    fn hear(&mut self, at: &mut At<'_>) {
        let [first, a, b, c, d, last] = self.command;
        let command = Command { index: first & 0x3f, argument: u32::from_be_bytes([a, b, c, d]) };
        let is_good = last == crc7(&self.command[..5]) << 1 | 1;
        if self.mode == Mode::Bus {
            // SD mode: CRC is always checked, and only CMD0 with the card selected leads to SPI mode (7.2.1).
            if command.index == 0 && is_good {
                self.go_idle();
            }
            return;
        }
        let is_deaf = self.faults.hangs || self.is_busy(at.now_ps) && command.index != 0;
        let sends = self.reading.is_some() || self.output.iter().any(|output| output.is_data());
        if is_deaf || sends && !self.was_unselected && !matches!(command.index, 0 | 12) {
            return;
        }
        if sends && command.index != 12 {
            self.reading = None;
            self.output.clear();
        }
        self.counts.commands += 1;
        // CMD8's is always checked (7.2.2).
        if (self.checks_crc || command.index == 8) && !is_good {
            self.counts.crc_errors += 1;
            self.output.clear();
            self.respond(self.idle_bit() | r1::CRC, &[]);
            return;
        }
        self.execute(command, at);
    }

    /// Takes a byte for the block that is expected, if it is for that.
    fn take_data(&mut self, byte: u8, at: &mut At<'_>) -> bool {
        let Some(receiving) = &mut self.receiving else { return false };
        let is_multiple = matches!(receiving.purpose, Purpose::Write { is_multiple: true, .. });
        let length = receiving.length() + 2;
        let Some(bytes) = &mut receiving.bytes else {
            match byte {
                token::STOP if is_multiple => self.end_writing(at),
                token::START if !is_multiple => receiving.bytes = Some(Vec::new()),
                token::START_MULTIPLE if is_multiple => receiving.bytes = Some(Vec::new()),
                _ => return false,
            }
            return true;
        };
        bytes.push(byte);
        if bytes.len() == length {
            let (bytes, purpose) = (std::mem::take(bytes), receiving.purpose);
            self.receiving = None;
            self.output.clear();
            let response = self.take_block(&bytes, purpose, at);
            self.output.push_back(Output::Byte(response));
        }
        true
    }

    /// The end of CMD25 by its token: the card is busy after it (7.2.4).
    fn end_writing(&mut self, at: &mut At<'_>) {
        self.receiving = None;
        self.output.clear();
        let gap = usize::from(self.config.timing.stop_bytes.min(1));
        self.output.extend(std::iter::repeat_n(Output::Byte(0xff), gap));
        self.busy_until_ps = at.now_ps + self.duration_ps(at, "program_us", self.config.timing.program_us);
    }

    /// A block is whole, with its CRC behind it; gives the data response.
    fn take_block(&mut self, bytes: &[u8], purpose: Purpose, at: &mut At<'_>) -> u8 {
        let (data, crc) = bytes.split_at(bytes.len() - 2);
        let is_wrong = Self::happens(at, "write_error", self.faults.write_ppm) || crc != crc16(data).to_be_bytes();
        let response = if self.checks_crc && is_wrong {
            self.counts.crc_errors += 1;
            token::CRC_ERROR
        } else {
            match purpose {
                Purpose::Write { has_failed: true, .. } => token::WRITE_ERROR,
                Purpose::Write { block, .. } => self.start_programming(block, data, at),
                Purpose::Csd => self.program_csd(data, at),
                Purpose::General => token::ACCEPTED,
            }
        };
        if let Purpose::Write { block, is_multiple: true, has_failed } = purpose {
            let has_failed = has_failed || response != token::ACCEPTED;
            let block = if has_failed { block } else { block + 1 };
            self.receiving = Some(Receiving::new(Purpose::Write { block, is_multiple: true, has_failed }));
        }
        response
    }

    fn start_programming(&mut self, block: u32, data: &[u8], at: &mut At<'_>) -> u8 {
        let Ok(data) = <&Block>::try_from(data) else { return token::WRITE_ERROR };
        if block >= self.storage.blocks() {
            self.status |= r2::OUT_OF_RANGE;
            return token::WRITE_ERROR;
        }
        if self.is_protected(block) {
            self.status |= r2::PROTECTED;
            return token::WRITE_ERROR;
        }
        let timing = self.config.timing;
        let stalls = Self::happens(at, "stall", timing.stall_ppm);
        let duration_ps = if stalls {
            self.duration_ps(at, "stall_us", timing.stall_us)
        } else {
            self.duration_ps(at, "program_us", timing.program_us)
        };
        self.begin(Programming::block(block, data), duration_ps, at);
        token::ACCEPTED
    }

    fn program_csd(&mut self, data: &[u8], at: &mut At<'_>) -> u8 {
        let mut own = super::registers::csd(self.storage.blocks(), self.writable);
        let Ok(new) = <&[u8; 16]>::try_from(data) else { return token::WRITE_ERROR };
        // What cannot be written must be as it is, and the CRC right (5.3.1, 4.10.1).
        let (own_fixed, new_fixed) = (own[14] & 3, new[14] & 3);
        own[14] = new[14];
        let is_same = own[..14] == new[..14] && own_fixed == new_fixed && crc7(&new[..15]) << 1 | 1 == new[15];
        if !is_same || !self.writable.program(new) {
            self.status |= r2::OUT_OF_RANGE;
            return token::WRITE_ERROR;
        }
        self.busy_until_ps = at.now_ps + self.duration_ps(at, "program_us", self.config.timing.program_us);
        token::ACCEPTED
    }
}
