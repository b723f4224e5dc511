//! The wires between the peripherals inside the chip: what a change of one means for the others.

use lockstep_traces::Decisions;
use serde::{Deserialize, Serialize};

use super::devices::{PORTS, device, device_mut, port_index, timer_index};
use super::map::{self, Id};
use super::spi_wiring::SpiWires;
use super::{Soc, SocEnv};
use crate::device::{Board, Device, Pin, Port, UartFrame};
use crate::exti;
use crate::rcc::ResetCause;
use crate::spi::SpiFrame;
use crate::time::Now;

/// What a USART drives on a pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Output {
    /// Idle: high. The frames themselves are told by [`Board::uart_sent`].
    Tx,
    Rts,
}

/// Outputs of the USARTs by port, pin and alternate function (STM32F205 data sheet, alternate function mapping).
const USART_OUTPUTS: &[(Port, u8, u8, u8, Output)] = &[
    (Port::A, 0, 8, 4, Output::Tx),
    (Port::A, 1, 7, 2, Output::Rts),
    (Port::A, 2, 7, 2, Output::Tx),
    (Port::A, 9, 7, 1, Output::Tx),
    (Port::A, 12, 7, 1, Output::Rts),
    (Port::B, 6, 7, 1, Output::Tx),
    (Port::B, 10, 7, 3, Output::Tx),
    (Port::B, 14, 7, 3, Output::Rts),
    (Port::C, 6, 8, 6, Output::Tx),
    (Port::C, 10, 7, 3, Output::Tx),
    (Port::C, 10, 8, 4, Output::Tx),
    (Port::C, 12, 8, 5, Output::Tx),
    (Port::D, 4, 7, 2, Output::Rts),
    (Port::D, 5, 7, 2, Output::Tx),
    (Port::D, 8, 7, 3, Output::Tx),
    (Port::D, 12, 7, 3, Output::Rts),
    (Port::G, 8, 8, 6, Output::Rts),
    (Port::G, 12, 8, 6, Output::Rts),
    (Port::G, 14, 8, 6, Output::Tx),
];

/// RTS levels as the USARTs told the board.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct RtsLevels {
    /// Bit per USART number.
    asserted: u8,
    changed: bool,
}

/// Listens on the way to the board for RTS, so that the pin shows it, and lets SPI frames out where there are pins.
pub(super) struct Tap<'a> {
    pub board: &'a mut dyn Board,
    pub rts: &'a mut RtsLevels,
    pub spi: &'a SpiWires,
    /// Input levels of the ports.
    pub inputs: &'a [u16; PORTS.len()],
}

impl Board for Tap<'_> {
    fn uart_sent(&mut self, usart: u8, frame: UartFrame, now: Now) {
        self.board.uart_sent(usart, frame, now);
    }
    fn uart_rts(&mut self, usart: u8, asserted: bool, now: Now) {
        let bit = 1u8.checked_shl(usart.into()).unwrap_or(0);
        self.rts.asserted = if asserted { self.rts.asserted | bit } else { self.rts.asserted & !bit };
        self.rts.changed = true;
        self.board.uart_rts(usart, asserted, now);
    }
    fn i2c_start(&mut self, bus: u8, address: u8, read: bool, now: Now) -> bool {
        self.board.i2c_start(bus, address, read, now)
    }
    fn i2c_write(&mut self, bus: u8, byte: u8, now: Now) -> bool {
        self.board.i2c_write(bus, byte, now)
    }
    fn i2c_read(&mut self, bus: u8, ack: bool, now: Now) -> u8 {
        self.board.i2c_read(bus, ack, now)
    }
    fn i2c_stop(&mut self, bus: u8, now: Now) {
        self.board.i2c_stop(bus, now);
    }
    fn spi_frame(&mut self, bus: u8, frame: &SpiFrame, now: Now, decisions: &mut Decisions) -> Option<u16> {
        let outside = self.spi.outside(bus, frame);
        let answer = outside.and_then(|frame| self.board.spi_frame(bus, &frame, now, decisions));
        Some(self.spi.taken_in(bus, frame, answer, self.inputs))
    }
    fn pin_driven(&mut self, pin: Pin, level: Option<bool>, now: Now, decisions: &mut Decisions) {
        self.board.pin_driven(pin, level, now, decisions);
    }
}

