//! CoAP (RFC 7252) as the vendor's devices speak it: what arrives sorted by its meaning, and the messages sent to them.

use coap_lite::{CoapOption, MessageClass, MessageType, Packet};
use serde::{Deserialize, Serialize};

/// Longest message sent to a device: its buffer has 800 bytes, from which DTLS takes 29.
pub const MESSAGE_BYTES_MAX: usize = 740;

/// Codes (RFC 7252 section 12.1), as class and detail in one byte.
#[allow(missing_docs)]
pub mod code {
    pub const EMPTY: u8 = 0x00;
    pub const GET: u8 = 0x01;
    pub const POST: u8 = 0x02;
    pub const PUT: u8 = 0x03;
    pub const CHANGED: u8 = 0x44;
    pub const CONTENT: u8 = 0x45;
    pub const BAD_REQUEST: u8 = 0x80;
    pub const NOT_FOUND: u8 = 0x84;
}

/// A request from a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Whether it wants an acknowledgement.
    pub is_confirmable: bool,
    /// Message id.
    pub id: u16,
    /// Token.
    pub token: Vec<u8>,
    /// GET, POST, PUT or another of [`code`].
    pub method: u8,
    /// Uri-Path.
    pub path: Vec<Vec<u8>>,
    /// Uri-Query.
    pub query: Vec<Vec<u8>>,
    /// Max-Age in seconds.
    pub max_age_s: Option<u32>,
    /// Payload.
    pub payload: Vec<u8>,
}

/// A response from a device, in an acknowledgement or by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// Code, see [`code`].
    pub code: u8,
    /// Token of the request.
    pub token: Vec<u8>,
    /// Payload.
    pub payload: Vec<u8>,
}

/// A message from a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// An empty confirmable message: it wants an acknowledgement and nothing else.
    Ping {
        /// Message id.
        id: u16,
    },
    /// An acknowledgement, with the response if it has come to one.
    Acknowledgement {
        /// Message id of what it acknowledges.
        id: u16,
        /// The response.
        response: Option<Response>,
    },
    /// What it was sent means nothing to it.
    Reset {
        /// Message id of that.
        id: u16,
    },
    /// A request.
    Request(Request),
    /// A response by itself.
    Response {
        /// Whether it wants an acknowledgement.
        is_confirmable: bool,
        /// Message id.
        id: u16,
        /// The response.
        response: Response,
    },
}

/// Reads a message; `None` if it is none.
pub fn read(bytes: &[u8]) -> Option<Incoming> {
    const VERSION: u8 = 1;
    let packet = Packet::from_bytes(bytes).ok().filter(|packet| packet.header.get_version() == VERSION)?;
    let id = packet.header.message_id;
    let code = u8::from(packet.header.code);
    let is_response = code >= 0x40;
    let token = packet.get_token().to_vec();
    let options = |option: CoapOption| -> Vec<Vec<u8>> {
        packet.get_option(option).map(|values| values.iter().cloned().collect()).unwrap_or_default()
    };
    Some(match (packet.header.get_type(), code) {
        (MessageType::Confirmable, code::EMPTY) => Incoming::Ping { id },
        (MessageType::Acknowledgement, _) => {
            let response = is_response.then_some(Response { code, token, payload: packet.payload });
            Incoming::Acknowledgement { id, response }
        }
        (MessageType::Reset, _) => Incoming::Reset { id },
        (MessageType::NonConfirmable, code::EMPTY) => return None,
        (kind, _) if is_response => {
            let is_confirmable = kind == MessageType::Confirmable;
            Incoming::Response { is_confirmable, id, response: Response { code, token, payload: packet.payload } }
        }
        (kind, method) => Incoming::Request(Request {
            is_confirmable: kind == MessageType::Confirmable,
            id,
            token,
            method,
            path: options(CoapOption::UriPath),
            query: options(CoapOption::UriQuery),
            max_age_s: options(CoapOption::MaxAge).first().map(|value| number(value)),
            payload: packet.payload,
        }),
    })
}

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |value, byte| (value << 8) | u32::from(*byte))
}

fn packet(kind: MessageType, code: u8, id: u16, token: &[u8]) -> Packet {
    let mut packet = Packet::new();
    packet.header.set_type(kind);
    packet.header.code = MessageClass::from(code);
    packet.header.message_id = id;
    packet.set_token(token.to_vec());
    packet
}

