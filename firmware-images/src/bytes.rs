//! Little-endian reads that end in `None`, not in a panic, outside the data.

pub(crate) fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    Some(u16::from_le_bytes(array_at(bytes, offset)?))
}

pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_le_bytes(array_at(bytes, offset)?))
}

pub(crate) fn array_at<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..offset.checked_add(N)?)?.try_into().ok()
}

/// Copies `source` to `offset`. `false`, and nothing changed, when it does not fit.
#[must_use]
pub(crate) fn put(bytes: &mut [u8], offset: usize, source: &[u8]) -> bool {
    let Some(end) = offset.checked_add(source.len()) else { return false };
    match bytes.get_mut(offset..end) {
        Some(target) => {
            target.copy_from_slice(source);
            true
        }
        None => false,
    }
}
