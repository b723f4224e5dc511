//! The arithmetic of TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8 (RFC 7251) on secp256r1 with SHA-256. No state, no randomness.

use aes::Aes128;
use ccm::aead::{Aead, KeyInit, Payload};
use ccm::consts::{U8, U12};
use hmac::{Hmac, Mac};
use p256::ecdsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};
use p256::elliptic_curve::ecdh::diffie_hellman;
use p256::elliptic_curve::sec1::ToEncodedPoint;
use p256::pkcs8::{DecodePublicKey, EncodePublicKey};
use p256::{PublicKey, SecretKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

type Ccm8 = ccm::Ccm<Aes128, U8, U12>;

/// Bytes of the explicit nonce in front of a protected payload.
pub const EXPLICIT_NONCE_BYTES: usize = 8;
/// Bytes of the tag behind it.
pub const TAG_BYTES: usize = 8;
/// Bytes of a Finished message's verify_data.
pub const VERIFY_DATA_BYTES: usize = 12;
/// Bytes of an uncompressed point on secp256r1.
pub const POINT_BYTES: usize = 65;

/// SHA-256 of a message given in parts.
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

/// HMAC with SHA-256 of a message given in parts.
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // HMAC takes a key of any length; the error type is that of a trait shared with MACs that do not.
    let Ok(mut mac) = <Hmac<Sha256> as Mac>::new_from_slice(key) else { return [0; 32] };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// The pseudorandom function of TLS 1.2 (RFC 5246 section 5); `seed` in parts.
pub fn prf<const N: usize>(secret: &[u8], label: &[u8], seed: &[&[u8]]) -> [u8; N] {
    let seed: Vec<u8> = std::iter::once(&label).chain(seed).flat_map(|part| part.iter().copied()).collect();
    let mut output = [0; N];
    let mut a = hmac_sha256(secret, &[&seed]);
    for chunk in output.chunks_mut(32) {
        let block = hmac_sha256(secret, &[&a, &seed]);
        for (to, from) in chunk.iter_mut().zip(block) {
            *to = from;
        }
        a = hmac_sha256(secret, &[&a]);
    }
    output
}

/// Key and fixed part of the nonce of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectionKey {
    key: [u8; 16],
    iv: [u8; 4],
}

/// The keys of a session, from its master secret and the randoms of its handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionKeys {
    /// What the client writes with.
    pub client: DirectionKey,
    /// What the server writes with.
    pub server: DirectionKey,
}

impl SessionKeys {
    /// Key expansion (RFC 5246 section 6.3, RFC 6655 section 3: no MAC keys, 4-byte IVs).
    pub fn derive(master: &[u8], client_random: &[u8; 32], server_random: &[u8; 32]) -> Self {
        let block: [u8; 40] = prf(master, b"key expansion", &[server_random, client_random]);
        let part = |from: usize, to: usize| block.get(from..to).unwrap_or_default();
        let direction = |key: &[u8], iv: &[u8]| DirectionKey {
            key: key.try_into().unwrap_or_default(),
            iv: iv.try_into().unwrap_or_default(),
        };
        Self { client: direction(part(0, 16), part(32, 36)), server: direction(part(16, 32), part(36, 40)) }
    }
}

/// What a record's protection covers besides its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordPlace {
    /// Content type that the authentication covers.
    pub content_type: u8,
    /// Epoch.
    pub epoch: u16,
    /// Sequence number, 48 bits.
    pub sequence: u64,
}

impl RecordPlace {
    fn number(self) -> [u8; 8] {
        ((u64::from(self.epoch) << 48) | (self.sequence & 0xffff_ffff_ffff)).to_be_bytes()
    }

    fn additional_data(self, length: usize) -> [u8; 13] {
        let [n0, n1, n2, n3, n4, n5, n6, n7] = self.number();
        // A record's length has 16 bits.
        let [high, low] = (length as u16).to_be_bytes();
        [n0, n1, n2, n3, n4, n5, n6, n7, self.content_type, 0xfe, 0xfd, high, low]
    }
}

impl DirectionKey {
    fn cipher(&self) -> Ccm8 {
        Ccm8::new(&self.key.into())
    }

    fn nonce(&self, explicit: &[u8]) -> [u8; 12] {
        let mut nonce = [0; 12];
        for (to, from) in nonce.iter_mut().zip(self.iv.iter().chain(explicit)) {
            *to = *from;
        }
        nonce
    }

    /// Protects a payload: explicit nonce (the record's number), ciphertext, tag.
    pub fn seal(&self, place: RecordPlace, plaintext: &[u8]) -> Vec<u8> {
        let number = place.number();
        let aad = place.additional_data(plaintext.len());
        let payload = Payload { msg: plaintext, aad: &aad };
        // CCM with a 12-byte nonce carries up to 16 MB; records have at most 64 KB.
        let sealed = self.cipher().encrypt(&self.nonce(&number).into(), payload).unwrap_or_default();
        [&number[..], &sealed].concat()
    }

    /// Undoes [`seal`](Self::seal); `None` if it is not authentic.
    pub fn open(&self, place: RecordPlace, protected: &[u8]) -> Option<Vec<u8>> {
        let (explicit, sealed) = protected.split_at_checked(EXPLICIT_NONCE_BYTES)?;
        let aad = place.additional_data(sealed.len().checked_sub(TAG_BYTES)?);
        self.cipher().decrypt(&self.nonce(explicit).into(), Payload { msg: sealed, aad: &aad }).ok()
    }
}

