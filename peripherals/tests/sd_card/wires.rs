//! A card on an SPI of embedded-hal, in virtual time, whose supply can be cut at any byte.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use embedded_hal::delay::DelayNs;
use embedded_hal::spi::{ErrorKind, ErrorType, Operation, SpiDevice};
use lockstep_peripherals::SpiFrame;
use lockstep_peripherals::board::sd_card::{SdCard, SdConfig, SdImage};
use lockstep_traces::Decisions;

/// 10 MHz.
const BIT_PS: u64 = 100_000;

/// The card and its surroundings.
pub struct Rig {
    pub card: SdCard,
    pub now_ps: u64,
    pub decisions: Decisions,
    /// The supply goes when so many bytes have passed.
    pub cut_after: Option<u64>,
    is_on: bool,
}

/// The supply is gone.
#[derive(Debug)]
pub struct NoPower;

impl embedded_hal::spi::Error for NoPower {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

impl Rig {
    fn exchange(&mut self, byte: u8) -> Result<u8, NoPower> {
        if let Some(left) = &mut self.cut_after {
            *left = left.saturating_sub(1);
            if *left == 0 && self.is_on {
                self.is_on = false;
                self.card.set_power(false, self.now_ps, &mut self.decisions);
            }
        }
        if !self.is_on {
            return Err(NoPower);
        }
        let frame = SpiFrame::byte(byte, BIT_PS, self.now_ps);
        self.now_ps += 8 * BIT_PS;
        Ok(self.card.frame(&frame, &mut self.decisions).map_or(0xff, |word| word as u8))
    }
}

/// Both ends of the driver: its SPI with the chip select, and its delay. The card is selected for each transaction.
#[derive(Clone)]
pub struct Wires(pub Rc<RefCell<Rig>>);

impl Wires {
    pub fn new(config: SdConfig, image: Arc<SdImage>, seed: u64) -> Self {
        let card = SdCard::new(config, image);
        let rig = Rig { card, now_ps: 0, decisions: Decisions::new(seed), cut_after: None, is_on: true };
        Self(Rc::new(RefCell::new(rig)))
    }

    /// The supply is back, for long enough, and the clocks before the first command have passed.
    pub fn power_up(&self) {
        let mut rig = self.0.borrow_mut();
        (rig.is_on, rig.cut_after) = (true, None);
        rig.now_ps += 1_000_000_000_000;
        let Rig { card, now_ps, decisions, .. } = &mut *rig;
        card.set_power(false, *now_ps, decisions);
        card.set_power(true, *now_ps, decisions);
        rig.now_ps += 10_000_000_000;
        rig.card.select(false);
        (0..10).for_each(|_| _ = rig.exchange(0xff));
    }

    /// The card's content, block after block.
    pub fn content(&self) -> Vec<u8> {
        let rig = self.0.borrow();
        let storage = rig.card.storage();
        (0..storage.blocks()).flat_map(|number| storage.block(number)).collect()
    }
}

impl ErrorType for Wires {
    type Error = NoPower;
}

impl SpiDevice for Wires {
    fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), NoPower> {
        let rig = &mut *self.0.borrow_mut();
        rig.card.select(true);
        for operation in operations {
            match operation {
                Operation::Read(bytes) => {
                    bytes.iter_mut().try_for_each(|byte| rig.exchange(0xff).map(|b| *byte = b))?
                }
                Operation::Write(bytes) => bytes.iter().try_for_each(|byte| rig.exchange(*byte).map(drop))?,
                Operation::Transfer(into, from) => {
                    for place in 0..into.len().max(from.len()) {
                        let received = rig.exchange(from.get(place).copied().unwrap_or(0xff))?;
                        into.get_mut(place).into_iter().for_each(|byte| *byte = received);
                    }
                }
                Operation::TransferInPlace(bytes) => {
                    bytes.iter_mut().try_for_each(|byte| rig.exchange(*byte).map(|b| *byte = b))?;
                }
                Operation::DelayNs(ns) => rig.now_ps += u64::from(*ns) * 1_000,
            }
        }
        rig.card.select(false);
        Ok(())
    }
}

impl DelayNs for Wires {
    fn delay_ns(&mut self, ns: u32) {
        self.0.borrow_mut().now_ps += u64::from(ns) * 1_000;
    }
}
