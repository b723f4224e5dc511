//! An SD card in SPI mode (SD Physical Layer Simplified Specification, section 7): standard and high capacity.
//!
//! Choices where the specification leaves one, or says less than hosts rely on:
//! - Before CMD0 the card is in SD mode: it says nothing on MISO. It takes its first command when it has had its supply
//!   for 1 ms and seen 74 clocks while not selected (6.4.1).
//! - While it is busy it takes no command but CMD0, and none but CMD12 and CMD0 while it sends blocks.
//! - The rise of the chip select forgets half a command and nothing else: responses, blocks and streams go on when the
//!   card is selected again. Drivers rely on it that select the card for each byte (embedded-sdmmc over an `SpiDevice`
//!   of embedded-hal) or leave streams open. A command after such a rise ends what the card was sending; within a block
//!   that it receives everything is data.
//! - After CMD12 the byte that would have come next is sent once more: the stuff byte.
//! - CMD56 reads a block of zeros, and forgets what is written: its meaning is the maker's.
//! - A block that is programmed while the power goes, or CMD0 comes, holds the old data, the new, a mixture whose first
//!   part is new, or cannot be read any more; an erase has got to some block. Which it is, is drawn. No other block
//!   changes.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use lockstep_traces::Decisions;
use serde::{Deserialize, Serialize};

use crate::spi::SpiFrame;

mod checksum;
mod command;
mod config;
mod execute;
mod link;
mod output;
mod program;
mod receive;
mod registers;
mod storage;
#[cfg(test)]
mod tests;

pub use checksum::{crc7, crc16};
pub use command::COMMANDS;
pub use config::{Interrupted, RangeUs, SdConfig, SdFault, SdTiming};
pub use registers::{BLOCK_BYTES, Identity, MAX_BLOCKS, STANDARD_MAX_BLOCKS, UNIT_BLOCKS};
pub use storage::{Block, ImageError, SdImage, Storage};

use link::{Edge, Link};
use output::Output;
use program::Programming;
use receive::Receiving;
use registers::WritableCsd;

const PS_PER_US: u64 = 1_000_000;

/// Supply before the first command, in picoseconds (6.4.1).
const SUPPLY_PS: u64 = 1_000 * PS_PER_US;

/// Clocks before the first command (6.4.1).
const CLOCKS_BEFORE: u8 = 74;

/// The stream of the card's choices.
const STREAM: &str = "sd.card";

/// An instant, and who chooses.
struct At<'a> {
    now_ps: u64,
    decisions: &'a mut Decisions,
}

/// How far the card has come since it got its supply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Mode {
    /// No supply, or not in its socket.
    Off,
    /// SD mode: waits for CMD0.
    Bus,
    /// SPI mode, not initialised.
    Idle,
    /// SPI mode, ready for data.
    Ready,
}

/// Blocks on their way to the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Reading {
    /// Address of the next block in bytes.
    next: u64,
    /// CMD18.
    is_multiple: bool,
}

/// What is wrong with the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Faults {
    read_ppm: u64,
    write_ppm: u64,
    factor: u32,
    hangs: bool,
}

const NO_FAULTS: Faults = Faults { read_ppm: 0, write_ppm: 0, factor: 1, hangs: false };

/// What happened to a card, for those who watch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SdCounts {
    /// Commands carried out or refused.
    pub commands: u64,
    /// Blocks sent.
    pub blocks_read: u64,
    /// Blocks programmed.
    pub blocks_written: u64,
    /// Commands or blocks with a wrong CRC, found while the card checks it.
    pub crc_errors: u64,
    /// Commands refused as illegal.
    pub illegal: u64,
}

/// A card in its socket, or taken out of it.
///
/// It is told of the levels on its wires: [`select`](Self::select), [`edge`](Self::edge), or whole frames of an SPI,
/// [`frame`](Self::frame). Instants must not go back.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SdCard {
    config: SdConfig,
    storage: Storage,
    link: Link,
    mode: Mode,
    /// Instant of the supply's beginning, and clocks since.
    supplied_ps: u64,
    clocks: u8,
    /// When initialisation is done, once it was asked for.
    ready_ps: Option<u64>,
    /// CMD8 was heard: the host knows high capacity.
    knows_version_2: bool,
    checks_crc: bool,
    is_application: bool,
    block_length: u32,
    command: [u8; 6],
    command_bytes: u8,
    output: VecDeque<Output>,
    /// The chip select rose since the card was last told to read.
    was_unselected: bool,
    reading: Option<Reading>,
    receiving: Option<Receiving>,
    programming: Option<Programming>,
    busy_until_ps: u64,
    /// Blocks of CMD32 and CMD33.
    erase_first: Option<u32>,
    erase_last: Option<u32>,
    /// Second byte of R2: stays until it is read.
    status: u8,
    well_written: u32,
    /// Bits of CSD that software writes, write protection groups: kept without supply.
    writable: WritableCsd,
    protected_groups: BTreeSet<u32>,
    access_mode: u8,
    faults: Faults,
    counts: SdCounts,
}

impl SdCard {
    /// A card in its socket with a supply as of time 0.
    pub fn new(config: SdConfig, image: Arc<SdImage>) -> Self {
        let storage = Storage::new(image, config.erased_byte);
        Self {
            config,
            storage,
            link: Link::default(),
            mode: Mode::Bus,
            supplied_ps: 0,
            clocks: 0,
            ready_ps: None,
            knows_version_2: false,
            checks_crc: false,
            is_application: false,
            block_length: BLOCK_BYTES as u32,
            command: [0; 6],
            command_bytes: 0,
            output: VecDeque::new(),
            was_unselected: false,
            reading: None,
            receiving: None,
            programming: None,
            busy_until_ps: 0,
            erase_first: None,
            erase_last: None,
            status: 0,
            well_written: 0,
            writable: WritableCsd::default(),
            protected_groups: BTreeSet::new(),
            access_mode: 0,
            faults: NO_FAULTS,
            counts: SdCounts::default(),
        }
    }

