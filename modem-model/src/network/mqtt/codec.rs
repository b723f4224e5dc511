//! Control packets as bytes (chapters 2 and 3): what a client sends is read, what a server sends is written.
//!
//! Our own, because the broker must refuse what the standard forbids, and the codecs whose licences may be linked here
//! let some of it pass: mqtt-proto 0.4 takes filters such as `+a` and a password without a user name, mqtt-protocol-core
//! 0.7 takes the reserved connect flag (and brings 46 crates with it).

use nom::combinator::{all_consuming, cond, map_opt, verify};
use nom::multi::{length_data, many1};
use nom::number::complete::{be_u8, be_u16};
use nom::{IResult, Parser};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Message, Qos};

/// Longest packet taken, behind its fixed header. The standard's limit is 256 MB.
pub const PACKET_BYTES_MAX: usize = 65_536;

/// Why bytes are not a packet that a client may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum CodecError {
    /// More than four bytes of remaining length (section 2.2.3).
    #[error("remaining length of more than four bytes")]
    RemainingLength,
    /// Longer than is taken here.
    #[error("packet of {0} bytes; the longest taken has {PACKET_BYTES_MAX}")]
    TooLong(u32),
    /// A reserved type, or one that only a server sends.
    #[error("packet type {0} from a client")]
    Type(u8),
    /// Reserved flags of the fixed header (section 2.2.2), or quality of service 3.
    #[error("flags {flags:#x} of packet type {kind}")]
    Flags {
        /// Packet type.
        kind: u8,
        /// Its flags.
        flags: u8,
    },
    /// The protocol name is not MQTT's.
    #[error("unknown protocol name")]
    ProtocolName,
    /// Another version of MQTT than 3.1.1.
    #[error("protocol level {0} instead of 4")]
    ProtocolLevel(u8),
    /// Connect flags that contradict each other (section 3.1.2).
    #[error("connect flags {0:#x}")]
    ConnectFlags(u8),
    /// The content does not fill the packet, or not as it must.
    #[error("malformed packet of type {0}")]
    Malformed(u8),
}

/// Return code of a CONNACK (table 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConnectCode {
    /// 0.
    Accepted,
    /// 1.
    UnacceptableProtocol,
    /// 2.
    IdentifierRejected,
    /// 3.
    ServerUnavailable,
    /// 4.
    BadUserNameOrPassword,
    /// 5.
    NotAuthorized,
}

/// A CONNECT packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect {
    /// The client's name; may be empty.
    pub client_id: String,
    /// Start without, and leave no state.
    pub clean_session: bool,
    /// Longest silence that the client promises, in seconds; 0 promises nothing.
    pub keep_alive_s: u16,
    /// What to publish if the client goes without a DISCONNECT.
    pub will: Option<Message>,
    /// User name.
    pub user: Option<String>,
    /// Password.
    pub password: Option<Vec<u8>>,
}

/// What a client sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientPacket {
    /// 1.
    Connect(Box<Connect>),
    /// 3.
    Publish {
        /// Sent before, perhaps.
        dup: bool,
        /// Packet identifier; 0 at quality of service 0, which has none.
        id: u16,
        /// The message.
        message: Message,
    },
    /// 4.
    PubAck(u16),
    /// 5.
    PubRec(u16),
    /// 6.
    PubRel(u16),
    /// 7.
    PubComp(u16),
    /// 8.
    Subscribe {
        /// Packet identifier.
        id: u16,
        /// Filters and the highest quality of service wanted.
        filters: Vec<(String, Qos)>,
    },
    /// 10.
    Unsubscribe {
        /// Packet identifier.
        id: u16,
        /// Filters.
        filters: Vec<String>,
    },
    /// 12.
    PingReq,
    /// 14.
    Disconnect,
}

/// What a server sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerPacket {
    /// 2.
    ConnAck {
        /// The server has kept a session of the client.
        session_present: bool,
        /// Its answer.
        code: ConnectCode,
    },
    /// 3; fields as in [`ClientPacket::Publish`].
    #[allow(missing_docs)]
    Publish { dup: bool, id: u16, message: Message },
    /// 4.
    PubAck(u16),
    /// 5.
    PubRec(u16),
    /// 6.
    PubRel(u16),
    /// 7.
    PubComp(u16),
    /// 9.
    SubAck {
        /// Packet identifier of the SUBSCRIBE.
        id: u16,
        /// Per filter what was granted; `None` is a refusal.
        granted: Vec<Option<Qos>>,
    },
    /// 11.
    UnsubAck(u16),
    /// 13.
    PingResp,
}

