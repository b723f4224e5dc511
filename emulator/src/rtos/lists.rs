//! Lists of FreeRTOS (`list.h`, versions 8 to 10): recognised by every link in both directions.
//!
//! - list: count, index pointer, end marker {value 0xFFFF_FFFF, next, previous}: 20 bytes;
//! - list item: value, next, previous, owner, container: 20 bytes.

use super::memory::Words;
use crate::world::{SRAM_BASE, SRAM_SIZE};

/// Size of a list and of a list item.
pub(super) const LIST_BYTES: u32 = 20;
/// Where a list item says whose it is.
pub(super) const ITEM_OWNER: u32 = 12;
/// Where a list item says which list it is in.
pub(super) const ITEM_CONTAINER: u32 = 16;
/// No firmware of this class has more tasks, and only tasks are in the lists looked for.
pub(super) const ITEMS_MAX: u32 = 64;

/// An item of a list.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub address: u32,
    pub owner: u32,
}

/// A list.
#[derive(Clone, Debug)]
pub(super) struct List {
    pub address: u32,
    pub items: Vec<Item>,
}

/// All structures that can only be lists.
pub(super) fn lists(memory: &impl Words) -> Vec<List> {
    let addresses = (SRAM_BASE..SRAM_BASE + SRAM_SIZE - LIST_BYTES).step_by(4);
    addresses.filter_map(|address| list(memory, address)).collect()
}

/// The list at an address, if one is there.
pub(super) fn list(memory: &impl Words, address: u32) -> Option<List> {
    let end_marker = address.checked_add(8)?;
    if memory.word(end_marker)? != u32::MAX {
        return None;
    }
    let count = memory.word(address)?;
    if count > ITEMS_MAX || !memory.is_pointer(memory.word(address + 4)?) {
        return None;
    }
    let mut items = Vec::new();
    let (mut at, mut next) = (end_marker, memory.word(address + 12)?);
    while next != end_marker {
        if items.len() as u32 >= count || !memory.is_pointer(next) {
            return None;
        }
        let links_back = memory.word(next.checked_add(8)?)? == at;
        let container = memory.word(next.checked_add(ITEM_CONTAINER)?)?;
        if !links_back || container != address {
            return None;
        }
        items.push(Item { address: next, owner: memory.word(next.checked_add(ITEM_OWNER)?)? });
        at = next;
        next = memory.word(at.checked_add(4)?)?;
    }
    let index = memory.word(address + 4)?;
    let index_inside = index == end_marker || items.iter().any(|item| item.address == index);
    let is_whole = items.len() as u32 == count && memory.word(address + 16)? == at && index_inside;
    is_whole.then_some(List { address, items })
}
