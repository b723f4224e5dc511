//! Where each peripheral is: address, bus, clock enable and reset bits (RM0033 table 1 and 5.3).

use serde::{Deserialize, Serialize};

use crate::rcc::BusBits;

/// A peripheral of the chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
#[repr(u8)]
pub enum Id {
    Tim2,
    Tim3,
    Tim4,
    Tim5,
    Tim6,
    Tim7,
    Tim12,
    Tim13,
    Tim14,
    Rtc,
    Wwdg,
    Iwdg,
    Spi2,
    Spi3,
    Usart2,
    Usart3,
    Usart4,
    Usart5,
    I2c1,
    I2c2,
    I2c3,
    Can1,
    Can2,
    Pwr,
    Dac,
    Tim1,
    Tim8,
    Usart1,
    Usart6,
    Adc,
    Sdio,
    Spi1,
    Syscfg,
    Exti,
    Tim9,
    Tim10,
    Tim11,
    GpioA,
    GpioB,
    GpioC,
    GpioD,
    GpioE,
    GpioF,
    GpioG,
    GpioH,
    GpioI,
    Crc,
    Rcc,
    Flash,
    BackupSram,
    Dma1,
    Dma2,
    Eth,
    OtgHs,
    OtgFs,
    Dcmi,
    Cryp,
    Hash,
    Rng,
    Fsmc,
    Dbgmcu,
}

impl Id {
    /// Reading any register leaves the device, its lines and its next event as they are. Worth knowing because
    /// firmware polls these.
    pub(super) fn reads_change_nothing(self) -> bool {
        use Id::*;
        matches!(
            self,
            Rcc | GpioA | GpioB | GpioC | GpioD | GpioE | GpioF | GpioG | GpioH | GpioI | Syscfg | Exti | Crc | Pwr
        )
    }

    /// How many there are.
    pub const COUNT: usize = PLACES.len();

    /// All of them, in the order of the enumeration.
    pub fn all() -> impl Iterator<Item = Self> {
        PLACES.iter().map(|place| place.id)
    }

    /// Its index, for tables by peripheral.
    pub(super) const fn index(self) -> usize {
        self as usize
    }

    /// Its bit in a [`Set`].
    pub(super) const fn bit(self) -> Set {
        1 << self as u32
    }

    /// Where it is.
    pub fn place(self) -> &'static Place {
        &PLACES[self.index()]
    }
}

/// A set of peripherals, bit per [`Id`].
pub(super) type Set = u64;

/// What a narrow store becomes on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bus {
    /// The bridge duplicates narrow data over the whole word (RM0033 2.1).
    Apb,
    /// Byte lanes.
    Ahb,
}

/// Bits of one word of [`BusBits`].
#[derive(Clone, Copy, Debug)]
pub struct Bits {
    word: usize,
    mask: u32,
}

impl Bits {
    /// Whether any of them is set.
    fn any_in(self, bits: &BusBits) -> bool {
        bits[self.word] & self.mask != 0
    }
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Which peripheral.
    pub id: Id,
    /// Its first address.
    pub base: u32,
    /// Bytes.
    pub size: u32,
    /// Its bus.
    pub bus: Bus,
    /// Clock enable bits; none: always clocked.
    pub enable: Option<Bits>,
    /// Reset bits; none: no reset of its own.
    pub reset: Option<Bits>,
}

const AHB1: usize = 0;
const AHB2: usize = 1;
const AHB3: usize = 2;
const APB1: usize = 3;
const APB2: usize = 4;
const NONE: Option<Bits> = None;

const fn bits(word: usize, mask: u32) -> Option<Bits> {
    Some(Bits { word, mask })
}

const fn bit(word: usize, number: u32) -> Option<Bits> {
    bits(word, 1 << number)
}

const fn place(id: Id, base: u32, size: u32, bus: Bus, enable: Option<Bits>, reset: Option<Bits>) -> Place {
    Place { id, base, size, bus, enable, reset }
}

