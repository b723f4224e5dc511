//! The chain of causes: sentences that the evidence supports, each with that evidence, and what it leaves open.

use serde::Serialize;

use super::moment::{Moment, Reason};
use super::report::{Evidence, Explanation, LastWrite};
use crate::rtos::{ObjectKind, PastWait, Rtos, Starvation, TaskState};
use crate::world::{SRAM_BASE, SRAM_SIZE};

/// A wait for a mutex from which on it is told, in picoseconds.
const LONG_WAIT_PS: u64 = 5_000_000_000_000;
/// A long wait that is over is told for so long, in picoseconds.
const RECENT_PS: u64 = 60_000_000_000_000;
/// An AT command without an answer from which on it is told: longer than most firmware waits.
const LONG_SILENCE_PS: u64 = 10_000_000_000_000;
/// Rounds of a recursion from which on it is told.
const MANY_ROUNDS: usize = 3;
/// Addresses this near to 0 are members of a structure that is not there.
const NULL_BYTES: u32 = 0x400;

/// A sentence and what it rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// What happened.
    pub text: String,
    /// What says so; empty for what the evidence leaves open.
    pub evidence: String,
    /// This is not known.
    pub is_open: bool,
}

fn cause(text: impl Into<String>, evidence: impl Into<String>) -> Cause {
    Cause { text: text.into(), evidence: evidence.into(), is_open: false }
}

fn open(text: impl Into<String>) -> Cause {
    Cause { text: text.into(), evidence: String::new(), is_open: true }
}

fn seconds(ps: u64) -> String {
    format!("{:.6} s", ps as f64 / 1e12)
}

pub(super) fn causes(explanation: &Explanation, evidence: &Evidence<'_>, rtos: Option<&Rtos>) -> Vec<Cause> {
    let moment = evidence.moment;
    let mut causes = Vec::new();
    fault(explanation, evidence, &mut causes);
    match moment.reason {
        Reason::LockUp => lock_up(moment, &mut causes),
        Reason::Sos { code } => causes.push(cause(
            format!("The firmware gave up and shows SOS with {code} blinks: {}.", meaning(moment)),
            "the LED",
        )),
        Reason::Fault(_) | Reason::Asked => {}
    }
    stacks(explanation, moment, &mut causes);
    if let (Some(rtos), Some(clock)) = (rtos, &moment.clock) {
        for past in clock.past_waits() {
            let length_ps = past.until_ps.saturating_sub(past.starvation.waiting.since_ps);
            let is_recent = moment.now.time_ps.saturating_sub(past.until_ps) <= RECENT_PS;
            if length_ps >= LONG_WAIT_PS && is_recent {
                waited_long(past, rtos, &mut causes);
            }
        }
        for starvation in clock.starved(moment.now.time_ps, LONG_WAIT_PS) {
            waits_long(&starvation, rtos, moment, &mut causes);
        }
    }
    if let Some(rtos) = rtos {
        deadlock(rtos, &mut causes);
    } else {
        causes.push(open("Which threads there are: no RTOS is recognised in SRAM."));
    }
    outside(explanation, &mut causes);
    causes
}

fn meaning(moment: &Moment) -> &'static str {
    moment.led.meaning().unwrap_or("a code that is not known here")
}

fn fault(explanation: &Explanation, evidence: &Evidence<'_>, causes: &mut Vec<Cause>) {
    let Some(fault) = &explanation.fault else { return };
    let who = match fault.task {
        Some(tcb) => format!("The thread {}", explanation.title(tcb)),
        None => "The core".to_owned(),
    };
    let status = fault.status;
    causes.push(cause(
        format!("{who} took {} at {}.", fault.bit, fault.place),
        format!("CFSR {:#010x}, HFSR {:#010x}, registers as they were before the handler", status.cfsr, status.hfsr),
    ));
    if fault.bit == "PRECISERR" {
        let near_null = if status.bfar < NULL_BYTES { ": a null pointer, with an offset" } else { "" };
        causes.push(cause(format!("It accessed {:#010x}{near_null}.", status.bfar), "BFAR"));
    }
    let Some(no_code) = fault.no_code else { return };
    causes.push(cause(format!("At {:#010x} there is no code.", fault.pc), no_code));
    let Some(slot) = &fault.returned_by else {
        causes
            .push(open("How the core got there: the word below its stack pointer is not the PC, so not by a return."));
        return;
    };
    let (at, value) = (slot.slot, slot.value);
    causes.push(cause(
        format!("It got there by a return: {at:#010x} on the stack held {value:#010x}."),
        format!("the word below SP ({:#010x}), which a return reads last, is the PC", at.wrapping_add(4)),
    ));
    match slot.looks_like.as_slice() {
        [] => causes.push(open("What the return address was: none of this firmware differs from it in one byte only.")),
        [(address, byte, name)] => {
            let which = ["lowest", "second", "third", "top"].get(*byte as usize).unwrap_or(&"top");
            let is = value >> (8 * byte) & 0xff;
            let name = name.as_ref().map_or_else(String::new, |name| format!(" ({name})"));
            causes.push(cause(
                format!(
                    "That is a damaged return address: it looks like {address:#010x}{name} with its {which} byte \
                     replaced by {is:02x}."
                ),
                "of all words that differ from it in one byte, only this one follows a call in the firmware",
            ));
        }
        several => {
            let names: Vec<String> = several.iter().map(|(address, ..)| format!("{address:#010x}")).collect();
            causes.push(cause(
                format!("It looks like a damaged return address: one of {}.", names.join(", ")),
                "these differ from it in one byte and follow a call in the firmware",
            ));
        }
    }
    match evidence.last_write {
        Some(write) => causes.push(written(explanation, write, evidence)),
        None => causes.push(open(format!("Who wrote to {at:#010x}: this takes a run backwards from here."))),
    }
}

