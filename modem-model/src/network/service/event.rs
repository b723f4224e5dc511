//! What an observer of the device service sees.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::coap::code_text;
use super::dtls::server::HandshakeError;
use crate::network::packet::Endpoint;

/// A device's name: 96 bits, the unique id of its microcontroller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DeviceId(pub [u8; 12]);

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What a device says of itself when it connects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Product.
    pub product_id: u16,
    /// Version of the product's firmware.
    pub product_version: u16,
    /// Bit 0: it was updated over the air; bit 1: diagnostics; bit 2: immediate updates.
    pub flags: u8,
    /// Platform: 10 is the Electron.
    pub platform: u16,
}

/// Something that happened at the service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CloudEventKind {
    /// A device begins a handshake.
    ClientHello {
        /// Whether it brought the cookie.
        has_cookie: bool,
    },
    /// A handshake is done.
    Handshake,
    /// A handshake failed.
    HandshakeFailed {
        /// Why.
        reason: String,
    },
    /// A device goes on in the session it had, after a reset.
    Resumed,
    /// A device is heard from another address or port; it is answered there from now on.
    AddressChanged {
        /// Where it is now.
        to: Endpoint,
    },
    /// A device goes on in a session that the service does not know.
    UnknownSession,
    /// A device connected and was acknowledged.
    Hello(Hello),
    /// A device wants events of this name.
    Subscribed {
        /// The name, or the beginning of it.
        filter: String,
    },
    /// A device asked for the time.
    Time {
        /// The answer, in seconds since 1970.
        unix_s: u32,
    },
    /// A device published an event.
    Published {
        /// Its name.
        name: String,
        /// Its data.
        data: String,
        /// Whether it is public.
        is_public: bool,
        /// Whether it wanted an acknowledgement.
        is_confirmable: bool,
    },
    /// A device described itself.
    Described {
        /// What it said, JSON.
        text: String,
    },
    /// A device asked whether the service is there, and was answered.
    Ping,
    /// A device answered a request of the service.
    Answered {
        /// The request's number.
        request: u64,
        /// Code of the answer: class and detail, `0x44` is 2.04.
        code: u8,
        /// The answer.
        payload: Vec<u8>,
    },
    /// A device did not answer a request, however often it was sent.
    Unanswered {
        /// The request's number.
        request: u64,
    },
    /// An update over the air begins: the device is told of it.
    UpdateBegun {
        /// The request's number.
        request: u64,
        /// Length of the image.
        bytes: u32,
        /// Its chunks.
        chunks: u32,
    },
    /// The device is ready for the update's chunks.
    UpdateReady {
        /// The request's number.
        request: u64,
        /// Whether the device wants them without acknowledging each.
        fast: bool,
    },
    /// More chunks of an update were sent, in slow mode also received: told at each tenth.
    UpdateProgress {
        /// The request's number.
        request: u64,
        /// Chunks sent.
        chunks_sent: u32,
        /// All chunks.
        chunks: u32,
    },
    /// The device wants chunks of an update again.
    UpdateChunksMissed {
        /// The request's number.
        request: u64,
        /// Their indices.
        chunks: Vec<u16>,
    },
    /// The device has the whole update; whether it takes it shows when it is back.
    UpdateDelivered {
        /// The request's number.
        request: u64,
    },
    /// An update came to nothing.
    UpdateFailed {
        /// The request's number.
        request: u64,
        /// Why.
        reason: String,
        /// The service lost the device after it had sent everything: the device may take the image nevertheless.
        may_have_it: bool,
    },
    /// A command of the operator goes on.
    Command {
        /// Its number.
        number: u64,
        /// As it was given.
        command: String,
        /// How it goes.
        progress: CommandProgress,
    },
    /// A device said that it ends its session, or that something is wrong.
    Alert {
        /// The alert's description: 0 is a normal end.
        description: u8,
    },
}

