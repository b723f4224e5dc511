//! Intel HEX: record types 00 to 05, checksums verified.

use crate::image::Segment;

/// What is wrong with an Intel HEX file, and in which line (counted from 1).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HexError {
    /// A line is not a record with a right checksum.
    #[error("line {line}: {reason}; write the file again with the tool that made it")]
    Record {
        /// The line.
        line: usize,
        /// What was wrong with it.
        reason: String,
    },
    /// Two records fill the same byte.
    #[error("line {line}: address {address:#010x} was already filled by an earlier record")]
    Overlap {
        /// The line.
        line: usize,
        /// First address filled twice.
        address: u32,
    },
    /// A record reaches past the 32-bit address space.
    #[error("line {line}: the record reaches past address 0xffffffff")]
    AddressOverflow {
        /// The line.
        line: usize,
    },
    /// Something follows the end-of-file record.
    #[error("line {line}: a record after the end-of-file record; was one file appended to another?")]
    AfterEnd {
        /// The line.
        line: usize,
    },
    /// No end-of-file record.
    #[error("no end-of-file record (:00000001FF) in {lines} lines: the file is cut short")]
    NoEnd {
        /// Lines read.
        lines: usize,
    },
    /// Not a text file.
    #[error("byte {offset} is not ASCII: this is not an Intel HEX file")]
    NotText {
        /// Offset of the byte.
        offset: usize,
    },
}

/// The contents of an Intel HEX file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HexFile {
    /// Runs of adjacent bytes, in order of address.
    pub segments: Vec<Segment>,
    /// Start address of record type 03 (as CS × 16 + IP) or 05.
    pub entry: Option<u32>,
}

/// Whether data look like Intel HEX: the first character is a colon.
pub fn looks_like_hex(bytes: &[u8]) -> bool {
    bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':')
}

/// Reads an Intel HEX file.
pub fn parse(bytes: &[u8]) -> Result<HexFile, HexError> {
    if let Some(offset) = bytes.iter().position(|byte| !byte.is_ascii()) {
        return Err(HexError::NotText { offset });
    }
    let text = std::str::from_utf8(bytes).map_err(|e| HexError::NotText { offset: e.valid_up_to() })?;
    let mut records: Vec<(u32, usize, Vec<u8>)> = Vec::new();
    let mut entry = None;
    let mut base = Base::Linear(0);
    let mut ended = false;
    let mut lines = 0;
    for (index, text) in text.lines().enumerate() {
        let line = index + 1;
        lines = line;
        let text = text.trim();
        if text.is_empty() {
            continue;
        }
        if ended {
            return Err(HexError::AfterEnd { line });
        }
        let record = ihex::Record::from_record_string(text)
            .map_err(|error| HexError::Record { line, reason: error.to_string() })?;
        match record {
            ihex::Record::Data { offset, value } => base.place(line, offset, value, &mut records)?,
            ihex::Record::EndOfFile => ended = true,
            ihex::Record::ExtendedSegmentAddress(segment) => base = Base::Segment(segment),
            ihex::Record::ExtendedLinearAddress(high) => base = Base::Linear(u32::from(high) << 16),
            ihex::Record::StartSegmentAddress { cs, ip } => entry = Some((u32::from(cs) << 4) + u32::from(ip)),
            ihex::Record::StartLinearAddress(address) => entry = Some(address),
        }
    }
    if !ended {
        return Err(HexError::NoEnd { lines });
    }
    Ok(HexFile { segments: join(records)?, entry })
}

/// What a data record's 16-bit offset is added to.
enum Base {
    Segment(u16),
    Linear(u32),
}

impl Base {
    fn place(
        &self,
        line: usize,
        offset: u16,
        mut value: Vec<u8>,
        records: &mut Vec<(u32, usize, Vec<u8>)>,
    ) -> Result<(), HexError> {
        if value.is_empty() {
            return Ok(());
        }
        match *self {
            Base::Linear(high) => {
                let address = high + u32::from(offset);
                let last = u32::try_from(value.len() - 1).ok().and_then(|more| address.checked_add(more));
                if last.is_none() {
                    return Err(HexError::AddressOverflow { line });
                }
                records.push((address, line, value));
            }
            Base::Segment(segment) => {
                // Within a segment the offset wraps at 64 KB.
                let start = u32::from(segment) << 4;
                let before_wrap = value.len().min(0x1_0000 - usize::from(offset));
                let wrapped = value.split_off(before_wrap);
                records.push((start + u32::from(offset), line, value));
                if !wrapped.is_empty() {
                    records.push((start, line, wrapped));
                }
            }
        }
        Ok(())
    }
}

