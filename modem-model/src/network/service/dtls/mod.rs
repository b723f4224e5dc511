//! A DTLS 1.2 server for the vendor's dialect, sans-IO: datagrams in, datagrams and events out, time and randomness
//! given by the caller.
//!
//! No maintained library serves these clients unmodified: they refuse a Certificate message, and they continue sessions
//! with a record type of their own (see [`record::CONTINUED`]). Facts: RFC 6347, and handshakes of the vendor's clients
//! of 0.6.4, 1.5.0 and 2.2.0.

#[cfg(test)]
pub(crate) mod client;
pub mod crypto;
pub mod handshake;
pub mod record;
pub mod server;
pub mod session;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use self::crypto::RecordPlace;
use self::handshake::{Fragment, kind};
use self::record::{ALERT, APPLICATION_DATA, CONTINUED, DEVICE_ID_BYTES, HANDSHAKE, Record};
pub use self::server::CertificateMode;
use self::server::{Handshake, HandshakeEntropy, HandshakeError, Identity};
use self::session::Session;
use crate::network::packet::Endpoint;
use crate::time::PS_PER_S;

/// Handshakes under way at most; the oldest gives way.
const HANDSHAKES_MAX: usize = 64;
/// A handshake not done after this long is forgotten: longer than the vendor's clients try (3 to 24 s, doubling).
const HANDSHAKE_LIFETIME_PS: u64 = 60 * PS_PER_S;
/// Sessions kept at most; the oldest gives way.
const SESSIONS_MAX: usize = 256;
/// Cookies of HelloVerifyRequest.
const COOKIE_BYTES: usize = 20;

/// Something that a datagram brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DtlsEvent {
    /// A ClientHello; with a good cookie or without.
    ClientHello {
        /// Whether it had a good cookie.
        has_cookie: bool,
    },
    /// A handshake is done: a new session.
    Established {
        /// Its number.
        session: u64,
    },
    /// A client continued a session that it has kept over a reset.
    Continued {
        /// Its number.
        session: u64,
    },
    /// A client is heard from another address or port, and is answered there.
    Moved {
        /// The session's number.
        session: u64,
        /// Where it is now.
        to: Endpoint,
    },
    /// Application data.
    Data {
        /// The session's number.
        session: u64,
        /// The data.
        bytes: Vec<u8>,
    },
    /// The client says that it ends a session, or that something is wrong.
    Alert {
        /// The session's number; none in a handshake.
        session: Option<u64>,
        /// The alert's description (RFC 5246 section 7.2): 0 is a normal end.
        description: u8,
    },
    /// A handshake failed.
    Failed {
        /// Why.
        error: HandshakeError,
    },
    /// A client continues a session that is not known here. It gets no answer, as if nobody were there, and
    /// starts anew when it gives up.
    UnknownSession {
        /// Its name.
        device_id: [u8; DEVICE_ID_BYTES],
    },
    /// Something that is none of the above.
    Ignored {
        /// What.
        what: &'static str,
    },
}

/// What a datagram led to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Datagrams for its sender.
    pub answers: Vec<Vec<u8>>,
    /// What it brought.
    pub events: Vec<DtlsEvent>,
}

/// The server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DtlsServer {
    identity: Identity,
    cookie_key: Option<[u8; 32]>,
    handshakes: Vec<Handshake>,
    sessions: Vec<Session>,
    next_session: u64,
}

/// Gives 32 random bytes.
pub type Entropy<'a> = dyn FnMut() -> [u8; 32] + 'a;

impl DtlsServer {
    /// A server with this private key (a scalar of secp256r1, big-endian).
    pub fn new(private_key: [u8; 32]) -> Self {
        let identity = Identity { private_key, certificate: CertificateMode::default() };
        Self { identity, cookie_key: None, handshakes: Vec::new(), sessions: Vec::new(), next_session: 1 }
    }

    /// The same server, for clients that want to be shown its key or must not be.
    pub fn with_certificate(mut self, certificate: CertificateMode) -> Self {
        self.identity.certificate = certificate;
        self
    }

    /// The sessions, oldest first.
    pub fn sessions(&self) -> &[Session] {
        &self.sessions
    }

    /// A session.
    pub fn session(&self, id: u64) -> Option<&Session> {
        self.sessions.iter().find(|session| session.id == id)
    }

    /// Handshakes under way.
    pub fn handshakes(&self) -> usize {
        self.handshakes.len()
    }

    /// The client of a session has said its name; its earlier sessions end.
    pub fn name_session(&mut self, id: u64, device_id: [u8; DEVICE_ID_BYTES]) {
        self.sessions.retain(|s| s.id == id || s.device_id != Some(device_id));
        if let Some(session) = self.sessions.iter_mut().find(|s| s.id == id) {
            session.device_id = Some(device_id);
        }
    }

    /// Ends a session without a word.
    pub fn forget_session(&mut self, id: u64) {
        self.sessions.retain(|s| s.id != id);
    }

