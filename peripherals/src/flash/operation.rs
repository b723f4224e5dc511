//! Program and erase operations on the array (PM0059 2.4), with the times of the data sheet (DS6329, flash memory
//! programming characteristics).

use serde::{Deserialize, Serialize};

use super::FlashController;
use super::information::Place;
use super::table::*;
use crate::device::Cx;
use crate::time::{PS_PER_MS, PS_PER_US};

/// First address of the main array.
pub const ARRAY_BASE: u32 = 0x0800_0000;
/// Size of the main array in bytes: 1 MB.
pub const ARRAY_SIZE: u32 = 0x10_0000;

/// What the controller is busy with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Operation {
    Idle,
    /// Cells that are as they shall be already; with what they held, should it be interrupted.
    Program {
        offset: u32,
        size: u32,
        before: u32,
        after: u32,
    },
    /// Erases a range of the array at its end.
    Erase {
        offset: u32,
        length: u32,
    },
    /// Writes the option bytes at its end.
    Options {
        bits: u32,
    },
}

/// Kinds of operation on the array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// A byte, half-word or word is programmed.
    Program,
    /// A sector, or all of them, is erased.
    Erase,
}

/// A program or erase operation, as it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationStarted {
    /// Kind.
    pub kind: OperationKind,
    /// First byte, from the array's start.
    pub offset: u32,
    /// Bytes.
    pub length: u32,
    /// When it began, in picoseconds.
    pub start_ps: u64,
    /// When it will be over, if nothing interrupts it.
    pub end_ps: u64,
}

/// A sector of the array (PM0059 table 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sector {
    /// Its number, as in CR.SNB.
    pub number: u32,
    /// Byte offset from the array's start.
    pub offset: u32,
    /// Bytes.
    pub length: u32,
}

/// The sector with a number; `None` for a number above 11.
fn sector(number: u32) -> Option<Sector> {
    let (offset, length) = match number {
        0..=3 => (number * 0x4000, 0x4000),
        4 => (0x1_0000, 0x1_0000),
        5..=11 => ((number - 4) * 0x2_0000, 0x2_0000),
        _ => return None,
    };
    Some(Sector { number, offset, length })
}

/// All sectors in order.
pub fn sectors() -> impl Iterator<Item = Sector> {
    (0..12).filter_map(sector)
}

/// The sector that holds a byte offset of the array; `None` outside it.
pub fn sector_of(offset: u32) -> Option<Sector> {
    sectors().find(|sector| offset.wrapping_sub(sector.offset) < sector.length)
}

/// Typical and longest erase time in milliseconds by PSIZE (x8, x16, x32; x64 as x32, for the data sheet gives its
/// figures only with an external voltage).
fn erase_time_ms(length: u32, psize: u32) -> (u64, u64) {
    let times = match length {
        0x4000 => [(400, 800), (300, 600), (250, 500)],
        0x1_0000 => [(1200, 2400), (700, 1400), (550, 1100)],
        0x2_0000 => [(2000, 4000), (1300, 2600), (1000, 2000)],
        _ => [(16_000, 32_000), (11_000, 22_000), (8_000, 16_000)],
    };
    times[psize.min(2) as usize]
}

/// Time of one program operation: 16 µs typical, 100 µs at most, whatever its size. The spread between typical chips
/// is not published: 16 to 20 is our choice, drawn once per power-on.
const PROGRAM_US: (u64, u64) = (16, 20);

/// Time of an option byte programming: the erase of its 16 KB sector and the words after it are what takes time.
pub(super) fn option_time_ps(cx: &mut Cx<'_>) -> u64 {
    let (typical_ms, longest_ms) = erase_time_ms(0x4000, 2);
    cx.decisions.draw(cx.now.time_ps, "flash", "option_ms", typical_ms, longest_ms) * PS_PER_MS
}

impl FlashController {
    fn note(&mut self, kind: OperationKind, offset: u32, length: u32, cx: &Cx<'_>) {
        self.operations += 1;
        let (start_ps, end_ps) = (cx.now.time_ps, self.busy_until_ps);
        self.last_operation = Some(OperationStarted { kind, offset, length, start_ps, end_ps });
    }

    fn program_time_ps(&mut self, cx: &mut Cx<'_>) -> u64 {
        let time_us = *self.program_us.get_or_insert_with(|| {
            cx.decisions.draw(cx.now.time_ps, "flash", "program_us", PROGRAM_US.0, PROGRAM_US.1)
        });
        time_us * PS_PER_US
    }