/// Master secret (RFC 5246 section 8.1) of an ECDHE exchange; `None` when the peer's point is not on the curve.
pub fn master_secret(
    ephemeral: &[u8; 32],
    peer_point: &[u8],
    client_random: &[u8; 32],
    server_random: &[u8; 32],
) -> Option<[u8; 48]> {
    let peer = PublicKey::from_sec1_bytes(peer_point).ok()?;
    let ours = SecretKey::from_slice(ephemeral).ok()?;
    let shared = diffie_hellman(ours.to_nonzero_scalar(), peer.as_affine());
    Some(prf(shared.raw_secret_bytes(), b"master secret", &[client_random, server_random]))
}

/// A scalar of the curve from 32 bytes of entropy; hashed again in the one of 2^32 cases that is none.
pub fn scalar(entropy: [u8; 32]) -> [u8; 32] {
    let mut candidate = entropy;
    while SecretKey::from_slice(&candidate).is_err() {
        candidate = sha256(&[&candidate]);
    }
    candidate
}

/// The uncompressed public point of a scalar; `None` if it is none.
pub fn public_point(private: &[u8; 32]) -> Option<Vec<u8>> {
    let key = SecretKey::from_slice(private).ok()?;
    Some(key.public_key().to_encoded_point(false).as_bytes().to_vec())
}

/// ECDSA signature in DER of a message given in parts, deterministic (RFC 6979); `None` if the key is none.
pub fn sign(private: &[u8; 32], message: &[&[u8]]) -> Option<Vec<u8>> {
    let key = SigningKey::from_slice(private).ok()?;
    let signature: Signature = key.sign_prehash(&sha256(message)).ok()?;
    Some(signature.to_der().as_bytes().to_vec())
}

/// The public key of a scalar in SubjectPublicKeyInfo form; `None` if it is none.
pub fn public_key(private: &[u8; 32]) -> Option<Vec<u8>> {
    Some(SecretKey::from_slice(private).ok()?.public_key().to_public_key_der().ok()?.into_vec())
}

/// A public key in SubjectPublicKeyInfo form (RFC 7250), checked to be a point of the curve.
pub fn is_public_key(spki: &[u8]) -> bool {
    PublicKey::from_public_key_der(spki).is_ok()
}

/// Whether a signature in DER of a message given in parts was made with this key.
pub fn verify(spki: &[u8], message: &[&[u8]], signature: &[u8]) -> bool {
    let Ok(key) = VerifyingKey::from_public_key_der(spki) else { return false };
    let Ok(signature) = Signature::from_der(signature) else { return false };
    key.verify_prehash(&sha256(message), &signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unhex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
    }

    /// The vector for P_SHA256 published on the TLS working group's mailing list.
    #[test]
    fn the_prf_gives_the_published_vector() {
        let secret = unhex("9bbe436ba940f017b17652849a71db35");
        let seed = unhex("a0ba9f936cda311827a6f796ffd5198c");
        let output: [u8; 100] = prf(&secret, b"test label", &[&seed]);
        let expected = "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14baf9af0fa0\
                        22f7077def17abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff70187347b66";
        assert_eq!(output.to_vec(), unhex(&expected.replace(' ', "")));
    }

    #[test]
    fn a_record_opens_only_where_it_was_sealed() {
        let keys = SessionKeys::derive(&[7; 48], &[1; 32], &[2; 32]);
        let place = RecordPlace { content_type: 23, epoch: 1, sequence: 5 };
        let sealed = keys.client.seal(place, b"hello");
        assert_eq!(sealed.len(), 5 + EXPLICIT_NONCE_BYTES + TAG_BYTES);
        assert_eq!(keys.client.open(place, &sealed).unwrap(), b"hello");
        assert_eq!(keys.server.open(place, &sealed), None);
        assert_eq!(keys.client.open(RecordPlace { sequence: 6, ..place }, &sealed), None);
        assert_eq!(keys.client.open(RecordPlace { content_type: 22, ..place }, &sealed), None);
        for at in 0..sealed.len() {
            let mut broken = sealed.clone();
            broken[at] ^= 1;
            assert_eq!(keys.client.open(place, &broken), None, "byte {at}");
        }
        for length in 0..sealed.len() {
            assert_eq!(keys.client.open(place, &sealed[..length]), None);
        }
    }

    #[test]
    fn both_ends_of_an_exchange_get_the_same_secret() {
        let (a, b) = (scalar([1; 32]), scalar([0xff; 32]));
        let (to_a, to_b) = (public_point(&a).unwrap(), public_point(&b).unwrap());
        assert_eq!(to_a.len(), POINT_BYTES);
        let at_a = master_secret(&a, &to_b, &[3; 32], &[4; 32]).unwrap();
        assert_eq!(at_a, master_secret(&b, &to_a, &[3; 32], &[4; 32]).unwrap());
        let mut off_curve = to_a.clone();
        off_curve[40] ^= 1;
        assert_eq!(master_secret(&b, &off_curve, &[3; 32], &[4; 32]), None);
        assert_eq!(master_secret(&b, &[], &[3; 32], &[4; 32]), None);
    }
}
