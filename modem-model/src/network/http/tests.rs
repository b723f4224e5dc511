use proptest::prelude::*;

use super::request::{HEAD_BYTES_MAX, Parsed, parse};
use super::*;
use crate::network::packet::Endpoint;
use crate::network::stream_service::{StreamAction, StreamEvent, StreamService};
use crate::time::PS_PER_S;

const EPOCH_UNIX_S: u32 = 1_577_836_800;

/// A server, and what one connection has received.
struct Bench {
    server: HttpServer,
    now_ps: u64,
    received: Vec<u8>,
    is_closed: bool,
}

impl Bench {
    fn new() -> Self {
        let mut server = HttpServer::new(HttpConfig::new(EPOCH_UNIX_S));
        let page = Resource { content_type: "text/html".to_owned(), ..Resource::text("<p>here</p>") };
        server.resources_mut().insert("/page".to_owned(), page);
        server.resources_mut().insert("/old".to_owned(), Resource { status: 503, ..Resource::text("later") });
        let mut bench = Self { server, now_ps: 0, received: Vec::new(), is_closed: false };
        let from = Endpoint { address: [10, 0, 0, 1].into(), port: 1000 };
        bench.event(StreamEvent::Connected { from });
        bench
    }

    fn event(&mut self, event: StreamEvent<'_>) {
        // The state goes through a snapshot before every event.
        self.server = postcard::from_bytes(&postcard::to_stdvec(&self.server).unwrap()).unwrap();
        let mut actions = Vec::new();
        self.server.event(self.now_ps, 1, event, &mut actions);
        for (id, action) in actions {
            assert!(id == 1 && !self.is_closed);
            match action {
                StreamAction::Send(bytes) => self.received.extend(bytes),
                StreamAction::Close => self.is_closed = true,
                StreamAction::Abort => panic!(),
            }
        }
    }

    fn send(&mut self, text: &str) -> &mut Self {
        self.event(StreamEvent::Data(text.as_bytes()));
        self
    }

    /// The next response: status, header section, content.
    fn response(&mut self, is_head: bool) -> (u16, String, String) {
        let text = String::from_utf8(std::mem::take(&mut self.received)).unwrap();
        let (head, rest) = text.split_once("\r\n\r\n").expect(&text);
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let length = if is_head { 0 } else { length.map_or(0, |length| length.parse().unwrap()) };
        self.received = rest.as_bytes()[length..].to_vec();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), head.to_owned(), rest[..length].to_owned())
    }

    fn status(&mut self) -> u16 {
        self.response(false).0
    }
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n")
}

#[test]
fn a_resource_is_got() {
    let mut bench = Bench::new();
    bench.now_ps = 90 * PS_PER_S;
    let expected = "HTTP/1.1 200 OK\r\nDate: Wed, 01 Jan 2020 00:01:30 GMT\r\nContent-Type: text/html\r\n\
                    Content-Length: 11\r\nConnection: keep-alive";
    let response = bench.send(&get("/page?x=1")).response(false);
    assert_eq!(response, (200, expected.to_owned(), "<p>here</p>".to_owned()));
    let head = bench.send("HEAD /page HTTP/1.1\r\nHost: h\r\n\r\n").response(true);
    assert_eq!(head, (200, expected.to_owned(), String::new()));
    assert_eq!(bench.send("GET http://h/page HTTP/1.1\r\nHost: h\r\n\r\n").response(false).2, "<p>here</p>");
    assert_eq!(bench.send(&get("/old")).status(), 503);
    assert!(bench.received.is_empty() && !bench.is_closed);
}

#[test]
fn what_is_posted_is_seen() {
    let mut bench = Bench::new();
    bench.now_ps = 5;
    bench.send("POST /post?n=1 HTTP/1.1\r\nHost: h\r\nContent-Type: text/csv\r\nContent-Length: 3\r\n\r\na,b");
    assert_eq!(bench.status(), 204);
    bench.send("POST /post HTTP/1.1\r\nhost: h\r\nTransfer-Encoding: Chunked\r\n\r\n3;x=y\r\nabc\r\n10\r\n0123456789abcdef\r\n");
    assert!(bench.received.is_empty());
    assert_eq!(bench.send("0\r\nTrailer: t\r\n\r\n").status(), 204);
    let from = Endpoint { address: [10, 0, 0, 1].into(), port: 1000 };
    let seen = |target: &str, content_type: Option<&str>, body: &str| HttpRequest {
        time_ps: 5,
        from,
        method: "POST".to_owned(),
        target: target.to_owned(),
        content_type: content_type.map(str::to_owned),
        body: body.into(),
        status: 204,
    };
    let expected = [seen("/post?n=1", Some("text/csv"), "a,b"), seen("/post", None, "abc0123456789abcdef")];
    assert_eq!(bench.server.take_requests(), expected);
}

