//! SMS basics: enough that a client can set up, and learns that there are no messages.

use super::{Args, Handled, line, ok};
use crate::errors::CmsError;
use crate::execution::{Outcome, Prompt};
use crate::grammar::{Form, Param};
use crate::modem::Modem;
use crate::profile::Failure;

/// Places on the SIM.
const PLACES: u32 = 30;

pub fn run(modem: &mut Modem, name: &str, form: &Form) -> Option<Handled> {
    Some(match (name, form) {
        ("+CMGF", Form::Read) => line(format!("+CMGF: {}", u32::from(modem.profile.sms_text_mode))),
        ("+CMGF", Form::Set(params)) => Args(params).number_to(0, 1).map_err(Into::into).and_then(|mode| {
            modem.profile.sms_text_mode = mode == 1;
            ok()
        }),
        ("+CNMI", Form::Set(params)) => {
            modem.profile.sms_indications = params.iter().filter_map(Param::as_u32).take(5).collect();
            ok()
        }
        ("+CNMI", Form::Read) => {
            let mut values: Vec<String> = modem.profile.sms_indications.iter().map(u32::to_string).collect();
            values.resize(5, "0".to_owned());
            line(format!("+CNMI: {}", values.join(",")))
        }
        ("+CPMS", Form::Read) => line(format!("+CPMS: \"SM\",0,{PLACES},\"SM\",0,{PLACES},\"SM\",0,{PLACES}")),
        ("+CPMS", Form::Set(_)) => line(format!("+CPMS: 0,{PLACES},0,{PLACES},0,{PLACES}")),
        ("+CMGL", Form::Execute | Form::Set(_)) => ok(),
        ("+CMGR", Form::Set(_)) => Err(CmsError::InvalidMemoryIndex.into()),
        ("+CMGD", Form::Set(params)) => Args(params).number(0).map_err(Into::into).and_then(|place| {
            if (1..=PLACES).contains(&place) { ok() } else { Err(CmsError::InvalidMemoryIndex.into()) }
        }),
        ("+CMGS", Form::Set(params)) => match Args(params).get(0) {
            None => Err(CmsError::OperationNotSupported.into()),
            Some(_) if !modem.registration.circuit.is_registered() => Err(CmsError::NoNetworkService.into()),
            Some(_) => Ok(Outcome::Prompt(Prompt::Sms)),
        },
        _ => return None,
    })
}

/// The text of `AT+CMGS` is complete, or was cancelled. No message centre is modelled: sending fails.
pub fn send(modem: &mut Modem, wanted: bool) -> Handled {
    if !wanted {
        return ok();
    }
    modem.ledger.unmodelled("AT+CMGS: message centre", modem.now_ps);
    Err(Failure::from(CmsError::NoNetworkService))
}
