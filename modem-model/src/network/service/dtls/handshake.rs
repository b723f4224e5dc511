//! Handshake messages as bytes: RFC 6347 section 4.2.2 (framing), RFC 5246 section 7.4, RFC 8422 (elliptic curves),
//! RFC 7250 (raw public keys).

use nom::bytes::complete::take;
use nom::combinator::all_consuming;
use nom::multi::{length_data, many0};
use nom::number::complete::{be_u8, be_u16, be_u24};
use nom::{IResult, Parser};
use serde::{Deserialize, Serialize};

use super::crypto::VERIFY_DATA_BYTES;
use super::record::VERSION;
use super::server::Refusal;

/// Message types (RFC 5246 section 7.4, RFC 6347 section 4.3.2).
#[allow(missing_docs)]
pub mod kind {
    pub const CLIENT_HELLO: u8 = 1;
    pub const SERVER_HELLO: u8 = 2;
    pub const HELLO_VERIFY_REQUEST: u8 = 3;
    pub const CERTIFICATE: u8 = 11;
    pub const SERVER_KEY_EXCHANGE: u8 = 12;
    pub const CERTIFICATE_REQUEST: u8 = 13;
    pub const SERVER_HELLO_DONE: u8 = 14;
    pub const CERTIFICATE_VERIFY: u8 = 15;
    pub const CLIENT_KEY_EXCHANGE: u8 = 16;
    pub const FINISHED: u8 = 20;
}

/// TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8.
pub const CIPHER_SUITE: u16 = 0xc0ae;
/// secp256r1 among the named curves.
pub const SECP256R1: u16 = 23;
/// SHA-256 with ECDSA among the signature algorithms.
pub const ECDSA_SHA256: [u8; 2] = [4, 3];
const RAW_PUBLIC_KEY: u8 = 2;
const ECDSA_SIGN: u8 = 64;
const EXTENSION_CURVES: u16 = 10;
const EXTENSION_POINT_FORMATS: u16 = 11;
const EXTENSION_CLIENT_CERTIFICATE_TYPE: u16 = 19;
const EXTENSION_SERVER_CERTIFICATE_TYPE: u16 = 20;
const EXTENSION_RENEGOTIATION_INFO: u16 = 0xff01;
/// Longest message taken from a client; the vendor's longest has 99 bytes.
pub const MESSAGE_BYTES_MAX: usize = 4096;

/// A message or a fragment of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment<'a> {
    /// Message type.
    pub kind: u8,
    /// Length of the whole message.
    pub length: usize,
    /// Message number.
    pub message: u16,
    /// Where these bytes begin.
    pub offset: usize,
    /// The bytes.
    pub bytes: &'a [u8],
}

fn fragment(input: &[u8]) -> IResult<&[u8], Fragment<'_>> {
    let (input, (kind, length, message, offset)) = (be_u8, be_u24, be_u16, be_u24).parse(input)?;
    let (input, bytes) = length_data(be_u24).parse(input)?;
    Ok((input, Fragment { kind, length: length as usize, message, offset: offset as usize, bytes }))
}

/// The fragments of a record's payload.
pub fn fragments(payload: &[u8]) -> Vec<Fragment<'_>> {
    many0(fragment).parse(payload).map(|(_, found)| found).unwrap_or_default()
}

/// A message in one fragment, as it is sent and as it counts for the Finished hash.
pub fn message(kind: u8, number: u16, body: &[u8]) -> Vec<u8> {
    // Bodies are shorter than `MESSAGE_BYTES_MAX`.
    let [_, l2, l1, l0] = (body.len() as u32).to_be_bytes();
    let [n1, n0] = number.to_be_bytes();
    let mut bytes = vec![kind, l2, l1, l0, n1, n0, 0, 0, 0, l2, l1, l0];
    bytes.extend_from_slice(body);
    bytes
}

/// Puts a message together from its fragments, which must come in order (a client sends the whole flight again if not).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Reassembly {
    bytes: Vec<u8>,
}

