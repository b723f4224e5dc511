//! Structures of FreeRTOS made by hand, for tests.

use super::lists::LIST_BYTES;
use super::memory::{MemoryCopy, Words};
use super::tasks::{EVENT_ITEM, FILL, NAME, PRIORITY, STACK_BASE, STATE_ITEM};
use crate::world::{SRAM_BASE, SRAM_SIZE};

/// Builds the structures that FreeRTOS has in memory.
pub(crate) struct Memory {
    pub(crate) bytes: Vec<u8>,
}

pub(crate) const READY: u32 = SRAM_BASE + 0x100;
pub(crate) const DELAYED: u32 = SRAM_BASE + 0x200;
pub(crate) const SUSPENDED: u32 = SRAM_BASE + 0x240;
pub(crate) const QUEUE: u32 = SRAM_BASE + 0x5000;
pub(crate) const DELAYED_POINTER: u32 = SRAM_BASE + 0x280;
pub(crate) const CURRENT: u32 = SRAM_BASE + 0x284;

impl Memory {
    pub(crate) fn new() -> Self {
        let mut memory = Self { bytes: vec![0; SRAM_SIZE as usize] };
        for priority in 0..4 {
            memory.empty_list(READY + priority * LIST_BYTES);
        }
        for list in [DELAYED, SUSPENDED, QUEUE] {
            memory.empty_list(list);
        }
        memory.set(DELAYED_POINTER, DELAYED);
        memory
    }

    pub(crate) fn set(&mut self, address: u32, value: u32) {
        let offset = (address - SRAM_BASE) as usize;
        self.bytes[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn get(&self, address: u32) -> u32 {
        self.copy().word(address).unwrap()
    }

    pub(crate) fn copy(&self) -> MemoryCopy<'_> {
        MemoryCopy { sram: &self.bytes, flash: &[] }
    }

    /// Takes an item out of its list, if it is in one.
    pub(crate) fn remove(&mut self, item: u32) {
        let list = self.get(item + 16);
        if list != 0 {
            let (next, previous) = (self.get(item + 4), self.get(item + 8));
            self.set(previous + 4, next);
            self.set(next + 8, previous);
            self.set(list, self.get(list) - 1);
            self.set(list + 4, list + 8);
            self.set(item + 16, 0);
        }
    }

    /// Puts a task into a list of the scheduler and, if it waits for something, into that list.
    pub(crate) fn moves(&mut self, tcb: u32, list: u32, event_list: Option<u32>) {
        self.remove(tcb + STATE_ITEM);
        self.remove(tcb + EVENT_ITEM);
        self.insert(list, tcb + STATE_ITEM, tcb);
        if let Some(event_list) = event_list {
            self.insert(event_list, tcb + EVENT_ITEM, tcb);
        }
    }

    /// A free mutex, as FreeRTOS 8 has it, or as FreeRTOS 10 does.
    pub(crate) fn mutex(&mut self, address: u32, is_new: bool) {
        self.queue_lists(address, is_new);
        self.set(address, 0);
        self.set(address + 4, if is_new { address } else { 0 });
        for (offset, value) in [(8, 0), (12, 0), (56, 1), (60, 1), (64, 0)] {
            self.set(address + offset, value);
        }
    }

    pub(crate) fn hold(&mut self, mutex: u32, holder: u32, recursion: u32) {
        let offset = if self.get(mutex + 4) == mutex { 8 } else { 4 };
        self.set(mutex + offset, holder);
        self.set(mutex + 12, recursion);
        self.set(mutex + 56, u32::from(holder == 0));
    }

    /// A queue with its storage behind it.
    pub(crate) fn queue(&mut self, address: u32, length: u32, item_bytes: u32, is_new: bool) {
        self.queue_lists(address, is_new);
        let head = address + 80;
        let tail = head + length * item_bytes;
        let (second, third) = if is_new { (head, tail) } else { (tail, head) };
        for (offset, value) in
            [(0, head), (4, second), (8, third), (12, tail - item_bytes), (56, 0), (60, length), (64, item_bytes)]
        {
            self.set(address + offset, value);
        }
    }

    pub(crate) fn semaphore(&mut self, address: u32, limit: u32, is_new: bool) {
        self.queue_lists(address, is_new);
        for offset in [0, 4, 8, 12] {
            self.set(address + offset, address);
        }
        for (offset, value) in [(56, 0), (60, limit), (64, 0)] {
            self.set(address + offset, value);
        }
    }

    fn queue_lists(&mut self, address: u32, is_new: bool) {
        self.empty_list(address + 16);
        self.empty_list(address + 36);
        self.set(address + 68, if is_new { 0xffff } else { u32::MAX });
        self.set(address + 72, if is_new { 0 } else { u32::MAX });
    }

    pub(crate) fn empty_list(&mut self, list: u32) {
        let end = list + 8;
        for (offset, value) in [(0, 0), (4, end), (8, u32::MAX), (12, end), (16, end)] {
            self.set(list + offset, value);
        }
    }

    pub(crate) fn insert(&mut self, list: u32, item: u32, owner: u32) {
        let (end, last) = (list + 8, self.get(list + 16));
        for (address, value) in [
            (item + 4, end),
            (item + 8, last),
            (item + 12, owner),
            (item + 16, list),
            (last + 4, item),
            (end + 8, item),
            (list, self.get(list) + 1),
        ] {
            self.set(address, value);
        }
    }

    /// A task at `tcb` with a stack of 512 bytes right before it, 100 of them used.
    pub(crate) fn task(&mut self, tcb: u32, name: &str, priority: u32, list: u32, event_list: Option<u32>) {
        let stack = tcb - 512;
        let offset = (stack - SRAM_BASE) as usize;
        self.bytes[offset..offset + 412].fill(FILL);
        self.set(tcb, stack + 412);
        self.set(tcb + EVENT_ITEM + 12, tcb);
        self.set(tcb + PRIORITY, priority);
        self.set(tcb + STACK_BASE, stack);
        let offset = (tcb + NAME - SRAM_BASE) as usize;
        self.bytes[offset..offset + name.len()].copy_from_slice(name.as_bytes());
        self.insert(list, tcb + STATE_ITEM, tcb);
        if let Some(event_list) = event_list {
            self.insert(event_list, tcb + EVENT_ITEM, tcb);
        }
    }
}

pub(crate) const TCBS: [u32; 5] = [0x2000_2000, 0x2000_3000, 0x2000_4000, 0x2000_6000, 0x2000_7000];

pub(crate) fn system() -> Memory {
    let mut memory = Memory::new();
    memory.task(TCBS[0], "IDLE", 0, READY, None);
    memory.task(TCBS[1], "app", 2, READY + 2 * LIST_BYTES, None);
    memory.task(TCBS[2], "system", 2, DELAYED, None);
    memory.task(TCBS[3], "timer", 3, SUSPENDED, Some(QUEUE));
    memory.task(TCBS[4], "stopped", 1, SUSPENDED, None);
    memory
}
