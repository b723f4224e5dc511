//! Timers TIM1 to TIM14 (RM0033 sections 13 to 16): one model with a variant per kind.
//!
//! Counting is lazy: the state holds the counter at one HCLK cycle, and any later value follows from it. Internal
//! triggers (ITR0 to ITR3) and pins are functions that the owner calls. Known differences: dead time, complementary
//! outputs, idle states, the lock levels, CCPC preload and OCxREF clearing are named in the ledger, not modelled; the
//! few kernel clocks by which hardware delays a start or a trigger are not charged.

use serde::{Deserialize, Serialize};

use crate::device::{Cx, Device};
use crate::registers::{Access, Register};
use crate::time::{Clocks, Wake};

mod bits;
mod counter;
mod input;
mod instance;
mod table;
#[cfg(test)]
mod tests;

pub use instance::Instance;

use bits::*;
use counter::{Counter, Events, Setup};
use input::Input;
use instance::Variant;
use table::table;

/// A timer.
///
/// Interrupt lines: TIM1 and TIM8 bit 0 break, bit 1 update, bit 2 trigger and commutation, bit 3 capture/compare; the
/// others bit 0. DMA requests: bit 0 update, bits 1 to 4 channels, bit 5 commutation, bit 6 trigger; each stays up
/// until [`acknowledge_dma`](Self::acknowledge_dma).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Timer {
    instance: Instance,
    variant: Variant,
    regs: [u32; WORDS],
    counter: Counter,
    /// HCLK cycle at which `counter` was so.
    anchor_cycle: u64,
    clock_enabled: bool,
    pins: [bool; 4],
    inputs: [Input; 5],
    trigger_level: bool,
    break_active: bool,
    dma: u32,
    /// Register of a DMA burst (DCR) that the next access to DMAR reaches.
    burst_index: u32,
    trigger_pulses: u64,
}

impl Timer {
    /// After reset.
    pub fn new(instance: Instance) -> Self {
        let variant = instance.variant();
        let mut regs = [0; WORDS];
        for register in table(variant) {
            regs[register.offset as usize / 4] = register.reset;
        }
        Self {
            instance,
            variant,
            regs,
            counter: Counter::new(regs[ARR]),
            anchor_cycle: 0,
            clock_enabled: true,
            pins: [false; 4],
            inputs: [Input::default(); 5],
            trigger_level: false,
            break_active: false,
            dma: 0,
            burst_index: 0,
            trigger_pulses: 0,
        }
    }

    /// The RCC gates the timer's clock: a running counter stands still meanwhile. Enabled unless told otherwise.
    pub fn set_clock_enabled(&mut self, enabled: bool, cx: &mut Cx<'_>) {
        self.count_to_now(cx);
        self.clock_enabled = enabled;
    }

    /// The DMA controller served these requests (bits as in `dma_requests`). An update request for a burst through
    /// DMAR stays up until the burst is through.
    pub fn acknowledge_dma(&mut self, requests: u32) {
        if self.burst_index == 0 {
            self.dma &= !requests;
        }
    }

    /// Pulses on the trigger output since reset, with CR2.MMS 0 (UG), 2 (update) or 3 (compare 1).
    pub fn trigger_pulses(&self) -> u64 {
        self.trigger_pulses
    }

    /// Level of the trigger output with CR2.MMS 1 (counter enabled) or 4 to 7 (OC1REF to OC4REF), at the last instant
    /// this device saw; low in the pulsed modes.
    pub fn trigger_output(&self) -> bool {
        match self.regs[CR2] >> 4 & 7 {
            1 => self.counter.running,
            mode @ 4..=7 => self.reference(mode as usize - 4),
            _ => false,
        }
    }

    /// Share of time that channel `channel`'s (0 to 3) output pin is high, as numerator and denominator, and whether
    /// the output is enabled. For an output that does not depend on the counter, or while the counter stands still,
    /// the share is 0/1 or 1/1.
    pub fn channel_output(&self, channel: usize) -> (u64, u64, bool) {
        if channel >= self.variant.channels() {
            return (0, 1, false);
        }
        let enabled = self.output_enabled(channel);
        let mode = self.channel_mode(channel) >> 4 & 7;
        let reload = u64::from(self.counter.reload);
        if mode < 6 || !self.is_counting() || reload == 0 {
            return (u64::from(self.output_level(channel)), 1, enabled);
        }
        let compare = u64::from(self.counter.compare[channel]);
        let (active, period) = if self.regs[CR1] & CMS != 0 {
            (compare.min(reload), reload)
        } else if self.counter.down {
            ((compare + 1).min(reload + 1), reload + 1)
        } else {
            (compare.min(reload + 1), reload + 1)
        };
        let low_active = (mode == 7) != self.is_inverted(channel);
        (if low_active { period - active } else { active }, period, enabled)
    }

