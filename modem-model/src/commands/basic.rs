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
        "Z" if number == 0 => modem.load_profile(),
        "&F" if number == 0 => {
            modem.profile = Profile::default();
            modem.profile_changed();
        }
        // One profile is modelled.
        "&W" if number == 0 => {
            modem.nvm.profile = Some(modem.profile.clone());
            modem.nvm.baud_hz = Some(modem.line.baud_hz());
        }
        "I" => match number {
            0 => return line(modem.config.model.name()),
            9 => return line(format!("{},{}", modem.config.firmware_version, modem.config.application_version)),
            _ => {
                modem.ledger.unmodelled(&format!("ATI{number}"), modem.now_ps);
                return Err(CmeError::IncorrectParameters.into());
            }
        },
        // Hang up without a call; results' form; speaker; DCD, DTR and DSR, which are not wired.
        "H" | "X" | "L" | "M" | "&C" | "&D" | "&S" => {}
        "&K" | "\\Q" => flow_control(modem, name, number)?,
        _ => {
            modem.ledger.unmodelled(&format!("AT{name}"), modem.now_ps);
            return Err(CmeError::OperationNotSupported.into());
        }
    }
    ok()
}

/// `AT&K0`, `3`, `5` and `6` (u-blox AT commands manual, &K: 5 and 6 are as 3), `AT\Q0` and `3`. XON/XOFF is refused.
fn flow_control(modem: &mut Modem, name: &str, number: u32) -> Result<(), Failure> {
    modem.profile.flow_control = match (name, number) {
        (_, 0) => false,
        (_, 3) | ("&K", 5 | 6) => true,
        _ => {
            modem.ledger.unmodelled(&format!("AT{name}{number}"), modem.now_ps);
            return Err(CmeError::OperationNotSupported.into());
        }
    };
    modem.profile_changed();
    Ok(())
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
