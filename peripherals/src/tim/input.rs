//! Timer inputs: digital filter, edge detection, capture, trigger selection and the slave modes.

use serde::{Deserialize, Serialize};

use super::Timer;
use super::bits::*;
use super::counter::Events;

use crate::device::Cx;

/// The external trigger's place behind the four channel inputs.
pub(super) const ETR: usize = 4;

/// One input pin behind its digital filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Input {
    /// Level at the pin (for TI1 after the exclusive or of CR2.TI1S).
    pub(super) pin: bool,
    /// Level behind the filter.
    pub(super) filtered: bool,
    /// HCLK cycle at which the filter lets the pin's level through, if it stays.
    pub(super) due_cycle: Option<u64>,
    /// Edges since the last one that the prescaler (ICxPSC, ETPS) let through.
    pub(super) edges: u8,
}

/// Kernel clocks that a level must last to pass filter setting `filter` (RM0033 14.4.7, ICxF), with CR1.CKD.
fn filter_ticks(filter: u32, ckd: u32) -> u64 {
    let dts = 1 << ckd.min(2);
    let (divisor, samples) = match filter & 0xf {
        0 => return 0,
        1 => return 2,
        2 => return 4,
        3 => return 8,
        4 => (2, 6),
        5 => (2, 8),
        6 => (4, 6),
        7 => (4, 8),
        8 => (8, 6),
        9 => (8, 8),
        10 => (16, 5),
        11 => (16, 6),
        12 => (16, 8),
        13 => (32, 5),
        14 => (32, 6),
        _ => (32, 8),
    };
    dts * divisor * samples
}

/// Which edges an input reacts to: CCxNP, CCxP.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Polarity {
    Rising,
    Falling,
    Both,
}

impl Polarity {
    fn accepts(self, level: bool) -> bool {
        match self {
            Self::Rising => level,
            Self::Falling => !level,
            Self::Both => true,
        }
    }
}

impl Timer {
    /// Level at input pin TI`channel` (0 to 3) of the timer; captures, triggers and the encoder follow.
    pub fn input(&mut self, channel: usize, level: bool, cx: &mut Cx<'_>) {
        self.count_to_now(cx);
        let Some(pin) = self.pins.get_mut(channel) else { return };
        *pin = level;
        let level = if channel < 3 && self.regs[CR2] & TI1S != 0 {
            self.set_pin(0, self.pins[0] ^ self.pins[1] ^ self.pins[2], cx);
            if channel == 0 {
                return;
            }
            level
        } else {
            level
        };
        self.set_pin(channel, level, cx);
    }

    /// Level at the external trigger pin ETR.
    pub fn external_trigger(&mut self, level: bool, cx: &mut Cx<'_>) {
        self.count_to_now(cx);
        self.set_pin(ETR, level, cx);
    }

    /// Level of internal trigger ITR`index` (0 to 3): another timer's trigger output.
    pub fn internal_trigger(&mut self, index: usize, level: bool, cx: &mut Cx<'_>) {
        self.count_to_now(cx);
        if self.trigger_selection() == Some(index as u32) && index < 4 {
            self.trigger(level, cx.now.cycles);
        }
    }

    /// Level at the break input (advanced timers): takes the outputs off at once.
    pub fn break_input(&mut self, level: bool, cx: &mut Cx<'_>) {
        self.count_to_now(cx);
        let bdtr = self.regs[BDTR];
        self.break_active = bdtr & BKE != 0 && level == (bdtr & BKP != 0);
        if self.break_active {
            self.regs[BDTR] &= !MOE;
            self.regs[SR] |= BIF;
        }
    }

    fn set_pin(&mut self, index: usize, level: bool, cx: &mut Cx<'_>) {
        let filter = filter_ticks(self.filter(index), self.regs[CR1] >> 8 & 3) * self.cycles_per_tick(cx.clocks);
        let input = &mut self.inputs[index];
        if input.pin == level {
            return;
        }
        input.pin = level;
        input.due_cycle = None;
        if level == input.filtered {
            return;
        }
        if filter == 0 {
            self.filtered_edge(index, cx.now.cycles);
        } else {
            input.due_cycle = Some(cx.now.cycles.saturating_add(filter));
        }
    }

    fn filter(&self, index: usize) -> u32 {
        if index == ETR {
            return self.regs[SMCR] >> 8 & 0xf;
        }
        let half = self.channel_mode(index);
        if half & 3 == 0 { 0 } else { half >> 4 & 0xf }
    }

    /// CCMR's byte for a channel.
    pub(super) fn channel_mode(&self, channel: usize) -> u32 {
        self.regs[CCMR1 + channel / 2] >> (8 * (channel & 1)) & 0xff
    }

    fn polarity(&self, channel: usize) -> Polarity {
        let bits = self.regs[CCER] >> (4 * channel);
        match (bits & 8 != 0, bits & 2 != 0) {
            (false, false) => Polarity::Rising,
            (false, true) => Polarity::Falling,
            // Both set means both edges; NP alone is reserved for captures.
            (true, true) => Polarity::Both,
            (true, false) => Polarity::Rising,
        }
    }