impl Reassembly {
    /// Takes a fragment of the awaited message; the whole message's body once it is complete.
    pub fn take(&mut self, fragment: &Fragment<'_>) -> Option<Vec<u8>> {
        if fragment.length > MESSAGE_BYTES_MAX || fragment.offset + fragment.bytes.len() > fragment.length {
            return None;
        }
        if fragment.offset == 0 {
            self.bytes.clear();
        }
        // Overlaps are allowed, gaps are not.
        let new = self.bytes.len().checked_sub(fragment.offset).and_then(|known| fragment.bytes.get(known..));
        self.bytes.extend_from_slice(new.unwrap_or_default());
        (self.bytes.len() == fragment.length).then(|| std::mem::take(&mut self.bytes))
    }
}

/// What counts of a ClientHello.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientHello {
    /// The client's random.
    pub random: [u8; 32],
    /// The cookie; empty in a first hello.
    pub cookie: Vec<u8>,
    /// Everything but the cookie, for the cookie's check: the two hellos must be the same.
    pub parameters: Vec<u8>,
    /// What the client lacks of what this server needs.
    pub refusal: Option<Refusal>,
}

/// Reads a ClientHello's body.
pub fn client_hello(body: &[u8]) -> Option<ClientHello> {
    all_consuming(read_client_hello).parse(body).ok().map(|(_, hello)| hello)
}

fn read_client_hello(input: &[u8]) -> IResult<&[u8], ClientHello> {
    let (after_random, (version, random)) = (take(2usize), take(32usize)).parse(input)?;
    let (after_session, _session) = length_data(be_u8).parse(after_random)?;
    let (after_cookie, cookie) = length_data(be_u8).parse(after_session)?;
    let (after_ciphers, (ciphers, compressions)) = (length_data(be_u16), length_data(be_u8)).parse(after_cookie)?;
    let (end, extensions) = if after_ciphers.is_empty() {
        (after_ciphers, Vec::new())
    } else {
        let (end, block) = length_data(be_u16).parse(after_ciphers)?;
        let (_, extensions) = all_consuming(many0((be_u16, length_data(be_u16)))).parse(block)?;
        (end, extensions)
    };
    let extension = |wanted: u16| extensions.iter().find(|(found, _)| *found == wanted).map(|(_, data)| *data);
    let pairs = |bytes: &[u8], wanted: u16| bytes.chunks_exact(2).any(|pair| pair == wanted.to_be_bytes());
    let offers_raw_key =
        |number: u16| extension(number).and_then(|data| data.get(1..)).is_some_and(|t| t.contains(&RAW_PUBLIC_KEY));
    // Versions count down: 1.2 is FE FD, and a client that can more says less.
    let refusal = if version.first() != Some(&0xfe) || version.get(1).is_none_or(|minor| *minor > 0xfd) {
        Some(Refusal::Version)
    } else if !pairs(ciphers, CIPHER_SUITE) || !compressions.contains(&0) {
        Some(Refusal::CipherSuite)
    } else if !extension(EXTENSION_CURVES).and_then(|data| data.get(2..)).is_none_or(|c| pairs(c, SECP256R1)) {
        Some(Refusal::Curve)
    } else if !offers_raw_key(EXTENSION_CLIENT_CERTIFICATE_TYPE) || !offers_raw_key(EXTENSION_SERVER_CERTIFICATE_TYPE) {
        Some(Refusal::RawPublicKeys)
    } else {
        None
    };
    let before_cookie = input.len() - after_session.len();
    let parameters = [input.get(..before_cookie).unwrap_or_default(), after_cookie].concat();
    let random = random.try_into().unwrap_or([0; 32]);
    Ok((end, ClientHello { random, cookie: cookie.to_vec(), parameters, refusal }))
}

