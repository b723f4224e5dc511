//! Traces that are damaged: told, never repeated as if they were whole.

use crate::command::{Folder, stdout};

#[test]
fn a_damaged_trace_is_told_and_replayed_as_far_as_it_is_whole() {
    let folder = Folder::new();
    folder.guest("guest.bin", 0);
    let arguments = ["guest.bin@0x08000000".to_owned()];
    folder.run(&arguments, &["--trace", "a.trace", "--for", "5s", "--hash-every", "1000000"]);
    let bytes = std::fs::read(folder.file("a.trace")).unwrap();
    let mut damaged = bytes.clone();
    let place = bytes.len() * 2 / 3;
    damaged[place] ^= 0x10;
    std::fs::write(folder.file("bad.trace"), &damaged).unwrap();
    let error = folder.refused(&["replay", "bad.trace"], &["bad.trace", "at byte", "give --until"]);
    let until = error.split("--until ").nth(1).unwrap().split_whitespace().next().unwrap();
    let replayed = folder.offline(&["replay", "bad.trace", "--until", until]);
    assert_eq!(replayed.status.code(), Some(0), "{}", stdout(&replayed));
    let info = folder.offline(&["trace", "info", "bad.trace"]);
    assert_eq!(info.status.code(), Some(2));
    assert!(stdout(&info).contains("DAMAGE"), "{}", stdout(&info));

    std::fs::write(folder.file("cut.trace"), &bytes[..place]).unwrap();
    let replayed = folder.offline(&["replay", "cut.trace"]);
    assert_eq!(replayed.status.code(), Some(0), "{}", stdout(&replayed));

    let mut newer = bytes;
    newer[8] = 99;
    std::fs::write(folder.file("newer.trace"), &newer).unwrap();
    folder.refused(&["replay", "newer.trace"], &["version 99", "newer"]);
    std::fs::write(folder.file("other.trace"), b"something else, long enough").unwrap();
    folder.refused(&["trace", "info", "other.trace"], &["not a trace"]);
    folder.refused(&["diff", "other.trace", "newer.trace"], &["other.trace", "not a trace"]);
}

#[test]
fn a_record_that_is_not_what_happens_is_a_divergence() {
    use lockstep_traces::trace::{Record, TraceReader, TraceWriter};
    let folder = Folder::new();
    folder.guest("guest.bin", 0);
    let arguments = ["guest.bin@0x08000000".to_owned(), "--trace-images".to_owned(), "none".to_owned()];
    folder.run(&arguments, &["--trace", "a.trace", "--for", "2s", "--hash-every", "1000000"]);
    let file = std::fs::File::open(folder.file("a.trace")).unwrap();
    let mut reader = TraceReader::open(file).unwrap();
    let records: Vec<Record> = (0..reader.frames().len()).flat_map(|place| reader.records(place).unwrap()).collect();
    let written = |change: &dyn Fn(usize, &mut Record) -> bool| {
        let mut writer = TraceWriter::new(Vec::new(), reader.head(), &[]).unwrap();
        for (number, mut record) in records.iter().cloned().enumerate() {
            if !change(number, &mut record) {
                continue;
            }
            match record {
                Record::End(end) => writer.finish(end).unwrap(),
                record => writer.push(&record).unwrap(),
            }
        }
        std::fs::write(folder.file("changed.trace"), writer.into_inner()).unwrap();
        folder.offline(&["replay", "changed.trace"])
    };
    assert_eq!(written(&|_, _| true).status.code(), Some(0));

    let states: Vec<usize> = (0..records.len()).filter(|number| matches!(records[*number], Record::State(_))).collect();
    let wrong = states[states.len() / 2];
    let other = written(&|number, record| {
        if let (true, Record::State(state)) = (number == wrong, record) {
            state.state.0[0] ^= 1;
        }
        true
    });
    let text = stdout(&other);
    assert_eq!(other.status.code(), Some(5), "{text}");
    let Record::State(equal) = &records[states[states.len() / 2 - 1]] else { panic!() };
    let says = format!("the last equal state is after {} instructions", equal.instructions);
    assert!(text.contains("divergence: recorded: ") && text.contains(&says), "{text}");

    let more = written(&|number, record| {
        if number == wrong {
            *record = Record::Serial { time_ps: record.time_ps(), usart: 1, byte: b'x' };
        }
        true
    });
    assert_eq!(more.status.code(), Some(5), "{}", stdout(&more));
    assert!(stdout(&more).contains("divergence"), "{}", stdout(&more));
}
