//! Packet data: u-blox profiles and 27.007 contexts.

use lockstep_traces::Decisions;

use super::{Args, Handled, line, ok};
use crate::errors::CmeError;
use crate::execution::{Outcome, Wait};
use crate::grammar::Form;
use crate::modem::Modem;
use crate::pdp::PdpContext;

/// Tags of `AT+UPSD` whose value is a number; the others are texts.
const NUMERIC_TAGS: [u32; 12] = [6, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18];
const TAG_MAX: u32 = 19;
const PASSWORD_TAG: u32 = 3;
/// Contexts 1 to 8.
const CONTEXTS: std::ops::RangeInclusive<u32> = 1..=8;
/// The context under which `AT+UGCNTRD` counts profile 0.
const COUNTED_CONTEXT: u32 = 31;

pub fn run(modem: &mut Modem, name: &str, form: &Form, decisions: &mut Decisions) -> Option<Handled> {
    Some(match (name, form) {
        ("+UPSD", Form::Set(params)) => parameter(modem, Args(params)),
        ("+UPSDA", Form::Set(params)) => action(modem, Args(params), decisions),
        ("+UPSND", Form::Set(params)) => status(modem, Args(params)),
        ("+CGDCONT", Form::Set(params)) => define(modem, Args(params)),
        ("+CGDCONT", Form::Read) => {
            let address = modem.config.pdp.address;
            let lines = modem.pdp.contexts.iter().map(|(number, context)| {
                let address = if context.active { address.to_string() } else { String::new() };
                format!("+CGDCONT: {number},\"IP\",\"{}\",\"{address}\",0,0", context.apn).into_bytes()
            });
            Ok(Outcome::Lines(lines.collect()))
        }
        ("+CGACT", Form::Set(params)) => activate(modem, Args(params), decisions),
        ("+CGACT", Form::Read) => {
            let contexts = modem.pdp.contexts.iter();
            let lines = contexts.map(|(n, c)| format!("+CGACT: {n},{}", u32::from(c.active)).into_bytes());
            Ok(Outcome::Lines(lines.collect()))
        }
        ("+CGPADDR", Form::Set(params)) => {
            Args(params).number(0).map_err(Into::into).and_then(|number| match modem.pdp.contexts.get(&number) {
                Some(context) if context.active => line(format!("+CGPADDR: {number},\"{}\"", modem.config.pdp.address)),
                Some(_) => line(format!("+CGPADDR: {number},\"0.0.0.0\"")),
                None => Err(CmeError::IncorrectParameters.into()),
            })
        }
        ("+UGCNTRD", Form::Execute) => {
            let ((sent, received), (total_sent, total_received)) = modem.pdp.counters();
            line(format!("+UGCNTRD: {COUNTED_CONTEXT},{sent},{received},{total_sent},{total_received}"))
        }
        ("+UGCNTSET", Form::Set(_)) => {
            modem.pdp.reset_counters();
            ok()
        }
        _ => return None,
    })
}

fn parameter(modem: &mut Modem, args: Args<'_>) -> Handled {
    let number = args.number(0)?;
    let profile = modem.pdp.profile_mut(number)?;
    let read = |tag: u32, value: &str| {
        let quote = if NUMERIC_TAGS.contains(&tag) { "" } else { "\"" };
        format!("+UPSD: {number},{tag},{quote}{value}{quote}").into_bytes()
    };
    if args.len() == 1 {
        // The password is never told.
        let visible = profile.parameters.iter().filter(|(tag, _)| **tag != PASSWORD_TAG);
        return Ok(Outcome::Lines(visible.map(|(tag, value)| read(*tag, value)).collect()));
    }
    let tag = args.number_to(1, TAG_MAX)?;
    if args.len() == 2 {
        let default = if NUMERIC_TAGS.contains(&tag) { "0" } else { "" };
        let value = profile.parameters.get(&tag).map_or(default, String::as_str);
        return Ok(Outcome::Lines(vec![read(tag, value)]));
    }
    if profile.active {
        return Err(CmeError::OperationNotAllowed.into());
    }
    let value = if NUMERIC_TAGS.contains(&tag) { args.number(2)?.to_string() } else { args.text(2)?.to_owned() };
    profile.parameters.insert(tag, value);
    ok()
}

