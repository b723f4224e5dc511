//! The vendor's images, which are not part of the repository: a test that needs them says that it is skipped.

use std::io::Write;

use lockstep_images::{FirmwareSet, ImageError, load_set};

/// The vendor's images of a version; `None`, said on stderr, if they have not been fetched.
pub fn vendor_set(version: &str, test: &str) -> Option<FirmwareSet> {
    match load_set(version) {
        Ok(set) => Some(set),
        Err(ImageError::NotFetched { .. }) => {
            // Not `eprintln`, which the test harness keeps to itself when a test passes.
            let _ = writeln!(std::io::stderr(), "SKIPPED (no vendor images): {test} ({version})");
            None
        }
        Err(error) => panic!("{error}"),
    }
}
