//! Options of sockets and of the stack.

use super::super::{Args, Handled, line, ok};
use super::socket;
use crate::errors::CmeError;
use crate::modem::Modem;
use crate::network::Protocol;
use crate::sockets::Socket;
use crate::sockets::socket::SocketOption;

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

/// Linger (level 65535, option 128) has a second value, in milliseconds.
const LINGER: (u32, u32) = (65535, 128);

/// TCP no-delay: Nagle's algorithm is off.
const NO_DELAY: (u32, u32) = (6, 1);

impl Socket {
    /// Whether `AT+USOSO` switched Nagle's algorithm off.
    pub(super) fn no_delay(&self) -> bool {
        self.options.iter().any(|o| (o.level, o.name) == NO_DELAY && o.value != 0)
    }
}

fn option_default(args: Args<'_>) -> Result<(u32, u32, u32), CmeError> {
    let (level, name) = (args.number(1)?, args.number(2)?);
    OPTIONS.iter().find(|o| (o.0, o.1) == (level, name)).copied().ok_or(CmeError::IncorrectParameters)
}

pub fn set_option(modem: &mut Modem, args: Args<'_>) -> Handled {
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

pub fn get_option(modem: &mut Modem, args: Args<'_>) -> Handled {
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
pub fn configure(modem: &mut Modem, args: Args<'_>) -> Handled {
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