#[test]
fn requests_may_be_sent_ahead() {
    let mut bench = Bench::new();
    let post = "POST /post HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi";
    bench.send(&[&get("/page"), post, "\r\n", &get("/"), &get("/none"), "GET /"].concat());
    assert_eq!([(); 4].map(|()| bench.status()), [200, 204, 200, 404]);
    assert!(bench.received.is_empty());
    assert_eq!(bench.send(" HTTP/1.1\r\nHost: h\r\n\r\n").response(false).2, "hello\n");
}

#[test]
fn the_connection_lasts_as_long_as_the_client_wants() {
    for (request, closes) in [
        ("GET / HTTP/1.1\r\nHost: h\r\n\r\n", false),
        ("GET / HTTP/1.1\r\nHost: h\r\nConnection: foo, Close\r\n\r\n", true),
        ("GET / HTTP/1.0\r\n\r\n", true),
        ("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", false),
    ] {
        let mut bench = Bench::new();
        bench.send(request);
        let (status, head, _) = bench.response(false);
        assert_eq!((status, bench.is_closed, head.contains("Connection: close")), (200, closes, closes), "{request}");
        bench.send(request);
        assert_eq!(bench.received.is_empty(), closes);
        bench.event(StreamEvent::PeerClosed);
        assert!(bench.is_closed);
    }
}

#[test]
fn silence_ends_a_connection() {
    let mut bench = Bench::new();
    bench.now_ps = 59 * PS_PER_S;
    bench.send("GET");
    assert_eq!(bench.server.next_wake_ps(), 119 * PS_PER_S);
    let mut actions = Vec::new();
    bench.server.advance(119 * PS_PER_S, &mut actions);
    assert_eq!(actions, [(1, StreamAction::Close)]);
    assert_eq!(bench.server.next_wake_ps(), u64::MAX);
}

#[test]
fn what_cannot_be_served_is_refused() {
    let long = "x".repeat(HEAD_BYTES_MAX);
    let many = "A: b\r\n".repeat(65);
    let chunked = "POST /post HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    let post = |fields: &str| format!("POST /post HTTP/1.1\r\nHost: h\r\n{fields}\r\n\r\nabcd");
    for (request, expected) in [
        ("nonsense\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/2.0\r\nHost: h\r\n\r\n".to_owned(), 505),
        (post("Content-Length: -1"), 400),
        (post("Content-Length: 4, 5"), 400),
        (post("Content-Length: 4\r\nContent-Length: 5"), 400),
        (post("Content-Length: 4\r\nTransfer-Encoding: chunked"), 400),
        (post("Content-Length: 65537"), 413),
        (post("Content-Length: 99999999999999999999"), 413),
        (post("Transfer-Encoding: gzip"), 501),
        (post("Transfer-Encoding: gzip, chunked"), 501),
        (format!("{chunked}zz\r\n"), 400),
        (format!("{chunked}3\r\nabcd\r\n"), 400),
        (format!("{chunked}10001\r\n"), 413),
        (format!("{chunked}ffffffffffffffff\r\n"), 413),
        (format!("{chunked}1;{}", "x".repeat(1025)), 400),
        (format!("{chunked}{}", "1\r\nx\r\n".repeat(30_000)), 413),
        (format!("GET /{long} HTTP/1.1\r\nHost: h\r\n\r\n"), 431),
        (format!("GET / HTTP/1.1\r\nHost: h\r\nA: {long}"), 431),
        (format!("GET / HTTP/1.1\r\nHost: h\r\n{many}\r\n"), 431),
    ] {
        let mut bench = Bench::new();
        bench.send(&request);
        let start = &request[..request.len().min(80)];
        assert_eq!((bench.status(), bench.is_closed), (expected, true), "{start}");
        assert_eq!(bench.server.take_requests()[0].status, expected);
    }
}

