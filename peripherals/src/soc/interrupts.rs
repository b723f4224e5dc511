//! Which interrupt position of the NVIC each device's lines reach (RM0033 table 20).

use super::map::Id;

/// Interrupt positions of the chip.
pub const INTERRUPTS: usize = 81;

/// NVIC position of line n of a device is element n; the RTC and PWR reach the NVIC only through EXTI.
pub(super) const fn positions(id: Id) -> &'static [u8] {
    match id {
        Id::Wwdg => &[0],
        Id::Flash => &[4],
        Id::Rcc => &[5],
        // EXTI0 to 4, 9_5, 15_10, PVD, tamper, RTC wake-up, RTC alarm, OTG_FS wake-up, OTG_HS wake-up, ETH wake-up.
        Id::Exti => &[6, 7, 8, 9, 10, 23, 40, 1, 2, 3, 41, 42, 76, 62],
        Id::Dma1 => &[11, 12, 13, 14, 15, 16, 17, 47],
        Id::Dma2 => &[56, 57, 58, 59, 60, 68, 69, 70],
        // Break, update, trigger and commutation, capture/compare.
        Id::Tim1 => &[24, 25, 26, 27],
        Id::Tim8 => &[43, 44, 45, 46],
        Id::Tim9 => &[24],
        Id::Tim10 => &[25],
        Id::Tim11 => &[26],
        Id::Tim2 => &[28],
        Id::Tim3 => &[29],
        Id::Tim4 => &[30],
        Id::Tim5 => &[50],
        Id::Tim6 => &[54],
        Id::Tim7 => &[55],
        Id::Tim12 => &[43],
        Id::Tim13 => &[44],
        Id::Tim14 => &[45],
        // Event, error.
        Id::I2c1 => &[31, 32],
        Id::I2c2 => &[33, 34],
        Id::I2c3 => &[72, 73],
        Id::Spi1 => &[35],
        Id::Spi2 => &[36],
        Id::Spi3 => &[51],
        Id::Usart1 => &[37],
        Id::Usart2 => &[38],
        Id::Usart3 => &[39],
        Id::Usart4 => &[52],
        Id::Usart5 => &[53],
        Id::Usart6 => &[71],
        Id::OtgFs => &[67],
        Id::Rng => &[80],
        _ => &[],
    }
}

/// Levels of the 81 lines into the NVIC. Positions shared by devices (TIM1 break and TIM9) are the OR of theirs.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Interrupts {
    /// Lines of each device, as last told.
    lines: Vec<u32>,
    /// How many sources hold each position high.
    high: Vec<u8>,
    levels: [u32; 3],
}

impl Interrupts {
    pub fn new() -> Self {
        Self { lines: vec![0; Id::COUNT], high: vec![0; INTERRUPTS], levels: [0; 3] }
    }

    /// Levels, bit n of word n/32.
    pub fn levels(&self) -> [u32; 3] {
        self.levels
    }

    /// Lines of a device as last told.
    pub fn lines(&self, id: Id) -> u32 {
        self.lines[id.index()]
    }

    /// A device's lines are now `lines`.
    #[inline]
    pub fn set(&mut self, id: Id, lines: u32) {
        if self.lines[id.index()] != lines {
            self.change(id, lines);
        }
    }

    fn change(&mut self, id: Id, lines: u32) {
        let changed = std::mem::replace(&mut self.lines[id.index()], lines) ^ lines;
        for (line, position) in positions(id).iter().enumerate() {
            if changed >> line & 1 == 0 {
                continue;
            }
            let position = usize::from(*position);
            let high = &mut self.high[position];
            *high = if lines >> line & 1 != 0 { high.saturating_add(1) } else { high.saturating_sub(1) };
            let bit = 1 << (position % 32);
            let word = &mut self.levels[position / 32];
            *word = if *high != 0 { *word | bit } else { *word & !bit };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_position_is_the_or_of_its_sources() {
        let mut interrupts = Interrupts::new();
        interrupts.set(Id::Tim1, 1);
        interrupts.set(Id::Tim9, 1);
        assert_eq!(interrupts.levels(), [1 << 24, 0, 0]);
        interrupts.set(Id::Tim1, 0);
        assert_eq!(interrupts.levels(), [1 << 24, 0, 0]);
        interrupts.set(Id::Tim9, 0);
        assert_eq!(interrupts.levels(), [0; 3]);
    }

    #[test]
    fn only_the_positions_the_manual_shares_are_shared() {
        let mut sources = [0; INTERRUPTS];
        for id in Id::all() {
            for position in positions(id) {
                sources[usize::from(*position)] += 1;
            }
        }
        for (position, count) in sources.into_iter().enumerate() {
            let expected = match position {
                24..=26 | 43..=45 => 2,
                // ADC, CAN1, FSMC, SDIO, ETH, CAN2, OTG_HS, DCMI, CRYP: not modelled.
                18..=22 | 48 | 49 | 61 | 63..=66 | 74 | 75 | 77..=79 => 0,
                _ => 1,
            };
            assert_eq!(count, expected, "position {position}");
        }
    }
}
