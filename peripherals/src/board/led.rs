//! The status RGB LED as a person sees it: from the brightness of its three parts over virtual time to a colour, a
//! pattern and what Particle's documentation says it means. Only looks; integer arithmetic throughout.

use std::collections::VecDeque;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time::{PS_PER_MS, PS_PER_S};

/// Brightness of the LED's parts in thousandths of full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rgb {
    /// Red part, 0 to 1000.
    pub red: u16,
    /// Green part, 0 to 1000.
    pub green: u16,
    /// Blue part, 0 to 1000.
    pub blue: u16,
}

impl Rgb {
    /// The brightest part.
    pub fn level(self) -> u16 {
        self.red.max(self.green).max(self.blue)
    }
}

/// A colour by its usual name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Colour {
    Off,
    White,
    Red,
    Orange,
    Yellow,
    Green,
    Cyan,
    Blue,
    Magenta,
}

/// Hues at full brightness, in thousandths.
const COLOURS: [(Colour, [i64; 3]); 8] = [
    (Colour::White, [1000, 1000, 1000]),
    (Colour::Red, [1000, 0, 0]),
    (Colour::Orange, [1000, 400, 0]),
    (Colour::Yellow, [1000, 1000, 0]),
    (Colour::Green, [0, 1000, 0]),
    (Colour::Cyan, [0, 1000, 1000]),
    (Colour::Blue, [0, 0, 1000]),
    (Colour::Magenta, [1000, 0, 1000]),
];

/// Below this level (thousandths) the LED looks dark.
const DARK: u16 = 4;

impl Colour {
    /// The named colour nearest in hue; brightness does not matter unless it is dark.
    pub fn nearest(rgb: Rgb) -> Self {
        let level = i64::from(rgb.level());
        if rgb.level() < DARK {
            return Self::Off;
        }
        let hue = [rgb.red, rgb.green, rgb.blue].map(|part| i64::from(part) * 1000 / level);
        let distance = |named: &[i64; 3]| -> i64 { hue.iter().zip(named).map(|(a, b)| (a - b) * (a - b)).sum() };
        COLOURS.iter().min_by_key(|(_, named)| distance(named)).map_or(Self::Off, |(colour, _)| *colour)
    }

    /// Its name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::White => "white",
            Self::Red => "red",
            Self::Orange => "orange",
            Self::Yellow => "yellow",
            Self::Green => "green",
            Self::Cyan => "cyan",
            Self::Blue => "blue",
            Self::Magenta => "magenta",
        }
    }
}

/// How the LED's light changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pattern {
    /// Dark.
    Off,
    /// Steady.
    Solid,
    /// Fades up and down.
    Breathing,
    /// On and off.
    Blinking {
        /// Time of one on and off in milliseconds.
        period_ms: u64,
    },
    /// Three short, three long, three short, a pause, and `code` blinks.
    Sos {
        /// The panic code.
        code: u32,
    },
}

/// What the LED shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedState {
    /// Its colour when lit.
    pub colour: Colour,
    /// Its pattern.
    pub pattern: Pattern,
}

/// Periods of LED_SPEED_FAST and LED_SPEED_SLOW blinking lie below and above these.
const FAST_BELOW_MS: u64 = 150;
const SLOW_ABOVE_MS: u64 = 350;

impl fmt::Display for LedState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let colour = self.colour.name();
        match self.pattern {
            Pattern::Off => write!(f, "off"),
            Pattern::Solid => write!(f, "solid {colour}"),
            Pattern::Breathing => write!(f, "breathing {colour}"),
            Pattern::Blinking { period_ms } if period_ms < FAST_BELOW_MS => write!(f, "blinking {colour} fast"),
            Pattern::Blinking { period_ms } if period_ms > SLOW_ABOVE_MS => write!(f, "blinking {colour} slowly"),
            Pattern::Blinking { .. } => write!(f, "blinking {colour}"),
            Pattern::Sos { code } => write!(f, "SOS {code} {colour}"),
        }
    }
}

