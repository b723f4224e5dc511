//! The commands, one file per topic.

pub mod basic;
pub mod device;
pub mod dns;
pub mod misc;
pub mod pdp;
pub mod registration;
pub mod sim;
pub mod sms;
pub mod sockets;

use lockstep_traces::Decisions;

use crate::errors::CmeError;
use crate::execution::Outcome;
use crate::grammar::{Command, Form, Param};
use crate::modem::Modem;
use crate::profile::Failure;

/// What a command's function gives.
pub type Handled = Result<Outcome, Failure>;

/// Runs one command.
pub fn run(modem: &mut Modem, command: &Command, decisions: &mut Decisions) -> Handled {
    let (name, form) = match command {
        Command::Basic { name, value } => return basic::basic(modem, name, *value),
        Command::Register { number, value } => return basic::register(modem, *number, *value),
        Command::Dial(_) => {
            modem.ledger.unmodelled("ATD", modem.now_ps);
            return Err(Failure::NoCarrier);
        }
        Command::Extended { name, form } => (name.as_str(), form),
    };
    let handled = device::run(modem, name, form, decisions)
        .or_else(|| sim::run(modem, name, form, decisions))
        .or_else(|| registration::run(modem, name, form, decisions))
        .or_else(|| pdp::run(modem, name, form, decisions))
        .or_else(|| dns::run(modem, name, form, decisions))
        .or_else(|| sockets::run(modem, name, form, decisions))
        .or_else(|| sms::run(modem, name, form, decisions))
        .or_else(|| misc::run(modem, name, form));
    handled.unwrap_or_else(|| unmodelled(modem, name, form))
}

/// Refuses what is not modelled, and counts it.
pub fn unmodelled(modem: &mut Modem, name: &str, form: &Form) -> Handled {
    let form = match form {
        Form::Execute | Form::Set(_) => "",
        Form::Read => "?",
        Form::Test => "=?",
    };
    modem.ledger.unmodelled(&format!("AT{name}{form}"), modem.now_ps);
    Err(CmeError::OperationNotSupported.into())
}

/// Success without information.
pub fn ok() -> Handled {
    Ok(Outcome::Lines(vec![]))
}

/// One information line.
pub fn line(text: impl Into<String>) -> Handled {
    Ok(Outcome::Lines(vec![text.into().into_bytes()]))
}

/// The parameters of a set command.
#[derive(Clone, Copy)]
pub struct Args<'a>(pub &'a [Param]);

impl<'a> Args<'a> {
    pub fn len(self) -> usize {
        self.0.len()
    }

    /// The parameter, unless left out.
    pub fn get(self, index: usize) -> Option<&'a Param> {
        self.0.get(index).filter(|p| **p != Param::Empty)
    }

    /// A number that must be there.
    pub fn number(self, index: usize) -> Result<u32, CmeError> {
        self.get(index).and_then(Param::as_u32).ok_or(CmeError::IncorrectParameters)
    }

    /// A number in `0..=max` that must be there.
    pub fn number_to(self, index: usize, max: u32) -> Result<u32, CmeError> {
        self.number(index).and_then(|n| if n <= max { Ok(n) } else { Err(CmeError::IncorrectParameters) })
    }

    /// A number that may be left out.
    pub fn number_or(self, index: usize, default: u32) -> Result<u32, CmeError> {
        if self.get(index).is_none() { Ok(default) } else { self.number(index) }
    }

    /// A text that must be there, quoted or not.
    pub fn text(self, index: usize) -> Result<&'a str, CmeError> {
        self.get(index).and_then(Param::as_text).ok_or(CmeError::IncorrectParameters)
    }

    /// A port, 1 to 65,535.
    pub fn port(self, index: usize) -> Result<u16, CmeError> {
        u16::try_from(self.number(index)?).ok().filter(|&p| p > 0).ok_or(CmeError::IncorrectParameters)
    }
}
