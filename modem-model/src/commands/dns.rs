//! Name resolution.

use lockstep_traces::Decisions;

use super::{Args, Handled, line};
use crate::errors::CmeError;
use crate::grammar::Form;
use crate::modem::Modem;
use crate::resolver::Purpose;

pub fn run(modem: &mut Modem, name: &str, form: &Form, decisions: &mut Decisions) -> Option<Handled> {
    Some(match (name, form) {
        ("+UDNSRN", Form::Set(params)) => resolve(modem, Args(params), decisions),
        ("+UDNSRN", Form::Test) => line("+UDNSRN: (0,1)"),
        _ => return None,
    })
}

fn resolve(modem: &mut Modem, args: Args<'_>, decisions: &mut Decisions) -> Handled {
    match args.number(0)? {
        0 => modem.resolve(args.text(1)?, Purpose::Tell, decisions),
        1 => {
            modem.ledger.unmodelled("AT+UDNSRN=1: address to name", modem.now_ps);
            Err(CmeError::OperationNotSupported.into())
        }
        _ => Err(CmeError::IncorrectParameters.into()),
    }
}
