//! Network: registration, operator, signal, attach.

use lockstep_traces::Decisions;

use super::{Args, Handled, line, ok};
use crate::config::{Admission, SimState};
use crate::errors::CmeError;
use crate::execution::{Outcome, Wait};
use crate::grammar::Form;
use crate::modem::Modem;
use crate::registration::RegistrationStatus;

pub fn run(modem: &mut Modem, name: &str, form: &Form, decisions: &mut Decisions) -> Option<Handled> {
    let (profile, registration) = (&modem.profile, &modem.registration);
    Some(match (name, form) {
        ("+CREG", Form::Read) => {
            line(modem.registration_text(name, profile.creg, registration.circuit, false).unwrap_or_default())
        }
        ("+CGREG", Form::Read) => {
            line(modem.registration_text(name, profile.cgreg, registration.packet, false).unwrap_or_default())
        }
        ("+CREG" | "+CGREG", Form::Test) => line(format!("{name}: (0-2)")),
        ("+CREG" | "+CGREG", Form::Set(params)) => mode(modem, name, Args(params)),
        ("+COPS", Form::Read) => operator(modem),
        ("+COPS", Form::Test) => {
            let range = modem.config.timing.operator_scan;
            let limit_ps = range.draw_ps(modem.now_ps, "modem.registration", "operator_scan_us", decisions);
            Ok(Outcome::Wait { wait: Wait::Scan, limit_ps })
        }
        ("+COPS", Form::Set(params)) => select(modem, Args(params), decisions),
        ("+CSQ", Form::Execute) => {
            // TS 27.007 8.5: 99 is "not known".
            let (strength, quality) = match registration.circuit.is_registered() {
                true => (modem.config.cell.signal_strength, modem.config.cell.signal_quality),
                false => (99, 99),
            };
            line(format!("+CSQ: {strength},{quality}"))
        }
        ("+CSQ", Form::Test) => line("+CSQ: (0-31,99),(0-7,99)"),
        ("+CGATT", Form::Read) => line(format!("+CGATT: {}", u32::from(registration.attached))),
        ("+CGATT", Form::Test) => line("+CGATT: (0-1)"),
        ("+CGATT", Form::Set(params)) => attach(modem, Args(params), decisions),
        ("+CMER", Form::Set(params)) => event_reporting(modem, Args(params)),
        ("+CMER", Form::Read) => {
            let [mode, keypad, display, indicators, buffer] = profile.event_reporting;
            line(format!("+CMER: {mode},{keypad},{display},{indicators},{buffer}"))
        }
        ("+CMER", Form::Test) => line("+CMER: (0-3),(0),(0),(0-2),(0,1)"),
        ("+CIND", Form::Read) => line(format!("+CIND: {}", indicators(modem).map(|value| value.to_string()).join(","))),
        ("+CIND", Form::Test) => {
            let all = INDICATORS.iter().map(|(name, values)| format!("(\"{name}\",{values})"));
            line(format!("+CIND: {}", all.collect::<Vec<_>>().join(",")))
        }
        // The values cannot be set (u-blox AT commands manual, +CIND).
        ("+CIND", Form::Set(_)) => ok(),
        _ => return None,
    })
}

/// Names and values in the order of their numbers (u-blox AT commands manual, +CIND).
const INDICATORS: [(&str, &str); 12] = [
    ("battchg", "(0-5)"),
    ("signal", "(0-5)"),
    ("service", "(0,1)"),
    ("sounder", "(0,1)"),
    ("message", "(0,1)"),
    ("call", "(0,1)"),
    ("roam", "(0,1)"),
    ("smsfull", "(0,1)"),
    ("gprs", "(0-2)"),
    ("callsetup", "(0-3)"),
    ("callheld", "(0,1)"),
    ("simind", "(0-2)"),
];

/// Charge is always full, as of a module that has no charger; there are no calls and no sounds.
fn indicators(modem: &Modem) -> [u32; 12] {
    let registration = &modem.registration;
    let service = u32::from(registration.circuit.is_registered());
    let roaming = u32::from(registration.circuit == RegistrationStatus::Roaming);
    let full = u32::from(modem.messages.stored.len() >= modem.config.sim.message_places as usize);
    let packet = if registration.attached { 2 } else { service };
    let card = u32::from(modem.sim.state != SimState::Absent);
    let unread = u32::from(modem.messages.has_unread());
    [5, modem.signal_value(), service, 0, unread, 0, roaming, full, packet, 0, 0, card]
}