/// How a command of the operator goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandProgress {
    /// It takes effect.
    Begun,
    /// An image is sent.
    Sending {
        /// Its name.
        image: String,
        /// Which of the command's images it is, from 1.
        position: usize,
        /// How many there are.
        of: usize,
    },
    /// The device is back with an image.
    Applied {
        /// Its name.
        image: String,
    },
    /// It is done.
    Done {
        /// What came of it.
        answer: String,
    },
    /// It came to nothing.
    Failed {
        /// Why.
        reason: String,
    },
}

impl fmt::Display for CommandProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begun => f.write_str("begins"),
            Self::Sending { image, position, of } => write!(f, "sends {image}, {position} of {of}"),
            Self::Applied { image } => write!(f, "the device is back with {image}"),
            Self::Done { answer } => write!(f, "done, {answer}"),
            Self::Failed { reason } => write!(f, "failed, {reason}"),
        }
    }
}

/// Something that happened at the service, when, and to whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloudEvent {
    /// Virtual time in picoseconds.
    pub time_ps: u64,
    /// The device, once it has said its name.
    pub device_id: Option<DeviceId>,
    /// What happened.
    pub kind: CloudEventKind,
}

impl CloudEventKind {
    pub(super) fn handshake_failed(error: HandshakeError) -> Self {
        Self::HandshakeFailed { reason: error.to_string() }
    }
}

impl fmt::Display for CloudEventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClientHello { has_cookie: false } => f.write_str("ClientHello"),
            Self::ClientHello { has_cookie: true } => f.write_str("ClientHello with cookie"),
            Self::Handshake => f.write_str("handshake done"),
            Self::HandshakeFailed { reason } => write!(f, "handshake failed: {reason}"),
            Self::Resumed => f.write_str("session resumed"),
            Self::AddressChanged { to } => write!(f, "the device is now at {to}"),
            Self::UnknownSession => f.write_str("session unknown, no answer"),
            Self::Hello(hello) => write!(
                f,
                "hello: product {} version {} platform {} flags {:#04x}",
                hello.product_id, hello.product_version, hello.platform, hello.flags
            ),
            Self::Subscribed { filter } => write!(f, "subscribed to {filter:?}"),
            Self::Time { unix_s } => write!(f, "time: {unix_s}"),
            Self::Published { name, data, is_public, .. } => {
                write!(f, "{} event {name:?}: {data:?}", if *is_public { "public" } else { "private" })
            }
            Self::Described { text } => write!(f, "description: {text}"),
            Self::Ping => f.write_str("ping"),
            Self::Answered { request, code, payload } => {
                write!(f, "answer to request {request}: {} {}", code_text(*code), payload.escape_ascii())
            }
            Self::UpdateBegun { request, bytes, chunks } => {
                write!(f, "update, request {request}: {bytes} bytes in {chunks} chunks")
            }
            Self::UpdateReady { request, fast } => {
                let mode = if *fast { "fast" } else { "slow" };
                write!(f, "update, request {request}: the device is ready, {mode} mode")
            }
            Self::UpdateProgress { request, chunks_sent, chunks } => {
                write!(f, "update, request {request}: chunk {chunks_sent} of {chunks}")
            }
            Self::UpdateChunksMissed { request, chunks } => {
                let shown: Vec<String> = chunks.iter().take(12).map(u16::to_string).collect();
                let more = if chunks.len() > shown.len() { " …" } else { "" };
                let count = chunks.len();
                write!(f, "update, request {request}: {count} chunks are missing: {}{more}", shown.join(" "))
            }
            Self::UpdateDelivered { request } => write!(f, "update, request {request}: the device has it"),
            Self::UpdateFailed { request, reason, .. } => write!(f, "update, request {request}: failed, {reason}"),
            Self::Unanswered { request } => write!(f, "no answer to request {request}"),
            Self::Command { number, command, progress } => write!(f, "command {number}, {command}: {progress}"),
            Self::Alert { description: 0 } => f.write_str("session ended by the device"),
            Self::Alert { description } => write!(f, "alert {description}"),
        }
    }
}
