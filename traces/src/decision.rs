//! The decision log: one named random stream per subsystem, all derived from one seed.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

/// One choice that the outside world made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Virtual time of the choice, in picoseconds since power-on.
    pub time_ps: u64,
    /// The subsystem's stream, for example `modem.power`.
    pub stream: String,
    /// What was chosen, for example `boot_time_ms`.
    pub what: String,
    /// Smallest value that was possible.
    pub low: u64,
    /// Largest value that was possible.
    pub high: u64,
    /// The value chosen, `low..=high`.
    pub value: u64,
}

/// The seed, the state of each stream, and everything drawn so far.
///
/// A stream's values depend on the seed, the stream's name and how often *that* stream was drawn from; drawing from
/// one subsystem never shifts another's values.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Decisions {
    seed: u64,
    streams: BTreeMap<String, ChaCha8Rng>,
    log: Vec<Decision>,
}

impl Decisions {
    /// A log with nothing drawn yet.
    pub fn new(seed: u64) -> Self {
        Self { seed, streams: BTreeMap::new(), log: Vec::new() }
    }

    /// The seed all streams derive from.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// From here on every stream derives from another seed; what was drawn before stays in the log. Runs that branch off
    /// one snapshot get different futures by it, each as reproducible as the run they come from.
    pub fn reseed(&mut self, seed: u64) {
        self.seed = seed;
        self.streams.clear();
    }

    /// Everything drawn so far, oldest first.
    pub fn log(&self) -> &[Decision] {
        &self.log
    }

    /// Draws a value in `low..=high` and logs it. With `low == high` nothing is random and nothing is logged.
    pub fn draw(&mut self, time_ps: u64, stream: &str, what: &str, low: u64, high: u64) -> u64 {
        if low >= high {
            return low;
        }
        let span = (high - low).wrapping_add(1);
        let random = self.next_u64(stream);
        // Multiply-shift: uniform to within 2^-64 of the span, and without a loop whose length is random.
        let value = if span == 0 { random } else { low + ((u128::from(random) * u128::from(span)) >> 64) as u64 };
        self.log.push(Decision { time_ps, stream: stream.to_owned(), what: what.to_owned(), low, high, value });
        value
    }

    /// Raw entropy, as the RNG peripheral hands it to the guest. Not logged value by value: a stream's words are a
    /// function of the seed and of the number of words drawn.
    pub fn entropy_u32(&mut self, stream: &str) -> u32 {
        (self.next_u64(stream) >> 32) as u32
    }

    fn next_u64(&mut self, stream: &str) -> u64 {
        if !self.streams.contains_key(stream) {
            let key = blake3::derive_key(&format!("lockstep decision stream {stream}"), &self.seed.to_le_bytes());
            self.streams.insert(stream.to_owned(), ChaCha8Rng::from_seed(key));
        }
        match self.streams.get_mut(stream) {
            Some(rng) => rng.next_u64(),
            None => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_does_not_shift_another() {
        let mut a = Decisions::new(7);
        let mut b = Decisions::new(7);
        for _ in 0..5 {
            b.draw(0, "other", "x", 0, 100);
        }
        assert_eq!(a.draw(0, "modem", "x", 0, 1 << 40), b.draw(0, "modem", "x", 0, 1 << 40));
    }

    #[test]
    fn a_restored_log_continues_where_it_was() {
        let mut a = Decisions::new(9);
        a.draw(1, "s", "x", 0, 1000);
        let bytes = postcard::to_stdvec(&a).unwrap();
        let mut b: Decisions = postcard::from_bytes(&bytes).unwrap();
        assert_eq!(a.draw(2, "s", "x", 0, u64::MAX), b.draw(2, "s", "x", 0, u64::MAX));
        assert_eq!(a.log(), b.log());
    }

    #[test]
    fn a_new_seed_changes_the_future_and_not_the_past() {
        let mut a = Decisions::new(9);
        a.draw(1, "s", "x", 0, u64::MAX);
        let past = a.log().to_vec();
        let (mut b, mut c) = (a.clone(), a.clone());
        b.reseed(10);
        c.reseed(10);
        let future = b.draw(2, "s", "x", 0, u64::MAX);
        assert_eq!(future, c.draw(2, "s", "x", 0, u64::MAX));
        assert_ne!(future, a.draw(2, "s", "x", 0, u64::MAX));
        assert_eq!(b.log()[..1], past);
    }

    proptest::proptest! {
        #[test]
        fn values_stay_in_range(seed: u64, low: u64, high: u64) {
            let (low, high) = (low.min(high), low.max(high));
            let v = Decisions::new(seed).draw(0, "s", "x", low, high);
            proptest::prop_assert!((low..=high).contains(&v));
        }
    }
}
