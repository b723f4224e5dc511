//! The Particle module format: `module_info` near the start, suffix and CRC-32 at the end.
//!
//! Layout from the public header `dynalib/inc/module_info.h`; the places of `module_info`, the span of the SHA-256 and
//! the byte order of the CRC measured on the vendor's images. The device checks the CRC only.

use std::fmt;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::bytes::{array_at, put, u16_at, u32_at};
use crate::platform::platform_name;

/// Where `module_info` can lie: at the start (user parts, system parts without vectors), behind the vector table of an
/// STM32F2 (97 words), of an nRF52840, of an STM32F1.
pub const INFO_OFFSETS: [u32; 4] = [0, 0x184, 0x200, 0x10c];
/// Size of `module_info`.
pub const INFO_LENGTH: usize = 24;
/// Size of the CRC-32 that follows the module's end address.
pub const CRC_LENGTH: usize = 4;
/// Distance from the end of a module to its SHA-256, which covers everything before it: SHA-256, size, CRC-32.
const SHA_FROM_END: usize = 32 + 2 + CRC_LENGTH;
/// Product number, product version, reserved, SHA-256, size: what the size field of every known suffix says.
pub(crate) const SUFFIX_LENGTH: usize = 40;

/// What a module is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModuleFunction {
    /// No module; in a dependency: no dependency.
    None,
    /// Data without header and CRC.
    Resource,
    /// The boot loader.
    Bootloader,
    /// System and application in one image.
    Monolithic,
    /// One of the parts of the system firmware.
    SystemPart,
    /// The application.
    UserPart,
    /// Persisted settings.
    Settings,
    /// Firmware of a network coprocessor.
    NcpFirmware,
    /// Radio stack.
    RadioStack,
    /// A number this version does not know.
    Unknown(u8),
}

impl From<u8> for ModuleFunction {
    fn from(number: u8) -> Self {
        match number {
            0 => Self::None,
            1 => Self::Resource,
            2 => Self::Bootloader,
            3 => Self::Monolithic,
            4 => Self::SystemPart,
            5 => Self::UserPart,
            6 => Self::Settings,
            7 => Self::NcpFirmware,
            8 => Self::RadioStack,
            other => Self::Unknown(other),
        }
    }
}

impl fmt::Display for ModuleFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Resource => f.write_str("resource"),
            Self::Bootloader => f.write_str("bootloader"),
            Self::Monolithic => f.write_str("monolithic firmware"),
            Self::SystemPart => f.write_str("system part"),
            Self::UserPart => f.write_str("user part"),
            Self::Settings => f.write_str("settings"),
            Self::NcpFirmware => f.write_str("NCP firmware"),
            Self::RadioStack => f.write_str("radio stack"),
            Self::Unknown(number) => write!(f, "function {number}"),
        }
    }
}

/// A module that another one needs: this function and index, at this version or a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Dependency {
    /// Function of the needed module.
    pub function: ModuleFunction,
    /// Index of the needed module.
    pub index: u8,
    /// Smallest version that suffices.
    pub version: u16,
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} version {} or later", self.function, self.index, self.version)
    }
}

/// The contents of `module_info`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModuleInfo {
    /// Address of the module's first byte.
    pub start: u32,
    /// Address of the CRC-32, one past the module's last byte.
    pub end: u32,
    /// Reserved (a target number on later platforms).
    pub reserved: u8,
    /// [`FLAG_DROP_INFO`], [`FLAG_COMPRESSED`], [`FLAG_COMBINED`].
    pub flags: u8,
    /// The module's version: 2202 for system firmware 2.2.0; for a user part the version of its interface.
    pub version: u16,
    /// Platform number; see [`platform_name`].
    pub platform: u16,
    /// What the module is for.
    pub function: ModuleFunction,
    /// Distinguishes modules of the same function.
    pub index: u8,
    /// The modules it needs; [`ModuleFunction::None`] where it needs none.
    pub dependencies: [Dependency; 2],
}

/// `module_info` and what surrounds it are left out when the module is copied to its place.
pub const FLAG_DROP_INFO: u8 = 1;
/// The module's data are compressed.
pub const FLAG_COMPRESSED: u8 = 2;
/// Another module follows in the same file.
pub const FLAG_COMBINED: u8 = 4;

impl ModuleInfo {
    /// Reads the 24 bytes at `offset`, whatever they say. `None` when the data end before.
    pub fn read(bytes: &[u8], offset: usize) -> Option<Self> {
        let raw: [u8; INFO_LENGTH] = array_at(bytes, offset)?;
        let dependency = |at| {
            Some(Dependency {
                function: ModuleFunction::from(*raw.get(at)?),
                index: *raw.get(at + 1)?,
                version: u16_at(&raw, at + 2)?,
            })
        };
        Some(Self {
            start: u32_at(&raw, 0)?,
            end: u32_at(&raw, 4)?,
            reserved: raw[8],
            flags: raw[9],
            version: u16_at(&raw, 10)?,
            platform: u16_at(&raw, 12)?,
            function: ModuleFunction::from(raw[14]),
            index: raw[15],
            dependencies: [dependency(16)?, dependency(20)?],
        })
    }

