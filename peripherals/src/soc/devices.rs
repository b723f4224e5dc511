//! All peripherals of the chip, by type.

use serde::{Deserialize, Serialize};

use super::SocSettings;
use super::map::Id;
use crate::backup_sram::BackupSram;
use crate::crc::Crc;
use crate::dbgmcu::Dbgmcu;
use crate::device::{Device, Port};
use crate::dma::Dma;
use crate::exti::Exti;
use crate::flash::FlashController;
use crate::gpio::Gpio;
use crate::i2c::I2c;
use crate::iwdg::Iwdg;
use crate::named_block::{Block, NamedBlock};
use crate::otg_fs::OtgFs;
use crate::pwr::Pwr;
use crate::rcc::Rcc;
use crate::rng::Rng;
use crate::rtc::Rtc;
use crate::spi::Spi;
use crate::syscfg::Syscfg;
use crate::tim::{Instance, Timer};
use crate::usart::Usart;
use crate::wwdg::Wwdg;

/// The ports in order.
pub(super) const PORTS: [Port; 9] = [Port::A, Port::B, Port::C, Port::D, Port::E, Port::F, Port::G, Port::H, Port::I];

/// Everything but the DMA controllers, which reach into it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Devices {
    /// TIM1 to TIM14.
    pub tim: [Timer; 14],
    pub rtc: Rtc,
    pub wwdg: Wwdg,
    pub iwdg: Iwdg,
    /// USART1 to USART6 (4 and 5 are UARTs).
    pub usart: [Usart; 6],
    /// I2C1 to I2C3.
    pub i2c: [I2c; 3],
    /// SPI1 to SPI3.
    pub spi: [Spi; 3],
    pub pwr: Pwr,
    pub syscfg: Syscfg,
    pub exti: Exti,
    /// Ports A to I.
    pub gpio: [Gpio; 9],
    pub crc: Crc,
    pub rcc: Rcc,
    pub flash: FlashController,
    pub backup_sram: BackupSram,
    pub otg_fs: OtgFs,
    pub rng: Rng,
    pub dbgmcu: Dbgmcu,
    /// What is not modelled, in the order of [`Block::ALL`].
    pub blocks: [NamedBlock; 11],
}

impl Devices {
    pub(super) fn new(settings: &SocSettings) -> Self {
        Self {
            tim: Instance::ALL.map(Timer::new),
            rtc: Rtc::new(),
            wwdg: Wwdg::new(),
            iwdg: Iwdg::new(),
            usart: std::array::from_fn(|i| Usart::new(i as u8 + 1)),
            i2c: std::array::from_fn(|i| I2c::new(i as u8 + 1)),
            spi: std::array::from_fn(|i| Spi::new(i as u8 + 1)),
            pwr: Pwr::new(),
            syscfg: Syscfg::new(),
            exti: Exti::new(),
            gpio: PORTS.map(Gpio::new),
            crc: Crc::new(),
            rcc: Rcc::new(settings.clock),
            flash: FlashController::new(settings.unique_id),
            backup_sram: BackupSram::new(),
            otg_fs: OtgFs::new(),
            rng: Rng::new(),
            dbgmcu: Dbgmcu::new(),
            blocks: Block::ALL.map(NamedBlock::new),
        }
    }
}

macro_rules! dispatch {
    ($devices:expr, $id:expr, ($($borrow:tt)+), $dma1:expr, $dma2:expr) => {
        match $id {
            Id::Tim1 => $($borrow)+ $devices.tim[0],
            Id::Tim2 => $($borrow)+ $devices.tim[1],
            Id::Tim3 => $($borrow)+ $devices.tim[2],
            Id::Tim4 => $($borrow)+ $devices.tim[3],
            Id::Tim5 => $($borrow)+ $devices.tim[4],
            Id::Tim6 => $($borrow)+ $devices.tim[5],
            Id::Tim7 => $($borrow)+ $devices.tim[6],
            Id::Tim8 => $($borrow)+ $devices.tim[7],
            Id::Tim9 => $($borrow)+ $devices.tim[8],
            Id::Tim10 => $($borrow)+ $devices.tim[9],
            Id::Tim11 => $($borrow)+ $devices.tim[10],
            Id::Tim12 => $($borrow)+ $devices.tim[11],
            Id::Tim13 => $($borrow)+ $devices.tim[12],
            Id::Tim14 => $($borrow)+ $devices.tim[13],
            Id::Rtc => $($borrow)+ $devices.rtc,
            Id::Wwdg => $($borrow)+ $devices.wwdg,
            Id::Iwdg => $($borrow)+ $devices.iwdg,
            Id::Usart1 => $($borrow)+ $devices.usart[0],
            Id::Usart2 => $($borrow)+ $devices.usart[1],
            Id::Usart3 => $($borrow)+ $devices.usart[2],
            Id::Usart4 => $($borrow)+ $devices.usart[3],
            Id::Usart5 => $($borrow)+ $devices.usart[4],
            Id::Usart6 => $($borrow)+ $devices.usart[5],
            Id::I2c1 => $($borrow)+ $devices.i2c[0],
            Id::I2c2 => $($borrow)+ $devices.i2c[1],
            Id::I2c3 => $($borrow)+ $devices.i2c[2],
            Id::Pwr => $($borrow)+ $devices.pwr,
            Id::Syscfg => $($borrow)+ $devices.syscfg,
            Id::Exti => $($borrow)+ $devices.exti,
            Id::GpioA => $($borrow)+ $devices.gpio[0],
            Id::GpioB => $($borrow)+ $devices.gpio[1],
            Id::GpioC => $($borrow)+ $devices.gpio[2],
            Id::GpioD => $($borrow)+ $devices.gpio[3],
            Id::GpioE => $($borrow)+ $devices.gpio[4],
            Id::GpioF => $($borrow)+ $devices.gpio[5],
            Id::GpioG => $($borrow)+ $devices.gpio[6],
            Id::GpioH => $($borrow)+ $devices.gpio[7],
            Id::GpioI => $($borrow)+ $devices.gpio[8],
            Id::Crc => $($borrow)+ $devices.crc,
            Id::Rcc => $($borrow)+ $devices.rcc,
            Id::Flash => $($borrow)+ $devices.flash,
            Id::BackupSram => $($borrow)+ $devices.backup_sram,
            Id::Dma1 => $dma1,
            Id::Dma2 => $dma2,
            Id::OtgFs => $($borrow)+ $devices.otg_fs,
            Id::Rng => $($borrow)+ $devices.rng,
            Id::Dbgmcu => $($borrow)+ $devices.dbgmcu,
            Id::Spi1 => $($borrow)+ $devices.spi[0],
            Id::Spi2 => $($borrow)+ $devices.spi[1],
            Id::Spi3 => $($borrow)+ $devices.spi[2],
            Id::Adc => $($borrow)+ $devices.blocks[0],
            Id::Dac => $($borrow)+ $devices.blocks[1],
            Id::Can1 => $($borrow)+ $devices.blocks[2],
            Id::Can2 => $($borrow)+ $devices.blocks[3],
            Id::Sdio => $($borrow)+ $devices.blocks[4],
            Id::Fsmc => $($borrow)+ $devices.blocks[5],
            Id::Eth => $($borrow)+ $devices.blocks[6],
            Id::OtgHs => $($borrow)+ $devices.blocks[7],
            Id::Dcmi => $($borrow)+ $devices.blocks[8],
            Id::Cryp => $($borrow)+ $devices.blocks[9],
            Id::Hash => $($borrow)+ $devices.blocks[10],
        }
    };
}

