//! Call chains of code without symbols or unwinding tables: who called whom, from stack and machine code alone.
//!
//! From where a function stands, its instructions are followed along all ways (not into what it calls) until one
//! returns; what they do to the stack pointer tells where the return address lies. That needs no prologue to be found,
//! and passes over stale return addresses, which a search of the stack would report. A return address counts when the
//! instruction before it is a call. Where no way to a return is found, the stack is searched; what comes of that is
//! marked as possible only.

mod leave;
mod stretches;

use lockstep_engine::CoreRegisters;
use serde::Serialize;

use super::memory::Words;
use super::thumb::is_call;
use crate::world::{FLASH_BASE, FLASH_SIZE, SRAM_BASE, SRAM_SIZE};

pub use leave::reaches;
use leave::{entered, leave};
pub use stretches::{Stretch, stretches};

/// Frames of one chain.
const FRAMES_MAX: usize = 256;
/// Words of the stack searched where no way to a return is found.
const SEARCH_WORDS: u32 = 512;
/// Candidates of such a search from which a chain is tried.
const CANDIDATES: usize = 48;
/// The frame that hardware pushes (ARMv7-M ARM B1.5.6).
const HARDWARE_FRAME: u32 = 32;
/// R4 to R11, which the port of FreeRTOS to the Cortex-M3 saves below it.
const SAVED_REGISTERS: u32 = 32;

/// How sure a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// A register said so: the innermost frame, or one from an exception's stack frame.
    Known,
    /// The code was followed to its return.
    Followed,
    /// A word on the stack that can be a return address.
    Possible,
}

/// A function that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Frame {
    /// The instruction at which it stands; in a calling function, the one after the call.
    pub pc: u32,
    /// The stack pointer there.
    pub sp: u32,
    /// Where its address was read: a word on the stack, if it was one.
    pub slot: Option<u32>,
    /// How sure it is.
    pub trust: Trust,
    /// An exception was taken here, and hardware pushed the frame.
    pub interrupted: bool,
}

/// How a chain ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChainEnd {
    /// The outermost function returns to where nobody called from: a task's entry, as the kernel made it.
    Outermost {
        /// Where to.
        to: u32,
    },
    /// A return address that leads nowhere.
    BadReturn {
        /// Where it lies.
        slot: u32,
        /// What it is.
        value: u32,
    },
    /// No way out of the function was found, and nothing on the stack looks like a return address.
    Lost,
    /// The stack pointer is not in SRAM.
    OutsideSram,
    /// Longer than is looked at.
    TooLong,
}

/// Who called whom, innermost first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Chain {
    /// The frames.
    pub frames: Vec<Frame>,
    /// How it ends.
    pub end: ChainEnd,
}

/// Registers that say where a function stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// The next instruction.
    pub pc: u32,
    /// The stack pointer.
    pub sp: u32,
    /// The link register; `None` after a call, which changed it.
    pub lr: Option<u32>,
    /// R4 to R11, where known: some functions keep the stack pointer in R7.
    pub saved: [Option<u32>; 8],
}

/// The registers of a task that is not running, from its saved stack pointer.
pub fn saved_context(memory: &impl Words, stack_pointer: u32) -> Option<Context> {
    let mut saved = [None; 8];
    for (n, register) in saved.iter_mut().enumerate() {
        *register = memory.word(stack_pointer.checked_add(4 * n as u32)?);
    }
    let context = hardware_frame(memory, stack_pointer.checked_add(SAVED_REGISTERS)?)?;
    Some(Context { saved, ..context })
}

/// The registers in a frame that hardware pushed.
fn hardware_frame(memory: &impl Words, frame: u32) -> Option<Context> {
    let at = |offset: u32| memory.word(frame.checked_add(offset)?);
    let padding = at(28)? >> 9 & 1;
    Some(Context {
        pc: at(24)? & !1,
        sp: frame.checked_add(HARDWARE_FRAME + 4 * padding)?,
        lr: Some(at(20)?),
        saved: [None; 8],
    })
}

/// The chain of what the core executes: through handlers down to the thread.
///
/// `limit` is where the thread's stack ends at the latest.
pub fn live_chain(memory: &impl Words, registers: &CoreRegisters, limit: u32) -> Chain {
    let saved: [Option<u32>; 8] = std::array::from_fn(|n| registers.r.get(n + 4).copied());
    let context = Context { pc: registers.pc, sp: registers.sp(), lr: Some(registers.lr), saved };
    chain_through(memory, context, registers.psp, limit)
}

/// The chain from a context in thread mode; `limit` is where its stack ends at the latest.
pub fn chain(memory: &impl Words, context: Context, limit: u32) -> Chain {
    chain_through(memory, context, 0, limit)
}

fn chain_through(memory: &impl Words, context: Context, psp: u32, limit: u32) -> Chain {
    let first = Frame { pc: context.pc, sp: context.sp, slot: None, trust: Trust::Known, interrupted: false };
    let mut unwinder = Unwinder { memory, psp, limit, frames: vec![first], may_search: true };
    let end = unwinder.unwind(context);
    Chain { frames: unwinder.frames, end }
}

