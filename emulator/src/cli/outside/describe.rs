//! What crosses the border, in words.

use lockstep_gateway_protocol::{ConnectFailure, Inbound, Outbound, ResolveFailure};

use crate::cli::output::escape;

/// Payload bytes that are shown.
const SHOWN_BYTES: usize = 48;

fn payload(bytes: &[u8]) -> String {
    let shown = bytes.get(..SHOWN_BYTES).unwrap_or(bytes);
    let more = if shown.len() < bytes.len() { "…" } else { "" };
    format!("{} bytes \"{}\"{more}", bytes.len(), escape(shown))
}

/// What left.
pub fn describe_outbound(event: &Outbound) -> String {
    match event {
        Outbound::Connect { connection, to, credit_bytes } => {
            format!("connection {connection}: connect to {to}, takes {credit_bytes} bytes")
        }
        Outbound::Data { connection, bytes } => format!("connection {connection}: {}", payload(bytes)),
        Outbound::Finish { connection } => format!("connection {connection}: sends no more"),
        Outbound::Reset { connection } => format!("connection {connection}: reset"),
        Outbound::Credit { connection, bytes } => format!("connection {connection}: takes {bytes} bytes more"),
        Outbound::Datagram { from_port, to, bytes } => {
            format!("datagram from port {from_port} to {to}, {}", payload(bytes))
        }
        Outbound::Resolve { query, name } => format!("query {query}: address of \"{}\"", escape(name.as_bytes())),
    }
}

/// What came.
pub fn describe_inbound(event: &Inbound) -> String {
    match event {
        Inbound::Connected { connection } => format!("connection {connection}: open"),
        Inbound::Failed { connection, failure } => {
            let why = match failure {
                ConnectFailure::NotAllowed => "the gateway does not allow it",
                ConnectFailure::Refused => "refused",
                ConnectFailure::Unreachable => "no answer, or no way there",
            };
            format!("connection {connection}: {why}")
        }
        Inbound::Data { connection, bytes } => format!("connection {connection}: {}", payload(bytes)),
        Inbound::Finished { connection } => format!("connection {connection}: the peer sends no more"),
        Inbound::Reset { connection } => format!("connection {connection}: reset"),
        Inbound::Taken { connection, bytes } => format!("connection {connection}: {bytes} bytes written"),
        Inbound::Datagram { from, to_port, bytes } => {
            format!("datagram from {from} to port {to_port}, {}", payload(bytes))
        }
        Inbound::Resolved { query, answer: Ok(addresses) } => {
            let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            format!("query {query}: {}", addresses.join(", "))
        }
        Inbound::Resolved { query, answer: Err(ResolveFailure::NotAllowed) } => {
            format!("query {query}: the gateway does not allow it")
        }
        Inbound::Resolved { query, answer: Err(ResolveFailure::NotFound) } => format!("query {query}: no address"),
    }
}
