//! How a function is left: its code is followed along all ways until one returns.

use std::collections::BTreeSet;

use super::{Context, is_end, is_exc_return, is_return_address};
use crate::rtos::memory::Words;
use crate::rtos::thumb::{Effect, LR, LR_BIT, PC, PC_BIT, SP, decode, is_wide};

/// Instructions looked at to leave one function.
const STEPS_MAX: usize = 4000;
/// Bytes of one function that are looked through backwards.
const FUNCTION_BYTES_MAX: u32 = 4096;

/// A function was left.
pub(super) struct Left {
    pub to: u32,
    pub slot: Option<u32>,
    pub context: Context,
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
pub(super) fn leave(memory: &impl Words, context: &Context) -> Option<Left> {
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
pub(super) fn entered(memory: &impl Words, context: &Context) -> Option<Left> {
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