    /// An input's level went through its filter.
    pub(super) fn filtered_edge(&mut self, index: usize, cycle: u64) {
        let level = self.inputs[index].pin;
        self.inputs[index].filtered = level;
        self.inputs[index].due_cycle = None;
        if index == ETR {
            self.external_edge(level, cycle);
            return;
        }
        for channel in 0..self.variant.channels() {
            let source = match self.channel_mode(channel) & 3 {
                1 => channel,
                2 => channel ^ 1,
                _ => continue,
            };
            if source == index && self.polarity(channel).accepts(level) {
                self.capture_edge(channel);
            }
        }
        let inverted = |timer: &Self, channel: usize| level != (timer.polarity(channel) == Polarity::Falling);
        match (self.trigger_selection(), index) {
            (Some(4), 0) => {
                // TI1F_ED is a pulse at each edge.
                self.trigger(true, cycle);
                self.trigger(false, cycle);
            }
            (Some(5), 0) => self.trigger(inverted(self, 0), cycle),
            (Some(6), 1) => self.trigger(inverted(self, 1), cycle),
            _ => {}
        }
        self.encoder_edge(index, level);
    }

    fn external_edge(&mut self, level: bool, cycle: u64) {
        let smcr = self.regs[SMCR];
        let level = level != (smcr & ETP != 0);
        let divisor = 1u8 << (smcr >> 12 & 3);
        if level {
            self.inputs[ETR].edges = self.inputs[ETR].edges.wrapping_add(1);
        }
        let through = self.inputs[ETR].edges >= divisor;
        if level && through {
            self.inputs[ETR].edges = 0;
            if smcr & ECE != 0 {
                self.external_clock_tick();
            }
        }
        if self.trigger_selection() == Some(7) && (divisor == 1 || through) {
            self.trigger(level, cycle);
            if divisor != 1 {
                self.trigger(false, cycle);
            }
        }
    }

    /// SMCR.TS, unless the timer has no slave controller.
    fn trigger_selection(&self) -> Option<u32> {
        self.variant.has_trigger().then(|| self.regs[SMCR] >> 4 & 7)
    }

    /// TRGI took a level.
    fn trigger(&mut self, level: bool, cycle: u64) {
        if level == self.trigger_level {
            return;
        }
        self.trigger_level = level;
        let mode = self.regs[SMCR] & 7;
        if level {
            for channel in 0..self.variant.channels() {
                if self.channel_mode(channel) & 3 == 3 {
                    self.capture_edge(channel);
                }
            }
        }
        match mode {
            4 if level => self.reset_counter(),
            5 => self.anchor_cycle = cycle,
            6 if level => {
                self.regs[CR1] |= CEN;
                self.counter.running = true;
                self.anchor_cycle = cycle;
            }
            7 if level => self.external_clock_tick(),
            _ => {}
        }
        if mode == 5 || (mode >= 4 && level) {
            self.trigger_event();
        }
    }

    /// TIF and the trigger's DMA request.
    pub(super) fn trigger_event(&mut self) {
        self.regs[SR] |= TIF;
        self.request_dma(6);
    }

    fn reset_counter(&mut self) {
        let mut events = Events::default();
        let setup = self.setup();
        self.counter.generate_update(&setup, &mut events);
        if self.regs[CR1] & (URS | UDIS) == 0 {
            events.flags |= UIF;
        }
        self.apply(events);
    }

    fn external_clock_tick(&mut self) {
        let mut events = Events::default();
        let setup = self.setup();
        self.counter.run(&setup, 1, &mut events);
        self.apply(events);
    }

    fn capture_edge(&mut self, channel: usize) {
        if self.regs[CCER] >> (4 * channel) & 1 == 0 {
            self.inputs[channel].edges = 0;
            return;
        }
        let divisor = 1u8 << (self.channel_mode(channel) >> 2 & 3);
        self.inputs[channel].edges = self.inputs[channel].edges.wrapping_add(1);
        if self.inputs[channel].edges >= divisor {
            self.inputs[channel].edges = 0;
            self.capture(channel);
        }
    }

    /// Takes the counter into CCRx.
    pub(super) fn capture(&mut self, channel: usize) {
        let flag = 2 << channel;
        if self.regs[SR] & flag != 0 {
            self.regs[SR] |= 1 << (9 + channel);
        }
        self.regs[SR] |= flag;
        self.regs[CCR1 + channel] = self.counter.count;
        self.request_dma(1 + channel as u32);
    }

    /// Encoder modes (RM0033 14.3.12): TI1 and TI2 in quadrature count up or down.
    fn encoder_edge(&mut self, index: usize, level: bool) {
        let mode = self.regs[SMCR] & 7;
        let counted = match mode {
            1 => index == 1,
            2 => index == 0,
            3 => index < 2,
            _ => false,
        };
        if !counted || !self.variant.has_encoder() {
            return;
        }
        let inverted = |channel: usize| self.regs[CCER] >> (4 * channel) & 2 != 0;
        let other = index ^ 1;
        let other_level = self.inputs[other].filtered != inverted(other);
        let level = level != inverted(index);
        // Leading edges of TI1 count down while TI2 is high; those of TI2 count up while TI1 is high.
        self.counter.down = if index == 0 { level == other_level } else { level != other_level };
        self.external_clock_tick();
    }
}
