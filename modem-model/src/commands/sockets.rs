//! The internet stack's commands.

use std::net::Ipv4Addr;

use lockstep_traces::Decisions;
use serde::{Deserialize, Serialize};

use super::{Args, Handled, line, ok};
use crate::errors::{CmeError, SocketError};
use crate::execution::{Link, Outcome, Prompt, Wait};
use crate::grammar::{Command, Form, Param};
use crate::modem::Modem;
use crate::network::tcp::{Connection, TcpConfig, TcpState};
use crate::network::{Endpoint, Payload, Protocol};
use crate::ping::Ping;
use crate::profile::Failure;
use crate::resolver::Purpose;
use crate::sockets::socket::SocketOption;
use crate::sockets::{Announcement, Socket};
use crate::time::PS_PER_US;
use crate::urc::Urc;

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
        ("+USOLI", Form::Set(params)) => listen(modem, Args(params)),
        ("+USODL", Form::Set(params)) => direct_link(modem, Args(params)),
        ("+UPING", Form::Set(params)) => ping(modem, Args(params), decisions),
        ("+USOLI", Form::Test) => line("+USOLI: (0-6),(1-65535)"),
        ("+USOCL" | "+USODL", Form::Test) => line(format!("{name}: (0-6)")),
        ("+USOCTL", Form::Test) => line("+USOCTL: (0-6),(0-4,10-11)"),
        ("+USORD" | "+USORF", Form::Test) => line(format!("{name}: (0-6),(0-{TRANSFER_BYTES_MAX})")),
        ("+UPING", Form::Test) => line("+UPING: \"remote_host\",(1-64),(4-1472),(10-60000),(1-255)"),
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
    let (host, port) = (args.text(1)?, args.port(2)?);
    if args.len() > 3 {
        // An asynchronous connect and its +UUSOCO: not documented for these models.
        modem.ledger.unmodelled("AT+USOCO: more than three parameters", modem.now_ps);
        return Err(CmeError::OperationNotSupported.into());
    }
    let is_listening = socket(modem, handle)?.is_listening;
    if !modem.pdp.is_up() {
        return refuse(modem, handle, SocketError::NetworkDown);
    }
    if is_listening {
        return refuse(modem, handle, SocketError::Invalid);
    }
    match host.parse() {
        Ok(address) => connect_to(modem, handle, Endpoint { address, port }, decisions),
        Err(_) => modem.resolve(host, Purpose::Connect { handle, port }, decisions),
    }
}

/// The address is known.
pub fn connect_to(modem: &mut Modem, handle: u32, to: Endpoint, decisions: &mut Decisions) -> Handled {
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

/// An address in dotted form and a port. The manual has `AT+USOST` resolve names too; no client seen does that.
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

/// `AT+USOLI=socket,port`
fn listen(modem: &mut Modem, args: Args<'_>) -> Handled {
    let (handle, port) = (args.number(0)?, args.port(1)?);
    let (protocol, is_used) = {
        let socket = socket(modem, handle)?;
        (socket.protocol, socket.remote.is_some() || socket.is_listening)
    };
    if !modem.pdp.is_up() {
        return refuse(modem, handle, SocketError::NetworkDown);
    }
    if is_used {
        return refuse(modem, handle, SocketError::Invalid);
    }
    let is_taken = modem.sockets.iter().any(|(n, s)| n != handle && (s.protocol, s.local_port) == (protocol, port));
    if is_taken || port == modem.resolver.local_port() {
        return refuse(modem, handle, SocketError::AddressInUse);
    }
    let socket = socket(modem, handle)?;
    (socket.local_port, socket.is_listening, socket.announces_by) = (port, true, Announcement::Uusorf);
    ok()
}

fn direct_link(modem: &mut Modem, args: Args<'_>) -> Handled {
    let handle = args.number(0)?;
    let socket = socket(modem, handle)?;
    let is_ready = match socket.protocol {
        Protocol::Tcp => socket.is_established(),
        Protocol::Udp => socket.remote.is_some(),
    };
    let generation = socket.generation;
    if !is_ready {
        return refuse(modem, handle, SocketError::NotConnected);
    }
    Ok(Outcome::DirectLink(Link { handle, generation }))
}

/// `AT+UPING=host[,times[,bytes[,timeout[,ttl]]]]`
fn ping(modem: &mut Modem, args: Args<'_>, decisions: &mut Decisions) -> Handled {
    let host = args.text(0)?;
    let number = |index, default, range: std::ops::RangeInclusive<u32>| match args.number_or(index, default)? {
        number if range.contains(&number) => Ok(number),
        _ => Err(CmeError::IncorrectParameters),
    };
    let (times, bytes) = (number(1, 4, 1..=64)?, number(2, 32, 4..=1472)?);
    let (timeout_ms, _ttl) = (number(3, 5_000, 10..=60_000)?, number(4, 32, 1..=255)?);
    if host.is_empty() {
        return Err(CmeError::IncorrectParameters.into());
    }
    modem.begin_ping(Ping::new(host.to_owned(), times, bytes, timeout_ms), decisions)?;
    ok()
}

/// `AT+UDCONF=5|6|7,socket[,value]`: the triggers of a direct link (u-blox AT commands manual, +UDCONF).
fn trigger(modem: &mut Modem, args: Args<'_>) -> Handled {
    let (which, handle) = (args.number(0)?, args.number(1)?);
    let length_max = if socket(modem, handle)?.protocol == Protocol::Udp { 1472 } else { 2048 };
    let triggers = &mut socket(modem, handle)?.triggers;
    if args.len() == 2 {
        let value = match which {
            5 => triggers.timer_ms.to_string(),
            6 => triggers.length.to_string(),
            _ => triggers.character.map_or_else(|| "-1".to_owned(), |c| c.to_string()),
        };
        return line(format!("+UDCONF: {which},{handle},{value}"));
    }
    match (which, args.text(2)?) {
        (7, "-1") => triggers.character = None,
        (7, _) => triggers.character = Some(u8::try_from(args.number(2)?).map_err(|_| CmeError::IncorrectParameters)?),
        _ => match (which, args.number(2)?) {
            (5, ms @ (0 | 100..=120_000)) => triggers.timer_ms = ms,
            (6, length) if length == 0 || (3..=length_max).contains(&length) => triggers.length = length,
            _ => return Err(CmeError::IncorrectParameters.into()),
        },
    }
    ok()
}

/// `AT+UDCONF=1,…`: hex mode; `5` to `7`: the direct link. Other configurations are not modelled.
fn configure(modem: &mut Modem, args: Args<'_>) -> Handled {
    if (5..=7).contains(&args.number(0)?) {
        return trigger(modem, args);
    }
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