impl LedState {
    /// What it means on a Particle device, by its documentation of the status LED; `None` if it means nothing there.
    pub fn meaning(&self) -> Option<&'static str> {
        use Colour::{Blue, Cyan, Green, Magenta, Orange, Red, White, Yellow};
        match (self.pattern, self.colour) {
            (Pattern::Sos { code }, Red) => Some(panic_name(code)),
            (Pattern::Breathing, Cyan) => Some("cloud connected"),
            (Pattern::Breathing, Green) => Some("network connected, not the cloud"),
            (Pattern::Breathing, Magenta) => Some("safe mode"),
            (Pattern::Breathing, White) => Some("cellular off"),
            (Pattern::Breathing, Blue) => Some("listening, network off"),
            (Pattern::Blinking { .. }, Green) => Some("connecting to the network"),
            (Pattern::Blinking { .. }, Cyan) => Some("connecting to the cloud"),
            (Pattern::Blinking { .. }, Blue) => Some("listening mode"),
            (Pattern::Blinking { .. }, Magenta) => Some("updating firmware, or MODE held: safe mode on release"),
            (Pattern::Blinking { .. }, Yellow) => Some("DFU mode, or MODE held: DFU mode on release"),
            (Pattern::Blinking { .. }, Orange) => Some("no session with the cloud: bad keys"),
            (Pattern::Blinking { .. }, Red) => Some("error connecting to the cloud"),
            (Pattern::Blinking { .. }, White) => Some("starting, or factory reset"),
            (Pattern::Solid, Magenta) => Some("MODE held: safe mode on release"),
            (Pattern::Solid, Yellow) => Some("MODE held: DFU mode on release"),
            (Pattern::Solid, White) => Some("starting"),
            _ => None,
        }
    }
}

fn panic_name(code: u32) -> &'static str {
    const NAMES: [&str; 14] = [
        "hard fault",
        "non-maskable interrupt",
        "memory management fault",
        "bus fault",
        "usage fault",
        "invalid length",
        "exit",
        "out of heap",
        "SPI overrun",
        "assertion failed",
        "invalid case",
        "pure virtual call",
        "stack overflow",
        "heap error",
    ];
    (code as usize).checked_sub(1).and_then(|index| NAMES.get(index)).copied().unwrap_or("unknown panic")
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Change {
    time_ps: u64,
    rgb: Rgb,
}

/// Longest SOS: preamble, pause and 14 blinks.
const WINDOW_PS: u64 = 20 * PS_PER_S;
/// Dark for longer than any pattern's pause.
const OFF_PS: u64 = 2 * PS_PER_S;
/// More than the window holds at a change each 5 ms.
const CHANGES: usize = 4096;
/// A fade has at least so many different levels; blinking, even at two brightnesses, does not.
const FADE_LEVELS: usize = 6;
/// Within SOS a gap longer than this separates the preamble from the code.
const SOS_PAUSE_MS: u64 = 600;

/// The LED with its recent past.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RgbLed {
    changes: VecDeque<Change>,
}

impl RgbLed {
    /// Dark since ever.
    pub fn new() -> Self {
        Self::default()
    }

    /// The brightness is `rgb` from now on. Instants must not go backwards; one that does counts as the last one.
    pub fn set(&mut self, rgb: Rgb, now_ps: u64) {
        let last = self.changes.back().copied();
        if last.map_or(Rgb::default(), |change| change.rgb) == rgb {
            return;
        }
        let time_ps = now_ps.max(last.map_or(0, |change| change.time_ps));
        match self.changes.back_mut() {
            // The three parts are written one after the other: only the outcome is seen.
            Some(change) if time_ps - change.time_ps < PS_PER_MS / 10 => change.rgb = rgb,
            _ => self.changes.push_back(Change { time_ps, rgb }),
        }
        let start_ps = now_ps.saturating_sub(WINDOW_PS);
        while self.changes.len() > CHANGES || self.changes.get(1).is_some_and(|second| second.time_ps < start_ps) {
            self.changes.pop_front();
        }
    }

    /// The brightness now.
    pub fn rgb(&self) -> Rgb {
        self.changes.back().map_or(Rgb::default(), |change| change.rgb)
    }

