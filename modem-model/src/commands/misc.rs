//! Commands whose values are kept and read back, and those that are known and refused.

use super::{Args, Handled, line, ok, unmodelled};
use crate::errors::CmeError;
use crate::grammar::{Form, Param};
use crate::modem::Modem;

/// Settings that are stored: name, power-on value, numbers allowed. Their effects are not modelled; a value other than
/// the first is counted.
const STORED: &[(&str, &str, u32)] = &[
    ("+CSCS", "\"IRA\"", 0),
    ("+CTZU", "0", 2),
    ("+IFC", "2,2", 3),
    ("+ICF", "3,1", 7),
    ("+CSGT", "0", 1),
    ("+UGPRF", "0", 7),
    ("+UBANDSEL", "850,1900", 2600),
    ("+URAT", "1,2", 7),
    ("+CLIP", "0", 1),
    ("+CRC", "0", 1),
    ("+CGEREP", "0,0", 2),
    ("+UREG", "0", 1),
    ("+CTZR", "0", 2),
];

pub fn run(modem: &mut Modem, name: &str, form: &Form) -> Option<Handled> {
    if let Some((_, default, max)) = STORED.iter().find(|(stored, _, _)| *stored == name) {
        return Some(stored(modem, name, default, *max, form));
    }
    Some(match (name, form) {
        // No clock is modelled: as after power-on without network time.
        ("+CCLK", Form::Read) => {
            modem.ledger.unmodelled("AT+CCLK?: network time", modem.now_ps);
            line("+CCLK: \"04/01/01,00:00:00+00\"")
        }
        ("+CPAS", Form::Execute) => line("+CPAS: 0"),
        ("+CLCK" | "+CPBS" | "+CRSM" | "+UPING" | "+USODL" | "+USOLI", _) => unmodelled(modem, name, form),
        _ => return None,
    })
}

fn stored(modem: &mut Modem, name: &str, default: &str, max: u32, form: &Form) -> Handled {
    match form {
        Form::Read | Form::Execute => {
            let value = modem.profile.stored.get(name).map_or(default, String::as_str);
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
                        param.as_u32().filter(|n| *n <= max).map(|n| n.to_string()).ok_or(CmeError::IncorrectParameters)
                    }
                })
                .collect::<Result<Vec<_>, _>>()?
                .join(",");
            if Args(params).get(0).is_none() {
                return Err(CmeError::IncorrectParameters.into());
            }
            if value != default {
                modem.ledger.unmodelled(&format!("AT{name}: stored without effect"), modem.now_ps);
            }
            modem.profile.stored.insert(name.to_owned(), value);
            ok()
        }
    }
}
