//! Threads: what each did, what it waits for and since when; the objects that they hold and wait for.

use serde::Serialize;

use super::moment::Moment;
use crate::places::Places;
use crate::rtos::chain::{Chain, ChainEnd, Trust, chain, live_chain, saved_context, stretches};
use crate::rtos::{ObjectKind, Rtos, SyncObject, Task, TaskState, Waiting, Wants};

/// A frame of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FrameReport {
    /// Its address.
    pub pc: u32,
    /// The name of that place.
    pub name: Option<String>,
    /// The stack pointer there.
    pub sp: u32,
    /// Where its address lies on the stack.
    pub slot: Option<u32>,
    /// How sure it is.
    pub trust: Trust,
    /// An exception interrupted it here.
    pub interrupted: bool,
}

/// Frames in a row, or the round of a recursion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StretchReport {
    /// How often these frames are repeated.
    pub times: usize,
    /// Bytes of stack that one round takes; 0 when not repeated.
    pub round_bytes: u32,
    /// The frames, innermost first.
    pub frames: Vec<FrameReport>,
}

/// A call chain, innermost first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChainReport {
    /// Its frames.
    pub stretches: Vec<StretchReport>,
    /// How it ends.
    pub end: ChainEnd,
}

/// A thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ThreadReport {
    /// Its control block, name, priority, state and stack.
    #[serde(flatten)]
    pub task: Task,
    /// What to call it.
    pub title: String,
    /// What it waits for and since when.
    pub waiting: Option<Waiting>,
    /// The same in words.
    pub waits: Option<String>,
    /// When it had the core last, in picoseconds; `None` if never since the watch began.
    pub ran_ps: Option<u64>,
    /// How long it had the core since the watch began, in picoseconds.
    pub total_ps: Option<u64>,
    /// What it was doing.
    pub chain: Option<ChainReport>,
}

/// An object that somebody holds or waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ObjectReport {
    /// The object.
    #[serde(flatten)]
    pub object: SyncObject,
    /// In words: what it is, who has it, who waits.
    pub text: String,
}

pub(super) fn chain_report(chain: &Chain, places: &Places) -> ChainReport {
    let report = |frame: &crate::rtos::chain::Frame| FrameReport {
        pc: frame.pc,
        name: if frame.trust == Trust::Known { places.name(frame.pc) } else { places.return_name(frame.pc) },
        sp: frame.sp,
        slot: frame.slot,
        trust: frame.trust,
        interrupted: frame.interrupted,
    };
    let stretches = stretches(&chain.frames).into_iter().map(|stretch| {
        let frames = chain.frames.get(stretch.first..stretch.first + stretch.frames).unwrap_or_default();
        let next_round = chain.frames.get(stretch.first + stretch.frames);
        let round_bytes = match (frames.first(), next_round) {
            (Some(first), Some(next)) if stretch.times > 1 => next.sp.wrapping_sub(first.sp),
            _ => 0,
        };
        StretchReport { times: stretch.times, round_bytes, frames: frames.iter().map(report).collect() }
    });
    // Single frames belong together.
    let mut joined: Vec<StretchReport> = Vec::new();
    for stretch in stretches {
        match joined.last_mut() {
            Some(last) if last.times == 1 && stretch.times == 1 => last.frames.extend(stretch.frames),
            _ => joined.push(stretch),
        }
    }
    ChainReport { stretches: joined, end: chain.end }
}

pub(super) fn threads(moment: &Moment, rtos: &Rtos, places: &Places) -> Vec<ThreadReport> {
    let memory = moment.memory();
    let report = |task: &Task| {
        let times = moment.clock.as_ref().and_then(|clock| clock.task(task.tcb));
        let found = if task.state == TaskState::Running {
            Some(live_chain(&memory, &moment.registers, task.stack_limit))
        } else {
            saved_context(&memory, task.stack_pointer).map(|context| chain(&memory, context, task.stack_limit))
        };
        let waiting = times.and_then(|times| times.waiting);
        ThreadReport {
            title: task.title(),
            waits: waits_text(task, waiting, rtos, moment.now.time_ps),
            waiting,
            ran_ps: times.and_then(|times| times.ran_ps),
            total_ps: times.map(|times| times.total_ps),
            chain: found.map(|chain| chain_report(&chain, places)),
            task: task.clone(),
        }
    };
    rtos.tasks.iter().map(report).collect()
}

/// What a task waits for, in words.
fn waits_text(task: &Task, waiting: Option<Waiting>, rtos: &Rtos, now_ps: u64) -> Option<String> {
    let for_what = task.waits_for.or(waiting.map(|waiting| waiting.for_what))?;
    let what = match for_what.object.and_then(|address| rtos.object(address)) {
        Some(object) => match (object.kind, for_what.wants) {
            (ObjectKind::Mutex { .. }, _) => format!("the mutex at {:#010x}", object.address),
            (ObjectKind::Semaphore { .. }, _) => format!("the semaphore at {:#010x}", object.address),
            (ObjectKind::Queue { .. }, Wants::Item) => format!("an item of the queue at {:#010x}", object.address),
            (ObjectKind::Queue { .. }, Wants::Room) => format!("room in the queue at {:#010x}", object.address),
        },
        None => format!("something that is no queue or mutex (list at {:#010x})", for_what.list),
    };
    let since = waiting.map(|waiting| {
        let s = |ps: u64| ps as f64 / 1e12;
        let for_s = s(now_ps.saturating_sub(waiting.since_ps));
        let at_least = if waiting.or_earlier { "at least " } else { "" };
        let woken = match waiting.woken {
            0 => String::new(),
            n => format!(", woken {n} times in between and found it taken"),
        };
        format!(" since {:.6} s, for {at_least}{for_s:.3} s{woken}", s(waiting.since_ps))
    });
    Some(format!("waits for {what}{}", since.unwrap_or_default()))
}

/// The objects that somebody holds or waits for.
pub(super) fn objects(rtos: &Rtos) -> Vec<ObjectReport> {
    let is_of_interest = |object: &&SyncObject| {
        let is_held = matches!(object.kind, ObjectKind::Mutex { holder: Some(_), .. });
        is_held || !object.senders.is_empty() || !object.receivers.is_empty()
    };
    let titles = |tcbs: &[u32]| tcbs.iter().map(|tcb| rtos.title(*tcb)).collect::<Vec<_>>().join(", ");
    let report = |object: &SyncObject| {
        let address = object.address;
        let mut text = match object.kind {
            ObjectKind::Mutex { holder: Some(holder), recursion } => {
                let times = if recursion > 1 { format!(", taken {recursion} times") } else { String::new() };
                format!("mutex {address:#010x}, held by {}{times}", rtos.title(holder))
            }
            ObjectKind::Mutex { holder: None, .. } => format!("mutex {address:#010x}, free"),
            ObjectKind::Semaphore { available, limit } => {
                format!("semaphore {address:#010x}, {available} of {limit}")
            }
            ObjectKind::Queue { items, length, item_bytes } => {
                format!("queue {address:#010x}, {items} of {length} items of {item_bytes} bytes")
            }
        };
        if !object.receivers.is_empty() {
            text.push_str(&format!("; waiting for it: {}", titles(&object.receivers)));
        }
        if !object.senders.is_empty() {
            text.push_str(&format!("; waiting for room: {}", titles(&object.senders)));
        }
        ObjectReport { object: object.clone(), text }
    };
    rtos.objects.iter().filter(is_of_interest).map(report).collect()
}
