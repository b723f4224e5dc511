//! Durations as people write them in settings and plans: `30s`, `1.5ms`, `2h`.

/// Units with their length in picoseconds; `ms` before `m` and `s`, so that the longest suffix wins.
const UNITS: [(&str, u128); 6] = [
    ("ns", 1_000),
    ("us", 1_000_000),
    ("ms", 1_000_000_000),
    ("s", 1_000_000_000_000),
    ("m", 60_000_000_000_000),
    ("h", 3_600_000_000_000_000),
];

/// A duration in picoseconds. Exact: no floating point.
///
/// # Errors
/// What is wrong, and what a duration looks like.
pub fn parse_duration_ps(text: &str) -> Result<u64, String> {
    let wrong =
        || format!("{text:?} is not a duration: give a number and a unit of us, ms, s, m or h, for example 30s");
    let digits_end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits_end);
    let (_, unit_ps) = UNITS.iter().find(|(name, _)| *name == unit.trim()).ok_or_else(wrong)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || number.ends_with('.') || fraction.contains('.') || fraction.len() > 15 {
        return Err(wrong());
    }
    let whole: u128 = whole.parse().map_err(|_| wrong())?;
    let scale = 10u128.pow(u32::try_from(fraction.len()).map_err(|_| wrong())?);
    let fraction: u128 = if fraction.is_empty() { 0 } else { fraction.parse().map_err(|_| wrong())? };
    let ps = whole
        .checked_mul(scale)
        .and_then(|value| value.checked_add(fraction))
        .and_then(|value| value.checked_mul(*unit_ps))
        .map(|value| value / scale)
        .ok_or_else(wrong)?;
    // Half the range keeps sums of two durations within it: 106 days.
    u64::try_from(ps)
        .ok()
        .filter(|ps| *ps <= u64::MAX / 2)
        .ok_or_else(|| format!("{text:?} is too long: virtual time reaches to 106 days (2550h)"))
}

/// A duration of whole microseconds in the largest unit that tells it exactly.
pub fn write_duration_us(us: u64) -> String {
    match us {
        0 => "0s".to_owned(),
        _ if us.is_multiple_of(1_000_000) => format!("{}s", us / 1_000_000),
        _ if us.is_multiple_of(1_000) => format!("{}ms", us / 1_000),
        _ => format!("{us}us"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_units_are_exact() {
        for (text, ps) in [
            ("30s", 30_000_000_000_000),
            ("500ms", 500_000_000_000),
            ("1.5us", 1_500_000),
            ("2m", 120_000_000_000_000),
            ("1h", 3_600_000_000_000_000),
            ("0.000001s", 1_000_000),
            ("0s", 0),
        ] {
            assert_eq!(parse_duration_ps(text), Ok(ps), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "s", "30", "30x", "-1s", ".5s", "1.s", "1.2.3s", "99999999h", "1e3s", "٣s"] {
            assert!(parse_duration_ps(text).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "\\PC*", digits in "[0-9.]{0,60}(us|ms|s|m|h)") {
            let _ = parse_duration_ps(&text);
            let _ = parse_duration_ps(&digits);
        }
    }
}