    /// What it shows, judged by the time since it last had another colour.
    pub fn state(&self, now_ps: u64) -> LedState {
        let off = LedState { colour: Colour::Off, pattern: Pattern::Off };
        let Some(last) = self.changes.back() else { return off };
        if last.rgb.level() < DARK && now_ps.saturating_sub(last.time_ps) >= OFF_PS {
            return off;
        }
        // The latest stretch of one colour with darkness in between. Dim light has no certain hue (a few steps of the
        // timer make it): it belongs to the stretch only if the same colour, brighter, comes before it.
        let mut first = self.changes.len();
        let mut seen = first;
        let mut colour = Colour::Off;
        let mut after_dim = false;
        let mut dark_until_ps = now_ps;
        for (index, change) in self.changes.iter().enumerate().rev() {
            let this = Colour::nearest(change.rgb);
            if this == Colour::Off {
                if dark_until_ps.saturating_sub(change.time_ps) >= OFF_PS {
                    break;
                }
                if !after_dim {
                    first = index;
                }
            } else if change.rgb.level() < 8 * DARK {
                after_dim = true;
            } else if colour == Colour::Off || this == colour {
                colour = this;
                after_dim = false;
                first = index;
            } else {
                break;
            }
            dark_until_ps = change.time_ps;
            seen = index;
        }
        if colour == Colour::Off {
            // Never bright: the brightest tells.
            let brightest = self.changes.iter().skip(seen).map(|change| change.rgb).max_by_key(|rgb| rgb.level());
            colour = Colour::nearest(brightest.unwrap_or_default());
            first = seen;
        }
        let stretch: Vec<Change> = self.changes.iter().skip(first).copied().collect();
        LedState { colour, pattern: pattern(&stretch, colour, now_ps) }
    }
}

/// A lit stretch and the dark one after it, in milliseconds.
#[derive(Clone, Copy)]
struct Blink {
    on_ms: u64,
    off_ms: u64,
}

fn pattern(stretch: &[Change], colour: Colour, now_ps: u64) -> Pattern {
    let mut levels: Vec<u16> = stretch.iter().map(|change| change.rgb.level()).filter(|level| *level >= DARK).collect();
    levels.sort_unstable();
    levels.dedup();
    if levels.len() >= FADE_LEVELS {
        return Pattern::Breathing;
    }
    let (blinks, lit) = blinks(stretch, now_ps);
    if colour == Colour::Red
        && let Some(code) = sos_code(&blinks)
    {
        return Pattern::Sos { code };
    }
    match blinks.last() {
        None if lit => Pattern::Solid,
        None => Pattern::Off,
        // One blink may be anything; what is lit for much longer than the last blink is solid.
        Some(_) if blinks.len() < 2 => Pattern::Solid,
        Some(last) => Pattern::Blinking { period_ms: last.on_ms + last.off_ms },
    }
}

/// Complete blinks, and whether it is lit at the end.
fn blinks(stretch: &[Change], now_ps: u64) -> (Vec<Blink>, bool) {
    let mut blinks = Vec::new();
    let mut on_since_ps = None;
    let mut off: Option<(u64, u64)> = None;
    for change in stretch {
        let lit = change.rgb.level() >= DARK;
        match (lit, on_since_ps) {
            (true, None) => {
                if let Some((on_ms, off_since_ps)) = off.take() {
                    blinks.push(Blink { on_ms, off_ms: (change.time_ps - off_since_ps) / PS_PER_MS });
                }
                on_since_ps = Some(change.time_ps);
            }
            (false, Some(since_ps)) => {
                off = Some(((change.time_ps - since_ps) / PS_PER_MS, change.time_ps));
                on_since_ps = None;
            }
            _ => {}
        }
    }
    if let Some((on_ms, off_since_ps)) = off {
        let off_ms = now_ps.saturating_sub(off_since_ps) / PS_PER_MS;
        if off_ms >= SOS_PAUSE_MS {
            blinks.push(Blink { on_ms, off_ms });
        }
    }
    (blinks, on_since_ps.is_some())
}

