//! What a file is: for people (`Display`) and for programs (`Serialize`).

use std::fmt;
use std::path::Path;

use serde::Serialize;

use crate::bytes::u32_at;
use crate::dct::{Dct, FieldValue, SECTOR_LENGTH};
use crate::flash::{FLASH_LENGTH, FLASH_START};
use crate::image::{Format, Image, ImageError, LocatedModule};
use crate::module::{Dependency, ModuleFunction};
use crate::platform::platform_name;

/// The first two words of a vector table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Vectors {
    /// Address of the table.
    pub address: u32,
    /// Initial stack pointer.
    pub stack_pointer: u32,
    /// Reset handler, Thumb bit included.
    pub reset: u32,
}

/// A run of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Extent {
    /// First address.
    pub address: u32,
    /// Length in bytes.
    pub length: usize,
}

/// What is known of a module beyond its own words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModuleInspection {
    /// The module.
    #[serde(flatten)]
    pub located: LocatedModule,
    /// Name of its platform.
    pub platform_name: Option<&'static str>,
    /// Whether its CRC is right.
    pub crc_valid: bool,
}

/// What a file is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Inspection {
    /// A firmware image.
    Image {
        /// The file.
        name: String,
        /// Size of the file in bytes.
        size: usize,
        /// SHA-256 of the file.
        sha256: String,
        /// Its format.
        format: Format,
        /// What it fills.
        segments: Vec<Extent>,
        /// Entry point, if the file states one.
        entry: Option<u32>,
        /// The vector tables in it: at the start of a segment and of a module.
        vectors: Vec<Vectors>,
        /// The modules in it.
        modules: Vec<ModuleInspection>,
        /// Number of symbols.
        symbols: usize,
    },
    /// A device configuration table.
    Dct {
        /// The file.
        name: String,
        /// Size of the file in bytes.
        size: usize,
        /// What is wrong with it, if something is.
        problem: Option<String>,
        /// Whether it is wholly erased.
        erased: bool,
        /// The footer's counter; `None` without a footer.
        counter: Option<u8>,
        /// The fields that are not erased.
        fields: Vec<FieldValue>,
    },
}

/// Inspects a file; `address` as for [`Image::read`].
pub fn inspect(path: &Path, address: Option<u32>) -> Result<Inspection, ImageError> {
    let bytes = std::fs::read(path).map_err(|source| ImageError::Io { path: path.to_owned(), source })?;
    inspect_bytes(&path.display().to_string(), &bytes, address)
}

/// Inspects bytes.
pub fn inspect_bytes(name: &str, bytes: &[u8], address: Option<u32>) -> Result<Inspection, ImageError> {
    if looks_like_dct(bytes) {
        return Ok(inspect_dct(name, bytes));
    }
    let image = Image::parse(name, bytes, address)?;
    let vectors = vectors(&image);
    let modules = image.modules.into_iter().map(|located| ModuleInspection {
        platform_name: platform_name(located.module.info.platform),
        crc_valid: located.module.crc_valid(),
        located,
    });
    Ok(Inspection::Image {
        name: name.to_owned(),
        size: bytes.len(),
        sha256: crate::set::sha256(bytes),
        format: image.format,
        segments: image.segments.iter().map(|s| Extent { address: s.address, length: s.bytes.len() }).collect(),
        entry: image.entry,
        vectors,
        modules: modules.collect(),
        symbols: image.symbols.len(),
    })
}

/// A table's size, and its watermark at the start of one of its sectors.
fn looks_like_dct(bytes: &[u8]) -> bool {
    let sectors = bytes.chunks(SECTOR_LENGTH);
    (bytes.len() == SECTOR_LENGTH || bytes.len() == 2 * SECTOR_LENGTH)
        && sectors.into_iter().any(|sector| sector.starts_with(&[0x9a, 0x27, 0x1c, 0x1e]))
}

fn inspect_dct(name: &str, bytes: &[u8]) -> Inspection {
    let (name, size) = (name.to_owned(), bytes.len());
    match Dct::parse(bytes) {
        Ok(dct) => Inspection::Dct {
            name,
            size,
            problem: None,
            erased: dct.is_erased(),
            counter: dct.counter(),
            fields: dct.describe(),
        },
        Err(error) => {
            let problem = Some(error.to_string());
            Inspection::Dct { name, size, problem, erased: false, counter: None, fields: Vec::new() }
        }
    }
}