    /// Level that channel `channel` (0 to 3) drives on its pin, at the last instant this device saw. Low if the output
    /// is not enabled.
    pub fn output_level(&self, channel: usize) -> bool {
        self.output_enabled(channel) && self.reference(channel) != self.is_inverted(channel)
    }

    fn output_enabled(&self, channel: usize) -> bool {
        channel < self.variant.channels()
            && self.channel_mode(channel) & 3 == 0
            && self.regs[CCER] >> (4 * channel) & 1 != 0
            && (self.variant != Variant::Advanced || self.regs[BDTR] & MOE != 0)
    }

    fn is_inverted(&self, channel: usize) -> bool {
        self.regs[CCER] >> (4 * channel) & 2 != 0
    }

    fn reference(&self, channel: usize) -> bool {
        channel < self.variant.channels() && self.counter.reference(channel, self.channel_mode(channel) >> 4 & 7)
    }

    fn setup(&self) -> Setup {
        let cr1 = self.regs[CR1];
        let mut mode = [None; 4];
        for (channel, mode) in mode.iter_mut().enumerate().take(self.variant.channels()) {
            let bits = self.channel_mode(channel);
            *mode = (bits & 3 == 0).then_some(bits >> 4 & 7);
        }
        Setup {
            max: self.variant.max(),
            centre: (cr1 & CMS) >> 5,
            one_pulse: cr1 & OPM != 0,
            update_disabled: cr1 & UDIS != 0,
            repetition: self.regs[RCR],
            prescaler: self.regs[PSC],
            reload: self.regs[ARR],
            compare: [self.regs[CCR1], self.regs[CCR1 + 1], self.regs[CCR1 + 2], self.regs[CCR1 + 3]],
            mode,
        }
    }

    /// Whether the kernel clock reaches the counter.
    fn is_counting(&self) -> bool {
        let slave = self.regs[SMCR] & 7;
        self.counter.running
            && self.clock_enabled
            && self.regs[SMCR] & ECE == 0
            && match slave {
                0 | 4 | 6 => true,
                5 => self.trigger_level,
                _ => false,
            }
    }

    fn cycles_per_tick(&self, clocks: &Clocks) -> u64 {
        let cycles = if self.instance.is_on_apb2() { clocks.hclk_per_tim_apb2 } else { clocks.hclk_per_tim_apb1 };
        cycles.max(1)
    }

    fn count_to(&mut self, cycle: u64, clocks: &Clocks) {
        if !self.is_counting() {
            self.anchor_cycle = cycle;
            return;
        }
        let per_tick = self.cycles_per_tick(clocks);
        let ticks = cycle.saturating_sub(self.anchor_cycle) / per_tick;
        if ticks > 0 {
            self.anchor_cycle += ticks * per_tick;
            let mut events = Events::default();
            let setup = self.setup();
            self.counter.run(&setup, ticks, &mut events);
            self.apply(events);
        }
    }

    /// Counts to `cx.now`, letting filtered inputs through at their own instants.
    fn count_to_now(&mut self, cx: &Cx<'_>) {
        while let Some((index, cycle)) = self.next_input().filter(|(_, cycle)| *cycle <= cx.now.cycles) {
            self.count_to(cycle, cx.clocks);
            self.filtered_edge(index, cycle);
        }
        self.count_to(cx.now.cycles, cx.clocks);
    }

    fn next_input(&self) -> Option<(usize, u64)> {
        let due = self.inputs.iter().enumerate().filter_map(|(index, input)| Some((index, input.due_cycle?)));
        due.min_by_key(|(_, cycle)| *cycle)
    }

    /// What the counter did becomes flags, requests and trigger pulses.
    fn apply(&mut self, events: Events) {
        self.regs[SR] |= events.flags;
        let on_update = self.regs[CR2] & CCDS != 0;
        if events.updates > 0 {
            self.request_dma(0);
            if self.regs[BDTR] & AOE != 0 && !self.break_active {
                self.regs[BDTR] |= MOE;
            }
        }
        for channel in 0..4 {
            if if on_update { events.updates > 0 } else { events.flags & 2 << channel != 0 } {
                self.request_dma(1 + channel);
            }
        }
        match self.regs[CR2] >> 4 & 7 {
            2 => self.trigger_pulses += events.updates,
            3 => self.trigger_pulses += events.matches_1,
            _ => {}
        }
        if !self.counter.running {
            self.regs[CR1] &= !CEN;
        }
    }