impl Soc {
    /// After a device was touched: notes its wake-up, lines and requests, and carries its outputs to the others.
    pub(super) fn settle(&mut self, id: Id, env: &mut SocEnv<'_>) {
        self.refresh(id);
        match id {
            Id::Rcc => self.rcc_changed(env),
            Id::Pwr => self.pwr_changed(),
            Id::Rtc => self.rtc_changed(),
            Id::Iwdg => {
                if self.devices.iwdg.take_reset_request() {
                    self.reset_request.get_or_insert(ResetCause::IndependentWatchdog);
                }
                if self.devices.iwdg.is_started() != self.lsi_forced {
                    self.lsi_forced = self.devices.iwdg.is_started();
                    self.devices.rcc.set_lsi_forced(self.lsi_forced);
                    self.rcc_changed(env);
                }
            }
            Id::Wwdg => {
                if self.devices.wwdg.take_reset_request() {
                    self.reset_request.get_or_insert(ResetCause::WindowWatchdog);
                }
            }
            Id::Syscfg => self.syscfg_changed(),
            Id::Usart1 | Id::Usart2 | Id::Usart3 | Id::Usart6 if self.rts.changed => {
                self.rts.changed = false;
                for index in [0, 1, 3, 6] {
                    self.drive_af_pins(index, env);
                    self.port_changed(index, env);
                }
            }
            Id::Spi1 | Id::Spi2 | Id::Spi3 => self.spi_changed(id, env),
            Id::Tim1 | Id::Tim2 | Id::Tim3 | Id::Tim4 | Id::Tim5 | Id::Tim6 | Id::Tim7 | Id::Tim8 => {
                self.carry_triggers(id, env);
            }
            _ => {
                if let Some(index) = port_index(id) {
                    self.port_changed(index, env);
                }
            }
        }
        if self.dma_dirty {
            self.serve_dma(env);
        }
    }

    /// Notes what a device shows: wake-up, interrupt lines, DMA requests.
    #[inline]
    pub(super) fn refresh(&mut self, id: Id) {
        let device = device(&self.dma, &self.devices, id);
        let wake = device.wake(&self.clocks);
        let requests = device.dma_requests() as u8;
        self.interrupts.set(id, device.irq_lines());
        if self.dma_requests[id.index()] != requests {
            self.dma_requests[id.index()] = requests;
            self.dma_dirty = true;
        }
        self.dma_dirty |= matches!(id, Id::Dma1 | Id::Dma2);
        let old = std::mem::replace(&mut self.wakes[id.index()], wake);
        if old != wake {
            let next = self.next.min(wake);
            let was_first = (old.cycle == next.cycle && wake.cycle > old.cycle)
                || (old.time_ps == next.time_ps && wake.time_ps > old.time_ps);
            self.next = if was_first { self.wakes.iter().fold(wake, |next, wake| next.min(*wake)) } else { next };
        }
    }

    /// RCC: resets, clock enables, the clocks themselves.
    pub(super) fn rcc_changed(&mut self, env: &mut SocEnv<'_>) {
        let enabled = map::enabled(&self.devices.rcc.enable_bits());
        let mut gated = enabled ^ std::mem::replace(&mut self.enabled, enabled);
        while gated != 0 {
            let index = gated.trailing_zeros() as usize;
            gated &= gated - 1;
            let Some(id) = map::PLACES.get(index).map(|place| place.id) else { continue };
            if let Some(timer) = timer_index(id) {
                self.devices.tim[timer].set_clock_enabled(enabled & id.bit() != 0, &mut cx!(self, env));
                self.settle(id, env);
            }
        }
        let in_reset = map::in_reset(&self.devices.rcc.reset_bits());
        // At the start and at the end of the reset: what was written in between is lost, as on hardware.
        let mut changed = in_reset ^ self.in_reset;
        self.in_reset = in_reset;
        while changed != 0 {
            let index = changed.trailing_zeros() as usize;
            changed &= changed - 1;
            if let Some(place) = map::PLACES.get(index) {
                self.reset_device(place.id, env);
                self.settle(place.id, env);
            }
        }
        if self.devices.rcc.take_backup_reset() {
            self.devices.rtc.backup_domain_reset();
            self.settle(Id::Rtc, env);
        }
        let clocks = self.devices.rcc.clocks();
        if clocks != self.clocks {
            for id in Id::all().filter(|id| *id != Id::Rcc) {
                device_mut(&mut self.dma, &mut self.devices, id).advance(&mut cx!(self, env));
            }
            self.clocks = clocks;
            for id in Id::all().filter(|id| *id != Id::Rcc) {
                device_mut(&mut self.dma, &mut self.devices, id).clocks_changed(&mut cx!(self, env));
                self.settle(id, env);
            }
        }
        self.refresh(Id::Rcc);
    }

