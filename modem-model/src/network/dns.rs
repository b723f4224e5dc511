//! DNS (RFC 1035): a server that answers A queries from a table, and the messages a resolver needs.

use std::net::Ipv4Addr;

use nom::bytes::complete::take;
use nom::multi::length_data;
use nom::number::complete::{be_u8, be_u16, be_u32};
use nom::{IResult, Parser};
use serde::{Deserialize, Serialize};

use super::directory;
use super::packet::{Packet, Payload};
use super::peer::PeerOutput;

const TYPE_A: u16 = 1;
const CLASS_IN: u16 = 1;
const NAME_OCTETS_MAX: usize = 255;
/// Time to live of all answers.
const TTL_S: u32 = 60;

/// One line of the server's table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsRecord {
    /// A name, or `*.` and a name for everything below it.
    pub name: String,
    /// Its address.
    pub address: Ipv4Addr,
}

impl DnsRecord {
    fn matches(&self, name: &str) -> bool {
        match self.name.strip_prefix('*') {
            Some(suffix) => {
                name.len() > suffix.len()
                    && name.get(name.len() - suffix.len()..).is_some_and(|end| end.eq_ignore_ascii_case(suffix))
            }
            None => self.name.eq_ignore_ascii_case(name),
        }
    }
}

/// The server. The first matching line of its table answers; other names do not exist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsServer {
    /// The table.
    pub records: Vec<DnsRecord>,
}

impl Default for DnsServer {
    /// Everything below `particle.io` has one address (from a range reserved for documentation); then there are the
    /// names of the [`directory`].
    fn default() -> Self {
        let names = std::iter::once(("*.particle.io", Self::DEVICE_SERVICE)).chain(directory::NAMES);
        Self { records: names.map(|(name, address)| DnsRecord { name: name.to_owned(), address }).collect() }
    }
}

impl DnsServer {
    /// The address of everything below `particle.io`: where the device service is, if there is one.
    pub const DEVICE_SERVICE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 10);

    /// The name that a query asks an address for, if the table does not know it.
    pub(crate) fn unknown_name(&self, query: &[u8]) -> Option<String> {
        let (rest, header) = header(query).ok()?;
        if header.flags & 0xf800 != 0 || header.questions != 1 {
            return None;
        }
        let (_, question) = question(rest).ok()?;
        let is_unknown = (question.class, question.kind) == (CLASS_IN, TYPE_A)
            && !self.records.iter().any(|record| record.matches(&question.name));
        is_unknown.then_some(question.name)
    }

    pub(super) fn receive(&mut self, packet: &Packet, output: &mut PeerOutput) {
        let Payload::Udp(query) = &packet.payload else { return };
        if let Some(answer) = self.answer(query) {
            output.reply(packet, Payload::Udp(answer));
        }
    }

    /// The answer to a query; `None` to something that is not one, which a server drops.
    pub fn answer(&self, query: &[u8]) -> Option<Vec<u8>> {
        let (_, header) = header(query).ok()?;
        if header.flags & 0x8000 != 0 {
            return None;
        }
        let opcode = header.flags & 0x7800;
        let question = query.get(12..).filter(|_| header.questions == 1 && opcode == 0).and_then(|q| question(q).ok());
        let Some((rest, question)) = question else {
            // FORMERR, or NOTIMP for anything but a standard query.
            let code = if opcode == 0 { 1 } else { 4 };
            return Some(message(header.id, 0x8080 | opcode | code, 0, &[], &[]));
        };
        let question_bytes = query.get(12..query.len() - rest.len()).unwrap_or_default();
        let found = self.records.iter().find(|r| r.matches(&question.name));
        let mut flags = 0x8080 | (header.flags & 0x0100);
        let addresses = match found {
            Some(record) if question.class == CLASS_IN && question.kind == TYPE_A => vec![record.address],
            Some(_) => vec![],
            None => {
                flags |= 3;
                vec![]
            }
        };
        Some(message(header.id, flags, 1, question_bytes, &addresses))
    }
}

