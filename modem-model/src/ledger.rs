//! No silent fiction: commands and effects asked for that the modem does not model, counted by name.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Names kept apart; a client that sends noise is counted under one name beyond this.
const NAMES_MAX: usize = 256;

/// How often one unmodelled thing was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnmodelledCommand {
    /// Times it was asked for.
    pub count: u64,
    /// Virtual time of the first time in picoseconds.
    pub first_time_ps: u64,
}

/// Counts of everything asked for that is not modelled, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandLedger {
    entries: BTreeMap<String, UnmodelledCommand>,
    unreported: Vec<String>,
}

impl CommandLedger {
    /// Counts one request for `what`, for example `AT+UFOO`.
    pub fn unmodelled(&mut self, what: &str, time_ps: u64) {
        let what = if self.entries.len() >= NAMES_MAX && !self.entries.contains_key(what) { "others" } else { what };
        if let Some(entry) = self.entries.get_mut(what) {
            entry.count += 1;
            return;
        }
        self.entries.insert(what.to_owned(), UnmodelledCommand { count: 1, first_time_ps: time_ps });
        self.unreported.push(what.to_owned());
    }

    /// All entries by name.
    pub fn entries(&self) -> &BTreeMap<String, UnmodelledCommand> {
        &self.entries
    }

    /// Names first asked for since the last call.
    pub fn take_unreported(&mut self) -> Vec<String> {
        std::mem::take(&mut self.unreported)
    }
}
