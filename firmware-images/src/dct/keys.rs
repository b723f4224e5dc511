//! The keys of a device configuration table: prime256v1 (P-256), private as SEC1 DER, public as SPKI DER.

use p256::elliptic_curve::sec1::ToEncodedPoint;
use p256::pkcs8::{DecodePrivateKey, DecodePublicKey};
use p256::{PublicKey, SecretKey};
use sha2::{Digest, Sha256};

/// Length of a private key: SEC1 DER with curve and public key.
pub const PRIVATE_KEY_LENGTH: usize = 121;
/// Length of a public key: SubjectPublicKeyInfo DER.
pub const PUBLIC_KEY_LENGTH: usize = 91;

/// ECPrivateKey (RFC 5915) up to the scalar: SEQUENCE of 119 bytes, version 1, OCTET STRING of 32.
const PRIVATE_HEAD: [u8; 7] = [0x30, 0x77, 0x02, 0x01, 0x01, 0x04, 0x20];
/// From the scalar to the public point: [0] the curve prime256v1, without which the device's TLS library refuses the
/// key; [1] BIT STRING.
const PRIVATE_MIDDLE: [u8; 17] =
    [0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0xa1, 0x44, 0x03, 0x42, 0x00];
/// SubjectPublicKeyInfo (RFC 5480) up to the public point: id-ecPublicKey, prime256v1, BIT STRING.
const PUBLIC_HEAD: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// What is wrong with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not a private key.
    #[error("not a private key in SEC1 or PKCS#8 form (DER or PEM) on the curve prime256v1")]
    NotPrivate,
    /// Not a public key.
    #[error("not a public key in SubjectPublicKeyInfo form (DER or PEM) on the curve prime256v1")]
    NotPublic,
    /// The point is not on the curve.
    #[error("the public key's point is not on the curve prime256v1: some of its bytes are wrong")]
    NotOnCurve,
}

/// Reads a private key: SEC1 or PKCS#8, DER or PEM. Bytes after the end of a DER key are ignored, as the device does.
pub fn parse_private_key(bytes: &[u8]) -> Result<SecretKey, KeyError> {
    if let Some(text) = pem(bytes) {
        return SecretKey::from_sec1_pem(text)
            .or_else(|_| SecretKey::from_pkcs8_pem(text).map_err(|_| p256::elliptic_curve::Error))
            .map_err(|_| KeyError::NotPrivate);
    }
    let der = der_prefix(bytes).ok_or(KeyError::NotPrivate)?;
    SecretKey::from_sec1_der(der)
        .or_else(|_| SecretKey::from_pkcs8_der(der).map_err(|_| p256::elliptic_curve::Error))
        .map_err(|_| KeyError::NotPrivate)
}

/// Reads a public key: SubjectPublicKeyInfo, DER or PEM. Bytes after the end of a DER key are ignored.
pub fn parse_public_key(bytes: &[u8]) -> Result<PublicKey, KeyError> {
    if let Some(text) = pem(bytes) {
        return PublicKey::from_public_key_pem(text).map_err(|_| KeyError::NotPublic);
    }
    let der = der_prefix(bytes).ok_or(KeyError::NotPublic)?;
    match der.strip_prefix(&PUBLIC_HEAD) {
        Some(point) => PublicKey::from_sec1_bytes(point).map_err(|_| KeyError::NotOnCurve),
        None => PublicKey::from_public_key_der(der).map_err(|_| KeyError::NotPublic),
    }
}

fn pem(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?.trim();
    text.starts_with("-----BEGIN ").then_some(text)
}

/// The DER SEQUENCE that `bytes` start with, by the length it states.
fn der_prefix(bytes: &[u8]) -> Option<&[u8]> {
    let length = match *bytes.get(..4)? {
        [0x30, length @ 0..=0x7f, ..] => 2 + usize::from(length),
        [0x30, 0x81, length, _] => 3 + usize::from(length),
        [0x30, 0x82, high, low] => 4 + usize::from(u16::from_be_bytes([high, low])),
        _ => return None,
    };
    bytes.get(..length)
}

