//! The vendor's images: in which package they are, under which path, and their SHA-256.
//!
//! Paths and hashes measured on the packages; function, index and version read from each file's `module_info`. File
//! names lie about placement: from 1.5.0 on "part1" is index 3, "part2" index 1, "part3" index 2.

use crate::module::ModuleFunction;

/// The npm package that carries the images.
pub const PACKAGE: &str = "particle-cli";

/// One file of the vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VendorFile {
    /// Version of the package [`PACKAGE`].
    pub package_version: &'static str,
    /// Path inside the package's tarball.
    pub path: &'static str,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: &'static str,
    /// What the module is for.
    pub function: ModuleFunction,
    /// Module index.
    pub index: u8,
    /// Module version.
    pub module_version: u16,
}

impl VendorFile {
    /// The file's name without folders.
    pub fn file_name(&self) -> &'static str {
        self.path.rsplit('/').next().unwrap_or(self.path)
    }
}

/// A set of images that make a working device.
#[derive(Clone, Copy, Debug)]
pub struct VendorSet {
    /// Firmware version, the set's name.
    pub version: &'static str,
    /// Boot loader, system parts, application; in order of address.
    pub files: &'static [&'static VendorFile],
}

const fn file(
    package_version: &'static str,
    path: &'static str,
    (function, index, module_version): (ModuleFunction, u8, u16),
    sha256: &'static str,
) -> VendorFile {
    VendorFile { package_version, path, sha256, function, index, module_version }
}

const TINKER_SHA256: &str = "c505033c91cdd6dadb1c5f386ea60fbf6986fd1f67cd7d7d8f9d3cfc3dd6688a";

/// The vendor's default application. The same file, byte for byte, in every package; it needs system part 2 version 10.
const fn tinker(package_version: &'static str, path: &'static str) -> VendorFile {
    file(package_version, path, (ModuleFunction::UserPart, 1, 3), TINKER_SHA256)
}

const fn bootloader(package: &'static str, path: &'static str, version: u16, sha256: &'static str) -> VendorFile {
    file(package, path, (ModuleFunction::Bootloader, 0, version), sha256)
}

const fn part(package: &'static str, path: &'static str, index: u8, version: u16, sha256: &'static str) -> VendorFile {
    file(package, path, (ModuleFunction::SystemPart, index, version), sha256)
}

const PART1_0_5_2: VendorFile = part(
    "1.16.0",
    "package/updates/system-part1-0.5.2-electron.bin",
    1,
    17,
    "a677b4bce2c5db3f2cac2db795a25ce7deaa645204cc32d20f2d4f129b0b7680",
);
const PART2_0_5_2: VendorFile = part(
    "1.16.0",
    "package/updates/system-part2-0.5.2-electron.bin",
    2,
    17,
    "d6a99294054108451c54aaa4692caf279146e6645dae12af8f6897b714346a9c",
);
const TINKER_0_5_2: VendorFile = tinker("1.16.0", "package/binaries/electron_tinker.bin");

const PART1_1_5_0: VendorFile = part(
    "2.4.0",
    "package/assets/updates/electron-system-part2@1.5.0.bin",
    1,
    1502,
    "7ac17b220daece7a64739a17a65c5894d54995e24060b361718fbe3cf55c5112",
);
const PART2_1_5_0: VendorFile = part(
    "2.4.0",
    "package/assets/updates/electron-system-part3@1.5.0.bin",
    2,
    1502,
    "e2e2df5dd9a77bb1a3d64d119d6be9731e56f42ac3d392c53cb59503f9d738db",
);
const PART3_1_5_0: VendorFile = part(
    "2.4.0",
    "package/assets/updates/electron-system-part1@1.5.0.bin",
    3,
    1502,
    "0815322a9bd879066d7acce3cc3e3319671c18240d1d15da07a98f91cfbd93e3",
);
const TINKER_1_5_0: VendorFile = tinker("2.4.0", "package/assets/binaries/electron_tinker.bin");

