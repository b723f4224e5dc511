//! What a debugger watches: memory and device registers, whoever accesses them.
//!
//! The engine sees what instructions do to memory; the bus sees what they do to devices and to flash; stacking and DMA
//! go through [`GuestMemory`](crate::world::GuestMemory). All notes end up here. Nothing of it is simulated state.

use lockstep_engine::{Watch, WatchHit};

/// Who made an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accessor {
    /// The instruction at this address.
    Instruction {
        /// Its address.
        pc: u32,
    },
    /// The core itself: stacking, unstacking or the fetch of a vector.
    Core,
    /// A peripheral: DMA or the flash controller.
    Peripheral,
}

/// An access that was watched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watched {
    /// Where the access began.
    pub address: u32,
    /// Bytes.
    pub size: u32,
    /// A write rather than a read.
    pub write: bool,
    /// Who made it.
    pub by: Accessor,
}

/// The watches, and the first access since it was last asked for.
#[derive(Debug, Default)]
pub struct Watching {
    watches: Vec<Watch>,
    hit: Option<Watched>,
}

impl Watching {
    /// Replaces the watches and forgets what was noted.
    pub fn set(&mut self, watches: &[Watch]) {
        self.watches = watches.to_vec();
        self.hit = None;
    }

    /// Whether nothing is watched.
    pub fn is_empty(&self) -> bool {
        self.watches.is_empty()
    }

    /// Notes an access if it is watched for.
    #[inline]
    pub fn look(&mut self, address: u32, size: u32, write: bool, by: Accessor) {
        if !self.watches.is_empty() {
            self.compare(address, size, write, by);
        }
    }

    fn compare(&mut self, address: u32, size: u32, write: bool, by: Accessor) {
        if self.hit.is_none() && self.watches.iter().any(|watch| watch.matches(address, size, write)) {
            self.hit = Some(Watched { address, size, write, by });
        }
    }

    /// Notes what the engine saw.
    pub(crate) fn note(&mut self, hit: WatchHit) {
        let by = Accessor::Instruction { pc: hit.pc };
        self.hit.get_or_insert(Watched { address: hit.address, size: hit.size, write: hit.write, by });
    }

    /// Forgets what was noted.
    pub(crate) fn forget(&mut self) {
        self.hit = None;
    }

    /// Whether an access was noted.
    pub(crate) fn has_hit(&self) -> bool {
        self.hit.is_some()
    }

    /// The first access noted since the last call.
    pub(crate) fn take(&mut self) -> Option<Watched> {
        self.hit.take()
    }
}
