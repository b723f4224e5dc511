//! A plan as text:
//!
//! `WHAT[=VALUE]@WHEN; …`, for example `coverage=off@30s; coverage=on@60s; late_ok=3s@USOWR#2; lost_urc@UUSORD%5`.
//!
//! `WHEN` is a virtual time, an occasion, or both with a comma between (the occasion then counts from that time on). An
//! occasion is a command without its `+` (the bare `AT` too), a URC without its `+`, or `*` for any that fits; `#3` is
//! the third, `%5` is five of a hundred, drawn from the seed, and nothing behind it is every one. A fault that needs an
//! occasion and is given a time only strikes at the next one.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::{Change, Class, Count, Event, Fault, Occasion, Plan, What, When};
use crate::duration::{parse_duration_ps, write_duration_us};
use crate::time::{DurationRange, PS_PER_US};

/// Delay of `slow_connect` unless one is given: seen in the field on bad links.
const SLOW_CONNECT: DurationRange = DurationRange::ms(5_000, 20_000);

/// A plan that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{entry:?}: {problem}")]
pub struct PlanError {
    /// The entry.
    pub entry: String,
    /// What is wrong with it.
    pub problem: String,
}

macro_rules! forms {
    ($first:literal $(, $form:literal)*) => {
        /// What can happen, each in its form.
        const FORMS: &[&str] = &[$first $(, $form)*];

        /// What can happen, for help texts.
        pub const SYNTAX: &str = concat!(
            "none, or WHAT[=VALUE]@WHEN with ; between; WHAT: ", $first $(, ", ", $form)*,
            "; WHEN: TIME, or [TIME,]OCCASION where OCCASION is a command (USOCO), a URC (UUSORD) or *, ",
            "and then nothing (every one), #N (the Nth) or %P (P of a hundred, drawn)"
        );
    };
}
forms!(
    "coverage=on|off",
    "link=up|down",
    "signal=RSSI,QUALITY",
    "admission=home|roaming|denied",
    "detach",
    "pdp_drop",
    "pdp=refused|accepted",
    "sim=STATE",
    "sms=NUMBER,TEXT",
    "supply=on|off",
    "stuck[=TIME]",
    "lockup",
    "reset",
    "power_cut=TIME",
    "garbage",
    "lost_ok",
    "late_ok=TIME",
    "error[=CME]",
    "lost_urc",
    "leak",
    "slow_connect[=TIME]",
    "denied",
    "pdp_refused"
);

impl FromStr for Plan {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        if text.trim() == "none" {
            return Ok(Self::default());
        }
        text.split(';')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (n, event) in self.0.iter().enumerate() {
            write!(f, "{}{event}", if n > 0 { "; " } else { "" })?;
        }
        Ok(())
    }
}

impl FromStr for Event {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        let wrong = |problem: String| PlanError { entry: text.to_owned(), problem };
        // The last @: a message may hold one.
        let (what, when) = text
            .rsplit_once('@')
            .ok_or_else(|| wrong("no @WHEN, for example detach@90s or leak@USOCL#2".to_owned()))?;
        let what: What = what.trim().parse().map_err(wrong)?;
        let mut when: When = when.trim().parse().map_err(wrong)?;
        if when.occasion.is_none() && !what.is_instant() {
            when.occasion = Some(Occasion { name: None, count: Count::Nth(1) });
        }
        if let Some(Occasion { name: Some(name), .. }) = &when.occasion {
            let classes = [Class::Command, Class::Urc, Class::Activation, Class::Close];
            let fits = classes.iter().any(|class| what.fits(*class, name));
            if !fits {
                return Err(wrong(format!("it does not happen at {name}: leave the name out, or write *")));
            }
        }
        Ok(Self { what, when })
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.what, self.when)
    }
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (time, occasion) = match text.split_once(',') {
            Some((time, occasion)) => (Some(time.trim()), Some(occasion.trim())),
            None if text.starts_with(|c: char| c.is_ascii_digit()) => (Some(text), None),
            None => (None, Some(text)),
        };
        let from_ps = time.map(parse_duration_ps).transpose()?.unwrap_or(0) / PS_PER_US * PS_PER_US;
        Ok(Self { from_ps, occasion: occasion.map(str::parse).transpose()? })
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = write_duration_us(self.from_ps / PS_PER_US);
        match &self.occasion {
            None => f.write_str(&time),
            Some(occasion) if self.from_ps == 0 => occasion.fmt(f),
            Some(occasion) => write!(f, "{time},{occasion}"),
        }
    }
}

