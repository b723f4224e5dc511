//! `lockstep settings`.

use lockstep::setup::settings::{Listed, all};

use super::arguments::SettingsArguments;
use super::output::Output;
use super::{CliError, Outcome};

/// `lockstep settings`.
pub fn list(arguments: &SettingsArguments) -> Result<Outcome, CliError> {
    let mut output = Output::new();
    for Listed { key, default, takes, help } in all() {
        if arguments.json {
            output.json(&serde_json::json!({ "key": key, "default": default, "takes": takes, "help": help }))?;
        } else {
            output.line(&format!("{key}={default}"))?;
            output.line(&format!("    {help} ({takes})"))?;
        }
    }
    output.finish()?;
    Ok(Outcome::Done)
}