    /// CR.STRT was set: begins a sector or mass erase, or flags why not.
    pub(super) fn start_erase(&mut self, cx: &mut Cx<'_>) {
        let cr = self.regs[CR];
        let psize = cr >> 8 & 3;
        let range = match cr & (PG | SER | MER) {
            SER => sector(cr >> 3 & 0xf).map(|s| (s.offset, s.length, s.number)),
            MER => Some((0, ARRAY_SIZE, 12)),
            _ => None,
        };
        let Some((offset, length, number)) = range else {
            self.regs[CR] &= !STRT;
            self.error(PGSERR);
            return;
        };
        let not_protected = self.options() >> 16 & 0xfff;
        // A mass erase is refused if any sector is protected (2.4.4).
        let allowed = if number < 12 { not_protected >> number & 1 != 0 } else { not_protected == 0xfff };
        if !allowed {
            self.regs[CR] &= !STRT;
            self.error(WRPERR);
            return;
        }
        let (typical_ms, longest_ms) = erase_time_ms(length, psize);
        // Typical is the low end: a chip's cells wear, they do not get faster.
        let time_ms = cx.decisions.draw(cx.now.time_ps, "flash", "erase_ms", typical_ms, longest_ms);
        self.start(Operation::Erase { offset, length }, time_ms * PS_PER_MS, cx);
        self.note(OperationKind::Erase, offset, length, cx);
    }

    /// The processor (or a DMA) stores to the array, the one-time area, or anywhere in the information block.
    /// Returns whether the cells were programmed. Outside a programming operation nothing changes and PGSERR is set.
    ///
    /// A store while BSY is set stalls on hardware until the operation ends; here it takes effect after it: the new
    /// operation's time is added to what is left.
    pub fn array_write(&mut self, address: u32, size: u32, value: u32, cx: &mut Cx<'_>) -> bool {
        self.update(cx);
        let cr = self.regs[CR];
        if cr & LOCK != 0 || cr & (PG | SER | MER) != PG {
            self.error(PGSERR);
            return false;
        }
        let parallelism = 1 << (cr >> 8 & 3);
        // A double word is programmed by two word stores, which the bus does not mark: words are accepted for it.
        if size != if parallelism == 8 { 4 } else { parallelism } {
            self.error(PGPERR);
            return false;
        }
        // What is programmed at once must lie in one row of 128 bits (3.8.4).
        if address % 16 + size > 16 {
            self.error(PGAERR);
            return false;
        }
        let bytes = value.to_le_bytes();
        let Some(bytes) = bytes.get(..size as usize) else {
            self.error(PGPERR);
            return false;
        };
        let offset = address.wrapping_sub(ARRAY_BASE);
        let mut begun = Operation::Idle;
        if offset.checked_add(size).is_some_and(|end| end <= ARRAY_SIZE) {
            let number = sector_of(offset).map_or(0, |sector| sector.number);
            if self.options() >> (16 + number) & 1 == 0 {
                self.error(WRPERR);
                return false;
            }
            let mask = u32::MAX >> (32 - 8 * size);
            let before = cx.memory.read(address, size).unwrap_or(mask);
            begun = Operation::Program { offset, size, before, after: value & mask };
            cx.memory.flash_program(offset, bytes);
        } else {
            match self.information.program(address, bytes) {
                Place::Programmed => {}
                Place::Locked => {
                    self.error(WRPERR);
                    return false;
                }
                Place::Elsewhere => {
                    self.error(PGSERR);
                    return false;
                }
            }
        }
        let left_ps = self.busy_until_ps.saturating_sub(cx.now.time_ps);
        let pending = self.operation;
        let time_ps = self.program_time_ps(cx);
        // An erase under way keeps its effect; only its end moves.
        let operation = match (pending, begun) {
            (Operation::Erase { .. } | Operation::Options { .. }, _) => pending,
            // The one-time area is outside the array: nothing of it can be lost.
            (_, Operation::Idle) => Operation::Program { offset: 0, size: 0, before: 0, after: 0 },
            _ => begun,
        };
        self.start(operation, left_ps.saturating_add(time_ps), cx);
        if let Operation::Program { offset, size, .. } = begun {
            self.note(OperationKind::Program, offset, size, cx);
        }
        true
    }
}
