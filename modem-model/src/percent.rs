//! Per cent as people write them in settings and scenarios: `5`, `0.25`, with at most four decimals; the sign stands behind.

/// Millionths in a per cent.
const PPM: u64 = 10_000;

/// A number of per cent, without its sign, in millionths.
pub fn parse_percent_ppm(text: &str) -> Option<u64> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !is_digits(whole) || !is_digits(decimals) || decimals.len() > 4 {
        return None;
    }
    format!("{whole}{decimals:0<4}").parse().ok()
}

/// Millionths as per cent, without the sign and without decimals that say nothing.
pub fn write_percent_ppm(ppm: u64) -> String {
    let text = format!("{}.{:04}", ppm / PPM, ppm % PPM);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for (text, ppm) in [("0", 0), ("0.0001", 1), ("0.25", 2_500), ("5", 50_000), ("100", 1_000_000)] {
            assert_eq!(parse_percent_ppm(text), Some(ppm));
            assert_eq!(write_percent_ppm(ppm), text);
        }
        for wrong in ["", ".", "5.", ".5", "+5", "-1", "1.00001", "1.2.3", "a", "99999999999999999999"] {
            assert_eq!(parse_percent_ppm(wrong), None, "{wrong}");
        }
    }
}