/// `AT+CMER=mode,keypad,display,indicators,buffer`: URCs `+CIEV` come with a mode and an `indicators` above 0.
fn event_reporting(modem: &mut Modem, args: Args<'_>) -> Handled {
    let mut values = [0; 5];
    for (index, (value, max)) in values.iter_mut().zip([3, 0, 0, 2, 1]).enumerate() {
        *value = args.number_or(index, 0)?;
        if *value > max {
            return Err(CmeError::IncorrectParameters.into());
        }
    }
    modem.profile.event_reporting = values;
    ok()
}

fn mode(modem: &mut Modem, name: &str, args: Args<'_>) -> Handled {
    let mode = args.number_to(0, 2)?;
    match name {
        "+CREG" => modem.profile.creg = mode,
        _ => modem.profile.cgreg = mode,
    }
    ok()
}

fn operator(modem: &Modem) -> Handled {
    let mode = match &modem.registration {
        r if r.deregistered_by_client => 2,
        r if r.wanted_operator.is_some() => 1,
        _ => 0,
    };
    if !modem.registration.circuit.is_registered() {
        return line(format!("+COPS: {mode}"));
    }
    let (format, cell) = (modem.profile.operator_format, &modem.config.cell);
    let name = match format {
        0 => &cell.operator_long,
        1 => &cell.operator_short,
        _ => &cell.operator_numeric,
    };
    line(format!("+COPS: {mode},{format},\"{name}\",{}", modem.access_technology()))
}

fn select(modem: &mut Modem, args: Args<'_>, decisions: &mut Decisions) -> Handled {
    match args.number(0)? {
        mode @ (0 | 2) => {
            let deregistered = mode == 2;
            let before = modem.registration.wanted_operator.take();
            if std::mem::replace(&mut modem.registration.deregistered_by_client, deregistered) != deregistered
                || before.is_some()
            {
                modem.begin_search(decisions);
            }
            if args.get(1).is_some() {
                modem.profile.operator_format = args.number_to(1, 2)?;
            }
        }
        1 => return select_one(modem, args, decisions),
        3 => modem.profile.operator_format = args.number_to(1, 2)?,
        mode => {
            modem.ledger.unmodelled(&format!("AT+COPS={mode}"), modem.now_ps);
            return Err(CmeError::OperationNotSupported.into());
        }
    }
    ok()
}

/// `AT+COPS=1,format,"operator"`: this operator and no other.
fn select_one(modem: &mut Modem, args: Args<'_>, decisions: &mut Decisions) -> Handled {
    let (format, wanted) = (args.number_to(1, 2)?, args.text(2)?);
    let cell = &modem.config.cell;
    let name = match format {
        0 => &cell.operator_long,
        1 => &cell.operator_short,
        _ => &cell.operator_numeric,
    };
    let is_here = name == wanted;
    // An operator that is not here has a number that no cell has.
    let number = if is_here { cell.operator_numeric.clone() } else { String::new() };
    modem.registration.deregistered_by_client = false;
    modem.registration.wanted_operator = Some(number);
    if is_here && modem.registration.circuit.is_registered() {
        return ok();
    }
    modem.begin_search(decisions);
    let range = modem.config.timing.register_timeout;
    let limit_ps = range.draw_ps(modem.now_ps, "modem.registration", "register_timeout_us", decisions);
    Ok(Outcome::Wait { wait: Wait::Register, limit_ps })
}

/// The scan of `AT+COPS=?` is over: one operator, or nothing without coverage.
pub fn scanned(modem: &mut Modem) -> Handled {
    let ranges = ",(0-3),(0-2)";
    if !modem.registration.coverage {
        return line(format!("+COPS: {ranges}"));
    }
    let cell = &modem.config.cell;
    // 27.007 7.3: 1 available, 2 current, 3 forbidden.
    let status = match modem.registration.circuit {
        status if status.is_registered() => 2,
        _ if cell.admission == Admission::Denied => 3,
        _ => 1,
    };
    let (long, short, numeric) = (&cell.operator_long, &cell.operator_short, &cell.operator_numeric);
    line(format!("+COPS: ({status},\"{long}\",\"{short}\",\"{numeric}\",{}),{ranges}", modem.access_technology()))
}

fn attach(modem: &mut Modem, args: Args<'_>, decisions: &mut Decisions) -> Handled {
    let wanted = args.number_to(0, 1)? == 1;
    modem.registration.attach_wanted = wanted;
    if !wanted {
        modem.detach(decisions);
        return ok();
    }
    if modem.registration.attached {
        return ok();
    }
    if modem.registration.circuit.is_registered() {
        modem.begin_attach(decisions);
    }
    let timing = &modem.config.timing;
    let limit_ps = timing.attach_timeout.draw_ps(modem.now_ps, "modem.registration", "attach_timeout_us", decisions);
    Ok(Outcome::Wait { wait: Wait::Attach, limit_ps })
}
