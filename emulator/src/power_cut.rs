//! Power cuts while flash changes: one update over the air, with the boot loader's copy after it, cut short at any of
//! its program and erase operations. `examples/power_cuts.rs` does it by the hundred.
//!
//! An update runs once to see its operations ([`Update::course`]). A second pass stops at those that were chosen
//! ([`Update::visit`]), and from the snapshot there the power goes, in the middle of the operation or right after it, and
//! comes back ([`Cut::judge`]). What the device does then is the verdict.

mod verdict;

use lockstep_images::Image;
use lockstep_images::app_config::{self, AppConfig};
use lockstep_modem::network::service::ServerRequest;
use lockstep_peripherals::flash::{OperationKind, OperationStarted, sector_of};
use lockstep_peripherals::time::{PS_PER_MS, PS_PER_S};
use serde::Serialize;

use crate::electron::{DeviceSettings, electron};
use crate::machine::{Machine, MachineError, Snapshot};
use crate::observe::Stage;
use crate::{cloud, observe::Seen};

pub use verdict::{Cut, Runs, Variant, Verdict};

/// Our own application, as built.
const APP: &[u8] = include_bytes!("../../firmware-images/built/app.bin");
/// The application before the update, and the one it brings.
const OLD: u16 = 1;
const NEW: u16 = 2;
/// Virtual time a device gets to connect at the beginning.
const CONNECT_LIMIT_PS: u64 = 90 * PS_PER_S;
/// After that it subscribes and describes itself.
const DESCRIBES_PS: u64 = 5 * PS_PER_S;
/// Virtual time that the update and the copy get.
const UPDATE_LIMIT_PS: u64 = 300 * PS_PER_S;
/// Flash is watched for so long after the new application has begun.
const AFTERWARDS_PS: u64 = 5 * PS_PER_S;
/// Between two looks at what happened.
const LOOK_PS: u64 = 100 * PS_PER_MS;

/// Why an update cannot be cut.
#[derive(Debug, thiserror::Error)]
pub enum PowerCutError {
    /// The vendor's images.
    #[error(transparent)]
    Image(#[from] lockstep_images::ImageError),
    /// Their place in flash.
    #[error(transparent)]
    Place(#[from] lockstep_images::PlaceError),
    /// Our application.
    #[error(transparent)]
    Application(#[from] app_config::AppConfigError),
    /// The device's keys.
    #[error("the device cannot be set up: {0}")]
    Provisioning(String),
    /// The machine.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// It does not get online.
    #[error("{firmware} does not connect within {} s", CONNECT_LIMIT_PS / PS_PER_S)]
    Offline {
        /// Its version.
        firmware: String,
    },
    /// It does not take the update even without a power cut.
    #[error("{firmware} does not run the new application {} s after the update was asked for", UPDATE_LIMIT_PS / PS_PER_S)]
    NotUpdated {
        /// Its version.
        firmware: String,
    },
    /// The second pass is not as the first: a defect of Lockstep.
    #[error(
        "flash operation {index} is another one in the second pass; this is a defect of Lockstep: please report it with firmware, seed and cut"
    )]
    Diverged {
        /// Which.
        index: usize,
    },
}

/// Whose code it is that changes flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Programmer {
    /// The boot loader's.
    BootLoader,
    /// The system's.
    System,
}

/// What a sector of an Electron's flash is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The boot loader.
    BootLoader,
    /// The configuration table, two sectors in turn.
    ConfigurationTable,
    /// Emulated EEPROM.
    Eeprom,
    /// System parts.
    System,
    /// The application.
    Application,
    /// The factory application.
    Factory,
    /// Where an update is put until the boot loader copies it.
    Staging,
}

impl Place {
    fn of(offset: u32) -> Self {
        match sector_of(offset).map(|sector| sector.number) {
            Some(0) => Self::BootLoader,
            Some(1 | 2) => Self::ConfigurationTable,
            Some(3 | 4) => Self::Eeprom,
            Some(8) => Self::Application,
            Some(9) => Self::Factory,
            Some(10 | 11) => Self::Staging,
            _ => Self::System,
        }
    }
}