/// How a query went (RFC 1035 4.1.1, RCODE).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResponseCode {
    NoError = 0,
    NoSuchName = 3,
    Refused = 5,
}

/// The answer to a query for a name with these addresses; `None` to something that is no query with one question.
pub(crate) fn respond(query: &[u8], code: ResponseCode, addresses: &[Ipv4Addr]) -> Option<Vec<u8>> {
    let (_, header) = header(query).ok()?;
    let body = query.get(12..).filter(|_| header.flags & 0x8000 == 0 && header.questions == 1)?;
    let (rest, _) = question(body).ok()?;
    let question_bytes = body.get(..body.len() - rest.len())?;
    // A server that asks others has recursion available.
    let flags = 0x8080 | (header.flags & 0x0100) | code as u16;
    Some(message(header.id, flags, 1, question_bytes, addresses))
}

/// An A query.
pub(crate) fn query(id: u16, name: &str) -> Option<Vec<u8>> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let mut question = Vec::new();
    for label in name.split('.') {
        let length = u8::try_from(label.len()).ok().filter(|&l| (1..=63).contains(&l))?;
        question.push(length);
        question.extend_from_slice(label.as_bytes());
    }
    question.push(0);
    if question.len() > NAME_OCTETS_MAX {
        return None;
    }
    question.extend_from_slice(&TYPE_A.to_be_bytes());
    question.extend_from_slice(&CLASS_IN.to_be_bytes());
    Some(message(id, 0x0100, 1, &question, &[]))
}

/// The first address of a response to query `id`: `Some(None)` says that there is none, `None` that this is not the
/// response.
pub(crate) fn response_address(id: u16, bytes: &[u8]) -> Option<Option<Ipv4Addr>> {
    let (_, header) = header(bytes).ok()?;
    if header.id != id || header.flags & 0x8000 == 0 {
        return None;
    }
    if header.flags & 0xf != 0 {
        return Some(None);
    }
    let mut rest = bytes.get(12..)?;
    for _ in 0..header.questions {
        rest = question(rest).ok()?.0;
    }
    for _ in 0..header.answers {
        let (next, (kind, class, data)) = answer_record(rest).ok()?;
        if let (TYPE_A, CLASS_IN, &[a, b, c, d]) = (kind, class, data) {
            return Some(Some(Ipv4Addr::new(a, b, c, d)));
        }
        rest = next;
    }
    Some(None)
}

struct Header {
    id: u16,
    flags: u16,
    questions: u16,
    answers: u16,
}

struct Question {
    name: String,
    kind: u16,
    class: u16,
}

fn header(input: &[u8]) -> IResult<&[u8], Header> {
    let (rest, (id, flags, questions, answers, _, _)) =
        (be_u16, be_u16, be_u16, be_u16, be_u16, be_u16).parse(input)?;
    Ok((rest, Header { id, flags, questions, answers }))
}

/// A name without compression (questions of a single-question message have nothing to point to).
fn name(input: &[u8]) -> IResult<&[u8], String> {
    let mut labels = Vec::new();
    let mut rest = input;
    loop {
        let (next, length) = be_u8(rest)?;
        if length == 0 {
            return Ok((next, labels.join(".")));
        }
        if length > 63 || input.len() - next.len() > NAME_OCTETS_MAX {
            return Err(nom::Err::Error(nom::error::Error::new(rest, nom::error::ErrorKind::TooLarge)));
        }
        let (next, label) = take(length)(next)?;
        labels.push(String::from_utf8_lossy(label).into_owned());
        rest = next;
    }
}

fn question(input: &[u8]) -> IResult<&[u8], Question> {
    let (rest, (name, kind, class)) = (name, be_u16, be_u16).parse(input)?;
    Ok((rest, Question { name, kind, class }))
}

