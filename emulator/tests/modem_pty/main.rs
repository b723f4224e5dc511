//! `lockstep modem` as host programs meet it: on a pseudo-terminal, in real time.

mod client;
mod gateway;
#[path = "../common/gateway_command.rs"]
mod gateway_command;
mod served;
#[path = "../common/tshark.rs"]
mod tshark;

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::Duration;

use client::Client;
use served::{Served, refused};

/// Short times of the network, so that the test waits for the line only.
const FAST: &[&str] = &[
    "modem.timing.registration=0s",
    "modem.timing.attach=0s",
    "modem.timing.pdp_activation=20ms",
    "modem.timing.write_accept=5ms",
    "link.latency=10ms",
];

fn ready_client(served: &Served) -> Client {
    let mut client = Client::open(&served.path, 115_200);
    client.ok("ATE0");
    client.ok("AT+CMEE=2");
    client
}

fn online(served: &Served) -> Client {
    let mut client = ready_client(served);
    client.until("AT+CGATT?", "+CGATT: 1");
    client.ok("AT+UPSD=0,1,\"apn\"");
    client.ok("AT+UPSDA=0,3");
    assert!(client.ok("AT+UPSND=0,0").contains("\"10.171.4.7\""));
    client
}

/// Bytes of every kind, line ends and NULs among them.
fn pattern(length: usize, start: usize) -> Vec<u8> {
    (start..start + length).map(|n| (n * 7 + n / 251) as u8).collect()
}

#[test]
fn tcp_carries_big_transfers_both_ways() {
    let served = Served::start(FAST, &[]);
    let mut client = online(&served);
    assert!(client.ok("AT+USOCR=6").contains("+USOCR: 0"));
    client.ok("AT+USOCO=0,\"192.0.2.7\",7");
    for round in 0..8 {
        let sent = pattern(1024, round * 1024);
        client.payload("AT+USOWR=0,1024", &sent, "+USOWR: 0,1024");
        let mut back = Vec::new();
        while back.len() < sent.len() {
            back.extend(client.read_socket("AT+USORD=0,1024"));
        }
        assert!(back == sent, "round {round}");
    }
    client.ok("AT+USOCL=0");
    assert!(client.command("AT+USORD=0,1").contains("ERROR"), "closed");
    served.end();
}

#[test]
fn udp_keeps_its_boundaries() {
    let served = Served::start(FAST, &[]);
    let mut client = online(&served);
    assert!(client.ok("AT+USOCR=17").contains("+USOCR: 0"));
    for datagram in ["one", "number two"] {
        let length = datagram.len();
        let command = format!("AT+USOST=0,\"192.0.2.7\",7,{length}");
        client.payload(&command, datagram.as_bytes(), &format!("+USOST: 0,{length}"));
    }
    client.until("AT+USORF=0,0", "+USORF: 0,3");
    assert!(client.ok("AT+USORF=0,100").contains("+USORF: 0,\"192.0.2.7\",7,3,\"one\""));
    client.until("AT+USORF=0,0", "+USORF: 0,10");
    assert!(client.ok("AT+USORF=0,100").contains("+USORF: 0,\"192.0.2.7\",7,10,\"number two\""));
    client.ok("AT+USOCL=0");
    served.end();
}

#[test]
fn the_next_program_finds_the_modem_as_it_was_left_and_nothing_unread() {
    let served = Served::start(FAST, &[]);
    let mut first = ready_client(&served);
    assert!(first.ok("AT+USOCR=17").contains("+USOCR: 0"));
    first.write(b"ATI\r");
    std::thread::sleep(Duration::from_millis(300));
    drop(first);
    std::thread::sleep(Duration::from_millis(300));
    let mut second = Client::open(&served.path, 115_200);
    assert_eq!(second.ok("AT"), "\r\nOK\r\n", "no echo, and no answer to the ATI of the first");
    assert!(second.ok("AT+USOCR=17").contains("+USOCR: 1"), "socket 0 is still open");
    drop(second);
    let report = served.end();
    assert!(report.contains("opened 2 times"), "{report}");
}

#[test]
fn a_program_at_another_rate_reads_and_sends_garbage() {
    let served = Served::start(FAST, &[]);
    let mut client = ready_client(&served);
    client.ok("AT+IPR=9600");
    std::thread::sleep(Duration::from_millis(100));
    client.write(b"AT\r");
    client.quiet(Duration::from_millis(500));
    assert!(!client.take().windows(2).any(|bytes| bytes == b"OK"));
    client.set_baud(9600);
    client.write(b"\r");
    client.quiet(Duration::from_millis(200));
    client.take();
    assert_eq!(client.ok("AT"), "\r\nOK\r\n");
    served.end();
}

/// The program sends without reading until both buffers of the pseudo-terminal and those of the modem are full, then
/// reads: with RTS/CTS nothing is lost.
#[test]
fn what_is_not_read_waits_and_so_does_the_writer() {
    let served = Served::start(&["modem.timing.command=0s", "modem.timing.line_to_ok=0s"], &[]);
    let mut client = ready_client(&served);
    client.ok("ATE1");
    client.ok("AT+IPR=921600");
    std::thread::sleep(Duration::from_millis(100));
    client.set_baud(921_600);
    client.call_until_answered();
    client.heed_cts();
    // How much fits is the kernel's matter: 10 kB as a rule, more than 80 kB when it hands them on late. So the lines are
    // long, for each costs time, and come back, so that both directions fill.
    let command = [b"AT", [b' '; 250].as_slice(), b"I\r"].concat();
    let commands = command.repeat(4_000);
    let first = client.write_what_fits(&commands, Duration::from_secs(1));
    assert!(first < commands.len(), "all of it fits: this test shows nothing");
    let count = first / command.len() + 20;
    let answer = [&command, b"\r\nSARA-U260\r\n\r\nOK\r\n".as_slice()].concat();
    let answers = client.write_while_reading(&commands[first..count * command.len()], count * answer.len());
    eprintln!("{first} bytes fit, {} came back", answers.len());
    assert!(answers == answer.repeat(count), "{} bytes", answers.len());
    served.end();
}

