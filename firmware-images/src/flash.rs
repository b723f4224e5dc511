//! The contents of the microcontroller's 1 MB of flash before the first power-on.

use serde::Serialize;

use crate::bytes::put;
use crate::dct::Dct;
use crate::image::{Format, Image, LocatedModule};
use crate::module::{Dependency, FLAG_COMBINED, FLAG_COMPRESSED, FLAG_DROP_INFO};
use crate::platform::{ELECTRON, platform_name};

/// First address of flash.
pub const FLASH_START: u32 = 0x0800_0000;
/// Size of flash in bytes.
pub const FLASH_LENGTH: u32 = 1 << 20;
/// The two sectors of the device configuration table (DCT), 16 KB each.
pub const DCT_SECTORS: [u32; 2] = [0x0800_4000, 0x0800_8000];
/// Where a copy of the application for a factory reset is kept.
pub const FACTORY_PLACE: u32 = 0x080a_0000;
/// Where an update is kept until the boot loader copies it.
pub const STAGING_PLACE: u32 = 0x080c_0000;
/// Where the Electron's flash has modules: boot loader, three system parts, application, factory copy, staging.
pub const MODULE_PLACES: [u32; 7] =
    [FLASH_START, 0x0802_0000, 0x0804_0000, 0x0806_0000, 0x0808_0000, FACTORY_PLACE, STAGING_PLACE];

/// Whether modules at this place are copies that do not run there.
pub fn is_copy_place(address: u32) -> bool {
    address == FACTORY_PLACE || address == STAGING_PLACE
}

/// Why an image cannot be placed. Nothing of it has been placed then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// Outside of flash.
    #[error(
        "{name}: bytes {start:#010x} to {end:#010x} lie outside of flash (0x08000000 to 0x080fffff); give another address, or link for this device"
    )]
    OutOfRange {
        /// The image.
        name: String,
        /// First address.
        start: u32,
        /// Last address.
        end: u64,
    },
    /// Something is there already.
    #[error(
        "{name}: {start:#010x} to {end:#010x} overlaps {other}, which lies at {other_start:#010x} to {other_end:#010x}; leave one of them out"
    )]
    Overlap {
        /// The image.
        name: String,
        /// Its first address.
        start: u32,
        /// Its last address.
        end: u32,
        /// What is there.
        other: String,
        /// First address of that.
        other_start: u32,
        /// Last address of that.
        other_end: u32,
    },
    /// For another device.
    #[error("{name}: built for platform {platform} ({platform_name}); this device is platform 10 (Electron)")]
    WrongPlatform {
        /// The image.
        name: String,
        /// Its platform number.
        platform: u16,
        /// Its platform.
        platform_name: &'static str,
    },
    /// The CRC is wrong.
    #[error(
        "{name}: the module at {address:#010x} has CRC-32 {stored:08x}, computed {computed:08x}; the device would refuse it. Get the file again; if it is an ELF file, place the .bin that the build made from it and use the ELF file for its symbols"
    )]
    BrokenCrc {
        /// The image.
        name: String,
        /// Where the module lies.
        address: u32,
        /// CRC-32 in the module.
        stored: u32,
        /// CRC-32 of the module.
        computed: u32,
    },
    /// A module at an address where it does not run.
    #[error(
        "{name}: the module runs at {start:#010x} and was to be placed at {address:#010x}; leave out the address, or use {FACTORY_PLACE:#010x} (factory copy) or {STAGING_PLACE:#010x} (staged update)"
    )]
    Misplaced {
        /// The image.
        name: String,
        /// Where it runs.
        start: u32,
        /// Where it was to be placed.
        address: u32,
    },
    /// A module that must be unpacked first.
    #[error(
        "{name}: the module is {what} and cannot run in place; put it at {STAGING_PLACE:#010x} or send it as an update"
    )]
    Packed {
        /// The image.
        name: String,
        /// How.
        what: &'static str,
    },
}

/// A module's dependency that nothing in flash meets. Not an error: the device starts, in safe mode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnmetDependency {
    /// Image of the module that needs something.
    pub name: String,
    /// Where that module lies.
    pub address: u32,
    /// What it needs.
    pub needs: Dependency,
    /// The version of that module in flash; `None` when it is not there at all.
    pub found_version: Option<u16>,
}

impl std::fmt::Display for UnmetDependency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: the module at {:#010x} needs {}, ", self.name, self.address, self.needs)?;
        match self.found_version {
            Some(version) => write!(f, "but version {version} is there; ")?,
            None => write!(f, "which is not there; ")?,
        }
        f.write_str("the device will start in safe mode")
    }
}

