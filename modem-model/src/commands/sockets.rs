//! The internet stack's commands.

use std::net::Ipv4Addr;

use lockstep_traces::Decisions;
use serde::{Deserialize, Serialize};

use super::{Args, Handled, line, ok};
use crate::errors::{CmeError, SocketError};
use crate::execution::{Outcome, Prompt, Wait};
use crate::grammar::{Command, Form, Param};
use crate::modem::Modem;
use crate::network::tcp::{Connection, TcpConfig, TcpState};
use crate::network::{Endpoint, Payload, Protocol};
use crate::profile::Failure;
use crate::sockets::socket::SocketOption;
use crate::sockets::{Announcement, Socket};
use crate::time::PS_PER_US;

/// Bytes of one write or read at most.
const TRANSFER_BYTES_MAX: u32 = 1024;
/// The same in hex mode.
const TRANSFER_HEX_BYTES_MAX: u32 = 512;
/// Options of `AT+USOSO` (level, name, power-on value): IP type of service and time to live; TCP no-delay and keepalive
/// idle time; socket reuse-address, keepalive, broadcast, linger, reuse-port.
const OPTIONS: &[(u32, u32, u32)] = &[
    (0, 1, 0),
    (0, 2, 255),
    (6, 1, 0),
    (6, 2, 7_200_000),
    (65535, 4, 0),
    (65535, 8, 0),
    (65535, 32, 0),
    (65535, 128, 0),
    (65535, 512, 0),
];

/// Whether a command leads to the `@` prompt.
pub fn is_prompting(command: &Command) -> bool {
    matches!(command, Command::Extended { name, form: Form::Set(_) } if name == "+USOWR" || name == "+USOST")
}

/// Whether a command reads a datagram.
pub fn is_read_from(command: &Command) -> bool {
    matches!(command, Command::Extended { name, form: Form::Set(_) } if name == "+USORF")
}

/// Where the payload of a write goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Write {
    handle: u32,
    generation: u64,
    /// The address given to `AT+USOST`; `None` for `AT+USOWR`.
    to: Option<Endpoint>,
}

pub fn run(modem: &mut Modem, name: &str, form: &Form, decisions: &mut Decisions) -> Option<Handled> {
    let result = match (name, form) {
        ("+USOER", Form::Execute | Form::Read) => {
            return Some(line(format!("+USOER: {}", modem.last_socket_error.number())));
        }
        ("+USOCR", Form::Test) => return Some(line("+USOCR: (6,17),(1-65535)")),
        ("+USOCR", Form::Set(params)) => create(modem, Args(params)),
        ("+USOCL", Form::Set(params)) => close(modem, Args(params), decisions),
        ("+USOCO", Form::Set(params)) => connect(modem, Args(params), decisions),
        ("+USOCTL", Form::Set(params)) => control(modem, Args(params)),
        ("+USOWR", Form::Set(params)) => write_command(modem, Args(params), None, decisions),
        ("+USOST", Form::Set(params)) => send_to(modem, Args(params), decisions),
        ("+USORD", Form::Set(params)) => read(modem, Args(params), decisions),
        ("+USORF", Form::Set(params)) => read_from(modem, Args(params), decisions),
        ("+USOSO", Form::Set(params)) => set_option(modem, Args(params)),
        ("+USOGO", Form::Set(params)) => get_option(modem, Args(params)),
        ("+UDCONF", Form::Set(params)) => configure(modem, Args(params)),
        _ => return None,
    };
    Some(result)
}

fn socket(modem: &mut Modem, handle: u32) -> Result<&mut Socket, Failure> {
    if modem.sockets.get(handle).is_none() {
        modem.last_socket_error = SocketError::BadDescriptor;
    }
    modem.sockets.get_mut(handle).ok_or(Failure::Cme(CmeError::OperationNotAllowed))
}

fn refuse(modem: &mut Modem, handle: u32, error: SocketError) -> Handled {
    modem.socket_failed(handle, error);
    Err(CmeError::OperationNotAllowed.into())
}

fn transfer_max(modem: &Modem) -> u32 {
    if modem.profile.hex_mode { TRANSFER_HEX_BYTES_MAX } else { TRANSFER_BYTES_MAX }
}

