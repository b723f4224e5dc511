use std::io::Cursor;

use super::frame::HEADER_BYTES;
use super::*;
use crate::{Decision, Hash, Plan};

const S: u64 = 1_000_000_000_000;

fn blobs() -> Vec<Blob> {
    let big = (0..2_500_000u32).map(|i| (i.wrapping_mul(i) >> 7) as u8).collect();
    vec![
        Blob { name: "flash".to_owned(), source: BlobSource::Made, bytes: big, is_embedded: true },
        Blob {
            name: "new.bin".to_owned(),
            source: BlobSource::File("/tmp/new.bin".to_owned()),
            bytes: b"not embedded".to_vec(),
            is_embedded: false,
        },
        Blob { name: "empty".to_owned(), source: BlobSource::Made, bytes: Vec::new(), is_embedded: true },
    ]
}

fn head(blobs: &[Blob]) -> Head {
    Head {
        program: "lockstep 0.1.0".to_owned(),
        model: "1".to_owned(),
        seed: 7,
        plan: Plan::default(),
        start: StartState { time_ps: 0, instructions: 0, state: Hash([1; 32]), flash: Hash([2; 32]) },
        images: vec![ImageInfo { name: "a.bin".to_owned(), address: 0x0802_0000, length: 3, hash: Hash::of(b"abc") }],
        run: RunText { form: "arguments".to_owned(), version: 1, name: String::new(), text: "for_ps = 1\n".to_owned() },
        blobs: blobs.iter().map(Blob::info).collect(),
        hash_every: 1000,
        has_outside: false,
    }
}

fn at(time_ps: u64, text: &str) -> Record {
    Record::At { time_ps, direction: AtDirection::ToModem, bytes: text.as_bytes().to_vec() }
}

fn state(time_ps: u64, instructions: u64) -> StateRecord {
    StateRecord { time_ps, instructions, state: Hash::of(&instructions.to_le_bytes()), guest: Hash([0; 32]) }
}

fn end() -> EndRecord {
    EndRecord { state: state(10 * S, 10_000), reason: "time is up".to_owned() }
}

/// One record of several kinds a second, each second a frame.
fn records() -> Vec<Record> {
    let decision = |time_ps| Decision {
        time_ps,
        stream: "modem.power".to_owned(),
        number: 0,
        what: "boot_time_ms".to_owned(),
        low: 1,
        high: 9,
        value: 4,
    };
    (0..9)
        .flat_map(|s| [Record::Decision(decision(s * S)), at(s * S, "AT\r"), Record::State(state(s * S, s * 1000))])
        .collect()
}

fn written(blobs: &[Blob]) -> Vec<u8> {
    let mut writer = TraceWriter::new(Vec::new(), &head(blobs), blobs).unwrap();
    for record in &records() {
        writer.advance(record.time_ps(), record.time_ps() / S * 1000).unwrap();
        writer.push(record).unwrap();
    }
    writer.finish(end()).unwrap();
    writer.into_inner()
}

fn open(bytes: &[u8]) -> Result<TraceReader<Cursor<&[u8]>>, TraceError> {
    TraceReader::open(Cursor::new(bytes))
}

fn all_records(reader: &mut TraceReader<Cursor<&[u8]>>) -> Vec<Record> {
    (0..reader.frames().len()).flat_map(|place| reader.records(place).unwrap()).collect()
}

#[test]
fn a_trace_reads_as_it_was_written() {
    let blobs = blobs();
    let bytes = written(&blobs);
    let mut reader = open(&bytes).unwrap();
    assert_eq!(reader.head(), &head(&blobs));
    assert_eq!(reader.ending(), &Ending::Orderly);
    assert!(reader.has_index());
    let mut expected = records();
    expected.push(Record::End(end()));
    assert_eq!(all_records(&mut reader), expected);
    assert_eq!(reader.end().unwrap(), Some(end()));
    assert_eq!(reader.last_ps(), 10 * S);
    assert_eq!(reader.blob(0).unwrap().unwrap(), blobs[0].bytes);
    assert_eq!(reader.blob(1).unwrap(), None, "only its hash is there");
    assert_eq!(reader.blob(2).unwrap().unwrap(), b"");
    assert_eq!(reader.blob_named("new.bin"), Some(1));
    assert_eq!(reader.verify().unwrap(), []);
}

#[test]
fn a_frame_is_found_by_time_and_by_instruction() {
    let bytes = written(&[]);
    let mut reader = open(&bytes).unwrap();
    let place = reader.frame_at_ps(5 * S);
    assert!(reader.records(place).unwrap().iter().any(|record| record.time_ps() == 5 * S));
    let place = reader.frame_at_instruction(7000);
    let frame = reader.frames()[place];
    assert!(frame.first_instruction < 7000 && frame.last_instruction >= 7000, "{frame:?}");
    assert_eq!(reader.frame_at_ps(11 * S), reader.frames().len());
}