    /// What is on it. A block that is being programmed still has its old content.
    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    /// What is on it, to be changed from outside: [`Storage::attach`].
    pub fn storage_mut(&mut self) -> &mut Storage {
        &mut self.storage
    }

    /// What has happened so far.
    pub fn counts(&self) -> SdCounts {
        self.counts
    }

    /// Its supply comes or goes: with the board's, or because it is put into its socket or pulled out.
    pub fn set_power(&mut self, is_on: bool, now_ps: u64, decisions: &mut Decisions) {
        if is_on == (self.mode != Mode::Off) {
            return;
        }
        let at = &mut At { now_ps, decisions };
        self.settle(at.now_ps);
        self.interrupt(at);
        self.faults.hangs = false;
        self.reset();
        (self.mode, self.supplied_ps, self.clocks) = (if is_on { Mode::Bus } else { Mode::Off }, now_ps, 0);
    }

    /// Something is wrong with it from now on.
    pub fn set_fault(&mut self, fault: SdFault) {
        match fault {
            SdFault::ReadErrors { block_ppm } => self.faults.read_ppm = block_ppm,
            SdFault::WriteErrors { block_ppm } => self.faults.write_ppm = block_ppm,
            SdFault::Unreadable { block } => self.storage.spoil(block),
            SdFault::Slow { factor } => self.faults.factor = factor.max(1),
            SdFault::Hang => self.faults.hangs = true,
        }
    }

    /// The chip select changed; low selects.
    pub fn select(&mut self, is_selected: bool) {
        if is_selected == self.link.is_selected() {
            return;
        }
        self.link.select(is_selected);
        if !is_selected {
            (self.command_bytes, self.was_unselected) = (0, true);
        }
    }

    /// SCK changed to `sck` while MOSI had the level `mosi`.
    pub fn edge(&mut self, sck: bool, mosi: bool, now_ps: u64, decisions: &mut Decisions) {
        let at = &mut At { now_ps, decisions };
        if sck && !self.link.sck() {
            self.load(at);
        }
        match self.link.clock(sck, mosi) {
            Edge::Nothing => {}
            Edge::Unselected => self.clocks = self.clocks.saturating_add(1),
            Edge::Byte(byte) => self.take(byte, at),
        }
    }

    /// What it drives on MISO; `None` if nothing.
    pub fn miso(&self, now_ps: u64) -> Option<bool> {
        let level = self.link.miso().filter(|_| self.speaks())?;
        // The last bit of a byte stays until the clock falls.
        let is_next = self.link.wants_byte() && !self.link.sck();
        Some(if is_next { self.next_byte(now_ps) & 0x80 != 0 } else { level })
    }

    /// A frame of an SPI whose clock and data lines it is on; what it answers, `None` if nothing.
    pub fn frame(&mut self, frame: &SpiFrame, decisions: &mut Decisions) -> Option<u16> {
        self.link.rest(frame.cpol);
        self.load(&mut At { now_ps: frame.start_ps, decisions });
        let mut edges = 2 * u32::from(frame.bits);
        let before = self.link.miso().unwrap_or(true);
        let word = frame.exchange(before, |edge| {
            self.edge(edge.sck, edge.mosi, edge.time_ps, decisions);
            edges -= edges.min(1);
            // Between two bytes of a frame, its next one begins at once; behind its end it has not begun.
            if !edge.sck && edges > 0 {
                self.load(&mut At { now_ps: edge.time_ps, decisions });
            }
            self.link.miso().unwrap_or(true)
        });
        (self.link.is_selected() && self.speaks()).then_some(word)
    }

    /// Whether it drives MISO when it is selected.
    fn speaks(&self) -> bool {
        matches!(self.mode, Mode::Idle | Mode::Ready)
    }

    /// What it sends next goes to the wires, if a byte begins.
    fn load(&mut self, at: &mut At<'_>) {
        if self.link.wants_byte() {
            let byte = if self.speaks() { self.take_next_byte(at) } else { 0xff };
            self.link.give(byte);
        }
    }

    /// All that a supply or CMD0 begins anew.
    fn reset(&mut self) {
        self.ready_ps = None;
        (self.knows_version_2, self.checks_crc, self.is_application) = (false, false, false);
        self.block_length = BLOCK_BYTES as u32;
        self.command_bytes = 0;
        self.output.clear();
        (self.reading, self.receiving) = (None, None);
        self.busy_until_ps = 0;
        (self.erase_first, self.erase_last) = (None, None);
        (self.status, self.access_mode) = (0, 0);
    }

    /// Whether the card is of high capacity: it counts in blocks.
    fn is_high(&self) -> bool {
        self.storage.blocks() > STANDARD_MAX_BLOCKS
    }

    /// A duration of the card's, drawn, in picoseconds.
    fn duration_ps(&self, at: &mut At<'_>, what: &str, (low, high): RangeUs) -> u64 {
        let us = at.decisions.draw(at.now_ps, STREAM, what, low, high.max(low));
        us.saturating_mul(self.faults.factor.into()).saturating_mul(PS_PER_US)
    }

    /// Whether something with this chance in a million happens.
    fn happens(at: &mut At<'_>, what: &str, ppm: u64) -> bool {
        ppm > 0 && at.decisions.draw(at.now_ps, STREAM, what, 0, 999_999) < ppm
    }
}
