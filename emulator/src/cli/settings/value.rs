//! The forms of values.

use std::net::Ipv4Addr;

use lockstep_modem::Model;
use lockstep_modem::config::{Admission, SimState};
use lockstep_modem::events::Plan;
use lockstep_modem::network::{Outage, Probability};
use lockstep_modem::time::DurationRange;
use lockstep_peripherals::board::bq24195::PowerSource;

use crate::cli::duration::parse_duration_ps;

/// A value that text can be turned into and back.
pub trait Value: Sized {
    fn read(text: &str) -> Option<Self>;
    fn write(&self) -> String;
}

macro_rules! plain {
    ($($type:ty),*) => {
        $(impl Value for $type {
            fn read(text: &str) -> Option<Self> {
                text.parse().ok()
            }
            fn write(&self) -> String {
                self.to_string()
            }
        })*
    };
}
plain!(u8, u16, u32, u64, usize, bool, Ipv4Addr, DurationRange, Model, Admission, SimState, Plan);

impl Value for String {
    /// Printable ASCII without what would end a quoted string of the modem's answers.
    fn read(text: &str) -> Option<Self> {
        let fits = text.len() <= 64 && text.chars().all(|c| (c.is_ascii_graphic() || c == ' ') && c != '"');
        fits.then(|| text.to_owned())
    }
    fn write(&self) -> String {
        self.clone()
    }
}

impl<T: Value> Value for Option<T> {
    fn read(text: &str) -> Option<Self> {
        if text == "none" { Some(None) } else { T::read(text).map(Some) }
    }
    fn write(&self) -> String {
        self.as_ref().map_or_else(|| "none".to_owned(), Value::write)
    }
}

impl Value for Probability {
    /// `5%`, `0.25%`: at most four decimals.
    fn read(text: &str) -> Option<Self> {
        let (whole, decimals) = text.strip_suffix('%').map(|t| t.split_once('.').unwrap_or((t, "0")))?;
        let is_digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
        if !is_digits(whole) || !is_digits(decimals) || decimals.len() > 4 {
            return None;
        }
        let ppm = format!("{whole}{decimals:0<4}").parse().ok()?;
        within(Self { ppm }, Self { ppm: 0 }, Self::percent(100))
    }
    fn write(&self) -> String {
        let (whole, decimals) = (self.ppm / 10_000, self.ppm % 10_000);
        let text = format!("{whole}.{decimals:04}");
        format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl Value for Vec<Outage> {
    fn read(text: &str) -> Option<Self> {
        if text == "none" {
            return Some(Vec::new());
        }
        let one = |text: &str| {
            let (from, to) = text.split_once("..")?;
            let (from_ps, to_ps) = (parse_duration_ps(from).ok()?, parse_duration_ps(to).ok()?);
            (from_ps < to_ps).then_some(Outage { from_ps, to_ps })
        };
        text.split(',').map(one).collect()
    }
    fn write(&self) -> String {
        let one = |outage: &Outage| {
            let us = |ps: u64| DurationRange::exactly_us(ps / 1_000_000).write();
            format!("{}..{}", us(outage.from_ps), us(outage.to_ps))
        };
        if self.is_empty() { "none".to_owned() } else { self.iter().map(one).collect::<Vec<_>>().join(",") }
    }
}

macro_rules! named {
    ($type:ty: $($name:literal = $value:pat => $make:expr),*) => {
        impl Value for $type {
            fn read(text: &str) -> Option<Self> {
                match text {
                    $($name => Some($make),)*
                    _ => None,
                }
            }
            fn write(&self) -> String {
                match self {
                    $($value => $name,)*
                }
                .to_owned()
            }
        }
    };
}
named!(PowerSource: "none" = PowerSource::None => PowerSource::None,
    "usb-host" = PowerSource::UsbHost => PowerSource::UsbHost, "adapter" = PowerSource::Adapter => PowerSource::Adapter);

impl Value for [u8; 12] {
    fn read(text: &str) -> Option<Self> {
        if text.len() != 24 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let mut bytes = [0; 12];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok()?;
        }
        Some(bytes)
    }
    fn write(&self) -> String {
        self.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Accepts a value only within limits.
pub fn within<T: PartialOrd>(value: T, low: T, high: T) -> Option<T> {
    (low <= value && value <= high).then_some(value)
}
