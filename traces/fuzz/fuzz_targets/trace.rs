//! Arbitrary bytes as a trace, and arbitrary damage to a whole one: the first bytes say where and how, so that the
//! checksums do not keep everything out.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use lockstep_traces::trace::{AtDirection, EndRecord, Head, Record, RunText, StartState, StateRecord};
use lockstep_traces::trace::{TraceReader, TraceWriter};
use lockstep_traces::{Hash, Plan, Recording};

fn read(bytes: &[u8]) {
    let Ok(mut reader) = TraceReader::open(Cursor::new(bytes)) else { return };
    let _ = reader.verify();
    let _ = reader.end();
    for place in 0..reader.frames().len() {
        let _ = reader.records(place);
    }
    for index in 0..reader.head().blobs.len() {
        let _ = reader.blob(index);
    }
}

/// A whole trace with these bytes as what was observed.
fn whole(observed: &[u8]) -> Vec<u8> {
    let head = Head {
        program: String::new(),
        model: String::new(),
        seed: 0,
        plan: Plan::default(),
        start: StartState { time_ps: 0, instructions: 0, state: Hash::default(), flash: Hash::default() },
        images: Vec::new(),
        run: RunText { form: String::new(), version: 1, name: String::new(), text: String::new() },
        blobs: Vec::new(),
        hash_every: 0,
        has_outside: false,
    };
    let mut writer = TraceWriter::new(Vec::new(), &head, &[]).expect("a vector takes all");
    for chunk in observed.chunks(16) {
        let record = Record::At { time_ps: 0, direction: AtDirection::FromModem, bytes: chunk.to_vec() };
        writer.push(&record).expect("a vector takes all");
        writer.flush().expect("a vector takes all");
    }
    let state = StateRecord { time_ps: 0, instructions: 0, state: Hash::default(), guest: Hash::default() };
    writer.finish(EndRecord { state, reason: String::new() }).expect("a vector takes all");
    writer.into_inner()
}

fuzz_target!(|data: &[u8]| {
    read(data);
    let _ = Recording::parse(data);
    let Some((damage, observed)) = data.split_at_checked(6) else { return };
    let mut bytes = whole(observed);
    let place = usize::from(u16::from_le_bytes([damage[0], damage[1]])) % bytes.len();
    let cut = usize::from(u16::from_le_bytes([damage[2], damage[3]])) % bytes.len();
    bytes[place] ^= damage[4];
    if damage[5] & 1 == 1 {
        bytes.truncate(cut);
    }
    read(&bytes);
});
