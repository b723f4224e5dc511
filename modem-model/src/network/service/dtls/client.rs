//! A DTLS client in the vendor's dialect, for tests: it does what a device does, and checks what a device checks.

use p256::ecdsa::VerifyingKey;
use p256::elliptic_curve::sec1::ToEncodedPoint;
use p256::pkcs8::EncodePublicKey;
use p256::{PublicKey, SecretKey};

use super::crypto::{self, RecordPlace, SessionKeys};
use super::handshake::{self, kind};
use super::record::{self, APPLICATION_DATA, CHANGE_CIPHER_SPEC, CONTINUED, HANDSHAKE};

/// SubjectPublicKeyInfo of a private key.
pub fn spki(private: &[u8; 32]) -> Vec<u8> {
    crypto::public_key(private).unwrap()
}

/// The client.
#[derive(Clone)]
pub struct Client {
    /// Its private key; another than the one it shows makes its signature wrong.
    pub signing_key: [u8; 32],
    /// Extensions of its hello.
    pub extensions: Vec<u8>,
    /// Whether it wants to be shown the server's key, which a device refuses.
    pub wants_certificate: bool,
    server: VerifyingKey,
    private: [u8; 32],
    random: [u8; 32],
    ephemeral: [u8; 32],
    transcript: Vec<u8>,
    next_message: u16,
    plain_sequence: u64,
    sequence: u64,
    keys: Option<SessionKeys>,
    master: Vec<u8>,
    flight: Vec<(u8, u8, Vec<u8>)>,
}

/// The extensions that the vendor's clients send, in their order.
pub const EXTENSIONS: [u8; 32] =
    [0, 13, 0, 4, 0, 2, 4, 3, 0, 10, 0, 4, 0, 2, 0, 23, 0, 11, 0, 2, 1, 0, 0, 19, 0, 2, 1, 2, 0, 20, 0, 2];

impl Client {
    /// A client with a number that makes all its randomness, which knows the server's public key.
    pub fn new(number: u8, server_private: &[u8; 32]) -> Self {
        let server = SecretKey::from_slice(server_private).unwrap().public_key();
        Self {
            signing_key: [number; 32],
            extensions: [&EXTENSIONS[..], &[1, 2]].concat(),
            wants_certificate: false,
            server: VerifyingKey::from(server),
            private: [number; 32],
            random: [number ^ 0x55; 32],
            ephemeral: [number ^ 0x33; 32],
            transcript: Vec::new(),
            next_message: 0,
            plain_sequence: 0,
            sequence: 0,
            keys: None,
            master: Vec::new(),
            flight: Vec::new(),
        }
    }

    fn plain(&mut self, content_type: u8, payload: &[u8]) -> Vec<u8> {
        let place = RecordPlace { content_type, epoch: 0, sequence: self.plain_sequence };
        self.plain_sequence += 1;
        record::write(place, payload)
    }

    fn sealed(&mut self, content_type: u8, content: &[u8]) -> Vec<u8> {
        let place = RecordPlace { content_type, epoch: 1, sequence: self.sequence };
        self.sequence += 1;
        record::write(place, &self.keys.unwrap().client.seal(place, content))
    }

    /// A ClientHello; the next of a handshake when it has a cookie.
    pub fn hello(&mut self, cookie: &[u8]) -> Vec<u8> {
        let mut body = vec![0xfe, 0xfd];
        body.extend(self.random);
        body.push(0);
        body.push(cookie.len() as u8);
        body.extend(cookie);
        body.extend([0, 4, 0xc0, 0xae, 0, 0xff, 1, 0]);
        body.extend((self.extensions.len() as u16).to_be_bytes());
        body.extend(&self.extensions);
        self.next_message = u16::from(!cookie.is_empty());
        let message = handshake::message(kind::CLIENT_HELLO, self.next_message, &body);
        self.transcript = message.clone();
        self.next_message += 1;
        self.plain(HANDSHAKE, &message)
    }

    /// Sends again what it sent last, with new record numbers.
    pub fn repeat(&mut self) -> Vec<u8> {
        let flight = self.flight.clone();
        if flight.is_empty() {
            let hello = self.transcript.clone();
            return self.plain(HANDSHAKE, &hello);
        }
        let mut datagram = Vec::new();
        for (epoch, content_type, payload) in flight {
            datagram.extend(if epoch == 0 {
                self.plain(content_type, &payload)
            } else {
                self.sealed(content_type, &payload)
            });
        }
        datagram
    }

    /// The cookie of a HelloVerifyRequest.
    pub fn cookie(datagram: &[u8]) -> Vec<u8> {
        let (records, _) = record::records(datagram);
        let [request] = handshake::fragments(records[0].payload)[..] else { panic!() };
        assert_eq!((request.kind, request.message, request.bytes[2]), (kind::HELLO_VERIFY_REQUEST, 0, 20));
        request.bytes[3..].to_vec()
    }

