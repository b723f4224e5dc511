//! The timers' wires: triggers from one to another, and their channels on the pins.

use super::devices::{PORTS, TIMERS, timer_index};
use super::map::{Id, Set};
use super::{Soc, SocEnv};
use crate::device::{Pin, Port};

/// Which timer's trigger output (index 0 to 13) is ITR0 to ITR3 of a timer (RM0033 tables of TIMx internal trigger
/// connections). For TIM9 and TIM12 the upper two are channel 1 outputs of one-channel timers, which have no trigger
/// output here.
const fn trigger_sources(index: usize) -> [Option<usize>; 4] {
    match index {
        0 => [Some(4), Some(1), Some(2), Some(3)],
        1 => [Some(0), Some(7), Some(2), Some(3)],
        2 => [Some(0), Some(1), Some(4), Some(3)],
        3 => [Some(0), Some(1), Some(2), Some(7)],
        4 => [Some(1), Some(2), Some(3), Some(7)],
        7 => [Some(0), Some(1), Some(3), Some(4)],
        8 => [Some(1), Some(2), None, None],
        11 => [Some(3), Some(4), None, None],
        _ => [None; 4],
    }
}

/// Most trigger pulses handed on at one time; a timer that counted unobserved for long may have made more.
const PULSES: u64 = 1000;

/// Timer channels by port, pin, alternate function, timer (1 to 14) and channel (1 to 4): STM32F205 data sheet,
/// alternate function mapping.
#[rustfmt::skip]
const CHANNELS: &[(Port, u8, u8, u8, u8)] = &[
    (Port::A, 0, 1, 2, 1), (Port::A, 0, 2, 5, 1), (Port::A, 1, 1, 2, 2), (Port::A, 1, 2, 5, 2),
    (Port::A, 2, 1, 2, 3), (Port::A, 2, 2, 5, 3), (Port::A, 2, 3, 9, 1), (Port::A, 3, 1, 2, 4),
    (Port::A, 3, 2, 5, 4), (Port::A, 3, 3, 9, 2), (Port::A, 5, 1, 2, 1), (Port::A, 6, 2, 3, 1),
    (Port::A, 6, 9, 13, 1), (Port::A, 7, 2, 3, 2), (Port::A, 7, 9, 14, 1), (Port::A, 8, 1, 1, 1),
    (Port::A, 9, 1, 1, 2), (Port::A, 10, 1, 1, 3), (Port::A, 11, 1, 1, 4), (Port::A, 15, 1, 2, 1),
    (Port::B, 0, 2, 3, 3), (Port::B, 1, 2, 3, 4), (Port::B, 3, 1, 2, 2), (Port::B, 4, 2, 3, 1),
    (Port::B, 5, 2, 3, 2), (Port::B, 6, 2, 4, 1), (Port::B, 7, 2, 4, 2), (Port::B, 8, 2, 4, 3),
    (Port::B, 8, 3, 10, 1), (Port::B, 9, 2, 4, 4), (Port::B, 9, 3, 11, 1), (Port::B, 10, 1, 2, 3),
    (Port::B, 11, 1, 2, 4), (Port::B, 14, 9, 12, 1), (Port::B, 15, 9, 12, 2), (Port::C, 6, 2, 3, 1),
    (Port::C, 6, 3, 8, 1), (Port::C, 7, 2, 3, 2), (Port::C, 7, 3, 8, 2), (Port::C, 8, 2, 3, 3),
    (Port::C, 8, 3, 8, 3), (Port::C, 9, 2, 3, 4), (Port::C, 9, 3, 8, 4), (Port::D, 12, 2, 4, 1),
    (Port::D, 13, 2, 4, 2), (Port::D, 14, 2, 4, 3), (Port::D, 15, 2, 4, 4), (Port::E, 5, 3, 9, 1),
    (Port::E, 6, 3, 9, 2), (Port::E, 9, 1, 1, 1), (Port::E, 11, 1, 1, 2), (Port::E, 13, 1, 1, 3),
    (Port::E, 14, 1, 1, 4), (Port::F, 6, 3, 10, 1), (Port::F, 7, 3, 11, 1), (Port::F, 8, 9, 13, 1),
    (Port::F, 9, 9, 14, 1),
];

impl Soc {
    /// Share of time that the chip drives a pin high, as numerator and denominator: a timer's duty cycle, or 0 or 1
    /// for a level. `None` while the chip does not drive it.
    pub fn pin_high_share(&self, pin: Pin) -> Option<(u64, u64)> {
        let gpio = self.devices.gpio.get(pin.port as usize)?;
        let af = gpio.af(pin.number);
        let route = CHANNELS
            .iter()
            .find(|(port, number, needed, _, _)| (*port, *number) == (pin.port, pin.number) && af == Some(*needed));
        let Some((_, _, _, timer, channel)) = route else {
            return gpio.driven(pin.number).map(|level| (u64::from(level), 1));
        };
        let timer = self.devices.tim.get(usize::from(timer.saturating_sub(1)))?;
        let (high, period, enabled) = timer.channel_output(usize::from(channel.saturating_sub(1)));
        enabled.then_some((high, period))
    }

    /// Input levels of a port changed: timers whose channels are on the pins see them.
    pub(super) fn drive_timer_inputs(&mut self, index: usize, changed: u16, env: &mut SocEnv<'_>) {
        let mut touched: Set = 0;
        for (port, pin, af, timer, channel) in CHANNELS {
            let gpio = &self.devices.gpio[index];
            if *port != PORTS[index] || changed >> pin & 1 == 0 || gpio.af(*pin) != Some(*af) {
                continue;
            }
            let level = gpio.input() >> pin & 1 != 0;
            let timer = usize::from(timer.saturating_sub(1));
            if let (Some(device), Some(id)) = (self.devices.tim.get_mut(timer), TIMERS.get(timer)) {
                device.input(usize::from(channel.saturating_sub(1)), level, &mut cx!(self, env));
                touched |= id.bit();
            }
        }
        for id in TIMERS.into_iter().filter(|id| touched & id.bit() != 0) {
            self.settle(id, env);
        }
    }

    /// A timer was touched: its trigger output reaches the timers that listen to it. They hear of it when the timer is
    /// touched or one of its events is due, not at each edge of a timer that nobody watches.
    pub(super) fn carry_triggers(&mut self, id: Id, env: &mut SocEnv<'_>) {
        let Some(index) = timer_index(id) else { return };
        let timer = &self.devices.tim[index];
        let (pulses, level) = (timer.trigger_pulses(), timer.trigger_output());
        let (last_pulses, last_level) = self.triggers[index];
        if (pulses, level) == (last_pulses, last_level) {
            return;
        }
        self.triggers[index] = (pulses, level);
        // A reset timer starts to count its pulses anew.
        let new_pulses = pulses.saturating_sub(last_pulses).min(PULSES);
        for (slave, slave_id) in TIMERS.into_iter().enumerate() {
            let Some(input) = trigger_sources(slave).iter().position(|source| *source == Some(index)) else { continue };
            let timer = &mut self.devices.tim[slave];
            for _ in 0..new_pulses {
                timer.internal_trigger(input, true, &mut cx!(self, env));
                timer.internal_trigger(input, false, &mut cx!(self, env));
            }
            if level != last_level {
                timer.internal_trigger(input, level, &mut cx!(self, env));
            }
            self.settle(slave_id, env);
        }
    }
}
