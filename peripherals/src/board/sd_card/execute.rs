//! What each command does (Physical Layer Simplified Specification 7.3.1.3).

use super::command::{Cards, Command, find, r1, r2};
use super::output::Output;
use super::receive::{Purpose, Receiving};
use super::registers::{self, GROUP_BLOCKS};
use super::{At, BLOCK_BYTES, Mode, Reading, SdCard};

/// HCS in the argument of ACMD41 and CMD1: the host knows high capacity.
const HCS: u32 = 1 << 30;

/// VHS of CMD8: 2.7 to 3.6 V.
const SUPPLY_2V7: u32 = 1;

impl SdCard {
    /// R1's bit of the idle state.
    pub(super) fn idle_bit(&self) -> u8 {
        if self.mode == Mode::Ready { 0 } else { r1::IDLE }
    }

    /// CMD0: in SPI mode, nothing initialised.
    pub(super) fn go_idle(&mut self) {
        self.reset();
        self.mode = Mode::Idle;
        self.respond(r1::IDLE, &[]);
    }

    /// Carries out a command and queues its response.
    pub(super) fn execute(&mut self, command: Command, at: &mut At<'_>) {
        let is_application = std::mem::take(&mut self.is_application);
        let row = find(command.index, is_application).filter(|row| match row.cards {
            Cards::All => true,
            Cards::Standard => !self.is_high(),
            Cards::Version2 => !self.config.is_version_1,
        });
        if command.index == 12 {
            self.stop(at);
            return;
        }
        self.output.clear();
        let cleared = self.clear_erase_sequence(command.index);
        let Some(row) = row.filter(|row| row.in_idle || self.mode == Mode::Ready) else {
            self.refuse(r1::ILLEGAL | cleared);
            return;
        };
        // While a stream of CMD25 is open nothing else is taken but CMD12, CMD13 and CMD0.
        if self.receiving.is_some() && !matches!((row.index, row.is_application), (0, _) | (13, false)) {
            self.refuse(r1::ILLEGAL | cleared);
            return;
        }
        let flags = self.idle_bit() | cleared;
        if row.is_application {
            self.execute_application(command, flags, at);
        } else {
            self.execute_plain(command, flags, at);
        }
    }

    fn refuse(&mut self, flags: u8) {
        self.counts.illegal += u64::from(flags & r1::ILLEGAL != 0);
        self.respond(self.idle_bit() | flags, &[]);
    }

    fn execute_plain(&mut self, command: Command, flags: u8, at: &mut At<'_>) {
        let argument = command.argument;
        match command.index {
            0 => {
                self.interrupt(at);
                self.go_idle();
            }
            1 => self.initialise(argument, flags, at),
            6 => {
                let (status, mode) = registers::switch_status(argument, self.access_mode);
                self.access_mode = mode;
                self.send(flags, &[], &status, at);
            }
            8 => {
                let (voltage, pattern) = (argument >> 8 & 0xf, argument as u8);
                self.knows_version_2 = voltage == SUPPLY_2V7;
                let accepted = if self.knows_version_2 { SUPPLY_2V7 as u8 } else { 0 };
                self.respond(flags, &[0, 0, accepted, pattern]);
            }
            9 => {
                self.respond(flags, &[]);
                self.queue_register(&registers::csd(self.storage.blocks(), self.writable));
            }
            10 => {
                self.respond(flags, &[]);
                self.queue_register(&registers::cid(&self.config.identity));
            }
            13 => {
                let status = std::mem::take(&mut self.status);
                self.respond(flags, &[status]);
            }
            16 => {
                let is_good = (1..=BLOCK_BYTES as u32).contains(&argument);
                if is_good {
                    self.block_length = argument;
                }
                self.respond(flags | if is_good { 0 } else { r1::PARAMETER }, &[]);
            }
            17 | 18 => self.start_reading(argument, command.index == 18, flags),
            24 | 25 => self.start_writing(argument, command.index == 25, flags),
            27 => self.expect(Purpose::Csd, flags),
            28 | 29 => self.set_protection(argument, command.index == 28, flags, at),
            30 => self.send_protection(argument, flags, at),
            32 | 33 => self.select_erase(argument, command.index == 32, flags),
            38 => self.erase(flags, at),
            55 => {
                self.is_application = true;
                self.respond(flags, &[]);
            }
            56 if argument & 1 != 0 => self.send(flags, &[], &[0; BLOCK_BYTES], at),
            56 => self.expect(Purpose::General, flags),
            58 => {
                let ocr = registers::ocr(self.storage.blocks(), self.mode == Mode::Ready);
                self.respond(flags, &ocr.to_be_bytes());
            }
            59 => {
                self.checks_crc = argument & 1 != 0;
                self.respond(flags, &[]);
            }
            _ => self.refuse(r1::ILLEGAL),
        }
    }

