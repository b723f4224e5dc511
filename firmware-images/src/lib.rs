//! Firmware images: their formats, their places in flash, the vendor's catalogue, and the device configuration table.
//!
//! [`Image`] reads one file; [`FlashImage`] puts images together; [`load_set`] gives the vendor's images, which [`fetch`]
//! got from the npm registry; [`dct`] makes and checks device configuration tables; [`inspect`] says what a file is;
//! [`sd_image`] is about images of SD cards.
//!
//! Nothing here is part of the simulated world: these are its inputs, and files are read and written.

#![forbid(unsafe_code)]

pub mod app_config;
mod bytes;
pub mod catalogue;
pub mod dct;
mod elf;
mod fetch;
mod flash;
mod hex_file;
mod image;
mod inspect;
mod map_file;
pub mod module;
mod platform;
pub mod sd_image;
mod set;
mod symbols;

pub use elf::{ElfError, ElfFile, parse as parse_elf};
pub use fetch::{FetchError, Progress, fetch, import};
pub use flash::{
    DCT_SECTORS, FACTORY_PLACE, FLASH_LENGTH, FLASH_START, FlashImage, MODULE_PLACES, PlaceError, PlacedModule,
    STAGING_PLACE, UnmetDependency,
};
pub use hex_file::{HexError, HexFile, parse as parse_hex};
pub use image::{Format, Image, ImageError, LocatedModule, Segment};
pub use inspect::{Extent, Inspection, ModuleInspection, Vectors, inspect, inspect_bytes};
pub use map_file::{MapError, parse as parse_map};
pub use module::{Dependency, Module, ModuleError, ModuleFunction, ModuleInfo, ModuleSuffix};
pub use platform::{ELECTRON, platform_name};
pub use set::{FirmwareSet, IMAGES_VARIABLE, images_dir, load_set, load_set_from, load_set_with, read_vendor_file};
pub use symbols::{Symbol, SymbolKind, SymbolTable};
