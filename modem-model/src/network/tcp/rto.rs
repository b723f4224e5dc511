//! Retransmission timeout (RFC 6298).

use serde::{Deserialize, Serialize};

use crate::time::{PS_PER_MS, PS_PER_S};

/// Before the first measurement (2.1), and least afterwards (2.4).
const INITIAL_PS: u64 = PS_PER_S;
/// After a SYN had to be repeated and nothing is measured yet (5.7).
const AFTER_SYN_LOSS_PS: u64 = 3 * PS_PER_S;
/// Most (2.5).
const MAX_PS: u64 = 60 * PS_PER_S;
/// Clock granularity G.
const GRANULARITY_PS: u64 = PS_PER_MS;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rto {
    /// Smoothed round-trip time and its variation.
    measured: Option<(u64, u64)>,
    base_ps: u64,
    doublings: u32,
}

impl Default for Rto {
    fn default() -> Self {
        Self { measured: None, base_ps: INITIAL_PS, doublings: 0 }
    }
}

impl Rto {
    pub fn current_ps(&self) -> u64 {
        self.base_ps.saturating_mul(1 << self.doublings.min(16)).min(MAX_PS)
    }

    pub fn back_off(&mut self) {
        self.doublings = self.doublings.saturating_add(1);
    }

    /// New data was acknowledged.
    pub fn progress(&mut self) {
        self.doublings = 0;
    }

    pub fn syn_was_lost(&mut self) {
        if self.measured.is_none() {
            self.base_ps = AFTER_SYN_LOSS_PS;
        }
    }

    pub fn measure(&mut self, round_trip_ps: u64) {
        let (smoothed, variation) = match self.measured {
            None => (round_trip_ps, round_trip_ps / 2),
            Some((smoothed, variation)) => {
                (smoothed / 8 * 7 + round_trip_ps / 8, variation / 4 * 3 + smoothed.abs_diff(round_trip_ps) / 4)
            }
        };
        self.measured = Some((smoothed, variation));
        let rto_ps = smoothed.saturating_add(GRANULARITY_PS.max(variation.saturating_mul(4)));
        self.base_ps = rto_ps.clamp(INITIAL_PS, MAX_PS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_the_round_trip_and_doubles_up_to_a_minute() {
        let mut rto = Rto::default();
        assert_eq!(rto.current_ps(), PS_PER_S);
        rto.measure(2 * PS_PER_S);
        assert_eq!(rto.current_ps(), 6 * PS_PER_S, "2 + 4 x 1");
        rto.measure(2 * PS_PER_S);
        assert_eq!(rto.current_ps(), 5 * PS_PER_S, "2 + 4 x 0.75");
        rto.back_off();
        assert_eq!(rto.current_ps(), 10 * PS_PER_S);
        (0..100).for_each(|_| rto.back_off());
        assert_eq!(rto.current_ps(), 60 * PS_PER_S);
        rto.progress();
        (0..40).for_each(|_| rto.measure(PS_PER_MS));
        assert_eq!(rto.current_ps(), PS_PER_S, "never below a second");
    }
}
