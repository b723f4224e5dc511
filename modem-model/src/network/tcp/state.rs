//! States of a connection.

use serde::{Deserialize, Serialize};

/// The states of RFC 9293 3.3.2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum TcpState {
    #[default]
    Closed,
    Listen,
    SynSent,
    SynReceived,
    Established,
    FinWait1,
    FinWait2,
    CloseWait,
    Closing,
    LastAck,
    TimeWait,
}

impl TcpState {
    /// The number that `AT+USOCTL=n,10` gives it (u-blox AT commands manual, +USOCTL).
    pub fn number(self) -> u32 {
        match self {
            Self::Closed => 0,
            Self::Listen => 1,
            Self::SynSent => 2,
            Self::SynReceived => 3,
            Self::Established => 4,
            Self::FinWait1 => 5,
            Self::FinWait2 => 6,
            Self::CloseWait => 7,
            Self::Closing => 8,
            Self::LastAck => 9,
            Self::TimeWait => 10,
        }
    }

    /// Whether the handshake is done and the connection not over.
    pub fn is_synchronised(self) -> bool {
        !matches!(self, Self::Closed | Self::Listen | Self::SynSent | Self::SynReceived)
    }

    /// Whether our side still sends: it has not closed, or not sent everything.
    pub(super) fn sends(self) -> bool {
        use TcpState::{CloseWait, Closing, Established, FinWait1, LastAck};
        matches!(self, Established | CloseWait | FinWait1 | Closing | LastAck)
    }

    /// Whether the other side may still send.
    pub(super) fn receives(self) -> bool {
        matches!(self, Self::Established | Self::FinWait1 | Self::FinWait2)
    }
}
