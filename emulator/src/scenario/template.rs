//! Text with places that a hunt may fill: `late_ok={1s~12s}@{USORD|USORF}#{1..20}`.
//!
//! `{a|b|c}` is one of several texts, `{1..20}` a number between two, `{1s~12s}` one on a logarithmic scale. Numbers have
//! a unit or none: a duration, or `%`. A plain run takes the first of the alternatives and the lower of the bounds.
//! `{{` and `}}` are braces.

use lockstep_modem::duration::{parse_duration_ps, write_duration_us};
use lockstep_modem::percent::{parse_percent_ppm, write_percent_ppm};

/// Microsecond in picoseconds: the grid of durations.
const PS_PER_US: u64 = 1_000_000;
/// Steps of a logarithmic scale: fine enough for any range of a hunt.
const LOG_STEPS: u64 = 1_000;

/// Text with places to fill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Hole(Hole),
}

/// A place to fill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hole {
    /// One of these.
    OneOf(Vec<String>),
    /// A number.
    Number {
        /// The least.
        low: u64,
        /// The most.
        high: u64,
        /// Whether small ones are as likely as large ones.
        is_log: bool,
        /// How it is written.
        unit: Unit,
    },
}

/// How a number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// As it is.
    Plain,
    /// A duration; the number counts microseconds.
    Duration,
    /// Per cent; the number counts millionths.
    Percent,
}

impl Hole {
    /// How many fillings there are: a choice is a number below that.
    pub fn choices(&self) -> u64 {
        match self {
            Self::OneOf(texts) => texts.len() as u64,
            Self::Number { is_log: true, .. } => LOG_STEPS + 1,
            Self::Number { low, high, .. } => (high - low).saturating_add(1),
        }
    }

    /// The filling of a choice.
    pub fn fill(&self, choice: u64) -> String {
        match self {
            Self::OneOf(texts) => texts.get(choice as usize).or(texts.last()).cloned().unwrap_or_default(),
            Self::Number { low, high, is_log: true, unit } => unit.write(log_scale(*low, *high, choice)),
            Self::Number { low, high, unit, .. } => unit.write(low.saturating_add(choice).min(*high)),
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        for (mark, is_log) in [("..", false), ("~", true)] {
            let Some((low_text, high_text)) = text.split_once(mark) else { continue };
            let number = |text: &str| {
                Unit::read(text.trim()).ok_or_else(|| format!("{text:?} is no number, duration or per cent"))
            };
            let ((low, unit), (high, other)) = (number(low_text)?, number(high_text)?);
            if unit != other {
                return Err(format!("{text:?}: both ends need the same unit"));
            }
            if low > high || is_log && low == 0 {
                let what =
                    if low > high { "the lower end comes first" } else { "a logarithmic scale does not reach 0" };
                return Err(format!("{text:?}: {what}"));
            }
            return Ok(Self::Number { low, high, is_log, unit });
        }
        let texts: Vec<String> = text.split('|').map(|text| text.trim().to_owned()).collect();
        if texts.len() < 2 {
            return Err(format!(
                "{{{text}}}: give alternatives {{a|b}}, a range {{1..20}} or one on a log scale {{1s~12s}}"
            ));
        }
        Ok(Self::OneOf(texts))
    }
}

impl Unit {
    fn read(text: &str) -> Option<(u64, Self)> {
        if let Some(percent) = text.strip_suffix('%') {
            return Some((parse_percent_ppm(percent)?, Self::Percent));
        }
        if let Ok(number) = text.parse() {
            return Some((number, Self::Plain));
        }
        parse_duration_ps(text).ok().map(|ps| (ps / PS_PER_US, Self::Duration))
    }