const PART1_1_5_1: VendorFile = part(
    "2.5.0",
    "package/assets/updates/electron-system-part2@1.5.1.bin",
    1,
    1511,
    "0d1cabe1746f75fddfd11952de0549a4dc2992bb587b7116377b2626bd3cd87e",
);
const PART2_1_5_1: VendorFile = part(
    "2.5.0",
    "package/assets/updates/electron-system-part3@1.5.1.bin",
    2,
    1511,
    "c6bfdbb6febd6a5039439a4018a467b9303a59e816179a16ae5f0f3898e7745d",
);
const PART3_1_5_1: VendorFile = part(
    "2.5.0",
    "package/assets/updates/electron-system-part1@1.5.1.bin",
    3,
    1511,
    "ea86f9e3fb46604cb766a142ea57c0d0aabdc021a476e7053e77e509f216ac90",
);
const TINKER_1_5_1: VendorFile = tinker("2.5.0", "package/assets/binaries/electron_tinker.bin");

const BOOTLOADER_2_0_0: VendorFile = bootloader(
    "2.9.0",
    "package/assets/updates/electron-bootloader@2.0.0+lto.bin",
    1003,
    "718f66020fd5529d057ce2afe939628ff3399e05c93926ad8a404edf6054666e",
);
const PART1_2_0_0: VendorFile = part(
    "2.9.0",
    "package/assets/updates/electron-system-part2@2.0.0.bin",
    1,
    2008,
    "dc54b77c6fea8503c84bb0a47f1aac91e313d892c508d9640dc22dce9817afa0",
);
const PART2_2_0_0: VendorFile = part(
    "2.9.0",
    "package/assets/updates/electron-system-part3@2.0.0.bin",
    2,
    2008,
    "290168ce2b0386abaa30f262e9cedd42ae04b991491fad3e542906bf74b46bce",
);
const PART3_2_0_0: VendorFile = part(
    "2.9.0",
    "package/assets/updates/electron-system-part1@2.0.0.bin",
    3,
    2008,
    "b4382d44c8060e6c277bba17383e41566d24cccc0d179ab4323ec7b12d384ff6",
);
const TINKER_2_0_0: VendorFile = tinker("2.9.0", "package/assets/binaries/electron_tinker.bin");

const BOOTLOADER_2_1_0: VendorFile = bootloader(
    "2.12.0",
    "package/assets/updates/electron-bootloader@2.1.0+lto.bin",
    1005,
    "42affda720605704645cc0bd2f7a585f92554f94625f950b8d7fe6cf56eb3c37",
);
const PART1_2_1_0: VendorFile = part(
    "2.12.0",
    "package/assets/updates/electron-system-part2@2.1.0.bin",
    1,
    2101,
    "261e2a6dfdf7e0efa371c75b424c76d4d8c4f9d4ed5f386e7284c17b2096ee69",
);
const PART2_2_1_0: VendorFile = part(
    "2.12.0",
    "package/assets/updates/electron-system-part3@2.1.0.bin",
    2,
    2101,
    "390352528699c28c273339905cff62919658f638c2bcc692005fa9eed031abb0",
);
const PART3_2_1_0: VendorFile = part(
    "2.12.0",
    "package/assets/updates/electron-system-part1@2.1.0.bin",
    3,
    2101,
    "0781178a8f615255a8fc61f8fbe0cb6426df03146b41ea114da0a81c71fd12cc",
);
const TINKER_2_1_0: VendorFile = tinker("2.12.0", "package/assets/binaries/electron_tinker.bin");

const BOOTLOADER_2_2_0: VendorFile = bootloader(
    "2.16.0",
    "package/assets/updates/electron-bootloader@2.2.0+lto.bin",
    1006,
    "5daea2c95028cde1efd3105577d102016fc0309aa3a8664a5108d26ceeffe93a",
);
const PART1_2_2_0: VendorFile = part(
    "2.16.0",
    "package/assets/updates/electron-system-part2@2.2.0.bin",
    1,
    2202,
    "a57472735c5fb80ebdfb11e78a5393f9db21bc093eb56957f30fe380548f5e05",
);
const PART2_2_2_0: VendorFile = part(
    "2.16.0",
    "package/assets/updates/electron-system-part3@2.2.0.bin",
    2,
    2202,
    "97f1ed6029f27fecc97e19e0fcf62e8188c1cfbbe919ce41100ea11e496e1308",
);
const PART3_2_2_0: VendorFile = part(
    "2.16.0",
    "package/assets/updates/electron-system-part1@2.2.0.bin",
    3,
    2202,
    "0c13e0c25066fe779695e09581cb30cf20a70a2dbbbbd8248b9a57e772b975d2",
);
const TINKER_2_2_0: VendorFile = tinker("2.16.0", "package/assets/binaries/electron_tinker.bin");

