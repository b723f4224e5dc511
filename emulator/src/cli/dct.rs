//! `lockstep dct …`.

use std::io::Write;
use std::path::Path;

use lockstep_images::dct::FieldValue;

use super::arguments::DctCommand;
use super::output::Output;
use super::{CliError, Outcome};
use lockstep::setup::files::{Disk, Files as _};
use lockstep::setup::load::{build_dct, read_dct};

/// `lockstep dct …`.
pub fn dct(command: &DctCommand) -> Result<Outcome, CliError> {
    match command {
        DctCommand::Build { spec, output } => {
            let dct = build_dct(spec, &Disk.read(spec)?, &mut Disk)?;
            write_whole(output, dct.bytes())?;
        }
        DctCommand::Show { file, json } => show(file, *json)?,
    }
    Ok(Outcome::Done)
}

fn show(file: &Path, json: bool) -> Result<(), CliError> {
    let dct = read_dct(file, &mut Disk)?;
    let mut output = Output::new();
    let fields = dct.describe();
    if json {
        output.json(&serde_json::json!({
            "erased": dct.is_erased(), "footer": dct.has_footer(), "counter": dct.counter(), "fields": fields,
        }))?;
        return output.finish();
    }
    let footer = match dct.counter() {
        _ if dct.is_erased() => "erased".to_owned(),
        Some(counter) => format!("CRC valid, counter {counter}"),
        None => "no footer, no CRC".to_owned(),
    };
    output.line(&format!("{}: {footer}", file.display()))?;
    for FieldValue { field, value } in fields {
        output.line(&format!("  {field:<32} {value}"))?;
    }
    output.finish()
}

/// Writes beside the target and renames, so that a crash leaves the old file or the new one.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    // Temporary files are private by default; this one becomes an ordinary file, with the user's umask.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder).map_err(CliError::io(path))?;
    file.write_all(bytes).map_err(CliError::io(path))?;
    file.as_file().sync_all().map_err(CliError::io(path))?;
    file.persist(path).map_err(|error| CliError::io(path)(error.error))?;
    Ok(())
}
