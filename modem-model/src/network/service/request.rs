//! What the service can ask of a device.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::coap::{self, MESSAGE_BYTES_MAX, code};
use super::event::DeviceId;
use super::update::IMAGE_BYTES_MAX;

/// A request to a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServerRequest {
    /// Whether it is there.
    Ping,
    /// What it is, can do and has: functions, variables, modules.
    Describe,
    /// Call a function that its application has registered; the answer is an int32, big-endian.
    Function {
        /// Name.
        name: String,
        /// Argument.
        argument: String,
    },
    /// The value of a variable that its application has registered.
    Variable {
        /// Name.
        name: String,
    },
    /// An event for its subscriptions.
    Event {
        /// Name.
        name: String,
        /// Data.
        data: String,
    },
    /// Shout rainbows with the LED, or stop it.
    Signal {
        /// Whether to begin.
        on: bool,
    },
    /// Forget the DTLS session: the next connection makes a new one.
    DiscardSession,
    /// Take this image over the air.
    Update {
        /// The image, as it comes to lie in the staging area.
        image: Vec<u8>,
    },
}

/// Why a request cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RequestError {
    /// No such device.
    #[error("device {0} has never connected to the service; ask after its hello")]
    UnknownDevice(DeviceId),
    /// The request is too long for a device's buffer.
    #[error("the request has {found} bytes, a device takes {MESSAGE_BYTES_MAX}: shorten its name or argument")]
    TooLong {
        /// Length of the message.
        found: usize,
    },
    /// An image that no device has room for.
    #[error("the image has {found} bytes; a device's staging area takes 1 to {IMAGE_BYTES_MAX}")]
    ImageLength {
        /// Length of the image.
        found: usize,
    },
    /// The device does not want the event.
    #[error("the device has not subscribed to {0:?}")]
    NotSubscribed(String),
    /// More commands than anybody gives.
    #[error("{0} commands are enough for one run")]
    TooMany(usize),
}

impl ServerRequest {
    /// The message that asks; an update has many.
    pub(super) fn message(&self, id: u16, token: u8) -> Vec<u8> {
        match self {
            Self::Ping => coap::ping(id),
            Self::Describe => coap::request(id, token, code::GET, &[b"d"], &[], &[]),
            Self::Function { name, argument } => {
                coap::request(id, token, code::POST, &[b"f", name.as_bytes()], &[argument.as_bytes()], &[])
            }
            Self::Variable { name } => coap::request(id, token, code::GET, &[b"v", name.as_bytes()], &[], &[]),
            Self::Event { name, data } => {
                coap::request(id, token, code::POST, &[b"E", name.as_bytes()], &[], data.as_bytes())
            }
            Self::Signal { on } => coap::request(id, token, code::PUT, &[b"s"], &[&[u8::from(*on)]], &[]),
            Self::DiscardSession => coap::request(id, token, code::PUT, &[b"k"], &[&[1]], &[]),
            Self::Update { .. } => Vec::new(),
        }
    }

    /// Whether an acknowledgement is only half of the answer.
    pub(super) fn wants_response(&self) -> bool {
        !matches!(self, Self::Ping | Self::Event { .. } | Self::DiscardSession)
    }

    /// Whether a device can take it.
    pub fn check(&self) -> Result<(), RequestError> {
        if let Self::Update { image } = self {
            let found = image.len();
            let fits = (1..=IMAGE_BYTES_MAX).contains(&found);
            return if fits { Ok(()) } else { Err(RequestError::ImageLength { found }) };
        }
        let found = self.message(0, 0).len();
        if found > MESSAGE_BYTES_MAX { Err(RequestError::TooLong { found }) } else { Ok(()) }
    }
}
