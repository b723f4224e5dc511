//! Identity, power, and the line's settings.

use lockstep_traces::Decisions;

use super::{Args, Handled, line, ok, unmodelled};
use crate::errors::CmeError;
use crate::execution::Afterwards;
use crate::grammar::Form;
use crate::modem::Modem;

/// Rates `AT+IPR` takes; 0 is autobauding.
const RATES_HZ: [u32; 10] = [0, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800];

pub fn run(modem: &mut Modem, name: &str, form: &Form, decisions: &mut Decisions) -> Option<Handled> {
    Some(match (name, form) {
        ("+CGMI" | "+GMI", Form::Execute) => line("u-blox"),
        ("+CGMM" | "+GMM", Form::Execute) => line(modem.config.model.name()),
        ("+CGMR" | "+GMR", Form::Execute) => line(modem.config.firmware_version.clone()),
        ("+CGSN" | "+GSN", Form::Execute) => line(modem.config.imei.clone()),
        ("+CGMI" | "+GMI" | "+CGMM" | "+GMM" | "+CGMR" | "+GMR" | "+CGSN" | "+GSN", Form::Test) => ok(),
        ("+CPWROFF", Form::Execute) => {
            modem.execution.afterwards = Some(Afterwards::ShutDown);
            ok()
        }
        ("+CFUN", Form::Read) => line(format!("+CFUN: {},0", modem.registration.function)),
        ("+CFUN", Form::Test) => line("+CFUN: (0,1,4,6,7,8,9,15,16),(0,1)"),
        ("+CFUN", Form::Set(params)) => function(modem, Args(params), decisions),
        ("+CMEE", Form::Read) => line(format!("+CMEE: {}", modem.profile.cmee)),
        ("+CMEE", Form::Test) => line("+CMEE: (0-2)"),
        ("+CMEE", Form::Set(params)) => Args(params).number_to(0, 2).map_err(Into::into).and_then(|n| {
            modem.profile.cmee = n;
            ok()
        }),
        ("+IPR", Form::Read) => line(format!("+IPR: {}", modem.line.baud_hz())),
        ("+IPR", Form::Set(params)) => rate(modem, Args(params)),
        ("+UPSV", Form::Read) => power_saving_read(modem),
        ("+UPSV", Form::Set(params)) => power_saving(modem, Args(params)),
        ("+CMUX", _) => unmodelled(modem, name, form),
        _ => return None,
    })
}

fn function(modem: &mut Modem, args: Args<'_>, decisions: &mut Decisions) -> Handled {
    match args.number(0)? {
        function @ (0 | 1 | 4) => {
            if modem.registration.function != function {
                modem.registration.function = function;
                modem.begin_search(decisions);
            }
            if args.number_or(1, 0)? == 1 {
                modem.execution.afterwards = Some(Afterwards::Reboot);
            }
        }
        15 | 16 => modem.execution.afterwards = Some(Afterwards::Reboot),
        other => {
            modem.ledger.unmodelled(&format!("AT+CFUN={other}"), modem.now_ps);
            return Err(CmeError::OperationNotSupported.into());
        }
    }
    ok()
}

fn rate(modem: &mut Modem, args: Args<'_>) -> Handled {
    let rate_hz = args.number(0)?;
    if !RATES_HZ.contains(&rate_hz) {
        return Err(CmeError::IncorrectParameters.into());
    }
    if rate_hz != modem.line.baud_hz() {
        modem.execution.new_baud_hz = Some(rate_hz);
    }
    ok()
}

fn power_saving_read(modem: &Modem) -> Handled {
    match (modem.profile.power_saving, modem.profile.power_saving_frames) {
        (1, frames) => line(format!("+UPSV: 1,{frames}")),
        (mode, _) => line(format!("+UPSV: {mode}")),
    }
}

/// Silence after which `AT+UPSV=1` lets the serial line sleep, in GSM frames (u-blox AT commands manual, +UPSV).
const POWER_SAVING_FRAMES: u32 = 2000;

fn power_saving(modem: &mut Modem, args: Args<'_>) -> Handled {
    let mode = args.number_to(0, 3)?;
    let frames = args.number_or(1, POWER_SAVING_FRAMES)?;
    if !(40..=65_000).contains(&frames) {
        return Err(CmeError::IncorrectParameters.into());
    }
    modem.set_power_saving(mode, frames);
    if mode > 1 {
        modem.ledger.unmodelled(&format!("AT+UPSV={mode}: sleep by RTS or DTR"), modem.now_ps);
    }
    ok()
}