impl FromStr for Occasion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is no occasion: give a name or *, then nothing, #N or %P, for example USOCO#2");
        let end = text.find(['#', '%']).unwrap_or(text.len());
        let (name, count) = text.split_at(end);
        let name = match name {
            "*" | "" if !text.is_empty() => None,
            _ if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'&') => {
                Some(name.to_ascii_uppercase())
            }
            _ => return Err(wrong()),
        };
        let count = match count.split_at_checked(1) {
            None => Count::Every,
            Some(("#", n)) => Count::Nth(n.parse().ok().filter(|n| *n > 0).ok_or_else(wrong)?),
            Some((_, percent)) => Count::Rate(parse_percent(percent).ok_or_else(wrong)?),
        };
        Ok(Self { name, count })
    }
}

/// A percentage with at most two decimals, in parts of 10,000.
fn parse_percent(text: &str) -> Option<u32> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || fraction.len() > 2 || !digits(whole) || !digits(fraction) {
        return None;
    }
    let parts = whole.parse::<u32>().ok()?.checked_mul(100)?.checked_add(format!("{fraction:0<2}").parse().ok()?)?;
    (parts <= 10_000).then_some(parts)
}

impl fmt::Display for Occasion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name.as_deref().unwrap_or("*"))?;
        match self.count {
            Count::Every => Ok(()),
            Count::Nth(n) => write!(f, "#{n}"),
            Count::Rate(rate) if rate.is_multiple_of(100) => write!(f, "%{}", rate / 100),
            Count::Rate(rate) => write!(f, "%{}.{:02}", rate / 100, rate % 100),
        }
    }
}

