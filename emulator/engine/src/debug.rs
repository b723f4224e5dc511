//! What a debugger asks of the engine: to stop before instructions, and after accesses to memory. Neither changes the
//! run: cycles, instructions and every value are those of a run without.

use crate::Engine;
use crate::ffi::{LsHit, LsWatch, uc_ls_set_breaks, uc_ls_set_watches, uc_ls_take_hit};

/// Which accesses are watched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchKind {
    /// Loads.
    Read,
    /// Stores, also of the value that is there already.
    Write,
    /// Both.
    Access,
}

/// Addresses that are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// First address.
    pub address: u32,
    /// Bytes from there; nothing is watched when it is 0, and what would lie above 0xFFFF_FFFF is left out.
    pub length: u32,
    /// Which accesses.
    pub kind: WatchKind,
}

impl Watch {
    /// The last address, if there is any.
    fn last(&self) -> Option<u32> {
        Some(self.address.saturating_add(self.length.checked_sub(1)?))
    }

    /// Whether an access is one that is watched for.
    pub fn matches(&self, address: u32, size: u32, write: bool) -> bool {
        let kind_matches = match self.kind {
            WatchKind::Read => !write,
            WatchKind::Write => write,
            WatchKind::Access => true,
        };
        let end = u64::from(address) + u64::from(size);
        kind_matches && self.last().is_some_and(|last| u64::from(self.address) < end && address <= last)
    }
}

/// An access that was watched for: the first such one of its instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchHit {
    /// Where the access began.
    pub address: u32,
    /// Bytes.
    pub size: u32,
    /// Store rather than load.
    pub write: bool,
    /// Address of the instruction.
    pub pc: u32,
}

/// What the engine's C code points to.
#[derive(Debug, Default)]
pub(crate) struct Debugging {
    breakpoints: Vec<u32>,
    watches: Vec<LsWatch>,
    /// The instruction count at which a breakpoint does not stop the run.
    pub(crate) pass_at: Option<u64>,
    pub(crate) hit: Option<WatchHit>,
}

impl Engine {
    /// Has runs stop with [`StopReason::AtBreakpoint`](crate::StopReason::AtBreakpoint) before each instruction at one
    /// of these addresses (bit 0 clear). A deadline that is reached at the same place comes first.
    pub fn set_breakpoints(&mut self, addresses: &[u32]) {
        let mut sorted = addresses.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        if sorted == self.debugging.breakpoints {
            return;
        }
        let old = std::mem::replace(&mut self.debugging.breakpoints, sorted);
        let new = &self.debugging.breakpoints;
        // SAFETY: the handle is alive and no run is in progress; the list stays where it is until it is replaced, after
        // which this is called again before anything runs.
        unsafe { uc_ls_set_breaks(self.handle(), new.as_ptr(), new.len()) };
        let changed: Vec<u32> =
            old.iter().filter(|a| !new.contains(a)).chain(new.iter().filter(|a| !old.contains(a))).copied().collect();
        for address in changed {
            self.code_changed(address, 1);
        }
    }

    /// Whether there is a breakpoint at this address.
    pub fn has_breakpoint(&self, address: u32) -> bool {
        self.debugging.breakpoints.binary_search(&address).is_ok()
    }

    /// Whether anything is to be stopped at or watched.
    pub fn is_debugged(&self) -> bool {
        !self.debugging.breakpoints.is_empty() || !self.debugging.watches.is_empty()
    }

    /// The instruction that is executed when this many have been executed before is not stopped at.
    pub fn pass_breakpoint_at(&mut self, instructions: Option<u64>) {
        self.debugging.pass_at = instructions;
    }

    /// Has runs stop after each instruction that makes such an access to mapped memory. Accesses to devices and stores
    /// to read-only memory are the bus's to watch. Also an instruction that faulted may have made one before it did:
    /// [`Engine::take_watch_hit`] has it, whatever the run ended with.
    pub fn set_watches(&mut self, watches: &[Watch]) {
        let bits = |kind| match kind {
            WatchKind::Read => 1,
            WatchKind::Write => 2,
            WatchKind::Access => 3,
        };
        let listed = watches
            .iter()
            .filter_map(|watch| Some(LsWatch { first: watch.address, last: watch.last()?, kinds: bits(watch.kind) }));
        let listed: Vec<LsWatch> = listed.collect();
        if listed.is_empty() && self.debugging.watches.is_empty() {
            return;
        }
        self.debugging.watches = listed;
        let listed = &self.debugging.watches;
        // SAFETY: as in `set_breakpoints`.
        unsafe { uc_ls_set_watches(self.handle(), listed.as_ptr(), listed.len()) };
    }

    /// The access of the last run that was watched for.
    pub fn take_watch_hit(&mut self) -> Option<WatchHit> {
        self.debugging.hit.take()
    }

    /// Takes over what the C code noted.
    pub(crate) fn fetch_hit(&mut self) -> Option<WatchHit> {
        let mut hit = LsHit::default();
        // SAFETY: the handle is alive; `hit` has the layout that C expects.
        let taken = unsafe { uc_ls_take_hit(self.handle(), &mut hit) };
        taken.then_some(WatchHit { address: hit.address, size: hit.size, write: hit.write, pc: hit.pc })
    }
}
