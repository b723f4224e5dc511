//! What differs between two traces: in their heads, in their records, and, by running both again, in their states.

use std::collections::{BTreeMap, VecDeque};

use lockstep_traces::trace::{Record, RecordKind, StateRecord};

use super::compare::{Differences, differences, json_differences};
use super::file::TraceFile;
use super::rerun::{Checkpoint, Rerun};
use crate::setup::SetupError;

/// Where records of one kind differ first.
#[derive(Clone, Debug)]
pub struct RecordDifference {
    /// The kind.
    pub kind: RecordKind,
    /// The first trace's record; `None` if it has no more.
    pub first: Option<Record>,
    /// The second trace's.
    pub second: Option<Record>,
}

impl RecordDifference {
    /// The earlier one's time in picoseconds.
    pub fn time_ps(&self) -> u64 {
        let time = |record: &Option<Record>| record.as_ref().map_or(u64::MAX, Record::time_ps);
        time(&self.first).min(time(&self.second))
    }
}

/// So long before the end of the shorter run, in picoseconds, what happened in both may be told by one alone.
const LATE_PS: u64 = 2_000_000_000_000;

/// What differs in the records of two traces, as far as both runs go.
#[derive(Clone, Debug, Default)]
pub struct RecordDifferences {
    /// The first difference of each kind, by time. States are apart.
    pub kinds: Vec<RecordDifference>,
    /// The last pair of equal states, and the first pair of different ones.
    pub states: Bracket,
    /// The same for what the firmware has done.
    pub guests: Bracket,
}

/// An instruction at which two runs are equal, and a later one at which they differ.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bracket {
    /// The last at which they are equal.
    pub equal: Option<StateRecord>,
    /// The first at which they differ: both states.
    pub differing: Option<(StateRecord, StateRecord)>,
}

impl Bracket {
    fn take(&mut self, first: StateRecord, second: StateRecord, is_equal: bool) {
        match (self.differing, is_equal) {
            (None, true) => self.equal = Some(first),
            (None, false) => self.differing = Some((first, second)),
            (Some(_), _) => {}
        }
    }
}

/// What differs in the heads, in words.
pub fn heads(first: &TraceFile, second: &TraceFile) -> Vec<String> {
    let (a, b) = (first.head(), second.head());
    let mut told = Vec::new();
    let mut tell = |what: &str, first: String, second: String| {
        if first != second {
            told.push(format!("{what}: {first} / {second}"));
        }
    };
    tell("program", a.program.clone(), b.program.clone());
    tell("model", a.model.clone(), b.model.clone());
    tell("seed", a.seed.to_string(), b.seed.to_string());
    tell("plan", format!("{:?}", a.plan), format!("{:?}", b.plan));
    for (first, second) in a.images.iter().zip(&b.images) {
        let text = |image: &lockstep_traces::trace::ImageInfo| format!("{} {}", image.name, image.hash);
        tell(&format!("image at {:#010x}", first.address), text(first), text(second));
    }
    tell("images", a.images.len().to_string(), b.images.len().to_string());
    tell("flash", a.start.flash.to_string(), b.start.flash.to_string());
    tell("what is run", a.run.form.clone(), b.run.form.clone());
    tell("state at power-on", a.start.state.to_string(), b.start.state.to_string());
    told.extend(json_differences(&a.run.text, &b.run.text).iter().map(|difference| format!("run: {difference}")));
    told
}

/// What differs in the records. Both are read once, side by side.
pub fn records(first: &mut TraceFile, second: &mut TraceFile) -> Result<RecordDifferences, SetupError> {
    let mut pairs: BTreeMap<RecordKind, [VecDeque<Record>; 2]> = BTreeMap::new();
    let mut found: BTreeMap<RecordKind, RecordDifference> = BTreeMap::new();
    let mut result = RecordDifferences::default();
    let frames = first.frames().len().max(second.frames().len());
    for place in 0..frames {
        for (side, trace) in [&mut *first, &mut *second].into_iter().enumerate() {
            for record in trace.records(place).map_err(|error| SetupError::Usage(error.to_string()))? {
                let kind = record.kind();
                if !found.contains_key(&kind)
                    && let Some(queue) = pairs.entry(kind).or_default().get_mut(side)
                {
                    queue.push_back(record);
                }
            }
        }
        for (kind, [first, second]) in &mut pairs {
            if *kind == RecordKind::State {
                align(first, second);
            }
            while !first.is_empty()
                && !second.is_empty()
                && let (Some(a), Some(b)) = (first.pop_front(), second.pop_front())
            {
                match (a, b) {
                    (Record::State(a), Record::State(b)) => result.state(a, b),
                    (Record::End(a), Record::End(b)) => result.state(a.state, b.state),
                    (a, b) if !a.agrees(&b) => {
                        found.insert(*kind, RecordDifference { kind: *kind, first: Some(a), second: Some(b) });
                        first.clear();
                        second.clear();
                    }
                    _ => {}
                }
                if *kind == RecordKind::State {
                    align(first, second);
                }
            }
        }
    }
    for (kind, [mut left, mut right]) in pairs {
        let (a, b) = (left.pop_front(), right.pop_front());
        if a.is_some() || b.is_some() {
            found.entry(kind).or_insert(RecordDifference { kind, first: a, second: b });
        }
    }
    // Of the state there is a bracket; counts and the end follow from the rest, and from how long each run was.
    for kind in [RecordKind::State, RecordKind::Exceptions, RecordKind::End] {
        found.remove(&kind);
    }
    let common_ps = match (first.last_ps(), second.last_ps()) {
        (first_ps, second_ps) if first_ps == second_ps => u64::MAX,
        (first_ps, second_ps) => first_ps.min(second_ps).saturating_sub(LATE_PS),
    };
    found.retain(|_, difference| {
        (difference.first.is_some() && difference.second.is_some()) || difference.time_ps() < common_ps
    });
    result.kinds = found.into_values().collect();
    result.kinds.sort_by_key(RecordDifference::time_ps);
    Ok(result)
}