#[test]
fn what_is_not_there_is_said_and_the_connection_lives_on() {
    let mut bench = Bench::new();
    let request = |method: &str, path: &str| format!("{method} {path} HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(bench.send(&get("/none")).status(), 404);
    let (status, head, _) = bench.send(&request("DELETE", "/page")).response(false);
    assert!(status == 405 && head.contains("Allow: GET, HEAD\r\n"), "{head}");
    let (status, head, _) = bench.send(&request("PUT", "/post")).response(false);
    assert!(status == 405 && head.contains("Allow: GET, HEAD, POST\r\n"), "{head}");
    assert_eq!(bench.send(&request("POST", "/page")).status(), 405);
    assert_eq!(bench.send(&request("BREW", "/page")).status(), 501);
    assert_eq!(bench.send(&request("get", "/page")).status(), 501);
    assert_eq!(bench.send(&get("/page")).status(), 200);
}

#[test]
fn a_careful_client_is_told_to_go_on() {
    let mut bench = Bench::new();
    bench.send("POST /post HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    assert_eq!(bench.received, b"HTTP/1.1 100 Continue\r\n\r\n");
    bench.received.clear();
    bench.send("h");
    assert!(bench.received.is_empty());
    assert_eq!(bench.send("i").status(), 204);
    bench.send("POST /post HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 70000\r\n\r\n");
    assert_eq!(bench.status(), 413);
}

#[test]
fn memory_is_bounded() {
    let mut bench = Bench::new();
    bench.server.resources_mut().insert("/big".to_owned(), Resource::text(&"x".repeat(1 << 19)));
    bench.send(&get("/big").repeat(100));
    assert!(bench.is_closed && bench.received.len() < 3 << 19, "{}", bench.received.len());
    let mut bench = Bench::new();
    bench.send(&get("/").repeat(1000));
    assert_eq!((bench.server.take_requests().len(), bench.server.requests_dropped()), (256, 744));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        let _ = parse(&bytes, 100);
    }

    /// A request in any cut means the same, however its body is framed.
    #[test]
    fn any_cut_has_one_meaning(
        bodies in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..200), prop::option::of(1usize..50)), 1..5),
        damage in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
    ) {
        let mut stream = Vec::new();
        for (body, chunk) in &bodies {
            stream.extend(b"POST /post HTTP/1.1\r\nHost: h\r\n");
            match chunk {
                None => {
                    stream.extend(format!("Content-Length: {}\r\n\r\n", body.len()).bytes());
                    stream.extend(body);
                }
                Some(size) => {
                    stream.extend(b"Transfer-Encoding: chunked\r\n\r\n");
                    for data in body.chunks(*size) {
                        stream.extend(format!("{:x}\r\n", data.len()).bytes());
                        stream.extend(data);
                        stream.extend(b"\r\n");
                    }
                    stream.extend(b"0\r\n\r\n");
                }
            }
        }
        if let Some((at, value)) = damage {
            let at = at.index(stream.len());
            stream[at] = value;
        }
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let (mut whole, mut pieces) = (Bench::new(), Bench::new());
        whole.event(StreamEvent::Data(&stream));
        for cut in cuts.windows(2) {
            pieces.event(StreamEvent::Data(&stream[cut[0]..cut[1]]));
        }
        prop_assert_eq!(&whole.received, &pieces.received);
        prop_assert_eq!(whole.is_closed, pieces.is_closed);
        let seen = whole.server.take_requests();
        prop_assert_eq!(&seen, &pieces.server.take_requests());
        if damage.is_none() {
            let read: Vec<_> = seen.into_iter().map(|request| request.body).collect();
            prop_assert_eq!(read, bodies.into_iter().map(|(body, _)| body).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_complete_request_is_no_longer_than_its_bytes(bytes in "(GET|POST) /[a-z]{0,3} HTTP/1.[01]\r\n(Host: h\r\n)?(Content-Length: [0-9]{1,2}\r\n)?\r\n[a-z]{0,60}") {
        if let Ok(Parsed::Complete(request, length)) = parse(bytes.as_bytes(), 50) {
            prop_assert!(length <= bytes.len() && bytes.as_bytes()[..length].ends_with(&request.body));
        }
    }
}
