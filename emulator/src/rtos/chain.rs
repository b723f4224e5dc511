//! Call chains of code without symbols or unwinding tables: who called whom, from stack and machine code alone.
//!
//! From where a function stands, its instructions are followed along all ways (not into what it calls) until one
//! returns; what they do to the stack pointer tells where the return address lies. That needs no prologue to be found,
//! and passes over stale return addresses, which a search of the stack would report. A return address counts when the
//! instruction before it is a call. Where no way to a return is found, the stack is searched; what comes of that is
//! marked as possible only.

use std::collections::BTreeSet;

use lockstep_engine::CoreRegisters;
use serde::Serialize;

use super::memory::Words;
use super::thumb::{Effect, LR, LR_BIT, PC, PC_BIT, SP, decode, is_call, is_wide};
use crate::world::{FLASH_BASE, FLASH_SIZE, SRAM_BASE, SRAM_SIZE};

/// Frames of one chain.
const FRAMES_MAX: usize = 256;
/// Instructions looked at to leave one function.
const STEPS_MAX: usize = 4000;
/// Bytes of one function that are looked through backwards.
const FUNCTION_BYTES_MAX: u32 = 4096;
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
    /// The exception whose handler was entered here, for a frame that hardware pushed.
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

/// A function was left.
struct Left {
    to: u32,
    slot: Option<u32>,
    context: Context,
}

/// What is known of a register while code is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Symbol {
    /// As it was at the start.
    Entry,
    /// The word at the first stack pointer plus this.
    Slot(i32),
    /// The first stack pointer plus this.
    Stack(i32),
    Unknown,
}

#[derive(Clone, Debug)]
struct Path {
    pc: u32,
    sp: Option<i32>,
    lr: Symbol,
    saved: [Symbol; 8],
    /// What was pushed on the way, by offset.
    pushed: Vec<(i32, Symbol)>,
    /// Where LR was pushed first.
    pushed_lr: Option<i32>,
    /// Instructions that are still conditional.
    conditional: u32,
}

impl Path {
    fn register(&self, number: u8) -> Symbol {
        match number {
            4..=11 => self.saved.get(usize::from(number) - 4).copied().unwrap_or(Symbol::Unknown),
            SP => self.sp.map_or(Symbol::Unknown, Symbol::Stack),
            LR => self.lr,
            _ => Symbol::Unknown,
        }
    }

    fn set_register(&mut self, number: u8, symbol: Symbol) {
        match number {
            4..=11 => {
                if let Some(register) = self.saved.get_mut(usize::from(number) - 4) {
                    *register = symbol;
                }
            }
            LR => self.lr = symbol,
            _ => {}
        }
    }

    fn at(&self, offset: i32) -> Symbol {
        let pushed = self.pushed.iter().rev().find(|(at, _)| *at == offset);
        pushed.map_or(Symbol::Slot(offset), |(_, symbol)| *symbol)
    }

    fn push(&mut self, registers: u16, bytes: i32) {
        let Some(sp) = self.sp else { return };
        let low = sp.wrapping_sub(bytes);
        let mut offset = low;
        for number in 0..=LR {
            if registers >> number & 1 == 1 {
                let symbol = self.register(number);
                self.pushed.push((offset, symbol));
                if number == LR && symbol == Symbol::Entry {
                    self.pushed_lr.get_or_insert(offset);
                }
                offset = offset.wrapping_add(4);
            }
        }
        self.sp = Some(low);
    }

    /// Returns what PC becomes, if it is loaded.
    fn pop(&mut self, registers: u16, bytes: i32) -> Option<Symbol> {
        let Some(sp) = self.sp else { return (registers & PC_BIT != 0).then_some(Symbol::Unknown) };
        let mut offset = sp;
        let mut pc = None;
        for number in 0..=PC {
            if registers >> number & 1 == 1 {
                let symbol = self.at(offset);
                if number == PC {
                    pc = Some(symbol);
                } else {
                    self.set_register(number, symbol);
                }
                offset = offset.wrapping_add(4);
            }
        }
        self.sp = Some(sp.wrapping_add(bytes));
        pc
    }
}

