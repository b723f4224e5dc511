//! V.250's own commands: a letter and a number, and the S registers.

use super::{Handled, line, ok};
use crate::errors::CmeError;
use crate::modem::Modem;
use crate::profile::{Failure, Profile};

pub fn basic(modem: &mut Modem, name: &str, value: Option<u32>) -> Handled {
    let number = value.unwrap_or(0);
    let switch = || match number {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(CmeError::IncorrectParameters),
    };
    match name {
        "E" => modem.profile.echo = switch()?,
        "V" => modem.profile.verbose = switch()?,
        "Q" => modem.profile.quiet = switch()?,
        "Z" | "&F" => {
            // The line's and the service's settings go back to their defaults; storing profiles is not modelled.
            let stored = std::mem::take(&mut modem.profile.stored);
            modem.profile = Profile { stored, ..Profile::default() };
        }
        "I" => match number {
            0 => return line(modem.config.model.name()),
            9 => return line(format!("{},{}", modem.config.firmware_version, modem.config.application_version)),
            _ => {
                modem.ledger.unmodelled(&format!("ATI{number}"), modem.now_ps);
                return Err(CmeError::IncorrectParameters.into());
            }
        },
        // Hang up without a call; results' form; speaker; line signals; flow control 0 and 3 (RTS/CTS is always heeded).
        "H" | "X" | "L" | "M" | "&C" | "&D" | "&S" | "&K" | "\\Q" => {
            if name == "&K" && number != 3 {
                modem.ledger.unmodelled(&format!("AT&K{number}"), modem.now_ps);
            }
        }
        _ => {
            modem.ledger.unmodelled(&format!("AT{name}"), modem.now_ps);
            return Err(CmeError::OperationNotSupported.into());
        }
    }
    ok()
}

pub fn register(modem: &mut Modem, number: u32, value: Option<u32>) -> Handled {
    let register = match number {
        3 => &mut modem.profile.line_end,
        4 => &mut modem.profile.line_feed,
        5 => &mut modem.profile.backspace,
        _ => {
            modem.ledger.unmodelled(&format!("ATS{number}"), modem.now_ps);
            return Err(CmeError::OperationNotSupported.into());
        }
    };
    match value {
        None => {
            let value = *register;
            line(format!("{value:03}"))
        }
        // V.250: IRA characters.
        Some(value) => match u8::try_from(value) {
            Ok(value) if value < 128 => {
                *register = value;
                ok()
            }
            _ => Err(Failure::from(CmeError::IncorrectParameters)),
        },
    }
}