/// Leaves out states at whose instruction the other trace has none: one was recorded with more of them.
fn align(first: &mut VecDeque<Record>, second: &mut VecDeque<Record>) {
    let at = |queue: &VecDeque<Record>| match queue.front() {
        Some(Record::State(state)) => Some(state.instructions),
        _ => None,
    };
    while let (Some(a), Some(b)) = (at(first), at(second))
        && a != b
    {
        if a < b {
            first.pop_front()
        } else {
            second.pop_front()
        };
    }
}

impl RecordDifferences {
    fn state(&mut self, first: StateRecord, second: StateRecord) {
        // Only states at the same instruction can be the same.
        if first.instructions == second.instructions {
            self.states.take(first, second, first.state == second.state);
            self.guests.take(first, second, first.guest == second.guest);
        }
    }
}

/// The first instruction after which two runs differ.
#[derive(Clone, Debug)]
pub struct Narrowed {
    /// Instructions executed when they were still equal.
    pub equal_instructions: u64,
    /// Where both stood then: address of the next instruction, virtual time in picoseconds.
    pub pc: u32,
    /// Likewise.
    pub time_ps: u64,
    /// What had differed before: parts that the firmware had not noticed yet.
    pub before: Differences,
    /// What differs one instruction later.
    pub after: Differences,
}

/// Runs two traces again and finds the first instruction after which what the firmware has done (or, with `whole`, the
/// whole state) differs. `None` if they do not differ in this bracket, or are not equal at its beginning.
pub fn narrow(
    first: &mut TraceFile,
    second: &mut TraceFile,
    bracket: &Bracket,
    whole: bool,
) -> Result<Option<Narrowed>, SetupError> {
    let mut runs = [Rerun::of(first)?, Rerun::of(second)?];
    let hash = |run: &mut Rerun| if whole { run.machine_mut().state_hash() } else { run.machine_mut().guest_hash() };
    let Some((last, other)) = bracket.differing else { return Ok(None) };
    let (from, to) = (bracket.equal.map_or(0, |equal| equal.instructions), last.instructions);
    // A core that sleeps or is locked up executes nothing.
    let limit_ps = last.time_ps.max(other.time_ps).saturating_add(1);
    for run in &mut runs {
        run.run_to(from, limit_ps)?;
    }
    let [a, b] = &mut runs;
    if hash(a) != hash(b) {
        return Ok(None);
    }
    let mut equal = [a.checkpoint(), b.checkpoint()];
    let (mut low, mut high) = (from, to);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        let [a, b] = &mut runs;
        a.run_to(middle, limit_ps)?;
        b.run_to(middle, limit_ps)?;
        if hash(a) == hash(b) {
            low = middle;
            equal = [a.checkpoint(), b.checkpoint()];
        } else {
            high = middle;
            back(&mut runs, &equal)?;
        }
    }
    back(&mut runs, &equal)?;
    let [a, b] = &mut runs;
    let (pc, time_ps) = (a.machine().registers().pc, a.machine().now().time_ps);
    let before = differences(&equal[0].snapshot, &equal[1].snapshot);
    a.run_to(high, limit_ps)?;
    b.run_to(high, limit_ps)?;
    let after = differences(&a.machine().snapshot(), &b.machine().snapshot());
    Ok(Some(Narrowed { equal_instructions: low, pc, time_ps, before, after }))
}

fn back(runs: &mut [Rerun; 2], equal: &[Checkpoint; 2]) -> Result<(), SetupError> {
    runs.iter_mut().zip(equal).try_for_each(|(run, checkpoint)| run.restore(checkpoint))
}