/// The latest complete SOS: nine blinks short, long, short, a pause, and blinks up to the next pause.
fn sos_code(blinks: &[Blink]) -> Option<u32> {
    for start in (0..blinks.len()).rev() {
        let Some(preamble) = blinks.get(start..start + 9) else { continue };
        let rest = blinks.get(start + 9..)?;
        let (shorts, long) = ([&preamble[..3], &preamble[6..]].concat(), &preamble[3..6]);
        let longest_short = shorts.iter().map(|blink| blink.on_ms).max()?;
        let shortest_long = long.iter().map(|blink| blink.on_ms).min()?;
        let gaps_short = preamble.iter().take(8).all(|blink| blink.off_ms < SOS_PAUSE_MS);
        let pause = preamble.last().is_some_and(|blink| blink.off_ms >= SOS_PAUSE_MS);
        if gaps_short && pause && shortest_long * 2 >= longest_short * 3 {
            let count = rest.iter().position(|blink| blink.off_ms >= SOS_PAUSE_MS)? + 1;
            return u32::try_from(count).ok();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GREEN: Rgb = Rgb { red: 0, green: 300, blue: 0 };
    const RED: Rgb = Rgb { red: 376, green: 0, blue: 0 };
    const DARKNESS: Rgb = Rgb { red: 0, green: 0, blue: 0 };

    struct Rig {
        led: RgbLed,
        now_ms: u64,
    }

    impl Rig {
        fn new() -> Self {
            Self { led: RgbLed::new(), now_ms: 0 }
        }
        fn show(&mut self, rgb: Rgb, ms: u64) {
            self.led.set(rgb, self.now_ms * PS_PER_MS);
            self.now_ms += ms;
        }
        fn breathe(&mut self, scale: impl Fn(u16) -> Rgb) {
            for step in (0..100).chain((0..100).rev()) {
                self.show(scale(step * 4), 20);
            }
        }
        fn text(&self) -> String {
            let state = self.led.state(self.now_ms * PS_PER_MS);
            match state.meaning() {
                Some(meaning) => format!("{state}: {meaning}"),
                None => state.to_string(),
            }
        }
    }

    #[test]
    fn the_boot_sequence_of_a_device_that_connects() {
        let mut rig = Rig::new();
        assert_eq!(rig.text(), "off");
        rig.breathe(|level| Rgb { red: level, green: level, blue: level });
        assert_eq!(rig.text(), "breathing white: cellular off");
        for _ in 0..10 {
            rig.show(GREEN, 100);
            rig.show(DARKNESS, 100);
        }
        assert_eq!(rig.text(), "blinking green: connecting to the network");
        for _ in 0..10 {
            rig.show(Rgb { green: 300, blue: 310, red: 0 }, 50);
            rig.show(DARKNESS, 50);
        }
        assert_eq!(rig.text(), "blinking cyan fast: connecting to the cloud");
        rig.breathe(|level| Rgb { red: 0, green: level, blue: level });
        assert_eq!(rig.text(), "breathing cyan: cloud connected");
        rig.show(DARKNESS, 5_000);
        assert_eq!(rig.text(), "off");
    }

    #[test]
    fn sos_with_each_code() {
        for code in 1..=14u32 {
            let mut rig = Rig::new();
            for _ in 0..2 {
                for (count, on_ms) in [(3, 150), (3, 300), (3, 150)] {
                    for _ in 0..count {
                        rig.show(RED, on_ms);
                        rig.show(DARKNESS, 100);
                    }
                    rig.now_ms += 100;
                }
                rig.now_ms += 800;
                for _ in 0..code {
                    rig.show(RED, 300);
                    rig.show(DARKNESS, 300);
                }
                rig.now_ms += 800;
            }
            let text = rig.text();
            assert!(text.starts_with(&format!("SOS {code} red: ")), "{code}: {text}");
        }
    }

    #[test]
    fn solid_and_slow() {
        let mut rig = Rig::new();
        rig.show(Rgb { red: 300, green: 0, blue: 300 }, 900);
        assert_eq!(rig.text(), "solid magenta: MODE held: safe mode on release");
        for _ in 0..4 {
            rig.show(Rgb { red: 0, green: 0, blue: 50 }, 250);
            rig.show(DARKNESS, 250);
        }
        assert_eq!(rig.text(), "blinking blue slowly: listening mode");
        rig.show(Rgb { red: 300, green: 118, blue: 0 }, 100);
        assert_eq!(rig.text(), "solid orange");
    }

    proptest! {
        #[test]
        fn nothing_panics(changes: Vec<(u16, u16, u16, u64)>, now_ps: u64) {
            let mut led = RgbLed::new();
            for (red, green, blue, time_ps) in changes {
                led.set(Rgb { red, green, blue }, time_ps);
                led.state(now_ps).to_string();
                led.state(time_ps).meaning();
            }
        }

        /// Brightness alone never changes the colour's name.
        #[test]
        fn hue_is_independent_of_brightness(index in 0usize..8, level in 40i64..1000) {
            let (colour, [red, green, blue]) = COLOURS[index];
            let part = |full: i64| (full * level / 1000) as u16;
            prop_assert_eq!(Colour::nearest(Rgb { red: part(red), green: part(green), blue: part(blue) }), colour);
        }
    }
}
