//! The internet stack's commands. Here: opening, connecting, closing, and what is known of a socket.

mod options;
mod transfer;

use lockstep_traces::Decisions;

use super::{Args, Handled, line, ok};
use crate::errors::{CmeError, SocketError};
use crate::execution::{Link, Outcome, Wait};
use crate::grammar::{Command, Form};
use crate::modem::Modem;
use crate::network::tcp::{Connection, TcpConfig, TcpState};
use crate::network::{Endpoint, Protocol};
use crate::ping::Ping;
use crate::profile::Failure;
use crate::resolver::Purpose;
use crate::sockets::{Announcement, Socket};

pub use transfer::{Write, accepted, write};

/// Whether a command leads to the `@` prompt.
pub fn is_prompting(command: &Command) -> bool {
    matches!(command, Command::Extended { name, form: Form::Set(_) } if name == "+USOWR" || name == "+USOST")
}

/// Whether a command reads a datagram.
pub fn is_read_from(command: &Command) -> bool {
    matches!(command, Command::Extended { name, form: Form::Set(_) } if name == "+USORF")
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
        ("+USOWR", Form::Set(params)) => transfer::write_command(modem, Args(params), None, decisions),
        ("+USOST", Form::Set(params)) => transfer::send_to(modem, Args(params), decisions),
        ("+USORD", Form::Set(params)) => transfer::read(modem, Args(params), decisions),
        ("+USORF", Form::Set(params)) => transfer::read_from(modem, Args(params), decisions),
        ("+USOSO", Form::Set(params)) => options::set_option(modem, Args(params)),
        ("+USOGO", Form::Set(params)) => options::get_option(modem, Args(params)),
        ("+UDCONF", Form::Set(params)) => options::configure(modem, Args(params)),
        ("+USOLI", Form::Set(params)) => listen(modem, Args(params)),
        ("+USODL", Form::Set(params)) => direct_link(modem, Args(params)),
        ("+UPING", Form::Set(params)) => ping(modem, Args(params), decisions),
        ("+USOLI", Form::Test) => line("+USOLI: (0-6),(1-65535)"),
        ("+USOCL" | "+USODL", Form::Test) => line(format!("{name}: (0-6)")),
        ("+USOCTL", Form::Test) => line("+USOCTL: (0-6),(0-4,10-11)"),
        ("+USORD" | "+USORF", Form::Test) => line(format!("{name}: (0-6),(0-{})", transfer::BYTES_MAX)),
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
