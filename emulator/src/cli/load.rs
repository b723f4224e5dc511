//! From files and options to the contents of flash.

use std::path::Path;

use lockstep::cloud::{self, ServerKey};
use lockstep_images::dct::{Dct, DctSpec};
use lockstep_images::{FlashImage, Image, ModuleFunction, SymbolTable, load_set};

use super::app::read_app;
use super::options::FileAt;
use super::{CliError, RunArguments};

/// Larger files are none of ours: flash has 1 MB, and an ELF file with its debug information some 20 MB at most.
const LARGEST_FILE: u64 = 64 << 20;

/// What goes into flash.
#[derive(Debug)]
pub struct Guest {
    /// Contents of flash.
    pub flash: Vec<u8>,
    /// Symbols of all ELF files.
    pub symbols: SymbolTable,
    /// Whether the device service is wanted.
    pub cloud: bool,
}

/// Reads a whole file, unless it is absurdly large.
pub fn read_file(path: &Path) -> Result<Vec<u8>, CliError> {
    let length = std::fs::metadata(path).map_err(CliError::io(path))?.len();
    if length > LARGEST_FILE {
        let reason =
            format!("{length} bytes: larger than any firmware image or table (64 MB); is this the right file?");
        return Err(CliError::File { path: path.to_owned(), reason });
    }
    std::fs::read(path).map_err(CliError::io(path))
}

/// Reads an image.
pub fn read_image(file: &FileAt) -> Result<Image, CliError> {
    let bytes = read_file(&file.path)?;
    Image::parse(&file.path.display().to_string(), &bytes, file.address).map_err(|error| match error {
        lockstep_images::ImageError::AddressNeeded { name } => {
            let reason = "neither ELF nor Intel HEX nor a Particle module, so nothing says where it goes; \
                          give raw bytes an address: FILE@0xADDRESS";
            CliError::File { path: name.into(), reason: reason.to_owned() }
        }
        other => other.into(),
    })
}

/// Adds the symbols of the files that are given only for theirs.
pub fn more_symbols(arguments: &RunArguments, symbols: &mut SymbolTable) -> Result<(), CliError> {
    for path in &arguments.symbols {
        let image = Image::parse(&path.display().to_string(), &read_file(path)?, None)?;
        if image.symbols.is_empty() {
            let reason = "no symbols in it: is it the ELF file of the link, and not stripped?".to_owned();
            return Err(CliError::File { path: path.clone(), reason });
        }
        symbols.merge(&image.symbols);
    }
    for path in &arguments.map {
        let found = lockstep_images::parse_map(&read_file(path)?)
            .map_err(|error| CliError::File { path: path.clone(), reason: error.to_string() })?;
        symbols.merge(&found);
    }
    Ok(())
}

/// Puts everything that the arguments name into flash.
pub fn load(arguments: &RunArguments) -> Result<Guest, CliError> {
    let mut own = Vec::new();
    for file in &arguments.files {
        own.push(read_image(file)?);
    }
    if let Some(path) = &arguments.app {
        own.push(read_app(path, &arguments.app_set)?);
    }
    let mut flash = match &arguments.firmware {
        Some(version) => load_set(version)?.flash_with(&own)?,
        None if own.is_empty() => {
            let text = "nothing to run: give --firmware VERSION, image files, or --snapshot-in FILE";
            return Err(CliError::Usage(text.to_owned()));
        }
        None => {
            let mut flash = FlashImage::blank();
            for image in &own {
                flash.place(image)?;
            }
            flash
        }
    };
    if let Some(path) = &arguments.dct {
        flash.place_dct(&path.display().to_string(), &read_dct(path)?)?;
    }
    let cloud = prepare_cloud(arguments, &mut flash)?;
    for unmet in flash.unmet_dependencies() {
        tracing::warn!("{unmet}");
    }
    for placed in flash.modules() {
        let info = &placed.located.module.info;
        tracing::info!(
            "{:#010x} {} {} version {} ({})",
            placed.located.address,
            info.function,
            info.index,
            info.version,
            placed.name
        );
    }
    if flash.bytes().iter().take(8).all(|byte| *byte == 0xff) {
        let text = "nothing lies at 0x08000000, where the processor starts: give a boot loader too \
                    (--firmware VERSION brings one), or an image linked for that address";
        return Err(CliError::Usage(text.to_owned()));
    }
    let mut symbols = SymbolTable::default();
    for image in &own {
        symbols.merge(&image.symbols);
    }
    Ok(Guest { flash: flash.into_bytes(), symbols, cloud })
}

/// Decides whether the device service is there, and gives the device a table that knows it.
fn prepare_cloud(arguments: &RunArguments, flash: &mut FlashImage) -> Result<bool, CliError> {
    let is_firmware = flash.modules().iter().any(|m| m.located.module.info.function == ModuleFunction::Bootloader);
    let is_wanted = is_firmware || !arguments.cloud.is_empty();
    if arguments.no_cloud || !is_wanted {
        return Ok(false);
    }
    let Some(path) = &arguments.dct else {
        cloud::provision(flash).map_err(CliError::Provision)?;
        return Ok(true);
    };
    let key = cloud::server_key(flash.bytes()).map_err(|source| CliError::Dct { path: path.clone(), source })?;
    if key != ServerKey::Ours && !arguments.cloud.is_empty() {
        let reason = format!(
            "server_public_key is not that of our device service, so the device would refuse it: put \
             server_public_key = {{ seed = {} }} into the table, or leave out --cloud",
            cloud::SERVER_KEY_SEED
        );
        return Err(CliError::File { path: path.clone(), reason });
    }
    Ok(key == ServerKey::Ours)
}

/// A table: its sectors, or a description in TOML.
pub fn read_dct(path: &Path) -> Result<Dct, CliError> {
    let bytes = read_file(path)?;
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml")) {
        return build_dct(path, &bytes);
    }
    Dct::parse(&bytes).map_err(|source| CliError::Dct { path: path.to_owned(), source })
}

/// Builds the table that a description in TOML describes.
pub fn build_dct(path: &Path, bytes: &[u8]) -> Result<Dct, CliError> {
    let refused = |reason: String| CliError::File { path: path.to_owned(), reason };
    let text = std::str::from_utf8(bytes)
        .map_err(|error| refused(format!("byte {} is not UTF-8: this is not TOML", error.valid_up_to())))?;
    let spec: DctSpec = toml::from_str(text).map_err(|error| {
        let line = error.span().and_then(|span| text.get(..span.start)).map(|before| before.matches('\n').count() + 1);
        let place = line.map_or_else(String::new, |line| format!("line {line}: "));
        refused(format!("{place}{}", error.message().replace('\n', " ")))
    })?;
    let folder = path.parent().unwrap_or(Path::new("."));
    spec.build(folder).map_err(|source| CliError::Dct { path: path.to_owned(), source })
}
