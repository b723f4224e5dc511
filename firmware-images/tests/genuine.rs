//! The vendor's own images: what the catalogue and the formats say of them, measured here on the files.
//!
//! They are never committed. Without them each test says so on stderr and how many sets it looked for.

use std::io::Write;

use lockstep_images::dct::{Dct, DctSpec, KeySource};
use lockstep_images::{
    FirmwareSet, Format, ImageError, Inspection, ModuleFunction, PlaceError, catalogue, images_dir, inspect_bytes,
    load_set_from,
};

/// The folder of fetched images. A test runs in its crate's folder, inside the repository.
fn sets(test: &str) -> Vec<FirmwareSet> {
    let dir = images_dir();
    let mut sets = Vec::new();
    let mut missing = 0;
    for version in catalogue::versions() {
        match load_set_from(&dir, version) {
            Ok(set) => sets.push(set),
            Err(ImageError::NotFetched { .. }) => missing += 1,
            Err(error) => panic!("{error}"),
        }
    }
    if missing > 0 {
        // Not `eprintln`, which the test harness keeps to itself when a test passes.
        let all = missing + sets.len();
        let _ = writeln!(std::io::stderr(), "SKIPPED (no vendor images): {test}: {missing} of {all} sets");
    }
    sets
}

#[test]
fn the_catalogue_says_what_the_modules_say() {
    for set in sets("the_catalogue_says_what_the_modules_say") {
        let files = catalogue::set(&set.version).unwrap().files;
        assert_eq!(files.len(), set.images.len());
        for (file, image) in files.iter().zip(&set.images) {
            let [located] = image.modules.as_slice() else { panic!("{}: {:?}", image.name, image.modules) };
            let (module, info) = (&located.module, &located.module.info);
            assert_eq!(image.format, Format::Module, "{}", image.name);
            assert_eq!((info.function, info.index), (file.function, file.index), "{}", image.name);
            assert_eq!(info.version, file.module_version, "{}", image.name);
            assert!(module.crc_valid() && module.sha256_valid == Some(true), "{}", image.name);
            assert_eq!((module.trailing_bytes, info.platform), (0, 10), "{}", image.name);
        }
    }
}

#[test]
fn every_set_fills_flash_and_meets_its_own_dependencies() {
    for set in sets("every_set_fills_flash_and_meets_its_own_dependencies") {
        let flash = set.flash().unwrap();
        assert_eq!(flash.unmet_dependencies(), [], "{}", set.version);
        let mut places: Vec<u32> = flash.modules().iter().map(|placed| placed.located.address).collect();
        places.sort_unstable();
        let mut expected = vec![0x0800_0000, 0x0802_0000, 0x0804_0000, 0x0806_0000, 0x0808_0000];
        if set.version == "0.5.2" {
            expected.remove(3);
        }
        assert_eq!(places, expected, "{}", set.version);
        // Where the processor starts: stack at the end of SRAM, reset handler in the boot loader.
        let word = |at: usize| u32::from_le_bytes(flash.bytes()[at..at + 4].try_into().unwrap());
        assert_eq!(word(0), 0x2002_0000);
        assert!((0x0800_0000..0x0800_4000).contains(&word(4)) && word(4) & 1 == 1);
        // Both configuration sectors are still erased.
        assert!(flash.bytes()[0x4000..0xc000].iter().all(|byte| *byte == 0xff));
    }
}

#[test]
fn a_configuration_table_goes_beside_a_set() {
    for set in sets("a_configuration_table_goes_beside_a_set") {
        let spec = DctSpec {
            device_private_key: Some(KeySource::Seed { seed: 1 }),
            server_public_key: Some(KeySource::Seed { seed: 2 }),
            server_address: Some("192.0.2.1:5684".parse().unwrap()),
            ..DctSpec::default()
        };
        let dct = spec.build(".".as_ref()).unwrap();
        let mut flash = set.flash().unwrap();
        flash.place_dct("table", &dct).unwrap();
        assert_eq!(Dct::parse(&flash.bytes()[0x4000..0xc000]).unwrap(), dct, "{}", set.version);
        assert!(matches!(flash.place_dct("again", &dct), Err(PlaceError::Overlap { .. })));
    }
}

#[test]
fn a_part_of_another_version_is_told() {
    let sets = sets("a_part_of_another_version_is_told");
    let find = |version: &str| sets.iter().find(|set| set.version == version);
    let (Some(old), Some(new)) = (find("2.0.0"), find("2.2.0")) else { return };
    let old_part = old.images.iter().find(|image| image.modules[0].address == 0x0802_0000).unwrap();
    let unmet = new.flash_with(std::slice::from_ref(old_part)).unwrap().unmet_dependencies();
    assert_eq!(unmet.len(), 1);
    assert_eq!(unmet[0].found_version, Some(2008));
    assert_eq!((unmet[0].needs.index, unmet[0].needs.version), (1, 2202));
}

#[test]
fn inspection_tells_a_genuine_module() {
    for set in sets("inspection_tells_a_genuine_module") {
        for image in &set.images {
            let bytes = &image.segments[0].bytes;
            let inspection = inspect_bytes(&image.name, bytes, None).unwrap();
            let Inspection::Image { vectors, modules, .. } = &inspection else { panic!("{inspection}") };
            let function = modules[0].located.module.info.function;
            // User parts and system part 3 start with module_info, the others with vectors.
            let has_vectors = function == ModuleFunction::Bootloader
                || (function == ModuleFunction::SystemPart && modules[0].located.address < 0x0806_0000);
            assert_eq!(vectors.len(), usize::from(has_vectors), "{inspection}");
            assert!(!inspection.to_string().contains("WRONG"), "{inspection}");
        }
    }
}

#[test]
fn one_changed_byte_is_refused() {
    for set in sets("one_changed_byte_is_refused") {
        let image = &set.images[1];
        let mut bytes = image.segments[0].bytes.clone();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x40;
        let image = lockstep_images::Image::parse("changed", &bytes, None).unwrap();
        let error = lockstep_images::FlashImage::blank().place(&image).unwrap_err();
        assert!(matches!(error, PlaceError::BrokenCrc { .. }), "{error}");
    }
}
