//! Hunts: thousands of runs of a scenario, each with its own seed and its own filling of what the scenario leaves open.

mod base;
mod cause;
mod decisive;
mod minimise;
mod store;

pub(crate) use base::end_ps;
pub use base::{Base, Outcome};
pub use cause::{Cause, Groups};
pub use decisive::{Difference, RunEvent, difference};
pub use minimise::{Neighbour, Witness, decisions_of, minimise};
pub use store::{Line, Store, done};

use lockstep_traces::Plan;

use crate::scenario::{Choices, Scenario};
use crate::session::Branch;

/// The run of a seed.
pub fn branch(scenario: &Scenario, seed: u64) -> Branch {
    Branch { seed, choices: Choices::draw(scenario, seed), plan: Plan::default() }
}
