//! `lockstep inspect` and `lockstep images`.

use indicatif::{ProgressBar, ProgressStyle};
use lockstep_images::{Progress, catalogue, fetch, images_dir, import, inspect_bytes, load_set};

use super::arguments::{ImagesCommand, InspectArguments};
use super::output::Output;
use super::{CliError, Outcome};
use lockstep::setup::files::{Disk, Files as _};
use lockstep::setup::load::read_image;

/// `lockstep inspect FILE…`. A file that is damaged but readable is told as such; the exit code says 1 then.
pub fn inspect(arguments: &InspectArguments) -> Result<Outcome, CliError> {
    let mut output = Output::new();
    let mut outcome = Outcome::Done;
    for file in &arguments.files {
        let bytes = Disk.read(&file.path)?;
        let inspection = match inspect_bytes(&file.path.display().to_string(), &bytes, file.address) {
            Ok(inspection) => inspection,
            // The same error in the words of this command line.
            Err(error) => return Err(read_image(file, &mut Disk).err().unwrap_or(error.into()).into()),
        };
        let value = serde_json::to_value(&inspection).map_err(|error| CliError::Output(error.into()))?;
        let has_problem = value.get("problem").is_some_and(|problem| !problem.is_null());
        let modules = value.get("modules").and_then(|modules| modules.as_array());
        let is_broken = modules.is_some_and(|all| all.iter().any(|m| m.get("crc_valid") == Some(&false.into())));
        if has_problem || is_broken {
            outcome = Outcome::ExpectationFailed;
        }
        if arguments.json {
            output.json(&value)?;
        } else {
            output.text(&inspection.to_string())?;
        }
    }
    output.finish()?;
    Ok(outcome)
}

/// `lockstep images …`.
pub fn images(command: &ImagesCommand) -> Result<Outcome, CliError> {
    match command {
        ImagesCommand::Fetch { versions, tarball: Some(tarball), package: Some(package) } if versions.is_empty() => {
            import_tarball(tarball, package)
        }
        ImagesCommand::Fetch { versions, .. } => fetch_versions(versions),
        ImagesCommand::List { json } => list(*json),
    }
}

fn spinner() -> ProgressBar {
    // Draws on stderr, and not at all when that is no terminal.
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(std::time::Duration::from_millis(120));
    bar
}

fn fetch_versions(versions: &[String]) -> Result<Outcome, CliError> {
    let versions: Vec<&str> = versions.iter().map(String::as_str).collect();
    let bar = spinner();
    let mut lines = Vec::new();
    let fetched = fetch(&images_dir(), &versions, &mut |progress| tell(&bar, progress, &mut lines));
    bar.finish_and_clear();
    print_lines(&lines)?;
    fetched?;
    Ok(Outcome::Done)
}

fn import_tarball(tarball: &std::path::Path, package: &str) -> Result<Outcome, CliError> {
    let bar = spinner();
    let mut lines = Vec::new();
    let imported = import(&images_dir(), tarball, package, &mut |progress| tell(&bar, progress, &mut lines));
    bar.finish_and_clear();
    print_lines(&lines)?;
    imported?;
    Ok(Outcome::Done)
}

fn tell(bar: &ProgressBar, progress: Progress, lines: &mut Vec<String>) {
    match progress {
        Progress::Getting { package_version, number, count } => {
            bar.set_message(format!("getting {}@{package_version} ({number} of {count})", catalogue::PACKAGE));
        }
        Progress::AlreadyThere { package_version } => {
            lines.push(format!("already there: {}@{package_version}", catalogue::PACKAGE));
        }
        Progress::Stored { path } => lines.push(format!("stored {}", path.display())),
    }
}

fn print_lines(lines: &[String]) -> Result<(), CliError> {
    let mut output = Output::new();
    for line in lines {
        output.line(line)?;
    }
    output.finish()
}

fn list(json: bool) -> Result<Outcome, CliError> {
    let mut output = Output::new();
    for set in catalogue::SETS {
        let problem = load_set(set.version).err().map(|error| error.to_string());
        let here = problem.is_none();
        let files: Vec<&str> = set.files.iter().map(|file| file.file_name()).collect();
        if json {
            output.json(&serde_json::json!({
                "version": set.version, "here": here, "problem": problem, "files": files,
            }))?;
            continue;
        }
        output.line(&format!("{}  {}", set.version, if here { "here" } else { "not here" }))?;
        for file in set.files {
            let line = format!(
                "    {} {} version {}: {} ({}@{})",
                file.function,
                file.index,
                file.module_version,
                file.file_name(),
                catalogue::PACKAGE,
                file.package_version
            );
            output.line(&line)?;
        }
    }
    output.finish()?;
    Ok(Outcome::Done)
}
