//! Commands whose values are kept and read back, and those that are known and refused.

use super::{Args, Handled, line, ok, unmodelled};
use crate::clock::Clock;
use crate::errors::CmeError;
use crate::grammar::{Form, Param};
use crate::modem::Modem;

/// A setting that is stored: its name, power-on value, the largest number allowed, and whether its effect is modelled.
/// Where it is not, a value other than the first is counted.
struct Stored {
    name: &'static str,
    default: &'static str,
    max: u32,
    has_effect: bool,
}

const fn stored_setting(name: &'static str, default: &'static str, max: u32, has_effect: bool) -> Stored {
    Stored { name, default, max, has_effect }
}

const STORED: &[Stored] = &[
    stored_setting("+CSCS", "\"IRA\"", 0, false),
    stored_setting("+CTZU", "0", 1, true),
    stored_setting("+CTZR", "0", 2, false),
    stored_setting("+ICF", "3,1", 7, false),
    stored_setting("+UGPRF", "0", 255, false),
    stored_setting("+CLIP", "0", 1, false),
    stored_setting("+CRC", "0", 1, false),
    stored_setting("+CGEREP", "0,0", 2, true),
    stored_setting("+UREG", "0", 1, false),
    stored_setting("+USIMSTAT", "0", 15, false),
    stored_setting("+CSDH", "0", 1, true),
    stored_setting("+UDTMFD", "0", 2, false),
    stored_setting("+UCALLSTAT", "0", 1, false),
    stored_setting("+CSMP", "17,167,0,0", 255, false),
];

/// Character sets of `AT+CSCS` (3GPP TS 27.007, section 5.5), the factory's first. The module's own list was not seen.
const CHARACTER_SETS: [&str; 6] = ["IRA", "GSM", "PCCP437", "8859-1", "UCS2", "HEX"];

pub fn run(modem: &mut Modem, name: &str, form: &Form) -> Option<Handled> {
    match (name, form) {
        ("+CSCS", Form::Test) => {
            return Some(line(format!("+CSCS: ({})", CHARACTER_SETS.map(|set| format!("\"{set}\"")).join(","))));
        }
        ("+CSCS", Form::Set(params)) if !is_character_set(Args(params)) => {
            return Some(Err(CmeError::IncorrectParameters.into()));
        }
        _ => {}
    }
    if let Some(setting) = STORED.iter().find(|setting| setting.name == name) {
        return Some(stored(modem, setting, form));
    }
    Some(match (name, form) {
        ("+CCLK", Form::Read) => line(format!("+CCLK: \"{}\"", modem.clock.text(modem.now_ps))),
        ("+CCLK", Form::Set(params)) => set_clock(modem, Args(params)),
        ("+CPAS", Form::Execute) => line("+CPAS: 0"),
        ("+CEER", Form::Execute) => {
            // When nothing has happened. The text is the manufacturer's (3GPP TS 27.007, section 6.10): that of modules
            // with Intel's modem software, not seen on a SARA.
            modem.ledger.unmodelled("AT+CEER: causes are not kept", modem.now_ps);
            line("+CEER: \"No report available\"")
        }
        ("+CEER", Form::Test) => ok(),
        ("+CSGT", Form::Read) => {
            let (on, text) = &modem.nvm.greeting;
            line(format!("+CSGT: \"{text}\",{}", u32::from(*on)))
        }
        ("+CSGT", Form::Set(params)) => greeting(modem, Args(params)),
        ("+CMUX", _) => unmodelled(modem, name, form),
        _ => return None,
    })
}

/// Names are quoted: a bare one would be kept as if it were a number.
fn is_character_set(args: Args<'_>) -> bool {
    let is_quoted = matches!(args.get(0), Some(Param::Quoted(_)));
    args.len() == 1 && is_quoted && args.text(0).is_ok_and(|name| CHARACTER_SETS.contains(&name))
}

fn stored(modem: &mut Modem, setting: &Stored, form: &Form) -> Handled {
    let Stored { name, default, max, has_effect } = setting;
    match form {
        Form::Read | Form::Execute => {
            let value = modem.profile.stored.get(*name).map_or(*default, String::as_str);
            line(format!("{name}: {value}"))
        }
        Form::Test => unmodelled(modem, name, form),
        Form::Set(params) => {
            let value = params
                .iter()
                .map(|param| match param {
                    Param::Empty => Ok(String::new()),
                    Param::Quoted(_) => Ok(format!("\"{}\"", param.as_text().unwrap_or_default())),
                    Param::Bare(_) => {
                        param.as_u32().filter(|n| n <= max).map(|n| n.to_string()).ok_or(CmeError::IncorrectParameters)
                    }
                })
                .collect::<Result<Vec<_>, _>>()?
                .join(",");
            if Args(params).get(0).is_none() {
                return Err(CmeError::IncorrectParameters.into());
            }
            if value != *default && !has_effect {
                modem.ledger.unmodelled(&format!("AT{name}: stored without effect"), modem.now_ps);
            }
            modem.profile.stored.insert((*name).to_owned(), value);
            ok()
        }
    }
}

fn set_clock(modem: &mut Modem, args: Args<'_>) -> Handled {
    modem.clock = Clock::parse(args.text(0)?, modem.now_ps).ok_or(CmeError::IncorrectParameters)?;
    ok()
}

/// Characters of the greeting at most (u-blox AT commands manual, +CSGT).
const GREETING_MAX: usize = 49;

/// `AT+CSGT=mode[,text]`: a text that the module sends when it has started.
fn greeting(modem: &mut Modem, args: Args<'_>) -> Handled {
    let on = args.number_to(0, 1)? == 1;
    if args.get(1).is_some() {
        let text = args.text(1)?;
        if text.len() > GREETING_MAX {
            return Err(CmeError::IncorrectParameters.into());
        }
        modem.nvm.greeting.1 = text.to_owned();
    }
    modem.nvm.greeting.0 = on;
    ok()
}
