//! The gateway as a run sees it, with real servers on the loopback interface.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use lockstep_gateway_protocol::{
    ConnectFailure, Decoder, FromGateway, Inbound, Outbound, ResolveFailure, ToGateway, VERSION, encode,
};

const LIMIT: Duration = Duration::from_secs(10);

fn gateway(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lockstep-gateway"));
    command.args(arguments).env_remove("RUST_LOG");
    command
}

/// A gateway that listens, ended with the test.
struct Gateway {
    child: Child,
    socket: PathBuf,
    _dir: tempfile::TempDir,
}

impl Gateway {
    fn start(allow: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("gateway");
        let mut arguments = vec!["bridge", socket.to_str().unwrap()];
        arguments.extend(allow.iter().flat_map(|rule| ["--allow", rule]));
        let mut child = gateway(&arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("listening on "), "{line:?}");
        Self { child, socket, _dir: dir }
    }

    fn run(&self) -> Run {
        let mut run = Run { socket: UnixStream::connect(&self.socket).unwrap(), decoder: Decoder::default() };
        run.socket.set_read_timeout(Some(LIMIT)).unwrap();
        run.send(&ToGateway::Hello { version: VERSION });
        assert_eq!(run.next(), Some(FromGateway::Hello { version: VERSION }));
        run
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A run's end of the Unix socket.
struct Run {
    socket: UnixStream,
    decoder: Decoder<FromGateway>,
}

impl Run {
    fn send(&mut self, message: &ToGateway) {
        self.socket.write_all(&encode(message).unwrap()).unwrap();
    }

    fn event(&mut self, event: Outbound) {
        self.send(&ToGateway::Event(event));
    }

    /// The next message; `None` when the gateway has ended the session.
    fn next(&mut self) -> Option<FromGateway> {
        loop {
            if let Some(message) = self.decoder.next_message().unwrap() {
                return Some(message);
            }
            let mut buffer = [0; 4096];
            match self.socket.read(&mut buffer).unwrap() {
                0 => return None,
                length => self.decoder.push(&buffer[..length]),
            }
        }
    }

    fn inbound(&mut self) -> Inbound {
        match self.next() {
            Some(FromGateway::Event(event)) => event,
            other => panic!("{other:?}"),
        }
    }

    /// Nothing more comes for a while.
    fn assert_silent(&mut self) {
        self.socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let mut buffer = [0; 4096];
        assert!(self.decoder.next_message().unwrap().is_none());
        let error = self.socket.read(&mut buffer).unwrap_err();
        assert!(matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut), "{error}");
        self.socket.set_read_timeout(Some(LIMIT)).unwrap();
    }

    /// The gateway ends the session and says why.
    fn assert_refused(&mut self, says: &str) {
        match self.next() {
            Some(FromGateway::Bye { reason }) => assert!(reason.contains(says), "{reason}"),
            other => panic!("{other:?}"),
        }
        assert_eq!(self.next(), None);
    }

    fn connect(&mut self, connection: u64, to: SocketAddrV4, credit_bytes: u32) {
        self.event(Outbound::Connect { connection, to, credit_bytes });
    }
}

fn listener() -> (TcpListener, SocketAddrV4) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    match listener.local_addr().unwrap() {
        SocketAddr::V4(address) => (listener, address),
        SocketAddr::V6(_) => unreachable!(),
    }
}

#[test]
fn bytes_go_both_ways_and_each_side_ends_by_itself() {
    let (listener, to) = listener();
    let gateway = Gateway::start(&[&to.to_string()]);
    let mut run = gateway.run();
    run.connect(5, to, 1000);
    let (mut server, _) = listener.accept().unwrap();
    assert_eq!(run.inbound(), Inbound::Connected { connection: 5 });
    run.event(Outbound::Data { connection: 5, bytes: b"ping".to_vec() });
    assert_eq!(run.inbound(), Inbound::Taken { connection: 5, bytes: 4 });
    run.event(Outbound::Finish { connection: 5 });
    let mut received = Vec::new();
    server.read_to_end(&mut received).unwrap();
    assert_eq!(received, b"ping");
    server.write_all(b"pong").unwrap();
    drop(server);
    assert_eq!(run.inbound(), Inbound::Data { connection: 5, bytes: b"pong".to_vec() });
    assert_eq!(run.inbound(), Inbound::Finished { connection: 5 });
    // What the run says about it before it knows is no offence.
    run.event(Outbound::Credit { connection: 5, bytes: 4 });
    run.assert_silent();
}

