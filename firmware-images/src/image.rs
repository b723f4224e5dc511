//! One file of firmware: what it fills, what modules are in it, what its symbols are.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::flash;
use crate::module::{self, Module, ModuleError};
use crate::symbols::SymbolTable;
use crate::{elf, hex_file};

/// A run of bytes and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Address of the first byte.
    pub address: u32,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Segment {
    /// One past the last address; 64 bits wide, because a segment may end with the address space.
    pub fn end(&self) -> u64 {
        u64::from(self.address) + self.bytes.len() as u64
    }
}

/// The format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// ELF executable.
    Elf,
    /// Binary of one Particle module.
    Module,
    /// Intel HEX.
    Hex,
    /// Bytes without structure, at an address that the caller gave.
    Raw,
}

/// A module and the address it lies at, which for a copy in the factory or staging area is not where it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LocatedModule {
    /// Address of the module's first byte in this image.
    pub address: u32,
    /// The module.
    #[serde(flatten)]
    pub module: Module,
}

/// A firmware image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Name for messages: usually the file's path.
    pub name: String,
    /// The file's format.
    pub format: Format,
    /// What it fills, in order of address.
    pub segments: Vec<Segment>,
    /// The modules in it, in order of address.
    pub modules: Vec<LocatedModule>,
    /// Its symbols; empty unless it is an ELF file.
    pub symbols: SymbolTable,
    /// Entry point, if the file states one.
    pub entry: Option<u32>,
}

/// Why an image cannot be had or read.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The operating system refused.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is empty.
    #[error("{name}: the file is empty")]
    Empty {
        /// The file.
        name: String,
    },
    /// ELF.
    #[error("{name}: {source}")]
    Elf {
        /// The file.
        name: String,
        /// What is wrong.
        source: elf::ElfError,
    },
    /// Intel HEX.
    #[error("{name}: {source}")]
    Hex {
        /// The file.
        name: String,
        /// What is wrong.
        source: hex_file::HexError,
    },
    /// Particle module.
    #[error("{name}: {source}")]
    Module {
        /// The file.
        name: String,
        /// What is wrong.
        source: ModuleError,
    },
    /// Nothing says where the bytes go.
    #[error(
        "{name}: neither ELF nor Intel HEX nor a Particle module, so nothing says where it goes; give an address with it"
    )]
    AddressNeeded {
        /// The file.
        name: String,
    },
    /// Two addresses.
    #[error("{name}: the file states its own addresses; leave out the address {address:#010x}")]
    AddressNotNeeded {
        /// The file.
        name: String,
        /// The address given.
        address: u32,
    },
    /// Past the end of the address space.
    #[error("{name}: {length} bytes at {address:#010x} reach past the end of the address space")]
    AddressOverflow {
        /// The file.
        name: String,
        /// Start.
        address: u32,
        /// Length in bytes.
        length: usize,
    },
    /// Not in the catalogue.
    #[error("no vendor firmware {version:?} in the catalogue; there are {known}", known = known.join(", "))]
    UnknownVersion {
        /// What was asked for.
        version: String,
        /// What there is.
        known: Vec<&'static str>,
    },
    /// In the catalogue, but not on this machine.
    #[error(
        "vendor firmware {version}: {path} is not there; get it with `lockstep images fetch {version}`",
        path = path.display()
    )]
    NotFetched {
        /// The set.
        version: String,
        /// The first file that is missing.
        path: PathBuf,
    },
    /// Not the vendor's file.
    #[error(
        "{path}: SHA-256 {found}, but the vendor's file has {expected}; delete it and run `lockstep images fetch` again",
        path = path.display()
    )]
    HashDiffers {
        /// The file.
        path: PathBuf,
        /// SHA-256 in the catalogue.
        expected: &'static str,
        /// SHA-256 of the file.
        found: String,
    },
}

impl Image {
    /// Reads a file; `address` only for a raw binary, or for a module that is to lie elsewhere than where it runs.
    pub fn read(path: &Path, address: Option<u32>) -> Result<Self, ImageError> {
        let bytes = std::fs::read(path).map_err(|source| ImageError::Io { path: path.to_owned(), source })?;
        Self::parse(&path.display().to_string(), &bytes, address)
    }

    /// Reads an image from bytes; `name` stands in messages only and never decides anything.
    pub fn parse(name: &str, bytes: &[u8], address: Option<u32>) -> Result<Self, ImageError> {
        let name = name.to_owned();
        if bytes.is_empty() {
            return Err(ImageError::Empty { name });
        }
        if elf::looks_like_elf(bytes) {
            own_addresses(&name, address)?;
            let file = match elf::parse(bytes) {
                Ok(file) => file,
                Err(source) => return Err(ImageError::Elf { name, source }),
            };
            let modules = modules_in(&file.segments).unwrap_or_default();
            let (symbols, entry) = (file.symbols, Some(file.entry));
            return Ok(Self { name, format: Format::Elf, segments: file.segments, modules, symbols, entry });
        }
        if hex_file::looks_like_hex(bytes) {
            own_addresses(&name, address)?;
            let file = match hex_file::parse(bytes) {
                Ok(file) => file,
                Err(source) => return Err(ImageError::Hex { name, source }),
            };
            return Self::from_segments(name, Format::Hex, file.segments, file.entry);
        }
        let info = module::find_info(bytes);
        let address = match (&info, address) {
            (_, Some(address)) => address,
            (Some((_, info)), None) => info.start,
            (None, None) => return Err(ImageError::AddressNeeded { name }),
        };
        if u64::from(address) + bytes.len() as u64 > 1 << 32 {
            return Err(ImageError::AddressOverflow { name, address, length: bytes.len() });
        }
        let segments = vec![Segment { address, bytes: bytes.to_vec() }];
        let format = if info.is_some_and(|(_, info)| info.length() as usize + MODULE_PADDING >= bytes.len()) {
            Format::Module
        } else {
            // A dump of flash starts with a module too, and goes on.
            Format::Raw
        };
        Self::from_segments(name, format, segments, None)
    }