fn answer_record(input: &[u8]) -> IResult<&[u8], (u16, u16, &[u8])> {
    // The owner's name: either a pointer or labels; it is not looked at.
    let rest = match input.first() {
        Some(&first) if first >= 0xc0 => take(2usize)(input)?.0,
        _ => name(input)?.0,
    };
    let (rest, (kind, class, _ttl, data)) = (be_u16, be_u16, be_u32, length_data(be_u16)).parse(rest)?;
    Ok((rest, (kind, class, data)))
}

fn message(id: u16, flags: u16, questions: u16, question: &[u8], addresses: &[Ipv4Addr]) -> Vec<u8> {
    let answers = u16::try_from(addresses.len()).unwrap_or(u16::MAX);
    let mut bytes = Vec::new();
    for field in [id, flags, questions, answers, 0, 0] {
        bytes.extend_from_slice(&field.to_be_bytes());
    }
    bytes.extend_from_slice(question);
    for address in addresses {
        // A pointer to the question's name at offset 12.
        for field in [0xc00c, TYPE_A, CLASS_IN] {
            bytes.extend_from_slice(&field.to_be_bytes());
        }
        bytes.extend_from_slice(&TTL_S.to_be_bytes());
        bytes.extend_from_slice(&4u16.to_be_bytes());
        bytes.extend_from_slice(&address.octets());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_name_is_answered() {
        let server = DnsServer::default();
        let address = server.records[0].address;
        for name in ["abc.udp.particle.io", "device.Particle.IO"] {
            let answer = server.answer(&query(7, name).unwrap()).unwrap();
            assert_eq!(response_address(7, &answer), Some(Some(address)));
            assert_eq!(response_address(8, &answer), None, "another query's id");
        }
        for name in ["particle.io.example", "xparticle.io", "example.org"] {
            let answer = server.answer(&query(7, name).unwrap()).unwrap();
            assert_eq!(response_address(7, &answer), Some(None));
            assert_eq!(answer[3] & 0xf, 3, "NXDOMAIN");
        }
    }

    #[test]
    fn the_answer_has_the_bytes_of_the_transcript() {
        // Answer of at-transcript-2.2.0.txt to the query above it, but for our time to live.
        let records = vec![DnsRecord { name: "spike.example.test".to_owned(), address: [52, 91, 48, 237].into() }];
        let query = b"\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x05spike\x07example\x04test\x00\x00\x01\x00\x01";
        let answer = DnsServer { records }.answer(query).unwrap();
        assert_eq!(answer.len(), 52);
        assert_eq!(answer[..8], *b"\x00\x01\x81\x80\x00\x01\x00\x01");
        assert_eq!(answer[36..], *b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00<\x00\x044[0\xed");
    }

    #[test]
    fn names_that_cannot_be_asked() {
        assert_eq!(query(1, ""), None);
        assert_eq!(query(1, "a..b"), None);
        assert_eq!(query(1, &"a".repeat(64)), None);
    }

    #[test]
    fn what_the_table_does_not_know_can_be_answered_from_elsewhere() {
        let server = DnsServer::default();
        assert_eq!(server.unknown_name(&query(1, "a.particle.io").unwrap()), None);
        let asked = query(7, "broker.example").unwrap();
        assert_eq!(server.unknown_name(&asked), Some("broker.example".to_owned()));
        let address = Ipv4Addr::new(192, 0, 2, 9);
        let answer = respond(&asked, ResponseCode::NoError, &[address]).unwrap();
        assert_eq!(response_address(7, &answer), Some(Some(address)));
        assert_eq!(server.unknown_name(&answer), None, "a response is no query");
        let refused = respond(&asked, ResponseCode::Refused, &[]).unwrap();
        assert_eq!((response_address(7, &refused), refused[3] & 0xf), (Some(None), 5));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_answered_or_dropped(bytes: Vec<u8>) {
            let _ = DnsServer::default().answer(&bytes);
            let _ = DnsServer::default().unknown_name(&bytes);
            let _ = respond(&bytes, ResponseCode::NoError, &[]);
            let _ = response_address(0, &bytes);
        }
    }
}