    pub(super) fn pwr_changed(&mut self) {
        let enabled = self.devices.pwr.backup_write_enabled();
        self.devices.rtc.set_backup_write_enabled(enabled);
        self.devices.rcc.set_backup_write_enabled(enabled);
        self.devices.backup_sram.set_backup_write_enabled(enabled);
        self.exti_line(exti::LINE_PVD, self.devices.pwr.irq_lines() & 1 != 0);
    }

    fn rtc_changed(&mut self) {
        let lines = self.interrupts.lines(Id::Rtc);
        let rising = lines & !self.rtc_lines;
        self.rtc_lines = lines;
        self.exti_line(exti::LINE_RTC_ALARM, lines & 1 != 0);
        self.exti_line(exti::LINE_RTC_TAMPER, lines & 2 != 0);
        self.exti_line(exti::LINE_RTC_WAKEUP, lines & 4 != 0);
        if rising != 0 {
            self.devices.pwr.wakeup_event();
            self.wakeup_event = true;
        }
    }

    pub(super) fn syscfg_changed(&mut self) {
        let mut select = [0u16; PORTS.len()];
        let mut connected = 0u32;
        for line in 0..16 {
            if let Some(port) = self.devices.syscfg.exti_port(line) {
                select[port as usize] |= 1 << line;
                connected |= 1 << line;
            }
        }
        self.exti_select = select;
        // A line that leads nowhere reads low.
        self.devices.exti.set_lines(0xffff & !connected, 0);
        for index in 0..PORTS.len() {
            self.watch_port(index);
        }
    }

    pub(super) fn port_changed(&mut self, index: usize, env: &mut SocEnv<'_>) {
        let rerouted = self.devices.gpio[index].take_af_changed();
        if rerouted {
            self.drive_af_pins(index, env);
            self.route_spi();
        }
        let input = self.devices.gpio[index].input();
        let changed = std::mem::replace(&mut self.inputs[index], input) ^ input;
        if rerouted || changed != 0 {
            self.carry_nss(env);
        }
        if changed == 0 {
            return;
        }
        self.watch_port(index);
        self.drive_timer_inputs(index, changed, env);
        // PC13 is the tamper pin, PA0 the wake-up pin.
        if index == 2 && changed & 1 << 13 != 0 {
            self.devices.rtc.set_tamper_pin(input & 1 << 13 != 0, &mut cx!(self, env));
            self.settle(Id::Rtc, env);
        }
        if index == 0 && changed & 1 != 0 {
            self.wakeup_event |= self.devices.pwr.set_wakeup_pin(input & 1 != 0);
        }
    }

    /// Levels of the pins that USARTs and SPIs drive on a port.
    pub(super) fn drive_af_pins(&mut self, index: usize, env: &mut SocEnv<'_>) {
        let (mut driven, mut levels) = self.spi_levels(index);
        let gpio = &mut self.devices.gpio[index];
        for (port, pin, af, usart, output) in USART_OUTPUTS {
            if *port == PORTS[index] && gpio.af(*pin) == Some(*af) {
                driven |= 1 << pin;
                let high = *output == Output::Tx || self.rts.asserted >> usart & 1 == 0;
                levels |= u16::from(high) << pin;
            }
        }
        gpio.set_af_levels(driven, levels, &mut cx!(self, env));
    }

    /// EXTI sees the levels of the port's pins that SYSCFG connects.
    fn watch_port(&mut self, index: usize) {
        let (mask, levels) = (self.exti_select[index], self.devices.gpio[index].input());
        if mask != 0 {
            self.devices.exti.set_lines(mask.into(), levels.into());
            self.refresh(Id::Exti);
        }
    }

    fn exti_line(&mut self, line: u8, level: bool) {
        self.devices.exti.set_line(line, level);
        self.refresh(Id::Exti);
    }

    /// Resets one device, telling the board of pins let go.
    pub(super) fn reset_device(&mut self, id: Id, env: &mut SocEnv<'_>) {
        match port_index(id) {
            Some(index) => self.devices.gpio[index].reset_port(&mut cx!(self, env)),
            None => device_mut(&mut self.dma, &mut self.devices, id).reset(),
        }
        if let Some(timer) = timer_index(id) {
            let enabled = self.enabled & id.bit() != 0;
            self.devices.tim[timer].set_clock_enabled(enabled, &mut cx!(self, env));
        }
    }
}
