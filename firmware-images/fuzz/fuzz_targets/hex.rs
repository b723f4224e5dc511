//! Arbitrary bytes as Intel HEX.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(file) = lockstep_images::parse_hex(data) {
        for pair in file.segments.windows(2) {
            assert!(pair[0].end() < u64::from(pair[1].address), "runs are in order and apart");
        }
    }
});