const BOOTLOADER_2_3_1: VendorFile = bootloader(
    "3.6.0",
    "package/assets/updates/electron-bootloader@2.3.1+lto.bin",
    1006,
    "5daea2c95028cde1efd3105577d102016fc0309aa3a8664a5108d26ceeffe93a",
);
const PART1_2_3_1: VendorFile = part(
    "3.6.0",
    "package/assets/updates/electron-system-part2@2.3.1.bin",
    1,
    2302,
    "9295c610e03849cfb3a413399824d9d0dc2ef94e088052a2714c527420b7ee1f",
);
const PART2_2_3_1: VendorFile = part(
    "3.6.0",
    "package/assets/updates/electron-system-part3@2.3.1.bin",
    2,
    2302,
    "570b04d052157997b55eddceee36e584300ad26629cfb6a77b823b8ad97e0b22",
);
const PART3_2_3_1: VendorFile = part(
    "3.6.0",
    "package/assets/updates/electron-system-part1@2.3.1.bin",
    3,
    2302,
    "ab7e8bbb814788d9efcded91c8d9bffc98b848a89886d9bb78e9ba64805bfe3d",
);
const TINKER_2_3_1: VendorFile = tinker("3.6.0", "package/assets/knownApps/electron/tinker/electron_tinker.bin");

/// All sets, oldest first. Packages before 2.9.0 carry no boot loader: 1.5.x take that of 2.0.0 (they need version 400
/// or later, it is 1003), 0.5.2 that of 2.2.0.
pub const SETS: &[VendorSet] = &[
    VendorSet { version: "0.5.2", files: &[&BOOTLOADER_2_2_0, &PART1_0_5_2, &PART2_0_5_2, &TINKER_0_5_2] },
    VendorSet {
        version: "1.5.0",
        files: &[&BOOTLOADER_2_0_0, &PART1_1_5_0, &PART2_1_5_0, &PART3_1_5_0, &TINKER_1_5_0],
    },
    VendorSet {
        version: "1.5.1",
        files: &[&BOOTLOADER_2_0_0, &PART1_1_5_1, &PART2_1_5_1, &PART3_1_5_1, &TINKER_1_5_1],
    },
    VendorSet {
        version: "2.0.0",
        files: &[&BOOTLOADER_2_0_0, &PART1_2_0_0, &PART2_2_0_0, &PART3_2_0_0, &TINKER_2_0_0],
    },
    VendorSet {
        version: "2.1.0",
        files: &[&BOOTLOADER_2_1_0, &PART1_2_1_0, &PART2_2_1_0, &PART3_2_1_0, &TINKER_2_1_0],
    },
    VendorSet {
        version: "2.2.0",
        files: &[&BOOTLOADER_2_2_0, &PART1_2_2_0, &PART2_2_2_0, &PART3_2_2_0, &TINKER_2_2_0],
    },
    VendorSet {
        version: "2.3.1",
        files: &[&BOOTLOADER_2_3_1, &PART1_2_3_1, &PART2_2_3_1, &PART3_2_3_1, &TINKER_2_3_1],
    },
];

/// The set of a firmware version.
pub fn set(version: &str) -> Option<&'static VendorSet> {
    SETS.iter().find(|set| set.version == version)
}

/// The names of all sets, oldest first.
pub fn versions() -> Vec<&'static str> {
    SETS.iter().map(|set| set.version).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_set_has_a_boot_loader_its_parts_and_one_application() {
        for set in SETS {
            let count = |function| set.files.iter().filter(|file| file.function == function).count();
            assert_eq!(count(ModuleFunction::Bootloader), 1, "{}", set.version);
            assert_eq!(count(ModuleFunction::UserPart), 1, "{}", set.version);
            let parts = if set.version == "0.5.2" { 2 } else { 3 };
            assert_eq!(count(ModuleFunction::SystemPart), parts, "{}", set.version);
        }
    }

    #[test]
    fn no_two_files_share_a_place_in_the_cache() {
        let mut places: Vec<_> = SETS.iter().flat_map(|set| set.files).map(|f| (f.package_version, f.path)).collect();
        places.sort();
        places.dedup();
        let mut names: Vec<_> =
            SETS.iter().flat_map(|set| set.files).map(|f| (f.package_version, f.file_name())).collect();
        names.sort();
        names.dedup();
        assert_eq!(places.len(), names.len());
    }
}
