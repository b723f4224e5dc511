//! Sockets at their documented limits, all of them at once, and used wrongly.

mod common;

use common::Client;
use lockstep_modem::time::PS_PER_S;
use lockstep_modem::{ModemConfig, Network};

const ECHO: &str = "\"192.0.2.7\",7";
const REFUSED: &str = "\r\n+CME ERROR: operation not allowed\r\n";
const INCORRECT: &str = "\r\n+CME ERROR: incorrect parameters\r\n";

fn online_with(config: ModemConfig) -> Client {
    let mut client = Client::new(config, Network::default(), 1);
    client.power_on();
    client.wait_ms(15_000);
    client.online();
    client
}

fn online() -> Client {
    online_with(ModemConfig::default())
}

/// Reads everything pending on a socket, however much each read gives; takes URCs along.
fn drain(client: &mut Client, handle: u32, is_udp: bool) -> Vec<u8> {
    let (name, parameters) = if is_udp { ("USORF", 5) } else { ("USORD", 3) };
    let mut all = Vec::new();
    let mut waits = 0;
    loop {
        client.take();
        client.send(format!("AT+{name}={handle},1024\r").as_bytes());
        client.wait_ms(250);
        let response = client.take();
        let head = response.windows(7).position(|w| w == format!("\n+{name}").as_bytes()[..7].as_ref());
        let Some(head) = head else { panic!("{}", common::escape(&response)) };
        let line = &response[head + 1..];
        let fields = line.splitn(parameters, |b| *b == b',').collect::<Vec<_>>();
        if fields.len() < parameters {
            return all;
        }
        let length: usize = String::from_utf8_lossy(fields[parameters - 2]).parse().expect("a length");
        // A window that was closed opens after a round trip.
        if length == 0 && waits < 3 {
            waits += 1;
            client.wait_ms(2000);
            continue;
        }
        if length == 0 {
            return all;
        }
        all.extend_from_slice(&fields[parameters - 1][1..=length]);
    }
}

#[test]
fn seven_handles_and_no_eighth() {
    let mut client = online();
    for handle in 0..7 {
        assert!(client.ok("AT+USOCR=17").contains(&format!("+USOCR: {handle}\r\n")));
    }
    assert_eq!(client.command("AT+USOCR=17"), REFUSED);
    assert_eq!(client.ok("AT+USOER"), "\r\n+USOER: 24\r\n\r\nOK\r\n");
    assert_eq!(client.command("AT+USOCTL=7,0"), REFUSED);
    client.ok("AT+USOCL=4");
    client.ok("AT+USOCL=2");
    assert!(client.ok("AT+USOCR=6").contains("+USOCR: 2\r\n"), "the lowest free");
}

#[test]
fn traffic_on_all_seven_at_once() {
    let mut client = online();
    // 0 to 3 TCP, 4 to 6 UDP; each has bytes of its own.
    for handle in 0..7 {
        client.ok(if handle < 4 { "AT+USOCR=6" } else { "AT+USOCR=17" });
        client.ok(&format!("AT+USOCO={handle},{ECHO}"));
    }
    let mut sent = vec![Vec::new(); 7];
    for round in 0..6u32 {
        for handle in 0..7u32 {
            let payload: Vec<u8> =
                (0..100 + 40 * handle + round).map(|n| (n * 7 + handle * 31 + round) as u8).collect();
            let response = client.payload(&format!("AT+USOWR={handle},{}", payload.len()), &payload);
            assert!(response.contains(&format!("\r\n+USOWR: {handle},{}\r\n", payload.len())), "{response:?}");
            sent[handle as usize].extend(payload);
        }
    }
    client.wait_ms(3000);
    for handle in 0..7u32 {
        let received = drain(&mut client, handle, handle >= 4);
        assert_eq!(received, sent[handle as usize], "socket {handle}");
        let counters = client.ok(&format!("AT+USOCTL={handle},2;+USOCTL={handle},3"));
        let length = sent[handle as usize].len();
        assert_eq!(
            counters,
            format!("\r\n+USOCTL: {handle},2,{length}\r\n\r\n+USOCTL: {handle},3,{length}\r\n\r\nOK\r\n")
        );
    }
    for handle in 0..7 {
        client.ok(&format!("AT+USOCL={handle}"));
    }
    assert!(client.modem.sockets().is_empty());
}

