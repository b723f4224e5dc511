//! The forms of values.

use std::net::Ipv4Addr;

use lockstep_modem::Model;
use lockstep_modem::config::{Admission, SimState};
use lockstep_modem::events::Plan;
use lockstep_modem::network::{Outage, Probability};
use lockstep_modem::percent::{parse_percent_ppm, write_percent_ppm};
use lockstep_modem::time::DurationRange;
use lockstep_peripherals::board::bq24195::PowerSource;
use lockstep_peripherals::board::pin_names::{parse_pin, pin_name};
use lockstep_peripherals::board::{SdPins, WatchdogConfig};

use crate::setup::card::{CardSource, parse_size, write_size};
use crate::setup::duration::parse_duration_ps;

/// Why a text is no value of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is not what the setting takes.
    NotTaken,
    /// What exactly is wrong, and where.
    Because(String),
}

impl Refusal {
    fn because(reason: impl ToString) -> Self {
        Self::Because(reason.to_string())
    }
}

/// A value that text can be turned into and back.
pub trait Value: Sized {
    fn read(text: &str) -> Result<Self, Refusal>;
    fn write(&self) -> String;
}

macro_rules! plain {
    ($($type:ty),*: $refusal:expr) => {
        $(impl Value for $type {
            fn read(text: &str) -> Result<Self, Refusal> {
                text.parse().map_err($refusal)
            }
            fn write(&self) -> String {
                self.to_string()
            }
        })*
    };
}
// The standard library's reasons say less than what the setting takes.
plain!(u8, u16, u32, u64, usize, bool, Ipv4Addr: |_| Refusal::NotTaken);
plain!(DurationRange, Model, Admission, SimState, Plan: Refusal::because);

impl Value for String {
    /// Printable ASCII without what would end a quoted string of the modem's answers.
    fn read(text: &str) -> Result<Self, Refusal> {
        let fits = text.len() <= 64 && text.chars().all(|c| (c.is_ascii_graphic() || c == ' ') && c != '"');
        if fits { Ok(text.to_owned()) } else { Err(Refusal::NotTaken) }
    }
    fn write(&self) -> String {
        self.clone()
    }
}

impl<T: Value> Value for Option<T> {
    fn read(text: &str) -> Result<Self, Refusal> {
        if text == "none" { Ok(None) } else { T::read(text).map(Some) }
    }
    fn write(&self) -> String {
        self.as_ref().map_or_else(|| "none".to_owned(), Value::write)
    }
}

impl Value for WatchdogConfig {
    fn read(text: &str) -> Result<Self, Refusal> {
        let (pin, timeout) = text.split_once(':').ok_or(Refusal::NotTaken)?;
        let pin = parse_pin(pin).ok_or(Refusal::NotTaken)?;
        let timeout_ps = parse_duration_ps(timeout).map_err(Refusal::Because)?;
        if timeout_ps == 0 {
            return Err(Refusal::Because("a watchdog without a timeout resets for ever".to_owned()));
        }
        Ok(Self { pin, timeout_ps })
    }
    fn write(&self) -> String {
        format!("{}:{}", pin_name(self.pin), DurationRange::exactly_us(self.timeout_ps / 1_000_000).write())
    }
}

impl Value for CardSource {
    fn read(text: &str) -> Result<Self, Refusal> {
        match text.strip_prefix("blank:") {
            Some(size) => parse_size(size).map(Self::Blank).map_err(Refusal::Because),
            None if text.is_empty() || text.contains(char::is_control) => Err(Refusal::NotTaken),
            None => Ok(Self::File(text.into())),
        }
    }
    fn write(&self) -> String {
        match self {
            Self::Blank(blocks) => format!("blank:{}", write_size(*blocks)),
            Self::File(path) => path.display().to_string(),
        }
    }
}

impl Value for SdPins {
    fn read(text: &str) -> Result<Self, Refusal> {
        let pins: Option<Vec<_>> = text.split(',').map(parse_pin).collect();
        match pins.as_deref() {
            Some(&[select, sck, miso, mosi]) => Ok(Self { select, sck, miso, mosi }),
            _ => Err(Refusal::NotTaken),
        }
    }
    fn write(&self) -> String {
        [self.select, self.sck, self.miso, self.mosi].map(pin_name).join(",")
    }
}

impl Value for Probability {
    /// `5%`, `0.25%`: at most four decimals.
    fn read(text: &str) -> Result<Self, Refusal> {
        let share = text.strip_suffix('%').and_then(parse_percent_ppm);
        let ppm = share.and_then(|ppm| ppm.try_into().ok()).ok_or(Refusal::NotTaken)?;
        within(Self { ppm }, Self { ppm: 0 }, Self::percent(100)).ok_or(Refusal::NotTaken)
    }
    fn write(&self) -> String {
        format!("{}%", write_percent_ppm(self.ppm.into()))
    }
}

impl Value for Vec<Outage> {
    fn read(text: &str) -> Result<Self, Refusal> {
        if text == "none" {
            return Ok(Vec::new());
        }
        let one = |text: &str| {
            let wrong = |reason: &str| Refusal::Because(format!("{text:?}: {reason}"));
            let (from, to) = text.split_once("..").ok_or_else(|| wrong("write FROM..TO, for example 60s..2m"))?;
            let time = |text| parse_duration_ps(text).map_err(Refusal::Because);
            let (from_ps, to_ps) = (time(from)?, time(to)?);
            if from_ps < to_ps { Ok(Outage { from_ps, to_ps }) } else { Err(wrong("it ends before it begins")) }
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
            fn read(text: &str) -> Result<Self, Refusal> {
                match text {
                    $($name => Ok($make),)*
                    _ => Err(Refusal::NotTaken),
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
    fn read(text: &str) -> Result<Self, Refusal> {
        if text.len() != 24 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(Refusal::NotTaken);
        }
        let mut bytes = [0; 12];
        for (i, byte) in bytes.iter_mut().enumerate() {
            let digits = text.get(2 * i..2 * i + 2).ok_or(Refusal::NotTaken)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| Refusal::NotTaken)?;
        }
        Ok(bytes)
    }
    fn write(&self) -> String {
        self.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Reads a value that must hold something more.
pub fn read_checked<T: Value>(text: &str, check: impl FnOnce(T) -> Option<T>) -> Result<T, Refusal> {
    T::read(text).and_then(|value| check(value).ok_or(Refusal::NotTaken))
}

/// Accepts a value only within limits.
pub fn within<T: PartialOrd>(value: T, low: T, high: T) -> Option<T> {
    (low <= value && value <= high).then_some(value)
}