/// One operation on flash in the course of the update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Operation {
    /// What and when.
    #[serde(flatten)]
    pub started: OperationStarted,
    /// Who.
    pub by: Programmer,
    /// Where.
    pub place: Place,
}

/// A device with an update under way, at the moment at which that was asked for.
pub struct Update {
    firmware: String,
    snapshot: Snapshot,
    new: Vec<u8>,
    old: Vec<u8>,
}

impl Update {
    /// A device with this vendor set that has connected and is now offered another version of our application, of
    /// `image_bytes` bytes.
    pub fn offered(firmware: &str, image_bytes: usize, seed: u64) -> Result<Self, PowerCutError> {
        let application = |version| {
            let config = AppConfig { version, ..AppConfig::default() };
            app_config::pad(&app_config::configure(APP, &config)?, image_bytes)
        };
        let (old, new) = (application(OLD)?, application(NEW)?);
        let image = Image::parse("the old application", &old, None)?;
        let mut flash = lockstep_images::load_set(firmware)?.flash_with(&[image])?;
        cloud::provision(&mut flash).map_err(|error| PowerCutError::Provisioning(error.to_string()))?;
        let settings = DeviceSettings { seed, cloud: true, ..DeviceSettings::default() };
        let mut machine = electron(flash.into_bytes(), &settings)?;
        while machine.observer.stage(Stage::CloudConnected).is_none() {
            machine.run_until_ps(machine.now().time_ps + PS_PER_S)?;
            machine.observer.take_seen();
            if machine.now().time_ps > CONNECT_LIMIT_PS {
                return Err(PowerCutError::Offline { firmware: firmware.to_owned() });
            }
        }
        machine.run_until_ps(machine.now().time_ps + DESCRIBES_PS)?;
        let now_ps = machine.now().time_ps;
        let offline = || PowerCutError::Offline { firmware: firmware.to_owned() };
        let service = machine.world.state.electron.modem.network().service_mut().ok_or_else(offline)?;
        let device = *service.devices().keys().next().ok_or_else(offline)?;
        let request = ServerRequest::Update { image: new.clone() };
        service.ask(now_ps, device, request).map_err(|error| PowerCutError::Provisioning(error.to_string()))?;
        Ok(Self { firmware: firmware.to_owned(), snapshot: machine.snapshot(), new, old })
    }

    /// All operations on flash until the new application runs, and a little longer, without a power cut.
    pub fn course(&self) -> Result<Vec<Operation>, PowerCutError> {
        let mut machine = Machine::restore(&self.snapshot, false)?;
        let mut operations = Vec::new();
        let mut text = String::new();
        let mut end_ps = None;
        let says = format!("lockstep-app {NEW} loop ");
        let first = begun(&machine);
        while end_ps.is_none_or(|end_ps| machine.now().time_ps < end_ps) {
            let count = first + operations.len() as u64;
            machine.run_until_flash_operation(count + 1, machine.now().time_ps + LOOK_PS)?;
            if begun(&machine) > count
                && let Some(operation) = last_operation(&machine)
            {
                operations.push(operation);
            }
            text.extend(machine.observer.take_seen().iter().filter_map(written));
            if end_ps.is_none() && text.contains(&says) {
                end_ps = Some(machine.now().time_ps + AFTERWARDS_PS);
            }
            if machine.now().time_ps > self.snapshot_ps() + UPDATE_LIMIT_PS {
                return Err(PowerCutError::NotUpdated { firmware: self.firmware.clone() });
            }
        }
        Ok(operations)
    }

