//! Requests as bytes (RFC 9112).

use httparse::Status;

/// Longest request line and header section, in bytes.
pub const HEAD_BYTES_MAX: usize = 8192;
/// Header fields at most.
const HEADERS_MAX: usize = 64;
/// Longest line of a chunk's size with its extensions, and of the trailer section, in bytes.
const CHUNK_LINE_BYTES_MAX: usize = 1024;

/// Why a request cannot be served; nothing after it on the connection can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// 400.
    BadRequest,
    /// 413.
    ContentTooLarge,
    /// 431.
    HeadTooLarge,
    /// 501: a transfer coding other than chunked.
    NotImplemented,
    /// 505.
    Version,
}

impl RequestError {
    /// The status code.
    pub fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::ContentTooLarge => 413,
            Self::HeadTooLarge => 431,
            Self::NotImplemented => 501,
            Self::Version => 505,
        }
    }
}

/// A request. The default stands for one that could not be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Method.
    pub method: String,
    /// Path and query; without scheme and authority if the client sent those (RFC 9112 section 3.2.2).
    pub target: String,
    /// Content type of the body, if the client says it.
    pub content_type: Option<String>,
    /// Body.
    pub body: Vec<u8>,
    /// Whether the connection serves more requests after this one.
    pub keep_alive: bool,
}

/// What a client's bytes begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// Bytes are missing.
    Incomplete {
        /// The client waits to hear that it may send the body (RFC 9110 section 10.1.1).
        awaits_continue: bool,
    },
    /// A request, and how many bytes it has.
    Complete(Request, usize),
}

/// How a body ends.
enum Framing {
    Length(usize),
    Chunked,
}

/// Reads the first request in a client's bytes. Bodies have at most `body_bytes_max` bytes.
pub fn parse(input: &[u8], body_bytes_max: usize) -> Result<Parsed, RequestError> {
    // Empty lines before a request are skipped (RFC 9112 section 2.2).
    let blank = input.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let rest = input.get(blank..).unwrap_or_default();
    if blank > HEAD_BYTES_MAX {
        return Err(RequestError::HeadTooLarge);
    }
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Request::new(&mut headers);
    let window = rest.get(..rest.len().min(HEAD_BYTES_MAX)).unwrap_or_default();
    let head_bytes = match head.parse(window) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) if rest.len() >= HEAD_BYTES_MAX => return Err(RequestError::HeadTooLarge),
        Ok(Status::Partial) => return Ok(Parsed::Incomplete { awaits_continue: false }),
        Err(httparse::Error::TooManyHeaders) => return Err(RequestError::HeadTooLarge),
        Err(httparse::Error::Version) => return Err(RequestError::Version),
        Err(_) => return Err(RequestError::BadRequest),
    };
    let (method, target) = (head.method.unwrap_or_default(), head.path.unwrap_or_default());
    let is_1_1 = head.version == Some(1);
    let fields = Fields { headers: &*head.headers };
    // RFC 9112 section 3.2: one Host, always.
    if is_1_1 && fields.all("host").count() != 1 {
        return Err(RequestError::BadRequest);
    }
    let framing = fields.framing(body_bytes_max)?;
    let after_head = rest.get(head_bytes..).unwrap_or_default();
    let body = match framing {
        Framing::Length(length) => after_head.get(..length).map(|body| (body.to_vec(), length)),
        Framing::Chunked => match chunked(after_head, body_bytes_max)? {
            // Chunks may be mostly frames around nothing; they must not fill the memory either.
            None if after_head.len() > 2 * body_bytes_max + HEAD_BYTES_MAX => {
                return Err(RequestError::ContentTooLarge);
            }
            found => found,
        },
    };
    let Some((body, body_length)) = body else {
        let awaits_continue = is_1_1 && fields.has("expect", "100-continue");
        return Ok(Parsed::Incomplete { awaits_continue: awaits_continue && after_head.is_empty() });
    };
    let keep_alive = if is_1_1 { !fields.has("connection", "close") } else { fields.has("connection", "keep-alive") };
    let request = Request {
        method: method.to_owned(),
        target: origin_form(target).to_owned(),
        content_type: fields.all("content-type").next().map(str::to_owned),
        body,
        keep_alive,
    };
    Ok(Parsed::Complete(request, blank + head_bytes + body_length))
}

