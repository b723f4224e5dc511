//! Short messages in text mode (TS 27.005 3). PDU mode can be chosen, and its commands are refused and counted.

use lockstep_traces::Decisions;

use super::{Args, Handled, line, ok};
use crate::config::SimState;
use crate::errors::{CmeError, CmsError};
use crate::execution::{Outcome, Prompt, Wait};
use crate::grammar::{Form, Param};
use crate::messages::{Message, MessageStatus, SentMessage};
use crate::modem::Modem;

/// Characters of a message in the GSM alphabet at most (TS 23.040 9.2.3.24).
const TEXT_MAX: usize = 160;

pub fn run(modem: &mut Modem, name: &str, form: &Form, decisions: &mut Decisions) -> Option<Handled> {
    Some(match (name, form) {
        ("+CMGF", Form::Read) => line(format!("+CMGF: {}", u32::from(modem.profile.sms_text_mode))),
        ("+CMGF", Form::Test) => line("+CMGF: (0,1)"),
        ("+CMGF", Form::Set(params)) => Args(params).number_to(0, 1).map_err(Into::into).and_then(|mode| {
            modem.profile.sms_text_mode = mode == 1;
            ok()
        }),
        ("+CNMI", Form::Set(params)) => indications(modem, params),
        ("+CNMI", Form::Read) => {
            let mut values: Vec<String> = modem.profile.sms_indications.iter().map(u32::to_string).collect();
            values.resize(5, "0".to_owned());
            line(format!("+CNMI: {}", values.join(",")))
        }
        ("+CNMI", Form::Test) => line("+CNMI: (0-2),(0-3),(0),(0),(0)"),
        ("+CSMS", Form::Read) => line("+CSMS: 0,1,1,1"),
        ("+CSMS", Form::Set(params)) => {
            Args(params).number_to(0, 0).map_err(Into::into).and_then(|_| line("+CSMS: 1,1,1"))
        }
        ("+CSCA", Form::Read) => {
            line(format!("+CSCA: \"{0}\",{1}", modem.messages.centre, type_of(&modem.messages.centre)))
        }
        ("+CSCA", Form::Set(params)) => Args(params).text(0).map_err(Into::into).and_then(|centre| {
            modem.messages.centre = centre.to_owned();
            ok()
        }),
        ("+CPMS", Form::Read) => line(format!("+CPMS: {}", storages(modem, "\"SM\","))),
        ("+CPMS", Form::Test) => line("+CPMS: (\"SM\"),(\"SM\"),(\"SM\")"),
        ("+CPMS", Form::Set(params)) => choose_storage(modem, Args(params)),
        ("+CMGL" | "+CMGR" | "+CMGW" | "+CMSS" | "+CMGS" | "+CMGC", Form::Set(_) | Form::Execute)
            if !modem.profile.sms_text_mode =>
        {
            modem.ledger.unmodelled(&format!("AT{name} in PDU mode"), modem.now_ps);
            Err(CmsError::OperationNotSupported.into())
        }
        ("+CMGL", Form::Execute) => list(modem, "REC UNREAD", decisions),
        ("+CMGL", Form::Set(params)) => match Args(params).text(0) {
            Ok(which) => list(modem, which, decisions),
            Err(error) => Err(error.into()),
        },
        ("+CMGL", Form::Test) => line("+CMGL: (\"REC UNREAD\",\"REC READ\",\"STO UNSENT\",\"STO SENT\",\"ALL\")"),
        ("+CMGR", Form::Set(params)) => read(modem, Args(params), decisions),
        ("+CMGD", Form::Set(params)) => delete(modem, Args(params), decisions),
        ("+CMGD", Form::Test) => {
            let places: Vec<String> = modem.messages.stored.keys().map(u32::to_string).collect();
            line(format!("+CMGD: ({}),(0-4)", places.join(",")))
        }
        ("+CMGS", Form::Set(params)) => begin_send(modem, Args(params)),
        _ => return None,
    })
}

fn require_card(modem: &Modem) -> Result<(), CmsError> {
    match modem.sim.state {
        SimState::Ready => Ok(()),
        SimState::Pin { .. } => Err(CmsError::SimPinRequired),
        SimState::Puk { .. } => Err(CmsError::SimPukRequired),
        SimState::Absent => Err(CmsError::SimNotInserted),
        SimState::Failure => Err(CmsError::SimFailure),
    }
}

/// `AT+CNMI=mode,mt`: cell broadcasts and status reports (the other numbers) are not modelled.
fn indications(modem: &mut Modem, params: &[Param]) -> Handled {
    let args = Args(params);
    let mut values = vec![];
    for (index, max) in [2, 3, 0, 0, 1].into_iter().enumerate() {
        match args.number_or(index, 0)? {
            value if value <= max => values.push(value),
            value => {
                modem.ledger.unmodelled(&format!("AT+CNMI: parameter {} of {value}", index + 1), modem.now_ps);
                return Err(CmeError::OperationNotSupported.into());
            }
        }
    }
    modem.profile.sms_indications = values;
    ok()
}

/// `used,places` of the three uses of a storage, which is always the SIM.
fn storages(modem: &Modem, name: &str) -> String {
    let one = format!("{name}{},{}", modem.messages.stored.len(), modem.config.sim.message_places);
    [one.as_str(); 3].join(",")
}