    /// Length of the whole module in bytes, CRC included, as its addresses say.
    pub fn length(&self) -> u32 {
        self.end.saturating_sub(self.start).saturating_add(CRC_LENGTH as u32)
    }

    /// The dependencies that name a module.
    pub fn needs(&self) -> impl Iterator<Item = &Dependency> {
        self.dependencies.iter().filter(|dependency| dependency.function != ModuleFunction::None)
    }

    /// Whether these 24 bytes can be a `module_info` at all. Random data pass about once in 10^9: the platform must be
    /// known, the function too, the addresses in order, and no module is larger than 16 MB.
    fn is_plausible(&self, offset: u32) -> bool {
        let shortest = offset.saturating_add((INFO_LENGTH + SUFFIX_LENGTH) as u32);
        platform_name(self.platform).is_some()
            && !matches!(self.function, ModuleFunction::None | ModuleFunction::Unknown(_))
            && self.end.checked_sub(self.start).is_some_and(|length| length >= shortest && length < 1 << 24)
            && self.flags & !(FLAG_DROP_INFO | FLAG_COMPRESSED | FLAG_COMBINED) == 0
    }
}

/// What precedes a module's CRC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModuleSuffix {
    /// Product number, when the application set one.
    pub product_id: Option<u16>,
    /// Product version, when the application set one.
    pub product_version: Option<u16>,
    /// Reserved.
    pub reserved: u16,
    /// The SHA-256 stored in the module, in hexadecimal.
    pub sha256: String,
    /// The suffix's own size in bytes, as it says.
    pub size: u16,
}

/// A module as found in a file or in flash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Module {
    /// Offset of `module_info` from the module's start.
    pub info_offset: u32,
    /// The contents of `module_info`.
    pub info: ModuleInfo,
    /// The suffix; `None` when its size field says that it is none that we know.
    pub suffix: Option<ModuleSuffix>,
    /// CRC-32 stored behind the module.
    pub crc_stored: u32,
    /// CRC-32 computed over the module.
    pub crc_computed: u32,
    /// Whether the stored SHA-256 is that of the module; `None` without a suffix.
    pub sha256_valid: Option<bool>,
    /// Bytes in the data after the module's CRC.
    pub trailing_bytes: usize,
}

impl Module {
    /// Whether the stored CRC-32 is that of the module. A device refuses a module where it is not.
    pub fn crc_valid(&self) -> bool {
        self.crc_stored == self.crc_computed
    }
}

/// Why data are not a module.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModuleError {
    /// Nothing like `module_info` at any of the known offsets.
    #[error("no module_info at offset 0, 0x184, 0x200 or 0x10c: this is not a Particle module")]
    NotAModule,
    /// `module_info` is there, and the data end before the module does.
    #[error(
        "module_info at offset {info_offset:#x} says {expected} bytes, but there are {found}: the file is cut short; get it again"
    )]
    Truncated {
        /// Where `module_info` was found.
        info_offset: u32,
        /// Length the module says it has, CRC included.
        expected: u32,
        /// Length of the data.
        found: usize,
    },
}

/// Offset and contents of the `module_info` in data that start where a module starts.
pub fn find_info(bytes: &[u8]) -> Option<(u32, ModuleInfo)> {
    INFO_OFFSETS.iter().find_map(|&offset| {
        let info = ModuleInfo::read(bytes, offset as usize)?;
        info.is_plausible(offset).then_some((offset, info))
    })
}

/// Reads the module that `bytes` start with. A wrong CRC or SHA-256 is not an error here: it is in the result.
pub fn parse(bytes: &[u8]) -> Result<Module, ModuleError> {
    let (info_offset, info) = find_info(bytes).ok_or(ModuleError::NotAModule)?;
    let expected = info.length();
    let truncated = || ModuleError::Truncated { info_offset, expected, found: bytes.len() };
    let module = bytes.get(..expected as usize).ok_or_else(truncated)?;
    let (body, crc) = module.split_last_chunk::<CRC_LENGTH>().ok_or_else(truncated)?;
    let suffix = read_suffix(body);
    let sha256_valid = suffix.as_ref().map(|suffix| {
        let covered = module.get(..module.len().saturating_sub(SHA_FROM_END)).unwrap_or_default();
        hex::encode(Sha256::digest(covered)) == suffix.sha256
    });
    Ok(Module {
        info_offset,
        suffix,
        crc_stored: u32::from_be_bytes(*crc),
        crc_computed: crc32fast::hash(body),
        sha256_valid,
        trailing_bytes: bytes.len() - module.len(),
        info,
    })
}

