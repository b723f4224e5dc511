//! SIM.

use lockstep_traces::Decisions;

use super::{Args, Handled, line, ok, unmodelled};
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
        ("+CRSM", Form::Set(params)) => restricted_access(modem, Args(params)),
        ("+CPBS", Form::Read) => with_card(modem, |_| format!("+CPBS: \"SM\",0,{PHONEBOOK_PLACES}")),
        ("+CPBS", Form::Test) => line("+CPBS: (\"SM\")"),
        ("+CPBS", Form::Set(params)) => match Args(params).text(0) {
            Ok("SM") => ok(),
            Ok(_) => unmodelled(modem, name, form),
            Err(error) => Err(error.into()),
        },
        ("+CPBR", Form::Test) => line(format!("+CPBR: (1-{PHONEBOOK_PLACES}),40,18")),
        ("+CPBR", Form::Set(params)) => read_phonebook(modem, Args(params)),
        ("+CPBF" | "+CPBW", _) => unmodelled(modem, name, form),
        ("+CLCK", Form::Set(params)) => lock(modem, Args(params)),
        ("+UPINCNT", Form::Execute) => {
            // PIN, PIN2, PUK, PUK2: only the first of each pair is modelled.
            let (pin, puk) = match &modem.sim.state {
                SimState::Pin { tries, .. } => (*tries, PUK_TRIES),
                SimState::Puk { tries, .. } => (0, *tries),
                _ => (PIN_TRIES, PUK_TRIES),
            };
            with_card_inserted(modem, format!("+UPINCNT: {pin},{PIN_TRIES},{puk},{PUK_TRIES}"))
        }
        _ => return None,
    })
}

fn with_card(modem: &Modem, text: impl Fn(&Modem) -> String) -> Handled {
    modem.sim.require()?;
    line(text(modem))
}

fn with_card_inserted(modem: &Modem, text: String) -> Handled {
    match modem.sim.state {
        SimState::Absent => Err(CmeError::SimNotInserted.into()),
        SimState::Failure => Err(CmeError::SimFailure.into()),
        _ => line(text),
    }
}

/// Tries of a PIN and a PUK of a fresh card (TS 102 221 9.5.1).
const PIN_TRIES: u8 = 3;
const PUK_TRIES: u8 = 10;

/// Places of the card's phonebook; it is empty.
const PHONEBOOK_PLACES: u32 = 250;

fn read_phonebook(modem: &mut Modem, args: Args<'_>) -> Handled {
    modem.sim.require()?;
    for index in 0..args.len() {
        if !(1..=PHONEBOOK_PLACES).contains(&args.number(index)?) {
            return Err(CmeError::InvalidIndex.into());
        }
    }
    ok()
}

/// `AT+CLCK="SC",2`: whether the card asks for a PIN. Other facilities, and changes, are refused.
fn lock(modem: &mut Modem, args: Args<'_>) -> Handled {
    if (args.text(0)?, args.number(1)?) != ("SC", 2) {
        modem.ledger.unmodelled("AT+CLCK: other than asking whether the card has a PIN", modem.now_ps);
        return Err(CmeError::OperationNotSupported.into());
    }
    let asks = matches!(modem.config.sim.state, SimState::Pin { .. } | SimState::Puk { .. });
    with_card_inserted(modem, format!("+CLCK: {}", u32::from(asks)))
}

/// `AT+CRSM=command,file,p1,p2,p3`: READ BINARY (176) of the files whose content is known here, and the card's own
/// "file not found" (6A82; TS 102 221 10.2.1.5) for others.
fn restricted_access(modem: &mut Modem, args: Args<'_>) -> Handled {
    /// TS 102 221 13.2, TS 31.102 4.2.2 and 4.2.18.
    const ICCID: u32 = 0x2fe2;
    const IMSI: u32 = 0x6f07;
    const ADMINISTRATIVE_DATA: u32 = 0x6fad;
    modem.sim.require()?;
    let command = args.number(0)?;
    let file = args.number_or(1, 0)?;
    let content: Vec<u8> = match (command, file) {
        (176, ICCID) => swapped_digits(&modem.config.sim.iccid, 20),
        // A length byte, the parity nibble 9, the digits.
        (176, IMSI) => [vec![8], swapped_digits(&format!("9{}", modem.config.sim.imsi), 16)].concat(),
        // Normal operation; the MNC has as many digits as the operator's number says.
        (176, ADMINISTRATIVE_DATA) => {
            let mnc_digits = modem.config.cell.operator_numeric.len().saturating_sub(3);
            vec![0, 0, 0, u8::try_from(mnc_digits).unwrap_or(2)]
        }
        (176 | 178 | 192 | 242, _) => return line("+CRSM: 106,130"),
        _ => {
            modem.ledger.unmodelled(&format!("AT+CRSM={command}"), modem.now_ps);
            return Err(CmeError::OperationNotSupported.into());
        }
    };
    let offset = args.number_or(2, 0)? as usize * 256 + args.number_or(3, 0)? as usize;
    let length = match args.number_or(4, 0)? as usize {
        0 => content.len().saturating_sub(offset),
        length => length,
    };
    match content.get(offset..offset.saturating_add(length)) {
        Some(bytes) => {
            line(format!("+CRSM: 144,0,\"{}\"", bytes.iter().map(|b| format!("{b:02X}")).collect::<String>()))
        }
        // Wrong length (6700).
        None => line("+CRSM: 103,0"),
    }
}

/// Digits as a card stores them: two a byte, the first in the lower half, filled up with F.
fn swapped_digits(digits: &str, length: usize) -> Vec<u8> {
    let nibble = |c: &u8| char::from(*c).to_digit(16).and_then(|d| u8::try_from(d).ok()).unwrap_or(15);
    let nibbles: Vec<u8> = digits.as_bytes().iter().map(nibble).chain(std::iter::repeat(15)).take(length).collect();
    nibbles.chunks(2).map(|pair| pair.iter().rev().fold(0, |byte, nibble| byte << 4 | nibble)).collect()
}

fn unlock(modem: &mut Modem, args: Args<'_>, decisions: &mut Decisions) -> Handled {
    let new_pin = if args.get(1).is_some() { Some(args.text(1)?) } else { None };
    modem.sim.unlock(args.text(0)?, new_pin)?;
    modem.begin_search(decisions);
    ok()
}
