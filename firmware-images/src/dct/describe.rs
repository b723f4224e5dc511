//! Checking the fields of a table, and saying what they hold.

use serde::Serialize;

use super::address::ServerAddress;
use super::keys::{self, parse_private_key, parse_public_key};
use super::layout::{
    CLAIM_CODE, CLAIMED, DEVICE_PRIVATE_KEY, DEVICE_PUBLIC_KEY, FIELDS, Field, SERVER_ADDRESS, SERVER_PUBLIC_KEY,
};
use super::{Dct, DctError};

/// A field that is not erased, and what it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldValue {
    /// The field's name.
    pub field: &'static str,
    /// What it holds. A private key is not shown.
    pub value: String,
}

impl Dct {
    /// Checks what can be checked without knowing the device: keys, address, claim.
    pub(super) fn check(&self) -> Result<(), DctError> {
        let key_error = |field: &Field| {
            let field = field.name;
            move |source| DctError::Key { field, source }
        };
        let private = self.set(&DEVICE_PRIVATE_KEY).map(parse_private_key).transpose();
        let private = private.map_err(key_error(&DEVICE_PRIVATE_KEY))?;
        let public = self.device_public_key_der().map(parse_public_key).transpose();
        let public = public.map_err(key_error(&DEVICE_PUBLIC_KEY))?;
        if let (Some(private), Some(public)) = (&private, &public)
            && private.public_key() != *public
        {
            return Err(DctError::KeysDiffer);
        }
        self.set(&SERVER_PUBLIC_KEY).map(parse_public_key).transpose().map_err(key_error(&SERVER_PUBLIC_KEY))?;
        ServerAddress::decode(self.field(&SERVER_ADDRESS)).map_err(|source| DctError::Address { source })?;
        if let Some(claimed) = self.field(&CLAIMED).first()
            && ![b'0', b'1', 0, 1, 0xff].contains(claimed)
        {
            let found = format!("{claimed:#04x}");
            return Err(DctError::Value { field: "claimed", found, expected: "'1', '0' or erased" });
        }
        Ok(())
    }

    /// A field's bytes, or `None` when they are all erased or all zero.
    fn set(&self, field: &Field) -> Option<&[u8]> {
        let bytes = self.field(field);
        bytes.iter().any(|byte| *byte != 0xff && *byte != 0).then_some(bytes)
    }

    /// The device's public key. The firmware writes it right-aligned behind zeros; tools write it left-aligned.
    fn device_public_key_der(&self) -> Option<&[u8]> {
        let bytes = self.set(&DEVICE_PUBLIC_KEY)?;
        let at_end = bytes.get(bytes.len() - keys::PUBLIC_KEY_LENGTH..).unwrap_or_default();
        let is_right_aligned = bytes.first() != Some(&0x30) && at_end.first() == Some(&0x30);
        Some(if is_right_aligned { at_end } else { bytes })
    }

    /// The fields that are not erased, in order of offset.
    pub fn describe(&self) -> Vec<FieldValue> {
        let mut values = Vec::new();
        for field in FIELDS {
            let bytes = self.field(field);
            if bytes.iter().all(|byte| *byte == 0xff) {
                continue;
            }
            values.push(FieldValue { field: field.name, value: self.value(field, bytes) });
        }
        values
    }

    fn value(&self, field: &Field, bytes: &[u8]) -> String {
        if *field == DEVICE_PRIVATE_KEY {
            return match parse_private_key(bytes) {
                Ok(_) => "a prime256v1 key (not shown)".to_owned(),
                Err(_) => "not a key".to_owned(),
            };
        }
        if *field == DEVICE_PUBLIC_KEY || *field == SERVER_PUBLIC_KEY {
            let der = if *field == DEVICE_PUBLIC_KEY { self.device_public_key_der() } else { Some(bytes) };
            return match der.map(parse_public_key) {
                Some(Ok(key)) => hex::encode(keys::public_key_der(&key)),
                _ => "not a key".to_owned(),
            };
        }
        if *field == SERVER_ADDRESS {
            return match ServerAddress::decode(bytes) {
                Ok(Some(address)) => address.to_string(),
                Ok(None) => "erased".to_owned(),
                Err(error) => error.to_string(),
            };
        }
        if *field == CLAIM_CODE || *field == CLAIMED {
            let used = bytes.split(|byte| *byte == 0xff || *byte == 0).next().unwrap_or_default();
            return format!("{:?}", String::from_utf8_lossy(used));
        }
        match *bytes {
            [value] => format!("{value:#04x}"),
            [low, high] => format!("{:#06x}", u16::from_le_bytes([low, high])),
            [a, b, c, d] => format!("{:#010x}", u32::from_le_bytes([a, b, c, d])),
            _ => abbreviated(bytes),
        }
    }
}

/// Hexadecimal without the erased bytes at the end, and not more than a line of it.
fn abbreviated(bytes: &[u8]) -> String {
    const SHOWN: usize = 32;
    let used = bytes.iter().rposition(|byte| *byte != 0xff).map_or(0, |last| last + 1);
    let used = bytes.get(..used).unwrap_or_default();
    match used.get(..SHOWN) {
        Some(shown) if used.len() > SHOWN => format!("{}… ({} bytes)", hex::encode(shown), used.len()),
        _ => hex::encode(used),
    }
}
