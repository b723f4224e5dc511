//! SIM.

use lockstep_traces::Decisions;

use super::{Args, Handled, line, ok};
use crate::config::SimState;
use crate::errors::CmeError;
use crate::grammar::Form;
use crate::modem::Modem;

pub fn run(modem: &mut Modem, name: &str, form: &Form, decisions: &mut Decisions) -> Option<Handled> {
    Some(match (name, form) {
        ("+CPIN", Form::Read) => match modem.sim.state {
            SimState::Ready => line("+CPIN: READY"),
            SimState::Pin { .. } => line("+CPIN: SIM PIN"),
            SimState::Puk { .. } => line("+CPIN: SIM PUK"),
            SimState::Absent => Err(CmeError::SimNotInserted.into()),
            SimState::Failure => Err(CmeError::SimFailure.into()),
        },
        ("+CPIN", Form::Set(params)) => unlock(modem, Args(params), decisions),
        ("+CIMI", Form::Execute) => with_card(modem, |m| m.config.sim.imsi.clone()),
        ("+CCID", Form::Execute | Form::Read) => with_card(modem, |m| format!("+CCID: {}", m.config.sim.iccid)),
        ("+CNUM", Form::Execute) => match (modem.sim.require(), &modem.config.sim.number) {
            (Err(error), _) => Err(error.into()),
            (Ok(()), None) => ok(),
            // 145: international; 129: unknown (TS 24.008 10.5.4.7).
            (Ok(()), Some(number)) => {
                line(format!("+CNUM: ,\"{number}\",{}", if number.starts_with('+') { 145 } else { 129 }))
            }
        },
        ("+CIMI" | "+CCID" | "+CNUM" | "+CPIN", Form::Test) => ok(),
        _ => return None,
    })
}

fn with_card(modem: &Modem, text: impl Fn(&Modem) -> String) -> Handled {
    modem.sim.require()?;
    line(text(modem))
}

fn unlock(modem: &mut Modem, args: Args<'_>, decisions: &mut Decisions) -> Handled {
    let new_pin = if args.get(1).is_some() { Some(args.text(1)?) } else { None };
    modem.sim.unlock(args.text(0)?, new_pin)?;
    modem.begin_search(decisions);
    ok()
}
