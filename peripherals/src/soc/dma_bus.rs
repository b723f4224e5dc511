//! The DMA controllers at work: requests of the peripherals in, accesses to their registers out.

use super::devices::{Devices, peripheral_mut, spi_index, timer_index};
use super::map::{self, Id, Set};
use super::requests::{channels, sources};
use super::{Soc, SocEnv, is_aligned, lanes, mask};
use crate::device::{Cx, Device};
use crate::dma::{DmaBus, Served};

/// Requests served at one instant after which a level is taken for one that never falls.
const SERVES: u32 = 200_000;

/// What a controller's peripheral port reaches. It does not reach the controllers' own registers.
struct PeripheralPort<'a> {
    devices: &'a mut Devices,
    enabled: Set,
    touched: Set,
}

impl DmaBus for PeripheralPort<'_> {
    fn read(&mut self, address: u32, size: u32, cx: &mut Cx<'_>) -> Option<u32> {
        let id = map::at(address).filter(|_| is_aligned(address, size))?;
        let device = peripheral_mut(self.devices, id)?;
        if self.enabled & id.bit() == 0 {
            cx.ledger.note(&format!("unclocked read {}", device.name()), cx.pc, cx.now.time_ps);
            return Some(0);
        }
        self.touched |= id.bit();
        let word = device.read((address - id.place().base) & !3, cx);
        Some(word >> (address % 4 * 8) & mask(size))
    }

    fn write(&mut self, address: u32, size: u32, value: u32, cx: &mut Cx<'_>) -> bool {
        let Some(id) = map::at(address).filter(|_| is_aligned(address, size)) else { return false };
        let Some(device) = peripheral_mut(self.devices, id) else { return false };
        if self.enabled & id.bit() == 0 {
            cx.ledger.note(&format!("unclocked write {}", device.name()), cx.pc, cx.now.time_ps);
            return true;
        }
        self.touched |= id.bit();
        let (value, lanes) = lanes(id.place().bus, address, size, value);
        device.write((address - id.place().base) & !3, value, lanes, cx);
        true
    }
}

impl Soc {
    /// Serves DMA requests until none is left at this instant.
    pub(super) fn serve_dma(&mut self, env: &mut SocEnv<'_>) {
        self.dma_dirty = false;
        // The accesses below settle their devices, which must not come back here: this loop sees their requests.
        if std::mem::replace(&mut self.dma_serving, true) {
            self.dma_dirty = true;
            return;
        }
        let mut served_count = 0;
        while self.serve_one(0, env) || self.serve_one(1, env) {
            served_count += 1;
            if served_count == SERVES {
                env.unmodelled("DMA request never falls");
                break;
            }
        }
        self.dma_dirty = false;
        self.dma_serving = false;
    }

    fn serve_one(&mut self, controller: u8, env: &mut SocEnv<'_>) -> bool {
        let id = if controller == 0 { Id::Dma1 } else { Id::Dma2 };
        let dma = &mut self.dma[usize::from(controller & 1)];
        if !dma.is_active() || self.enabled & id.bit() == 0 {
            return false;
        }
        let requests = channels(controller, &self.dma_requests);
        let enabled = self.enabled & !self.in_reset;
        let mut port = PeripheralPort { devices: &mut self.devices, enabled, touched: 0 };
        let served = dma.service(&requests, &mut port, &mut cx!(self, env));
        let mut touched = port.touched;
        if let Some(served) = served {
            self.withdraw(controller, served, env);
        }
        self.refresh(id);
        while touched != 0 {
            let index = touched.trailing_zeros() as usize;
            touched &= touched - 1;
            if let Some(place) = map::PLACES.get(index) {
                self.settle(place.id, env);
            }
        }
        served.is_some()
    }

    /// A timer's request is a pulse that the service ends; I2C is told when its last byte but one was taken, SPI when
    /// its last word was moved.
    fn withdraw(&mut self, controller: u8, served: Served, env: &mut SocEnv<'_>) {
        for route in sources(controller, served.stream, served.channel) {
            if self.dma_requests[route.id.index()] >> route.line & 1 == 0 {
                continue;
            }
            match route.id {
                Id::Spi1 | Id::Spi2 | Id::Spi3 => {
                    if self.items_left(controller, served.stream, env) == 0
                        && let Some(index) = spi_index(route.id)
                    {
                        self.devices.spi[index].dma_last(route.line);
                    }
                }
                Id::I2c1 | Id::I2c2 | Id::I2c3 => {
                    let number = route.id.index() - Id::I2c1.index();
                    if route.line == 1
                        && self.items_left(controller, served.stream, env) == 1
                        && let Some(i2c) = self.devices.i2c.get_mut(number)
                    {
                        i2c.dma_last_but_one();
                    }
                }
                id => {
                    if let Some(index) = timer_index(id) {
                        self.devices.tim[index].acknowledge_dma(1 << route.line);
                        self.refresh(id);
                    }
                }
            }
        }
    }

    /// NDTR of a stream (RM0033 9.5.6).
    fn items_left(&mut self, controller: u8, stream: u8, env: &mut SocEnv<'_>) -> u32 {
        let ndtr = 0x14 + 0x18 * u32::from(stream);
        self.dma[usize::from(controller & 1)].read(ndtr, &mut cx!(self, env))
    }
}