/// The table, in the order of [`Id`]. EXTI has no enable bit; RTC and IWDG are in the backup and VDD domains; the three
/// ADCs are one block here.
pub const PLACES: &[Place] = &[
    place(Id::Tim2, 0x4000_0000, 0x400, Bus::Apb, bit(APB1, 0), bit(APB1, 0)),
    place(Id::Tim3, 0x4000_0400, 0x400, Bus::Apb, bit(APB1, 1), bit(APB1, 1)),
    place(Id::Tim4, 0x4000_0800, 0x400, Bus::Apb, bit(APB1, 2), bit(APB1, 2)),
    place(Id::Tim5, 0x4000_0c00, 0x400, Bus::Apb, bit(APB1, 3), bit(APB1, 3)),
    place(Id::Tim6, 0x4000_1000, 0x400, Bus::Apb, bit(APB1, 4), bit(APB1, 4)),
    place(Id::Tim7, 0x4000_1400, 0x400, Bus::Apb, bit(APB1, 5), bit(APB1, 5)),
    place(Id::Tim12, 0x4000_1800, 0x400, Bus::Apb, bit(APB1, 6), bit(APB1, 6)),
    place(Id::Tim13, 0x4000_1c00, 0x400, Bus::Apb, bit(APB1, 7), bit(APB1, 7)),
    place(Id::Tim14, 0x4000_2000, 0x400, Bus::Apb, bit(APB1, 8), bit(APB1, 8)),
    place(Id::Rtc, 0x4000_2800, 0x400, Bus::Apb, NONE, NONE),
    place(Id::Wwdg, 0x4000_2c00, 0x400, Bus::Apb, bit(APB1, 11), bit(APB1, 11)),
    place(Id::Iwdg, 0x4000_3000, 0x400, Bus::Apb, NONE, NONE),
    place(Id::Spi2, 0x4000_3800, 0x400, Bus::Apb, bit(APB1, 14), bit(APB1, 14)),
    place(Id::Spi3, 0x4000_3c00, 0x400, Bus::Apb, bit(APB1, 15), bit(APB1, 15)),
    place(Id::Usart2, 0x4000_4400, 0x400, Bus::Apb, bit(APB1, 17), bit(APB1, 17)),
    place(Id::Usart3, 0x4000_4800, 0x400, Bus::Apb, bit(APB1, 18), bit(APB1, 18)),
    place(Id::Usart4, 0x4000_4c00, 0x400, Bus::Apb, bit(APB1, 19), bit(APB1, 19)),
    place(Id::Usart5, 0x4000_5000, 0x400, Bus::Apb, bit(APB1, 20), bit(APB1, 20)),
    place(Id::I2c1, 0x4000_5400, 0x400, Bus::Apb, bit(APB1, 21), bit(APB1, 21)),
    place(Id::I2c2, 0x4000_5800, 0x400, Bus::Apb, bit(APB1, 22), bit(APB1, 22)),
    place(Id::I2c3, 0x4000_5c00, 0x400, Bus::Apb, bit(APB1, 23), bit(APB1, 23)),
    place(Id::Can1, 0x4000_6400, 0x400, Bus::Apb, bit(APB1, 25), bit(APB1, 25)),
    place(Id::Can2, 0x4000_6800, 0x400, Bus::Apb, bit(APB1, 26), bit(APB1, 26)),
    place(Id::Pwr, 0x4000_7000, 0x400, Bus::Apb, bit(APB1, 28), bit(APB1, 28)),
    place(Id::Dac, 0x4000_7400, 0x400, Bus::Apb, bit(APB1, 29), bit(APB1, 29)),
    place(Id::Tim1, 0x4001_0000, 0x400, Bus::Apb, bit(APB2, 0), bit(APB2, 0)),
    place(Id::Tim8, 0x4001_0400, 0x400, Bus::Apb, bit(APB2, 1), bit(APB2, 1)),
    place(Id::Usart1, 0x4001_1000, 0x400, Bus::Apb, bit(APB2, 4), bit(APB2, 4)),
    place(Id::Usart6, 0x4001_1400, 0x400, Bus::Apb, bit(APB2, 5), bit(APB2, 5)),
    place(Id::Adc, 0x4001_2000, 0x400, Bus::Apb, bits(APB2, 0x700), bit(APB2, 8)),
    place(Id::Sdio, 0x4001_2c00, 0x400, Bus::Apb, bit(APB2, 11), bit(APB2, 11)),
    place(Id::Spi1, 0x4001_3000, 0x400, Bus::Apb, bit(APB2, 12), bit(APB2, 12)),
    place(Id::Syscfg, 0x4001_3800, 0x400, Bus::Apb, bit(APB2, 14), bit(APB2, 14)),
    place(Id::Exti, 0x4001_3c00, 0x400, Bus::Apb, NONE, NONE),
    place(Id::Tim9, 0x4001_4000, 0x400, Bus::Apb, bit(APB2, 16), bit(APB2, 16)),
    place(Id::Tim10, 0x4001_4400, 0x400, Bus::Apb, bit(APB2, 17), bit(APB2, 17)),
    place(Id::Tim11, 0x4001_4800, 0x400, Bus::Apb, bit(APB2, 18), bit(APB2, 18)),
    place(Id::GpioA, 0x4002_0000, 0x400, Bus::Ahb, bit(AHB1, 0), bit(AHB1, 0)),
    place(Id::GpioB, 0x4002_0400, 0x400, Bus::Ahb, bit(AHB1, 1), bit(AHB1, 1)),
    place(Id::GpioC, 0x4002_0800, 0x400, Bus::Ahb, bit(AHB1, 2), bit(AHB1, 2)),
    place(Id::GpioD, 0x4002_0c00, 0x400, Bus::Ahb, bit(AHB1, 3), bit(AHB1, 3)),
    place(Id::GpioE, 0x4002_1000, 0x400, Bus::Ahb, bit(AHB1, 4), bit(AHB1, 4)),
    place(Id::GpioF, 0x4002_1400, 0x400, Bus::Ahb, bit(AHB1, 5), bit(AHB1, 5)),
    place(Id::GpioG, 0x4002_1800, 0x400, Bus::Ahb, bit(AHB1, 6), bit(AHB1, 6)),
    place(Id::GpioH, 0x4002_1c00, 0x400, Bus::Ahb, bit(AHB1, 7), bit(AHB1, 7)),
    place(Id::GpioI, 0x4002_2000, 0x400, Bus::Ahb, bit(AHB1, 8), bit(AHB1, 8)),
    place(Id::Crc, 0x4002_3000, 0x400, Bus::Ahb, bit(AHB1, 12), bit(AHB1, 12)),
    place(Id::Rcc, 0x4002_3800, 0x400, Bus::Ahb, NONE, NONE),
    place(Id::Flash, 0x4002_3c00, 0x400, Bus::Ahb, NONE, NONE),
    place(Id::BackupSram, 0x4002_4000, 0x1000, Bus::Ahb, bit(AHB1, 18), NONE),
    place(Id::Dma1, 0x4002_6000, 0x400, Bus::Ahb, bit(AHB1, 21), bit(AHB1, 21)),
    place(Id::Dma2, 0x4002_6400, 0x400, Bus::Ahb, bit(AHB1, 22), bit(AHB1, 22)),
    place(Id::Eth, 0x4002_8000, 0x1400, Bus::Ahb, bit(AHB1, 25), bit(AHB1, 25)),
    place(Id::OtgHs, 0x4004_0000, 0x40000, Bus::Ahb, bit(AHB1, 29), bit(AHB1, 29)),
    place(Id::OtgFs, 0x5000_0000, 0x40000, Bus::Ahb, bit(AHB2, 7), bit(AHB2, 7)),
    place(Id::Dcmi, 0x5005_0000, 0x400, Bus::Ahb, bit(AHB2, 0), bit(AHB2, 0)),
    place(Id::Cryp, 0x5006_0000, 0x400, Bus::Ahb, bit(AHB2, 4), bit(AHB2, 4)),
    place(Id::Hash, 0x5006_0400, 0x400, Bus::Ahb, bit(AHB2, 5), bit(AHB2, 5)),
    place(Id::Rng, 0x5006_0800, 0x400, Bus::Ahb, bit(AHB2, 6), bit(AHB2, 6)),
    place(Id::Fsmc, 0xa000_0000, 0x1000, Bus::Ahb, bit(AHB3, 0), bit(AHB3, 0)),
    place(Id::Dbgmcu, 0xe004_2000, 0x400, Bus::Ahb, NONE, NONE),
];

