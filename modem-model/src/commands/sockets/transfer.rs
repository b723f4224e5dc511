//! Data to and from a socket.

use std::net::Ipv4Addr;

use lockstep_traces::Decisions;
use serde::{Deserialize, Serialize};

use super::super::{Args, Handled, line};
use super::{refuse, socket};
use crate::errors::{CmeError, SocketError};
use crate::execution::{Outcome, Prompt, Wait};
use crate::grammar::Param;
use crate::modem::Modem;
use crate::network::tcp::TcpState;
use crate::network::{Endpoint, Payload, Protocol};
use crate::sockets::Announcement;
use crate::time::PS_PER_US;
use crate::urc::Urc;

/// Bytes of one write or read at most.
pub const BYTES_MAX: u32 = 1024;
/// The same in hex mode.
const HEX_BYTES_MAX: u32 = 512;

/// Where the payload of a write goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Write {
    handle: u32,
    generation: u64,
    /// The address given to `AT+USOST`; `None` for `AT+USOWR`.
    to: Option<Endpoint>,
}

fn bytes_max(modem: &Modem) -> u32 {
    if modem.profile.hex_mode { HEX_BYTES_MAX } else { BYTES_MAX }
}

/// An address in dotted form and a port. The manual has `AT+USOST` resolve names too; no client seen does that.
fn endpoint(args: Args<'_>, index: usize) -> Result<Endpoint, CmeError> {
    let address: Ipv4Addr = args.text(index)?.parse().map_err(|_| CmeError::IncorrectParameters)?;
    Ok(Endpoint { address, port: args.port(index + 1)? })
}

pub fn send_to(modem: &mut Modem, args: Args<'_>, decisions: &mut Decisions) -> Handled {
    let to = endpoint(args, 1)?;
    let handle = args.number(0)?;
    if socket(modem, handle)?.protocol != Protocol::Udp {
        return refuse(modem, handle, SocketError::Invalid);
    }
    write_command(modem, args, Some(to), decisions)
}

/// `AT+USOWR` and `AT+USOST`: payload in the line, or after the prompt.
pub fn write_command(modem: &mut Modem, args: Args<'_>, to: Option<Endpoint>, decisions: &mut Decisions) -> Handled {
    let handle = args.number(0)?;
    let index = if to.is_some() { 3 } else { 1 };
    let length = args.number(index)?;
    let socket = socket(modem, handle)?;
    let write = Write { handle, generation: socket.generation, to };
    if to.is_none() && socket.remote.is_none() {
        return refuse(modem, handle, SocketError::NotConnected);
    }
    if socket.protocol == Protocol::Tcp && socket.tcp_state() != TcpState::Established {
        return refuse(modem, handle, SocketError::NotConnected);
    }
    if length == 0 || length > bytes_max(modem) {
        return Err(CmeError::IncorrectParameters.into());
    }
    let length = length as usize;
    let Some(param) = args.get(index + 1) else {
        return Ok(Outcome::Prompt(Prompt::Socket { write, length }));
    };
    let Param::Quoted(text) = param else { return Err(CmeError::IncorrectParameters.into()) };
    let payload =
        if modem.profile.hex_mode { from_hex(text).ok_or(CmeError::IncorrectParameters)? } else { text.clone() };
    if payload.len() != length {
        return Err(CmeError::IncorrectParameters.into());
    }
    self::write(modem, &write, &payload, decisions)
}

