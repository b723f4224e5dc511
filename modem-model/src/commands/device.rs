//! Identity, power, and the line's settings.

use lockstep_traces::Decisions;

use super::{Args, Handled, line, ok};
use crate::errors::CmeError;
use crate::execution::Afterwards;
use crate::grammar::Form;
use crate::modem::Modem;
use crate::nvm::{RADIO_DUAL, RADIO_GSM, RADIO_UTRAN};

/// Rates `AT+IPR` takes; 0 is autobauding.
const RATES_HZ: [u32; 10] = [0, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800];
/// What only the SARA-U2 takes beyond; clients for the SARA-U201 work at it.
const FAST_RATE_HZ: u32 = 921_600;

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
        ("+IPR", Form::Test) => {
            let fast = if modem.config.model.has_utran() { ",921600" } else { "" };
            line(format!("+IPR: (0,2400,4800,9600,19200,38400,57600,115200,230400,460800{fast}),()"))
        }
        ("+UPSV", Form::Read) => power_saving_read(modem),
        ("+UPSV", Form::Test) => {
            let modes = if modem.config.model.has_utran() { "0-3" } else { "0-2" };
            line(format!("+UPSV: ({modes}),(40-65000)"))
        }
        ("+UPSV", Form::Set(params)) => power_saving(modem, Args(params)),
        ("+IFC", Form::Read) => line(if modem.profile.flow_control { "+IFC: 2,2" } else { "+IFC: 0,0" }),
        ("+IFC", Form::Test) => line("+IFC: (0,2),(0,2)"),
        ("+IFC", Form::Set(params)) => interface_flow(modem, Args(params)),
        ("+URAT", Form::Read) => match modem.radio() {
            (selected, Some(preferred)) => line(format!("+URAT: {selected},{preferred}")),
            (selected, None) => line(format!("+URAT: {selected}")),
        },
        ("+URAT", Form::Test) => line(if modem.config.model.has_utran() { "+URAT: (0-2),(0,2)" } else { "+URAT: (0)" }),
        ("+URAT", Form::Set(params)) => radio(modem, Args(params), decisions),
        ("+UBANDSEL", Form::Read) => line(format!("+UBANDSEL: {}", join(modem.bands()))),
        ("+UBANDSEL", Form::Test) => line(format!("+UBANDSEL: (0,{})", join(modem.config.model.bands()))),
        ("+UBANDSEL", Form::Set(params)) => bands(modem, Args(params), decisions),
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
                modem.execution.afterwards = Some(Afterwards::Reboot { with_sim: false });
            }
        }
        15 | 16 => modem.execution.afterwards = Some(Afterwards::Reboot { with_sim: args.number(0)? == 16 }),
        other => {
            modem.ledger.unmodelled(&format!("AT+CFUN={other}"), modem.now_ps);
            return Err(CmeError::OperationNotSupported.into());
        }
    }
    ok()
}

fn join(numbers: &[u32]) -> String {
    numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}

/// `AT+IFC=dte,dce`: none both ways, or RTS and CTS both ways; one-sided control is refused.
fn interface_flow(modem: &mut Modem, args: Args<'_>) -> Handled {
    let by_dce = args.number(0)?;
    modem.profile.flow_control = match (by_dce, args.number_or(1, by_dce)?) {
        (0, 0) => false,
        (2, 2) => true,
        _ => {
            modem.ledger.unmodelled("AT+IFC: one-sided or XON/XOFF", modem.now_ps);
            return Err(CmeError::OperationNotSupported.into());
        }
    };
    modem.profile_changed();
    ok()
}

/// `AT+URAT=selected[,preferred]`: takes effect at once, with a new search.
fn radio(modem: &mut Modem, args: Args<'_>, decisions: &mut Decisions) -> Handled {
    let selected = args.number_to(0, RADIO_UTRAN)?;
    if !modem.config.model.has_utran() {
        return if selected == RADIO_GSM { ok() } else { Err(CmeError::IncorrectParameters.into()) };
    }
    let preferred = match args.number_or(1, RADIO_UTRAN)? {
        preferred @ (RADIO_GSM | RADIO_UTRAN) => (selected == RADIO_DUAL).then_some(preferred),
        _ => return Err(CmeError::IncorrectParameters.into()),
    };
    let before = modem.is_on_utran();
    modem.nvm.radio = Some((selected, preferred));
    if modem.is_on_utran() != before {
        modem.begin_search(decisions);
    }
    ok()
}

/// `AT+UBANDSEL=band[,…]`; 0 is all. The network of the model has every band, so a change means a new search only.
fn bands(modem: &mut Modem, args: Args<'_>, decisions: &mut Decisions) -> Handled {
    let all = modem.config.model.bands();
    let wanted = (0..args.len()).map(|index| args.number(index)).collect::<Result<Vec<_>, _>>()?;
    let bands: Vec<u32> = match wanted.as_slice() {
        [0] => all.to_vec(),
        some if some.iter().all(|band| all.contains(band)) => some.to_vec(),
        _ => return Err(CmeError::IncorrectParameters.into()),
    };
    if bands != modem.bands() {
        modem.nvm.bands = bands;
        modem.begin_search(decisions);
    }
    ok()
}

fn rate(modem: &mut Modem, args: Args<'_>) -> Handled {
    let rate_hz = args.number(0)?;
    let is_fast = rate_hz == FAST_RATE_HZ && modem.config.model.has_utran();
    if !RATES_HZ.contains(&rate_hz) && !is_fast {
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
    match mode {
        // Needs RTS for itself (UBX-13000995, 1.9.1.4).
        2 if modem.profile.flow_control => return Err(CmeError::OperationNotAllowed.into()),
        3 if !modem.config.model.has_utran() => return Err(CmeError::IncorrectParameters.into()),
        _ => modem.set_power_saving(mode, frames),
    }
    ok()
}
