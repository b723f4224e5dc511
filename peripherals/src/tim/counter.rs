//! The counter unit of a timer: prescaler, counter, auto-reload, repetition and compare, without registers or time.
//!
//! Everything is counted in ticks of the timer's kernel clock. Spans without an event are jumped over, and once a
//! whole period is seen to bring back the same state, so are whole periods: a fast timer costs nothing while nobody
//! looks.

use serde::{Deserialize, Serialize};

/// What the registers ask of the counter; constant between two accesses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setup {
    /// Largest count: 0xFFFF or 0xFFFF_FFFF.
    pub(super) max: u32,
    /// CR1.CMS: 0 edge-aligned, 1 to 3 centre-aligned.
    pub(super) centre: u32,
    pub(super) one_pulse: bool,
    pub(super) update_disabled: bool,
    /// Preload values, which an update event makes active.
    pub(super) repetition: u32,
    pub(super) prescaler: u32,
    pub(super) reload: u32,
    pub(super) compare: [u32; 4],
    /// OCxM of the channels that compare; `None` for captures and channels the timer lacks.
    pub(super) mode: [Option<u32>; 4],
}

/// What happened while counting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Events {
    /// Flags as in SR: bit 0 update, bits 1 to 4 compare.
    pub(super) flags: u32,
    /// Number of update events.
    pub(super) updates: u64,
    /// Number of compare matches of channel 1.
    pub(super) matches_1: u64,
}

/// The counter's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counter {
    /// CR1.CEN.
    pub(super) running: bool,
    pub(super) count: u32,
    /// Direction: CR1.DIR.
    pub(super) down: bool,
    /// Kernel ticks since the last counter tick.
    pub(super) phase: u32,
    /// Overflows left before the next update event.
    pub(super) repetition: u32,
    /// Active prescaler, auto-reload and compare values.
    pub(super) prescaler: u32,
    pub(super) reload: u32,
    pub(super) compare: [u32; 4],
    /// OCxREF of the modes that hold it (frozen, on match, toggle).
    pub(super) reference: [bool; 4],
}

impl Counter {
    /// After reset, with the auto-reload register's reset value.
    pub(super) fn new(reload: u32) -> Self {
        Self {
            running: false,
            count: 0,
            down: false,
            phase: 0,
            repetition: 0,
            prescaler: 0,
            reload,
            compare: [0; 4],
            reference: [false; 4],
        }
    }

    /// Counts `ticks` kernel ticks.
    pub(super) fn run(&mut self, setup: &Setup, mut ticks: u64, events: &mut Events) {
        while let Some(needed) = self.ticks_to_event(setup) {
            let unit = self.unit_ticks(setup);
            if ticks / 4 < unit.max(needed) {
                break;
            }
            // A counter beyond its auto-reload value first has to come round.
            let span = unit.max(needed);
            let (before, seen) = (*self, *events);
            self.step(setup, span, events);
            ticks -= span;
            if *self == before {
                let spans = ticks / span;
                ticks -= spans * span;
                events.updates += spans * (events.updates - seen.updates);
                events.matches_1 += spans * (events.matches_1 - seen.matches_1);
                break;
            }
        }
        self.step(setup, ticks, events);
    }

    /// Kernel ticks after which the counter is where it was: two rounds of the repetition counter, so that a toggled
    /// output is back as well.
    fn unit_ticks(&self, setup: &Setup) -> u64 {
        let period = if setup.centre != 0 { 2 * u64::from(self.reload) } else { u64::from(self.reload) + 1 };
        (period * (u64::from(self.prescaler) + 1)).saturating_mul(2 * (u64::from(setup.repetition) + 1)).max(1)
    }

    fn step(&mut self, setup: &Setup, mut ticks: u64, events: &mut Events) {
        while let Some(needed) = self.ticks_to_event(setup) {
            let per_count = u64::from(self.prescaler) + 1;
            if needed > ticks {
                let total = u64::from(self.phase) + ticks;
                self.shift(total / per_count);
                self.phase = (total % per_count) as u32;
                return;
            }
            self.shift(self.quiet_counts(setup));
            self.phase = 0;
            self.count_once(setup, events);
            ticks -= needed;
        }
    }

    /// Kernel ticks to the next count that does more than change the counter by one; `None` if there is none because
    /// the counter stands still.
    pub(super) fn ticks_to_event(&self, setup: &Setup) -> Option<u64> {
        // A counter with an auto-reload value of zero is blocked (RM0033 14.4.12).
        if !self.running || self.reload == 0 {
            return None;
        }
        let per_count = u64::from(self.prescaler) + 1;
        Some((self.quiet_counts(setup) + 1) * per_count - u64::from(self.phase))
    }