/// Follows the code from a context along all ways until one of them returns to where a call can have come from; failing
/// that, the first return at all.
fn leave(memory: &impl Words, context: &Context) -> Option<Left> {
    let lr = if context.lr.is_some() { Symbol::Entry } else { Symbol::Unknown };
    let start = Path { lr, ..Path::at_start(context.pc & !1) };
    let mut best = None;
    let mut second_best = None;
    let returns = |path: &Path, symbol: Symbol| {
        let Some(left) = resolve(memory, context, path, symbol) else { return false };
        let is_good = is_return_address(memory, left.to) || is_exc_return(left.to);
        if is_good {
            best = Some(left);
        } else if second_best.is_none() {
            second_best = Some(left);
        }
        is_good
    };
    follow(memory, context, start, |_| false, returns);
    best.or(second_best)
}

/// For a function that has no way out, such as a task's endless loop: goes back to where its link register was pushed,
/// and follows the code from there to where it stands now.
fn entered(memory: &impl Words, context: &Context) -> Option<Left> {
    let pc = context.pc & !1;
    let pushes_lr = |address: u32| {
        let (first, second) = (memory.half(address)?, memory.half(address.checked_add(2)?)?);
        let Effect::Push { registers, .. } = decode(address, first, second).effect else { return None };
        (registers & LR_BIT != 0).then_some(())
    };
    if let (Some(to), Some(())) = (context.lr, pushes_lr(pc)) {
        // Just entered: the link register is as the caller left it.
        return Some(Left { to, slot: None, context: Context { pc: to & !1, lr: None, ..*context } });
    }
    let starts = (2..=FUNCTION_BYTES_MAX).step_by(2).filter_map(|back| pc.checked_sub(back));
    for start in starts.filter(|start| pushes_lr(*start).is_some()) {
        let mut here = None;
        let reached = |path: &Path| {
            let is_here = path.pc == pc && path.sp.is_some();
            if is_here {
                here = Some(path.clone());
            }
            is_here
        };
        follow(memory, context, Path::at_start(start), reached, |_, _| false);
        let Some(here) = here else { continue };
        // The walk began with a stack pointer of 0.
        let entry_sp = context.sp.wrapping_add_signed(here.sp?.wrapping_neg());
        let slot = entry_sp.wrapping_add_signed(here.pushed_lr?);
        let to = memory.word(slot)?;
        if !is_return_address(memory, to) && !is_end(to) {
            continue;
        }
        let sp = entry_sp.wrapping_add(pushed_before(memory, start));
        return Some(Left { to, slot: Some(slot), context: Context { pc: to & !1, sp, lr: None, saved: [None; 8] } });
    }
    None
}

/// Whether code that begins at `start` gets to `address` without a call.
pub fn reaches(memory: &impl Words, start: u32, address: u32) -> bool {
    let context = Context { pc: start, sp: 0, lr: None, saved: [None; 8] };
    let mut found = false;
    let reached = |path: &Path| {
        found |= path.pc == address;
        found
    };
    follow(memory, &context, Path::at_start(start), reached, |_, _| false);
    found
}

/// Bytes that the instruction before the one that pushes LR takes from the stack: a function of variable arguments
/// pushes those first, another may make room first.
fn pushed_before(memory: &impl Words, start: u32) -> u32 {
    let before = start.checked_sub(2).and_then(|address| Some((address, memory.half(address)?)));
    match before.map(|(address, half)| decode(address, half, 0).effect) {
        Some(Effect::Push { registers, bytes }) if registers & LR_BIT == 0 && registers & 0xf == registers => {
            bytes.cast_unsigned()
        }
        Some(Effect::AddSp(add)) if add < 0 => add.unsigned_abs(),
        _ => 0,
    }
}

