//! What a run hands over to be recorded, or to be compared with what was recorded.

use lockstep_gateway_protocol::{Inbound, Outbound};
use lockstep_traces::trace::{EndRecord, Record};

use super::convert;
use super::recorder::Recorder;
use super::verifier::{Divergence, Verifier};
use crate::unmodelled::{FirstUse, UnmodelledObserver};
use crate::{Machine, Seen};

/// Where records go.
enum Sink {
    Record(Box<Recorder>),
    Verify(Box<Verifier>),
}

/// Something that is wrong with the trace or the run.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// The trace could not be written to its end.
    Lost(String),
    /// The run is not the recorded one.
    Divergence(Divergence),
    /// The recorded run cannot be read on.
    Unreadable(String),
}

/// Takes what a run shows. It has no influence on the run.
pub struct Tracer {
    sink: Sink,
    led_changes: usize,
    unmodelled: UnmodelledObserver,
    hash_every: u64,
    next_hash: u64,
}

impl Tracer {
    /// Records. The machine stands where the trace begins.
    pub fn recording(recorder: Recorder, hash_every: u64, machine: &mut Machine) -> Self {
        Self::new(Sink::Record(Box::new(recorder)), hash_every, machine)
    }

    /// Compares.
    pub fn verifying(verifier: Verifier, hash_every: u64, machine: &mut Machine) -> Self {
        Self::new(Sink::Verify(Box::new(verifier)), hash_every, machine)
    }

    fn new(sink: Sink, hash_every: u64, machine: &mut Machine) -> Self {
        machine.observer.keep_decisions();
        machine.world.state.electron.watch_traffic();
        let mut tracer = Self {
            sink,
            led_changes: machine.observer.led().changes().len(),
            unmodelled: UnmodelledObserver::new(machine),
            hash_every,
            next_hash: u64::MAX,
        };
        tracer.next_hash = tracer.hash_after(machine.instructions());
        tracer
    }

    fn hash_after(&self, instructions: u64) -> u64 {
        instructions.checked_div(self.hash_every).map_or(u64::MAX, |done| (done + 1).saturating_mul(self.hash_every))
    }

    /// The instruction count at which [`Self::state`] wants to be called.
    pub fn next_hash(&self) -> u64 {
        self.next_hash
    }

    /// The machine's state, if it is time; everything seen before must have been handed over.
    pub fn state(&mut self, machine: &mut Machine) {
        if machine.instructions() >= self.next_hash {
            let state = convert::state(machine);
            self.record(Record::State(state), machine.instructions());
            self.next_hash = self.hash_after(machine.instructions());
        }
    }

    /// What was seen since the last call.
    pub fn observe(&mut self, machine: &mut Machine, seen: &[Seen]) {
        let instructions = machine.instructions();
        for decision in machine.observer.take_decisions() {
            self.record(Record::Decision(decision), instructions);
        }
        for record in seen.iter().filter_map(convert::record) {
            self.record(record, instructions);
        }
        let changes = machine.observer.led().changes();
        let leds: Vec<Record> = changes.get(self.led_changes..).unwrap_or_default().iter().map(convert::led).collect();
        self.led_changes = changes.len();
        for record in leds {
            self.record(record, instructions);
        }
        for FirstUse { time_ps, name, pc } in self.unmodelled.look(machine) {
            self.record(Record::Unmodelled { time_ps, name, pc }, instructions);
        }
        let now_ps = machine.now().time_ps;
        match &mut self.sink {
            Sink::Record(recorder) => recorder.advance(now_ps, instructions),
            Sink::Verify(verifier) => verifier.advance(now_ps, instructions),
        }
    }

    /// Bytes on the host's console.
    pub fn console(&mut self, machine: &Machine, time_ps: u64, bytes: &[u8]) {
        for byte in bytes {
            self.record(Record::Serial { time_ps, usart: 0, byte: *byte }, machine.instructions());
        }
    }

    /// Something is done to the machine.
    pub fn input(&mut self, machine: &Machine, time_ps: u64, what: String) {
        self.record(Record::Input { time_ps, what }, machine.instructions());
    }

    /// Something comes from the real network.
    pub fn inbound(&mut self, machine: &Machine, time_ps: u64, event: Inbound) {
        self.record(Record::Inbound { time_ps, event }, machine.instructions());
    }

    /// Something left for the real network.
    pub fn outbound(&mut self, machine: &Machine, time_ps: u64, event: Outbound) {
        self.record(Record::Outbound { time_ps, event }, machine.instructions());
    }

    /// Something that is wrong was found.
    pub fn finding(&mut self, time_ps: u64, kind: &str, text: &str) {
        let record = Record::Finding { time_ps, kind: kind.to_owned(), text: text.to_owned() };
        self.record(record, 0);
    }

    /// The run ended.
    pub fn finish(&mut self, machine: &mut Machine, reason: &str) {
        self.record(convert::exceptions(machine), machine.instructions());
        let end = EndRecord { state: convert::state(machine), reason: reason.to_owned() };
        match &mut self.sink {
            Sink::Record(recorder) => recorder.finish(end),
            Sink::Verify(verifier) => verifier.finish(&end),
        }
    }

    /// What is wrong, if something is.
    pub fn trouble(&self) -> Option<Trouble> {
        match &self.sink {
            Sink::Record(recorder) => recorder.lost().map(|text| Trouble::Lost(text.to_owned())),
            Sink::Verify(verifier) => verifier.trouble(),
        }
    }

    /// The comparison, if this is one.
    pub fn verifier(&self) -> Option<&Verifier> {
        match &self.sink {
            Sink::Record(_) => None,
            Sink::Verify(verifier) => Some(verifier),
        }
    }

    fn record(&mut self, record: Record, instructions: u64) {
        match &mut self.sink {
            Sink::Record(recorder) => recorder.record(&record),
            Sink::Verify(verifier) => verifier.compare(record, instructions),
        }
    }
}
