//! A modem with a gateway: a host program's socket reaches a real server on loopback.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use crate::gateway_command;
use crate::served::Served;
use crate::{FAST, online};

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_socket_reaches_a_real_server() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = server.local_addr().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("gateway");
    let allow = format!("service.example:2000={there}");
    let mut bridge: Command = gateway_command::gateway();
    bridge.arg("bridge").arg(&socket).args(["--allow", &allow]).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut bridge = Ended(bridge.spawn().unwrap());
    let mut line = String::new();
    BufReader::new(bridge.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let served = Served::start(FAST, &["--gateway", socket.to_str().unwrap()]);
    let mut client = online(&served);
    assert!(client.ok("AT+UDNSRN=0,\"service.example\"").contains("\"127.0.0.1\""));
    assert!(client.command("AT+UDNSRN=0,\"other.example\"").contains("ERROR"), "not allowed");
    client.ok("AT+USOCR=6");
    client.ok("AT+USOCO=0,\"127.0.0.1\",2000");
    let (mut peer, _) = server.accept().unwrap();
    client.payload("AT+USOWR=0,5", b"hello", "+USOWR: 0,5");
    let mut received = [0; 5];
    peer.read_exact(&mut received).unwrap();
    assert_eq!(&received, b"hello");
    peer.write_all(b"welcome").unwrap();
    client.until("AT+USORD=0,0", "+USORD: 0,7");
    assert_eq!(client.read_socket("AT+USORD=0,7"), b"welcome");
    client.ok("AT+USOCL=0");
    assert_eq!(peer.read(&mut received).unwrap(), 0, "its end came through");
    let (out, _) = served.end_in();
    assert!(!out.contains("NOT MODELLED"), "{out}");
}