/// The fixed header: type, flags, length of the header, length of what follows. `None` while bytes are missing.
fn fixed_header(input: &[u8]) -> Result<Option<(u8, u8, usize, usize)>, CodecError> {
    let Some((&first, lengths)) = input.split_first() else { return Ok(None) };
    let mut length = 0u32;
    for (n, &byte) in lengths.iter().take(4).enumerate() {
        length |= u32::from(byte & 0x7f) << (7 * n);
        if byte & 0x80 == 0 {
            return match usize::try_from(length) {
                Ok(whole) if whole <= PACKET_BYTES_MAX => Ok(Some((first >> 4, first & 0xf, n + 2, whole))),
                _ => Err(CodecError::TooLong(length)),
            };
        }
    }
    if lengths.len() >= 4 { Err(CodecError::RemainingLength) } else { Ok(None) }
}

/// The first packet in a client's bytes, and how many bytes it has; `None` while bytes are missing.
pub fn decode(input: &[u8]) -> Result<Option<(ClientPacket, usize)>, CodecError> {
    let Some((kind, flags, header, length)) = fixed_header(input)? else { return Ok(None) };
    // What is wrong by its first byte is refused before the rest has come.
    let flags_are_good = match kind {
        1 | 4 | 5 | 7 | 12 | 14 => flags == 0,
        6 | 8 | 10 => flags == 2,
        // DUP must be 0 where nothing is ever sent again (section 3.3.1.1).
        3 => flags & 6 != 6 && (flags & 6 != 0 || flags & 8 == 0),
        _ => return Err(CodecError::Type(kind)),
    };
    if !flags_are_good {
        return Err(CodecError::Flags { kind, flags });
    }
    let Some(body) = input.get(header..header + length) else { return Ok(None) };
    let malformed = CodecError::Malformed(kind);
    let packet = match kind {
        1 => connect(body)?,
        3 => publish(flags, body).ok_or(malformed)?,
        8 => {
            let filter = (text, map_opt(be_u8, Qos::from_number));
            let (_, (id, filters)) = all_consuming((packet_id, many1(filter))).parse(body).map_err(|_| malformed)?;
            ClientPacket::Subscribe { id, filters }
        }
        10 => {
            let (_, (id, filters)) = all_consuming((packet_id, many1(text))).parse(body).map_err(|_| malformed)?;
            ClientPacket::Unsubscribe { id, filters }
        }
        12 | 14 if !body.is_empty() => return Err(malformed),
        12 => ClientPacket::PingReq,
        14 => ClientPacket::Disconnect,
        _ => {
            let (_, id) = all_consuming(packet_id).parse(body).map_err(|_| malformed)?;
            match kind {
                4 => ClientPacket::PubAck(id),
                5 => ClientPacket::PubRec(id),
                6 => ClientPacket::PubRel(id),
                _ => ClientPacket::PubComp(id),
            }
        }
    };
    Ok(Some((packet, header + length)))
}

/// A string (section 1.5.3): UTF-8 without U+0000.
fn text(input: &[u8]) -> IResult<&[u8], String> {
    let (rest, bytes) = length_data(be_u16).parse(input)?;
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => Ok((rest, text.to_owned())),
        _ => Err(nom::Err::Error(nom::error::Error::new(input, nom::error::ErrorKind::Char))),
    }
}

/// A packet identifier (section 2.3.1), which is not 0.
fn packet_id(input: &[u8]) -> IResult<&[u8], u16> {
    verify(be_u16, |id| *id != 0).parse(input)
}

fn publish(flags: u8, body: &[u8]) -> Option<ClientPacket> {
    let qos = Qos::from_number(flags >> 1 & 3)?;
    let (rest, topic) = text(body).ok()?;
    let (payload, id) = if qos == Qos::AtMostOnce { (rest, 0) } else { packet_id(rest).ok()? };
    let message = Message { topic, payload: payload.to_vec(), qos, retain: flags & 1 != 0 };
    Some(ClientPacket::Publish { dup: flags & 8 != 0, id, message })
}