#[test]
fn opening_the_terminal_presses_the_power_key() {
    let boot = ["modem.timing.boot=300ms", "modem.timing.power_off=100ms"];
    let served = Served::start(&boot, &["--power", "off"]);
    std::thread::sleep(Duration::from_millis(600));
    let mut client = Client::open(&served.path, 115_200);
    client.write(b"AT\r");
    client.quiet(Duration::from_millis(100));
    assert_eq!(client.take(), b"", "it was off, and is not up yet");
    client.until("AT", "OK");
    client.ok("AT+CPWROFF");
    std::thread::sleep(Duration::from_millis(300));
    client.write(b"AT\r");
    client.quiet(Duration::from_millis(500));
    assert_eq!(client.take(), b"", "off");
    drop(client);
    std::thread::sleep(Duration::from_millis(100));
    Client::open(&served.path, 115_200).until("AT", "OK");
    let log = served.log();
    assert_eq!(log.matches("-- PWR_ON low pulse").count(), 2, "{log}");
    served.end();
}

#[test]
fn the_transcript_has_both_directions_with_times() {
    let served = Served::start(FAST, &[]);
    let mut client = online(&served);
    client.ok("AT+USOCR=17");
    client.payload("AT+USOST=0,\"192.0.2.7\",7,4", b"a\x00\r\n", "+USOST: 0,4");
    client.until("AT+USORF=0,0", "+USORF: 0,4");
    drop(client);
    let log = served.log();
    for expected in
        [" >> ATE0\\r", " << \\r\\nOK\\r\\n", " >B a\\x00\\r\\n", " << \\r\\n+UUSOR", " -- opened at 115200"]
    {
        assert!(log.contains(expected), "no {expected} in\n{log}");
    }
    let times: Vec<f64> = log.lines().map(|line| line.split_whitespace().next().unwrap().parse().unwrap()).collect();
    assert!(times.is_sorted(), "{log}");
    served.end();
}

#[test]
fn what_passes_is_captured() {
    if tshark::is_missing() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("capture.pcapng");
    let served = Served::start(FAST, &["--pcap", file.to_str().unwrap()]);
    let mut client = online(&served);
    client.ok("AT+USOCR=6");
    client.ok("AT+USOCO=0,\"192.0.2.7\",7");
    client.payload("AT+USOWR=0,5", b"hello", "+USOWR: 0,5");
    client.until("AT+USORD=0,0", "+USORD: 0,5");
    client.ok("AT+USOCL=0");
    drop(client);
    served.end();
    tshark::assert_sound(&file);
    // A connection from its first to its last segment, with the payload going and coming back.
    assert_eq!(tshark::count(&file, "tcp.flags.syn == 1"), 2);
    assert_eq!(tshark::count(&file, "tcp.flags.fin == 1"), 2);
    assert_eq!(tshark::count(&file, "tcp.flags.reset == 1 || tcp.analysis.retransmission"), 0);
    assert_eq!(tshark::count(&file, "echo.data contains \"hello\""), 2);
    assert_eq!(tshark::count(&file, "at.cmd == \"+USOWR\" && at.role == 2"), 1);
    // Echo of the command included: it is on the line, though the dialogue has it once.
    let ate0 = tshark::count(&file, "rtacser && frame contains \"ATE0\"");
    assert_eq!(ate0, 2);
}

#[test]
fn a_capture_is_readable_though_its_writer_was_killed() {
    if tshark::is_missing() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("capture.pcapng");
    let mut served = Served::start(FAST, &["--pcap", file.to_str().unwrap()]);
    let mut client = ready_client(&served);
    for _ in 0..20 {
        client.ok("AT+CGMI");
    }
    std::thread::sleep(Duration::from_secs(1));
    for _ in 0..20 {
        client.ok("AT+CSQ");
    }
    served.kill();
    assert!(tshark::count_whole(&file, "AT+CGMI") >= 20);
}

#[test]
fn the_link_is_made_removed_and_never_put_over_something_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("modem");
    fs::write(&path, "mine").unwrap();
    let error = refused(&path);
    assert!(error.contains("modem: ") && error.contains("not overwritten"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"mine");

    // As a process that was killed leaves it.
    fs::remove_file(&path).unwrap();
    symlink("/dev/pts/4000000", &path).unwrap();
    let served = Served::start_at(dir, &[], &[]);
    Client::open(&served.path, 115_200).ok("AT");
    let (_, dir) = served.end_in();
    assert!(fs::symlink_metadata(dir.path().join("modem")).is_err(), "the link is gone");
}

#[test]
fn a_setting_that_is_none_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_lockstep"))
        .args(["modem", "--set", "modem.timing.bot=1s", "--pty"])
        .arg(dir.path().join("modem"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("did you mean modem.timing.boot?"));
}

#[test]
fn pyserial_does_tcp_and_udp() {
    let Some(python) = served::python_with("pyserial") else { return };
    let served = Served::start(FAST, &[]);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/modem_pty/pyserial_client.py");
    let output = Command::new(python).arg(script).arg(&served.path).output().unwrap();
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{error}\n{}", served.log());
    assert!(out.ends_with("done\n"), "{out}");
    served.end();
}