    /// Counts that change nothing but the counter before one that does more.
    fn quiet_counts(&self, setup: &Setup) -> u64 {
        let count = self.count;
        let centre = setup.centre != 0;
        if centre && (if self.down { count == 0 } else { count >= self.reload }) {
            return 0;
        }
        // The count whose successor is a turn or a wrap.
        let last = match (self.down, centre) {
            (true, true) => 1,
            (true, false) => 0,
            (false, true) => self.reload - 1,
            (false, false) if count <= self.reload => self.reload,
            (false, false) => setup.max,
        };
        let mut quiet = count.abs_diff(last);
        for (compare, _) in self.compare.iter().zip(setup.mode).filter(|(_, mode)| mode.is_some()) {
            if if self.down { *compare < count } else { *compare > count } {
                quiet = quiet.min(count.abs_diff(*compare) - 1);
            }
        }
        quiet.into()
    }

    fn shift(&mut self, counts: u64) {
        let counts = counts as u32;
        self.count = if self.down { self.count.wrapping_sub(counts) } else { self.count.wrapping_add(counts) };
    }

    /// One tick of the counter clock.
    fn count_once(&mut self, setup: &Setup, events: &mut Events) {
        let centre = setup.centre != 0;
        if centre {
            // Only software can have put the counter at or past a turning point with this direction.
            if self.down && self.count == 0 {
                self.down = false;
            } else if !self.down && self.count >= self.reload {
                self.down = true;
            }
        }
        let was_down = self.down;
        let wrapped;
        if centre {
            self.shift(1);
            wrapped = if was_down { self.count == 0 } else { self.count == self.reload };
            self.down ^= wrapped;
        } else if was_down {
            wrapped = self.count == 0;
            self.count = self.count.wrapping_sub(1);
        } else {
            wrapped = self.count == self.reload;
            self.count = if wrapped || self.count >= setup.max { 0 } else { self.count + 1 };
        }
        if wrapped {
            if !(centre && was_down) {
                self.flag_unreachable(setup, events);
            }
            self.overflow(setup, events);
            // A counter that starts again from the top starts from the new top.
            if was_down != centre {
                self.count = self.reload;
            }
        }
        self.compare_count(setup, was_down, wrapped, events);
    }

    /// CCxIF of a compare value beyond the auto-reload value is set at the overflow (RM0033 14.4.5).
    fn flag_unreachable(&self, setup: &Setup, events: &mut Events) {
        for channel in 0..4 {
            if setup.mode[channel].is_some() && self.compare[channel] > self.reload {
                self.matched(channel, events);
            }
        }
    }

    fn matched(&self, channel: usize, events: &mut Events) {
        events.flags |= 2 << channel;
        events.matches_1 += u64::from(channel == 0);
    }

    fn overflow(&mut self, setup: &Setup, events: &mut Events) {
        if self.repetition > 0 {
            self.repetition -= 1;
        } else if !setup.update_disabled {
            events.flags |= 1;
            events.updates += 1;
            self.load(setup);
            if setup.one_pulse {
                self.running = false;
            }
        }
    }

    /// Makes the preload values active.
    fn load(&mut self, setup: &Setup) {
        self.prescaler = setup.prescaler;
        self.reload = setup.reload;
        self.compare = setup.compare;
        self.repetition = setup.repetition;
    }

    /// Compares after the counter took a new value. At a turning point either direction counts as arrival.
    fn compare_count(&mut self, setup: &Setup, down: bool, turned: bool, events: &mut Events) {
        for channel in 0..4 {
            let Some(mode) = setup.mode[channel] else { continue };
            if self.compare[channel] != self.count {
                continue;
            }
            match mode {
                1 => self.reference[channel] = true,
                2 => self.reference[channel] = false,
                3 => self.reference[channel] = !self.reference[channel],
                _ => {}
            }
            // CMS 1 sets the flag on the way down only, CMS 2 on the way up only.
            if setup.centre == 0 || setup.centre == 3 || turned || (setup.centre == 1) == down {
                self.matched(channel, events);
            }
        }
    }

    /// EGR.UG or a reset by the trigger: counter and prescaler start anew, with an update event unless disabled. The
    /// caller decides about UIF (CR1.URS).
    pub(super) fn generate_update(&mut self, setup: &Setup, events: &mut Events) {
        if !setup.update_disabled {
            events.updates += 1;
            self.load(setup);
        }
        self.phase = 0;
        if setup.centre != 0 {
            self.down = false;
        }
        self.count = if self.down { self.reload } else { 0 };
        self.compare_count(setup, self.down, true, events);
    }

    /// OCxREF.
    pub(super) fn reference(&self, channel: usize, mode: u32) -> bool {
        let (Some(compare), Some(held)) = (self.compare.get(channel), self.reference.get(channel)) else {
            return false;
        };
        let pwm = if self.down { self.count <= *compare } else { self.count < *compare };
        match mode {
            4 => false,
            5 => true,
            6 => pwm,
            7 => !pwm,
            _ => *held,
        }
    }
}
