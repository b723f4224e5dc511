//! Our own application: its settings, and `lockstep app …`.

use std::path::Path;

use lockstep_images::app_config::{self, AppConfig, AppConfigError, SETTINGS};
use lockstep_images::{Image, ModuleFunction};

use super::arguments::AppCommand;
use super::dct::write_whole;
use super::load::read_file;
use super::options::{KeyValue, did_you_mean};
use super::output::Output;
use super::{CliError, Outcome};

/// `lockstep app …`.
pub fn app(command: &AppCommand) -> Result<Outcome, CliError> {
    match command {
        AppCommand::Build { image, set, bytes, output } => {
            let mut built = configured(image, set)?;
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
        Some(path) => app_config::read(&read_file(path)?).map_err(of(path))?,
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

/// A user module; our own with these settings.
pub fn read_app(path: &Path, settings: &[KeyValue]) -> Result<Image, CliError> {
    let bytes = if settings.is_empty() { read_file(path)? } else { configured(path, settings)? };
    let image = Image::parse(&path.display().to_string(), &bytes, None)?;
    let is_user_part = |function| function == ModuleFunction::UserPart;
    if let Some(other) = image.modules.iter().find(|located| !is_user_part(located.module.info.function)) {
        let info = &other.module.info;
        let reason = format!(
            "a {} {}, not a user module; give it as a plain argument instead of --app",
            info.function, info.index
        );
        return Err(CliError::File { path: path.to_owned(), reason });
    }
    Ok(image)
}

fn configured(path: &Path, settings: &[KeyValue]) -> Result<Vec<u8>, CliError> {
    let image = read_file(path)?;
    let mut config = app_config::read(&image).map_err(of(path))?;
    for KeyValue { key, value } in settings {
        config.set(key, value).map_err(|error| match error {
            AppConfigError::Key { key } => {
                let hint = did_you_mean(&key, SETTINGS.iter().map(|setting| setting.key));
                CliError::Usage(format!(
                    "{key}: no such setting of the application{hint}; `lockstep app settings` lists them"
                ))
            }
            other => CliError::Usage(format!("setting of the application: {other}")),
        })?;
    }
    app_config::configure(&image, &config).map_err(of(path))
}

/// For `map_err`: which file it is about.
fn of(path: &Path) -> impl FnOnce(AppConfigError) -> CliError {
    move |source| CliError::App { path: path.to_owned(), source }
}
