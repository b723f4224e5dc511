//! One handshake as the server sees it, from the ClientHello with a good cookie to both Finished messages.
//!
//! The vendor's dialect: the server's key is known to the client beforehand, so no Certificate is sent (unless
//! [`CertificateMode`] says so); the client shows its own key as a raw public key and proves it. Without a timer of its own: the client waits for each of our flights
//! and repeats its own until it has it.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::crypto::{self, RecordPlace, SessionKeys, VERIFY_DATA_BYTES};
use super::handshake::{self, Fragment, Reassembly, kind};
use super::record::{self, HANDSHAKE, Record, ReplayWindow};
use super::session::{LastFlight, Session};
use crate::network::packet::Endpoint;

/// Why a handshake failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum HandshakeError {
    /// The hello offers nothing that this server does.
    #[error("the ClientHello offers {0}")]
    Hello(Refusal),
    /// Another message than the one awaited.
    #[error("handshake message {found} instead of {expected}")]
    Order {
        /// Type of the message.
        found: u8,
        /// Type awaited.
        expected: u8,
    },
    /// A message that cannot be read.
    #[error("handshake message {0} is malformed")]
    Malformed(u8),
    /// The client's key is not a raw public key on secp256r1.
    #[error("the client's Certificate is not a raw public key on secp256r1")]
    ClientKey,
    /// The client's point is not on the curve.
    #[error("the client's key exchange is not a point of secp256r1")]
    ClientPoint,
    /// The client does not have the key it shows.
    #[error("the CertificateVerify was not made with the client's key")]
    Signature,
    /// The two sides saw different handshakes.
    #[error("the client's Finished does not fit the handshake")]
    Finished,
    /// The server's own key is not a scalar of the curve.
    #[error("the service's private key is not a scalar of secp256r1: give it another")]
    ServerKey,
}

/// What a hello lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Refusal {
    #[error("no DTLS 1.2")]
    Version,
    #[error("no ECDHE-ECDSA with AES-128-CCM-8")]
    CipherSuite,
    #[error("no secp256r1")]
    Curve,
    #[error("no raw public keys")]
    RawPublicKeys,
}

impl HandshakeError {
    /// The description of the fatal alert that tells the client (RFC 5246 section 7.2).
    pub fn alert(self) -> u8 {
        match self {
            Self::Hello(Refusal::Version) => 70,
            Self::Hello(_) => 40,
            Self::Order { .. } => 10,
            Self::Malformed(_) => 50,
            Self::ClientKey => 42,
            Self::ClientPoint => 47,
            Self::Signature | Self::Finished => 51,
            Self::ServerKey => 80,
        }
    }
}

/// Whether the server shows its key in a Certificate message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CertificateMode {
    /// No Certificate: the vendor's clients know the key beforehand and refuse the message.
    #[default]
    None,
    /// The key as a raw public key (RFC 7250 section 3), as clients of other makes want it.
    RawPublicKey,
}

/// What a server is known by.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Identity {
    /// A scalar of secp256r1, big-endian.
    pub private_key: [u8; 32],
    /// Whether clients are shown the public key.
    pub certificate: CertificateMode,
}

/// Randomness for one handshake.
#[derive(Clone, Copy, Debug)]
pub struct HandshakeEntropy {
    /// The server's random.
    pub random: [u8; 32],
    /// For the ephemeral key.
    pub ephemeral: [u8; 32],
}

/// A handshake under way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Handshake {
    /// The address the client sends to, and its own.
    pub ends: (Endpoint, Endpoint),
    /// When it began, in picoseconds.
    pub since_ps: u64,
    client_random: [u8; 32],
    server_random: [u8; 32],
    ephemeral: [u8; 32],
    /// All messages so far, for the signature and the Finished messages.
    transcript: Vec<u8>,
    flight: Vec<Vec<u8>>,
    next_sequence: u64,
    next_message: u16,
    awaited_message: u16,
    reassembly: Reassembly,
    public_key: Option<Vec<u8>>,
    master_secret: Option<Vec<u8>>,
    keys: Option<SessionKeys>,
    is_verified: bool,
    window: ReplayWindow,
}

impl Handshake {
    /// Answers a ClientHello (its body, its message's and its record's number).
    pub fn start(
        time_ps: u64,
        ends: (Endpoint, Endpoint),
        hello: &[u8],
        (message, sequence): (u16, u64),
        entropy: HandshakeEntropy,
        identity: &Identity,
    ) -> Result<Self, HandshakeError> {
        let parsed = handshake::client_hello(hello).ok_or(HandshakeError::Malformed(kind::CLIENT_HELLO))?;
        if let Some(refusal) = parsed.refusal {
            return Err(HandshakeError::Hello(refusal));
        }
        let ephemeral = crypto::scalar(entropy.ephemeral);
        let point = crypto::public_point(&ephemeral).ok_or(HandshakeError::ServerKey)?;
        let parameters = handshake::key_exchange_parameters(&point);
        let signature = crypto::sign(&identity.private_key, &[&parsed.random, &entropy.random, &parameters])
            .ok_or(HandshakeError::ServerKey)?;
        let key_exchange = [parameters, handshake::signed(&signature)].concat();
        let mut made = Self {
            ends,
            since_ps: time_ps,
            client_random: parsed.random,
            server_random: entropy.random,
            ephemeral,
            transcript: handshake::message(kind::CLIENT_HELLO, message, hello),
            flight: Vec::new(),
            // The answer to a hello continues its numbers, so that a server needs no memory before the cookie.
            next_sequence: sequence,
            next_message: message,
            awaited_message: message.wrapping_add(1),
            reassembly: Reassembly::default(),
            public_key: None,
            master_secret: None,
            keys: None,
            is_verified: false,
            window: ReplayWindow::default(),
        };
        made.add(kind::SERVER_HELLO, &handshake::server_hello(&entropy.random));
        if identity.certificate == CertificateMode::RawPublicKey {
            let key = crypto::public_key(&identity.private_key).ok_or(HandshakeError::ServerKey)?;
            made.add(kind::CERTIFICATE, &handshake::raw_public_key_certificate(&key));
        }
        made.add(kind::SERVER_KEY_EXCHANGE, &key_exchange);
        made.add(kind::CERTIFICATE_REQUEST, &handshake::certificate_request());
        made.add(kind::SERVER_HELLO_DONE, &[]);
        Ok(made)
    }

