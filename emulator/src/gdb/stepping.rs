//! Single steps, forwards and backwards, that stay in what is stepped: an interrupt that comes in between, and other
//! tasks that run meanwhile, are passed over as if they took no time. SVC and faults are stepped into: they belong to
//! the instruction.

use super::debuggee::Debuggee;
use super::history::{History, Position, Went};
use crate::core::exceptions::PEND_SV;
use crate::machine::Machine;
use crate::machine::Stop;

/// Longest virtual time that a step waits for what is stepped to run again.
const PATIENCE_PS: u64 = 10_000_000_000_000;
/// Interrupts passed over before a step is given up and shows where it is.
const INTERRUPTS: u32 = 1_000;
/// How far back it is looked for the place where an interrupt came, in instructions.
const LOOK_BACK: [u64; 4] = [64, 512, 4_096, 32_768];

/// Who executes: the active exception, and in thread mode whose stack is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Context {
    ipsr: u32,
    stack: u32,
}

impl Context {
    /// `stacks` are the lowest addresses of the tasks' stacks, in order.
    fn of(machine: &Machine, stacks: &[u32]) -> Self {
        let registers = machine.registers();
        let ipsr = registers.ipsr();
        let below = |sp: u32| stacks.iter().rev().find(|base| **base <= sp).copied();
        let stack = if ipsr == 0 { below(registers.sp()).unwrap_or(0) } else { 0 };
        Self { ipsr, stack }
    }
}

fn is_interrupt(ipsr: u32) -> bool {
    ipsr >= PEND_SV as u32
}

/// One instruction forwards. `raw` steps into interrupts.
pub fn step<D: Debuggee>(
    history: &mut History<D>,
    stacks: &[u32],
    raw: bool,
    end_ps: u64,
    poll: &mut dyn FnMut() -> bool,
) -> Result<Went, D::Error> {
    let (pc, before) = here(history, stacks);
    let sp = history.debuggee().machine().registers().sp();
    let deadline_ps = history.position().time_ps.saturating_add(PATIENCE_PS).min(end_ps);
    for _ in 0..INTERRUPTS {
        let next = history.position().instructions + 1;
        let went = history.run(next, deadline_ps, &[], poll)?;
        let (_, now) = here(history, stacks);
        let frame = (sp & !7).wrapping_sub(0x20);
        let return_address = history.debuggee().machine().world.memory.peek_word(frame.wrapping_add(24));
        let is_preempted = is_interrupt(now.ipsr) && now.ipsr != before.ipsr && return_address == Some(pc);
        if raw || went != Went::Reached || !is_preempted {
            return Ok(went);
        }
        // Until it goes on where it was; others may come by there.
        loop {
            match history.run(u64::MAX, deadline_ps, &[pc], poll)? {
                Went::Stopped(Stop::Breakpoint) if here(history, stacks) == (pc, before) => break,
                Went::Stopped(Stop::Breakpoint) if here(history, stacks).0 == pc && !history.has_breakpoint(pc) => {}
                other => return Ok(other),
            }
        }
    }
    Ok(Went::Reached)
}

/// One instruction backwards. `raw` steps into interrupts.
pub fn step_back<D: Debuggee>(
    history: &mut History<D>,
    stacks: &[u32],
    raw: bool,
    poll: &mut dyn FnMut() -> bool,
) -> Result<Went, D::Error> {
    let begin = history.begin().instructions;
    let (pc, context) = here(history, stacks);
    for _ in 0..INTERRUPTS {
        let now = history.position();
        if now.instructions <= begin {
            history.go_to(history.begin(), poll)?;
            return Ok(Went::Begin);
        }
        let last = now.instructions - 1;
        history.go_to(Position::after(last), poll)?;
        let (_, before) = here(history, stacks);
        let is_interrupted = before != context && is_interrupt(before.ipsr) && before.ipsr != context.ipsr;
        if raw || !is_interrupted {
            return Ok(Went::Reached);
        }
        match interrupted_at(history, stacks, last, (pc, context), poll)? {
            // There it is as it is here: the instruction before it is meant.
            Some(instructions) => history.go_to(Position::after(instructions), poll)?,
            None => return history.go_to(Position::after(last), poll),
        };
    }
    Ok(Went::Reached)
}

/// The last place before `last` where it was as it is `here` now: where the interrupt came.
fn interrupted_at<D: Debuggee>(
    history: &mut History<D>,
    stacks: &[u32],
    last: u64,
    there: (u32, Context),
    poll: &mut dyn FnMut() -> bool,
) -> Result<Option<u64>, D::Error> {
    let begin = history.begin().instructions;
    for distance in LOOK_BACK {
        let from = last.saturating_sub(distance).max(begin);
        history.go_to(Position::after(from), poll)?;
        let mut found = None;
        for instructions in from..last {
            if here(history, stacks) == there {
                found = Some(instructions);
            }
            history.debuggee_mut().run_until_instruction(instructions + 1, u64::MAX)?;
        }
        if found.is_some() || from == begin {
            return Ok(found);
        }
    }
    Ok(None)
}

fn here<D: Debuggee>(history: &History<D>, stacks: &[u32]) -> (u32, Context) {
    let machine = history.debuggee().machine();
    (machine.registers().pc, Context::of(machine, stacks))
}
