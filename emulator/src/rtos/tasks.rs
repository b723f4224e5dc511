//! Tasks of FreeRTOS (`tasks.c`, versions 8 to 10, Cortex-M without MPU), recognised by the shape of their control
//! blocks (TCB): top of stack, state item at +4, event item at +24, priority at +44, stack base at +48, name at +52.

use serde::Serialize;

use super::lists::{ITEM_CONTAINER, ITEM_OWNER};
use super::memory::Words;
use super::objects::WaitsFor;
use crate::world::{SRAM_BASE, SRAM_SIZE};

pub(super) const STATE_ITEM: u32 = 4;
pub(super) const EVENT_ITEM: u32 = 24;
pub(super) const PRIORITY: u32 = 44;
pub(super) const STACK_BASE: u32 = 48;
pub(super) const NAME: u32 = 52;
/// `configMAX_TASK_NAME_LEN` is 16 in FreeRTOS's own default and rarely more.
const NAME_MAX: usize = 24;
/// No firmware of this class has more priorities.
const PRIORITIES_MAX: u32 = 64;
/// Byte that a new task's stack is filled with (`tskSTACK_FILL_BYTE`).
pub(super) const FILL: u8 = 0xa5;

/// What a task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// It is the one that executes.
    Running,
    /// It could execute.
    Ready,
    /// It waits for a queue, semaphore, mutex or event, with or without a timeout.
    Blocked,
    /// It waits for time to pass.
    Delayed,
    /// It is suspended.
    Suspended,
    /// In a list that could not be told.
    Unknown,
}

/// A task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Task {
    /// Address of its control block.
    pub tcb: u32,
    /// Its name.
    pub name: String,
    /// Its priority, inherited ones included.
    pub priority: u32,
    /// What it does.
    pub state: TaskState,
    /// What it waits for while it is blocked.
    pub waits_for: Option<WaitsFor>,
    /// Its stack pointer: the live one of the running task, else the saved one.
    pub stack_pointer: u32,
    /// Lowest address of its stack.
    pub stack_base: u32,
    /// Where its stack ends at the latest: no address from here on belongs to it.
    pub stack_limit: u32,
    /// Bytes between stack base and stack pointer; negative after an overflow.
    pub free_bytes: i64,
    /// Bytes never used since the task was made; `None` if the stack was not filled.
    pub never_used_bytes: Option<u32>,
}

impl Task {
    /// What to call it: its name, or the address of its control block if it has none.
    pub fn title(&self) -> String {
        if self.name.is_empty() { format!("the task at {:#010x}", self.tcb) } else { self.name.clone() }
    }
}

/// A TCB as it is in memory.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub tcb: u32,
    pub name: String,
    pub priority: u32,
    pub top_of_stack: u32,
    pub stack_base: u32,
    /// The list that its state item is in, or 0.
    pub list: u32,
    /// The list that its event item is in, or 0.
    pub event_list: u32,
}

/// Whether this can only be a TCB: both of its items say that they are its own.
pub(super) fn is_task(memory: &impl Words, tcb: u32) -> bool {
    let owner = |item: u32| memory.word(tcb.checked_add(item + ITEM_OWNER)?);
    memory.is_pointer(tcb) && owner(STATE_ITEM) == Some(tcb) && owner(EVENT_ITEM) == Some(tcb)
}

/// The list that a task's event item is in, or 0.
pub(super) fn event_list(memory: &impl Words, tcb: u32) -> Option<u32> {
    memory.word(tcb.checked_add(EVENT_ITEM + ITEM_CONTAINER)?)
}

/// The task at this address, if one is there.
pub(super) fn task(memory: &impl Words, tcb: u32) -> Option<Found> {
    let at = |offset: u32| memory.word(tcb.checked_add(offset)?);
    if !is_task(memory, tcb) {
        return None;
    }
    let (top_of_stack, stack_base, priority) = (at(0)?, at(STACK_BASE)?, at(PRIORITY)?);
    if !memory.is_pointer(top_of_stack) || !memory.is_pointer(stack_base) || priority >= PRIORITIES_MAX {
        return None;
    }
    let name = name(memory, tcb.checked_add(NAME)?)?;
    let (list, event_list) = (at(STATE_ITEM + ITEM_CONTAINER)?, at(EVENT_ITEM + ITEM_CONTAINER)?);
    Some(Found { tcb, name, priority, top_of_stack, stack_base, list, event_list })
}

fn name(memory: &impl Words, address: u32) -> Option<String> {
    let mut bytes = [0; NAME_MAX];
    if !memory.bytes(address, &mut bytes) {
        return None;
    }
    let length = bytes.iter().position(|byte| *byte == 0)?;
    let name = bytes.get(..length)?;
    // A task may have no name at all; one that has one spells it in ASCII.
    name.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ').then(|| String::from_utf8_lossy(name).into_owned())
}

/// Bytes from the stack's base on that still have the fill pattern.
pub(super) fn filled_bytes(memory: &impl Words, base: u32) -> u32 {
    let mut filled = 0;
    for address in (base..SRAM_BASE + SRAM_SIZE).step_by(4) {
        let Some(word) = memory.word(address) else { break };
        let bytes = word.to_le_bytes().iter().take_while(|byte| **byte == FILL).count() as u32;
        filled += bytes;
        if bytes < 4 {
            break;
        }
    }
    filled
}

/// Where a stack ends at the latest: at the next structure of the kernel above it, or where the allocator's header in
/// front of it says that its block ends. That header is one word with the block's size, flags in its lowest (newlib) or
/// highest bit (FreeRTOS's heap 4 and 5); a header that cannot be one is passed over.
pub(super) fn stack_limit(memory: &impl Words, base: u32, above: u32) -> u32 {
    let header = base.checked_sub(4).and_then(|address| memory.word(address));
    let size = header.map_or(0, |header| header & 0x7fff_fff8);
    let end = base.saturating_add(size);
    if size >= 128 && end <= above.saturating_add(8) { end.min(above) } else { above }
}