    /// Checks the flight from ServerHello to ServerHelloDone and answers it.
    pub fn answer(&mut self, datagram: &[u8]) -> Vec<u8> {
        let (records, rest) = record::records(datagram);
        assert!(rest.is_empty());
        let messages: Vec<_> = records.iter().flat_map(|r| handshake::fragments(r.payload)).collect();
        let kinds: Vec<u8> = messages.iter().map(|m| m.kind).collect();
        let expected = if self.wants_certificate { &[2, 11, 12, 13, 14][..] } else { &[2, 12, 13, 14] };
        assert_eq!(kinds, expected, "a device refuses a Certificate");
        for (number, message) in messages.iter().enumerate() {
            assert_eq!(usize::from(message.message), number + 1);
            self.transcript.extend(handshake::message(message.kind, message.message, message.bytes));
        }
        let hello = messages[0].bytes;
        let server_random: [u8; 32] = hello[2..34].try_into().unwrap();
        assert!(hello.windows(5).any(|w| w == [0, 19, 0, 1, 2]) && hello.windows(5).any(|w| w == [0, 20, 0, 1, 2]));
        let exchange = messages[messages.len() - 3].bytes;
        assert_eq!(exchange[..4], [3, 0, 23, 65]);
        assert_eq!(exchange[69..71], [4, 3]);
        let server = self.server.to_encoded_point(false);
        let server = PublicKey::from_sec1_bytes(server.as_bytes()).unwrap().to_public_key_der().unwrap();
        if self.wants_certificate {
            assert_eq!(handshake::raw_public_key(messages[1].bytes).unwrap(), server.as_bytes());
        }
        let signed: [&[u8]; 3] = [&self.random, &server_random, &exchange[..69]];
        assert!(crypto::verify(server.as_bytes(), &signed, &exchange[73..]), "the server's signature");
        let master = crypto::master_secret(&self.ephemeral, &exchange[4..69], &self.random, &server_random).unwrap();
        self.keys = Some(SessionKeys::derive(&master, &self.random, &server_random));
        self.master = master.to_vec();

        let key = spki(&self.private);
        let certificate = [&[0, 0, key.len() as u8][..], &key].concat();
        let point = SecretKey::from_slice(&self.ephemeral).unwrap().public_key().to_encoded_point(false);
        self.add(kind::CERTIFICATE, &certificate);
        self.add(kind::CLIENT_KEY_EXCHANGE, &[&[65], point.as_bytes()].concat());
        let signature = crypto::sign(&self.signing_key, &[&self.transcript]).unwrap();
        self.add(kind::CERTIFICATE_VERIFY, &handshake::signed(&signature));
        self.flight.push((0, CHANGE_CIPHER_SPEC, vec![1]));
        let verify_data = self.verify_data(b"client finished");
        self.add(kind::FINISHED, &verify_data);
        self.flight.last_mut().unwrap().0 = 1;
        self.repeat()
    }

    fn add(&mut self, kind: u8, body: &[u8]) {
        let message = handshake::message(kind, self.next_message, body);
        self.next_message += 1;
        self.transcript.extend(&message);
        self.flight.push((0, HANDSHAKE, message));
    }

    fn verify_data(&self, label: &[u8]) -> [u8; 12] {
        crypto::prf(&self.master, label, &[&crypto::sha256(&[&self.transcript])])
    }

    /// Checks ChangeCipherSpec and Finished.
    pub fn finish(&mut self, datagram: &[u8]) {
        let (records, _) = record::records(datagram);
        assert_eq!((records[0].content_type, records[0].payload), (CHANGE_CIPHER_SPEC, &[1][..]));
        let content = self.keys.unwrap().server.open(records[1].place(), records[1].payload).unwrap();
        let [finished] = handshake::fragments(&content)[..] else { panic!() };
        assert_eq!((finished.kind, finished.message), (kind::FINISHED, 5 + u16::from(self.wants_certificate)));
        assert_eq!(finished.bytes, self.verify_data(b"server finished"));
    }

    /// Application data.
    pub fn send(&mut self, content: &[u8]) -> Vec<u8> {
        self.sealed(APPLICATION_DATA, content)
    }

    /// Application data after a reset: record type 254 and the name behind it. The type that is authenticated is 23.
    pub fn send_continued(&mut self, content: &[u8], device_id: &[u8; 12]) -> Vec<u8> {
        let mut datagram = self.sealed(APPLICATION_DATA, content);
        datagram[0] = CONTINUED;
        datagram.extend(device_id);
        datagram.push(12);
        datagram
    }

    /// What the server sent; `None` if it cannot be read.
    pub fn open(&self, datagram: &[u8]) -> Option<Vec<u8>> {
        let (records, _) = record::records(datagram);
        let record = records.first()?;
        self.keys.unwrap().server.open(record.place(), record.payload)
    }
}
