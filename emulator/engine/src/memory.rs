//! Memory that both the translated code and the devices reach.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::rc::Rc;

/// Page size of the engine's mappings.
const PAGE: usize = 4096;

#[derive(Debug)]
struct Allocation {
    start: NonNull<u8>,
    layout: Layout,
}

impl Drop for Allocation {
    fn drop(&mut self) {
        // SAFETY: `start` came from `alloc_zeroed` with this very layout and is freed once, here.
        unsafe { dealloc(self.start.as_ptr(), self.layout) }
    }
}

/// A block of memory shared between the engine (which maps it) and the devices (DMA, flash controller).
///
/// Cloning shares the block. It stays on one thread, and no reference into it outlives the call that makes it, so none
/// exists while translated code runs.
#[derive(Clone, Debug)]
pub struct HostMemory {
    allocation: Rc<Allocation>,
    length: usize,
    _not_sync: PhantomData<Cell<u8>>,
}

impl HostMemory {
    /// A zeroed block; `length` is rounded up to whole pages for mapping.
    pub fn new(length: usize) -> Self {
        let size = length.max(1).div_ceil(PAGE) * PAGE;
        let Ok(layout) = Layout::from_size_align(size, PAGE) else {
            handle_alloc_error(Layout::new::<u8>());
        };
        // SAFETY: the layout has a non-zero size.
        let Some(start) = NonNull::new(unsafe { alloc_zeroed(layout) }) else { handle_alloc_error(layout) };
        Self { allocation: Rc::new(Allocation { start, layout }), length, _not_sync: PhantomData }
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(crate) fn as_ptr(&self) -> *mut u8 {
        self.allocation.start.as_ptr()
    }

    pub(crate) fn mapped_len(&self) -> usize {
        self.allocation.layout.size()
    }

    /// Copies bytes out; `false` (and nothing copied) when the range is not inside.
    #[must_use]
    pub fn read(&self, offset: usize, into: &mut [u8]) -> bool {
        if offset.checked_add(into.len()).is_none_or(|end| end > self.length) {
            return false;
        }
        // SAFETY: the range is inside the allocation, which lives as long as `self`; `into` is a separate object.
        unsafe { std::ptr::copy_nonoverlapping(self.as_ptr().add(offset), into.as_mut_ptr(), into.len()) }
        true
    }

    /// Copies bytes in; `false` (and nothing copied) when the range is not inside. Code already translated from
    /// the range must be discarded by [`Engine::code_changed`](crate::Engine::code_changed).
    #[must_use]
    pub fn write(&self, offset: usize, from: &[u8]) -> bool {
        if offset.checked_add(from.len()).is_none_or(|end| end > self.length) {
            return false;
        }
        // SAFETY: as in `read`; nothing else accesses the block meanwhile, it never leaves this thread.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), self.as_ptr().add(offset), from.len()) }
        true
    }

    /// Whether the whole content is this.
    pub fn holds(&self, content: &[u8]) -> bool {
        if content.len() != self.length {
            return false;
        }
        // SAFETY: the allocation is at least `length` bytes long and lives as long as `self`; nothing writes to it while
        // the slice exists, because translated code runs only inside calls of the engine and the block never leaves
        // this thread.
        let held = unsafe { std::slice::from_raw_parts(self.as_ptr(), self.length) };
        held == content
    }

    /// A little-endian value of 1, 2 or 4 bytes.
    pub fn read_value(&self, offset: usize, size: usize) -> Option<u32> {
        let mut bytes = [0; 4];
        self.read(offset, bytes.get_mut(..size)?).then(|| u32::from_le_bytes(bytes))
    }

    /// A copy of everything.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.length];
        let inside = self.read(0, &mut bytes);
        debug_assert!(inside);
        bytes
    }

    /// Calls `f` with the whole content in order, in chunks: for hashing without a copy of it all.
    pub fn for_each_chunk(&self, mut f: impl FnMut(&[u8])) {
        let mut chunk = [0u8; 4096];
        let mut offset = 0;
        while offset < self.length {
            let length = chunk.len().min(self.length - offset);
            let inside = self.read(offset, &mut chunk[..length]);
            debug_assert!(inside);
            f(&chunk[..length]);
            offset += length;
        }
    }
}
