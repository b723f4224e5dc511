//! What comes in over the chip's pins.

use super::devices::{PORTS, SPIS, port_id, usart_id};
use super::map::Id;
use super::{Soc, SocEnv};
use crate::device::{Cx, Pin, UartFrame};
use crate::spi::{Spi, SpiFrame};
use crate::usart::Usart;

impl Soc {
    /// A start bit begins on the RX line of USART `usart` (1 to 6).
    pub fn uart_receive_start(&mut self, usart: u8, env: &mut SocEnv<'_>) {
        self.with_usart(usart, env, |usart, cx| usart.receive_start(cx));
    }

    /// The last stop bit of a frame ends on the RX line of USART `usart` (1 to 6). Lost while its clock is disabled.
    pub fn uart_receive(&mut self, usart: u8, frame: UartFrame, env: &mut SocEnv<'_>) {
        self.with_usart(usart, env, |usart, cx| usart.receive(frame, cx));
    }

    /// The CTS input of USART `usart` (1 to 6): `asserted` (pin low) lets it send.
    pub fn uart_cts(&mut self, usart: u8, asserted: bool, env: &mut SocEnv<'_>) {
        let Some(id) = usart_id(usart) else { return };
        if let Some(usart) = self.devices.usart.get_mut(usize::from(usart.saturating_sub(1))) {
            // A level, not an event: it is taken whether the clock runs or not.
            usart.set_cts(asserted, &mut cx!(self, env));
        }
        self.settle(id, env);
    }

    /// An outside master begins a frame on the wires of SPI `bus` (1 to 3), a slave.
    pub fn spi_clock_start(&mut self, bus: u8, env: &mut SocEnv<'_>) {
        self.with_spi(bus, env, |spi, cx| spi.clock_start(cx));
    }

    /// An outside master's frame ends on the wires of SPI `bus` (1 to 3). The answer is what it finds on MISO; `None`
    /// where the SPI does not drive it. Lost while its clock is disabled.
    pub fn spi_clock_frame(&mut self, bus: u8, frame: &SpiFrame, env: &mut SocEnv<'_>) -> Option<u16> {
        self.with_spi(bus, env, |spi, cx| spi.clock_frame(frame, cx)).flatten()
    }

    /// The board drives a pin to a level, or lets it go.
    pub fn drive_pin(&mut self, pin: Pin, level: Option<bool>, env: &mut SocEnv<'_>) {
        let index = pin.port as usize;
        debug_assert!(index < PORTS.len());
        self.devices.gpio[index].drive(pin.number, level, &mut cx!(self, env));
        self.settle(port_id(index), env);
    }

    /// What the chip drives on a pin: `None` for high impedance.
    pub fn pin_driven(&self, pin: Pin) -> Option<bool> {
        self.devices.gpio[pin.port as usize].driven(pin.number)
    }

    /// The level the chip sees on a pin.
    pub fn pin_level(&self, pin: Pin) -> bool {
        pin.number < 16 && self.devices.gpio[pin.port as usize].input() >> pin.number & 1 != 0
    }

    fn with_usart(&mut self, usart: u8, env: &mut SocEnv<'_>, act: impl FnOnce(&mut Usart, &mut Cx<'_>)) {
        let Some(id) = usart_id(usart).filter(|id| self.is_clocked(*id)) else { return };
        if let Some(usart) = self.devices.usart.get_mut(usize::from(usart.saturating_sub(1))) {
            act(usart, &mut cx!(self, env));
        }
        self.settle(id, env);
    }

    fn with_spi<T>(
        &mut self,
        bus: u8,
        env: &mut SocEnv<'_>,
        act: impl FnOnce(&mut Spi, &mut Cx<'_>) -> T,
    ) -> Option<T> {
        let index = usize::from(bus).checked_sub(1)?;
        let id = SPIS.get(index).copied().filter(|id| self.is_clocked(*id))?;
        let answer = act(self.devices.spi.get_mut(index)?, &mut cx!(self, env));
        self.settle(id, env);
        Some(answer)
    }

    fn is_clocked(&self, id: Id) -> bool {
        (self.enabled & !self.in_reset) & id.bit() != 0
    }
}