    /// Runs the same course again and hands out the device as it is when each of the chosen operations, given in order,
    /// has just begun. Ends early when `hand_out` gives `false`.
    pub fn visit(
        &self,
        course: &[Operation],
        chosen: &[usize],
        mut hand_out: impl FnMut(Cut) -> bool,
    ) -> Result<(), PowerCutError> {
        let mut machine = Machine::restore(&self.snapshot, false)?;
        let first = begun(&machine);
        for &index in chosen {
            let Some(operation) = course.get(index) else { continue };
            machine.run_until_flash_operation(first + index as u64 + 1, operation.started.start_ps + PS_PER_S)?;
            machine.observer.take_seen();
            if last_operation(&machine) != Some(*operation) {
                return Err(PowerCutError::Diverged { index });
            }
            if !hand_out(Cut { index, operation: *operation, snapshot: machine.snapshot() }) {
                break;
            }
        }
        Ok(())
    }

    fn snapshot_ps(&self) -> u64 {
        self.snapshot.world.clock.at(self.snapshot.cycles).time_ps
    }
}

/// Which operations to cut at: every erase, each `every`-th of the program operations, and the first and the last of
/// those that fill flash one after the other.
pub fn choose(course: &[Operation], every: usize) -> Vec<usize> {
    let follows = |at: usize| {
        let (Some(before), Some(this)) = (at.checked_sub(1).and_then(|before| course.get(before)), course.get(at))
        else {
            return false;
        };
        let end = before.started.offset + before.started.length;
        before.started.kind == this.started.kind && before.by == this.by && this.started.offset == end
    };
    let is_chosen = |(index, operation): &(usize, &Operation)| {
        operation.started.kind == OperationKind::Erase
            || index % every.max(1) == 0
            || !follows(*index)
            || !follows(index + 1)
    };
    course.iter().enumerate().filter(is_chosen).map(|(index, _)| index).collect()
}

/// Operations begun so far.
fn begun(machine: &Machine) -> u64 {
    machine.world.state.soc.devices().flash.operations()
}

/// The operation that has just begun.
fn last_operation(machine: &Machine) -> Option<Operation> {
    let started = machine.world.state.soc.devices().flash.last_operation()?;
    let by = match machine.registers().pc {
        0..0x2_0000 | 0x0800_0000..0x0802_0000 => Programmer::BootLoader,
        _ => Programmer::System,
    };
    Some(Operation { started, by, place: Place::of(started.offset) })
}

/// A character of Serial1.
fn written(seen: &Seen) -> Option<char> {
    match seen {
        Seen::Serial { usart: 1, byte, .. } => Some(char::from(*byte)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(kind: OperationKind, offset: u32, by: Programmer) -> Operation {
        let length = if kind == OperationKind::Erase { 0x2_0000 } else { 4 };
        Operation {
            started: OperationStarted { kind, offset, length, start_ps: 0, end_ps: 1 },
            by,
            place: Place::of(offset),
        }
    }

    #[test]
    fn erases_and_the_ends_of_what_is_filled_are_always_chosen() {
        let mut course = vec![operation(OperationKind::Erase, 0xc_0000, Programmer::System)];
        course.extend((0..100).map(|word| operation(OperationKind::Program, 0xc_0000 + 4 * word, Programmer::System)));
        course.push(operation(OperationKind::Program, 0x4000, Programmer::System));
        course.push(operation(OperationKind::Erase, 0x8_0000, Programmer::BootLoader));
        assert_eq!(choose(&course, 40), [0, 1, 40, 80, 100, 101, 102]);
        assert_eq!(choose(&course, 1).len(), course.len());
        assert!(choose(&[], 64).is_empty());
    }

    #[test]
    fn places_are_those_of_the_electron() {
        let of = |address: u32| Place::of(address - 0x0800_0000);
        assert_eq!(of(0x0800_4000), Place::ConfigurationTable);
        assert_eq!(of(0x0804_0000), Place::System);
        assert_eq!((of(0x0808_0000), of(0x080c_0000)), (Place::Application, Place::Staging));
    }
}
