//! From files and options to the contents of flash.

use std::path::{Path, PathBuf};

use lockstep_images::dct::{Dct, DctSpec, KeySource};
use lockstep_images::{FlashImage, Image, ModuleFunction, SymbolTable};
use lockstep_traces::Hash;
use lockstep_traces::trace::ImageInfo;
use serde::{Deserialize, Serialize};

use super::SetupError;
use super::app::read_app;
use super::files::{Files, vendor_set};
use super::options::{FileAt, KeyValue};
use crate::cloud::{self, ServerKey};
use crate::world::FLASH_BASE;

/// What a device is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceSpec {
    /// Images to put into flash.
    pub files: Vec<FileAt>,
    /// The vendor's firmware of this version.
    pub firmware: Option<String>,
    /// User module to run instead of the vendor's default application.
    pub app: Option<PathBuf>,
    /// Settings inside our own application.
    pub app_set: Vec<KeyValue>,
    /// Device configuration table.
    pub dct: Option<PathBuf>,
    /// The device service.
    pub cloud: CloudSpec,
}

/// Whether the device service is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CloudSpec {
    /// When the images have a boot loader and no table names another server.
    #[default]
    IfFitting,
    /// In any case.
    Yes,
    /// Not at all; the device configuration table stays erased.
    No,
}

/// What goes into flash.
#[derive(Debug)]
pub struct Guest {
    /// Contents of flash.
    pub flash: Vec<u8>,
    /// Symbols of all ELF files.
    pub symbols: SymbolTable,
    /// Whether the device service is wanted.
    pub cloud: bool,
    /// Images in flash, modules first.
    pub images: Vec<ImageInfo>,
}

/// Reads an image.
pub fn read_image(file: &FileAt, files: &mut dyn Files) -> Result<Image, SetupError> {
    let bytes = files.read(&file.path)?;
    Image::parse(&file.path.display().to_string(), &bytes, file.address).map_err(|error| match error {
        lockstep_images::ImageError::AddressNeeded { name } => {
            let reason = "neither ELF nor Intel HEX nor a Particle module, so nothing says where it goes; \
                          give raw bytes an address: FILE@0xADDRESS";
            SetupError::File { path: name.into(), reason: reason.to_owned() }
        }
        other => other.into(),
    })
}

/// Adds the symbols of files that are given only for theirs: ELF files, and map files of a linker.
pub fn more_symbols(
    elf: &[PathBuf],
    maps: &[PathBuf],
    symbols: &mut SymbolTable,
    files: &mut dyn Files,
) -> Result<(), SetupError> {
    for path in elf {
        let image = Image::parse(&path.display().to_string(), &files.read(path)?, None)?;
        if image.symbols.is_empty() {
            let reason = "no symbols in it: is it the ELF file of the link, and not stripped?".to_owned();
            return Err(SetupError::File { path: path.clone(), reason });
        }
        symbols.merge(&image.symbols);
    }
    for path in maps {
        let found = lockstep_images::parse_map(&files.read(path)?)
            .map_err(|error| SetupError::File { path: path.clone(), reason: error.to_string() })?;
        symbols.merge(&found);
    }
    Ok(())
}

/// Puts everything that a device is made of into flash.
pub fn load(spec: &DeviceSpec, files: &mut dyn Files) -> Result<Guest, SetupError> {
    let mut own = Vec::new();
    for file in &spec.files {
        own.push(read_image(file, files)?);
    }
    if let Some(path) = &spec.app {
        own.push(read_app(path, &spec.app_set, files)?);
    }
    let mut flash = match &spec.firmware {
        Some(version) => vendor_set(version, files)?.flash_with(&own)?,
        None if own.is_empty() => {
            let text = "nothing to run: give --firmware VERSION, image files, or --snapshot-in FILE";
            return Err(SetupError::Usage(text.to_owned()));
        }
        None => {
            let mut flash = FlashImage::blank();
            for image in &own {
                flash.place(image)?;
            }
            flash
        }
    };
    if let Some(path) = &spec.dct {
        flash.place_dct(&path.display().to_string(), &read_dct(path, files)?)?;
    }
    let cloud = prepare_cloud(spec, &mut flash)?;
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
        return Err(SetupError::Usage(text.to_owned()));
    }
    let mut symbols = SymbolTable::default();
    for image in &own {
        symbols.merge(&image.symbols);
    }
    let images = image_infos(&flash, &own);
    Ok(Guest { flash: flash.into_bytes(), symbols, cloud, images })
}

