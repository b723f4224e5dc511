//! Arbitrary bytes as a module, as they are and after sealing, placed into flash.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lockstep_images::{FlashImage, Image, inspect_bytes, module};

fuzz_target!(|data: &[u8]| {
    let _ = module::parse(data);
    let mut sealed = data.to_vec();
    if module::seal(&mut sealed).is_ok() {
        assert!(module::parse(&sealed).is_ok_and(|module| module.crc_valid()), "a sealed module is valid");
    }
    for address in [None, Some(0x0808_0000), Some(0x080a_0000)] {
        if let Ok(image) = Image::parse("fuzz", &sealed, address) {
            let mut flash = FlashImage::blank();
            if flash.place(&image).is_ok() {
                let _ = flash.unmet_dependencies();
            }
        }
        let _ = inspect_bytes("fuzz", data, address).map(|inspection| inspection.to_string());
    }
});
