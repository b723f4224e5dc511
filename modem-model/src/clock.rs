//! The module's clock: what `AT+CCLK` reads and sets.

use serde::{Deserialize, Serialize};

use crate::modem::Modem;
use crate::time::PS_PER_S;

/// 2004-01-01, the time at power-on until somebody sets it (u-blox AT commands manual, +CCLK).
const UNSET_UNIX_S: u64 = 1_072_915_200;
const SECONDS_PER_DAY: u64 = 86_400;

/// A local time at a virtual time, and the time zone in quarters of an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Clock {
    set_ps: u64,
    local_s: u64,
    zone_quarters: i32,
}

impl Default for Clock {
    fn default() -> Self {
        Self { set_ps: 0, local_s: UNSET_UNIX_S, zone_quarters: 0 }
    }
}

impl Clock {
    /// `yy/MM/dd,hh:mm:ss+zz`
    pub fn text(&self, now_ps: u64) -> String {
        let local_s = self.local_s + now_ps.saturating_sub(self.set_ps) / PS_PER_S;
        let (year, month, day) = civil(local_s / SECONDS_PER_DAY);
        let second = local_s % SECONDS_PER_DAY;
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let zone = self.zone_quarters;
        format!("{:02}/{month:02}/{day:02},{hour:02}:{minute:02}:{second:02}{zone:+03}", year % 100)
    }

    /// Reads that form; the time zone may be left out.
    pub fn parse(text: &str, now_ps: u64) -> Option<Self> {
        let (date, time) = text.split_once(',')?;
        let (time, zone) = match time.find(['+', '-']) {
            Some(at) => time.split_at_checked(at)?,
            None => (time, "+00"),
        };
        let [year, month, day] = numbers(date, '/')?;
        let [hour, minute, second] = numbers(time, ':')?;
        let zone_quarters: i32 = zone.parse().ok().filter(|zone| (-96..=96).contains(zone))?;
        let days = (0..=31)
            .map(|n| days_before_month(2000 + year, month) + n)
            .find(|&d| civil(d) == (2000 + year, month, day))?;
        let fits = (1..=12).contains(&month) && hour < 24 && minute < 60 && second < 60;
        fits.then(|| Self {
            set_ps: now_ps,
            local_s: days * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second,
            zone_quarters,
        })
    }

    /// The network's time, which it was at power-on of the world, without a zone.
    fn from_unix(unix_s: u32) -> Self {
        Self { set_ps: 0, local_s: u64::from(unix_s), zone_quarters: 0 }
    }
}

fn numbers(text: &str, separator: char) -> Option<[u64; 3]> {
    let mut numbers = [0; 3];
    let mut parts = text.split(separator);
    for number in &mut numbers {
        let part = parts.next()?;
        *number = part.parse().ok().filter(|_| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit()))?;
    }
    parts.next().is_none().then_some(numbers)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn month_days(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to the first of a month.
fn days_before_month(year: u64, month: u64) -> u64 {
    let years: u64 = (1970..year).map(|year| if is_leap(year) { 366 } else { 365 }).sum();
    years + (1..month.min(13)).map(|month| month_days(year, month)).sum::<u64>()
}

/// Year, month and day of a day counted from 1970-01-01.
fn civil(day: u64) -> (u64, u64, u64) {
    let (mut year, mut day) = (1970, day);
    while day >= if is_leap(year) { 366 } else { 365 } {
        day -= if is_leap(year) { 366 } else { 365 };
        year += 1;
    }
    let mut month = 1;
    while day >= month_days(year, month) {
        day -= month_days(year, month);
        month += 1;
    }
    (year, month, day + 1)
}

impl Modem {
    /// What the clock says, for a message that comes now: the network's time if it tells one.
    pub(crate) fn network_clock(&self) -> Clock {
        match self.config.cell.network_time_unix_s {
            Some(unix_s) => Clock::from_unix(unix_s),
            None => self.clock,
        }
    }

    /// The network tells the time at registration; with `AT+CTZU=1` the clock follows.
    pub(crate) fn network_time_arrives(&mut self) {
        if self.profile.stored.get("+CTZU").is_some_and(|mode| mode != "0") {
            self.clock = self.network_clock();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_written() {
        for text in ["04/01/01,00:00:00+00", "20/02/29,23:59:59-08", "99/12/31,12:30:00+56", "00/03/01,01:02:03+00"] {
            assert_eq!(Clock::parse(text, 5).map(|clock| clock.text(5)).as_deref(), Some(text));
        }
        assert_eq!(Clock::default().text(0), "04/01/01,00:00:00+00");
        let clock = Clock::parse("20/02/28,23:59:59", 0).unwrap();
        assert_eq!(clock.text(2 * PS_PER_S), "20/02/29,00:00:01+00");
        for text in [
            "",
            "20/02/30,00:00:00",
            "21/02/29,00:00:00",
            "20/13/01,00:00:00",
            "20/1/01,00:00:00",
            "20/01/01,24:00:00",
            "20/01/01,00:00:00+99",
        ] {
            assert_eq!(Clock::parse(text, 0), None, "{text}");
        }
        assert_eq!(Clock::from_unix(1_577_836_800).text(PS_PER_S), "20/01/01,00:00:01+00");
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "\\PC*", like in "[0-9]{1,3}/[0-9]{2}/[0-9]{2},[0-9]{2}:[0-9]{2}:[0-9]{2}([+-][0-9]{2})?") {
            let _ = Clock::parse(&text, 0);
            let _ = Clock::parse(&like, 0);
        }
    }
}