/// The payload is here.
pub fn write(modem: &mut Modem, write: &Write, payload: &[u8], decisions: &mut Decisions) -> Handled {
    let (handle, up, limit) = (write.handle, modem.pdp.is_up(), modem.config.sockets.send_bytes);
    if !up {
        return refuse(modem, handle, SocketError::NetworkDown);
    }
    let Some(socket) = modem.sockets.get_mut(handle).filter(|s| s.generation == write.generation) else {
        return refuse(modem, handle, SocketError::BadDescriptor);
    };
    match socket.protocol {
        Protocol::Udp => {
            let (Some(to), port) = (write.to.or(socket.remote), socket.local_port) else {
                return refuse(modem, handle, SocketError::NotConnected);
            };
            socket.sent_bytes += payload.len() as u64;
            modem.transmit(port, to, Payload::Udp(payload.to_vec()), decisions);
        }
        Protocol::Tcp => match socket.tcp.as_mut().filter(|tcp| tcp.state() == TcpState::Established) {
            None => return refuse(modem, handle, SocketError::NotConnected),
            Some(tcp) if tcp.unacknowledged() + payload.len() > limit => {
                return refuse(modem, handle, SocketError::WouldBlock);
            }
            Some(tcp) => {
                tcp.write(payload);
                socket.sent_bytes += payload.len() as u64;
                modem.flush_socket(handle, decisions);
            }
        },
    }
    let timing = &modem.config.timing;
    let base_ps = timing.write_accept.draw_ps(modem.now_ps, "modem.socket", "write_accept_us", decisions);
    let per_byte_ps = timing.write_accept_per_byte_us.saturating_mul(PS_PER_US).saturating_mul(payload.len() as u64);
    let name = if write.to.is_some() { "+USOST" } else { "+USOWR" };
    let line = format!("{name}: {handle},{}", payload.len());
    let wait = Wait::Accept { line, handle, generation: write.generation };
    Ok(Outcome::Wait { wait, limit_ps: base_ps.saturating_add(per_byte_ps) })
}

/// The stack has taken the payload.
pub fn accepted(modem: &mut Modem, text: String, handle: u32, generation: u64) -> Handled {
    match modem.sockets.get(handle) {
        Some(socket) if socket.generation == generation => line(text),
        _ => refuse(modem, handle, SocketError::BadDescriptor),
    }
}

pub fn read(modem: &mut Modem, args: Args<'_>, decisions: &mut Decisions) -> Handled {
    let (handle, length) = (args.number(0)?, args.number_to(1, bytes_max(modem))?);
    let socket = socket(modem, handle)?;
    if length == 0 {
        let pending = socket.pending();
        return line(format!("+USORD: {handle},{pending}"));
    }
    let bytes = match socket.protocol {
        Protocol::Udp => socket.read_datagram(length as usize).map(|(_, bytes)| bytes).unwrap_or_default(),
        Protocol::Tcp => {
            if socket.tcp_state() == TcpState::Closed && socket.pending() == 0 {
                return refuse(modem, handle, SocketError::NotConnected);
            }
            let bytes = socket.tcp.as_mut().map(|tcp| tcp.read(length as usize)).unwrap_or_default();
            // The window may have opened.
            modem.flush_socket(handle, decisions);
            bytes
        }
    };
    announce_rest(modem, handle, Announcement::Uusord, decisions);
    Ok(Outcome::Data(data_line(modem, format!("+USORD: {handle},{}", bytes.len()), &bytes)))
}

pub fn read_from(modem: &mut Modem, args: Args<'_>, decisions: &mut Decisions) -> Handled {
    let (handle, length) = (args.number(0)?, args.number_to(1, bytes_max(modem))?);
    let socket = socket(modem, handle)?;
    if socket.protocol != Protocol::Udp {
        return refuse(modem, handle, SocketError::Invalid);
    }
    if length == 0 {
        let next = socket.next_datagram();
        return line(format!("+USORF: {handle},{next}"));
    }
    let Some((from, bytes)) = socket.read_datagram(length as usize) else {
        return line(format!("+USORF: {handle},0"));
    };
    announce_rest(modem, handle, Announcement::Uusorf, decisions);
    let head = format!("+USORF: {handle},\"{}\",{},{}", from.address, from.port, bytes.len());
    Ok(Outcome::Data(data_line(modem, head, &bytes)))
}

/// One URC after each read that leaves data.
fn announce_rest(modem: &mut Modem, handle: u32, form: Announcement, decisions: &mut Decisions) {
    if let Some(socket) = modem.sockets.get(handle).filter(|s| s.pending() > 0) {
        modem.urc_after_ok(Urc::SocketData { handle, generation: socket.generation, form }, decisions);
    }
}

fn data_line(modem: &Modem, head: String, bytes: &[u8]) -> Vec<u8> {
    let mut line = head.into_bytes();
    line.extend_from_slice(b",\"");
    if modem.profile.hex_mode {
        line.extend(bytes.iter().flat_map(|b| format!("{b:02X}").into_bytes()));
    } else {
        line.extend_from_slice(bytes);
    }
    line.push(b'"');
    line
}

fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    let digit = |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok());
    text.chunks_exact(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}
