//! The calendar: time and date in the registers' own binary-coded decimal, one second at a time.

use serde::{Deserialize, Serialize};

/// AM/PM bit of TR and of the alarm registers.
pub(super) const PM: u32 = 1 << 22;

/// TR and DR as the calendar counters hold them. Values that software programs are taken as they are; a field beyond
/// its range wraps at its next carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Calendar {
    pub(super) tr: u32,
    pub(super) dr: u32,
}

/// The next two-digit value, without a wrap of the tens.
fn next(bcd: u32) -> u32 {
    if bcd & 0xf >= 9 { (bcd & 0xf0) + 0x10 } else { bcd + 1 }
}

fn days_in_month(month: u32, year: u32) -> u32 {
    match month {
        0x02 if ((year >> 4) * 10 + (year & 0xf)).is_multiple_of(4) => 0x29,
        0x02 => 0x28,
        0x04 | 0x06 | 0x09 | 0x11 => 0x30,
        _ => 0x31,
    }
}

impl Calendar {
    /// After a backup domain reset: 00:00:00, Monday 1 January of year 0.
    pub(super) const RESET: Self = Self { tr: 0, dr: 0x2101 };

    /// Whether the seconds are 0: a minute begins.
    pub(super) fn is_minute_start(self) -> bool {
        self.tr & 0x7f == 0
    }

    /// Whether the year was ever set.
    pub(super) fn has_year(self) -> bool {
        self.dr & 0x00ff_0000 != 0
    }

    /// One second passes. `twelve_hours` is CR.FMT.
    pub(super) fn add_second(&mut self, twelve_hours: bool) {
        let (second, minute) = (self.tr & 0x7f, self.tr >> 8 & 0x7f);
        if second < 0x59 {
            self.tr = self.tr & !0x7f | next(second);
            return;
        }
        if minute < 0x59 {
            self.tr = self.tr & !0x7f7f | next(minute) << 8;
            return;
        }
        self.tr &= !0x7f7f;
        self.add_hour(twelve_hours);
    }

    /// One hour passes (also CR.ADD1H).
    pub(super) fn add_hour(&mut self, twelve_hours: bool) {
        let hour = self.tr >> 16 & 0x3f;
        let (hour, pm_toggles, day_ends) = if twelve_hours {
            match hour {
                0x11 => (0x12, true, self.tr & PM != 0),
                0x12.. => (0x01, false, false),
                _ => (next(hour), false, false),
            }
        } else if hour >= 0x23 {
            (0, false, true)
        } else {
            (next(hour), false, false)
        };
        self.tr = self.tr & !0x003f_0000 | hour << 16;
        if pm_toggles {
            self.tr ^= PM;
        }
        if day_ends {
            self.add_day();
        }
    }

    /// CR.SUB1H: one hour back, but never past midnight.
    pub(super) fn subtract_hour(&mut self, twelve_hours: bool) {
        let hour = self.tr >> 16 & 0x3f;
        let hour = match (twelve_hours, hour) {
            (false, 0) => return,
            (true, 0x12) if self.tr & PM == 0 => return,
            (true, 0x12) => {
                self.tr ^= PM;
                0x11
            }
            (true, 0x01) => 0x12,
            (_, h) if h & 0xf == 0 => h.saturating_sub(0x10) + 9,
            (_, h) => h - 1,
        };
        self.tr = self.tr & !0x003f_0000 | hour << 16;
    }

    fn add_day(&mut self) {
        let (date, month, year) = (self.dr & 0x3f, self.dr >> 8 & 0x1f, self.dr >> 16 & 0xff);
        let weekday = self.dr >> 13 & 7;
        let weekday = if weekday >= 7 { 1 } else { weekday + 1 };
        let (date, month, year) = if date < days_in_month(month, year) {
            (next(date), month, year)
        } else if month < 0x12 {
            (1, next(month), year)
        } else {
            (1, 1, if year >= 0x99 { 0 } else { next(year) })
        };
        self.dr = year << 16 | weekday << 13 | month << 8 | date;
    }