fn create(modem: &mut Modem, args: Args<'_>) -> Handled {
    let protocol = match args.number(0)? {
        6 => Protocol::Tcp,
        17 => Protocol::Udp,
        _ => return Err(CmeError::IncorrectParameters.into()),
    };
    let port = if args.get(1).is_some() { args.port(1)? } else { modem.sockets.dynamic_port(protocol) };
    if modem.sockets.port_in_use(protocol, port) || port == modem.resolver.local_port() {
        modem.last_socket_error = SocketError::AddressInUse;
        return Err(CmeError::OperationNotAllowed.into());
    }
    modem.socket_generation += 1;
    let limit = modem.config.sockets.receive_bytes;
    match modem.sockets.insert(Socket::new(protocol, port, modem.socket_generation, modem.now_ps, limit)) {
        Some(handle) => line(format!("+USOCR: {handle}")),
        None => {
            modem.last_socket_error = SocketError::TooManyOpen;
            Err(CmeError::OperationNotAllowed.into())
        }
    }
}

fn close(modem: &mut Modem, args: Args<'_>, decisions: &mut Decisions) -> Handled {
    let handle = args.number(0)?;
    let socket = socket(modem, handle)?;
    if socket.tcp_state() != TcpState::Established {
        modem.remove_socket(handle, decisions);
        return ok();
    }
    let now_ps = modem.now_ps;
    if let Some(tcp) = modem.sockets.get_mut(handle).and_then(|socket| socket.tcp.as_mut()) {
        tcp.close_both(now_ps);
    }
    modem.flush_socket(handle, decisions);
    let range = modem.config.timing.close_timeout;
    let limit_ps = range.draw_ps(modem.now_ps, "modem.socket", "close_timeout_us", decisions);
    Ok(Outcome::Wait { wait: Wait::Close { handle }, limit_ps })
}

fn connect(modem: &mut Modem, args: Args<'_>, decisions: &mut Decisions) -> Handled {
    let handle = args.number(0)?;
    let to = endpoint(args, 1)?;
    socket(modem, handle)?;
    if !modem.pdp.is_up() {
        return refuse(modem, handle, SocketError::NetworkDown);
    }
    let socket = socket(modem, handle)?;
    if socket.protocol == Protocol::Udp {
        socket.remote = Some(to);
        return ok();
    }
    if socket.remote.is_some() {
        return refuse(modem, handle, SocketError::IsConnected);
    }
    socket.remote = Some(to);
    let (port, nagle) = (socket.local_port, !socket.no_delay());
    // A connection of the same ends that is not quite over gives way to the new one.
    modem.sockets.leaving.retain(|l| (l.local_port, l.remote) != (port, to));
    let limits = &modem.config.sockets;
    let config =
        TcpConfig { receive_bytes: limits.receive_bytes, mss: limits.mss_bytes, nagle, ..TcpConfig::default() };
    // Within the limits that are given.
    let iss = decisions.draw(modem.now_ps, "modem.tcp", "initial_sequence", 0, u64::from(u32::MAX)) as u32;
    if let Some(socket) = modem.sockets.get_mut(handle) {
        socket.tcp = Some(Connection::connect(config, iss));
    }
    modem.flush_socket(handle, decisions);
    let range = modem.config.timing.connect_timeout;
    let limit_ps = range.draw_ps(modem.now_ps, "modem.socket", "connect_timeout_us", decisions);
    Ok(Outcome::Wait { wait: Wait::Connect { handle }, limit_ps })
}

/// Nobody answered `AT+USOCO`.
pub fn connect_timed_out(modem: &mut Modem, handle: u32) -> Handled {
    if let Some(socket) = modem.sockets.get_mut(handle) {
        socket.tcp = None;
        socket.remote = None;
    }
    refuse(modem, handle, SocketError::TimedOut)
}

/// An address in dotted form and a port. Names are not taken here: which models resolve them is not known.
fn endpoint(args: Args<'_>, index: usize) -> Result<Endpoint, CmeError> {
    let address: Ipv4Addr = args.text(index)?.parse().map_err(|_| CmeError::IncorrectParameters)?;
    Ok(Endpoint { address, port: args.port(index + 1)? })
}

fn control(modem: &mut Modem, args: Args<'_>) -> Handled {
    let (handle, parameter) = (args.number(0)?, args.number(1)?);
    let socket = socket(modem, handle)?;
    let value = match parameter {
        0 => socket.protocol.number().to_string(),
        1 => socket.error.number().to_string(),
        2 => socket.sent_bytes.to_string(),
        3 => socket.received_bytes.to_string(),
        4 => match socket.remote {
            Some(remote) => format!("\"{}\",{}", remote.address, remote.port),
            None => "\"0.0.0.0\",0".to_owned(),
        },
        10 if socket.protocol == Protocol::Tcp => socket.tcp_state().number().to_string(),
        11 if socket.protocol == Protocol::Tcp => socket.tcp.as_ref().map_or(0, Connection::unacknowledged).to_string(),
        10 | 11 => return Err(CmeError::OperationNotAllowed.into()),
        _ => return Err(CmeError::IncorrectParameters.into()),
    };
    line(format!("+USOCTL: {handle},{parameter},{value}"))
}

