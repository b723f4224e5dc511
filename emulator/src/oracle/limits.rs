//! How long something may take before an oracle calls it wrong.

use serde::{Deserialize, Serialize};

const PS_PER_S: u64 = 1_000_000_000_000;

/// How long something may take before an oracle calls it wrong, in picoseconds of virtual time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Data in a socket of the modem that nobody reads. Genuine firmware reads within milliseconds; 30 s is its longest
    /// wait with the modem in hand (AT+USOCL, AT+USOCO excepted).
    pub unread_ps: u64,
    /// An update over the air that does not go on. Firmware before 1.2.0 asks its application for up to 30 s, and the
    /// staging area is erased in 1 to 2 s.
    pub update_stalled_ps: u64,
    /// A thread that waits for a mutex, or holds one.
    pub mutex_ps: u64,
    /// Flash that is not written any more is looked at after this: an update goes on from sector to sector.
    pub flash_quiet_ps: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            unread_ps: 20 * PS_PER_S,
            update_stalled_ps: 60 * PS_PER_S,
            mutex_ps: 20 * PS_PER_S,
            flash_quiet_ps: 30 * PS_PER_S,
        }
    }
}
