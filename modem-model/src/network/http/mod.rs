//! An HTTP/1.1 server (RFC 9110, RFC 9112) with a table of resources, sans-IO.
//!
//! | file | what |
//! |---|---|
//! | `request.rs` | requests as bytes: head by `httparse`, body by length or in chunks |
//! | `server.rs` | connections, resources, responses |

pub mod request;
mod server;
#[cfg(test)]
mod tests;

pub use request::{Request, RequestError};
pub use server::{HttpConfig, HttpRequest, HttpServer, Resource};

/// TCP port (IANA).
pub const PORT: u16 = 80;
