//! The services behind the modem, as an AT client reaches them: by name, through sockets, over the link.

mod common;

use common::{Client, escape};
use lockstep_modem::network::mqtt::{BrokerEventKind, DisconnectReason, Message, Qos};
use lockstep_modem::network::{Broker, HttpServer};
use lockstep_modem::time::PS_PER_S;

/// A TCP socket to a service.
fn connect(client: &mut Client, name: &str, port: u16) {
    client.online();
    let resolved = client.ok(&format!("AT+UDNSRN=0,\"{name}\""));
    let address = resolved.split('"').nth(1).unwrap();
    client.ok("AT+USOCR=6");
    client.ok(&format!("AT+USOCO=0,\"{address}\",{port}"));
}

fn send(client: &mut Client, bytes: &[u8]) {
    let response = client.payload(&format!("AT+USOWR=0,{}", bytes.len()), bytes);
    assert!(response.ends_with("\r\nOK\r\n"), "{response:?}");
}

/// Waits, and takes all that the socket has; as the modem writes it.
fn received(client: &mut Client) -> String {
    client.wait_ms(2_000);
    client.take();
    client.send(b"AT+USORD=0,1024\r\n");
    client.wait_ms(500);
    escape(&client.take())
}

fn events(client: &mut Client) -> Vec<BrokerEventKind> {
    let events = client.modem.network().broker_mut().map(Broker::take_events).unwrap_or_default();
    events.into_iter().map(|event| event.kind).collect()
}

const CONNECT: &[u8] = b"\x10\x1a\0\x04MQTT\x04\x06\0\x14\0\x01e\0\x04will\0\x05gone!";

#[test]
fn the_broker_serves_a_socket() {
    let mut client = Client::ready();
    connect(&mut client, "mqtt.example.test", 1883);
    send(&mut client, CONNECT);
    assert!(received(&mut client).contains("+USORD: 0,4,\\\" \\x02\\x00\\x00\\\""), "CONNACK");
    // Two packets in one write: a subscription, and a message to itself.
    send(&mut client, b"\x82\x08\0\x01\0\x03t/#\x01\x32\x09\0\x03t/1\0\x07hi");
    let text = received(&mut client);
    assert!(text.contains("\\x90\\x03\\x00\\x01\\x01"), "SUBACK: {text}");
    assert!(text.contains("2\\t\\x00\\x03t/1\\x00\\x01hi"), "PUBLISH: {text}");
    assert!(text.contains("@\\x02\\x00\\x07"), "PUBACK: {text}");
    let at_ps = client.now_ps + PS_PER_S;
    let message = Message { topic: "t/2".into(), payload: b"operator".to_vec(), qos: Qos::AtMostOnce, retain: false };
    client.modem.network().broker_mut().unwrap().publish(at_ps, message).unwrap();
    assert!(received(&mut client).contains("0\\r\\x00\\x03t/2operator"));
    events(&mut client);
    // Its keepalive is 20 s.
    client.wait_ms(31_000);
    let seen = events(&mut client);
    assert_eq!(seen[0], BrokerEventKind::Disconnected(DisconnectReason::KeepAlive));
    assert!(matches!(&seen[1], BrokerEventKind::Published(will) if will.payload == b"gone!"), "{seen:?}");
    assert!(escape(&client.take()).contains("+UUSOCL: 0"), "the device is told");
}

#[test]
fn the_http_server_serves_a_socket() {
    let mut client = Client::ready();
    connect(&mut client, "http.example.test", 80);
    send(&mut client, b"POST /post HTTP/1.1\r\nHost: http.example.test\r\nContent-Length: 4\r\n\r\n21.5");
    assert!(received(&mut client).contains("HTTP/1.1 204 No Content\\r\\nDate: Wed, 01 Jan 2020 00:00:"));
    send(&mut client, b"GET / HTTP/1.0\r\n\r\n");
    let text = received(&mut client);
    assert!(text.contains("HTTP/1.1 200 OK\\r\\n") && text.contains("\\r\\n\\r\\nhello\\n\\\""), "{text}");
    let requests = client.modem.network().http_mut().map(HttpServer::take_requests).unwrap();
    let seen: Vec<_> = requests.iter().map(|r| (r.method.as_str(), &r.body[..], r.status)).collect();
    assert_eq!(seen, [("POST", &b"21.5"[..], 204), ("GET", b"", 200)]);
}

#[test]
fn the_time_server_tells_the_time() {
    let mut client = Client::ready();
    client.online();
    assert!(client.ok("AT+UDNSRN=0,\"0.pool.ntp.org\"").contains("+UDNSRN: \"192.0.2.12\""));
    client.ok("AT+USOCR=17");
    let mut request = [0; 48];
    request[0] = 0x23;
    request[40..].copy_from_slice(b"originat");
    let response = client.payload("AT+USOST=0,\"192.0.2.12\",123,48", &request);
    assert!(response.ends_with("\r\nOK\r\n"), "{response:?}");
    client.wait_ms(1_000);
    client.take();
    client.send(b"AT+USORF=0,100\r\n");
    client.wait_ms(500);
    let text = client.take();
    let from = b"+USORF: 0,\"192.0.2.12\",123,48,\"";
    let at = text.windows(from.len()).position(|w| w == from).expect("an answer") + from.len();
    let answer = &text[at..at + 48];
    assert_eq!((answer[0], &answer[24..32]), (0x24, &b"originat"[..]));
    let seconds = u32::from_be_bytes(answer[40..44].try_into().unwrap()) - 0xe1b6_5f80;
    let now_s = u32::try_from(client.now_ps / PS_PER_S).unwrap();
    assert!((now_s - 3..=now_s).contains(&seconds), "{seconds} s at {now_s} s");
}

/// The services' state is in the modem's: a snapshot goes on as the original does.
#[test]
fn a_snapshot_holds_the_services() {
    let mut client = Client::ready();
    connect(&mut client, "mqtt.example.test", 1883);
    send(&mut client, CONNECT);
    let mut copy = Client::ready();
    copy.modem = postcard::from_bytes(&postcard::to_stdvec(&client.modem).unwrap()).unwrap();
    copy.decisions = client.decisions.clone();
    copy.now_ps = client.now_ps;
    for client in [&mut client, &mut copy] {
        client.wait_ms(1_000);
        client.take();
        send(client, b"\x82\x08\0\x01\0\x03t/#\x01\x32\x09\0\x03t/1\0\x07hi");
    }
    assert_eq!(received(&mut client), received(&mut copy));
    assert_eq!(events(&mut client), events(&mut copy));
    assert_eq!(postcard::to_stdvec(&client.modem).unwrap(), postcard::to_stdvec(&copy.modem).unwrap());
}