    /// Raises DMA request `request` if it is enabled: DIER has the enables in the same order from bit 8 on.
    fn request_dma(&mut self, request: u32) {
        self.dma |= self.regs[DIER] >> 8 & 1 << request;
    }

    /// Counter events that somebody waits for: an interrupt not yet raised, a DMA request, a trigger output.
    fn awaited(&self) -> u32 {
        let (dier, sr) = (self.regs[DIER], self.regs[SR]);
        let mut flags = dier & !sr & 0x1f;
        let requests = dier >> 8 & !self.dma & 0x1f;
        if self.regs[CR2] & CCDS != 0 && requests != 0 {
            flags |= UIF;
        } else {
            flags |= requests;
        }
        match self.regs[CR2] >> 4 & 7 {
            2 => flags |= UIF,
            3 => flags |= 2,
            _ => {}
        }
        if self.regs[CR1] & UDIS != 0 {
            flags &= !UIF;
        }
        for channel in 0..4 {
            if channel >= self.variant.channels() || self.channel_mode(channel) & 3 != 0 {
                flags &= !(2 << channel);
            }
        }
        flags
    }

    fn software_events(&mut self, value: u32) {
        let mut events = Events::default();
        let setup = self.setup();
        if value & 1 != 0 {
            self.counter.generate_update(&setup, &mut events);
            if self.regs[CR1] & (URS | UDIS) == 0 {
                events.flags |= UIF;
            }
            self.trigger_pulses += u64::from(self.regs[CR2] >> 4 & 7 == 0);
        }
        for channel in 0..self.variant.channels() {
            if value & 2 << channel == 0 {
                continue;
            }
            if self.channel_mode(channel) & 3 != 0 {
                self.capture(channel);
            } else {
                events.flags |= 2 << channel;
            }
        }
        self.apply(events);
        if value & COMIF != 0 && self.variant == Variant::Advanced {
            self.regs[SR] |= COMIF;
            self.request_dma(5);
        }
        if value & TIF != 0 && self.variant.has_trigger() {
            self.trigger_event();
        }
        if value & BIF != 0 && self.variant == Variant::Advanced {
            self.regs[SR] |= BIF;
            self.regs[BDTR] &= !MOE;
        }
    }

    /// What follows from a changed register.
    fn register_written(&mut self, index: usize, old: u32, cx: &mut Cx<'_>) {
        let new = self.regs[index];
        match index {
            CR1 => {
                self.counter.running = new & CEN != 0;
                if new & CMS == 0 && self.regs[SMCR] & 7 != 1 && self.regs[SMCR] & 7 != 2 && self.regs[SMCR] & 7 != 3 {
                    self.counter.down = new & DIR != 0;
                }
                if new & ARPE == 0 {
                    self.counter.reload = self.regs[ARR];
                }
            }
            ARR if self.regs[CR1] & ARPE == 0 => self.counter.reload = new,
            CCMR1 | CCMR2 => {
                for channel in 2 * (index - CCMR1)..(2 * (index - CCMR1) + 2).min(self.variant.channels()) {
                    let shift = 8 * (channel & 1);
                    let (was, is) = (old >> shift & 0xff, new >> shift & 0xff);
                    if was & 0x73 != is & 0x73 {
                        // A mode that holds its level goes on from the one before.
                        self.counter.reference[channel] = self.counter.reference(channel, was >> 4 & 7);
                    }
                    if is & 3 == 0 && is & 8 == 0 {
                        self.counter.compare[channel] = self.regs[CCR1 + channel];
                    }
                    if is & 3 == 0 && is & 0x80 != 0 && was & 0x80 == 0 {
                        cx.unmodelled(&format!("{}.CCMR{}.OC{}CE", self.instance.name(), index - 5, channel + 1));
                    }
                }
            }
            CCER => {
                for channel in 0..self.variant.channels() {
                    if new >> (4 * channel) & 1 == 0 {
                        self.inputs[channel].edges = 0;
                    }
                }
            }
            BDTR if self.break_active => self.regs[BDTR] &= !MOE,
            _ => {}
        }
    }

    fn write_compare(&mut self, channel: usize, value: u32) {
        let mode = self.channel_mode(channel);
        if mode & 3 == 0 {
            self.regs[CCR1 + channel] = value;
            if mode & 8 == 0 {
                self.counter.compare[channel] = value;
            }
        }
    }

    /// Offset that an access to DMAR reaches, and one step further in the burst (RM0033 14.3.18, DCR).
    fn next_burst_offset(&mut self) -> u32 {
        let dcr = self.regs[DCR];
        let offset = 4 * ((dcr & 0x1f) + self.burst_index);
        self.burst_index = if self.burst_index >= dcr >> 8 & 0x1f { 0 } else { self.burst_index + 1 };
        offset
    }