#[test]
fn a_killed_run_s_trace_is_read_to_its_last_whole_frame() {
    let bytes = written(&[]);
    let frames = open(&bytes).unwrap().frames().to_vec();
    let first = frames[0].end() as usize;
    for length in 0..bytes.len() {
        match open(&bytes[..length]) {
            Err(TraceError::NoHead { length: found }) => assert!(length < first && found == length as u64),
            Err(TraceError::NotATrace) => assert_eq!(length, 0),
            Err(error) => panic!("{length} bytes: {error}"),
            Ok(mut reader) => {
                let whole: Vec<_> = frames.iter().filter(|frame| frame.end() <= length as u64).copied().collect();
                assert_eq!(reader.frames(), whole, "{length} bytes");
                let rest = length as u64 - whole.last().unwrap().end();
                assert_eq!(reader.ending(), &Ending::Cut { bytes: rest });
                assert_eq!(reader.verify().unwrap(), []);
                let count: u32 = whole.iter().map(|frame| frame.records).sum();
                assert_eq!(all_records(&mut reader).len(), count as usize);
            }
        }
    }
}

#[test]
fn every_damaged_byte_is_found_and_what_is_whole_can_be_read() {
    let blobs = [Blob { bytes: b"0123456789".to_vec(), ..blobs()[0].clone() }];
    let bytes = written(&blobs);
    let whole = open(&bytes).unwrap().frames().to_vec();
    for place in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[place] ^= 0x40;
        let at = place as u64;
        let mut reader = match open(&damaged) {
            Err(error) => {
                assert!(at < whole[0].end(), "byte {place}: {error}");
                assert!(!error.to_string().is_empty());
                continue;
            }
            Ok(reader) => reader,
        };
        let hit = whole.iter().find(|frame| (frame.offset..frame.end()).contains(&at));
        let Some(hit) = hit else {
            assert!(matches!(reader.ending(), Ending::Damaged(_)), "byte {place} of the trailer");
            assert_eq!(all_records(&mut reader).len(), records().len() + 1);
            continue;
        };
        let damages = reader.verify().unwrap();
        assert!(damages.iter().any(|damage| (damage.frame, damage.offset) == (hit.number, hit.offset)), "byte {place}");
        // By the index, all but the frame that was hit is there. Without it the frames up to the one that was hit are.
        for (index, frame) in whole.iter().enumerate().filter(|(_, frame)| frame.number != hit.number) {
            if frame.kind == FrameKind::Records && reader.has_index() {
                assert!(reader.records(index).is_ok(), "byte {place}, frame {index}");
            }
        }
    }
}

#[test]
fn a_damaged_payload_hides_nothing_behind_it_even_without_an_index() {
    let bytes = written(&[]);
    let frames = open(&bytes).unwrap().frames().to_vec();
    let cut = frames[6].end() as usize;
    let mut damaged = bytes[..cut].to_vec();
    damaged[frames[3].offset as usize + HEADER_BYTES + 2] ^= 1;
    let mut reader = open(&damaged).unwrap();
    assert_eq!(reader.frames().len(), 7);
    assert!(reader.records(3).unwrap_err().to_string().contains("frame 3 of the trace, at byte"));
    assert!(reader.records(6).is_ok());
    assert_eq!(reader.verify().unwrap().len(), 1);
}

#[test]
fn frames_that_are_missing_moved_or_of_another_file_are_found() {
    let bytes = written(&[]);
    let frames = open(&bytes).unwrap().frames().to_vec();
    let part = |frame: FrameInfo| bytes[frame.offset as usize..frame.end() as usize].to_vec();
    let begin = bytes[..frames[1].end() as usize].to_vec();
    let reason = |file: &[u8]| match open(file).unwrap().ending() {
        Ending::Damaged(damage) => damage.reason.clone(),
        other => panic!("{other:?}"),
    };
    assert!(reason(&[begin.clone(), part(frames[3])].concat()).contains("one is missing"));
    assert!(reason(&[begin.clone(), part(frames[1])].concat()).contains("frame 1 stands here"));
    let mut other = head(&[]);
    other.seed = 8;
    let mut writer = TraceWriter::new(Vec::new(), &other, &[]).unwrap();
    writer.push(&at(0, "AT")).unwrap();
    writer.flush().unwrap();
    let whole = writer.whole_bytes() as usize;
    let other = writer.get_ref()[..whole].to_vec();
    let other_begin = open(&other).unwrap().frames()[0].end() as usize;
    assert!(reason(&[other[..other_begin].to_vec(), part(frames[1])].concat()).contains("not of this file"));
}

