//! GnuTLS's command-line client against the DTLS server of the device service, in the mode that shows the server's key.

use std::io::{BufRead, BufReader, Write};
use std::net::UdpSocket;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use lockstep_modem::network::service::dtls::{CertificateMode, DtlsEvent, DtlsServer};
use p256::SecretKey;
use p256::pkcs8::{EncodePrivateKey, EncodePublicKey, LineEnding};

use crate::support::{PATIENCE, Process, elapsed_ps, endpoint, loopback, program, skip};

/// The one cipher suite and key form of the server, and nothing else.
const PRIORITY: &str = "NONE:+VERS-DTLS1.2:+ECDHE-ECDSA:+AES-128-CCM-8:+AEAD:+SIGN-ECDSA-SHA256:+GROUP-SECP256R1:\
                        +COMP-NULL:+CTYPE-CLI-RAWPK:+CTYPE-SRV-RAWPK";

/// What a run of the client led to.
struct Talk {
    events: Vec<DtlsEvent>,
    /// What the client printed.
    lines: Vec<String>,
    /// The public key that the server learnt of the client.
    learnt_key: Option<Vec<u8>>,
}

impl Talk {
    fn printed(&self, wanted: &str) -> bool {
        self.lines.iter().any(|line| line.contains(wanted))
    }
}

fn client_key() -> SecretKey {
    SecretKey::from_slice(&[0x17; 32]).unwrap()
}

/// Runs the client until it has printed what the server sent it, or ends. `None` without the client.
fn talk(test: &str, certificate: CertificateMode) -> Option<Talk> {
    let Some(gnutls) = program("gnutls-cli") else {
        skip(test, "no gnutls-cli: ./setup guest installs it");
        return None;
    };
    let folder = tempfile::tempdir().unwrap();
    let (private_file, public_file) = (folder.path().join("private.pem"), folder.path().join("public.pem"));
    std::fs::write(&private_file, client_key().to_pkcs8_pem(LineEnding::LF).unwrap().as_bytes()).unwrap();
    std::fs::write(&public_file, client_key().public_key().to_public_key_pem(LineEnding::LF).unwrap()).unwrap();

    let socket = UdpSocket::bind(loopback()).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let local = endpoint(socket.local_addr().unwrap());
    // The client checks that the server has the key it shows; whose key that is, it has no means to know.
    let mut client = Command::new(gnutls)
        .args(["--udp", "--insecure", "--priority", PRIORITY, "--port", &local.port.to_string()])
        .arg("--rawpkkeyfile")
        .arg(&private_file)
        .arg("--rawpkfile")
        .arg(&public_file)
        .arg(local.address.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map(Process)
        .unwrap();
    let mut input = client.0.stdin.take().unwrap();
    let output = BufReader::new(client.0.stdout.take().unwrap());
    let (sender, printed) = mpsc::channel();
    let reader = thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));

    let start = Instant::now();
    let mut server = DtlsServer::new([0x42; 32]).with_certificate(certificate);
    let mut entropy_bytes = 0u8;
    let mut entropy = || {
        entropy_bytes += 1;
        [entropy_bytes; 32]
    };
    let (mut events, mut lines) = (Vec::new(), Vec::new());
    let mut datagram = [0; 2048];
    while start.elapsed() < PATIENCE && client.0.try_wait().unwrap().is_none() {
        lines.extend(printed.try_iter());
        if lines.iter().any(|line| line == "from the server") {
            break;
        }
        let Ok((length, from)) = socket.recv_from(&mut datagram) else { continue };
        let received = server.receive(elapsed_ps(start), local, endpoint(from), &datagram[..length], &mut entropy);
        for answer in received.answers {
            socket.send_to(&answer, from).unwrap();
        }
        for event in received.events {
            match &event {
                DtlsEvent::Established { .. } => input.write_all(b"from the client\n").unwrap(),
                DtlsEvent::Data { session, .. } => {
                    let (_, _, answer) = server.send(*session, b"from the server\n").unwrap();
                    socket.send_to(&answer, from).unwrap();
                }
                _ => {}
            }
            events.push(event);
        }
    }
    drop((input, client));
    let _ = reader.join().unwrap();
    lines.extend(printed.try_iter());
    let learnt_key = server.session(1).map(|session| session.public_key.clone());
    Some(Talk { events, lines, learnt_key })
}

#[test]
fn gnutls_shakes_hands_and_exchanges_data() {
    let test = "gnutls_shakes_hands_and_exchanges_data";
    let Some(talk) = talk(test, CertificateMode::RawPublicKey) else { return };
    let text = format!("{:?}\n{}", talk.events, talk.lines.join("\n"));
    assert!(talk.printed("Got 1 Raw public-key(s)"), "{text}");
    assert!(talk.printed("(ECDHE-SECP256R1)-(ECDSA-SHA256)-(AES-128-CCM-8)"), "{text}");
    assert!(talk.printed("Handshake was completed"), "{text}");
    assert!(talk.events.contains(&DtlsEvent::Established { session: 1 }), "{text}");
    assert!(talk.events.contains(&DtlsEvent::Data { session: 1, bytes: b"from the client\n".to_vec() }), "{text}");
    assert!(talk.lines.iter().any(|line| line == "from the server"), "{text}");
    let key = client_key().public_key().to_public_key_der().unwrap();
    assert_eq!(talk.learnt_key.as_deref(), Some(key.as_bytes()));
}

#[test]
fn gnutls_refuses_a_server_that_shows_no_key() {
    let test = "gnutls_refuses_a_server_that_shows_no_key";
    let Some(talk) = talk(test, CertificateMode::None) else { return };
    let text = format!("{:?}\n{}", talk.events, talk.lines.join("\n"));
    assert!(talk.events.iter().any(|event| matches!(event, DtlsEvent::Alert { session: None, .. })), "{text}");
    assert!(!talk.printed("Handshake was completed") && talk.learnt_key.is_none(), "{text}");
}
