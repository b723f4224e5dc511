//! The modem's side of its pins.

use serde::{Deserialize, Serialize};

/// What the modem does to its pins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Output {
    /// The start bit of a character begins on the modem's TXD; its [`Output::Byte`] follows.
    StartBit {
        /// When.
        time_ps: u64,
    },
    /// A character completed on the modem's TXD.
    Byte {
        /// The character.
        data: u8,
        /// Duration of one bit on the modem's clock in picoseconds.
        bit_ps: u64,
        /// When its stop bit ended, in picoseconds.
        end_ps: u64,
    },
    /// CTS changed (`true`: the modem is ready to receive).
    Cts {
        /// The new state.
        asserted: bool,
        /// When.
        time_ps: u64,
    },
    /// V_INT changed (the board's RI_UC reads it).
    VInt {
        /// The new level.
        high: bool,
        /// When.
        time_ps: u64,
    },
    /// RI changed. The Electron's board does not wire it; reserved for SMS and incoming data.
    Ri {
        /// The new state.
        asserted: bool,
        /// When.
        time_ps: u64,
    },
}

impl Output {
    /// When it happened.
    pub fn time_ps(&self) -> u64 {
        match *self {
            Self::Byte { end_ps, .. } => end_ps,
            Self::StartBit { time_ps }
            | Self::Cts { time_ps, .. }
            | Self::VInt { time_ps, .. }
            | Self::Ri { time_ps, .. } => time_ps,
        }
    }
}