/// Body of a HelloVerifyRequest. Its version is that of DTLS 1.0, as RFC 6347 section 4.2.1 wants.
pub fn hello_verify_request(cookie: &[u8; 20]) -> Vec<u8> {
    let mut body = vec![0xfe, 0xff, 20];
    body.extend(cookie);
    body
}

/// Body of a ServerHello: no session id, our one cipher suite, raw public keys both ways.
pub fn server_hello(random: &[u8; 32]) -> Vec<u8> {
    let mut extensions = Vec::new();
    let list: [(u16, &[u8]); 4] = [
        (EXTENSION_RENEGOTIATION_INFO, &[0]),
        (EXTENSION_POINT_FORMATS, &[1, 0]),
        (EXTENSION_CLIENT_CERTIFICATE_TYPE, &[RAW_PUBLIC_KEY]),
        (EXTENSION_SERVER_CERTIFICATE_TYPE, &[RAW_PUBLIC_KEY]),
    ];
    for (number, data) in list {
        extensions.extend(number.to_be_bytes());
        extensions.extend((data.len() as u16).to_be_bytes());
        extensions.extend(data);
    }
    let mut body = VERSION.to_vec();
    body.extend(random);
    body.push(0);
    body.extend(CIPHER_SUITE.to_be_bytes());
    body.push(0);
    body.extend((extensions.len() as u16).to_be_bytes());
    body.extend(extensions);
    body
}

/// The parameters of a ServerKeyExchange, which its signature covers behind the two randoms.
pub fn key_exchange_parameters(point: &[u8]) -> Vec<u8> {
    let [curve_high, curve_low] = SECP256R1.to_be_bytes();
    let mut parameters = vec![3, curve_high, curve_low, point.len() as u8];
    parameters.extend(point);
    parameters
}

/// A signature with its algorithm: the end of a ServerKeyExchange, the whole of a CertificateVerify.
pub fn signed(signature: &[u8]) -> Vec<u8> {
    let mut bytes = ECDSA_SHA256.to_vec();
    bytes.extend((signature.len() as u16).to_be_bytes());
    bytes.extend(signature);
    bytes
}

/// Body of a CertificateRequest: ECDSA, SHA-256, any authority.
pub fn certificate_request() -> Vec<u8> {
    let [hash, algorithm] = ECDSA_SHA256;
    vec![1, ECDSA_SIGN, 0, 2, hash, algorithm, 0, 0]
}

/// Body of a Certificate message that carries a raw public key: a SubjectPublicKeyInfo (RFC 7250 section 3).
pub fn raw_public_key_certificate(key: &[u8]) -> Vec<u8> {
    // A key on secp256r1 has 91 bytes.
    let [_, l2, l1, l0] = (key.len() as u32).to_be_bytes();
    [&[l2, l1, l0], key].concat()
}

/// The SubjectPublicKeyInfo of a Certificate message that carries a raw public key.
pub fn raw_public_key(body: &[u8]) -> Option<Vec<u8>> {
    let found: IResult<&[u8], &[u8]> = all_consuming(length_data(be_u24)).parse(body);
    found.ok().map(|(_, key)| key.to_vec()).filter(|key| !key.is_empty())
}

/// The client's point in a ClientKeyExchange.
pub fn client_point(body: &[u8]) -> Option<Vec<u8>> {
    let found: IResult<&[u8], &[u8]> = all_consuming(length_data(be_u8)).parse(body);
    found.ok().map(|(_, point)| point.to_vec())
}

/// The signature of a CertificateVerify, if it is by ECDSA with SHA-256.
pub fn certificate_verify(body: &[u8]) -> Option<Vec<u8>> {
    let found: IResult<&[u8], (&[u8], &[u8])> = all_consuming((take(2usize), length_data(be_u16))).parse(body);
    let (_, (algorithm, signature)) = found.ok()?;
    (algorithm == ECDSA_SHA256).then(|| signature.to_vec())
}

/// The verify_data of a Finished.
pub fn verify_data(body: &[u8]) -> Option<[u8; VERIFY_DATA_BYTES]> {
    body.try_into().ok()
}
