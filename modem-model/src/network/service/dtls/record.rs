//! The DTLS 1.2 record layer (RFC 6347 section 4.1) as bytes, and the window against replay.

use nom::bytes::complete::take;
use nom::number::complete::{be_u8, be_u16, be_u64};
use nom::{IResult, Parser};
use serde::{Deserialize, Serialize};

use super::crypto::RecordPlace;

/// Content type: ChangeCipherSpec.
pub const CHANGE_CIPHER_SPEC: u8 = 20;
/// Content type: alert.
pub const ALERT: u8 = 21;
/// Content type: handshake.
pub const HANDSHAKE: u8 = 22;
/// Content type: application data.
pub const APPLICATION_DATA: u8 = 23;
/// Content type of the vendor's clients: application data of a session continued from another address; the client's
/// name follows behind the record. Protected as [`APPLICATION_DATA`].
pub const CONTINUED: u8 = 254;
/// DTLS 1.2.
pub const VERSION: [u8; 2] = [0xfe, 0xfd];
/// Bytes of a device's name behind a [`CONTINUED`] record; a byte with their number follows.
pub const DEVICE_ID_BYTES: usize = 12;

/// One record of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Content type as sent.
    pub content_type: u8,
    /// Epoch.
    pub epoch: u16,
    /// Sequence number.
    pub sequence: u64,
    /// Payload, protected or not.
    pub payload: &'a [u8],
}

impl Record<'_> {
    /// What the protection covers: a continued session's records count as application data.
    pub fn place(&self) -> RecordPlace {
        let content_type = if self.content_type == CONTINUED { APPLICATION_DATA } else { self.content_type };
        RecordPlace { content_type, epoch: self.epoch, sequence: self.sequence }
    }
}

fn record(input: &[u8]) -> IResult<&[u8], Record<'_>> {
    let (rest, (content_type, major, _minor, number, length)) = (be_u8, be_u8, be_u8, be_u64, be_u16).parse(input)?;
    // A first ClientHello may say DTLS 1.0; the version that counts is inside the hello.
    if major != 0xfe {
        return Err(nom::Err::Error(nom::error::Error::new(input, nom::error::ErrorKind::Verify)));
    }
    let (rest, payload) = take(length)(rest)?;
    let record = Record { content_type, epoch: (number >> 48) as u16, sequence: number & 0xffff_ffff_ffff, payload };
    Ok((rest, record))
}

/// The records of a datagram, and the bytes behind the last whole one.
pub fn records(datagram: &[u8]) -> (Vec<Record<'_>>, &[u8]) {
    let mut records = Vec::new();
    let mut rest = datagram;
    while let Ok((next, found)) = record(rest) {
        rest = next;
        let is_last = found.content_type == CONTINUED;
        records.push(found);
        if is_last {
            break;
        }
    }
    (records, rest)
}

/// The device's name behind a continued session's record.
pub fn device_id(trailer: &[u8]) -> Option<[u8; DEVICE_ID_BYTES]> {
    let (id, length) = trailer.split_first_chunk::<DEVICE_ID_BYTES>()?;
    (length == [DEVICE_ID_BYTES as u8]).then_some(*id)
}

/// A record as bytes.
pub fn write(place: RecordPlace, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(13 + payload.len());
    bytes.push(place.content_type);
    bytes.extend(VERSION);
    let number = (u64::from(place.epoch) << 48) | (place.sequence & 0xffff_ffff_ffff);
    bytes.extend(number.to_be_bytes());
    // Our payloads are far below 64 KB: handshake messages, and CoAP messages of at most 1 KB.
    bytes.extend((payload.len() as u16).to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// Which of the last 64 sequence numbers have been seen (RFC 6347 section 4.1.2.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayWindow {
    /// One more than the highest number seen.
    next: u64,
    /// Bit n: `next - 1 - n` has been seen.
    seen: u64,
}

impl ReplayWindow {
    /// Whether a number is new and not too old.
    pub fn is_fresh(&self, sequence: u64) -> bool {
        match (self.next).checked_sub(sequence.saturating_add(1)) {
            None => true,
            Some(age) => age < 64 && self.seen & (1 << age) == 0,
        }
    }

    /// Notes the number of an authentic record.
    pub fn note(&mut self, sequence: u64) {
        let next = sequence.saturating_add(1);
        match next.checked_sub(self.next) {
            None | Some(0) => {
                let age = self.next - next;
                if age < 64 {
                    self.seen |= 1 << age;
                }
            }
            Some(ahead) => {
                self.seen = if ahead < 64 { self.seen << ahead } else { 0 } | 1;
                self.next = next;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_datagram_falls_into_records_and_a_trailer() {
        let place = |content_type, sequence| RecordPlace { content_type, epoch: 1, sequence };
        let mut datagram = write(place(22, 1), b"ab");
        datagram.extend(write(place(254, 0xffff_ffff_ffff), b"c"));
        datagram.extend([7; 12]);
        datagram.push(12);
        let (found, trailer) = records(&datagram);
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].content_type, found[0].epoch, found[0].sequence, found[0].payload),
            (22, 1, 1, &b"ab"[..])
        );
        assert_eq!(found[1].place(), place(23, 0xffff_ffff_ffff));
        assert_eq!(device_id(trailer), Some([7; 12]));
        assert_eq!(device_id(&trailer[1..]), None);
    }

    proptest! {
        #[test]
        fn the_window_lets_each_number_pass_once(numbers in prop::collection::vec(0u64..200, 0..300)) {
            let mut window = ReplayWindow::default();
            let mut passed = BTreeSet::new();
            for n in numbers {
                let highest = passed.last().copied();
                let expected = !passed.contains(&n) && highest.is_none_or(|h| n + 64 > h);
                prop_assert_eq!(window.is_fresh(n), expected);
                if expected {
                    window.note(n);
                    passed.insert(n);
                }
            }
        }

        #[test]
        fn any_datagram_is_read(datagram: Vec<u8>) {
            let (found, rest) = records(&datagram);
            let length: usize = found.iter().map(|r| r.payload.len() + 13).sum();
            prop_assert_eq!(length + rest.len(), datagram.len());
            let _ = device_id(rest);
        }
    }
}
