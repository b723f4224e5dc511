//! Larger images of the same application, for updates of a given size.

use sha2::{Digest, Sha256};

use crate::bytes::put;
use crate::module::{self, CRC_LENGTH, SUFFIX_LENGTH};

use super::AppConfigError;

/// What there is room for where user modules live (128 KB).
pub const IMAGE_BYTES_MAX: usize = 0x2_0000;
/// An erased word, the suffix and the CRC-32.
const TAIL_BYTES: usize = 4 + SUFFIX_LENGTH + CRC_LENGTH;
/// Where `module_info` has the module's end.
const END_OFFSET: usize = 4;

/// A user module that is `length` bytes long, CRC-32 included, by bytes before its suffix that nothing uses: digests
/// of a counter, which no link compresses. The same module and length give the same bytes. `length` is a multiple of 4:
/// firmware programs the last word of another length wrongly.
pub fn pad(image: &[u8], length: usize) -> Result<Vec<u8>, AppConfigError> {
    let module = module::parse(image)?;
    let body = image.len().saturating_sub(TAIL_BYTES);
    if module.info_offset != 0 || module.trailing_bytes != 0 || module.suffix.is_none() {
        return Err(AppConfigError::NotOurApplication);
    }
    let filler = length.checked_sub(image.len()).filter(|_| length <= IMAGE_BYTES_MAX && length.is_multiple_of(4));
    let Some(filler) = filler else {
        return Err(AppConfigError::ImageBytes { wanted: length, smallest: image.len() });
    };
    let digests = (0u64..).flat_map(|number| Sha256::digest(number.to_le_bytes()));
    let (head, tail) = image.split_at(body);
    let mut padded: Vec<u8> = head.iter().copied().chain(digests.take(filler)).chain(tail.iter().copied()).collect();
    let end = module.info.start + (length - CRC_LENGTH) as u32;
    if !put(&mut padded, END_OFFSET, &end.to_le_bytes()) {
        return Err(AppConfigError::NotOurApplication);
    }
    module::seal(&mut padded)?;
    Ok(padded)
}