/// Path and query of a target that may begin with scheme and authority.
fn origin_form(target: &str) -> &str {
    let Some((_scheme, rest)) = target.split_once("://").filter(|(scheme, _)| !scheme.contains('/')) else {
        return target;
    };
    rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/")
}

/// The header fields of a request.
struct Fields<'a> {
    headers: &'a [httparse::Header<'a>],
}

impl<'a> Fields<'a> {
    /// The values of a field that are text.
    fn all(&self, name: &'static str) -> impl Iterator<Item = &'a str> + use<'a> {
        let found = self.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
        found.filter_map(|header| std::str::from_utf8(header.value).ok()).map(str::trim)
    }

    /// Whether one of a field's list of values is this one.
    fn has(&self, name: &'static str, wanted: &str) -> bool {
        self.all(name).flat_map(|list| list.split(',')).any(|value| value.trim().eq_ignore_ascii_case(wanted))
    }

    /// How the body ends (RFC 9112 section 6.3).
    fn framing(&self, body_bytes_max: usize) -> Result<Framing, RequestError> {
        let mut codings = self.all("transfer-encoding").flat_map(|list| list.split(',')).map(str::trim);
        let mut lengths = self.all("content-length").flat_map(|list| list.split(',')).map(str::trim);
        match (codings.next(), lengths.next()) {
            (None, None) => Ok(Framing::Length(0)),
            // Both together are how requests are smuggled.
            (Some(_), Some(_)) => Err(RequestError::BadRequest),
            (Some(coding), None) if coding.eq_ignore_ascii_case("chunked") && codings.next().is_none() => {
                Ok(Framing::Chunked)
            }
            (Some(_), None) => Err(RequestError::NotImplemented),
            (None, Some(length)) => {
                let is_number = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
                if !is_number || lengths.any(|other| other != length) {
                    return Err(RequestError::BadRequest);
                }
                // Too many digits for the type are too many bytes.
                let length = length.parse().ok().filter(|length| *length <= body_bytes_max);
                length.map(Framing::Length).ok_or(RequestError::ContentTooLarge)
            }
        }
    }
}

/// A body in chunks and its length on the wire (RFC 9112 section 7.1); `None` while bytes are missing. Trailers are
/// skipped.
fn chunked(input: &[u8], body_bytes_max: usize) -> Result<Option<(Vec<u8>, usize)>, RequestError> {
    let mut body = Vec::new();
    let mut rest = input;
    loop {
        let (line_length, size) = match httparse::parse_chunk_size(rest) {
            Ok(Status::Complete(found)) => found,
            Ok(Status::Partial) if rest.len() <= CHUNK_LINE_BYTES_MAX => return Ok(None),
            _ => return Err(RequestError::BadRequest),
        };
        if line_length > CHUNK_LINE_BYTES_MAX {
            return Err(RequestError::BadRequest);
        }
        rest = rest.get(line_length..).unwrap_or_default();
        if size == 0 {
            break;
        }
        let size = usize::try_from(size).ok().filter(|size| *size <= body_bytes_max - body.len());
        let size = size.ok_or(RequestError::ContentTooLarge)?;
        let Some((data, after)) = rest.split_at_checked(size) else { return Ok(None) };
        body.extend_from_slice(data);
        rest = match after {
            [b'\r', b'\n', next @ ..] => next,
            [] | [b'\r'] => return Ok(None),
            _ => return Err(RequestError::BadRequest),
        };
    }
    // The trailer section: fields, and an empty line.
    let mut trailers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    match httparse::parse_headers(rest, &mut trailers) {
        Ok(Status::Complete((length, _))) if length <= CHUNK_LINE_BYTES_MAX => {
            rest = rest.get(length..).unwrap_or_default();
            Ok(Some((body, input.len() - rest.len())))
        }
        Ok(Status::Partial) if rest.len() <= CHUNK_LINE_BYTES_MAX => Ok(None),
        _ => Err(RequestError::BadRequest),
    }
}