fn send_to(modem: &mut Modem, args: Args<'_>, decisions: &mut Decisions) -> Handled {
    let to = endpoint(args, 1)?;
    let handle = args.number(0)?;
    if socket(modem, handle)?.protocol != Protocol::Udp {
        return refuse(modem, handle, SocketError::Invalid);
    }
    write_command(modem, args, Some(to), decisions)
}

/// `AT+USOWR` and `AT+USOST`: payload in the line, or after the prompt.
fn write_command(modem: &mut Modem, args: Args<'_>, to: Option<Endpoint>, decisions: &mut Decisions) -> Handled {
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
    if length == 0 || length > transfer_max(modem) {
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

fn read(modem: &mut Modem, args: Args<'_>, decisions: &mut Decisions) -> Handled {
    let (handle, length) = (args.number(0)?, args.number_to(1, transfer_max(modem))?);
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

fn read_from(modem: &mut Modem, args: Args<'_>, decisions: &mut Decisions) -> Handled {
    let (handle, length) = (args.number(0)?, args.number_to(1, transfer_max(modem))?);
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
    if modem.sockets.get(handle).is_some_and(|s| s.pending() > 0) {
        modem.announce(handle, form, decisions);
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

fn option_default(args: Args<'_>) -> Result<(u32, u32, u32), CmeError> {
    let (level, name) = (args.number(1)?, args.number(2)?);
    OPTIONS.iter().find(|o| (o.0, o.1) == (level, name)).copied().ok_or(CmeError::IncorrectParameters)
}

/// Linger (level 65535, option 128) has a second value, in milliseconds.
const LINGER: (u32, u32) = (65535, 128);

/// TCP no-delay: Nagle's algorithm is off.
const NO_DELAY: (u32, u32) = (6, 1);

impl Socket {
    fn no_delay(&self) -> bool {
        self.options.iter().any(|o| (o.level, o.name) == NO_DELAY && o.value != 0)
    }
}

fn set_option(modem: &mut Modem, args: Args<'_>) -> Handled {
    let socket = socket(modem, args.number(0)?)?;
    let (level, name, _) = option_default(args)?;
    let value = args.number(3)?;
    let linger_ms = if (level, name) == LINGER && value == 1 { Some(args.number_to(4, 32_767)?) } else { None };
    let option = SocketOption { level, name, value, linger_ms };
    match socket.options.iter_mut().find(|o| (o.level, o.name) == (level, name)) {
        Some(existing) => *existing = option,
        None => socket.options.push(option),
    }
    if (level, name) == NO_DELAY {
        let nagle = !socket.no_delay();
        if let Some(tcp) = &mut socket.tcp {
            tcp.set_nagle(nagle);
        }
    } else {
        modem.ledger.unmodelled("AT+USOSO: stored without effect", modem.now_ps);
    }
    ok()
}

fn get_option(modem: &mut Modem, args: Args<'_>) -> Handled {
    let socket = socket(modem, args.number(0)?)?;
    let (level, name, default) = option_default(args)?;
    let set = socket.options.iter().find(|o| (o.level, o.name) == (level, name));
    let text = match set {
        Some(SocketOption { value, linger_ms: Some(linger_ms), .. }) => format!("+USOGO: {value},{linger_ms}"),
        Some(option) => format!("+USOGO: {}", option.value),
        None => format!("+USOGO: {default}"),
    };
    line(text)
}

/// `AT+UDCONF=1,…`: hex mode. Other configurations are not modelled.
fn configure(modem: &mut Modem, args: Args<'_>) -> Handled {
    if args.number(0)? != 1 {
        modem.ledger.unmodelled(&format!("AT+UDCONF={}", args.number(0)?), modem.now_ps);
        return Err(CmeError::OperationNotSupported.into());
    }
    if args.len() == 1 {
        return line(format!("+UDCONF: 1,{}", u32::from(modem.profile.hex_mode)));
    }
    modem.profile.hex_mode = args.number_to(1, 1)? == 1;
    ok()
}
