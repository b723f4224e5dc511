//! Network: registration, operator, signal, attach.

use lockstep_traces::Decisions;

use super::{Args, Handled, line, ok};
use crate::errors::CmeError;
use crate::execution::{Outcome, Wait};
use crate::grammar::Form;
use crate::modem::Modem;

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
        ("+CMER", Form::Set(params)) => Args(params).number_or(3, 0).map_err(Into::into).and_then(|indicators| {
            modem.profile.indicator_reporting = indicators;
            ok()
        }),
        ("+CMER", Form::Read) => line(format!("+CMER: 1,0,0,{},1", profile.indicator_reporting)),
        _ => return None,
    })
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
    let mode = if modem.registration.deregistered_by_client { 2 } else { 0 };
    if !modem.registration.circuit.is_registered() {
        return line(format!("+COPS: {mode}"));
    }
    let (format, cell) = (modem.profile.operator_format, &modem.config.cell);
    let name = match format {
        0 => &cell.operator_long,
        1 => &cell.operator_short,
        _ => &cell.operator_numeric,
    };
    line(format!("+COPS: {mode},{format},\"{name}\",{}", modem.config.model.access_technology()))
}

fn select(modem: &mut Modem, args: Args<'_>, decisions: &mut Decisions) -> Handled {
    match args.number(0)? {
        mode @ (0 | 2) => {
            let deregistered = mode == 2;
            if std::mem::replace(&mut modem.registration.deregistered_by_client, deregistered) != deregistered {
                modem.begin_search(decisions);
            }
        }
        3 => modem.profile.operator_format = args.number_to(1, 2)?,
        mode => {
            modem.ledger.unmodelled(&format!("AT+COPS={mode}"), modem.now_ps);
            return Err(CmeError::OperationNotSupported.into());
        }
    }
    ok()
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