    fn add(&mut self, kind: u8, body: &[u8]) {
        let message = handshake::message(kind, self.next_message, body);
        self.next_message = self.next_message.wrapping_add(1);
        self.transcript.extend_from_slice(&message);
        self.flight.push(message);
    }

    /// Whether a hello is the one that began this handshake.
    pub fn began_with(&self, client_random: &[u8; 32]) -> bool {
        self.client_random == *client_random
    }

    /// ServerHello to ServerHelloDone in one datagram; each time with new record numbers.
    pub fn flight(&mut self) -> Vec<u8> {
        let mut datagram = Vec::new();
        for message in &self.flight {
            let place = RecordPlace { content_type: HANDSHAKE, epoch: 0, sequence: self.next_sequence };
            datagram.extend(record::write(place, message));
            self.next_sequence += 1;
        }
        datagram
    }

    fn awaited_kind(&self) -> u8 {
        if self.public_key.is_none() {
            kind::CERTIFICATE
        } else if self.keys.is_none() {
            kind::CLIENT_KEY_EXCHANGE
        } else if !self.is_verified {
            kind::CERTIFICATE_VERIFY
        } else {
            kind::FINISHED
        }
    }

    /// A message in the clear. One that was seen before, or comes too early, changes nothing: the client repeats.
    pub fn receive(&mut self, fragment: &Fragment<'_>) -> Result<(), HandshakeError> {
        if fragment.message != self.awaited_message || self.is_verified {
            return Ok(());
        }
        let expected = self.awaited_kind();
        if fragment.kind != expected {
            return Err(HandshakeError::Order { found: fragment.kind, expected });
        }
        let Some(body) = self.reassembly.take(fragment) else { return Ok(()) };
        match expected {
            kind::CERTIFICATE => {
                let key = handshake::raw_public_key(&body).filter(|key| crypto::is_public_key(key));
                self.public_key = Some(key.ok_or(HandshakeError::ClientKey)?);
            }
            kind::CLIENT_KEY_EXCHANGE => {
                let point = handshake::client_point(&body).ok_or(HandshakeError::Malformed(expected))?;
                let master = crypto::master_secret(&self.ephemeral, &point, &self.client_random, &self.server_random)
                    .ok_or(HandshakeError::ClientPoint)?;
                self.keys = Some(SessionKeys::derive(&master, &self.client_random, &self.server_random));
                self.master_secret = Some(master.to_vec());
            }
            _ => {
                let signature = handshake::certificate_verify(&body).ok_or(HandshakeError::Malformed(expected))?;
                let key = self.public_key.as_deref().unwrap_or_default();
                if !crypto::verify(key, &[&self.transcript], &signature) {
                    return Err(HandshakeError::Signature);
                }
                self.is_verified = true;
            }
        }
        self.transcript.extend(handshake::message(expected, fragment.message, &body));
        self.awaited_message = self.awaited_message.wrapping_add(1);
        Ok(())
    }

    /// A record of epoch 1: the client's Finished. The session, once it fits. What comes before its time, or is not
    /// authentic, changes nothing.
    pub fn receive_protected(&mut self, record: &Record<'_>) -> Result<Option<Session>, HandshakeError> {
        let (Some(keys), Some(public_key), true) = (self.keys, self.public_key.clone(), self.is_verified) else {
            return Ok(None);
        };
        let Some(content) = keys.client.open(record.place(), record.payload) else { return Ok(None) };
        let [finished] = handshake::fragments(&content)[..] else {
            return Err(HandshakeError::Malformed(kind::FINISHED));
        };
        if (finished.kind, finished.message) != (kind::FINISHED, self.awaited_message) {
            return Err(HandshakeError::Order { found: finished.kind, expected: kind::FINISHED });
        }
        if handshake::verify_data(finished.bytes) != Some(self.verify_data(b"client finished")) {
            return Err(HandshakeError::Finished);
        }
        self.window.note(record.sequence);
        self.transcript.extend(handshake::message(kind::FINISHED, finished.message, finished.bytes));
        let finished = handshake::message(kind::FINISHED, self.next_message, &self.verify_data(b"server finished"));
        let last_flight = LastFlight { next_plain_sequence: self.next_sequence, finished };
        Ok(Some(Session::new(self.ends, public_key, keys, self.window, last_flight)))
    }

    fn verify_data(&self, label: &[u8]) -> [u8; VERIFY_DATA_BYTES] {
        let master = self.master_secret.as_deref().unwrap_or_default();
        crypto::prf(master, label, &[&crypto::sha256(&[&self.transcript])])
    }
}