/// Vector tables: two words that can only be a stack pointer in SRAM and a Thumb address in flash.
fn vectors(image: &Image) -> Vec<Vectors> {
    let mut vectors: Vec<Vectors> = Vec::new();
    let starts = image.segments.iter().map(|segment| segment.address);
    for address in starts.chain(image.modules.iter().map(|located| located.address)) {
        if vectors.iter().any(|found| found.address == address) {
            continue;
        }
        let word = |offset: u32| {
            let address = address.checked_add(offset)?;
            let holds = |start: u32, end: u64| start <= address && u64::from(address) < end;
            let segment = image.segments.iter().find(|s| holds(s.address, s.end()))?;
            u32_at(&segment.bytes, (address - segment.address) as usize)
        };
        let (Some(stack_pointer), Some(reset)) = (word(0), word(4)) else { continue };
        let in_sram = (0x2000_0000..=0x2002_0000).contains(&stack_pointer) && stack_pointer.is_multiple_of(4);
        let in_flash = reset & 1 == 1 && (FLASH_START..FLASH_START + FLASH_LENGTH).contains(&reset);
        if in_sram && in_flash {
            vectors.push(Vectors { address, stack_pointer, reset });
        }
    }
    vectors
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image { name, size, sha256, format, segments, entry, vectors, modules, symbols } => {
                let format = match format {
                    Format::Elf => "ELF executable",
                    Format::Module => "Particle module",
                    Format::Hex => "Intel HEX",
                    Format::Raw => "raw binary",
                };
                writeln!(f, "{name}: {format}, {size} bytes")?;
                writeln!(f, "  sha256       {sha256}")?;
                for Extent { address, length } in segments {
                    let last = u64::from(*address) + (*length as u64).saturating_sub(1);
                    writeln!(f, "  fills        {address:#010x} to {last:#010x} ({length} bytes)")?;
                }
                if let Some(entry) = entry {
                    writeln!(f, "  entry        {entry:#010x}")?;
                }
                for Vectors { address, stack_pointer, reset } in vectors {
                    writeln!(f, "  vectors      at {address:#010x}: SP {stack_pointer:#010x}, reset {reset:#010x}")?;
                }
                if *symbols > 0 {
                    writeln!(f, "  symbols      {symbols}")?;
                }
                for module in modules {
                    write_module(f, module)?;
                }
                Ok(())
            }
            Self::Dct { name, size, problem, erased, counter, fields } => {
                writeln!(f, "{name}: device configuration table, {size} bytes")?;
                match (problem, counter) {
                    (Some(problem), _) => writeln!(f, "  problem      {problem}")?,
                    (None, _) if *erased => writeln!(f, "  erased")?,
                    (None, Some(counter)) => writeln!(f, "  CRC          valid, counter {counter}")?,
                    (None, None) => writeln!(f, "  CRC          none (no footer)")?,
                }
                for FieldValue { field, value } in fields {
                    writeln!(f, "  {field:<32} {value}")?;
                }
                Ok(())
            }
        }
    }
}