/// Sorts records by address and joins the adjacent ones.
fn join(mut records: Vec<(u32, usize, Vec<u8>)>) -> Result<Vec<Segment>, HexError> {
    records.sort_by_key(|(address, line, _)| (*address, *line));
    let mut segments: Vec<Segment> = Vec::new();
    for (address, line, value) in records {
        match segments.last_mut() {
            Some(last) if last.end() > u64::from(address) => return Err(HexError::Overlap { line, address }),
            Some(last) if last.end() == u64::from(address) => last.bytes.extend(value),
            _ => segments.push(Segment { address, bytes: value }),
        }
    }
    Ok(segments)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn all_record_types_are_understood() {
        let text = ":020000040800F2\r\n:04001000DEADBEEFB4\r\n:0400140001020304DE\n:0400000508000011DE\n:00000001FF\n";
        let file = parse(text.as_bytes()).unwrap();
        assert_eq!(file.segments, [Segment { address: 0x0800_0010, bytes: vec![0xde, 0xad, 0xbe, 0xef, 1, 2, 3, 4] }]);
        assert_eq!(file.entry, Some(0x0800_0011));
        let text = ":020000021000EC\n:01000000AA55\n:0400000310000004E5\n:00000001FF";
        let file = parse(text.as_bytes()).unwrap();
        assert_eq!(file.segments, [Segment { address: 0x1_0000, bytes: vec![0xaa] }]);
        assert_eq!(file.entry, Some(0x1_0004));
    }

    #[test]
    fn an_offset_wraps_inside_its_segment() {
        let file = parse(b":020000021000EC\n:02FFFF001122CD\n:00000001FF").unwrap();
        assert_eq!(
            file.segments,
            [Segment { address: 0x1_0000, bytes: vec![0x22] }, Segment { address: 0x1_ffff, bytes: vec![0x11] }]
        );
    }

    #[test]
    fn errors_name_the_line() {
        let line = |text: &str| match parse(text.as_bytes()) {
            Err(HexError::Record { line, .. } | HexError::Overlap { line, .. } | HexError::AfterEnd { line }) => line,
            other => panic!("{other:?}"),
        };
        assert_eq!(line(":020000040800F2\n:04001000DEADBEEFB5\n:00000001FF"), 2, "checksum");
        assert_eq!(line("\n:0100000001FE\n:0100000001FE\n:00000001FF"), 3, "overlap");
        assert_eq!(line(":00000001FF\n:0100000001FE"), 2, "after the end");
        assert_eq!(line(":00000006FA\n:00000001FF"), 1, "record type 06");
        assert_eq!(parse(b":0100000001FE\n"), Err(HexError::NoEnd { lines: 1 }));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }

        #[test]
        fn arbitrary_records_never_panic(
            records in prop::collection::vec((any::<u16>(), 0u8..7, prop::collection::vec(any::<u8>(), 0..20)), 0..20)
        ) {
            let mut text = String::new();
            for (offset, kind, data) in records {
                let mut line = vec![data.len() as u8];
                line.extend(offset.to_be_bytes());
                line.push(kind);
                line.extend(data);
                let sum = line.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
                line.push(sum.wrapping_neg());
                text += &format!(":{}\n", hex::encode_upper(line));
            }
            let _ = parse(text.as_bytes());
            text += ":00000001FF\n";
            let _ = parse(text.as_bytes());
        }

        #[test]
        fn what_was_written_is_read(address: u16, data in prop::collection::vec(any::<u8>(), 1..200)) {
            let mut records = vec![ihex::Record::ExtendedLinearAddress(0x0802)];
            let room = 0x1_0000 - usize::from(address);
            let data = &data[..data.len().min(room)];
            for (index, chunk) in data.chunks(16).enumerate() {
                records.push(ihex::Record::Data { offset: address + 16 * index as u16, value: chunk.to_vec() });
            }
            records.push(ihex::Record::EndOfFile);
            let text = ihex::create_object_file_representation(&records).unwrap();
            let file = parse(text.as_bytes()).unwrap();
            prop_assert_eq!(file.segments.len(), 1);
            prop_assert_eq!(file.segments[0].address, 0x0802_0000 + u32::from(address));
            prop_assert_eq!(file.segments[0].bytes.as_slice(), data);
        }
    }
}
