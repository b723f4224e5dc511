//! `lockstep sd …`: images of SD cards.

use std::fs;
use std::io::Write;
use std::path::Path;

use lockstep_images::sd_image::{CreateOptions, Entry, Replacement, Volume, create, put};

use super::output::{Output, grouped};
use super::sd_arguments::SdCommand;
use super::{CliError, Outcome};

/// `lockstep sd …`.
pub fn sd(command: &SdCommand) -> Result<Outcome, CliError> {
    match command {
        SdCommand::Create { image, size, fat, label, volume_id, no_partition_table, force } => {
            let options = CreateOptions {
                size: *size,
                kind: *fat,
                label: label.clone(),
                volume_id: *volume_id,
                has_partition_table: !no_partition_table,
            };
            let created = create(image, &options, *force)?;
            let line = format!(
                "{}: {} bytes, {}, clusters of {} bytes, {} bytes free",
                image.display(),
                grouped(size.bytes()),
                created.kind,
                grouped(created.cluster_bytes),
                grouped(created.free_bytes)
            );
            tell(&line)?;
        }
        SdCommand::Put { image, files, to } => {
            let done = put(image, files, to)?;
            let line = format!(
                "{}: put {} files, {} bytes; {} bytes free",
                image.display(),
                grouped(done.files),
                grouped(done.bytes),
                grouped(done.free_bytes)
            );
            tell(&line)?;
        }
        SdCommand::Get { image, path, output: None } => {
            let mut output = Output::new();
            Volume::open(image)?.read(path, |bytes| output.bytes(bytes))?;
            output.finish()?;
        }
        SdCommand::Get { image, path, output: Some(output) } => get(image, path, output)?,
        SdCommand::Ls { image, path, recursive, json } => {
            let mut output = Output::new();
            Volume::open(image)?
                .list(path, *recursive, |entry| if *json { output.json(entry) } else { output.line(&line(entry)) })?;
            output.finish()?;
        }
    }
    Ok(Outcome::Done)
}

fn get(image: &Path, path: &str, output: &Path) -> Result<(), CliError> {
    if fs::canonicalize(image).ok().is_some_and(|image| fs::canonicalize(output).ok() == Some(image)) {
        return Err(CliError::usage("--output is the image itself: give another file"));
    }
    let mut volume = Volume::open(image)?;
    let file = Replacement::new(output)?;
    volume.read(path, |bytes| file.file().write_all(bytes).map_err(CliError::io(output)))?;
    file.finish(true)?;
    Ok(())
}

fn tell(line: &str) -> Result<(), CliError> {
    let mut output = Output::new();
    output.line(line)?;
    output.finish()
}

/// `2026-11-27 12:10:00         1,234  /LOGS/data.csv`; a folder has no size and a `/` at its end.
fn line(entry: &Entry) -> String {
    let time = entry.modified.map_or_else(|| "-".to_owned(), |time| time.to_string());
    let (bytes, end) = if entry.is_folder { ("-".to_owned(), "/") } else { (grouped(entry.bytes.into()), "") };
    format!("{time:<19} {bytes:>13}  {}{end}", entry.path)
}
