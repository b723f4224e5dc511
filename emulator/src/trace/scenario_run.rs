//! One run of a scenario, as a trace keeps it.

use lockstep_traces::trace::RunText;
use serde::{Deserialize, Serialize};

use crate::scenario::{Scenario, Variant};
use crate::session::Branch;
use crate::setup::SetupError;

/// Everything about a run of a scenario but its seed and the contents of its files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScenarioRun {
    /// The scenario, as it was written.
    pub scenario: String,
    /// The device it runs on.
    pub variant: Variant,
    /// Where the run leaves the plain one, if it does.
    pub branch: Option<Branch>,
}

impl ScenarioRun {
    /// The form that [`RunText`] names.
    pub const FORM: &'static str = "scenario";
    const VERSION: u32 = 1;

    /// As a trace keeps it; `name` is the scenario's file.
    pub fn text(&self, name: &str) -> Result<RunText, SetupError> {
        let text =
            serde_json::to_string(self).map_err(|error| SetupError::Usage(format!("cannot be kept: {error}")))?;
        Ok(RunText { form: Self::FORM.to_owned(), version: Self::VERSION, name: name.to_owned(), text })
    }

    /// From a trace.
    pub fn parse(run: &RunText) -> Result<Self, SetupError> {
        if run.version != Self::VERSION {
            let text = format!(
                "the trace holds a scenario of version {}, this lockstep reads {}: use the one that recorded it",
                run.version,
                Self::VERSION
            );
            return Err(SetupError::Usage(text));
        }
        serde_json::from_str(&run.text).map_err(|error| SetupError::Usage(format!("what the trace runs: {error}")))
    }

    /// The scenario on its device.
    pub fn on_device(&self) -> Result<Scenario, SetupError> {
        let scenario = Scenario::parse(&self.scenario).map_err(|error| SetupError::Usage(error.to_string()))?;
        Ok(scenario.on(&self.variant))
    }
}