#[test]
fn a_write_and_a_read_take_1024_bytes_and_512_in_hex_mode() {
    let mut client = online();
    client.ok("AT+USOCR=17");
    client.ok(&format!("AT+USOCO=0,{ECHO}"));
    for command in
        ["AT+USOWR=0,1025", "AT+USOST=0,\"192.0.2.7\",7,1025", "AT+USORD=0,1025", "AT+USORF=0,1025", "AT+USOWR=0,0"]
    {
        assert_eq!(client.command(command), INCORRECT, "{command}");
    }
    assert!(client.payload("AT+USOWR=0,1024", &[b'x'; 1024]).contains("+USOWR: 0,1024\r\n"));
    client.wait_ms(2000);
    client.take();
    assert!(client.ok("AT+USORF=0,1024").contains(&format!(",1024,\"{}\"", "x".repeat(1024))));
    client.ok("AT+UDCONF=1,1");
    for command in ["AT+USOWR=0,513", "AT+USORD=0,513", "AT+USORF=0,513"] {
        assert_eq!(client.command(command), INCORRECT, "{command}");
    }
    assert_eq!(client.command("AT+USOWR=0,2,\"616\""), INCORRECT, "not two digits a byte");
    assert_eq!(client.command("AT+USOWR=0,2,\"61g2\""), INCORRECT, "no digit");
    assert!(client.ok(&format!("AT+USOWR=0,512,\"{}\"", "61".repeat(512))).contains("+USOWR: 0,512\r\n"));
}

#[test]
fn buffers_are_finite() {
    let mut config = ModemConfig::default();
    (config.sockets.receive_bytes, config.sockets.send_bytes) = (2_000, 1_500);
    let mut client = online_with(config);
    // UDP: the datagram that finds no room is lost whole.
    client.ok("AT+USOCR=17");
    for _ in 0..3 {
        client.payload("AT+USOST=0,\"192.0.2.7\",7,900", &[b'u'; 900]);
    }
    client.wait_ms(2000);
    assert_eq!(client.modem.sockets()[0].pending_bytes, 1800);
    assert_eq!(client.modem.sockets()[0].lost_bytes, 900);
    // TCP: what the peer has not acknowledged fills the buffer, and nothing is lost.
    client.ok("AT+USOCR=6");
    client.ok(&format!("AT+USOCO=1,{ECHO}"));
    client.take();
    let mut written = 0;
    for _ in 0..12 {
        written += u64::from(client.payload("AT+USOWR=1,800", &[b't'; 800]).contains("+USOWR: 1,800\r\n")) * 800;
    }
    client.wait_ms(5000);
    let socket = &client.modem.sockets()[1];
    assert!(socket.pending_bytes <= 2_000 && written >= 2_400, "{} pending, {written} written", socket.pending_bytes);
    assert_eq!(drain(&mut client, 1, false).len() as u64, written);
}

#[test]
fn ports() {
    let mut client = online();
    for command in ["AT+USOCR=6,0", "AT+USOCR=6,65536", "AT+USOCR=1", "AT+USOCR", "AT+USOCO=0,\"192.0.2.7\",0"] {
        assert!(client.command(command).contains("ERROR"), "{command}");
    }
    client.ok("AT+USOCR=17,65535");
    client.ok("AT+USOCR=6,65535");
    assert_eq!(client.command("AT+USOCR=17,65535"), REFUSED);
    assert_eq!(client.ok("AT+USOER"), "\r\n+USOER: 98\r\n\r\nOK\r\n");
    assert_eq!(client.modem.sockets()[0].local_port, 65_535);
}

