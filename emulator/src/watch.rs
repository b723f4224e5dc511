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

#[cfg(test)]
mod tests {
    use lockstep_engine::WatchKind;
    use lockstep_peripherals::Memory;

    use super::*;
    use crate::core::entry::CoreMemory;
    use crate::world::GuestMemory;

    #[test]
    fn what_no_instruction_does_is_seen_too() {
        let mut memory = GuestMemory::new();
        let watch = |address, kind| Watch { address, length: 4, kind };
        memory.watching.set(&[watch(0x2000_0010, WatchKind::Write), watch(0x0800_0100, WatchKind::Access)]);
        assert!(Memory::write(&mut memory, 0x2000_000c, 4, 1));
        assert_eq!(Memory::read(&mut memory, 0x2000_0010, 4), Some(0));
        assert_eq!(memory.watching.take(), None);
        assert!(Memory::write(&mut memory, 0x2000_0012, 1, 1));
        let hit = |address, size, write, by| Some(Watched { address, size, write, by });
        assert_eq!(memory.watching.take(), hit(0x2000_0012, 1, true, Accessor::Peripheral));
        assert!(CoreMemory::store(&mut memory, 0x2000_0010, 2));
        assert_eq!(memory.watching.take(), hit(0x2000_0010, 4, true, Accessor::Core));
        // The first one counts until it is taken.
        assert_eq!(CoreMemory::load(&mut memory, 0x0800_0100), Some(u32::MAX));
        memory.flash_program(0x102, &[0]);
        assert_eq!(memory.watching.take(), hit(0x0800_0100, 4, false, Accessor::Core));
        memory.flash_erase(0, 0x4000);
        assert_eq!(memory.watching.take(), hit(0x0800_0000, 0x4000, true, Accessor::Peripheral));
        // What observers read is nobody's access.
        assert_eq!(memory.peek_word(0x0800_0100), Some(u32::MAX));
        assert_eq!(memory.watching.take(), None);
    }
}