fn choose_storage(modem: &mut Modem, args: Args<'_>) -> Handled {
    require_card(modem)?;
    for index in 0..args.len() {
        if args.text(index)? != "SM" {
            modem.ledger.unmodelled("AT+CPMS: a storage other than SM", modem.now_ps);
            return Err(CmsError::OperationNotSupported.into());
        }
    }
    line(format!("+CPMS: {}", storages(modem, "")))
}

/// 145: international; 129: unknown (TS 24.008 10.5.4.7).
pub fn type_of(number: &str) -> u32 {
    if number.starts_with('+') { 145 } else { 129 }
}

/// The head of a message with its text below, and marks it as read.
fn show(modem: &mut Modem, head: &str, place: u32) -> Vec<u8> {
    let details = modem.profile.stored.get("+CSDH").is_some_and(|mode| mode == "1");
    let Some(message) = modem.messages.stored.get_mut(&place) else { return vec![] };
    let Message { status, from, time, text } = message;
    let mut shown = format!("{head}\"{}\",\"{from}\",,\"{time}\"", status.text());
    if details {
        shown.push_str(&format!(",{},{}", type_of(from), text.len()));
    }
    *status = MessageStatus::Read;
    shown.push_str("\r\n");
    shown.push_str(text);
    shown.into_bytes()
}

fn list(modem: &mut Modem, which: &str, decisions: &mut Decisions) -> Handled {
    require_card(modem)?;
    let wanted: &[MessageStatus] = match which {
        "REC UNREAD" => &[MessageStatus::Unread],
        "REC READ" => &[MessageStatus::Read],
        "ALL" => &[MessageStatus::Unread, MessageStatus::Read],
        "STO UNSENT" | "STO SENT" => &[],
        _ => return Err(CmsError::InvalidTextParameter.into()),
    };
    let had_unread = modem.messages.has_unread();
    let stored = modem.messages.stored.iter();
    let places: Vec<u32> = stored.filter(|(_, m)| wanted.contains(&m.status)).map(|(place, _)| *place).collect();
    let lines = places.into_iter().map(|place| show(modem, &format!("+CMGL: {place},"), place)).collect();
    modem.messages_changed(had_unread, decisions);
    Ok(Outcome::Lines(lines))
}

/// A place that exists.
fn place(modem: &Modem, args: Args<'_>) -> Result<u32, CmsError> {
    let place = args.number(0).ok().filter(|place| (1..=modem.config.sim.message_places).contains(place));
    place.ok_or(CmsError::InvalidMemoryIndex)
}

fn read(modem: &mut Modem, args: Args<'_>, decisions: &mut Decisions) -> Handled {
    require_card(modem)?;
    let place = place(modem, args)?;
    if !modem.messages.stored.contains_key(&place) {
        return Err(CmsError::InvalidMemoryIndex.into());
    }
    let had_unread = modem.messages.has_unread();
    let shown = show(modem, "+CMGR: ", place);
    modem.messages_changed(had_unread, decisions);
    Ok(Outcome::Lines(vec![shown]))
}

/// `AT+CMGD=place[,which]`: 1 to 3 delete what has been read, 4 everything.
fn delete(modem: &mut Modem, args: Args<'_>, decisions: &mut Decisions) -> Handled {
    require_card(modem)?;
    let had_unread = modem.messages.has_unread();
    match args.number_or(1, 0)? {
        0 => {
            let place = place(modem, args)?;
            modem.messages.stored.remove(&place);
        }
        1..=3 => modem.messages.stored.retain(|_, message| message.status == MessageStatus::Unread),
        4 => modem.messages.stored.clear(),
        _ => return Err(CmsError::InvalidTextParameter.into()),
    }
    modem.messages_changed(had_unread, decisions);
    ok()
}

fn begin_send(modem: &mut Modem, args: Args<'_>) -> Handled {
    require_card(modem)?;
    let to = args.text(0)?.to_owned();
    let is_number = |text: &str| !text.is_empty() && text.len() <= 20 && text.bytes().all(|b| b.is_ascii_digit());
    if !is_number(to.strip_prefix('+').unwrap_or(&to)) {
        return Err(CmsError::InvalidTextParameter.into());
    }
    if !modem.registration.circuit.is_registered() {
        return Err(CmsError::NoNetworkService.into());
    }
    Ok(Outcome::Prompt(Prompt::Sms { to }))
}

/// The text of `AT+CMGS` is complete, or (`None`) was cancelled.
pub fn send(modem: &mut Modem, to: &str, text: Option<&[u8]>, decisions: &mut Decisions) -> Handled {
    let Some(text) = text else { return ok() };
    if text.len() > TEXT_MAX {
        return Err(CmsError::InvalidTextParameter.into());
    }
    let limit_ps = modem.config.timing.sms_send.draw_ps(modem.now_ps, "modem.sms", "send_us", decisions);
    modem.messages.last_reference = modem.messages.last_reference.wrapping_add(1);
    let reference = modem.messages.last_reference;
    Ok(Outcome::Wait { wait: Wait::SendMessage { reference, to: to.to_owned(), text: text.to_vec() }, limit_ps })
}

/// The network has answered.
pub fn sent(modem: &mut Modem, reference: u8, to: String, text: Vec<u8>) -> Handled {
    if !modem.registration.circuit.is_registered() {
        return Err(CmsError::NoNetworkService.into());
    }
    modem.messages.push_sent(SentMessage { time_ps: modem.now_ps, to, text });
    line(format!("+CMGS: {reference}"))
}
