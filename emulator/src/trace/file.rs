//! A trace on disk, and its records in words.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use lockstep_traces::trace::{AtDirection, Ending, FrameKind, Record, TraceReader};

use crate::setup::SetupError;
use crate::setup::duration::seconds;

/// A trace that is open.
pub type TraceFile = TraceReader<BufReader<File>>;

/// Opens a trace.
pub fn open(path: &Path) -> Result<TraceFile, SetupError> {
    let file = File::open(path).map_err(SetupError::io(path))?;
    TraceReader::open(BufReader::new(file))
        .map_err(|error| SetupError::File { path: path.to_owned(), reason: error.to_string() })
}

/// How a trace ends, in words.
pub fn describe(trace: &TraceFile) -> String {
    let last = seconds(trace.last_ps());
    match trace.ending() {
        Ending::Orderly => format!("whole, to {last} s"),
        Ending::Cut { bytes: 0 } => format!("the run was killed; whole to {last} s"),
        Ending::Cut { bytes } => {
            format!("the run was killed; whole to {last} s, {bytes} bytes of an unfinished frame are left out")
        }
        Ending::Damaged(damage) => format!(
            "damaged in frame {}, at byte {}: {}; what is before it can be read, to {last} s",
            damage.frame, damage.offset, damage.reason
        ),
    }
}

/// How far a trace can be run again, in picoseconds: to the end of what was recorded, unless less is asked for. One that
/// is damaged is run up to its damage, and only if somebody asks for that; otherwise this says what is damaged.
pub fn readable_ps(trace: &mut TraceFile, until: Option<u64>) -> Result<u64, String> {
    let damages = trace.verify().map_err(|error| error.to_string())?;
    let Some(damage) = damages.first() else {
        let end = trace.end().map_err(|error| error.to_string())?;
        let end_ps = end.map_or_else(|| trace.last_ps(), |end| end.state.time_ps);
        return Ok(until.map_or(end_ps, |until| until.min(end_ps)));
    };
    let before = trace.frames().iter().take_while(|frame| frame.number < damage.frame);
    let whole_ps =
        before.filter(|frame| frame.kind == FrameKind::Records).map(|frame| frame.last_ps).max().unwrap_or(0);
    match until {
        Some(until) if until <= whole_ps => Ok(until),
        _ => Err(format!(
            "damaged in frame {}, at byte {}: {}; it can be read to {} s: give --until {}us to replay that far",
            damage.frame,
            damage.offset,
            damage.reason,
            seconds(whole_ps),
            whole_ps / 1_000_000
        )),
    }
}

/// Bytes of a text that are shown.
const SHOWN: usize = 60;

fn text(bytes: &[u8]) -> String {
    let shown = bytes.get(..SHOWN).unwrap_or(bytes);
    let more = if shown.len() < bytes.len() { "…" } else { "" };
    format!("\"{}\"{more} ({} bytes)", shown.escape_ascii(), bytes.len())
}

/// A record in a line, with its time.
pub fn describe_record(record: &Record) -> String {
    let what = match record {
        Record::Decision(decision) => format!(
            "{} number {}: {} = {} of {}..={}",
            decision.stream, decision.number, decision.what, decision.value, decision.low, decision.high
        ),
        Record::At { direction, bytes, .. } => {
            let arrow = match direction {
                AtDirection::ToModem => "->",
                AtDirection::PayloadToModem => "=>",
                AtDirection::FromModem => "<-",
            };
            format!("{arrow} {}", text(bytes))
        }
        Record::Serial { usart, byte, .. } => format!("USART{usart} {}", text(&[*byte])),
        Record::Packet { is_outbound, is_lost, bytes, .. } => {
            let lost = if *is_lost { ", lost" } else { "" };
            format!("{}{lost} {} bytes", if *is_outbound { "sent" } else { "received" }, bytes.len())
        }
        Record::Unanswered { from, to, bytes, .. } => format!("{from} to {to}, {} bytes", bytes.len()),
        Record::Cloud { text, .. } => text.clone(),
        Record::Stage { name, instructions, .. } => format!("{name} ({instructions} instructions)"),
        Record::Led { state, meaning, .. } => match meaning {
            Some(meaning) => format!("{state}: {meaning}"),
            None => state.clone(),
        },
        Record::Pin { pin, level, .. } => {
            let level = level.map_or("not driven", |level| if level { "high" } else { "low" });
            format!("{pin} {level}")
        }
        Record::Reset { cause, .. } => cause.clone(),
        Record::Fault { pc, lr, cfsr, .. } => format!("{cfsr} at {pc:#010x}, LR {lr:#010x}"),
        Record::LockUp { pc, .. } => format!("at {pc:#010x}"),
        Record::Exceptions { counts, .. } => {
            let counts: Vec<String> = counts.iter().map(|(number, count)| format!("{number}: {count}")).collect();
            counts.join(", ")
        }
        Record::TaskSwitch { tcb, name, .. } => format!("{name} (TCB {tcb:#010x})"),
        Record::Unmodelled { name, .. } => name.clone(),
        Record::Finding { kind, text, .. } => format!("{kind}: {text}"),
        Record::Input { what, .. } => what.clone(),
        Record::Inbound { event, .. } => format!("{event:?}"),
        Record::Outbound { event, .. } => format!("{event:?}"),
        Record::State(state) => format!("{} after {} instructions", state.state, state.instructions),
        Record::End(end) => {
            format!("{}; {} after {} instructions", end.reason, end.state.state, end.state.instructions)
        }
    };
    format!("{} s, {} {what}", seconds(record.time_ps()), record.kind().name())
}

/// Two records that differ, each in a line; where the lines are the same, with what they do not show.
pub fn describe_pair(first: &Record, second: &Record) -> (String, String) {
    let (a, b) = (describe_record(first), describe_record(second));
    if a != b {
        return (a, b);
    }
    if first.time_ps() != second.time_ps() {
        return (format!("{a} ({} ps)", first.time_ps()), format!("{b} ({} ps)", second.time_ps()));
    }
    let (bytes, others) = (format!("{first:?}"), format!("{second:?}"));
    let at = bytes.chars().zip(others.chars()).position(|(a, b)| a != b).unwrap_or(bytes.len().min(others.len()));
    let around = |text: &str| text.chars().skip(at.saturating_sub(20)).take(60).collect::<String>();
    (format!("{a}, …{}…", around(&bytes)), format!("{b}, …{}…", around(&others)))
}
