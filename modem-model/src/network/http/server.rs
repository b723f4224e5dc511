//! Connections, resources and responses.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::request::{self, Parsed, Request};
use crate::network::packet::Endpoint;
use crate::network::stream_service::{ConnectionId, StreamAction, StreamEvent, StreamService};
use crate::time::{PS_PER_MS, PS_PER_S};

/// Connections at most; more are reset.
const CONNECTIONS_MAX: usize = 256;
/// Requests kept for an observer that does not drain them; the oldest give way.
const OBSERVED_MAX: usize = 256;
/// Answers of one connection at a time, in bytes, beyond which no more requests are served.
const UNREAD_BYTES_MAX: usize = 1 << 19;
/// Methods of RFC 9110 and RFC 5789; others are not implemented.
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// Status code of the answer.
    pub status: u16,
    /// Its content type.
    pub content_type: String,
    /// Its content: at most half a megabyte, as the network resets a client for which more than one waits.
    pub body: Vec<u8>,
    /// Whether it takes POST beside GET and HEAD.
    pub takes_post: bool,
}

impl Resource {
    /// Text that can be read.
    pub fn text(text: &str) -> Self {
        Self { status: 200, content_type: "text/plain".to_owned(), body: text.into(), takes_post: false }
    }

    /// Something that takes what is posted, and answers with a status and nothing else.
    pub fn sink(status: u16) -> Self {
        Self { status, content_type: "text/plain".to_owned(), body: Vec::new(), takes_post: true }
    }
}

/// What can be chosen about the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpConfig {
    /// By path, which is compared as it is: nothing is decoded, and the query does not count.
    pub resources: BTreeMap<String, Resource>,
    /// The server's time at power-on of the world, in seconds since 1970, for the Date field.
    pub epoch_unix_s: u32,
    /// Longest body taken, in bytes.
    pub body_bytes_max: usize,
    /// How long a connection may be silent, in milliseconds.
    pub idle_timeout_ms: u64,
}

impl HttpConfig {
    /// `/` says hello, `/post` takes what is posted.
    pub fn new(epoch_unix_s: u32) -> Self {
        let resources = [("/", Resource::text("hello\n")), ("/post", Resource::sink(204))];
        Self {
            resources: resources.map(|(path, resource)| (path.to_owned(), resource)).into(),
            epoch_unix_s,
            body_bytes_max: 65_536,
            idle_timeout_ms: 60_000,
        }
    }
}

/// A request that was answered, for an observer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpRequest {
    /// When it was complete, in picoseconds.
    pub time_ps: u64,
    /// The client's end.
    pub from: Endpoint,
    /// Method; empty if the request could not be read.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Content type of the body, if the client says it.
    pub content_type: Option<String>,
    /// Body.
    pub body: Vec<u8>,
    /// Status code of the answer.
    pub status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Connection {
    from: Endpoint,
    /// The beginning of a request.
    received: Vec<u8>,
    /// Whether the client has been told to go on with it.
    continued: bool,
    deadline_ps: u64,
}

/// The server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpServer {
    config: HttpConfig,
    connections: BTreeMap<ConnectionId, Connection>,
    requests: VecDeque<HttpRequest>,
    requests_dropped: u64,
}

type Actions = Vec<(ConnectionId, StreamAction)>;

impl HttpServer {
    /// A server of these resources.
    pub fn new(config: HttpConfig) -> Self {
        Self { config, connections: BTreeMap::new(), requests: VecDeque::new(), requests_dropped: 0 }
    }

    /// The resources, to change them.
    pub fn resources_mut(&mut self) -> &mut BTreeMap<String, Resource> {
        &mut self.config.resources
    }

    /// Takes the requests since the last call.
    pub fn take_requests(&mut self) -> Vec<HttpRequest> {
        self.requests.drain(..).collect()
    }

    /// Requests that nobody took in time.
    pub fn requests_dropped(&self) -> u64 {
        self.requests_dropped
    }