#[test]
fn every_wrong_use_is_an_error() {
    let mut client = online();
    client.ok("AT+USOCR=6");
    client.ok("AT+USOCR=17");
    for (command, answer, error) in [
        ("AT+USOWR=0,1", REFUSED, 107),
        ("AT+USOWR=1,1", REFUSED, 107),
        ("AT+USOST=0,\"192.0.2.7\",7,1", REFUSED, 22),
        ("AT+USORF=0,1", REFUSED, 22),
        ("AT+USORD=0,1", REFUSED, 107),
        ("AT+USODL=1", REFUSED, 107),
        ("AT+USORD=5,1", REFUSED, 9),
        ("AT+USOCO=5,\"192.0.2.7\",7", REFUSED, 9),
        ("AT+USOST=5,\"192.0.2.7\",7,1", REFUSED, 9),
        ("AT+USOLI=5,80", REFUSED, 9),
        ("AT+USOSO=5,6,1,1", REFUSED, 9),
        ("AT+USOGO=5,6,1", REFUSED, 9),
        ("AT+UDCONF=5,5", REFUSED, 9),
    ] {
        assert_eq!(client.command(command), answer, "{command}");
        assert_eq!(client.ok("AT+USOER"), format!("\r\n+USOER: {error}\r\n\r\nOK\r\n"), "{command}");
    }
    for command in [
        "AT+USOCTL=0,5",
        "AT+USOCTL=0",
        "AT+USOSO=0,6,9,1",
        "AT+USOGO=0,1,1",
        "AT+USOST=1,\"nowhere\",7,1",
        "AT+USOWR=0,1,x",
        "AT+USOCO=0,\"192.0.2.7\"",
        "AT+USOSO=0,65535,128,1,40000",
        "AT+UDCONF=1,2",
        "AT+UPING=\"\"",
        "AT+UPING=\"a\",65",
    ] {
        assert!(client.command(command).contains("ERROR"), "{command}");
    }
    assert_eq!(client.command("AT+USOCTL=1,10"), REFUSED, "UDP has no state");
    // Without packet data.
    client.ok("AT+USOCR=6");
    client.ok("AT+UPSDA=0,4");
    assert_eq!(client.command("AT+USOCTL=0,0"), REFUSED, "sockets die with the context");
}

#[test]
fn a_connection_is_refused_or_answered_by_nobody() {
    let config = ModemConfig { events: "coverage=off@60s".parse().unwrap(), ..ModemConfig::default() };
    let mut client = online_with(config);
    client.ok("AT+USOCR=6;+USOCR=6");
    assert_eq!(client.command("AT+USOCO=0,\"192.0.2.7\",8"), REFUSED);
    assert_eq!(client.ok("AT+USOCTL=0,1;+USOCTL=0,10"), "\r\n+USOCTL: 0,1,111\r\n\r\n+USOCTL: 0,10,0\r\n\r\nOK\r\n");
    client.advance_to(61 * PS_PER_S);
    client.take();
    let start_ps = client.now_ps;
    assert_eq!(client.command(&format!("AT+USOCO=1,{ECHO}")), REFUSED);
    assert_eq!((client.now_ps - start_ps) / PS_PER_S, 75);
    assert_eq!(client.ok("AT+USOER"), "\r\n+USOER: 110\r\n\r\nOK\r\n");
    // It can be tried again.
    client.modem.change(client.now_ps, lockstep_modem::Change::Coverage(true));
    client.wait_ms(10_000);
    client.ok(&format!("AT+USOCO=1,{ECHO}"));
}

#[test]
fn a_name_is_resolved_before_connecting() {
    let mut client = online();
    client.ok("AT+USOCR=17;+USOCO=0,\"anything.udp.particle.io\",5684");
    assert_eq!(client.ok("AT+USOCTL=0,4"), "\r\n+USOCTL: 0,4,\"198.51.100.10\",5684\r\n\r\nOK\r\n");
    assert_eq!(client.command("AT+USOCO=0,\"no.such.example\",1"), REFUSED);
}

#[test]
fn unread_data_is_gone_with_its_socket_and_readable_after_the_peer_closed() {
    let mut client = online();
    client.ok("AT+USOCR=6");
    client.ok(&format!("AT+USOCO=0,{ECHO}"));
    client.ok("AT+USOWR=0,5,\"hello\"");
    client.wait_ms(2000);
    assert_eq!(client.take(), b"\r\n+UUSORD: 0,5\r\n");
    client.ok("AT+USOCL=0");
    client.ok("AT+USOCR=6");
    assert_eq!(client.ok("AT+USORD=0,0"), "\r\n+USORD: 0,0\r\n\r\nOK\r\n");
}

