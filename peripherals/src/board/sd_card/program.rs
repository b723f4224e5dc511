//! Programming and erasing: what happens inside of the card while it is busy, and what is left when it is interrupted.

use serde::{Deserialize, Serialize};

use super::config::Interrupted;
use super::registers::{BLOCK_BYTES, GROUP_BLOCKS, UNIT_OF_ALLOCATION_BLOCKS};
use super::{At, Block, STREAM, SdCard};

/// What the card does to its memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Work {
    Write { block: u32, content: Vec<u8> },
    Erase { first: u32, end: u32 },
}

/// Work that is under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Programming {
    work: Work,
    done_ps: u64,
}

impl Programming {
    /// A block gets this content.
    pub fn block(block: u32, content: &Block) -> Self {
        Self { work: Work::Write { block, content: content.to_vec() }, done_ps: 0 }
    }

    /// Blocks are erased, the first up to the one before `end`.
    pub fn erase(first: u32, end: u32) -> Self {
        Self { work: Work::Erase { first, end }, done_ps: 0 }
    }
}

impl SdCard {
    /// Begins work that takes this long.
    pub(super) fn begin(&mut self, programming: Programming, duration_ps: u64, at: &At<'_>) {
        let done_ps = at.now_ps.saturating_add(duration_ps);
        self.busy_until_ps = done_ps;
        self.programming = Some(Programming { done_ps, ..programming });
    }

    /// Erases, the longer the more allocation units are touched.
    pub(super) fn begin_erase(&mut self, first: u32, end: u32, at: &mut At<'_>) {
        let units = u64::from((end - 1) / UNIT_OF_ALLOCATION_BLOCKS - first / UNIT_OF_ALLOCATION_BLOCKS + 1);
        let each_ps = self.duration_ps(at, "erase_us", self.config.timing.erase_us);
        self.begin(Programming::erase(first, end), each_ps.saturating_mul(units), at);
    }

    /// What is done by now is in the memory.
    pub(super) fn settle(&mut self, now_ps: u64) {
        if let Some(programming) = self.programming.take_if(|programming| programming.done_ps <= now_ps) {
            match programming.work {
                Work::Write { block, content } => self.finish(block, &content),
                Work::Erase { first, end } => self.erase_unprotected(first, end),
            }
        }
    }

    /// Erases what is in no protected group.
    fn erase_unprotected(&mut self, first: u32, end: u32) {
        let mut from = first;
        for group in self.protected_groups.range(first / GROUP_BLOCKS..) {
            let start = group.saturating_mul(GROUP_BLOCKS).min(end);
            self.storage.erase(from, start);
            from = from.max(start.saturating_add(GROUP_BLOCKS));
        }
        self.storage.erase(from, end);
    }

    fn finish(&mut self, block: u32, content: &[u8]) {
        if let Ok(content) = content.try_into() {
            self.storage.write(block, content);
            self.well_written += 1;
            self.counts.blocks_written += 1;
        }
    }

    /// What is under way ends here, however far it has come.
    pub(super) fn interrupt(&mut self, at: &mut At<'_>) {
        let Some(programming) = self.programming.take() else { return };
        let states = match self.config.interrupted {
            Interrupted::Whole => 1,
            Interrupted::Mixed => 2,
            Interrupted::Unreadable => 3,
        };
        let mut draw = |what: &str, high: u64| at.decisions.draw(at.now_ps, STREAM, what, 0, high);
        match programming.work {
            Work::Write { block, content } => match draw("interrupted_block", states) {
                0 => {}
                1 => self.finish(block, &content),
                2 => {
                    let new = draw("interrupted_bytes", BLOCK_BYTES as u64 - 1) as usize;
                    let mut mixed = self.storage.block(block);
                    mixed.iter_mut().zip(&content).take(new).for_each(|(old, new)| *old = *new);
                    self.storage.write(block, &mixed);
                }
                _ => self.storage.spoil(block),
            },
            Work::Erase { first, end } => {
                let erased = draw("interrupted_erase", (end - first).into()) as u32;
                self.erase_unprotected(first, first + erased);
            }
        }
    }
}