#[test]
fn what_is_no_trace_is_named() {
    let error = |bytes: &[u8]| open(bytes).err().unwrap().to_string();
    assert!(error(b"").contains("not a trace"));
    assert!(error(b"LKSTSNAP and more than sixteen bytes").contains("not a trace"));
    assert!(error(b"LKSTTRAC\x02\0\0\0\0\0\0\0").contains("written by a newer one"));
    assert!(error(b"LKSTTRAC\0\0\0\0\0\0\0\0").contains("version 0"));
    assert!(error(b"LKSTTRAC\x01\0\0\0\0\0\0\0").contains("cut short in its head"));
    assert!(error(b"LKST").contains("cut short in its head"));
}

/// A file whose head is right and whose one frame has this payload, with right checksums.
fn with_frame(stored: &[u8], plain_bytes: u32, records: u32, is_compressed: bool) -> Vec<u8> {
    let writer = TraceWriter::new(Vec::new(), &head(&[]), &[]).unwrap();
    let mut bytes = writer.get_ref().clone();
    let first = open(&bytes).unwrap().frames()[0];
    let id: [u8; CHECKSUM_BYTES] =
        *bytes[first.offset as usize + HEADER_BYTES - CHECKSUM_BYTES..].first_chunk().unwrap();
    let info = FrameInfo {
        kind: FrameKind::Records,
        number: 1,
        offset: first.end(),
        is_compressed,
        stored_bytes: stored.len() as u32,
        plain_bytes,
        records,
        first_ps: 0,
        last_ps: 0,
        first_instruction: 0,
        last_instruction: 0,
        payload: checksum(&[stored]),
    };
    bytes.extend(info.encode(&id));
    bytes.extend(stored);
    bytes
}

#[test]
fn a_payload_that_unpacks_to_more_than_it_says_is_refused() {
    let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 19).unwrap();
    assert!(bomb.len() < 10_000);
    let bytes = with_frame(&bomb, 1000, 10, true);
    assert!(open(&bytes).unwrap().records(1).unwrap_err().to_string().contains("cannot be unpacked"));
    let bytes = with_frame(&bomb, 64 << 20, 10, true);
    let mut reader = open(&bytes).unwrap();
    assert!(matches!(reader.ending(), Ending::Damaged(damage) if damage.reason.contains("is the most")));
    assert_eq!(reader.records(1).unwrap(), []);
    let bytes = with_frame(&[0; 8], 8, u32::MAX, false);
    assert!(matches!(open(&bytes).unwrap().ending(), Ending::Damaged(_)));
}

#[test]
fn a_full_disk_leaves_whole_frames() {
    struct Disk {
        bytes: Vec<u8>,
        room: usize,
    }
    impl std::io::Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let length = bytes.len().min(self.room - self.bytes.len());
            if length == 0 {
                return Err(std::io::ErrorKind::StorageFull.into());
            }
            self.bytes.extend(&bytes[..length]);
            Ok(length)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let disk = Disk { bytes: Vec::new(), room: 900 };
    let mut writer = TraceWriter::new(disk, &head(&[]), &[]).unwrap();
    let error = records()
        .iter()
        .find_map(|record| writer.advance(record.time_ps(), 0).and_then(|()| writer.push(record)).err());
    assert_eq!(error.unwrap().kind(), std::io::ErrorKind::StorageFull);
    let (bytes, whole) = (&writer.get_ref().bytes, writer.whole_bytes() as usize);
    assert_eq!(bytes.len(), 900);
    assert_eq!(open(bytes).unwrap().ending(), &Ending::Cut { bytes: (900 - whole) as u64 });
    assert!(whole > open(bytes).unwrap().frames()[0].end() as usize, "some records are there");
}

proptest::proptest! {
    #[test]
    fn hostile_frames_do_not_panic(stored: Vec<u8>, plain_bytes in 0u32..5_000_000, records in 0u32..70_000) {
        for is_compressed in [false, true] {
            let plain_bytes = if is_compressed { plain_bytes } else { stored.len() as u32 };
            let bytes = with_frame(&stored, plain_bytes, records, is_compressed);
            if let Ok(mut reader) = open(&bytes) {
                let _ = reader.verify();
                let _ = reader.end();
            }
        }
        // The same bytes as what a well-formed frame unpacks to.
        let packed = zstd::bulk::compress(&stored, 3).unwrap();
        let bytes = with_frame(&packed, stored.len() as u32, records, true);
        let _ = open(&bytes).unwrap().records(1);
    }

    #[test]
    fn several_damaged_places_do_not_panic(flips in proptest::collection::vec((0usize..100_000, 1u8..), 1..20), cut in 0usize..100_000) {
        let mut bytes = written(&[]);
        for (place, flip) in flips {
            let place = place % bytes.len();
            bytes[place] ^= flip;
        }
        bytes.truncate(bytes.len() - cut % bytes.len());
        if let Ok(mut reader) = open(&bytes) {
            let _ = reader.verify();
            for place in 0..reader.frames().len() {
                let _ = reader.records(place);
            }
        }
    }
}
