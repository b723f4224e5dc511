//! What stands before the bytes of a record, by link type.

use super::{Way, unix_time};

/// Of Wireshark's exported PDUs: the dissector's name, the direction on a point-to-point link, the end of the tags.
const TAG_DISSECTOR_NAME: u16 = 12;
const TAG_DIRECTION: u16 = 35;
const TAG_END: u16 = 0;

/// LINKTYPE_WIRESHARK_UPPER_PDU: bytes for a dissector that is named.
pub fn upper_pdu(dissector: &str, way: Way, bytes: &[u8]) -> Vec<u8> {
    let direction: u32 = match way {
        Way::Out => 0,
        Way::In => 1,
    };
    let mut record = Vec::with_capacity(bytes.len() + 20);
    tag(&mut record, TAG_DISSECTOR_NAME, dissector.as_bytes());
    tag(&mut record, TAG_DIRECTION, &direction.to_be_bytes());
    tag(&mut record, TAG_END, &[]);
    record.extend_from_slice(bytes);
    record
}

/// The length counts the zeros that fill the last word.
fn tag(record: &mut Vec<u8>, tag: u16, value: &[u8]) {
    let length = value.len().next_multiple_of(4);
    record.extend(tag.to_be_bytes());
    record.extend(u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
    record.extend_from_slice(value);
    record.resize(record.len() + length - value.len(), 0);
}

/// What a record of the serial line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SerialEvent {
    /// A control line changed.
    StatusChange = 0,
    /// Characters that the host sends, from the first one's start.
    TransmitStart = 1,
    /// Characters that the host receives.
    ReceiveStart = 2,
}

/// The two control lines that a modem's host uses here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlLines {
    /// The host can receive.
    pub rts: bool,
    /// The modem can receive.
    pub cts: bool,
}

/// LINKTYPE_RTAC_SERIAL: time in seconds and microseconds, event, control lines, two reserved octets, characters.
pub fn rtac_serial(time_ps: u64, event: SerialEvent, lines: ControlLines, bytes: &[u8]) -> Vec<u8> {
    const CTS: u8 = 0x01;
    const RTS: u8 = 0x08;
    let time = unix_time(time_ps);
    let mut record = Vec::with_capacity(bytes.len() + 12);
    record.extend(u32::try_from(time.as_secs()).unwrap_or(u32::MAX).to_be_bytes());
    record.extend(time.subsec_micros().to_be_bytes());
    record.push(event as u8);
    record.push((u8::from(lines.cts) * CTS) | (u8::from(lines.rts) * RTS));
    record.extend([0, 0]);
    record.extend_from_slice(bytes);
    record
}