fn connect(body: &[u8]) -> Result<ClientPacket, CodecError> {
    const MALFORMED: CodecError = CodecError::Malformed(1);
    let head: IResult<&[u8], (&[u8], u8)> = (length_data(be_u16), be_u8).parse(body);
    let (rest, (name, level)) = head.map_err(|_| MALFORMED)?;
    // MQTT 3.1 had a longer name; such a client understands the answer that names the level.
    match (name, level) {
        (b"MQTT", 4) => {}
        (b"MQTT" | b"MQIsdp", _) => return Err(CodecError::ProtocolLevel(level)),
        _ => return Err(CodecError::ProtocolName),
    }
    let fixed: IResult<&[u8], (u8, u16, String)> = (be_u8, be_u16, text).parse(rest);
    let (rest, (flags, keep_alive_s, client_id)) = fixed.map_err(|_| MALFORMED)?;
    let has = |bit: u8| flags & bit != 0;
    let (has_will, has_user, has_password) = (has(0x04), has(0x80), has(0x40));
    let contradicts = has(0x01) || (!has_will && flags & 0x38 != 0) || (has_password && !has_user);
    let qos = Qos::from_number(flags >> 3 & 3).filter(|_| !contradicts).ok_or(CodecError::ConnectFlags(flags))?;
    let binary = || length_data::<_, nom::error::Error<&[u8]>, _>(be_u16);
    let tail = (cond(has_will, (text, binary())), cond(has_user, text), cond(has_password, binary()));
    let (_, (will, user, password)) = all_consuming(tail).parse(rest).map_err(|_| MALFORMED)?;
    let will = will.map(|(topic, payload)| Message { topic, payload: payload.to_vec(), qos, retain: has(0x20) });
    Ok(ClientPacket::Connect(Box::new(Connect {
        client_id,
        clean_session: has(0x02),
        keep_alive_s,
        will,
        user,
        password: password.map(<[u8]>::to_vec),
    })))
}

impl ServerPacket {
    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::ConnAck { session_present, code } => {
                let code = match code {
                    ConnectCode::Accepted => 0,
                    ConnectCode::UnacceptableProtocol => 1,
                    ConnectCode::IdentifierRejected => 2,
                    ConnectCode::ServerUnavailable => 3,
                    ConnectCode::BadUserNameOrPassword => 4,
                    ConnectCode::NotAuthorized => 5,
                };
                packet(0x20, &[&[u8::from(*session_present), code]])
            }
            Self::Publish { dup, id, message } => {
                let flags = u8::from(*dup) << 3 | message.qos.number() << 1 | u8::from(message.retain);
                // A topic came in a packet with a 16-bit length, or was checked when it was given.
                let topic_length = (message.topic.len() as u16).to_be_bytes();
                let id = id.to_be_bytes();
                let id: &[u8] = if message.qos == Qos::AtMostOnce { &[] } else { &id };
                packet(0x30 | flags, &[&topic_length, message.topic.as_bytes(), id, &message.payload])
            }
            Self::PubAck(id) => packet(0x40, &[&id.to_be_bytes()]),
            Self::PubRec(id) => packet(0x50, &[&id.to_be_bytes()]),
            Self::PubRel(id) => packet(0x62, &[&id.to_be_bytes()]),
            Self::PubComp(id) => packet(0x70, &[&id.to_be_bytes()]),
            Self::SubAck { id, granted } => {
                let codes: Vec<u8> = granted.iter().map(|qos| qos.map_or(0x80, Qos::number)).collect();
                packet(0x90, &[&id.to_be_bytes(), &codes])
            }
            Self::UnsubAck(id) => packet(0xb0, &[&id.to_be_bytes()]),
            Self::PingResp => packet(0xd0, &[]),
        }
    }
}

fn packet(first: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut length: usize = parts.iter().map(|part| part.len()).sum();
    loop {
        let low = (length & 0x7f) as u8;
        length >>= 7;
        bytes.push(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            break;
        }
    }
    bytes.extend(parts.iter().copied().flatten());
    bytes
}