    fn receive(&mut self, now_ps: u64, id: ConnectionId, bytes: &[u8], actions: &mut Actions) {
        let deadline_ps = self.deadline_ps(now_ps);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.deadline_ps = deadline_ps;
        let mut received = std::mem::take(&mut connection.received);
        received.extend_from_slice(bytes);
        let from = connection.from;
        let mut rest = &received[..];
        let mut output = Vec::new();
        let mut is_over = false;
        while !is_over {
            // Whoever asks on and on without reading the answers is cut off before they fill the memory.
            if output.len() > UNREAD_BYTES_MAX && !rest.is_empty() {
                is_over = true;
                break;
            }
            let (request, answer, length) = match request::parse(rest, self.config.body_bytes_max) {
                Ok(Parsed::Complete(request, length)) => {
                    let answer = Answer::to(&self.config, &request);
                    (request, answer, length)
                }
                Ok(Parsed::Incomplete { awaits_continue }) => {
                    if awaits_continue && !std::mem::replace(&mut connection.continued, true) {
                        output.extend(b"HTTP/1.1 100 Continue\r\n\r\n");
                    }
                    break;
                }
                Err(error) => (Request::default(), Answer::plain(error.status()), rest.len()),
            };
            rest = rest.get(length..).unwrap_or_default();
            connection.continued = false;
            is_over = !request.keep_alive;
            answer.write(&self.config, now_ps, &request, &mut output);
            if self.requests.len() >= OBSERVED_MAX {
                self.requests.pop_front();
                self.requests_dropped += 1;
            }
            let status = answer.status;
            let Request { method, target, content_type, body, .. } = request;
            self.requests.push_back(HttpRequest { time_ps: now_ps, from, method, target, content_type, body, status });
        }
        connection.received = rest.to_vec();
        if !output.is_empty() {
            actions.push((id, StreamAction::Send(output)));
        }
        if is_over {
            self.connections.remove(&id);
            actions.push((id, StreamAction::Close));
        }
    }

    fn deadline_ps(&self, now_ps: u64) -> u64 {
        now_ps.saturating_add(self.config.idle_timeout_ms.saturating_mul(PS_PER_MS))
    }
}

/// What a request is answered with.
struct Answer<'a> {
    status: u16,
    content_type: &'a str,
    body: &'a [u8],
    allow: Option<&'static str>,
}

impl<'a> Answer<'a> {
    fn plain(status: u16) -> Self {
        Self { status, content_type: "text/plain", body: reason(status).as_bytes(), allow: None }
    }

    fn to(config: &'a HttpConfig, request: &Request) -> Self {
        let method = request.method.as_str();
        if !METHODS.contains(&method) {
            return Self::plain(501);
        }
        let path = request.target.split('?').next().unwrap_or_default();
        let Some(resource) = config.resources.get(path) else { return Self::plain(404) };
        match (method, resource.takes_post) {
            ("GET" | "HEAD", _) | ("POST", true) => {
                let Resource { status, content_type, body, .. } = resource;
                Self { status: *status, content_type, body, allow: None }
            }
            (_, true) => Self { allow: Some("GET, HEAD, POST"), ..Self::plain(405) },
            (_, false) => Self { allow: Some("GET, HEAD"), ..Self::plain(405) },
        }
    }

    fn write(&self, config: &HttpConfig, now_ps: u64, request: &Request, output: &mut Vec<u8>) {
        let time = UNIX_EPOCH + Duration::from_secs(u64::from(config.epoch_unix_s) + now_ps / PS_PER_S);
        let (status, reason) = (self.status, reason(self.status));
        let mut head = format!("HTTP/1.1 {status} {reason}\r\nDate: {}\r\n", httpdate::fmt_http_date(time));
        // RFC 9110 section 8.6: these have no content, and say no length of it.
        let has_content = !matches!(status, 100..=199 | 204 | 304);
        if has_content {
            head += &format!("Content-Type: {}\r\nContent-Length: {}\r\n", self.content_type, self.body.len());
        }
        if let Some(methods) = self.allow {
            head += &format!("Allow: {methods}\r\n");
        }
        head += if request.keep_alive { "Connection: keep-alive\r\n\r\n" } else { "Connection: close\r\n\r\n" };
        output.extend(head.into_bytes());
        if has_content && request.method != "HEAD" {
            output.extend(self.body);
        }
    }
}

/// The phrase of a status code (RFC 9110 section 15); others need none.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        413 => "Content Too Large",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

impl StreamService for HttpServer {
    fn event(&mut self, now_ps: u64, id: ConnectionId, event: StreamEvent<'_>, actions: &mut Actions) {
        match event {
            StreamEvent::Connected { .. } if self.connections.len() >= CONNECTIONS_MAX => {
                actions.push((id, StreamAction::Abort));
            }
            StreamEvent::Connected { from } => {
                let deadline_ps = self.deadline_ps(now_ps);
                let connection = Connection { from, received: Vec::new(), continued: false, deadline_ps };
                self.connections.insert(id, connection);
            }
            StreamEvent::Data(bytes) => self.receive(now_ps, id, bytes, actions),
            // What was asked has been answered; half a request never will be whole.
            StreamEvent::PeerClosed => {
                if self.connections.remove(&id).is_some() {
                    actions.push((id, StreamAction::Close));
                }
            }
            StreamEvent::Lost => {
                self.connections.remove(&id);
            }
        }
    }

    fn next_wake_ps(&self) -> u64 {
        self.connections.values().map(|connection| connection.deadline_ps).min().unwrap_or(u64::MAX)
    }

    fn advance(&mut self, now_ps: u64, actions: &mut Actions) {
        self.connections.retain(|id, connection| {
            let is_late = connection.deadline_ps <= now_ps;
            if is_late {
                actions.push((*id, StreamAction::Close));
            }
            !is_late
        });
    }
}
