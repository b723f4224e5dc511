//! Our own application, and other user modules.

use std::path::Path;

use lockstep_images::app_config::{self, AppConfig, AppConfigError, SETTINGS};
use lockstep_images::{Image, ModuleFunction};

use super::SetupError;
use super::files::Files;
use super::options::{KeyValue, did_you_mean};

/// A user module; our own with these settings.
pub fn read_app(path: &Path, settings: &[KeyValue], files: &mut dyn Files) -> Result<Image, SetupError> {
    let bytes = if settings.is_empty() { files.read(path)? } else { configured(path, settings, files)? };
    let image = Image::parse(&path.display().to_string(), &bytes, None)?;
    let is_user_part = |function| function == ModuleFunction::UserPart;
    if let Some(other) = image.modules.iter().find(|located| !is_user_part(located.module.info.function)) {
        let info = &other.module.info;
        let reason = format!(
            "a {} {}, not a user module; give it as a plain argument instead of --app",
            info.function, info.index
        );
        return Err(SetupError::File { path: path.to_owned(), reason });
    }
    Ok(image)
}

/// Our own application with these settings.
pub fn configured(path: &Path, settings: &[KeyValue], files: &mut dyn Files) -> Result<Vec<u8>, SetupError> {
    let image = files.read(path)?;
    let mut config = app_config::read(&image).map_err(of(path))?;
    apply(&mut config, settings)?;
    app_config::configure(&image, &config).map_err(of(path))
}

/// Changes settings of our own application.
pub fn apply(config: &mut AppConfig, settings: &[KeyValue]) -> Result<(), SetupError> {
    for KeyValue { key, value } in settings {
        config.set(key, value).map_err(|error| match error {
            AppConfigError::Key { key } => {
                let hint = did_you_mean(&key, SETTINGS.iter().map(|setting| setting.key));
                SetupError::Usage(format!(
                    "{key}: no such setting of the application{hint}; `lockstep app settings` lists them"
                ))
            }
            other => SetupError::Usage(format!("setting of the application: {other}")),
        })?;
    }
    Ok(())
}

/// For `map_err`: which file it is about.
pub fn of(path: &Path) -> impl FnOnce(AppConfigError) -> SetupError {
    move |source| SetupError::App { path: path.to_owned(), source }
}