fn read_suffix(body: &[u8]) -> Option<ModuleSuffix> {
    let start = body.len().checked_sub(SUFFIX_LENGTH)?;
    let size = u16_at(body, start + 38)?;
    if usize::from(size) != SUFFIX_LENGTH {
        return None;
    }
    // Vendor modules leave the product fields erased.
    let product = |offset| u16_at(body, start + offset).filter(|value| *value != 0xffff);
    Some(ModuleSuffix {
        product_id: product(0),
        product_version: product(2),
        reserved: u16_at(body, start + 4)?,
        sha256: hex::encode(body.get(start + 6..start + 38)?),
        size,
    })
}

/// Writes the SHA-256, the suffix's size and the CRC-32 into a freshly linked module, as the vendor's build does after
/// the linker. The last 44 bytes must be room for the suffix and the CRC; product number and version are left alone.
pub fn seal(bytes: &mut [u8]) -> Result<(), ModuleError> {
    let (info_offset, info) = find_info(bytes).ok_or(ModuleError::NotAModule)?;
    let expected = info.length();
    let truncated = ModuleError::Truncated { info_offset, expected, found: bytes.len() };
    let Some(module) = bytes.get_mut(..expected as usize) else { return Err(truncated) };
    let Some(sha_offset) = module.len().checked_sub(SHA_FROM_END) else { return Err(truncated) };
    let sha = Sha256::digest(module.get(..sha_offset).unwrap_or_default());
    let crc_offset = module.len() - CRC_LENGTH;
    let mut fits = put(module, sha_offset, &sha);
    fits &= put(module, crc_offset - 2, &(SUFFIX_LENGTH as u16).to_le_bytes());
    let crc = crc32fast::hash(module.get(..crc_offset).unwrap_or_default());
    fits &= put(module, crc_offset, &crc.to_be_bytes());
    if fits { Ok(()) } else { Err(truncated) }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A sealed user part at 0x08080000 with `length` bytes in all.
    pub(crate) fn user_part(length: u32) -> Vec<u8> {
        module(0x0808_0000, length, 5, 1, 10, [4, 2, 17])
    }

    pub(crate) fn module(start: u32, length: u32, function: u8, index: u8, platform: u16, needs: [u16; 3]) -> Vec<u8> {
        let mut bytes = vec![0xa5; length as usize];
        let mut info = Vec::new();
        info.extend(start.to_le_bytes());
        info.extend((start + length - 4).to_le_bytes());
        info.extend([0, 0, 3, 0]);
        info.extend(platform.to_le_bytes());
        info.extend([function, index, needs[0] as u8, needs[1] as u8]);
        info.extend(needs[2].to_le_bytes());
        info.extend([0; 4]);
        bytes[..24].copy_from_slice(&info);
        let tail = bytes.len() - 44;
        bytes[tail..].fill(0xff);
        seal(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_sealed_module_reads_back_valid() {
        let module = parse(&user_part(1000)).unwrap();
        assert!(module.crc_valid());
        assert_eq!(module.sha256_valid, Some(true));
        assert_eq!(module.info.function, ModuleFunction::UserPart);
        assert_eq!(module.info.needs().count(), 1);
        assert_eq!(module.suffix.unwrap().product_id, None);
        assert_eq!(module.trailing_bytes, 0);
    }

    #[test]
    fn one_changed_bit_breaks_crc_and_sha() {
        let mut bytes = user_part(1000);
        bytes[500] ^= 1;
        let module = parse(&bytes).unwrap();
        assert!(!module.crc_valid());
        assert_eq!(module.sha256_valid, Some(false));
    }

    #[test]
    fn a_cut_file_is_named_as_such() {
        let bytes = user_part(1000);
        assert_eq!(parse(&bytes[..999]), Err(ModuleError::Truncated { info_offset: 0, expected: 1000, found: 999 }));
        assert_eq!(parse(&bytes[..20]), Err(ModuleError::NotAModule));
        assert_eq!(parse(&[0; 4096]), Err(ModuleError::NotAModule));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
            let _ = seal(&mut bytes.clone());
        }

        #[test]
        fn a_damaged_header_never_panics(offset in 0usize..24, value: u8, cut in 0usize..1000) {
            let mut bytes = user_part(1000);
            bytes[offset] = value;
            let _ = parse(&bytes[..cut]);
            let _ = seal(&mut bytes);
            let _ = parse(&bytes);
        }

        #[test]
        fn a_single_bit_is_always_noticed(offset in 24usize..1000, bit in 0u8..8) {
            let mut bytes = user_part(1000);
            bytes[offset] ^= 1 << bit;
            prop_assert!(!parse(&bytes).unwrap().crc_valid());
        }
    }
}