/// Peripherals whose clock is on.
pub(super) fn enabled(bits: &BusBits) -> Set {
    collect(|place| place.enable.is_none_or(|enable| enable.any_in(bits)))
}

/// Peripherals held in reset.
pub(super) fn in_reset(bits: &BusBits) -> Set {
    collect(|place| place.reset.is_some_and(|reset| reset.any_in(bits)))
}

fn collect(want: impl Fn(&Place) -> bool) -> Set {
    PLACES.iter().filter(|place| want(place)).fold(0, |set, place| set | place.id.bit())
}

const _: () = {
    assert!(PLACES.len() <= Set::BITS as usize);
    let mut i = 0;
    while i < PLACES.len() {
        assert!(PLACES[i].id as usize == i, "the table is in the order of Id");
        i += 1;
    }
};

/// Nothing at this kilobyte.
const NOTHING: u8 = u8::MAX;

/// For each kilobyte from 0x4000_0000 to 0x4007_FFFF the peripheral there.
const LOW: [u8; 512] = page_map(0x4000_0000);
/// For each kilobyte from 0x5000_0000 to 0x5007_FFFF likewise.
const HIGH: [u8; 512] = page_map(0x5000_0000);

const fn page_map(base: u32) -> [u8; 512] {
    let mut map = [NOTHING; 512];
    let mut i = 0;
    while i < PLACES.len() {
        let place = &PLACES[i];
        let mut address = place.base;
        while address - place.base < place.size {
            let page = address.wrapping_sub(base) as usize / 0x400;
            if page < map.len() {
                assert!(map[page] == NOTHING, "two peripherals at one address");
                map[page] = i as u8;
            }
            address += 0x400;
        }
        i += 1;
    }
    map
}

