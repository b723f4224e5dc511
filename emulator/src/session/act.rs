//! Actions, done to a machine.

use lockstep_modem::events::{Event, When};
use lockstep_modem::network::Outage;

use super::timeline::Planned;
use crate::machine::Machine;
use crate::scenario::{Action, CardAction};
use crate::setup::{Parts, SetupError, settings};

/// Does what a step says, now. Gives the time at which the MODE button is let go, if it is pressed.
pub fn act(machine: &mut Machine, planned: &Planned) -> Result<Option<u64>, SetupError> {
    let now_ps = machine.now().time_ps;
    match &planned.step.action {
        Action::PressMode { for_ps } => {
            machine.press_mode();
            return Ok(Some(now_ps.saturating_add(*for_ps)));
        }
        Action::Reset => machine.tap_reset(),
        Action::PowerCut { for_ps } => machine.power_cut(*for_ps),
        Action::Cloud(_) => command(machine, planned, now_ps)?,
        Action::Modem(event) => {
            let mut event = event.clone();
            event.when.from_ps = event.when.from_ps.max(now_ps);
            machine.world.state.electron.modem.plan_event(now_ps, event);
        }
        Action::ModemNow(what) => {
            let event = Event { what: what.clone(), when: When { from_ps: now_ps, occasion: None } };
            machine.world.state.electron.modem.plan_event(now_ps, event);
        }
        Action::Outage { for_ps } => {
            let outage = Outage { from_ps: now_ps, to_ps: now_ps.saturating_add(*for_ps) };
            machine.world.state.electron.modem.network().link_mut().outages.push(outage);
        }
        Action::Hold { from_modem, for_ps } => {
            machine.world.state.electron.modem.network().hold(*from_modem, now_ps.saturating_add(*for_ps));
        }
        Action::Card(action) => {
            let number = planned.step.number;
            let missing = || SetupError::Usage(format!("step {number}: there is no SD card; give board.sd one"));
            machine
                .with_sd_slot(|slot, now_ps, decisions| match *action {
                    CardAction::Insert(is_inserted) => slot.insert(is_inserted, now_ps, decisions),
                    CardAction::Fault(fault) => slot.set_fault(fault),
                })
                .ok_or_else(missing)?;
        }
        Action::Set(setting) => {
            let modem = &mut machine.world.state.electron.modem;
            let config = modem.config().clone();
            let link = modem.network().link_mut().clone();
            let mut parts = Parts { modem: config, link, ..Parts::default() };
            settings::apply(&mut parts, std::slice::from_ref(setting))?;
            modem.retune(parts.modem.timing, parts.modem.behaviour);
            *modem.network().link_mut() = parts.link;
        }
    }
    Ok(None)
}

fn command(machine: &mut Machine, planned: &Planned, now_ps: u64) -> Result<(), SetupError> {
    let Some(command) = &planned.command else { return Ok(()) };
    let text = &command.text;
    let network = machine.world.state.electron.modem.network();
    let Some(service) = network.service_mut() else {
        let text = format!("step {}: {text}: there is no device service; [device] cloud = true", planned.step.number);
        return Err(SetupError::Usage(text));
    };
    let mut command = command.clone();
    command.at_ps = now_ps;
    service.command(command).map_err(|error| SetupError::Usage(format!("step {}: {error}", planned.step.number)))?;
    Ok(())
}