/// Follows code along all ways. `reached` is asked before each instruction, `returns` at each return with what PC
/// becomes; the first that says so ends it.
fn follow(
    memory: &impl Words,
    context: &Context,
    start: Path,
    mut reached: impl FnMut(&Path) -> bool,
    mut returns: impl FnMut(&Path, Symbol) -> bool,
) {
    let mut ways = vec![start];
    let mut visited = BTreeSet::new();
    let mut steps = 0;
    while let Some(mut path) = ways.pop() {
        loop {
            steps += 1;
            if steps > STEPS_MAX || reached(&path) {
                return;
            }
            if !visited.insert((path.pc, path.sp, path.lr, path.conditional)) {
                break;
            }
            let Some((effect, before)) = path.fetch(memory) else { break };
            let returned = match effect {
                Effect::Branch { to, conditional } if conditional || before.is_some() => {
                    ways.push(Path { pc: to, conditional: 0, ..path.clone() });
                    continue;
                }
                Effect::Undefined => break,
                _ => match path.execute(memory, context, effect) {
                    Ok(returned) => returned,
                    Err(NoWay) => break,
                },
            };
            match (returned, before) {
                (Some(symbol), before) => {
                    if returns(&path, symbol) {
                        return;
                    }
                    match before {
                        Some(before) => path = before,
                        None => break,
                    }
                }
                // What a conditional instruction does to the stack is done on one way and not on the other.
                (None, Some(before)) if !matches!(effect, Effect::None | Effect::Call(_)) => ways.push(before),
                (None, _) => {}
            }
        }
    }
}

/// The code does not go on in a way that can be followed.
struct NoWay;

impl Path {
    /// With all registers as they are, at an address.
    fn at_start(pc: u32) -> Self {
        let saved = [Symbol::Entry; 8];
        Self { pc, sp: Some(0), lr: Symbol::Entry, saved, pushed: Vec::new(), pushed_lr: None, conditional: 0 }
    }

    /// Goes past the next instruction; gives what it does and, if it is conditional, the path on which it does not.
    fn fetch(&mut self, memory: &impl Words) -> Option<(Effect, Option<Path>)> {
        let first = memory.half(self.pc)?;
        let second = if is_wide(first) { memory.half(self.pc.checked_add(2)?)? } else { 0 };
        let instruction = decode(self.pc, first, second);
        self.pc = self.pc.checked_add(instruction.bytes)?;
        let is_conditional = self.conditional > 0;
        self.conditional = self.conditional.saturating_sub(1);
        let matters = is_conditional && instruction.effect != Effect::None;
        Some((instruction.effect, matters.then(|| self.clone())))
    }

    /// Does what an instruction does. Gives what PC becomes, if it returns.
    fn execute(&mut self, memory: &impl Words, context: &Context, effect: Effect) -> Result<Option<Symbol>, NoWay> {
        match effect {
            Effect::None | Effect::Undefined => {}
            Effect::Push { registers, bytes } => self.push(registers & (LR_BIT | 0x1fff), bytes),
            Effect::Pop { registers, bytes } => return Ok(self.pop(registers, bytes)),
            Effect::AddSp(add) => self.sp = self.sp.map(|sp| sp.wrapping_add(add)),
            Effect::SpFrom { register, add } => {
                self.sp = match self.register(register) {
                    Symbol::Stack(offset) => Some(offset.wrapping_add(add)),
                    Symbol::Entry => known_offset(context, register).map(|offset| offset.wrapping_add(add)),
                    _ => None,
                };
            }
            Effect::SpTo { register, add } => {
                let symbol = self.sp.map_or(Symbol::Unknown, |sp| Symbol::Stack(sp.wrapping_add(add)));
                self.set_register(register, symbol);
            }
            Effect::AddRegister { register, add } => {
                let symbol = match self.register(register) {
                    Symbol::Stack(offset) => Symbol::Stack(offset.wrapping_add(add)),
                    Symbol::Entry if register == 7 => known_offset(context, register)
                        .map_or(Symbol::Unknown, |offset| Symbol::Stack(offset.wrapping_add(add))),
                    _ => Symbol::Unknown,
                };
                self.set_register(register, symbol);
            }
            Effect::SpLost => self.sp = None,
            Effect::Branch { to, .. } => self.pc = to,
            Effect::Call(_) => self.lr = Symbol::Unknown,
            // To LR it returns; to anything else it is a tail call, which returns to LR too.
            Effect::BranchRegister(_) | Effect::LoadPc => return Ok(Some(self.lr)),
            Effect::TableBranch { halves } => {
                let entry = memory.half(self.pc).ok_or(NoWay)?;
                let entry = u32::from(if halves { entry } else { entry & 0xff });
                self.pc = self.pc.wrapping_add(2 * entry);
            }
            Effect::IfThen(count) => self.conditional = count,
        }
        Ok(None)
    }
}

