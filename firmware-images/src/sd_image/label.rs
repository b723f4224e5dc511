//! Names of volumes.

use std::str::FromStr;

use super::error::SdImageError;

const LABEL_BYTES: usize = 11;

/// Name of a volume: at most 11 characters, in upper case as everybody writes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label([u8; LABEL_BYTES]);

impl Label {
    /// As it stands in the file system, filled up with blanks.
    pub fn bytes(&self) -> [u8; LABEL_BYTES] {
        self.0
    }
}

impl FromStr for Label {
    type Err = SdImageError;

    fn from_str(text: &str) -> Result<Self, SdImageError> {
        let error = |reason| SdImageError::Label { label: text.to_owned(), reason };
        let is_good = |c: char| c.is_ascii_alphanumeric() || " !#$%&'()-@^_`{}~".contains(c);
        if text.is_empty() || text.starts_with(' ') || text.len() > LABEL_BYTES || !text.chars().all(is_good) {
            let reason = "must have 1 to 11 of A to Z, 0 to 9, blank (not first) and !#$%&'()-@^_`{}~";
            return Err(error(reason));
        }
        let mut bytes = [b' '; LABEL_BYTES];
        bytes[..text.len()].copy_from_slice(text.to_ascii_uppercase().as_bytes());
        Ok(Self(bytes))
    }
}
