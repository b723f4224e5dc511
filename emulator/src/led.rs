//! The board's RGB LED, looked at: colour, pattern and meaning over virtual time. An observer: no part of the state.

use lockstep_peripherals::board::{LedState, Pattern, Rgb, RgbLed};
use lockstep_peripherals::soc::Soc;
use lockstep_peripherals::time::PS_PER_MS;
use lockstep_peripherals::{Pin, Port};
use serde::Serialize;

/// Red, green and blue: TIM2 channels 2 to 4. Common anode (the Electron's schematic): a part is lit while its pin is
/// low.
const PINS: [Pin; 3] = [Pin::new(Port::A, 1), Pin::new(Port::A, 2), Pin::new(Port::A, 3)];
/// Between two samples of the brightness: the machine stops for each, and a person sees no more.
const SAMPLE_PS: u64 = 5 * PS_PER_MS;
/// Between two looks at the pattern: a person does not see more.
const LOOK_PS: u64 = 100 * PS_PER_MS;
/// What it shows counts as a change when it lasts so long: the first blink in a new colour looks solid, then off.
const SETTLED_PS: u64 = 400 * PS_PER_MS;

/// From when on the LED showed something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LedChange {
    /// When it was first seen, in picoseconds of virtual time.
    pub time_ps: u64,
    /// What it shows since.
    pub state: LedState,
}

/// Watches the LED. [`Observer::led`](crate::observe::Observer::led) gives it.
#[derive(Clone, Debug)]
pub struct LedObserver {
    led: RgbLed,
    state: LedState,
    since_ps: u64,
    changes: Vec<LedChange>,
    next_sample_ps: u64,
    next_look_ps: u64,
}

impl Default for LedObserver {
    fn default() -> Self {
        Self {
            state: RgbLed::new().state(0),
            led: RgbLed::new(),
            since_ps: 0,
            changes: Vec::new(),
            next_sample_ps: 0,
            next_look_ps: 0,
        }
    }
}

impl LedObserver {
    /// What it shows just now: `state().to_string()` says it in words, `state().meaning()` what it means on a Particle device.
    pub fn state(&self) -> LedState {
        self.state
    }

    /// Its brightness at this moment.
    pub fn rgb(&self) -> Rgb {
        self.led.rgb()
    }

    /// Changes of what it shows, oldest first, without what lasted for less than 400 ms. Before the first it is dark.
    pub fn changes(&self) -> &[LedChange] {
        &self.changes
    }

    /// When it looks next: multiples of a millisecond, at which the machine stops for it. What it sees is the same however
    /// a run is cut.
    pub(crate) fn next_sample_ps(&self) -> u64 {
        self.next_sample_ps
    }

    /// Looks at the pins.
    pub(crate) fn look(&mut self, soc: &Soc, now_ps: u64) {
        if now_ps < self.next_sample_ps {
            return;
        }
        self.next_sample_ps = (now_ps / SAMPLE_PS + 1) * SAMPLE_PS;
        let [red, green, blue] = PINS.map(|pin| lit(soc, pin));
        self.led.set(Rgb { red, green, blue }, now_ps);
        if now_ps < self.next_look_ps {
            return;
        }
        self.next_look_ps = now_ps + LOOK_PS;
        let state = self.led.state(now_ps);
        // The measured period of a blink jitters; what a person calls it does not.
        if state.to_string() != self.state.to_string() {
            self.since_ps = now_ps;
        }
        self.state = state;
        let is_new = match self.changes.last() {
            Some(last) => last.state.to_string() != state.to_string(),
            None => state.pattern != Pattern::Off,
        };
        if is_new && now_ps - self.since_ps >= SETTLED_PS {
            self.changes.push(LedChange { time_ps: self.since_ps, state });
        }
    }
}

/// Share of the time that a pin is low, in thousandths.
fn lit(soc: &Soc, pin: Pin) -> u16 {
    match soc.pin_high_share(pin) {
        Some((high, period)) if period > 0 => {
            u16::try_from(period.saturating_sub(high).saturating_mul(1000) / period).unwrap_or(1000)
        }
        _ => 0,
    }
}