    fn write(self, number: u64) -> String {
        match self {
            Self::Plain => number.to_string(),
            Self::Duration => write_duration_us(number),
            Self::Percent => format!("{}%", write_percent_ppm(number)),
        }
    }
}

/// The number at `step` of the steps from `low` to `high` on a logarithmic scale, by integers only: the same on every
/// machine. Between two powers of two it goes straight.
fn log_scale(low: u64, high: u64, step: u64) -> u64 {
    let (from, to) = (fixed_log2(low), fixed_log2(high));
    let step = step.min(LOG_STEPS);
    let at = from + u64::try_from(u128::from(to - from) * u128::from(step) / u128::from(LOG_STEPS)).unwrap_or(0);
    match step {
        0 => low,
        LOG_STEPS => high,
        _ => fixed_exp2(at).clamp(low, high),
    }
}

/// Binary logarithm with 32 fractional bits, straight between powers of two.
fn fixed_log2(number: u64) -> u64 {
    let power = number.max(1).ilog2();
    let fraction = (u128::from(number.max(1)) << 32 >> power) - (1 << 32);
    (u64::from(power) << 32) + u64::try_from(fraction).unwrap_or(0)
}

fn fixed_exp2(log: u64) -> u64 {
    let (power, fraction) = (log >> 32, log & 0xffff_ffff);
    u64::try_from(((1u128 << 32) + u128::from(fraction)) << power >> 32).unwrap_or(u64::MAX)
}

impl Template {
    /// Reads a text; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if let Some(after) = rest.strip_prefix("{{").or_else(|| rest.strip_prefix("}}")) {
                plain.push(c);
                rest = after;
            } else if let Some(after) = rest.strip_prefix('{') {
                let Some((inside, after)) = after.split_once('}') else {
                    return Err(format!("{text:?}: a brace is not closed; {{{{ is a brace itself"));
                };
                if !plain.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut plain)));
                }
                pieces.push(Piece::Hole(Hole::parse(inside)?));
                rest = after;
            } else if c == '}' {
                return Err(format!("{text:?}: a brace is closed that was not opened; }}}} is a brace itself"));
            } else {
                plain.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self { pieces })
    }

    /// Its places, in order.
    pub fn holes(&self) -> impl Iterator<Item = &Hole> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Hole(hole) => Some(hole),
            Piece::Text(_) => None,
        })
    }

    /// The text, each place filled by `choice` of its number.
    pub fn fill(&self, mut choice: impl FnMut(usize, &Hole) -> u64) -> String {
        let mut filled = String::new();
        let mut number = 0;
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Hole(hole) => {
                    filled.push_str(&hole.fill(choice(number, hole)));
                    number += 1;
                }
            }
        }
        filled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled() {
        let template = Template::parse("late_ok={1s~12s}@{USORD|USORF}#{1..20}").unwrap();
        assert_eq!(template.fill(|_, _| 0), "late_ok=1s@USORD#1");
        let choices: Vec<u64> = template.holes().map(|hole| hole.choices() - 1).collect();
        assert_eq!(choices, [LOG_STEPS, 1, 19]);
        assert_eq!(template.fill(|n, _| choices[n]), "late_ok=12s@USORF#20");
        assert_eq!(Template::parse("{0.5%..1%} {{x}}").unwrap().fill(|_, _| 2500), "0.75% {x}");
    }

    #[test]
    fn a_logarithmic_scale_gives_each_order_of_magnitude_its_share() {
        let hole = Hole::Number { low: 1_000, high: 1_000_000, is_log: true, unit: Unit::Plain };
        let at = |step| hole.fill(step).parse::<u64>().unwrap();
        assert_eq!((at(0), at(LOG_STEPS)), (1_000, 1_000_000));
        assert!((9_000..11_000).contains(&at(333)), "{}", at(333));
        assert!((85_000..115_000).contains(&at(667)), "{}", at(667));
    }

    #[test]
    fn mistakes_are_named() {
        for (text, expected) in [
            ("{a}", "give alternatives"),
            ("{1..2s}", "same unit"),
            ("{5..2}", "lower end"),
            ("{0~2}", "does not reach 0"),
            ("{a|b", "not closed"),
            ("a}", "not opened"),
            ("{a..b}", "is no number"),
        ] {
            let error = Template::parse(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_and_any_choice_fills(text in "\\PC{0,40}", holes in "([a{}|.~0-9s%]){0,20}", choice: u64) {
            for text in [text, holes] {
                if let Ok(template) = Template::parse(&text) {
                    template.fill(|_, hole| choice % hole.choices());
                }
            }
        }

        #[test]
        fn a_log_scale_stays_in_its_bounds_and_rises(low in 1u64..u64::MAX, span: u64, a in 0..=LOG_STEPS, b in 0..=LOG_STEPS) {
            let high = low.saturating_add(span);
            let (a, b) = (a.min(b), a.max(b));
            let (x, y) = (log_scale(low, high, a), log_scale(low, high, b));
            proptest::prop_assert!(low <= x && x <= y && y <= high);
        }
    }
}