/// The peripheral at an address; `None` where the map is reserved.
pub fn at(address: u32) -> Option<Id> {
    let page = (address >> 10 & 0x1ff) as usize;
    let index = match address >> 19 {
        0x800 => LOW[page],
        0xa00 => HIGH[page],
        _ => {
            let far = [Id::Fsmc, Id::Dbgmcu].into_iter().find(|id| {
                let place = id.place();
                address.wrapping_sub(place.base) < place.size
            });
            return far;
        }
    };
    PLACES.get(usize::from(index)).map(|place| place.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_peripheral_is_found_at_its_first_and_last_byte_and_nowhere_else() {
        for place in PLACES {
            assert_eq!(at(place.base), Some(place.id));
            assert_eq!(at(place.base + place.size - 1), Some(place.id), "{:?}", place.id);
        }
        // Reserved by RM0033 table 1.
        for address in [
            0x4000_2400,
            0x4000_7800,
            0x4001_0800,
            0x4001_4c00,
            0x4002_2400,
            0x4002_3400,
            0x4002_5000,
            0x4003_0000,
            0x4008_0000,
            0x5004_0000,
            0x5006_0c00,
            0x6000_0000,
            0xa000_1000,
            0xe004_2400,
            0x2000_0000,
            0,
            u32::MAX,
        ] {
            assert_eq!(at(address), None, "{address:#x}");
        }
    }

    #[test]
    fn no_two_peripherals_share_an_enable_or_reset_bit() {
        let mut seen = [[0u32; 5]; 2];
        for place in PLACES {
            for (kind, bits) in [place.enable, place.reset].into_iter().enumerate() {
                if let Some(bits) = bits {
                    assert_eq!(seen[kind][bits.word] & bits.mask, 0, "{:?}", place.id);
                    seen[kind][bits.word] |= bits.mask;
                }
            }
        }
    }
}