    fn find(&self, offset: u32) -> Option<(usize, &'static Register)> {
        let register = table(self.variant).iter().find(|register| register.offset == offset & !3)?;
        Some((register.offset as usize / 4, register))
    }
}

impl Device for Timer {
    fn name(&self) -> &str {
        self.instance.name()
    }

    fn table(&self) -> &'static [Register] {
        table(self.variant)
    }

    fn read(&mut self, offset: u32, cx: &mut Cx<'_>) -> u32 {
        self.count_to_now(cx);
        let Some((index, _)) = self.find(offset) else {
            cx.unmodelled(&format!("{} read offset {offset:#x}", self.instance.name()));
            return 0;
        };
        match index {
            CR1 => self.regs[CR1] & !DIR | if self.counter.down { DIR } else { 0 },
            CNT => self.counter.count,
            // Reading a captured value clears its flag.
            CCR1..=CCR4 if self.channel_mode(index - CCR1) & 3 != 0 => {
                self.regs[SR] &= !(2 << (index - CCR1));
                self.regs[index]
            }
            DMAR => match self.next_burst_offset() {
                offset if offset as usize / 4 != DMAR => self.read(offset, cx),
                _ => 0,
            },
            _ => self.regs[index],
        }
    }

    fn write(&mut self, offset: u32, value: u32, lanes: u32, cx: &mut Cx<'_>) {
        self.count_to_now(cx);
        let Some((index, register)) = self.find(offset) else {
            cx.unmodelled(&format!("{} write offset {offset:#x}", self.instance.name()));
            return;
        };
        let old = if index == CNT { self.counter.count } else { self.regs[index] };
        let new = register.after_write(old, value, lanes);
        match index {
            EGR => return self.software_events(value & lanes),
            CNT => {
                self.counter.count = new;
                return;
            }
            CCR1..=CCR4 => return self.write_compare(index - CCR1, new),
            DMAR => {
                let target = self.next_burst_offset();
                if target as usize / 4 != DMAR {
                    self.write(target, value, lanes, cx);
                }
                return;
            }
            _ => {}
        }
        for field in register.fields {
            if field.access == Access::Tag && (old ^ new) & field.mask() != 0 {
                cx.unmodelled(&format!("{}.{}.{}", self.instance.name(), register.name, field.name));
            }
        }
        self.regs[index] = new;
        self.register_written(index, old, cx);
    }

    fn wake(&self, clocks: &Clocks) -> Wake {
        let input_cycle = self.next_input().map_or(u64::MAX, |(_, cycle)| cycle);
        let awaited = self.awaited();
        if awaited == 0 || !self.is_counting() {
            return Wake::at_cycle(input_cycle);
        }
        let setup = self.setup();
        let mut counter = self.counter;
        let mut ticks: u64 = 0;
        // Looks a bounded way ahead: coming back early is harmless.
        for _ in 0..256 {
            let Some(needed) = counter.ticks_to_event(&setup) else {
                return Wake::at_cycle(input_cycle);
            };
            let mut events = Events::default();
            counter.run(&setup, needed, &mut events);
            ticks = ticks.saturating_add(needed);
            if events.flags & awaited != 0 {
                break;
            }
        }
        let cycle = self.anchor_cycle.saturating_add(ticks.saturating_mul(self.cycles_per_tick(clocks)));
        Wake::at_cycle(cycle.min(input_cycle))
    }

    fn advance(&mut self, cx: &mut Cx<'_>) {
        self.count_to_now(cx);
    }

    fn clocks_changed(&mut self, cx: &mut Cx<'_>) {
        // The part of a kernel clock already passed is dropped.
        self.anchor_cycle = cx.now.cycles;
    }

    fn irq_lines(&self) -> u32 {
        let active = self.regs[SR] & self.regs[DIER];
        if self.variant != Variant::Advanced {
            return u32::from(active & 0xff != 0);
        }
        u32::from(active & BIF != 0)
            | u32::from(active & UIF != 0) << 1
            | u32::from(active & (TIF | COMIF) != 0) << 2
            | u32::from(active & 0x1e != 0) << 3
    }

    fn dma_requests(&self) -> u32 {
        self.dma & self.regs[DIER] >> 8
    }

    /// The pins keep their levels: they belong to the world outside.
    fn reset(&mut self) {
        let mut new = Self::new(self.instance);
        new.clock_enabled = self.clock_enabled;
        new.pins = self.pins;
        for (new, old) in new.inputs.iter_mut().zip(self.inputs) {
            *new = Input { pin: old.pin, filtered: old.pin, ..Input::default() };
        }
        *self = new;
    }
}
