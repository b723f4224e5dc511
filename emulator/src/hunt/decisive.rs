//! What differs between a run that fails and one near it that passes: the first event that is not the same, and what the
//! threads were doing then.

use serde::Serialize;

use super::base::Base;
use crate::explain::{Evidence, Explanation, Moment, thread_text};
use crate::observe::Seen;
use crate::places::Places;
use crate::session::{Branch, SerialLines, Session, SessionError};

/// Events shown from the first difference on.
const SHOWN: usize = 8;

/// An event of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunEvent {
    /// When, in picoseconds.
    pub time_ps: u64,
    /// What.
    pub text: String,
}

impl RunEvent {
    /// What of it is the same in two runs in which the same happens at other times: neither numbers nor payloads.
    fn shape(&self) -> String {
        let text = match self.text.strip_prefix("modem ") {
            Some(line) if !is_dialogue(line) => "payload",
            _ => &self.text,
        };
        let end = text.find([':', '=']).filter(|_| text.starts_with("modem ")).unwrap_or(text.len());
        text.chars().take(end).filter(|c| !c.is_ascii_digit()).collect()
    }
}

/// Whether a line with its arrow is a command or a response, not a payload.
fn is_dialogue(line: &str) -> bool {
    let text = line.trim_start_matches(['<', '>', '-', ' ']);
    ["AT", "+", "OK", "ERROR", "@"].iter().any(|start| text.starts_with(start))
}

/// What differs between two runs.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    /// Events that are alike in both, in the same order: the same but for numbers and payloads.
    pub same: usize,
    /// The last of them, in the failing run.
    pub last_same: Option<RunEvent>,
    /// What follows in the failing run.
    pub failing: Vec<RunEvent>,
    /// What follows in the passing run.
    pub passing: Vec<RunEvent>,
    /// The threads of the failing run at its first event that differs.
    pub failing_threads: Vec<String>,
    /// The same of the passing run.
    pub passing_threads: Vec<String>,
}

/// Compares a run that fails with one that passes.
pub fn difference(base: &Base, failing: &Branch, passing: &Branch) -> Result<Difference, SessionError> {
    let (fails, passes) = (events(base, failing)?, events(base, passing)?);
    let same = fails.iter().zip(&passes).take_while(|(a, b)| a.shape() == b.shape()).count();
    let from = |events: &[RunEvent]| events.iter().skip(same).take(SHOWN).cloned().collect::<Vec<_>>();
    let at_ps = |events: &[RunEvent]| events.get(same).or(events.last()).map_or(base.branch_ps, |event| event.time_ps);
    Ok(Difference {
        same,
        last_same: same.checked_sub(1).and_then(|last| fails.get(last)).cloned(),
        failing: from(&fails),
        passing: from(&passes),
        failing_threads: threads(base, failing, at_ps(&fails))?,
        passing_threads: threads(base, passing, at_ps(&passes))?,
    })
}

/// The events of a run, from where it branched off.
fn events(base: &Base, branch: &Branch) -> Result<Vec<RunEvent>, SessionError> {
    let mut session = base.session(branch.clone())?;
    session.keep_seen();
    base.finish(&mut session)?;
    let mut lines = SerialLines::default();
    let mut events = Vec::new();
    for seen in session.take_seen() {
        events.extend(event(&seen, &mut lines));
    }
    Ok(events)
}

fn event(seen: &Seen, lines: &mut SerialLines) -> Option<RunEvent> {
    let (time_ps, text) = match seen {
        Seen::At(entry) => {
            let arrow = if matches!(entry.direction, lockstep_modem::Direction::FromModem) { "<-" } else { "->" };
            (entry.time_ps, format!("modem {arrow} {}", entry.bytes.trim_ascii().escape_ascii()))
        }
        Seen::Cloud(event) => (event.time_ps, format!("cloud {}", event.kind)),
        Seen::Serial { usart: 1, byte, now } => (now.time_ps, format!("Serial1 {}", lines.byte(1, *byte)?)),
        Seen::Fault(fault) => (fault.now.time_ps, format!("fault {} at {:#010x}", fault.fault.cfsr_bit().1, fault.pc)),
        Seen::Reset(reset) => (reset.now.time_ps, format!("reset {:?}", reset.cause)),
        Seen::LockUp { now, pc } => (now.time_ps, format!("lock-up at {pc:#010x}")),
        _ => return None,
    };
    Some(RunEvent { time_ps, text })
}

/// What each thread of a run is doing at a time.
fn threads(base: &Base, branch: &Branch, time_ps: u64) -> Result<Vec<String>, SessionError> {
    let mut session = base.session(branch.clone())?;
    session.run_until_ps(time_ps)?;
    Ok(threads_now(&session, base))
}

fn threads_now(session: &Session, base: &Base) -> Vec<String> {
    let moment = Moment::of(&session.machine);
    let places = Places::new(base.symbols.clone(), &moment.flash);
    let evidence =
        Evidence { moment: &moment, findings: &[], led: &[], resets: &[], places: &places, last_write: None };
    let explanation = Explanation::of(&evidence);
    let time_ps = explanation.time_ps;
    explanation.threads.iter().map(|thread| thread_text(thread, time_ps)).collect()
}
