//! Error results: 3GPP TS 27.007 9.2 (`+CME ERROR`), TS 27.005 3.2.5 (`+CMS ERROR`), and the socket errors of
//! `AT+USOER`, which follow the BSD errno values.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a command failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum CmeError {
    #[error("operation not allowed")]
    OperationNotAllowed,
    #[error("operation not supported")]
    OperationNotSupported,
    #[error("SIM not inserted")]
    SimNotInserted,
    #[error("SIM PIN required")]
    SimPinRequired,
    #[error("SIM PUK required")]
    SimPukRequired,
    #[error("SIM failure")]
    SimFailure,
    #[error("incorrect password")]
    IncorrectPassword,
    #[error("invalid index")]
    InvalidIndex,
    #[error("no network service")]
    NoNetworkService,
    #[error("network timeout")]
    NetworkTimeout,
    #[error("network not allowed - emergency calls only")]
    NetworkNotAllowed,
    #[error("incorrect parameters")]
    IncorrectParameters,
    #[error("unknown")]
    Unknown,
    #[error("service option temporarily out of order")]
    ServiceOutOfOrder,
    #[error("unspecified GPRS error")]
    UnspecifiedGprsError,
    #[error("semantically incorrect message")]
    SemanticallyIncorrect,
}

impl CmeError {
    /// All of them, with the number of TS 27.007 9.2.
    const NUMBERS: &[(Self, u32)] = &[
        (Self::OperationNotAllowed, 3),
        (Self::OperationNotSupported, 4),
        (Self::SimNotInserted, 10),
        (Self::SimPinRequired, 11),
        (Self::SimPukRequired, 12),
        (Self::SimFailure, 13),
        (Self::IncorrectPassword, 16),
        (Self::InvalidIndex, 21),
        (Self::NoNetworkService, 30),
        (Self::NetworkTimeout, 31),
        (Self::NetworkNotAllowed, 32),
        (Self::IncorrectParameters, 50),
        (Self::Unknown, 100),
        (Self::ServiceOutOfOrder, 134),
        (Self::UnspecifiedGprsError, 148),
        (Self::SemanticallyIncorrect, 172),
    ];

    /// The number of TS 27.007 9.2.
    pub fn number(self) -> u32 {
        Self::NUMBERS.iter().find(|(error, _)| *error == self).map_or(100, |(_, number)| *number)
    }

    /// The error of a number.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::NUMBERS.iter().find(|(_, n)| *n == number).map(|(error, _)| *error)
    }
}

/// Why an SMS command failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum CmsError {
    #[error("operation not supported")]
    OperationNotSupported,
    #[error("invalid text mode parameter")]
    InvalidTextParameter,
    #[error("SIM not inserted")]
    SimNotInserted,
    #[error("SIM PIN required")]
    SimPinRequired,
    #[error("SIM failure")]
    SimFailure,
    #[error("SIM PUK required")]
    SimPukRequired,
    #[error("invalid memory index")]
    InvalidMemoryIndex,
    #[error("no network service")]
    NoNetworkService,
}

impl CmsError {
    /// The number of TS 27.005 3.2.5.
    pub fn number(self) -> u32 {
        match self {
            Self::OperationNotSupported => 303,
            Self::InvalidTextParameter => 305,
            Self::SimNotInserted => 310,
            Self::SimPinRequired => 311,
            Self::SimFailure => 313,
            Self::SimPukRequired => 316,
            Self::InvalidMemoryIndex => 321,
            Self::NoNetworkService => 331,
        }
    }
}

/// Last error of a socket (`AT+USOCTL=n,1`, `AT+USOER`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Error, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum SocketError {
    #[default]
    #[error("no error")]
    None,
    #[error("bad file descriptor")]
    BadDescriptor,
    #[error("operation would block")]
    WouldBlock,
    #[error("invalid argument")]
    Invalid,
    #[error("too many open sockets")]
    TooManyOpen,
    #[error("address already in use")]
    AddressInUse,
    #[error("network is down")]
    NetworkDown,
    #[error("connection reset by peer")]
    ConnectionReset,
    #[error("already connected")]
    IsConnected,
    #[error("not connected")]
    NotConnected,
    #[error("timed out")]
    TimedOut,
    #[error("connection refused")]
    ConnectionRefused,
}

impl SocketError {
    /// The errno value.
    pub fn number(self) -> u32 {
        match self {
            Self::None => 0,
            Self::BadDescriptor => 9,
            Self::WouldBlock => 11,
            Self::Invalid => 22,
            Self::TooManyOpen => 24,
            Self::AddressInUse => 98,
            Self::NetworkDown => 100,
            Self::ConnectionReset => 104,
            Self::IsConnected => 106,
            Self::NotConnected => 107,
            Self::TimedOut => 110,
            Self::ConnectionRefused => 111,
        }
    }
}