fn write_module(f: &mut fmt::Formatter<'_>, inspection: &ModuleInspection) -> fmt::Result {
    let LocatedModule { address, module } = &inspection.located;
    let info = &module.info;
    writeln!(f, "  module       {} {}, version {}, at {address:#010x}", info.function, info.index, info.version)?;
    writeln!(f, "    prefix     at offset {:#x}", module.info_offset)?;
    writeln!(f, "      start      {:#010x}", info.start)?;
    writeln!(f, "      end        {:#010x}", info.end)?;
    writeln!(f, "      reserved   {:#04x}", info.reserved)?;
    writeln!(f, "      flags      {:#04x}", info.flags)?;
    writeln!(f, "      version    {}", info.version)?;
    writeln!(f, "      platform   {} ({})", info.platform, inspection.platform_name.unwrap_or("unknown"))?;
    writeln!(f, "      function   {}", info.function)?;
    writeln!(f, "      index      {}", info.index)?;
    for Dependency { function, index, version } in &info.dependencies {
        match function {
            ModuleFunction::None => writeln!(f, "      needs      nothing")?,
            _ => writeln!(f, "      needs      {function} {index} version {version} or later")?,
        }
    }
    match &module.suffix {
        None => writeln!(f, "    suffix     none")?,
        Some(suffix) => {
            writeln!(f, "    suffix     {} bytes", suffix.size)?;
            match (suffix.product_id, suffix.product_version) {
                (None, None) => writeln!(f, "      product    none")?,
                (id, version) => {
                    let text = |value: Option<u16>| value.map_or("none".to_owned(), |value| value.to_string());
                    writeln!(f, "      product    {}, version {}", text(id), text(version))?;
                }
            }
            let verdict = if module.sha256_valid == Some(true) { "valid" } else { "WRONG" };
            writeln!(f, "      sha256     {verdict} ({})", suffix.sha256)?;
        }
    }
    match inspection.crc_valid {
        true => writeln!(f, "    CRC        valid ({:08x})", module.crc_stored)?,
        false => writeln!(
            f,
            "    CRC        WRONG: stored {:08x}, computed {:08x}; a device refuses this module",
            module.crc_stored, module.crc_computed
        )?,
    }
    if module.trailing_bytes > 0 {
        writeln!(f, "    after it   {} bytes", module.trailing_bytes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dct::{DctSpec, KeySource};
    use crate::module::tests::user_part;
    use proptest::prelude::*;

    #[test]
    fn a_module_is_told_with_its_checks() {
        let mut bytes = user_part(1000);
        let text = inspect_bytes("app.bin", &bytes, None).unwrap().to_string();
        assert!(text.contains("user part 1, version 3, at 0x08080000"), "{text}");
        assert!(
            text.contains("10 (Electron)") && text.contains("needs      system part 2 version 17 or later"),
            "{text}"
        );
        assert!(text.contains("sha256     valid") && text.contains("CRC        valid"), "{text}");
        bytes[500] ^= 1;
        let inspection = inspect_bytes("app.bin", &bytes, None).unwrap();
        let text = inspection.to_string();
        assert!(text.contains("sha256     WRONG") && text.contains("CRC        WRONG"), "{text}");
        let json = serde_json::to_value(&inspection).unwrap();
        assert_eq!(json["kind"], "image");
        assert_eq!(json["modules"][0]["crc_valid"], false);
        assert_eq!(json["modules"][0]["info"]["function"], "user-part");
        assert_eq!(json["modules"][0]["platform_name"], "Electron");
    }

    #[test]
    fn vectors_are_told_when_they_can_be_ones() {
        let mut bytes = vec![0; 64];
        bytes[..8].copy_from_slice(&[0, 0, 2, 0x20, 0x9d, 1, 0, 8]);
        let Inspection::Image { vectors, .. } = inspect_bytes("a", &bytes, Some(FLASH_START)).unwrap() else {
            panic!()
        };
        assert_eq!(vectors, [Vectors { address: FLASH_START, stack_pointer: 0x2002_0000, reset: 0x0800_019d }]);
        bytes[4] = 0x9c;
        let Inspection::Image { vectors, .. } = inspect_bytes("a", &bytes, Some(FLASH_START)).unwrap() else {
            panic!()
        };
        assert!(vectors.is_empty(), "no Thumb bit");
    }

    #[test]
    fn a_table_is_told_without_its_private_key() {
        let spec = DctSpec { device_private_key: Some(KeySource::Seed { seed: 5 }), ..DctSpec::default() };
        let mut bytes = spec.build(Path::new(".")).unwrap().bytes().to_vec();
        let text = inspect_bytes("dct.bin", &bytes, None).unwrap().to_string();
        assert!(text.contains("device_private_key") && text.contains("not shown"), "{text}");
        let scalar = hex::encode(crate::dct::derived_private_key(5).to_bytes());
        assert!(!text.contains(&scalar));
        bytes[3000] ^= 1;
        let text = inspect_bytes("dct.bin", &bytes, None).unwrap().to_string();
        assert!(text.contains("problem      footer: CRC-32"), "{text}");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>, address: Option<u32>) {
            let _ = inspect_bytes("x", &bytes, address).map(|inspection| inspection.to_string());
        }
    }
}