fn action(modem: &mut Modem, args: Args<'_>, decisions: &mut Decisions) -> Handled {
    let number = args.number(0)?;
    let profile = modem.pdp.profile_mut(number)?;
    match args.number(1)? {
        0..=2 if profile.active => return Err(CmeError::OperationNotAllowed.into()),
        0 => profile.parameters.clear(),
        1 => {
            let parameters = profile.parameters.clone();
            if let Some(stored) = modem.nvm.pdp_parameters.get_mut(number as usize) {
                *stored = parameters;
            }
        }
        2 => profile.parameters = modem.nvm.pdp_parameters.get(number as usize).cloned().unwrap_or_default(),
        3 if profile.active => return Err(CmeError::OperationNotAllowed.into()),
        3 if !modem.registration.attached => return Err(CmeError::OperationNotAllowed.into()),
        3 => {
            let range = modem.config.timing.pdp_activation;
            let limit_ps = range.draw_ps(modem.now_ps, "modem.pdp", "activation_us", decisions);
            return Ok(Outcome::Wait { wait: Wait::ActivateProfile { profile: number }, limit_ps });
        }
        4 if !profile.active => return Err(CmeError::OperationNotAllowed.into()),
        4 => modem.deactivate_profile(number, decisions)?,
        _ => return Err(CmeError::IncorrectParameters.into()),
    }
    ok()
}

fn status(modem: &mut Modem, args: Args<'_>) -> Handled {
    let (number, tag) = (args.number(0)?, args.number_to(1, TAG_MAX)?);
    let active = modem.pdp.profile(number)?.active;
    let pdp = &modem.config.pdp;
    match tag {
        8 => line(format!("+UPSND: {number},8,{}", u32::from(active))),
        _ if !active => Err(CmeError::OperationNotAllowed.into()),
        0 => line(format!("+UPSND: {number},0,\"{}\"", pdp.address)),
        1 | 2 => match if tag == 1 { pdp.dns_primary } else { pdp.dns_secondary } {
            Some(server) => line(format!("+UPSND: {number},{tag},\"{server}\"")),
            None => ok(),
        },
        _ => {
            modem.ledger.unmodelled(&format!("AT+UPSND=n,{tag}"), modem.now_ps);
            Err(CmeError::OperationNotSupported.into())
        }
    }
}

fn context_number(args: Args<'_>, index: usize) -> Result<u32, CmeError> {
    args.number(index).and_then(|n| if CONTEXTS.contains(&n) { Ok(n) } else { Err(CmeError::IncorrectParameters) })
}

fn define(modem: &mut Modem, args: Args<'_>) -> Handled {
    let number = context_number(args, 0)?;
    if args.len() == 1 {
        modem.pdp.contexts.remove(&number);
        modem.nvm.contexts.remove(&number);
        return ok();
    }
    if !args.text(1)?.eq_ignore_ascii_case("IP") {
        return Err(CmeError::OperationNotSupported.into());
    }
    let apn = if args.get(2).is_some() { args.text(2)?.to_owned() } else { String::new() };
    if modem.pdp.contexts.get(&number).is_some_and(|context| context.active) {
        return Err(CmeError::OperationNotAllowed.into());
    }
    let context = PdpContext { apn, active: false };
    modem.nvm.contexts.insert(number, context.clone());
    modem.pdp.contexts.insert(number, context);
    ok()
}

fn activate(modem: &mut Modem, args: Args<'_>, decisions: &mut Decisions) -> Handled {
    let activate = args.number_to(0, 1)? == 1;
    let number = if args.get(1).is_some() { context_number(args, 1)? } else { 1 };
    let attached = modem.registration.attached;
    let context = modem.pdp.contexts.get_mut(&number).ok_or(CmeError::IncorrectParameters)?;
    if !activate {
        context.active = false;
        return ok();
    }
    if context.active {
        return ok();
    }
    if !attached {
        return Err(CmeError::OperationNotAllowed.into());
    }
    let range = modem.config.timing.pdp_activation;
    let limit_ps = range.draw_ps(modem.now_ps, "modem.pdp", "activation_us", decisions);
    Ok(Outcome::Wait { wait: Wait::ActivateContext { context: number }, limit_ps })
}

/// The activation of a context has come to its end.
pub fn activate_context(modem: &mut Modem, number: u32, decisions: &mut Decisions) -> Handled {
    if modem.activation_is_refused("CGACT", decisions) || !modem.registration.attached {
        return Err(CmeError::ServiceOutOfOrder.into());
    }
    modem.pdp.contexts.get_mut(&number).ok_or(CmeError::IncorrectParameters)?.active = true;
    ok()
}
