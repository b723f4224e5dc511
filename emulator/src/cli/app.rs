//! Our own application: its settings, and `lockstep app …`.

use std::path::Path;

use lockstep_images::app_config::{self, AppConfig, SETTINGS};

use super::arguments::AppCommand;
use super::dct::write_whole;
use super::output::Output;
use super::{CliError, Outcome};
use lockstep::setup::app::{configured, of};
use lockstep::setup::files::{Disk, Files as _};

/// `lockstep app …`.
pub fn app(command: &AppCommand) -> Result<Outcome, CliError> {
    match command {
        AppCommand::Build { image, set, bytes, output } => {
            let mut built = configured(image, set, &mut Disk)?;
            if let Some(length) = bytes {
                built = app_config::pad(&built, *length).map_err(of(image))?;
            }
            write_whole(output, &built)?;
        }
        AppCommand::Settings { image, json } => list(image.as_deref(), *json)?,
    }
    Ok(Outcome::Done)
}

fn list(image: Option<&Path>, json: bool) -> Result<(), CliError> {
    let config = match image {
        Some(path) => app_config::read(&Disk.read(path)?).map_err(of(path))?,
        None => AppConfig::default(),
    };
    let mut output = Output::new();
    for setting in SETTINGS {
        let (key, value, takes, help) = (setting.key, setting.show(&config), setting.takes, setting.help);
        if json {
            output.json(&serde_json::json!({ "key": key, "value": value, "takes": takes, "help": help }))?;
        } else {
            output.line(&format!("{key}={value}"))?;
            output.line(&format!("    {help} ({takes})"))?;
        }
    }
    output.finish()
}
