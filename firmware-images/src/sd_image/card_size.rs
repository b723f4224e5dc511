//! Sizes that a card can have.

use std::str::FromStr;

use super::error::SdImageError;

/// What the capacity of a card is a multiple of: C_SIZE of its CSD register counts in it.
const UNIT_BYTES: u64 = 512 << 10;
/// Largest card of high capacity (SDHC).
const MAX_BYTES: u64 = 32 << 30;

/// Size of a card: a whole number of 512 KiB, at most 32 GiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CardSize(u64);

impl CardSize {
    /// A card of this many bytes, if there can be one.
    pub fn from_bytes(bytes: u64) -> Option<Self> {
        let is_good = (UNIT_BYTES..=MAX_BYTES).contains(&bytes) && bytes.is_multiple_of(UNIT_BYTES);
        is_good.then_some(Self(bytes))
    }

    /// Its bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for CardSize {
    type Err = SdImageError;

    /// A number of bytes, or of K, M or G (1024 each, also written KiB, MiB, GiB).
    fn from_str(text: &str) -> Result<Self, SdImageError> {
        let bytes = || {
            let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
            let (digits, unit) = text.split_at(end);
            let shift = match unit.to_ascii_lowercase().as_str() {
                "" => 0,
                "k" | "kib" => 10,
                "m" | "mib" => 20,
                "g" | "gib" => 30,
                _ => return None,
            };
            digits.parse::<u64>().ok()?.checked_mul(1 << shift)
        };
        bytes().and_then(Self::from_bytes).ok_or_else(|| SdImageError::Size { given: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_cards() {
        for (text, bytes) in [("512K", 512 << 10), ("524288", 512 << 10), ("2g", 2 << 30), ("32GiB", 32 << 30)] {
            assert_eq!(text.parse::<CardSize>().unwrap().bytes(), bytes, "{text}");
        }
        let wrong = ["", "M", "0", "1", "511K", "513K", "33G", "-1M", "1.5G", "512 M", "1T", "99999999999999999999G"];
        for text in wrong {
            let error = text.parse::<CardSize>().unwrap_err().to_string();
            assert!(error.contains("512K up to 2G"), "{text}: {error}");
        }
    }
}