#[test]
fn a_leaked_handle_stays_occupied_until_a_restart() {
    let mut client = online_with(ModemConfig { events: "leak@#2".parse().unwrap(), ..ModemConfig::default() });
    client.ok("AT+USOCR=17;+USOCR=17");
    client.ok("AT+USOCL=1");
    client.ok("AT+USOCL=0");
    assert_eq!(client.command("AT+USOCTL=0,0"), REFUSED);
    let created = (0..6).map(|_| client.ok("AT+USOCR=17")).collect::<String>();
    assert!(
        created.contains("+USOCR: 1\r\n") && created.contains("+USOCR: 6\r\n") && !created.contains("+USOCR: 0\r\n")
    );
    assert_eq!(client.command("AT+USOCR=17"), REFUSED, "six are open, none is free");
    client.ok("AT+CFUN=16");
    client.wait_ms(15_000);
    client.online();
    assert!(client.ok("AT+USOCR=17").contains("+USOCR: 0\r\n"));
}

#[test]
fn echo_requests() {
    let mut client = Client::ready();
    client.ok("ATE0;+CMEE=2");
    client.ok("AT+UPING=\"192.0.2.7\"");
    client.wait_ms(100);
    assert_eq!(client.take(), b"\r\n+UUPINGER: 17\r\n", "without packet data");
    client.online();
    client.ok("AT+UPING=\"192.0.2.7\",2,40");
    assert_eq!(client.command("AT+UPING=\"192.0.2.7\""), REFUSED, "one at a time");
    client.wait_ms(3000);
    let text = String::from_utf8(client.take()).unwrap();
    let lines: Vec<&str> = text.split("\r\n").filter(|line| !line.is_empty()).collect();
    for (line, number) in lines.iter().zip(1..) {
        let head = format!("+UUPING: {number},40,\"192.0.2.7\",\"192.0.2.7\",55,");
        let round_trip_ms: u64 = line.strip_prefix(&head).and_then(|ms| ms.parse().ok()).expect(line);
        assert!((500..=750).contains(&round_trip_ms));
    }
    assert_eq!(lines.len(), 2);
    // Nobody there; no such name; a name.
    client.ok("AT+UPING=\"192.0.2.99\",1,32,1000");
    client.wait_ms(1100);
    assert_eq!(client.take(), b"\r\n+UUPING: 1,32,\"192.0.2.99\",\"192.0.2.99\",0,-1\r\n");
    client.ok("AT+UPING=\"no.such.example\"");
    client.wait_ms(2000);
    assert_eq!(client.take(), b"\r\n+UUPINGER: 8\r\n");
    client.ok("AT+UPING=\"x.particle.io\",1,32,900");
    client.wait_ms(3000);
    assert!(client.take().starts_with(b"\r\n+UUPING: 1,32,\"x.particle.io\",\"198.51.100.10\","));
}

/// URCs between a command's information and its OK, as many as the setting says; never of the command's own making.
#[test]
fn urcs_fall_into_responses_as_often_as_asked() {
    let count = |percent| {
        let mut config = ModemConfig::default();
        config.behaviour.urc_between_line_and_ok_percent = percent;
        config.timing.line_to_ok = lockstep_modem::time::DurationRange::ms(40, 40);
        let mut client = online_with(config);
        client.ok("AT+USOCR=17");
        (0..60)
            .filter(|n| {
                client.ok("AT+USOST=0,\"192.0.2.7\",7,1,\"x\"");
                // Ask around the time of the arrival.
                client.wait_ms(290 + n % 10 * 10);
                let mut text = String::new();
                for _ in 0..3 {
                    text.push_str(&client.ok("AT+CSQ"));
                }
                client.wait_ms(200);
                client.take();
                client.ok("AT+USORF=0,100");
                text.contains("+CSQ: 18,2\r\n\r\n+UUSORD: 0,1\r\n\r\nOK\r\n")
            })
            .count()
    };
    let (never, sometimes, always) = (count(0), count(30), count(100));
    assert_eq!(never, 0);
    assert!(0 < sometimes && sometimes < always, "{sometimes}, {always}");
}