/// Whether a word can be a return address: Thumb, in flash or SRAM, behind a call.
pub fn is_return_address(memory: &impl Words, value: u32) -> bool {
    let is_code =
        (FLASH_BASE..FLASH_BASE + FLASH_SIZE).contains(&value) || (SRAM_BASE..SRAM_BASE + SRAM_SIZE).contains(&value);
    if value & 1 == 0 || !is_code {
        return false;
    }
    let half = |back: u32| memory.half((value & !1).checked_sub(back)?);
    matches!((half(4), half(2)), (Some(first), Some(second)) if is_call([first, second]))
}

fn is_exc_return(value: u32) -> bool {
    matches!(value, 0xffff_fff1 | 0xffff_fff9 | 0xffff_fffd)
}

struct Unwinder<'a, M> {
    memory: &'a M,
    psp: u32,
    limit: u32,
    frames: Vec<Frame>,
    may_search: bool,
}

impl<M: Words> Unwinder<'_, M> {
    fn unwind(&mut self, mut context: Context) -> ChainEnd {
        loop {
            if self.frames.len() >= FRAMES_MAX {
                return ChainEnd::TooLong;
            }
            if !(SRAM_BASE..SRAM_BASE + SRAM_SIZE).contains(&context.sp) {
                return ChainEnd::OutsideSram;
            }
            let left = leave(self.memory, &context).or_else(|| entered(self.memory, &context));
            let Some(left) = left else {
                match self.search(context.sp) {
                    Some(next) => context = next,
                    None => return ChainEnd::Lost,
                }
                continue;
            };
            if is_exc_return(left.to) {
                let frame = if left.to == 0xffff_fffd { self.psp } else { left.context.sp };
                let Some(next) = hardware_frame(self.memory, frame) else { return ChainEnd::OutsideSram };
                self.frames.push(Frame {
                    pc: next.pc,
                    sp: next.sp,
                    slot: frame.checked_add(24),
                    trust: Trust::Known,
                    interrupted: true,
                });
                // What the handler's code keeps of R4 to R11 is as the thread had it.
                context = Context { saved: left.context.saved, ..next };
                continue;
            }
            if !is_return_address(self.memory, left.to) {
                return match left.slot {
                    Some(slot) if !is_end(left.to) => ChainEnd::BadReturn { slot, value: left.to },
                    _ => ChainEnd::Outermost { to: left.to },
                };
            }
            let trust = match self.frames.last().map(|frame| frame.trust) {
                // What hangs from a guess is no better than it.
                Some(Trust::Possible) => Trust::Possible,
                _ => Trust::Followed,
            };
            let next = left.context;
            self.frames.push(Frame { pc: next.pc, sp: next.sp, slot: left.slot, trust, interrupted: false });
            context = next;
        }
    }

    /// Looks for a return address on the stack: the first from which a chain goes on to an outermost function, else
    /// the first at all.
    fn search(&mut self, sp: u32) -> Option<Context> {
        if !self.may_search {
            return None;
        }
        let end = (sp & !3).saturating_add(4 * SEARCH_WORDS);
        // A handler's frames lie on the main stack, which no limit is known of.
        let end = if sp <= self.limit { end.min(self.limit) } else { end };
        let words = (sp & !3..end).step_by(4);
        let candidates: Vec<(u32, u32)> = words
            .filter_map(|slot| Some((slot, self.memory.word(slot)?)))
            .filter(|(_, value)| is_return_address(self.memory, *value) || is_exc_return(*value))
            .take(CANDIDATES)
            .collect();
        let context = |(slot, value): (u32, u32)| Context {
            pc: value & !1,
            sp: slot.wrapping_add(4),
            lr: None,
            saved: [None; 8],
        };
        let worth = |candidate: &(u32, u32)| {
            let mut trial = Unwinder {
                memory: self.memory,
                psp: self.psp,
                limit: self.limit,
                frames: Vec::new(),
                may_search: false,
            };
            let is_whole = matches!(trial.unwind(context(*candidate)), ChainEnd::Outermost { .. });
            (is_whole, trial.frames.len())
        };
        // Of equals the innermost; a chain that goes on furthest is the least likely to be made of stale words.
        let (slot, value) = *candidates.iter().rev().max_by_key(|candidate| worth(candidate))?;
        if is_exc_return(value) {
            let frame = if value == 0xffff_fffd { self.psp } else { slot.checked_add(4)? };
            let next = hardware_frame(self.memory, frame)?;
            let slot = frame.checked_add(24);
            self.frames.push(Frame { pc: next.pc, sp: next.sp, slot, trust: Trust::Possible, interrupted: true });
            return Some(next);
        }
        let next = context((slot, value));
        self.frames.push(Frame {
            pc: next.pc,
            sp: next.sp,
            slot: Some(slot),
            trust: Trust::Possible,
            interrupted: false,
        });
        Some(next)
    }
}

/// What a kernel gives the outermost function to return to: nothing, or a function of its own that nobody calls.
fn is_end(value: u32) -> bool {
    value == 0 || value == u32::MAX || value & 1 == 1 && (FLASH_BASE..FLASH_BASE + FLASH_SIZE).contains(&value)
}

#[cfg(test)]
mod tests;