#[test]
fn nothing_is_bridged_that_was_not_allowed() {
    let (listener, to) = listener();
    let gateway = Gateway::start(&[]);
    let mut run = gateway.run();
    run.connect(0, to, 1000);
    let failure = ConnectFailure::NotAllowed;
    assert_eq!(run.inbound(), Inbound::Failed { connection: 0, failure });
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "nobody has connected");
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let SocketAddr::V4(to) = server.local_addr().unwrap() else { unreachable!() };
    run.event(Outbound::Datagram { from_port: 9, to, bytes: b"x".to_vec() });
    server.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(server.recv(&mut [0; 16]).is_err(), "no datagram came");
    run.event(Outbound::Resolve { query: 3, name: "localhost".to_owned() });
    assert_eq!(run.inbound(), Inbound::Resolved { query: 3, answer: Err(ResolveFailure::NotAllowed) });
}

#[test]
fn a_closed_port_refuses() {
    let (listener, to) = listener();
    drop(listener);
    let gateway = Gateway::start(&[&to.to_string()]);
    let mut run = gateway.run();
    run.connect(0, to, 1000);
    assert_eq!(run.inbound(), Inbound::Failed { connection: 0, failure: ConnectFailure::Refused });
}

#[test]
fn no_more_is_read_than_the_device_takes() {
    let (listener, to) = listener();
    let gateway = Gateway::start(&[&to.to_string()]);
    let mut run = gateway.run();
    run.connect(0, to, 1500);
    let (mut server, _) = listener.accept().unwrap();
    let sent: Vec<u8> = (0..5000u32).map(|n| n as u8).collect();
    server.write_all(&sent).unwrap();
    assert_eq!(run.inbound(), Inbound::Connected { connection: 0 });
    let mut received = Vec::new();
    let mut receive = |run: &mut Run, until: usize| {
        while received.len() < until {
            let Inbound::Data { connection: 0, bytes } = run.inbound() else { panic!() };
            received.extend(bytes);
        }
        assert_eq!(received.len(), until);
        run.assert_silent();
        received.clone()
    };
    receive(&mut run, 1500);
    run.event(Outbound::Credit { connection: 0, bytes: 500 });
    receive(&mut run, 2000);
    run.event(Outbound::Credit { connection: 0, bytes: 60_000 });
    assert_eq!(receive(&mut run, 5000), sent);
}

#[test]
fn a_reset_is_a_reset_on_the_other_side() {
    let (listener, to) = listener();
    let gateway = Gateway::start(&[&to.to_string()]);
    let mut run = gateway.run();
    for ends in ["by a reset", "with its run"] {
        let connection = u64::from(ends == "with its run");
        run.connect(connection, to, 1000);
        let (mut server, _) = listener.accept().unwrap();
        server.set_read_timeout(Some(LIMIT)).unwrap();
        assert_eq!(run.inbound(), Inbound::Connected { connection });
        if connection == 0 {
            run.event(Outbound::Reset { connection });
        } else {
            run.socket.shutdown(std::net::Shutdown::Both).unwrap();
        }
        match server.read(&mut [0; 16]) {
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{ends}"),
            // A session that ends takes its tasks with it; the system closes what they had open.
            Ok(length) => assert_eq!((length, connection), (0, 1), "{ends}"),
        }
    }
    let mut run = gateway.run();
    run.connect(0, to, 1000);
    let (server, _) = listener.accept().unwrap();
    assert_eq!(run.inbound(), Inbound::Connected { connection: 0 });
    // Unread data makes the system reset it.
    run.event(Outbound::Data { connection: 0, bytes: b"x".to_vec() });
    assert_eq!(run.inbound(), Inbound::Taken { connection: 0, bytes: 1 });
    server.peek(&mut [0; 1]).unwrap();
    drop(server);
    assert_eq!(run.inbound(), Inbound::Reset { connection: 0 });
}

