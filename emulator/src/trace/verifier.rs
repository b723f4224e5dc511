//! Compares a run with a trace, record by record.

use std::collections::{BTreeMap, VecDeque};

use lockstep_traces::trace::{EndRecord, Ending, Record, RecordKind, StateRecord, TraceError};

use super::file::{TraceFile, describe_pair, describe_record};
use super::tracer::Trouble;

/// A record may be seen so much later than it happened (the LED's state is told when it has settled), in picoseconds.
const LATE_PS: u64 = 2_000_000_000_000;

/// Where a run leaves the recorded one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// When, in picoseconds of virtual time.
    pub time_ps: u64,
    /// Instructions executed when it was noticed.
    pub instructions: u64,
    /// What differs.
    pub text: String,
    /// The last state that was equal.
    pub last_equal: Option<StateRecord>,
}

/// The recorded run, as far as it was not compared yet.
pub struct Verifier {
    trace: TraceFile,
    next_frame: usize,
    waiting: BTreeMap<RecordKind, VecDeque<Record>>,
    /// The recorded run's end, if it had one and is reached.
    end: Option<EndRecord>,
    is_orderly: bool,
    last_equal: Option<StateRecord>,
    compared: u64,
    states: u64,
    trouble: Option<Trouble>,
}

/// What a comparison leaves out: what is said about a run afterwards.
fn is_compared(kind: RecordKind) -> bool {
    !matches!(kind, RecordKind::Finding | RecordKind::Exceptions | RecordKind::TaskSwitch | RecordKind::End)
}

impl Verifier {
    /// With nothing compared yet.
    pub fn new(trace: TraceFile) -> Self {
        Self {
            next_frame: 0,
            waiting: BTreeMap::new(),
            end: None,
            is_orderly: *trace.ending() == Ending::Orderly,
            last_equal: None,
            compared: 0,
            states: 0,
            trouble: None,
            trace,
        }
    }

    /// Records that were equal.
    pub fn compared(&self) -> u64 {
        self.compared
    }

    /// State hashes that were equal.
    pub fn states(&self) -> u64 {
        self.states
    }

    /// The last state that was equal.
    pub fn last_equal(&self) -> Option<StateRecord> {
        self.last_equal
    }

    /// What is wrong, if something is.
    pub fn trouble(&self) -> Option<Trouble> {
        self.trouble.clone()
    }

    /// Reads the next frame; `false` if there is none.
    fn load(&mut self) -> bool {
        let Some(frame) = self.trace.frames().get(self.next_frame) else { return false };
        let (frame, place) = (*frame, self.next_frame);
        self.next_frame += 1;
        match self.trace.records(place) {
            Ok(records) => {
                for record in records {
                    match record {
                        Record::End(end) => self.end = Some(end),
                        record if is_compared(record.kind()) => {
                            self.waiting.entry(record.kind()).or_default().push_back(record);
                        }
                        _ => {}
                    }
                }
                true
            }
            // What is damaged was told before the run began (`readable_ps`), and lies behind its end.
            Err(TraceError::Frame { .. }) => {
                (self.next_frame, self.is_orderly) = (usize::MAX, false);
                false
            }
            Err(error) => {
                let text = format!("frame {}, at byte {}: {error}", frame.number, frame.offset);
                self.trouble.get_or_insert(Trouble::Unreadable(text));
                false
            }
        }
    }

    /// Compares what the run shows with the next record of its kind.
    pub fn compare(&mut self, record: Record, instructions: u64) {
        let kind = record.kind();
        if self.trouble.is_some() || !is_compared(kind) {
            return;
        }
        let recorded = loop {
            if let Some(recorded) = self.waiting.get_mut(&kind).and_then(VecDeque::pop_front) {
                break Some(recorded);
            }
            if !self.load() {
                break None;
            }
        };
        match recorded {
            Some(recorded) if recorded.agrees(&record) => {
                self.compared += 1;
                if let Record::State(state) = record {
                    (self.last_equal, self.states) = (Some(state), self.states + 1);
                }
            }
            Some(recorded) => {
                let time_ps = record.time_ps().min(recorded.time_ps());
                let text = format!("recorded: {}; this run: {}", describe_record(&recorded), describe_record(&record));
                self.diverge(time_ps, instructions, text);
            }
            // A killed run did more than it could write down.
            None if !self.is_orderly => {}
            None => {
                let text = format!("not in the recorded run: {}", describe_record(&record));
                self.diverge(record.time_ps(), instructions, text);
            }
        }
    }

    /// The run has come so far: what was recorded long before must have happened.
    pub fn advance(&mut self, now_ps: u64, instructions: u64) {
        let due_ps = now_ps.saturating_sub(LATE_PS);
        while self.trouble.is_none()
            && self.trace.frames().get(self.next_frame).is_some_and(|frame| frame.first_ps < due_ps)
        {
            if !self.load() {
                break;
            }
        }
        self.missing(due_ps, instructions);
    }

    fn missing(&mut self, due_ps: u64, instructions: u64) {
        if self.trouble.is_some() {
            return;
        }
        let fronts = self.waiting.values().filter_map(VecDeque::front);
        let late = fronts.filter(|record| record.time_ps() < due_ps).min_by_key(|record| record.time_ps());
        if let Some(late) = late {
            let (time_ps, text) = (late.time_ps(), format!("missing in this run: {}", describe_record(late)));
            self.diverge(time_ps, instructions, text);
        }
    }

    /// The run ended: where the recorded one ended, or before.
    pub fn finish(&mut self, end: &EndRecord) {
        while self.trouble.is_none() && self.load() {}
        let Some(recorded) = self.end.clone().filter(|_| self.trouble.is_none()) else { return };
        let instructions = end.state.instructions;
        if end.state.time_ps < recorded.state.time_ps && end.state.instructions < recorded.state.instructions {
            // It was told to end earlier: what is left of the recorded run is none of its business.
            return;
        }
        self.missing(u64::MAX, instructions);
        if self.trouble.is_some() {
            return;
        }
        if end.state == recorded.state {
            (self.last_equal, self.states) = (Some(end.state), self.states + 1);
        } else {
            let (was, is) = describe_pair(&Record::End(recorded.clone()), &Record::End(end.clone()));
            let text = format!("recorded: {was}; this run: {is}");
            self.diverge(end.state.time_ps.min(recorded.state.time_ps), instructions, text);
        }
    }

    fn diverge(&mut self, time_ps: u64, instructions: u64, text: String) {
        let divergence = Divergence { time_ps, instructions, text, last_equal: self.last_equal };
        self.trouble = Some(Trouble::Divergence(divergence));
    }
}