/// A module in flash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlacedModule {
    /// Name of the image that it came with.
    pub name: String,
    /// Where it is and what it says.
    #[serde(flatten)]
    pub located: LocatedModule,
}

#[derive(Clone, Debug)]
struct Placed {
    name: String,
    start: u32,
    length: u32,
}

/// Flash, filled image by image.
#[derive(Clone, Debug)]
pub struct FlashImage {
    bytes: Vec<u8>,
    placed: Vec<Placed>,
    modules: Vec<PlacedModule>,
}

impl Default for FlashImage {
    fn default() -> Self {
        Self::blank()
    }
}

impl FlashImage {
    /// Erased flash.
    pub fn blank() -> Self {
        Self { bytes: vec![0xff; FLASH_LENGTH as usize], placed: Vec::new(), modules: Vec::new() }
    }

    /// The 1,048,576 bytes from 0x08000000 on.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The same, given away.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The modules placed so far, in order of placement.
    pub fn modules(&self) -> &[PlacedModule] {
        &self.modules
    }

    /// Places an image at the addresses it has, or refuses and changes nothing.
    pub fn place(&mut self, image: &Image) -> Result<(), PlaceError> {
        for located in &image.modules {
            check_module(image, located)?;
        }
        let mut added: Vec<(Placed, &[u8])> = Vec::new();
        for segment in &image.segments {
            let offset = segment.address.checked_sub(FLASH_START);
            let length = u32::try_from(segment.bytes.len()).ok();
            let fits = offset
                .zip(length)
                .filter(|(offset, length)| offset.checked_add(*length).is_some_and(|end| end <= FLASH_LENGTH));
            let Some((_, length)) = fits else {
                return Err(PlaceError::OutOfRange {
                    name: image.name.clone(),
                    start: segment.address,
                    end: segment.end().saturating_sub(1),
                });
            };
            if length == 0 {
                continue;
            }
            let placed = Placed { name: image.name.clone(), start: segment.address, length };
            let others = self.placed.iter().chain(added.iter().map(|(placed, _)| placed));
            for other in others {
                if placed.start < other.start + other.length && other.start < placed.start + placed.length {
                    return Err(PlaceError::Overlap {
                        name: placed.name,
                        start: placed.start,
                        end: placed.start + (placed.length - 1),
                        other: other.name.clone(),
                        other_start: other.start,
                        other_end: other.start + (other.length - 1),
                    });
                }
            }
            added.push((placed, &segment.bytes));
        }
        for (placed, bytes) in added {
            // Checked above to fit.
            let _ = put(&mut self.bytes, (placed.start - FLASH_START) as usize, bytes);
            self.placed.push(placed);
        }
        self.modules.extend(
            image.modules.iter().map(|located| PlacedModule { name: image.name.clone(), located: located.clone() }),
        );
        Ok(())
    }

    /// Places a device configuration table into its first sector.
    pub fn place_dct(&mut self, name: &str, dct: &Dct) -> Result<(), PlaceError> {
        self.place(&Image {
            name: name.to_owned(),
            format: Format::Raw,
            segments: vec![crate::image::Segment { address: DCT_SECTORS[0], bytes: dct.bytes().to_vec() }],
            modules: Vec::new(),
            symbols: Default::default(),
            entry: None,
        })
    }

    /// The dependencies that no module in flash meets, to be shown to the user.
    pub fn unmet_dependencies(&self) -> Vec<UnmetDependency> {
        let running = || self.modules.iter().filter(|placed| !is_copy_place(placed.located.address));
        let mut unmet = Vec::new();
        for placed in running() {
            for needs in placed.located.module.info.needs() {
                let versions = running()
                    .map(|other| &other.located.module.info)
                    .filter(|info| info.function == needs.function && info.index == needs.index)
                    .map(|info| info.version);
                let found_version = versions.max();
                if found_version.is_none_or(|version| version < needs.version) {
                    unmet.push(UnmetDependency {
                        name: placed.name.clone(),
                        address: placed.located.address,
                        needs: *needs,
                        found_version,
                    });
                }
            }
        }
        unmet
    }
}

