//! No silent fiction: what the guest touched that we do not model, reported once and counted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Where and how often one unmodelled thing was touched.
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
}

impl Ledger {
    /// Counts one touch of `what`, for example `USART3.CR1.WAKE` or `read 0x4000_9000`.
    pub fn unmodelled(&mut self, what: &str, pc: u32, time_ps: u64) {
        if let Some(e) = self.entries.get_mut(what) {
            e.count += 1;
            return;
        }
        self.entries.insert(what.to_owned(), Unmodelled { count: 1, first_pc: pc, first_time_ps: time_ps });
        self.unreported.push(what.to_owned());
    }

    /// All entries by name.
    pub fn entries(&self) -> &BTreeMap<String, Unmodelled> {
        &self.entries
    }

    /// Names first touched since the last call.
    pub fn take_unreported(&mut self) -> Vec<String> {
        std::mem::take(&mut self.unreported)
    }
}
