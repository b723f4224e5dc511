//! The folder that keeps fetched vendor images, and sets loaded from it.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::catalogue::{self, PACKAGE, VendorFile};
use crate::flash::{FlashImage, PlaceError};
use crate::image::{Image, ImageError};

/// Environment variable that names another folder for fetched images.
pub const IMAGES_VARIABLE: &str = "LOCKSTEP_IMAGES";

/// The folder of fetched images: `LOCKSTEP_IMAGES` if set; else `images` in the nearest folder upwards that is a git
/// repository; else `images` in the working directory.
pub fn images_dir() -> PathBuf {
    if let Some(dir) = std::env::var_os(IMAGES_VARIABLE).filter(|dir| !dir.is_empty()) {
        return PathBuf::from(dir);
    }
    let here = std::env::current_dir().unwrap_or_default();
    let repository = here.ancestors().find(|dir| dir.join(".git").exists());
    repository.unwrap_or(&here).join("images")
}

/// Where a vendor's file lies in the folder of fetched images.
pub fn cached_path(dir: &Path, file: &VendorFile) -> PathBuf {
    dir.join(format!("{PACKAGE}-{}", file.package_version)).join(file.file_name())
}

/// The images of one firmware version: boot loader, system parts, default application.
#[derive(Clone, Debug)]
pub struct FirmwareSet {
    /// Firmware version.
    pub version: String,
    /// The images, in order of address.
    pub images: Vec<Image>,
}

impl FirmwareSet {
    /// Flash with all images of the set in their places and nothing else.
    pub fn flash(&self) -> Result<FlashImage, PlaceError> {
        self.flash_with(&[])
    }

    /// Flash with the set and with these images instead of those of the set that they overlap, for example the user's
    /// own application instead of the vendor's.
    pub fn flash_with(&self, own: &[Image]) -> Result<FlashImage, PlaceError> {
        let mut flash = FlashImage::blank();
        let overlaps = |a: &Image, b: &Image| {
            a.segments
                .iter()
                .any(|a| b.segments.iter().any(|b| u64::from(a.address) < b.end() && u64::from(b.address) < a.end()))
        };
        for image in own {
            flash.place(image)?;
        }
        for image in self.images.iter().filter(|image| !own.iter().any(|own| overlaps(own, image))) {
            flash.place(image)?;
        }
        Ok(flash)
    }
}

/// Loads a set from the folder of fetched images ([`images_dir`]).
pub fn load_set(version: &str) -> Result<FirmwareSet, ImageError> {
    load_set_from(&images_dir(), version)
}

/// Loads a set from a folder. Each file's SHA-256 is checked.
pub fn load_set_from(dir: &Path, version: &str) -> Result<FirmwareSet, ImageError> {
    load_set_with(version, |file| read_vendor_file(dir, version, file))
}

/// Loads a set whose files `read` gives, checked or not: it is checked here.
pub fn load_set_with<E: From<ImageError>>(
    version: &str,
    mut read: impl FnMut(&'static VendorFile) -> Result<Vec<u8>, E>,
) -> Result<FirmwareSet, E> {
    let set = catalogue::set(version).ok_or_else(|| unknown_version(version))?;
    let mut images = Vec::new();
    for file in set.files {
        let bytes = read(file)?;
        let path = cached_path(&images_dir(), file);
        check_vendor_file(&path, file, &bytes)?;
        images.push(Image::parse(&path.display().to_string(), &bytes, None)?);
    }
    Ok(FirmwareSet { version: version.to_owned(), images })
}

/// A vendor's file of this version from the folder of fetched images; its SHA-256 is checked.
pub fn read_vendor_file(dir: &Path, version: &str, file: &VendorFile) -> Result<Vec<u8>, ImageError> {
    let path = cached_path(dir, file);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(ImageError::NotFetched { version: version.to_owned(), path });
        }
        Err(source) => return Err(ImageError::Io { path, source }),
    };
    check_vendor_file(&path, file, &bytes)?;
    Ok(bytes)
}

fn check_vendor_file(path: &Path, file: &VendorFile, bytes: &[u8]) -> Result<(), ImageError> {
    let found = sha256(bytes);
    if found != file.sha256 {
        return Err(ImageError::HashDiffers { path: path.to_owned(), expected: file.sha256, found });
    }
    Ok(())
}

pub(crate) fn unknown_version(version: &str) -> ImageError {
    ImageError::UnknownVersion { version: version.to_owned(), known: catalogue::versions() }
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::tests::user_part;

    #[test]
    fn a_set_that_is_not_there_names_the_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let error = load_set_from(dir.path(), "2.2.0").unwrap_err().to_string();
        assert!(error.contains("lockstep images fetch 2.2.0"), "{error}");
        let error = load_set_from(dir.path(), "9.9.9").unwrap_err().to_string();
        assert!(error.contains("0.5.2, 1.5.0"), "{error}");
    }

    #[test]
    fn a_changed_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = catalogue::set("2.2.0").unwrap().files[0];
        let path = cached_path(dir.path(), file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, b"not it").unwrap();
        assert!(matches!(load_set_from(dir.path(), "2.2.0"), Err(ImageError::HashDiffers { .. })));
    }

    #[test]
    fn an_own_application_takes_the_place_of_the_vendors() {
        let set = FirmwareSet {
            version: "x".to_owned(),
            images: vec![Image::parse("vendor", &user_part(1000), None).unwrap()],
        };
        let own = Image::parse("own", &user_part(600), None).unwrap();
        let flash = set.flash_with(&[own]).unwrap();
        assert_eq!(flash.modules().len(), 1);
        assert_eq!(flash.modules()[0].name, "own");
    }
}