    /// Application data for a client: from, to, datagram.
    pub fn send(&mut self, id: u64, bytes: &[u8]) -> Option<(Endpoint, Endpoint, Vec<u8>)> {
        let session = self.sessions.iter_mut().find(|s| s.id == id)?;
        Some((session.local, session.remote, session.seal(APPLICATION_DATA, bytes)))
    }

    /// A datagram came from `remote` to `local`.
    pub fn receive(
        &mut self,
        time_ps: u64,
        local: Endpoint,
        remote: Endpoint,
        datagram: &[u8],
        entropy: &mut Entropy<'_>,
    ) -> Received {
        self.handshakes.retain(|h| time_ps.saturating_sub(h.since_ps) <= HANDSHAKE_LIFETIME_PS);
        let mut received = Received::default();
        let ends = (local, remote);
        let (records, trailer) = record::records(datagram);
        if records.is_empty() {
            // One byte or none keeps a NAT's table alive.
            if datagram.len() > 1 {
                received.events.push(DtlsEvent::Ignored { what: "datagram that is not DTLS" });
            }
            return received;
        }
        for record in &records {
            match (record.epoch, record.content_type) {
                (0, HANDSHAKE) => {
                    for fragment in handshake::fragments(record.payload) {
                        self.plain_message(time_ps, ends, record, &fragment, entropy, &mut received);
                    }
                }
                (0, ALERT) => {
                    let known = self.handshakes.len();
                    self.handshakes.retain(|h| h.ends != ends);
                    if let (true, Some(&description)) = (self.handshakes.len() < known, record.payload.get(1)) {
                        received.events.push(DtlsEvent::Alert { session: None, description });
                    }
                }
                // The next record's epoch says the same.
                (0, record::CHANGE_CIPHER_SPEC) => {}
                (session::EPOCH, CONTINUED) => self.continued(ends, record, trailer, &mut received),
                (session::EPOCH, _) => self.protected(ends, record, &mut received),
                _ => received.events.push(DtlsEvent::Ignored { what: "record of an unknown epoch or type" }),
            }
        }
        received
    }

    fn plain_message(
        &mut self,
        time_ps: u64,
        ends: (Endpoint, Endpoint),
        record: &Record<'_>,
        fragment: &Fragment<'_>,
        entropy: &mut Entropy<'_>,
        received: &mut Received,
    ) {
        if fragment.kind == kind::CLIENT_HELLO {
            return self.hello(time_ps, ends, record, fragment, entropy, received);
        }
        if let Some(at) = self.handshakes.iter().position(|h| h.ends == ends) {
            if let Some(Err(error)) = self.handshakes.get_mut(at).map(|h| h.receive(fragment)) {
                self.handshakes.remove(at);
                fail(error, received);
            }
        } else if fragment.kind == kind::CERTIFICATE {
            // The client repeats its last flight: ours was lost.
            let session = self.sessions.iter_mut().rev().find(|s| (s.local, s.remote) == ends);
            received.answers.extend(session.and_then(Session::last_flight));
        }
    }

    fn hello(
        &mut self,
        time_ps: u64,
        ends: (Endpoint, Endpoint),
        record: &Record<'_>,
        fragment: &Fragment<'_>,
        entropy: &mut Entropy<'_>,
        received: &mut Received,
    ) {
        // A hello in fragments cannot be answered without memory, and none of the vendor's is long enough for it.
        let whole = fragment.offset == 0 && fragment.bytes.len() == fragment.length;
        let Some(hello) = handshake::client_hello(fragment.bytes).filter(|_| whole) else {
            return received.events.push(DtlsEvent::Ignored { what: "ClientHello that is malformed or in fragments" });
        };
        let cookie = self.cookie(ends.1, &hello.parameters, entropy);
        let has_cookie = hello.cookie == cookie;
        received.events.push(DtlsEvent::ClientHello { has_cookie });
        if !has_cookie {
            let request = handshake::hello_verify_request(&cookie);
            let message = handshake::message(kind::HELLO_VERIFY_REQUEST, 0, &request);
            let place = RecordPlace { content_type: HANDSHAKE, epoch: 0, sequence: record.sequence };
            return received.answers.push(record::write(place, &message));
        }
        if let Some(same) = self.handshakes.iter_mut().find(|h| h.ends == ends && h.began_with(&hello.random)) {
            return received.answers.push(same.flight());
        }
        self.handshakes.retain(|h| h.ends != ends);
        let randomness = HandshakeEntropy { random: entropy(), ephemeral: entropy() };
        let numbers = (fragment.message, record.sequence);
        match Handshake::start(time_ps, ends, fragment.bytes, numbers, randomness, &self.identity) {
            Ok(mut handshake) => {
                received.answers.push(handshake.flight());
                if self.handshakes.len() >= HANDSHAKES_MAX {
                    self.handshakes.remove(0);
                }
                self.handshakes.push(handshake);
            }
            Err(error) => fail(error, received),
        }
    }

