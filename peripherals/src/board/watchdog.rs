//! A watchdog outside of the chip, on its reset pin: what saves devices in the field.
//!
//! A part such as the TPL5010 or MAX6369: it pulls NRST low when its input has seen no edge for its timeout, and counts
//! anew. It runs from the moment it has power; a reset of the chip does not stop it.

use serde::{Deserialize, Serialize};

use crate::device::Pin;

/// A watchdog as it is built in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchdogConfig {
    /// The pin whose edges feed it.
    pub pin: Pin,
    /// Without an edge for this long it resets the chip, in picoseconds.
    pub timeout_ps: u64,
}

/// The watchdog.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Watchdog {
    config: WatchdogConfig,
    level: Option<bool>,
    due_ps: u64,
}

impl Watchdog {
    /// One that gets power at time 0.
    pub fn new(config: WatchdogConfig) -> Self {
        Self { config, level: None, due_ps: config.timeout_ps }
    }

    /// Its supply is gone.
    pub fn power_off(&mut self) {
        (self.level, self.due_ps) = (None, u64::MAX);
    }

    /// Its supply is back.
    pub fn power_on(&mut self, now_ps: u64) {
        self.due_ps = now_ps.saturating_add(self.config.timeout_ps);
    }

    /// A pin of the chip is driven.
    pub fn pin_driven(&mut self, pin: Pin, level: Option<bool>, now_ps: u64) {
        if pin != self.config.pin {
            return;
        }
        let is_edge = self.level.is_some() && level.is_some() && self.level != level;
        self.level = level.or(self.level);
        if is_edge && self.due_ps != u64::MAX {
            self.due_ps = now_ps.saturating_add(self.config.timeout_ps);
        }
    }

    /// When it resets the chip unless it is fed, in picoseconds.
    pub fn due_ps(&self) -> u64 {
        self.due_ps
    }

    /// Whether it pulls the reset pin now; it counts anew then.
    pub fn takes_effect(&mut self, now_ps: u64) -> bool {
        let is_due = self.due_ps <= now_ps;
        if is_due {
            self.due_ps = now_ps.saturating_add(self.config.timeout_ps);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Port;

    const S: u64 = crate::time::PS_PER_S;

    #[test]
    fn it_resets_unless_it_is_fed_by_edges() {
        let config = WatchdogConfig { pin: Pin::new(Port::B, 5), timeout_ps: 60 * S };
        let mut watchdog = Watchdog::new(config);
        watchdog.pin_driven(config.pin, Some(false), 10 * S);
        assert_eq!(watchdog.due_ps(), 60 * S, "the first level is no edge");
        watchdog.pin_driven(config.pin, Some(true), 50 * S);
        assert!(!watchdog.takes_effect(109 * S));
        watchdog.pin_driven(config.pin, Some(true), 100 * S);
        watchdog.pin_driven(Pin::new(Port::A, 0), Some(false), 100 * S);
        assert!(watchdog.takes_effect(110 * S), "neither a level that stays nor another pin feeds it");
        assert_eq!(watchdog.due_ps(), 170 * S);
    }

    #[test]
    fn a_pin_that_a_reset_lets_go_keeps_its_level() {
        let config = WatchdogConfig { pin: Pin::new(Port::C, 3), timeout_ps: S };
        let mut watchdog = Watchdog::new(config);
        watchdog.pin_driven(config.pin, Some(true), 0);
        watchdog.pin_driven(config.pin, None, S / 2);
        watchdog.pin_driven(config.pin, Some(true), S / 2 + 1);
        assert_eq!(watchdog.due_ps(), S);
    }
}
