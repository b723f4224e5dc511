//! The decision log: one named random stream per subsystem, all derived from one seed.

use std::collections::{BTreeMap, BTreeSet};

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
    /// The how-manieth choice of this stream since the seed was set, from 0.
    pub number: u64,
    /// What was chosen, for example `boot_time_ms`.
    pub what: String,
    /// Smallest value that was possible.
    pub low: u64,
    /// Largest value that was possible.
    pub high: u64,
    /// The value chosen, `low..=high`.
    pub value: u64,
}

impl Decision {
    /// What this choice is when nothing of interest happens: the middle of what is possible. A chance of less than one
    /// half then does not come true, a latency is the usual one.
    pub fn typical(low: u64, high: u64) -> u64 {
        low + (high - low) / 2
    }

    /// Whether it is the typical one.
    pub fn is_typical(&self) -> bool {
        self.value == Self::typical(self.low, self.high)
    }
}

/// Whose choices are typical ones instead of drawn ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Typical {
    /// Nobody's.
    #[default]
    None,
    /// Those of these streams.
    Streams(BTreeSet<String>),
    /// Everybody's.
    All,
}

/// Which choices are not drawn from the seed. A stream's draws are counted on all the same, so that what is drawn is
/// what it would have been.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Whose choices are typical.
    pub typical: Typical,
    /// Choices that are given: by stream and [number](Decision::number). A value that is not possible is moved to the
    /// nearest that is.
    pub given: BTreeMap<String, BTreeMap<u64, u64>>,
}

impl Plan {
    /// All choices are typical but these.
    pub fn only<'a>(decisions: impl IntoIterator<Item = &'a Decision>) -> Self {
        let mut plan = Self { typical: Typical::All, given: BTreeMap::new() };
        for decision in decisions {
            plan.give(decision);
        }
        plan
    }

    /// A choice is made as it was made there.
    pub fn give(&mut self, decision: &Decision) {
        self.given.entry(decision.stream.clone()).or_default().insert(decision.number, decision.value);
    }

    fn value(&self, stream: &str, number: u64, low: u64, high: u64) -> Option<u64> {
        let given = self.given.get(stream).and_then(|numbers| numbers.get(&number));
        let is_typical = match &self.typical {
            Typical::None => false,
            Typical::Streams(streams) => streams.contains(stream),
            Typical::All => true,
        };
        match given {
            Some(value) => Some((*value).clamp(low, high)),
            None => is_typical.then(|| Decision::typical(low, high)),
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Stream {
    rng: ChaCha8Rng,
    drawn: u64,
}

/// The seed, the plan, and the state of each stream.
///
/// A stream's values depend on the seed, the stream's name and how often *that* stream was drawn from; drawing from
/// one subsystem never shifts another's values.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Decisions {
    seed: u64,
    plan: Plan,
    streams: BTreeMap<String, Stream>,
    /// What was drawn and not yet taken: an observation, no part of the state.
    #[serde(skip)]
    log: Vec<Decision>,
}

impl Decisions {
    /// A log with nothing drawn yet.
    pub fn new(seed: u64) -> Self {
        Self { seed, plan: Plan::default(), streams: BTreeMap::new(), log: Vec::new() }
    }

    /// The seed all streams derive from.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// From here on every stream derives from another seed, and is counted from 0. Runs that branch off one snapshot get
    /// different futures by it, each as reproducible as the run they come from.
    pub fn reseed(&mut self, seed: u64) {
        self.seed = seed;
        self.streams.clear();
    }

    /// From here on some choices are not drawn from the seed.
    pub fn set_plan(&mut self, plan: Plan) {
        self.plan = plan;
    }

    /// Which choices are not drawn from the seed.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What was drawn since the log was last taken, oldest first.
    pub fn log(&self) -> &[Decision] {
        &self.log
    }

    /// Takes the log.
    pub fn take_log(&mut self) -> Vec<Decision> {
        std::mem::take(&mut self.log)
    }

    /// Draws a value in `low..=high` and logs it. With `low == high` nothing is random and nothing is logged.
    pub fn draw(&mut self, time_ps: u64, stream: &str, what: &str, low: u64, high: u64) -> u64 {
        if low >= high {
            return low;
        }
        let span = (high - low).wrapping_add(1);
        let (number, random) = self.next_u64(stream);
        let value = match self.plan.value(stream, number, low, high) {
            Some(value) => value,
            None if span == 0 => random,
            // Multiply-shift: uniform to within 2^-64 of the span, and without a loop whose length is random.
            None => low + ((u128::from(random) * u128::from(span)) >> 64) as u64,
        };
        self.log.push(Decision { time_ps, stream: stream.to_owned(), number, what: what.to_owned(), low, high, value });
        value
    }

    /// Raw entropy, as the RNG peripheral hands it to the guest. Not logged value by value, and never typical: a stream's
    /// words are a function of the seed and of the number of words drawn.
    pub fn entropy_u32(&mut self, stream: &str) -> u32 {
        (self.next_u64(stream).1 >> 32) as u32
    }

    fn next_u64(&mut self, name: &str) -> (u64, u64) {
        let seed = self.seed;
        // A stream is looked up by every draw and made once.
        if !self.streams.contains_key(name) {
            let key = blake3::derive_key(&format!("lockstep decision stream {name}"), &seed.to_le_bytes());
            self.streams.insert(name.to_owned(), Stream { rng: ChaCha8Rng::from_seed(key), drawn: 0 });
        }
        match self.streams.get_mut(name) {
            Some(stream) => {
                stream.drawn += 1;
                (stream.drawn - 1, stream.rng.next_u64())
            }
            None => (0, 0),
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
        a.take_log();
        assert_eq!(a.draw(2, "s", "x", 0, u64::MAX), b.draw(2, "s", "x", 0, u64::MAX));
        assert_eq!(a.take_log(), b.take_log());
        assert!(a.log().is_empty());
    }

    #[test]
    fn a_plan_replaces_choices_and_shifts_none() {
        let mut drawn = Decisions::new(9);
        let values: Vec<u64> = (0..4).map(|_| drawn.draw(1, "s", "x", 0, 1000)).collect();
        let mut planned = Decisions::new(9);
        let mut plan = Plan::default();
        plan.give(&Decision { value: 5000, ..drawn.log()[2].clone() });
        planned.set_plan(plan);
        let again: Vec<u64> = (0..4).map(|_| planned.draw(1, "s", "x", 0, 1000)).collect();
        assert_eq!(again, [values[0], values[1], 1000, values[3]]);

        let mut typical = Decisions::new(9);
        typical.set_plan(Plan::only(&drawn.log()[1..2]));
        let typical: Vec<u64> = (0..4).map(|_| typical.draw(1, "s", "x", 0, 1000)).collect();
        assert_eq!(typical, [500, values[1], 500, 500]);
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