/// The private key as the table has it: SEC1 DER with curve and public key, [`PRIVATE_KEY_LENGTH`] bytes.
pub fn private_key_der(key: &SecretKey) -> Vec<u8> {
    let mut der = PRIVATE_HEAD.to_vec();
    der.extend_from_slice(&key.to_bytes());
    der.extend_from_slice(&PRIVATE_MIDDLE);
    der.extend_from_slice(key.public_key().to_encoded_point(false).as_bytes());
    der
}

/// The public key as the table has it: SubjectPublicKeyInfo DER, [`PUBLIC_KEY_LENGTH`] bytes.
pub fn public_key_der(key: &PublicKey) -> Vec<u8> {
    let mut der = PUBLIC_HEAD.to_vec();
    der.extend_from_slice(key.to_encoded_point(false).as_bytes());
    der
}

/// A private key that depends on `seed` only, for simulated devices and servers. No secret: anybody can make it.
pub fn derived_private_key(seed: u64) -> SecretKey {
    let mut round = 0u64;
    loop {
        let mut hash = Sha256::new();
        hash.update(b"lockstep prime256v1 key");
        hash.update(seed.to_le_bytes());
        hash.update(round.to_le_bytes());
        // All but one in 2^32 hashes are scalars of the curve.
        if let Ok(key) = SecretKey::from_slice(&hash.finalize()) {
            return key;
        }
        round += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use p256::pkcs8::{EncodePrivateKey, EncodePublicKey, LineEnding};
    use proptest::prelude::*;

    #[test]
    fn a_key_reads_back_from_every_form() {
        let key = derived_private_key(1);
        let der = private_key_der(&key);
        assert_eq!(der.len(), PRIVATE_KEY_LENGTH);
        let mut padded = der.clone();
        padded.extend([0xff; 71]);
        let pkcs8 = key.to_pkcs8_der().unwrap();
        let pkcs8_pem = key.to_pkcs8_pem(LineEnding::LF).unwrap();
        let sec1_pem = key.to_sec1_pem(LineEnding::CRLF).unwrap();
        for form in [&der, &padded, pkcs8.as_bytes(), pkcs8_pem.as_bytes(), sec1_pem.as_bytes()] {
            assert_eq!(parse_private_key(form).unwrap().to_bytes(), key.to_bytes());
        }
        let public = key.public_key();
        let der = public_key_der(&public);
        assert_eq!(der.len(), PUBLIC_KEY_LENGTH);
        assert_eq!(der, public.to_public_key_der().unwrap().as_bytes());
        let pem = public.to_public_key_pem(LineEnding::LF).unwrap();
        for form in [&der, pem.as_bytes()] {
            assert_eq!(parse_public_key(form).unwrap(), public);
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_key() {
        assert_eq!(derived_private_key(7).to_bytes(), derived_private_key(7).to_bytes());
        assert_ne!(derived_private_key(7).to_bytes(), derived_private_key(8).to_bytes());
    }

    #[test]
    fn a_wrong_point_is_told_from_a_wrong_form() {
        let mut der = public_key_der(&derived_private_key(1).public_key());
        der[60] ^= 1;
        assert_eq!(parse_public_key(&der).unwrap_err(), KeyError::NotOnCurve);
        assert_eq!(parse_public_key(&[0x30, 3, 1, 2, 3]).unwrap_err(), KeyError::NotPublic);
        let mut der = private_key_der(&derived_private_key(1));
        der[20] ^= 1;
        assert_eq!(parse_private_key(&der).unwrap_err(), KeyError::NotPrivate, "the public half no longer fits");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(mut bytes: Vec<u8>) {
            let _ = (parse_private_key(&bytes), parse_public_key(&bytes));
            bytes.splice(0..0, [0x30, bytes.len() as u8]);
            let _ = (parse_private_key(&bytes), parse_public_key(&bytes));
        }

        #[test]
        fn damaged_keys_never_panic(offset in 0usize..121, value: u8) {
            let key = derived_private_key(3);
            let mut der = private_key_der(&key);
            der[offset] = value;
            let _ = parse_private_key(&der);
            let mut der = public_key_der(&key.public_key());
            der[offset % 91] = value;
            let _ = parse_public_key(&der);
        }
    }
}