    fn from_segments(
        name: String,
        format: Format,
        segments: Vec<Segment>,
        entry: Option<u32>,
    ) -> Result<Self, ImageError> {
        match modules_in(&segments) {
            Ok(modules) => Ok(Self { name, format, segments, modules, symbols: SymbolTable::default(), entry }),
            Err(source) => Err(ImageError::Module { name, source }),
        }
    }

    /// Number of bytes it fills.
    pub fn length(&self) -> usize {
        self.segments.iter().map(|segment| segment.bytes.len()).sum()
    }
}

/// A module's file may be padded, for example to a multiple of the flash programming width or of a transfer block.
const MODULE_PADDING: usize = 512;

fn own_addresses(name: &str, address: Option<u32>) -> Result<(), ImageError> {
    match address {
        Some(address) => Err(ImageError::AddressNotNeeded { name: name.to_owned(), address }),
        None => Ok(()),
    }
}

/// Finds the modules at the start of each run of bytes and at the places where the Electron's flash has modules.
fn modules_in(segments: &[Segment]) -> Result<Vec<LocatedModule>, ModuleError> {
    let mut modules = Vec::new();
    for run in runs(segments) {
        match module::parse(&run.bytes) {
            Ok(module) => modules.push(LocatedModule { address: run.address, module }),
            Err(ModuleError::NotAModule) => {}
            Err(error) => return Err(error),
        }
        for place in flash::MODULE_PLACES.into_iter().filter(|place| *place > run.address) {
            let Some(bytes) = run.bytes.get((place - run.address) as usize..) else { continue };
            // What merely looks like a module in the middle of something is none: it must say that it belongs here, or
            // lie where copies are kept.
            if let Ok(module) = module::parse(bytes)
                && (module.info.start == place || flash::is_copy_place(place))
            {
                modules.push(LocatedModule { address: place, module });
            }
        }
    }
    Ok(modules)
}

/// Joins segments that a linker cut apart: gaps of alignment are what flash has there, erased bytes.
fn runs(segments: &[Segment]) -> Vec<Segment> {
    const LARGEST_GAP: u64 = 64;
    let mut runs: Vec<Segment> = Vec::new();
    for segment in segments {
        match runs.last_mut() {
            Some(run)
                if run.end() <= u64::from(segment.address) && run.end() + LARGEST_GAP > u64::from(segment.address) =>
            {
                run.bytes.resize((segment.address - run.address) as usize, 0xff);
                run.bytes.extend_from_slice(&segment.bytes);
            }
            _ => runs.push(segment.clone()),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elf::tests::small_elf;
    use crate::module::tests::user_part;
    use proptest::prelude::*;

    #[test]
    fn a_module_goes_where_it_says() {
        let image = Image::parse("system-part1.bin", &user_part(2000), None).unwrap();
        assert_eq!(image.format, Format::Module);
        assert_eq!(image.segments[0].address, 0x0808_0000);
        assert_eq!(image.modules.len(), 1);
    }

    #[test]
    fn bytes_without_structure_need_an_address() {
        assert!(matches!(Image::parse("a.bin", &[0; 100], None), Err(ImageError::AddressNeeded { .. })));
        let image = Image::parse("a.bin", &[0; 100], Some(0x0800_c000)).unwrap();
        assert_eq!((image.format, image.segments[0].address), (Format::Raw, 0x0800_c000));
        assert!(matches!(Image::parse("a.bin", &[0; 100], Some(0xffff_fff0)), Err(ImageError::AddressOverflow { .. })));
        assert!(matches!(Image::parse("a.bin", &[], Some(0)), Err(ImageError::Empty { .. })));
    }

    #[test]
    fn an_elf_file_gives_its_module_and_symbols() {
        let image = Image::parse("app.elf", &small_elf(0x0808_0000, 0x0808_0000, &user_part(300)), None).unwrap();
        assert_eq!(image.format, Format::Elf);
        assert!(image.modules[0].module.crc_valid());
        assert_eq!(image.symbols.len(), 1);
        let elf = small_elf(0x0808_0000, 0x0808_0000, &[0; 8]);
        assert!(matches!(Image::parse("app.elf", &elf, Some(0)), Err(ImageError::AddressNotNeeded { .. })));
    }

    #[test]
    fn a_dump_of_flash_shows_all_its_modules() {
        let mut dump = vec![0xff; 1 << 20];
        for place in [0x8_0000, 0xa_0000] {
            dump[place..place + 2000].copy_from_slice(&user_part(2000));
        }
        let image = Image::parse("dump.bin", &dump, Some(0x0800_0000)).unwrap();
        assert_eq!(image.format, Format::Raw);
        let places: Vec<u32> = image.modules.iter().map(|located| located.address).collect();
        assert_eq!(places, [0x0808_0000, 0x080a_0000]);
    }

    #[test]
    fn a_cut_module_is_refused_with_its_name() {
        let error = Image::parse("part1.bin", &user_part(2000)[..1500], None).unwrap_err().to_string();
        assert!(error.starts_with("part1.bin: ") && error.contains("2000") && error.contains("1500"), "{error}");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>, address: Option<u32>) {
            let _ = Image::parse("x", &bytes, address);
        }

        #[test]
        fn damaged_modules_never_panic(offset in 0usize..24, value: u8, cut in 1usize..600, address: Option<u32>) {
            let mut bytes = user_part(600);
            bytes[offset] = value;
            let _ = Image::parse("x", &bytes[..cut], address);
        }
    }
}
