//! What can be chosen about a card, and what can go wrong with it.

use serde::{Deserialize, Serialize};

use super::registers::Identity;

/// Smallest and largest duration in microseconds; each is drawn from it.
pub type RangeUs = (u64, u64);

/// How long the card takes.
///
/// The defaults are within what the Physical Layer Simplified Specification allows (4.6.2: read 100 ms, write 250 ms,
/// erase 250 ms a block of writing; 4.2.3: 1 s to become ready) and of the order that the makers' data sheets give as typical for
/// small industrial cards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SdTiming {
    /// From the first ACMD41 until the card is ready.
    pub ready_us: RangeUs,
    /// From a command to read until the first data token, and from block to block.
    pub read_us: RangeUs,
    /// Busy after a block was received.
    pub program_us: RangeUs,
    /// Chance in a million that a block's programming takes [`stall_us`](Self::stall_us) instead: the card tidies up.
    pub stall_ppm: u64,
    /// Busy when the card tidies up.
    pub stall_us: RangeUs,
    /// Busy after CMD38, for each allocation unit of 4 MiB or part of one.
    pub erase_us: RangeUs,
    /// Bytes from the end of a command to its response, N_CR (7.5.1): 1 to 8.
    pub response_bytes: u8,
    /// Bytes from the stop token of CMD25 to busy, N_BR (7.5): 0 or 1. With 1 a driver that looks for busy at once sees
    /// none, and its next command is lost.
    pub stop_bytes: u8,
}

impl Default for SdTiming {
    fn default() -> Self {
        Self {
            ready_us: (20_000, 300_000),
            read_us: (100, 900),
            program_us: (250, 1_750),
            stall_ppm: 2_000,
            stall_us: (20_000, 240_000),
            erase_us: (500, 20_000),
            response_bytes: 1,
            stop_bytes: 0,
        }
    }
}

/// What a block may hold whose programming was interrupted: each kind of card knows those before it too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Interrupted {
    /// All of the old data or all of the new: cards that are made for loss of power.
    Whole,
    /// The first bytes new, the others old.
    Mixed,
    /// Nothing that the card could read.
    #[default]
    Unreadable,
}

/// A card.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SdConfig {
    /// Who made it.
    pub identity: Identity,
    /// A card of version 1.x: it does not know CMD8 and is of standard capacity.
    pub is_version_1: bool,
    /// What an erased byte reads as: 0x00 or 0xFF (DATA_STAT_AFTER_ERASE).
    pub erased_byte: u8,
    /// What is left of a block when the power is cut.
    pub interrupted: Interrupted,
    /// How long it takes.
    pub timing: SdTiming,
}

/// What is wrong with a card, or done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SdFault {
    /// One bit of a block that the card sends is wrong on the line; a chance of 0 ends it.
    ReadErrors {
        /// Chance of a block in a million.
        block_ppm: u64,
    },
    /// A block comes in wrong at the card, which says so if it checks CRC; a chance of 0 ends it.
    WriteErrors {
        /// Chance of a block in a million.
        block_ppm: u64,
    },
    /// The card cannot read this block any more (ECC), until it is written.
    Unreadable {
        /// The block.
        block: u32,
    },
    /// Everything takes this many times as long; 1 ends it.
    Slow {
        /// Times.
        factor: u32,
    },
    /// It takes no command any more and holds the line busy, until its power is cut.
    Hang,
}
