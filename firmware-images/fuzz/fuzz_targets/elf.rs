//! Arbitrary bytes as an ELF file, also behind a right identification.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lockstep_images::{FlashImage, Image, inspect_bytes};

fuzz_target!(|data: &[u8]| {
    let _ = lockstep_images::parse_elf(data);
    let mut file = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x28\0".to_vec();
    file.extend_from_slice(data);
    if let Ok(image) = Image::parse("fuzz", &file, None) {
        let _ = FlashImage::blank().place(&image);
        let _ = inspect_bytes("fuzz", &file, None).map(|inspection| inspection.to_string());
    }
});