#[test]
fn datagrams_come_back_to_the_port_they_left_from_and_strangers_are_not_heard() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    server.set_read_timeout(Some(LIMIT)).unwrap();
    let there = server.local_addr().unwrap();
    let seen_by_device: SocketAddrV4 = "203.0.113.7:5000".parse().unwrap();
    let gateway = Gateway::start(&[&format!("{seen_by_device}={there}")]);
    let mut run = gateway.run();
    run.event(Outbound::Datagram { from_port: 1234, to: seen_by_device, bytes: b"ask".to_vec() });
    let mut buffer = [0; 16];
    let (length, natted) = server.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"ask");
    UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"stranger", ("127.0.0.1", natted.port())).unwrap();
    server.send_to(b"answer", ("127.0.0.1", natted.port())).unwrap();
    assert_eq!(run.inbound(), Inbound::Datagram { from: seen_by_device, to_port: 1234, bytes: b"answer".to_vec() });
    run.assert_silent();
}

#[test]
fn a_name_that_a_rule_names_is_resolved_and_then_allowed() {
    let (listener, to) = listener();
    let gateway = Gateway::start(&[&format!("localhost:{}", to.port())]);
    let mut run = gateway.run();
    run.connect(0, to, 1000);
    let failure = ConnectFailure::NotAllowed;
    assert_eq!(run.inbound(), Inbound::Failed { connection: 0, failure }, "not yet");
    run.event(Outbound::Resolve { query: 0, name: "LocalHost".to_owned() });
    assert_eq!(run.inbound(), Inbound::Resolved { query: 0, answer: Ok(vec![Ipv4Addr::LOCALHOST]) });
    run.connect(1, to, 1000);
    listener.accept().unwrap();
    assert_eq!(run.inbound(), Inbound::Connected { connection: 1 });
}

#[test]
fn a_run_that_breaks_the_protocol_is_told_and_dropped_and_the_next_is_served() {
    let (listener, to) = listener();
    let gateway = Gateway::start(&[&to.to_string()]);
    let mut run = gateway.run();
    run.socket.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    run.assert_refused("a frame of");
    let mut run = gateway.run();
    run.event(Outbound::Finish { connection: 9 });
    run.assert_refused("never opened");
    let mut run = gateway.run();
    run.send(&ToGateway::Hello { version: VERSION });
    run.assert_refused("one greeting");
    let mut run = gateway.run();
    run.event(Outbound::Resolve { query: 0, name: "x".repeat(300) });
    run.assert_refused("name");
    let mut run = gateway.run();
    run.connect(3, to, 10);
    run.connect(3, to, 10);
    run.assert_refused("used before");
    let mut run = gateway.run();
    run.connect(0, to, u32::MAX);
    run.event(Outbound::Credit { connection: 0, bytes: u32::MAX });
    run.assert_refused("credit");
    let mut run = Run { socket: UnixStream::connect(&gateway.socket).unwrap(), decoder: Decoder::default() };
    run.send(&ToGateway::Hello { version: VERSION + 1 });
    run.assert_refused("version");
    let mut run = gateway.run();
    run.connect(0, to, 10);
    assert_eq!(run.inbound(), Inbound::Connected { connection: 0 });
    drop(listener);
}

fn refused(arguments: &[&str], says: &str) {
    let output: Output = gateway(arguments).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
    assert!(error.contains(says) && !error.contains("panicked"), "{arguments:?}: {error}");
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn what_cannot_be_begun_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, b"precious").unwrap();
    refused(&["bridge", path(&file)], "is no socket");
    assert_eq!(std::fs::read(&file).unwrap(), b"precious");
    refused(&["bridge", path(&dir.path().join("no/such/folder"))], "cannot listen here");
    refused(&["bridge", path(&dir.path().join("s")), "--allow", "nowhere"], "no port");
    let running = Gateway::start(&[]);
    refused(&["bridge", path(&running.socket)], "another gateway");
    let (listener, to) = listener();
    drop(listener);
    refused(&["observe", "--broker", &to.to_string(), "--for", "5"], "refused");
}

#[test]
fn the_socket_of_a_killed_gateway_is_replaced() {
    let mut first = Gateway::start(&[]);
    first.child.kill().unwrap();
    first.child.wait().unwrap();
    assert!(first.socket.exists());
    let mut child = gateway(&["bridge", path(&first.socket), "--once"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    drop(first.run());
    assert!(child.wait().unwrap().success(), "--once ends with the first run");
    assert!(!first.socket.exists());
}