fn bytes(packet: &Packet) -> Vec<u8> {
    // The only error is a length that callers keep far below the limit.
    packet.to_bytes_unlimited().unwrap_or_default()
}

/// An empty acknowledgement.
pub fn acknowledgement(id: u16) -> Vec<u8> {
    bytes(&packet(MessageType::Acknowledgement, code::EMPTY, id, &[]))
}

/// An acknowledgement with the response.
pub fn response(id: u16, token: &[u8], code: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = packet(MessageType::Acknowledgement, code, id, token);
    packet.payload = payload.to_vec();
    bytes(&packet)
}

/// An empty confirmable message.
pub fn ping(id: u16) -> Vec<u8> {
    bytes(&packet(MessageType::Confirmable, code::EMPTY, id, &[]))
}

/// A confirmable request with a token of one byte, the only length that devices read.
pub fn request(id: u16, token: u8, method: u8, path: &[&[u8]], query: &[&[u8]], payload: &[u8]) -> Vec<u8> {
    with_options(packet(MessageType::Confirmable, method, id, &[token]), path, query, payload)
}

/// The same without acknowledgement.
pub fn notification(id: u16, token: u8, method: u8, path: &[&[u8]], query: &[&[u8]], payload: &[u8]) -> Vec<u8> {
    with_options(packet(MessageType::NonConfirmable, method, id, &[token]), path, query, payload)
}

/// A code as RFC 7252 writes it: class and detail.
pub fn code_text(code: u8) -> String {
    format!("{}.{:02}", code >> 5, code & 31)
}

fn with_options(mut packet: Packet, path: &[&[u8]], query: &[&[u8]], payload: &[u8]) -> Vec<u8> {
    for part in path {
        packet.add_option(CoapOption::UriPath, part.to_vec());
    }
    for part in query {
        packet.add_option(CoapOption::UriQuery, part.to_vec());
    }
    packet.payload = payload.to_vec();
    bytes(&packet)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn messages_are_those_of_the_vendor_s_devices() {
        let event = b"\x40\x02\x00\x05\xb1E\x05motor\x33\x00\x00\x3c\xff42";
        let Some(Incoming::Request(request)) = read(event) else { panic!() };
        assert!(request.is_confirmable && request.token.is_empty());
        assert_eq!((request.id, request.method, request.max_age_s), (5, code::POST, Some(60)));
        assert_eq!(request.path, [b"E".to_vec(), b"motor".to_vec()]);
        assert_eq!(request.payload, b"42");
        assert_eq!(read(b"\x40\x00\x01\x02"), Some(Incoming::Ping { id: 0x0102 }));
        let response = Response { code: code::CHANGED, token: vec![9], payload: vec![0, 0, 0, 1] };
        let expected = Incoming::Response { is_confirmable: true, id: 7, response };
        assert_eq!(read(b"\x41\x44\x00\x07\x09\xff\x00\x00\x00\x01"), Some(expected));
    }

    #[test]
    fn answers_have_the_bytes_that_devices_look_at() {
        assert_eq!(acknowledgement(0x1234), b"\x60\x00\x12\x34");
        assert_eq!(response(1, &[7], code::CONTENT, &[1, 2, 3, 4]), b"\x61\x45\x00\x01\x07\xff\x01\x02\x03\x04");
        assert_eq!(request(2, 9, code::GET, &[b"d"], &[], &[]), b"\x41\x01\x00\x02\x09\xb1d");
        let call = request(2, 9, code::POST, &[b"f", b"brew"], &[b"now"], &[]);
        assert_eq!(call, b"\x41\x02\x00\x02\x09\xb1f\x04brew\x43now");
        assert_eq!(ping(3), b"\x40\x00\x00\x03");
        let chunk = notification(2, 9, code::POST, &[b"c"], &[b"CRC4", b"\x00\x07"], &[1, 2, 3, 4]);
        assert_eq!(chunk, b"\x51\x02\x00\x02\x09\xb1c\x44CRC4\x02\x00\x07\xff\x01\x02\x03\x04");
        assert_eq!(code_text(0xa3), "5.03");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes: Vec<u8>) {
            let _ = read(&bytes);
        }

        #[test]
        fn damaged_messages_are_read(at in 0usize..19, value: u8, length in 0usize..20) {
            let mut event = b"\x40\x02\x00\x05\xb1E\x05motor\x33\x00\x00\x3c\xff42".to_vec();
            event[at] = value;
            let _ = read(&event);
            let _ = read(&event[..length]);
        }
    }
}
