//! Arbitrary bytes as the data of a configuration table, and as a sector.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lockstep_images::dct::Dct;

fuzz_target!(|data: &[u8]| {
    if let Ok(dct) = Dct::from_data(data) {
        let _ = dct.describe();
        assert_eq!(Dct::parse(dct.bytes()).ok().as_ref(), Some(&dct), "what was made is accepted");
    }
    // A sector's marks where they belong, and the input behind the header and before the end.
    let mut sector = vec![0xff; 0x4000];
    sector[..8].copy_from_slice(&[0x9a, 0x27, 0x1c, 0x1e, 0x00, 0x5e, 0xa1, 0xed]);
    let length = data.len().min(0x4000 - 8);
    // Keys and address lie from 2852 on; the input starts there so that it need not be long.
    let start = if data.first().is_some_and(|byte| byte & 1 == 1) { 8 + 2852 } else { 8 };
    let length = length.min(0x4000 - start);
    sector[start..start + length].copy_from_slice(&data[..length]);
    let _ = Dct::parse(&sector).map(|dct| dct.describe());
    let _ = Dct::parse(&[sector.as_slice(), data].concat());
});
