//! Findings: what an oracle says is wrong.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The core took a fault.
    GuestFault,
    /// The core locked up: only a reset helps.
    LockUp,
    /// The LED says SOS.
    Panic,
    /// A watchdog reset the chip.
    WatchdogReset,
    /// The chip resets again and again.
    ResetLoop,
    /// A socket of the modem has data that nobody reads.
    UnreadData,
    /// The device does not answer the device service.
    CloudDeaf,
    /// An update over the air does not go on.
    UpdateStalled,
    /// An update over the air came to nothing.
    UpdateFailed,
    /// A thread waits for a mutex, and does not get it.
    Starvation,
    /// Threads wait for each other.
    Deadlock,
    /// A stack pointer is outside its thread's stack.
    StackOverflow,
    /// A module in flash was whole and is not any more, and nobody mends it.
    Unbootable,
    /// A store to the first 4 KB of the address space, as through a null pointer. The hardware has flash there and says
    /// nothing: no failure as such ([`Kind::is_failure`]).
    NullWrite,
    /// Data was lost on the way to the firmware: no failure as such ([`Kind::is_failure`]).
    DataLost,
    /// Something was used that is not modelled.
    Unmodelled,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 16] = [
        Self::GuestFault,
        Self::LockUp,
        Self::Panic,
        Self::WatchdogReset,
        Self::ResetLoop,
        Self::UnreadData,
        Self::CloudDeaf,
        Self::UpdateStalled,
        Self::UpdateFailed,
        Self::Starvation,
        Self::Deadlock,
        Self::StackOverflow,
        Self::Unbootable,
        Self::NullWrite,
        Self::DataLost,
        Self::Unmodelled,
    ];

    /// Whether nothing of interest follows: the device is dead, or about to reset.
    pub fn is_fatal(self) -> bool {
        matches!(self, Self::GuestFault | Self::LockUp | Self::ResetLoop)
    }

    /// Whether a run that shows it failed. A burst of datagrams overruns a modem's buffer on hardware too, and whoever
    /// sent them sends again; a store through a null pointer changes nothing, and genuine firmware makes some when
    /// it starts: findings to know of, by which no run, test or hunt fails unless they are asked for by name.
    pub fn is_failure(self) -> bool {
        !matches!(self, Self::DataLost | Self::NullWrite)
    }

    /// Whether it is about one instant, at which the observer keeps the machine's state.
    pub fn is_of_a_moment(self) -> bool {
        matches!(self, Self::GuestFault | Self::LockUp | Self::Panic)
    }

    /// The smaller the graver: of several findings in one run the gravest is taken for the cause of the others.
    pub fn gravity(self) -> u8 {
        match self {
            Self::GuestFault | Self::LockUp => 0,
            Self::StackOverflow => 1,
            Self::Panic | Self::WatchdogReset => 2,
            Self::ResetLoop | Self::Unbootable => 3,
            Self::Deadlock => 4,
            Self::Starvation => 5,
            Self::CloudDeaf => 6,
            Self::UpdateStalled => 7,
            Self::UpdateFailed => 8,
            // An application that blocks for a while does it, and an update that comes to nothing has another reason.
            Self::UnreadData => 9,
            Self::NullWrite => 10,
            Self::Unmodelled => 11,
            Self::DataLost => 12,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::GuestFault => "guest_fault",
            Self::LockUp => "lock_up",
            Self::Panic => "panic",
            Self::WatchdogReset => "watchdog_reset",
            Self::ResetLoop => "reset_loop",
            Self::UnreadData => "unread_data",
            Self::CloudDeaf => "cloud_deaf",
            Self::UpdateStalled => "update_stalled",
            Self::UpdateFailed => "update_failed",
            Self::Starvation => "starvation",
            Self::Deadlock => "deadlock",
            Self::StackOverflow => "stack_overflow",
            Self::Unbootable => "unbootable",
            Self::NullWrite => "null_write",
            Self::DataLost => "data_lost",
            Self::Unmodelled => "unmodelled",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::name);
            let hint = crate::setup::options::did_you_mean(text, names.iter().copied());
            format!("no finding {text:?}{hint}; there are {}", names.join(", "))
        })
    }
}

/// An oracle's verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What is wrong.
    pub kind: Kind,
    /// Since when, in picoseconds of virtual time.
    pub time_ps: u64,
    /// Instructions executed when it was noticed.
    pub instructions: u64,
    /// What exactly.
    pub text: String,
    /// What runs with the same cause have in common: findings are grouped by kind and this.
    pub signature: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_back() {
        for kind in Kind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
        assert!("guest_fautl".parse::<Kind>().unwrap_err().contains("did you mean guest_fault?"));
    }
}