    fn execute_application(&mut self, command: Command, flags: u8, at: &mut At<'_>) {
        match command.index {
            13 => {
                let status = std::mem::take(&mut self.status);
                self.send(flags, &[status], &registers::sd_status(), at);
            }
            22 => self.send(flags, &[], &self.well_written.to_be_bytes(), at),
            // ACMD23 is a hint; ACMD42 is about a pull-up that SPI mode's hosts do not see.
            23 | 42 => self.respond(flags, &[]),
            41 => self.initialise(command.argument, flags, at),
            51 => {
                let scr = registers::scr(self.config.is_version_1, self.config.erased_byte);
                self.send(flags, &[], &scr, at);
            }
            _ => self.refuse(r1::ILLEGAL),
        }
    }

    /// A response with a block of data behind it.
    fn send(&mut self, flags: u8, more: &[u8], data: &[u8], at: &mut At<'_>) {
        self.respond(flags, more);
        self.queue_data(data, at);
    }

    fn expect(&mut self, purpose: Purpose, flags: u8) {
        self.receiving = Some(Receiving::new(purpose));
        self.respond(flags, &[]);
    }

    /// ACMD41, CMD1. A card of high capacity becomes ready only for a host that knows it (7.2.1, figure 7-2).
    fn initialise(&mut self, argument: u32, flags: u8, at: &mut At<'_>) {
        let is_able = !self.is_high() || argument & HCS != 0 && self.knows_version_2;
        if self.mode == Mode::Idle && is_able {
            let ready_ps = match self.ready_ps {
                Some(ready_ps) => ready_ps,
                None => at.now_ps + self.duration_ps(at, "ready_us", self.config.timing.ready_us),
            };
            self.ready_ps = Some(ready_ps);
            if at.now_ps >= ready_ps {
                self.mode = Mode::Ready;
                self.respond(flags & !r1::IDLE, &[]);
                return;
            }
        }
        self.respond(flags, &[]);
    }

    /// CMD12: ends what is read or written. The byte that would have come next is the stuff byte.
    fn stop(&mut self, at: &mut At<'_>) {
        let sends = self.reading.is_some() || self.output.iter().any(|output| output.is_data());
        let writes = self.receiving.is_some();
        let stuff = self.next_byte(at.now_ps);
        self.output.clear();
        if self.mode != Mode::Ready || !sends && !writes {
            self.refuse(r1::ILLEGAL);
            return;
        }
        (self.reading, self.receiving) = (None, None);
        if sends {
            self.output.push_back(Output::Byte(stuff));
        }
        self.respond(self.idle_bit(), &[]);
        if writes {
            self.busy_until_ps = at.now_ps + self.duration_ps(at, "program_us", self.config.timing.program_us);
        }
    }

    /// Address in bytes of an argument, if `length` bytes from there are within a block of the card; else what R1 says.
    fn address(&self, argument: u32, length: usize) -> Result<u64, u8> {
        let size = u64::from(self.storage.blocks()) * BLOCK_BYTES as u64;
        let address = u64::from(argument) * if self.is_high() { BLOCK_BYTES as u64 } else { 1 };
        if address >= size {
            Err(r1::PARAMETER)
        } else if (address % BLOCK_BYTES as u64) as usize + length > BLOCK_BYTES {
            Err(r1::ADDRESS)
        } else {
            Ok(address)
        }
    }

    /// The block of an argument that must be a block's beginning.
    fn block_of(&self, argument: u32) -> Result<u32, u8> {
        self.address(argument, BLOCK_BYTES).map(|address| (address / BLOCK_BYTES as u64) as u32)
    }

