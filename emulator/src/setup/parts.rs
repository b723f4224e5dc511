//! Everything that `--set` can choose, and the machine made of it.

use crate::Machine;
use crate::electron::{DeviceSettings, electron};
use lockstep_modem::ModemConfig;
use lockstep_modem::network::LinkConfig;
use lockstep_modem::network::service::UpdateSettings;
use lockstep_peripherals::board::bq24195::PowerSource;
use lockstep_peripherals::board::sd_card::SdConfig;
use lockstep_peripherals::board::{Max17043, Part, SdPins, SdSlot, Watchdog, WatchdogConfig};
use lockstep_peripherals::soc::SocSettings;
use lockstep_peripherals::{Pin, Port};

use super::SetupError;
use super::card::CardSource;
use super::files::Files;

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
    /// An SD card.
    pub sd: Option<CardSource>,
    /// Where its socket is wired to.
    pub sd_pins: SdPins,
}

/// The Electron's pins that its documentation calls SPI: A2 to A5.
const SPI_PINS: SdPins = SdPins {
    select: Pin::new(Port::C, 2),
    sck: Pin::new(Port::A, 5),
    miso: Pin::new(Port::A, 6),
    mosi: Pin::new(Port::A, 7),
};

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
            sd: None,
            sd_pins: SPI_PINS,
        }
    }
}

impl Parts {
    /// A device of these parts at power-on; the content of its SD card is one of `files`.
    pub fn machine(
        self,
        flash: Vec<u8>,
        seed: u64,
        semihosting: bool,
        cloud: bool,
        files: &mut dyn Files,
    ) -> Result<Machine, SetupError> {
        let Self { soc, modem, link, update, .. } = self;
        let settings = DeviceSettings { soc, modem, link, seed, semihosting, cloud, update };
        let mut machine = electron(flash, &settings)?;
        let board = &mut machine.world.state.electron;
        board.gauge = Max17043::new(self.battery_mv, self.charge_percent);
        board.pmic.set_power_source(self.power_source);
        board.watchdog = self.watchdog.map(Watchdog::new);
        if let Some(source) = &self.sd {
            let slot = SdSlot::new(self.sd_pins, SdConfig::default(), source.image(files)?);
            board.parts.push(Part::SdSlot(Box::new(slot)));
        }
        Ok(machine)
    }
}