impl FromStr for What {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim())),
            None => (text, None),
        };
        let form = FORMS.iter().find(|form| form.split(['=', '[']).next() == Some(name));
        let wrong = || match form {
            Some(form) => format!("{text:?} is not of the form {form}"),
            None => format!("{name:?} is nothing that can happen; `lockstep settings` lists what can"),
        };
        let duration = |value: &str| value.parse::<DurationRange>();
        let fault = |fault| Ok(Self::Fault(fault));
        let change = |change| Ok(Self::Change(change));
        match (name, value) {
            ("coverage", Some("on")) => change(Change::Coverage(true)),
            ("coverage", Some("off")) => change(Change::Coverage(false)),
            ("link", Some("up")) => change(Change::LinkDown(false)),
            ("link", Some("down")) => change(Change::LinkDown(true)),
            ("signal", Some(value)) => {
                let (strength, quality) = value.split_once(',').ok_or_else(wrong)?;
                let level = |text: &str, max: u8| {
                    text.trim().parse::<u8>().ok().filter(|v| *v <= max || *v == 99).ok_or_else(wrong)
                };
                change(Change::Signal { strength: level(strength, 31)?, quality: level(quality, 7)? })
            }
            ("admission", Some(value)) => change(Change::Admission(value.parse()?)),
            ("detach", None) => change(Change::Detach),
            ("pdp_drop", None) => change(Change::PdpDrop),
            ("pdp", Some("refused")) => change(Change::PdpRefused(true)),
            ("pdp", Some("accepted")) => change(Change::PdpRefused(false)),
            ("sim", Some(value)) => change(Change::Sim(value.parse()?)),
            ("sms", Some(value)) => {
                let (from, text) = value.split_once(',').ok_or_else(wrong)?;
                let is_number =
                    !from.is_empty() && from.len() <= 20 && from.bytes().all(|b| b.is_ascii_digit() || b == b'+');
                if !is_number || !text.bytes().all(|b| b.is_ascii_graphic() || b == b' ') {
                    return Err(wrong());
                }
                change(Change::Sms { from: from.to_owned(), text: text.to_owned() })
            }
            ("supply", Some("on")) => change(Change::Supply(true)),
            ("supply", Some("off")) => change(Change::Supply(false)),
            ("stuck", value) => fault(Fault::Stuck(value.map(duration).transpose()?)),
            ("lockup", None) => fault(Fault::LockUp),
            ("reset", None) => fault(Fault::Reset),
            ("power_cut", Some(value)) => fault(Fault::PowerCut(duration(value)?)),
            ("garbage", None) => fault(Fault::Garbage),
            ("lost_ok", None) => fault(Fault::LostResult),
            ("late_ok", Some(value)) => fault(Fault::LateResult(duration(value)?)),
            ("error", value) => fault(Fault::Error(value.map(|value| value.parse().map_err(|_| wrong())).transpose()?)),
            ("lost_urc", None) => fault(Fault::LostUrc),
            ("leak", None) => fault(Fault::Leak),
            ("slow_connect", value) => {
                fault(Fault::SlowConnect(value.map(duration).transpose()?.unwrap_or(SLOW_CONNECT)))
            }
            ("denied", None) => fault(Fault::Denied),
            ("pdp_refused", None) => fault(Fault::PdpRefused),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on_off = |on: bool| if on { "on" } else { "off" };
        match self {
            Self::Change(change) => match change {
                Change::Coverage(on) => write!(f, "coverage={}", on_off(*on)),
                Change::LinkDown(is_down) => write!(f, "link={}", if *is_down { "down" } else { "up" }),
                Change::Signal { strength, quality } => write!(f, "signal={strength},{quality}"),
                Change::Admission(admission) => write!(f, "admission={admission}"),
                Change::Detach => f.write_str("detach"),
                Change::PdpDrop => f.write_str("pdp_drop"),
                Change::PdpRefused(refused) => write!(f, "pdp={}", if *refused { "refused" } else { "accepted" }),
                Change::Sim(state) => write!(f, "sim={state}"),
                Change::Sms { from, text } => write!(f, "sms={from},{text}"),
                Change::Supply(on) => write!(f, "supply={}", on_off(*on)),
            },
            Self::Fault(fault) => match fault {
                Fault::Stuck(None) => f.write_str("stuck"),
                Fault::Stuck(Some(range)) => write!(f, "stuck={range}"),
                Fault::LockUp => f.write_str("lockup"),
                Fault::Reset => f.write_str("reset"),
                Fault::PowerCut(range) => write!(f, "power_cut={range}"),
                Fault::Garbage => f.write_str("garbage"),
                Fault::LostResult => f.write_str("lost_ok"),
                Fault::LateResult(range) => write!(f, "late_ok={range}"),
                Fault::Error(None) => f.write_str("error"),
                Fault::Error(Some(number)) => write!(f, "error={number}"),
                Fault::LostUrc => f.write_str("lost_urc"),
                Fault::Leak => f.write_str("leak"),
                Fault::SlowConnect(range) => write!(f, "slow_connect={range}"),
                Fault::Denied => f.write_str("denied"),
                Fault::PdpRefused => f.write_str("pdp_refused"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_are_read_and_written() {
        for (text, written) in [
            ("", "none"),
            ("none", "none"),
            ("coverage=off@30s;coverage=on@1m", "coverage=off@30s; coverage=on@60s"),
            ("sms=+15550100,a@b, c@1500ms", "sms=+15550100,a@b, c@1500ms"),
            ("late_ok=1s..2s@usowr#2", "late_ok=1s..2s@USOWR#2"),
            ("lost_urc@UUSORD%0.5; lost_ok@30s", "lost_urc@UUSORD%0.50; lost_ok@30s,*#1"),
            ("detach@10s,USOCO", "detach@10s,USOCO"),
            ("slow_connect@#3", "slow_connect=5s..20s@*#3"),
            (
                "sim=pin:1234@5s; admission=denied@6s; error=172@*%10",
                "sim=pin:1234@5s; admission=denied@6s; error=172@*%10",
            ),
            (
                "stuck@5s; stuck=3s@*#9; denied@#2; pdp_refused@CGACT",
                "stuck@5s; stuck=3s@*#9; denied@*#2; pdp_refused@CGACT",
            ),
        ] {
            let plan: Plan = text.parse().unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(plan.to_string(), written, "{text}");
            assert_eq!(written.parse(), Ok(plan), "{written}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for text in [
            "detach",
            "detach@",
            "detach@30",
            "coverage@30s",
            "coverage=maybe@30s",
            "late_ok@USOCO",
            "leak@USOCO",
            "signal=40,1@1s",
            "leak@UUSORD",
            "denied@USOCO",
            "x@1s",
            "lost_ok@USOCO#0",
            "lost_ok@USOCO%101",
            "lost_ok@USOCO%",
            "sms=x,y@1s",
            "late_ok=2s..1s@*",
            "lost_ok@+USOCO",
        ] {
            assert!(text.parse::<Plan>().is_err(), "{text}");
        }
        for (text, says) in [
            ("reset@1s; signal=40,1@2s", "\"signal=40,1@2s\": \"signal=40,1\" is not of the form signal=RSSI,QUALITY"),
            ("stuck=9@2s", "\"9\" is not a duration"),
            ("explode@2s", "\"explode\" is nothing that can happen"),
            ("leak@UUSORD", "\"leak@UUSORD\": it does not happen at UUSORD"),
        ] {
            let error = text.parse::<Plan>().unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    /// The form that an error names is one that is read.
    #[test]
    fn every_form_is_read() {
        for form in FORMS {
            let name = form.split(['=', '[']).next().unwrap();
            let values = ["", "=on", "=up", "=1,2", "=home", "=refused", "=ready", "=1,a", "=1s", "=7"];
            let reads = |value: &&str| format!("{name}{value}@*").parse::<Plan>().is_ok();
            assert!(values.iter().any(reads), "{form}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "\\PC*", like in "[a-z_]{0,12}=?[0-9a-z.,]{0,8}@[0-9sA-Z,#%*.]{0,12}") {
            let _ = text.parse::<Plan>();
            if let Ok(plan) = like.parse::<Plan>() {
                proptest::prop_assert_eq!(plan.to_string().parse::<Plan>(), Ok(plan));
            }
        }
    }
}
