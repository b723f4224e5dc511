//! Everything that `--set` can choose, and the machine made of it.

use crate::Machine;
use crate::electron::{DeviceSettings, electron};
use lockstep_modem::ModemConfig;
use lockstep_modem::network::LinkConfig;
use lockstep_modem::network::service::UpdateSettings;
use lockstep_peripherals::board::bq24195::PowerSource;
use lockstep_peripherals::board::{Max17043, Watchdog, WatchdogConfig};
use lockstep_peripherals::soc::SocSettings;

use super::SetupError;

/// Everything that `--set` can choose.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The modem.
    pub modem: ModemConfig,
    /// The link behind it.
    pub link: LinkConfig,
    /// How the device service sends updates.
    pub update: UpdateSettings,
    /// The chip.
    pub soc: SocSettings,
    /// Battery voltage in millivolts.
    pub battery_mv: u32,
    /// Charge of the battery in percent.
    pub charge_percent: u8,
    /// What feeds the charger.
    pub power_source: PowerSource,
    /// A watchdog on the reset pin.
    pub watchdog: Option<WatchdogConfig>,
}

impl Default for Parts {
    fn default() -> Self {
        Self {
            modem: ModemConfig::default(),
            link: LinkConfig::default(),
            update: UpdateSettings::default(),
            soc: SocSettings::default(),
            battery_mv: 4_000,
            charge_percent: 85,
            power_source: PowerSource::UsbHost,
            watchdog: None,
        }
    }
}

impl Parts {
    /// A device of these parts at power-on.
    pub fn machine(self, flash: Vec<u8>, seed: u64, semihosting: bool, cloud: bool) -> Result<Machine, SetupError> {
        let Self { soc, modem, link, update, .. } = self;
        let settings = DeviceSettings { soc, modem, link, seed, semihosting, cloud, update };
        let mut machine = electron(flash, &settings)?;
        let board = &mut machine.world.state.electron;
        board.gauge = Max17043::new(self.battery_mv, self.charge_percent);
        board.pmic.set_power_source(self.power_source);
        board.watchdog = self.watchdog.map(Watchdog::new);
        Ok(machine)
    }
}