/// The register's value as an offset from the first stack pointer, if it can be one.
fn known_offset(context: &Context, register: u8) -> Option<i32> {
    const FAR: i32 = 16 * 1024;
    let value = (*context.saved.get(usize::from(register).checked_sub(4)?)?)?;
    let offset = value.wrapping_sub(context.sp).cast_signed();
    (0..FAR).contains(&offset).then_some(offset)
}

fn resolve(memory: &impl Words, context: &Context, path: &Path, returns: Symbol) -> Option<Left> {
    let value = |symbol: Symbol, entry: Option<u32>| match symbol {
        Symbol::Entry => entry,
        Symbol::Slot(offset) => memory.word(context.sp.wrapping_add_signed(offset)),
        Symbol::Stack(offset) => Some(context.sp.wrapping_add_signed(offset)),
        Symbol::Unknown => None,
    };
    let to = match returns {
        Symbol::Entry | Symbol::Slot(_) => value(returns, context.lr)?,
        Symbol::Stack(_) | Symbol::Unknown => return None,
    };
    let slot = match returns {
        Symbol::Slot(offset) => Some(context.sp.wrapping_add_signed(offset)),
        _ => None,
    };
    let mut saved = [None; 8];
    for ((known, symbol), entry) in saved.iter_mut().zip(path.saved).zip(context.saved) {
        *known = value(symbol, entry);
    }
    let sp = context.sp.wrapping_add_signed(path.sp?);
    Some(Left { to, slot, context: Context { pc: to & !1, sp, lr: None, saved } })
}

/// A part of a chain that is repeated: recursion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Stretch {
    /// Index of its first frame.
    pub first: usize,
    /// Frames of one round.
    pub frames: usize,
    /// Rounds.
    pub times: usize,
}

/// Divides a chain into stretches: single frames, and rounds of a recursion with how often they are repeated.
pub fn stretches(frames: &[Frame]) -> Vec<Stretch> {
    const LONGEST: usize = 24;
    let mut stretches = Vec::new();
    let mut first = 0;
    while first < frames.len() {
        let rest = frames.get(first..).unwrap_or_default();
        let rounds = |length: usize| {
            let round = rest.get(..length).unwrap_or_default();
            let is_same =
                |other: &&[Frame]| other.len() == length && other.iter().zip(round).all(|(a, b)| a.pc == b.pc);
            rest.chunks(length).take_while(is_same).count()
        };
        // The shortest round explains most.
        let found = (1..=LONGEST.min(rest.len() / 2)).map(|length| (length, rounds(length))).find(|(_, n)| *n > 1);
        let (length, times) = found.unwrap_or((1, 1));
        stretches.push(Stretch { first, frames: length, times });
        first += length * times;
    }
    stretches
}

#[cfg(test)]
mod tests;