    fn start_reading(&mut self, argument: u32, is_multiple: bool, flags: u8) {
        match self.address(argument, self.read_length()) {
            Err(error) => self.respond(flags | error, &[]),
            Ok(next) => {
                self.respond(flags, &[]);
                self.reading = Some(Reading { next, is_multiple });
                self.was_unselected = false;
            }
        }
    }

    fn start_writing(&mut self, argument: u32, is_multiple: bool, flags: u8) {
        // WRITE_BL_PARTIAL is 0: blocks are whole.
        let is_whole = self.is_high() || self.block_length as usize == BLOCK_BYTES;
        match self.block_of(argument) {
            _ if !is_whole => self.respond(flags | r1::PARAMETER, &[]),
            Err(error) => self.respond(flags | error, &[]),
            Ok(block) => {
                self.well_written = 0;
                self.expect(Purpose::Write { block, is_multiple, has_failed: false }, flags);
            }
        }
    }

    /// Whether a block is write protected.
    pub(super) fn is_protected(&self, block: u32) -> bool {
        self.writable.protects() || self.protected_groups.contains(&(block / GROUP_BLOCKS))
    }

    fn set_protection(&mut self, argument: u32, is_set: bool, flags: u8, at: &mut At<'_>) {
        match self.address(argument, 1) {
            Err(error) => self.respond(flags | error, &[]),
            Ok(address) => {
                let group = (address / BLOCK_BYTES as u64) as u32 / GROUP_BLOCKS;
                if is_set {
                    self.protected_groups.insert(group);
                } else {
                    self.protected_groups.remove(&group);
                }
                self.respond(flags, &[]);
                self.busy_until_ps = at.now_ps + self.duration_ps(at, "program_us", self.config.timing.program_us);
            }
        }
    }

    /// CMD30: 32 groups as of the address, the first in the lowest bit; those behind the end read 0 (4.3.6).
    fn send_protection(&mut self, argument: u32, flags: u8, at: &mut At<'_>) {
        match self.address(argument, 1) {
            Err(error) => self.respond(flags | error, &[]),
            Ok(address) => {
                let first = (address / BLOCK_BYTES as u64) as u32 / GROUP_BLOCKS;
                let bits = (0..32).fold(0u32, |bits, place| {
                    bits | u32::from(self.protected_groups.contains(&(first + place))) << place
                });
                self.send(flags, &[], &bits.to_be_bytes(), at);
            }
        }
    }

    /// A command that is none of an erase sequence ends one that was begun (4.3.5); R1's bit that says so.
    fn clear_erase_sequence(&mut self, index: u8) -> u8 {
        let had = self.erase_first.is_some() || self.erase_last.is_some();
        if !had || matches!(index, 13 | 32 | 33 | 38) {
            return 0;
        }
        (self.erase_first, self.erase_last) = (None, None);
        r1::ERASE_RESET
    }

    fn select_erase(&mut self, argument: u32, is_first: bool, flags: u8) {
        match self.block_of(argument) {
            Err(error) => self.respond(flags | error, &[]),
            Ok(block) if is_first => {
                (self.erase_first, self.erase_last) = (Some(block), None);
                self.respond(flags, &[]);
            }
            Ok(_) if self.erase_first.is_none() => self.respond(flags | r1::ERASE_SEQUENCE, &[]),
            Ok(block) => {
                self.erase_last = Some(block);
                self.respond(flags, &[]);
            }
        }
    }

    fn erase(&mut self, flags: u8, at: &mut At<'_>) {
        let (Some(first), Some(last)) = (self.erase_first.take(), self.erase_last.take()) else {
            self.respond(flags | r1::ERASE_SEQUENCE, &[]);
            return;
        };
        self.respond(flags, &[]);
        if last < first {
            self.status |= r2::ERASE_PARAMETER;
        } else if self.writable.protects() {
            self.status |= r2::PROTECTED;
        } else {
            self.begin_unprotected_erase(first, last + 1, at);
        }
    }

    /// Blocks of protected groups are left out, and the status says so.
    fn begin_unprotected_erase(&mut self, first: u32, end: u32, at: &mut At<'_>) {
        let groups = first / GROUP_BLOCKS..=(end - 1) / GROUP_BLOCKS;
        if self.protected_groups.range(groups).next().is_some() {
            self.status |= r2::ERASE_SKIP;
        }
        self.begin_erase(first, end, at);
    }
}
