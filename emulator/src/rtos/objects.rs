//! Mutexes, semaphores and queues of FreeRTOS, recognised by the shape of `Queue_t` (`queue.c`).
//!
//! | offset | 8.x, 9.x | 10.x |
//! |---|---|---|
//! | 0 | `pcHead`; 0 in a mutex, the object itself in a semaphore | the same |
//! | 4 | `pcTail`; holder of a mutex | `pcWriteTo`; the object itself in a mutex or semaphore |
//! | 8 | `pcWriteTo` | `pcTail`; holder of a mutex |
//! | 12 | `pcReadFrom`; recursion count of a mutex | the same |
//! | 16, 36 | lists of the tasks that wait to send, to receive | the same |
//! | 56, 60, 64 | items waiting, length, size of an item | the same |
//! | 68 | two lock counts: words in 8.x, signed bytes in 9.x | signed bytes |
//!
//! Seen so on the vendor's 0.5.2 (words, holder at 4), 1.5.0 and 2.2.0 (bytes, holder at 8). Which of the two an object
//! has is told by the object itself, never by a version.

use serde::Serialize;

use super::lists::{LIST_BYTES, List, list};
use super::memory::Words;
use super::tasks::is_task;
use crate::world::SRAM_SIZE;

/// List of those that wait to send.
const SENDERS: u32 = 16;
/// List of those that wait to receive; for a mutex and a semaphore: to take it.
const RECEIVERS: u32 = SENDERS + LIST_BYTES;
const WAITING: u32 = 56;
const LENGTH: u32 = 60;
const ITEM_BYTES: u32 = 64;
const LOCKS: u32 = 68;
/// Longer queues of larger items do not fit beside a system.
const BYTES_MAX: u32 = SRAM_SIZE / 2;
/// An interrupt that finds a queue locked counts it up; nothing comes near this.
const LOCK_COUNT_MAX: i32 = 1 << 10;

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectKind {
    /// A mutex, recursive or not.
    Mutex {
        /// TCB of the task that holds it.
        holder: Option<u32>,
        /// How often its holder has taken it; always 0 for one that is not recursive.
        recursion: u32,
    },
    /// A binary or counting semaphore.
    Semaphore {
        /// How often it can be taken at once.
        available: u32,
        /// At most.
        limit: u32,
    },
    /// A queue.
    Queue {
        /// Items in it.
        items: u32,
        /// Room for items.
        length: u32,
        /// Size of an item in bytes.
        item_bytes: u32,
    },
}

/// A mutex, semaphore or queue. One that nobody holds or waits for may be the remains of a deleted one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SyncObject {
    /// Its address: what software has as its handle.
    pub address: u32,
    /// What it is.
    pub kind: ObjectKind,
    /// TCBs of the tasks that wait for room, most urgent first.
    pub senders: Vec<u32>,
    /// TCBs of the tasks that wait for an item, or to take it, most urgent first.
    pub receivers: Vec<u32>,
}

/// What a blocked task wants of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wants {
    /// Room for an item.
    Room,
    /// An item, or to take a mutex or semaphore.
    Item,
}

/// What a blocked task waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct WaitsFor {
    /// The list that its event item is in.
    pub list: u32,
    /// The object that has this list; `None` if it is none that is known here (an event group, say).
    pub object: Option<u32>,
    /// What it wants of it.
    pub wants: Wants,
}

/// The object at an address, if one is there.
pub fn object(memory: &impl Words, address: u32) -> Option<SyncObject> {
    let at = |offset: u32| memory.word(address.checked_add(offset)?);
    // The rarest first: nearly every address is refused by its first two reads.
    if !memory.is_pointer(address) || at(SENDERS + 8)? != u32::MAX || at(RECEIVERS + 8)? != u32::MAX {
        return None;
    }
    let (senders, receivers) = (list(memory, address + SENDERS)?, list(memory, address + RECEIVERS)?);
    let (head, second, third, fourth) = (at(0)?, at(4)?, at(8)?, at(12)?);
    let (waiting, length, item_bytes) = (at(WAITING)?, at(LENGTH)?, at(ITEM_BYTES)?);
    if length == 0 || waiting > length || !has_locks(at(LOCKS)?, at(LOCKS + 4)?) {
        return None;
    }
    let kind = if head == 0 {
        if length != 1 || item_bytes != 0 {
            return None;
        }
        let holder = if second == address { third } else { second };
        if holder != 0 && (waiting != 0 || !is_task(memory, holder)) {
            return None;
        }
        ObjectKind::Mutex { holder: (holder != 0).then_some(holder), recursion: fourth }
    } else if head == address {
        if item_bytes != 0 || second != address || third != address {
            return None;
        }
        ObjectKind::Semaphore { available: waiting, limit: length }
    } else {
        let bytes = length.checked_mul(item_bytes).filter(|bytes| (1..=BYTES_MAX).contains(bytes))?;
        let tail = head.checked_add(bytes)?;
        let write_to = match (second == tail, third == tail) {
            (true, false) => third,
            (false, true) => second,
            _ => return None,
        };
        let is_place = |place: u32| (head..tail).contains(&place) && (place - head).is_multiple_of(item_bytes);
        if !memory.is_pointer(head & !3) || !is_place(write_to) || !is_place(fourth) {
            return None;
        }
        ObjectKind::Queue { items: waiting, length, item_bytes }
    };
    let owners = |list: &List| list.items.iter().map(|item| item.owner).collect();
    Some(SyncObject { address, kind, senders: owners(&senders), receivers: owners(&receivers) })
}

/// Lock counts: -1 while not locked, else what interrupts did meanwhile.
fn has_locks(first: u32, second: u32) -> bool {
    let is_count = |count: i32| (-1..LOCK_COUNT_MAX).contains(&count);
    let [receive, send, ..] = first.to_le_bytes();
    is_count(first.cast_signed()) && is_count(second.cast_signed())
        || receive.cast_signed() >= -1 && send.cast_signed() >= -1
}

/// The objects among these lists: each has two of them, one behind the other.
pub(super) fn objects(memory: &impl Words, lists: &[List]) -> Vec<SyncObject> {
    let pairs = lists.windows(2).filter_map(|pair| match pair {
        [first, second] if first.address + LIST_BYTES == second.address => first.address.checked_sub(SENDERS),
        _ => None,
    });
    pairs.filter_map(|address| object(memory, address)).collect()
}

/// The object that has this list.
pub(super) fn waits_for(memory: &impl Words, list: u32) -> WaitsFor {
    for (offset, wants) in [(RECEIVERS, Wants::Item), (SENDERS, Wants::Room)] {
        let found = list.checked_sub(offset).and_then(|address| object(memory, address));
        if let Some(object) = found {
            return WaitsFor { list, object: Some(object.address), wants };
        }
    }
    WaitsFor { list, object: None, wants: Wants::Item }
}

/// Who holds the mutex at this address: for a look in passing, at an address that is known to be a mutex's.
pub(super) fn holder(memory: &impl Words, mutex: u32) -> Option<u32> {
    let second = memory.word(mutex.checked_add(4)?)?;
    let holder = if second == mutex { memory.word(mutex.checked_add(8)?)? } else { second };
    (holder != 0).then_some(holder)
}