/// Who wrote to a stack that is not its own, and with whose stack pointer.
fn written(explanation: &Explanation, write: &LastWrite, evidence: &Evidence<'_>) -> Cause {
    let who = write.task.map_or_else(|| "code outside of any thread".to_owned(), |tcb| explanation.title(tcb));
    let of = |address: u32| {
        let threads = explanation.threads.iter();
        threads.map(|thread| &thread.task).find(|task| (task.stack_base..task.stack_limit).contains(&address))
    };
    let whose = of(write.address).map_or_else(String::new, |task| format!(", on the stack of {}", task.title()));
    cause(
        format!(
            "It was written at {} by {who}, at {}: {} bytes at {:#010x}{whose}, where the word {:#010x} became {:#010x}.",
            seconds(write.time_ps),
            evidence.places.place(write.pc),
            write.bytes,
            write.address,
            write.before,
            write.after
        ),
        format!("the run executed again; the store was executed with SP {:#010x}", write.sp),
    )
}

fn lock_up(moment: &Moment, causes: &mut Vec<Cause>) {
    causes.push(cause(
        "The core locked up: a fault while a fault was handled. Nothing but a reset helps.",
        "the core's state",
    ));
    let stacks = [("main", moment.registers.msp), ("process", moment.registers.psp)];
    let ram = SRAM_BASE..=SRAM_BASE + SRAM_SIZE;
    for (name, sp) in stacks.into_iter().filter(|(_, sp)| *sp != 0 && !ram.contains(sp)) {
        causes.push(cause(format!("The {name} stack pointer, {sp:#010x}, is not in SRAM."), "registers"));
    }
}

/// Stacks that are overrun, and recursion.
fn stacks(explanation: &Explanation, moment: &Moment, causes: &mut Vec<Cause>) {
    for thread in &explanation.threads {
        let (title, task) = (&thread.title, &thread.task);
        if task.free_bytes < 0 {
            causes.push(cause(
                format!("The stack of {title} is overrun by {} bytes.", -task.free_bytes),
                format!("its stack pointer {:#010x}, its stack's base {:#010x}", task.stack_pointer, task.stack_base),
            ));
        }
        let chains = [
            thread.chain.as_ref(),
            explanation
                .fault
                .as_ref()
                .filter(|fault| fault.task == Some(task.tcb))
                .and_then(|fault| fault.returned_by.as_ref().and_then(|slot| slot.chain.as_ref())),
        ];
        let deep = chains.into_iter().flatten().flat_map(|chain| &chain.stretches).find(|s| s.times >= MANY_ROUNDS);
        if let Some(stretch) = deep {
            causes.push(cause(
                format!(
                    "{title} is in a recursion of {} rounds of {} calls; each takes {} bytes of stack.",
                    stretch.times,
                    stretch.frames.len(),
                    stretch.round_bytes
                ),
                "the same return addresses again and again on its stack",
            ));
        }
    }
    let (sp, is_thread) = (moment.registers.sp(), moment.registers.ipsr() == 0);
    if explanation.fault.is_some() && is_thread && !(SRAM_BASE..=SRAM_BASE + SRAM_SIZE).contains(&sp) {
        causes.push(cause(format!("The stack pointer, {sp:#010x}, is not in SRAM."), "registers"));
    }
}

/// A long wait that is over.
fn waited_long(past: &PastWait, rtos: &Rtos, causes: &mut Vec<Cause>) {
    let PastWait { starvation, until_ps } = past;
    let length_s = until_ps.saturating_sub(starvation.waiting.since_ps) as f64 / 1e12;
    let by = starvation.holder.map_or_else(String::new, |tcb| {
        format!("; {} held it for {:.1} % of that time", rtos.title(tcb), f64::from(starvation.held_permille) / 10.0)
    });
    causes.push(cause(
        format!(
            "Before, {} stood still for {length_s:.1} s, from {} to {}: it waited for the mutex at {:#010x}{by}.",
            rtos.title(starvation.tcb),
            seconds(starvation.waiting.since_ps),
            seconds(*until_ps),
            starvation.mutex
        ),
        format!(
            "in that time it was given the core {} times, and each time it blocked on the mutex again",
            starvation.waiting.woken
        ),
    ));
}