    /// Whether an alarm register matches (RM0033 22.3.3): a set mask bit takes its field out of the comparison.
    pub(super) fn matches(self, alarm: u32) -> bool {
        let time_equal = |mask: u32| (self.tr ^ alarm) & mask == 0;
        let day_equal = || {
            let day = if alarm & 1 << 30 != 0 { self.dr >> 13 & 7 } else { self.dr & 0x3f };
            let wanted = if alarm & 1 << 30 != 0 { alarm >> 24 & 0xf } else { alarm >> 24 & 0x3f };
            day == wanted
        };
        (alarm & 1 << 7 != 0 || time_equal(0x7f))
            && (alarm & 1 << 15 != 0 || time_equal(0x7f00))
            && (alarm & 1 << 23 != 0 || time_equal(PM | 0x003f_0000))
            && (alarm & 1 << 31 != 0 || day_equal())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bcd(value: u32) -> u32 {
        ((value / 10) << 4) | (value % 10)
    }

    /// Days from 1 January 2000 by counting, as a reference independent of the carries above.
    fn date_of(mut days: u64) -> (u32, u32, u32) {
        for year in 0u32.. {
            let leap = year.is_multiple_of(4);
            for (month, length) in
                [31, 28 + u64::from(leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31].into_iter().enumerate()
            {
                if days < length {
                    return (days as u32 + 1, month as u32 + 1, year);
                }
                days -= length;
            }
        }
        unreachable!()
    }

    fn calendar(days: u64, second_of_day: u32, twelve_hours: bool) -> Calendar {
        let (date, month, year) = date_of(days);
        // 1 January 2000 was a Saturday.
        let weekday = (days + 5) % 7 + 1;
        let hour = second_of_day / 3600;
        let hour = match (twelve_hours, hour) {
            (false, h) => bcd(h),
            (true, 0) => 0x12,
            (true, h @ 1..=11) => bcd(h),
            (true, 12) => PM >> 16 | 0x12,
            (true, h) => PM >> 16 | bcd(h - 12),
        };
        Calendar {
            tr: hour << 16 | bcd(second_of_day / 60 % 60) << 8 | bcd(second_of_day % 60),
            dr: bcd(year) << 16 | (weekday as u32) << 13 | bcd(month) << 8 | bcd(date),
        }
    }

    proptest! {
        #[test]
        fn a_second_later_is_a_second_later(days in 0u64..36_524, second in 0u32..86_400, twelve_hours: bool) {
            let mut now = calendar(days, second, twelve_hours);
            now.add_second(twelve_hours);
            let (days, second) = if second == 86_399 { (days + 1, 0) } else { (days, second + 1) };
            prop_assert_eq!(now, calendar(days, second, twelve_hours));
        }

        #[test]
        fn the_last_second_of_a_day_carries_into_the_date(days in 0u64..36_524, twelve_hours: bool) {
            let mut now = calendar(days, 86_399, twelve_hours);
            now.add_second(twelve_hours);
            prop_assert_eq!(now, calendar(days + 1, 0, twelve_hours));
        }

        #[test]
        fn an_hour_back_undoes_an_hour_forward(days in 0u64..36_524, second in 0u32..82_800, twelve_hours: bool) {
            let mut now = calendar(days, second, twelve_hours);
            now.add_hour(twelve_hours);
            now.subtract_hour(twelve_hours);
            prop_assert_eq!(now, calendar(days, second, twelve_hours));
        }

        #[test]
        fn any_register_contents_are_survived(tr: u32, dr: u32, twelve_hours: bool) {
            let mut now = Calendar { tr, dr };
            now.add_second(twelve_hours);
            now.add_hour(twelve_hours);
            now.subtract_hour(twelve_hours);
            now.matches(tr ^ dr);
        }
    }
}
