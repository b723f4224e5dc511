//! Times as the command line reads and prints them.

pub use lockstep_modem::duration::parse_duration_ps;

/// Seconds with six decimals.
pub fn seconds(time_ps: u64) -> String {
    let us = time_ps / 1_000_000;
    format!("{}.{:06}", us / 1_000_000, us % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_have_six_decimals() {
        assert_eq!(seconds(30_000_001_500_000), "30.000001");
    }
}