fn check_module(image: &Image, located: &LocatedModule) -> Result<(), PlaceError> {
    let name = || image.name.clone();
    let info = &located.module.info;
    if info.platform != ELECTRON {
        let platform_name = platform_name(info.platform).unwrap_or("unknown");
        return Err(PlaceError::WrongPlatform { name: name(), platform: info.platform, platform_name });
    }
    if !located.module.crc_valid() {
        return Err(PlaceError::BrokenCrc {
            name: name(),
            address: located.address,
            stored: located.module.crc_stored,
            computed: located.module.crc_computed,
        });
    }
    if is_copy_place(located.address) {
        return Ok(());
    }
    if located.address != info.start {
        return Err(PlaceError::Misplaced { name: name(), start: info.start, address: located.address });
    }
    let packed = [(FLAG_COMPRESSED, "compressed"), (FLAG_DROP_INFO, "wrapped"), (FLAG_COMBINED, "combined")];
    match packed.into_iter().find(|(flag, _)| info.flags & flag != 0) {
        Some((_, what)) => Err(PlaceError::Packed { name: name(), what }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::tests::{module, user_part};
    use proptest::prelude::*;

    fn image(name: &str, bytes: &[u8], address: Option<u32>) -> Image {
        Image::parse(name, bytes, address).unwrap()
    }

    #[test]
    fn a_module_lies_at_its_address_and_the_rest_is_erased() {
        let part = user_part(1000);
        let mut flash = FlashImage::blank();
        flash.place(&image("app.bin", &part, None)).unwrap();
        assert_eq!(flash.bytes().len(), 1 << 20);
        assert_eq!(&flash.bytes()[0x8_0000..0x8_0000 + 1000], part);
        assert_eq!(
            flash.bytes().iter().filter(|byte| **byte != 0xff).count(),
            part.iter().filter(|b| **b != 0xff).count()
        );
    }

    #[test]
    fn each_mistake_has_its_own_error() {
        let mut flash = FlashImage::blank();
        flash.place(&image("a.bin", &user_part(1000), None)).unwrap();
        let before = flash.bytes().to_vec();
        let mut refuse = |image: Image| flash.place(&image).unwrap_err();
        let error = refuse(image("b.bin", &[1; 8], Some(0x0808_03e0)));
        assert_eq!(
            error.to_string(),
            "b.bin: 0x080803e0 to 0x080803e7 overlaps a.bin, which lies at 0x08080000 to 0x080803e7; leave one of them out"
        );
        for address in [0x07ff_ffff, 0x080f_fffc, 0x2000_0000, 0] {
            let error = refuse(image("b.bin", &[1; 8], Some(address)));
            assert!(matches!(error, PlaceError::OutOfRange { .. }), "{address:#x}");
        }
        let boron = module(0x0802_0000, 1000, 4, 1, 13, [0; 3]);
        assert!(refuse(image("boron.bin", &boron, None)).to_string().contains("13 (Boron)"));
        let mut broken = module(0x0802_0000, 1000, 4, 1, 10, [0; 3]);
        broken[400] ^= 4;
        assert!(matches!(refuse(image("c.bin", &broken, None)), PlaceError::BrokenCrc { address: 0x0802_0000, .. }));
        let part = module(0x0802_0000, 1000, 4, 1, 10, [0; 3]);
        assert!(matches!(refuse(image("c.bin", &part, Some(0x0804_0000))), PlaceError::Misplaced { .. }));
        assert_eq!(flash.bytes(), before, "a refused image leaves nothing behind");
        flash.place(&image("factory", &user_part(1000), Some(FACTORY_PLACE))).unwrap();
    }

    #[test]
    fn unmet_dependencies_are_told_and_met_ones_are_not() {
        // The helper's modules all have version 3.
        let mut flash = FlashImage::blank();
        flash.place(&image("app", &module(0x0808_0000, 1000, 5, 1, 10, [4, 2, 3]), None)).unwrap();
        let unmet = flash.unmet_dependencies();
        assert_eq!((unmet.len(), unmet[0].found_version), (1, None));
        flash.place(&image("part2", &module(0x0804_0000, 1000, 4, 2, 10, [4, 1, 4]), None)).unwrap();
        flash.place(&image("part1", &module(0x0802_0000, 1000, 4, 1, 10, [0; 3]), None)).unwrap();
        let unmet = flash.unmet_dependencies();
        assert_eq!(unmet.len(), 1, "that of the application is met now");
        assert_eq!(
            unmet[0].to_string(),
            "part2: the module at 0x08040000 needs system part 1 version 4 or later, but version 3 is there; \
             the device will start in safe mode"
        );
    }

    proptest! {
        #[test]
        fn no_placement_panics(address: u32, length in 1usize..5000, second: u32) {
            let mut flash = FlashImage::blank();
            for address in [address, second, FLASH_START + (address & 0xf_ffff), FLASH_START + (second & 0xf_ffff)] {
                if let Ok(image) = Image::parse("x", &vec![7; length], Some(address)) {
                    let _ = flash.place(&image);
                }
            }
        }
    }
}
