//! The board's RGB LED, looked at: the duty of TIM2's channels 2 to 4 on PA1 to PA3. The LEDs hang between the supply
//! and the pins: low is lit.

use lockstep::Machine;
use lockstep_peripherals::board::{LedState, Rgb, RgbLed};
use lockstep_peripherals::{Pin, Port};

/// Between two looks at the pattern; a person does not see more.
const LOOK_PS: u64 = 100_000_000_000;

/// Watches the LED.
#[derive(Debug, Default)]
pub struct LedWatch {
    led: RgbLed,
    last: Option<LedState>,
    next_look_ps: u64,
}

impl LedWatch {
    /// Notes its brightness now. Returns the state if it is another one than before.
    pub fn sample(&mut self, machine: &Machine) -> Option<LedState> {
        let now_ps = machine.now().time_ps;
        self.led.set(rgb(machine), now_ps);
        if now_ps < self.next_look_ps {
            return None;
        }
        self.next_look_ps = now_ps + LOOK_PS;
        let state = self.led.state(now_ps);
        // The measured period of a blink jitters; what a person calls it does not.
        let is_new = self.last.is_none_or(|last| last.to_string() != state.to_string());
        self.last = Some(state);
        is_new.then_some(state)
    }

    /// What it shows, as of the last look.
    pub fn state(&self) -> Option<LedState> {
        self.last
    }

    /// Brightness at the last sample.
    pub fn rgb(&self) -> Rgb {
        self.led.rgb()
    }
}

fn rgb(machine: &Machine) -> Rgb {
    Rgb { red: level(machine, 1), green: level(machine, 2), blue: level(machine, 3) }
}

/// Level in thousandths of the LED on PA`number`: channel `number` of TIM2, counted from 0.
fn level(machine: &Machine, number: u8) -> u16 {
    let soc = &machine.world.state.soc;
    let devices = soc.devices();
    let [port_a, ..] = &devices.gpio;
    let [_, tim2, ..] = &devices.tim;
    if port_a.af(number) == Some(1) {
        let (high, period, enabled) = tim2.channel_output(usize::from(number));
        if !enabled || period == 0 {
            return 0;
        }
        return u16::try_from((period - high.min(period)) * 1000 / period).unwrap_or(0);
    }
    if soc.pin_driven(Pin::new(Port::A, number)) == Some(false) { 1000 } else { 0 }
}