/// The modules in flash, and the images that are none.
fn image_infos(flash: &FlashImage, own: &[Image]) -> Vec<ImageInfo> {
    let info = |name: &str, address: u32, bytes: &[u8]| ImageInfo {
        name: name.to_owned(),
        address,
        length: bytes.len() as u64,
        hash: Hash::of(bytes),
    };
    let mut infos = Vec::new();
    for placed in flash.modules() {
        let (address, length) = (placed.located.address, placed.located.module.info.length() as usize);
        let start = address.saturating_sub(FLASH_BASE) as usize;
        let bytes = flash.bytes().get(start..).unwrap_or_default();
        infos.push(info(&placed.name, address, bytes.get(..length).unwrap_or(bytes)));
    }
    for image in own.iter().filter(|image| image.modules.is_empty()) {
        infos.extend(image.segments.iter().map(|segment| info(&image.name, segment.address, &segment.bytes)));
    }
    infos
}

/// Decides whether the device service is there, and gives the device a table that knows it.
fn prepare_cloud(spec: &DeviceSpec, flash: &mut FlashImage) -> Result<bool, SetupError> {
    let is_firmware = flash.modules().iter().any(|m| m.located.module.info.function == ModuleFunction::Bootloader);
    let is_wanted = is_firmware || spec.cloud == CloudSpec::Yes;
    if spec.cloud == CloudSpec::No || !is_wanted {
        return Ok(false);
    }
    let Some(path) = &spec.dct else {
        cloud::provision(flash).map_err(SetupError::Provision)?;
        return Ok(true);
    };
    let key = cloud::server_key(flash.bytes()).map_err(|source| SetupError::Dct { path: path.clone(), source })?;
    if key != ServerKey::Ours && spec.cloud == CloudSpec::Yes {
        let reason = format!(
            "server_public_key is not that of our device service, so the device would refuse it: put \
             server_public_key = {{ seed = {} }} into the table, or leave out --cloud",
            cloud::SERVER_KEY_SEED
        );
        return Err(SetupError::File { path: path.clone(), reason });
    }
    Ok(key == ServerKey::Ours)
}

/// A table: its sectors, or a description in TOML.
pub fn read_dct(path: &Path, files: &mut dyn Files) -> Result<Dct, SetupError> {
    let bytes = files.read(path)?;
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml")) {
        return build_dct(path, &bytes, files);
    }
    Dct::parse(&bytes).map_err(|source| SetupError::Dct { path: path.to_owned(), source })
}

/// Builds the table that a description in TOML describes.
pub fn build_dct(path: &Path, bytes: &[u8], files: &mut dyn Files) -> Result<Dct, SetupError> {
    let refused = |reason: String| SetupError::File { path: path.to_owned(), reason };
    let text = std::str::from_utf8(bytes)
        .map_err(|error| refused(format!("byte {} is not UTF-8: this is not TOML", error.valid_up_to())))?;
    let mut spec: DctSpec = toml::from_str(text).map_err(|error| {
        let line = error.span().and_then(|span| text.get(..span.start)).map(|before| before.matches('\n').count() + 1);
        let place = line.map_or_else(String::new, |line| format!("line {line}: "));
        refused(format!("{place}{}", error.message().replace('\n', " ")))
    })?;
    let folder = path.parent().unwrap_or(Path::new("."));
    // Files of keys come from where all files come from.
    for key in [&mut spec.device_private_key, &mut spec.device_public_key, &mut spec.server_public_key] {
        if let Some(KeySource::File { file }) = key {
            *key = Some(KeySource::Text(hex::encode(files.read(&folder.join(file))?)));
        }
    }
    spec.build(folder).map_err(|source| SetupError::Dct { path: path.to_owned(), source })
}