fn waits_long(starvation: &Starvation, rtos: &Rtos, moment: &Moment, causes: &mut Vec<Cause>) {
    let (waiter, mutex, waiting) = (rtos.title(starvation.tcb), starvation.mutex, starvation.waiting);
    let now_ps = moment.now.time_ps;
    let for_s = now_ps.saturating_sub(waiting.since_ps) as f64 / 1e12;
    let at_least = if waiting.or_earlier { "at least " } else { "" };
    causes.push(cause(
        format!(
            "{waiter} waits for the mutex at {mutex:#010x} since {}, for {at_least}{for_s:.1} s, without getting it.",
            seconds(waiting.since_ps)
        ),
        format!(
            "each of the {} times it gave up the core since then, it was among those that wait for the mutex, or had \
             been interrupted while another held it",
            waiting.woken + 1
        ),
    ));
    let holder = starvation.holder.map(|tcb| (tcb, rtos.title(tcb)));
    let share = f64::from(starvation.held_permille) / 10.0;
    if let Some((_, holder)) = &holder {
        causes.push(cause(
            format!("{holder} held it for {share:.1} % of that time."),
            "the mutex's holder at each context switch",
        ));
    }
    let Some((holder, holder_title)) = holder else {
        causes.push(open(format!("Who held the mutex at {mutex:#010x}: no holder was seen.")));
        return;
    };
    if waiting.woken > 0 {
        causes.push(cause(
            format!(
                "It was given back {} times at least; each time {waiter} was woken, and found it taken again when it \
                 was given the core.",
                waiting.woken
            ),
            "a task that waits for a mutex is woken when the mutex is given back, or when its time is up",
        ));
        if let (Some(a), Some(b)) = (rtos.task(starvation.tcb), rtos.task(holder))
            && a.priority <= b.priority
        {
            causes.push(cause(
                format!(
                    "{waiter} (priority {}) does not get the core when {holder_title} (priority {}) gives the mutex \
                     back: FreeRTOS switches then only to a task of higher priority. So a loop that takes the mutex \
                     again at once keeps it.",
                    a.priority, b.priority
                ),
                "the priorities in their control blocks",
            ));
        }
    } else if let Some(task) = rtos.task(holder).filter(|task| task.state != TaskState::Running) {
        let what = task
            .waits_for
            .and_then(|waits| waits.object)
            .map_or_else(|| format!("{:?}", task.state).to_lowercase(), |object| format!("blocked on {object:#010x}"));
        causes.push(cause(
            format!("It was not given back in that time; {holder_title}, which has it, is {what}."),
            "nobody was woken by it, and the kernel's lists",
        ));
    }
}

/// Tasks that wait for each other's mutexes in a circle.
fn deadlock(rtos: &Rtos, causes: &mut Vec<Cause>) {
    let waits_on = |tcb: u32| {
        let object = rtos.object(rtos.task(tcb)?.waits_for?.object?)?;
        match object.kind {
            ObjectKind::Mutex { holder, .. } => holder.map(|holder| (object.address, holder)),
            _ => None,
        }
    };
    for task in &rtos.tasks {
        let mut circle = vec![task.tcb];
        let mut mutexes = Vec::new();
        while let Some((mutex, holder)) = circle.last().and_then(|tcb| waits_on(*tcb)) {
            mutexes.push(mutex);
            if holder == task.tcb {
                break;
            }
            if circle.contains(&holder) {
                mutexes.clear();
                break;
            }
            circle.push(holder);
        }
        // Each circle is told once, from its member with the lowest address.
        let is_closed = mutexes.len() == circle.len();
        if is_closed && circle.iter().min() == Some(&task.tcb) {
            let steps: Vec<String> = circle
                .iter()
                .zip(&mutexes)
                .map(|(tcb, mutex)| format!("{} waits for {mutex:#010x}", rtos.title(*tcb)))
                .collect();
            causes.push(cause(
                format!("Deadlock: {}; each is held by the next, the last by the first.", steps.join("; ")),
                "holders and waiters in the mutexes themselves",
            ));
        }
    }
}

/// What modem and device service say.
fn outside(explanation: &Explanation, causes: &mut Vec<Cause>) {
    for socket in &explanation.sockets {
        if socket.pending_bytes > 0 || socket.pending_datagrams > 0 {
            let of = match socket.pending_datagrams {
                0 => String::new(),
                n => format!(" in {n} datagrams"),
            };
            causes.push(cause(
                format!(
                    "{} bytes{of} wait unread on the modem's socket {} ({:?}, local port {}).",
                    socket.pending_bytes, socket.handle, socket.protocol, socket.local_port
                ),
                "the modem's sockets",
            ));
        }
    }
    if let Some(unanswered) = explanation.unanswered.as_ref().filter(|u| u.age_ps >= LONG_SILENCE_PS) {
        causes.push(cause(
            format!(
                "The modem has not answered {} for {:.1} s.",
                unanswered.command.text,
                unanswered.age_ps as f64 / 1e12
            ),
            "the AT lines",
        ));
    }
    if let Some(update) = &explanation.update
        && let Some((failed_ps, reason)) = &update.failed
    {
        causes.push(cause(
            format!("The update over the air failed at {}: {reason}.", seconds(*failed_ps)),
            "the device service",
        ));
    }
}