/// The device with an id.
pub(super) fn device<'a>(dma: &'a [Dma; 2], devices: &'a Devices, id: Id) -> &'a dyn Device {
    dispatch!(devices, id, (&), &dma[0], &dma[1])
}

/// The device with an id.
pub(super) fn device_mut<'a>(dma: &'a mut [Dma; 2], devices: &'a mut Devices, id: Id) -> &'a mut dyn Device {
    dispatch!(devices, id, (&mut), &mut dma[0], &mut dma[1])
}

/// The device with an id as a DMA controller's peripheral port reaches it: not the controllers themselves.
pub(super) fn peripheral_mut(devices: &mut Devices, id: Id) -> Option<&mut dyn Device> {
    let device: &mut dyn Device = dispatch!(devices, id, (&mut), return None, return None);
    Some(device)
}

/// Timers TIM1 to TIM14 by index 0 to 13.
pub(super) const TIMERS: [Id; 14] = [
    Id::Tim1,
    Id::Tim2,
    Id::Tim3,
    Id::Tim4,
    Id::Tim5,
    Id::Tim6,
    Id::Tim7,
    Id::Tim8,
    Id::Tim9,
    Id::Tim10,
    Id::Tim11,
    Id::Tim12,
    Id::Tim13,
    Id::Tim14,
];

/// The timer's index (0 to 13) behind an id.
pub(super) fn timer_index(id: Id) -> Option<usize> {
    TIMERS.iter().position(|timer| *timer == id)
}

/// SPI1 to SPI3.
pub(super) const SPIS: [Id; 3] = [Id::Spi1, Id::Spi2, Id::Spi3];

/// The SPI's index (0 to 2) behind an id.
pub(super) fn spi_index(id: Id) -> Option<usize> {
    SPIS.iter().position(|spi| *spi == id)
}

/// The port behind an id.
pub(super) fn port_index(id: Id) -> Option<usize> {
    (id.index().checked_sub(Id::GpioA.index())).filter(|index| *index < PORTS.len())
}

/// The id of a port.
pub(super) fn port_id(index: usize) -> Id {
    const IDS: [Id; 9] =
        [Id::GpioA, Id::GpioB, Id::GpioC, Id::GpioD, Id::GpioE, Id::GpioF, Id::GpioG, Id::GpioH, Id::GpioI];
    IDS[index % IDS.len()]
}

/// The id of USART `number` (1 to 6).
pub(super) fn usart_id(number: u8) -> Option<Id> {
    const IDS: [Id; 6] = [Id::Usart1, Id::Usart2, Id::Usart3, Id::Usart4, Id::Usart5, Id::Usart6];
    IDS.get(usize::from(number).checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_leads_to_the_device_of_that_name() {
        let settings = SocSettings::default();
        let devices = Devices::new(&settings);
        let dma = [Dma::new(1), Dma::new(2)];
        for id in Id::all() {
            let name =
                device(&dma, &devices, id).name().to_uppercase().replace("UART", "USART").replace("SUSART", "SART");
            let name = name.replace(['_'], "").replace("BKPSRAM", "BACKUPSRAM");
            assert_eq!(name.replace("USUSART", "USART"), format!("{id:?}").to_uppercase());
        }
        for index in 0..9 {
            assert_eq!(port_index(port_id(index)), Some(index));
        }
        assert_eq!((port_index(Id::Crc), usart_id(0), usart_id(7)), (None, None, None));
    }
}
