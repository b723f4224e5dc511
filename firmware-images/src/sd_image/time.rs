//! Dates and times as FAT has them: no time zone, in steps of 2 s.

use std::fmt;

use serde::{Serialize, Serializer};

/// When a file was made or changed. Shown, and serialised, as `2026-11-27 12:10:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FatTime {
    /// From 1980 to 2107.
    pub year: u16,
    /// From 1.
    pub month: u16,
    /// From 1.
    pub day: u16,
    /// Of the day.
    pub hour: u16,
    /// Of the hour.
    pub minute: u16,
    /// Of the minute; even.
    pub second: u16,
}

impl FatTime {
    /// From the two fields of an entry; `None` if they are no date, as on cards written by a device without a clock.
    pub fn decode(date: u16, time: u16) -> Option<Self> {
        let (year, month, day) = (1980 + (date >> 9), date >> 5 & 15, date & 31);
        let (hour, minute, second) = (time >> 11, time >> 5 & 63, (time & 31) * 2);
        let is_good = (1..=12).contains(&month) && day >= 1 && hour < 24 && minute < 60 && second < 60;
        is_good.then_some(Self { year, month, day, hour, minute, second })
    }
}

impl fmt::Display for FatTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day, hour, minute, second } = self;
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
    }
}

impl Serialize for FatTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
