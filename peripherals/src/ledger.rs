//! No silent fiction: what the guest touched that we do not model, reported once and counted. Apart from it: what is
//! modelled and yet worth knowing, because software hardly means it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Where and how often one thing was touched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unmodelled {
    /// Times it was touched.
    pub count: u64,
    /// Program counter of the first touch.
    pub first_pc: u32,
    /// Virtual time of the first touch in picoseconds.
    pub first_time_ps: u64,
}

/// Counts of everything touched that is not modelled, by name.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Ledger {
    entries: BTreeMap<String, Unmodelled>,
    unreported: Vec<String>,
    notes: BTreeMap<String, Unmodelled>,
}

impl Ledger {
    /// Counts one touch of `what`, for example `USART3.CR1.WAKE` or `read 0x4000_9000`.
    pub fn unmodelled(&mut self, what: &str, pc: u32, time_ps: u64) {
        if count(&mut self.entries, what, pc, time_ps) {
            self.unreported.push(what.to_owned());
        }
    }

    /// Counts one occurrence of something that the model does as hardware does and that software hardly means, for
    /// example a read of a peripheral without a clock. Not a gap in the model.
    pub fn note(&mut self, what: &str, pc: u32, time_ps: u64) {
        count(&mut self.notes, what, pc, time_ps);
    }

    /// All entries by name.
    pub fn entries(&self) -> &BTreeMap<String, Unmodelled> {
        &self.entries
    }

    /// Everything given to [`Ledger::note`], by name.
    pub fn notes(&self) -> &BTreeMap<String, Unmodelled> {
        &self.notes
    }

    /// Names of unmodelled things first touched since the last call.
    pub fn take_unreported(&mut self) -> Vec<String> {
        std::mem::take(&mut self.unreported)
    }
}

/// Whether it was the first time.
fn count(entries: &mut BTreeMap<String, Unmodelled>, what: &str, pc: u32, time_ps: u64) -> bool {
    if let Some(entry) = entries.get_mut(what) {
        entry.count += 1;
        return false;
    }
    entries.insert(what.to_owned(), Unmodelled { count: 1, first_pc: pc, first_time_ps: time_ps });
    true
}