    fn cookie(&mut self, remote: Endpoint, parameters: &[u8], entropy: &mut Entropy<'_>) -> [u8; COOKIE_BYTES] {
        let key = self.cookie_key.get_or_insert_with(entropy);
        let mac = crypto::hmac_sha256(key, &[&remote.address.octets(), &remote.port.to_be_bytes(), parameters]);
        mac.first_chunk().copied().unwrap_or_default()
    }

    fn protected(&mut self, ends: (Endpoint, Endpoint), record: &Record<'_>, received: &mut Received) {
        let handshake = self.handshakes.iter().position(|h| h.ends == ends);
        if record.content_type == HANDSHAKE
            && let Some(at) = handshake
            && let Some(result) = self.handshakes.get_mut(at).map(|h| h.receive_protected(record))
        {
            match result {
                Ok(Some(session)) => {
                    self.handshakes.remove(at);
                    self.establish(session, received);
                }
                Ok(None) => {}
                Err(error) => {
                    self.handshakes.remove(at);
                    fail(error, received);
                }
            }
            return;
        }
        // The newest first: a client that has just made a session uses it. A NAT that has forgotten a client gives it
        // another port, so an authentic record counts wherever it comes from.
        let here = self.sessions.iter().rev().filter(|s| (s.local, s.remote) == ends).map(|s| s.id);
        let elsewhere = self.sessions.iter().rev().filter(|s| (s.local, s.remote) != ends).map(|s| s.id);
        let candidates: Vec<u64> = here.chain(elsewhere).collect();
        let opened = candidates.into_iter().find_map(|id| {
            let session = self.sessions.iter_mut().find(|s| s.id == id)?;
            session.open(record).map(|content| (session.id, content))
        });
        let found = opened.and_then(|(id, content)| Some((self.sessions.iter_mut().find(|s| s.id == id)?, content)));
        let Some((session, content)) = found else {
            return received.events.push(DtlsEvent::Ignored { what: "record that is not authentic or came before" });
        };
        let id = session.id;
        if (session.local, session.remote) != ends {
            (session.local, session.remote) = ends;
            received.events.push(DtlsEvent::Moved { session: id, to: ends.1 });
        }
        match record.content_type {
            APPLICATION_DATA => {
                session.confirm();
                session.is_continued = false;
                received.events.push(DtlsEvent::Data { session: id, bytes: content });
            }
            // The Finished again; the Certificate of the same flight has been answered.
            HANDSHAKE => {}
            ALERT => {
                let description = content.get(1).copied().unwrap_or_default();
                received.events.push(DtlsEvent::Alert { session: Some(id), description });
            }
            _ => received.events.push(DtlsEvent::Ignored { what: "protected record of an unknown type" }),
        }
    }

    fn establish(&mut self, mut session: Session, received: &mut Received) {
        session.id = self.next_session;
        self.next_session += 1;
        received.answers.extend(session.last_flight());
        received.events.push(DtlsEvent::Established { session: session.id });
        // A client that never said its name cannot come back to a session it has replaced.
        let ends = (session.local, session.remote);
        self.sessions.retain(|s| s.device_id.is_some() || (s.local, s.remote) != ends);
        if self.sessions.len() >= SESSIONS_MAX {
            self.sessions.remove(0);
        }
        self.sessions.push(session);
    }

    fn continued(
        &mut self,
        (local, remote): (Endpoint, Endpoint),
        record: &Record<'_>,
        trailer: &[u8],
        received: &mut Received,
    ) {
        let Some(device_id) = record::device_id(trailer) else {
            return received.events.push(DtlsEvent::Ignored { what: "continued session without the device's name" });
        };
        // A device may have been reset before it said its name.
        let may_be = |s: &&mut Session| s.device_id.is_none_or(|known| known == device_id);
        let found = self.sessions.iter_mut().rev().filter(may_be);
        let opened = found.filter_map(|s| s.open(record).map(|content| (s, content))).next();
        let Some((session, content)) = opened else {
            let is_known = self.sessions.iter().any(|s| s.device_id == Some(device_id));
            return received.events.push(if is_known {
                DtlsEvent::Ignored { what: "record that is not authentic or came before" }
            } else {
                DtlsEvent::UnknownSession { device_id }
            });
        };
        session.confirm();
        (session.local, session.remote) = (local, remote);
        let id = session.id;
        let is_first = !std::mem::replace(&mut session.is_continued, true);
        self.name_session(id, device_id);
        if is_first {
            received.events.push(DtlsEvent::Continued { session: id });
        }
        received.events.push(DtlsEvent::Data { session: id, bytes: content });
    }
}

/// Tells the client that its handshake has failed.
fn fail(error: HandshakeError, received: &mut Received) {
    const FATAL: u8 = 2;
    // The client's window accepts any number it has not seen; its flight had the ones before.
    let place = RecordPlace { content_type: ALERT, epoch: 0, sequence: 0xffff };
    received.answers.push(record::write(place, &[FATAL, error.alert()]));
    received.events.push(DtlsEvent::Failed { error });
}
