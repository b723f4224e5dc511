//! Settings: each with its name, what it takes, what it means, and how it is read and written.

mod table;
mod value;

use super::options::{KeyValue, did_you_mean};
use super::{Parts, SetupError};

use table::SETTINGS;
use value::Refusal;

/// One setting.
struct Setting {
    /// Its name for `--set`.
    key: &'static str,
    /// What it takes.
    takes: &'static str,
    /// What it means.
    help: &'static str,
    get: fn(&Parts) -> String,
    set: fn(&mut Parts, &str) -> Result<(), Refusal>,
}

/// Applies `--set` options.
pub fn apply(parts: &mut Parts, options: &[KeyValue]) -> Result<(), SetupError> {
    for KeyValue { key, value } in options {
        let Some(setting) = SETTINGS.iter().find(|setting| setting.key == key) else {
            let hint = did_you_mean(key, SETTINGS.iter().map(|setting| setting.key));
            return Err(SetupError::Usage(format!(
                "--set {key}: no such setting{hint}; `lockstep settings` lists them"
            )));
        };
        (setting.set)(parts, value).map_err(|refusal| {
            SetupError::Usage(match refusal {
                Refusal::NotTaken => format!("--set {key}={value}: it takes {}; {}", setting.takes, setting.help),
                Refusal::Because(reason) => format!("--set {key}: {reason}"),
            })
        })?;
    }
    let clock = &parts.soc.clock;
    if clock.pll_lock_low_us > clock.pll_lock_high_us {
        let (low, high) = (clock.pll_lock_low_us, clock.pll_lock_high_us);
        return Err(SetupError::Usage(format!("chip.pll_lock_low_us ({low}) is above chip.pll_lock_high_us ({high})")));
    }
    Ok(())
}

/// The settings, as a list shows them.
pub struct Listed {
    /// The name.
    pub key: &'static str,
    /// What it is unless it is set.
    pub default: String,
    /// What it takes.
    pub takes: &'static str,
    /// What it means.
    pub help: &'static str,
}

/// All settings.
pub fn all() -> Vec<Listed> {
    let parts = Parts::default();
    let listed = |Setting { key, takes, help, get, .. }: &Setting| Listed { key, default: get(&parts), takes, help };
    SETTINGS.iter().map(listed).collect()
}

#[cfg(test)]
mod tests {
    use lockstep_modem::config::{Admission, SimState};
    use lockstep_modem::time::DurationRange;

    use super::value::Value;
    use super::*;

    fn key_value(text: &str) -> KeyValue {
        super::super::options::parse_key_value(text).unwrap()
    }

    #[test]
    fn every_default_can_be_given_back() {
        let mut parts = Parts::default();
        for setting in SETTINGS {
            let default = (setting.get)(&parts);
            (setting.set)(&mut parts, &default)
                .unwrap_or_else(|refusal| panic!("{}={default}: {refusal:?}", setting.key));
            assert_eq!((setting.get)(&parts), default, "{}", setting.key);
            assert!((setting.set)(&mut parts, "\u{0}?").is_err(), "{} takes anything", setting.key);
        }
    }

    #[test]
    fn keys_are_unique() {
        for (i, setting) in SETTINGS.iter().enumerate() {
            assert!(SETTINGS.iter().skip(i + 1).all(|other| other.key != setting.key), "{}", setting.key);
        }
    }

    #[test]
    fn a_setting_reaches_the_machine_s_parts() {
        let mut parts = Parts::default();
        let options = [
            key_value("modem.timing.boot=2s..4.5s"),
            key_value("sim.state=pin:1234"),
            key_value("chip.unique_id=0123456789abcdef01234567"),
            key_value("cell.admission=roaming"),
        ];
        apply(&mut parts, &options).unwrap();
        assert_eq!(parts.modem.timing.boot, DurationRange { low_us: 2_000_000, high_us: 4_500_000 });
        assert_eq!(parts.modem.sim.state, SimState::Pin { pin: "1234".to_owned(), tries: 3 });
        assert_eq!(parts.soc.unique_id[..2], [1, 0x23]);
        assert_eq!(parts.modem.cell.admission, Admission::Roaming);
    }

    #[test]
    fn a_link_is_chosen_for_both_directions_or_one() {
        let mut parts = Parts::default();
        let options =
            ["link.loss=0.25%", "link.downlink.loss=12%", "link.outages=60s..2m,1h..1.5h", "sim.profile=third-party"];
        apply(&mut parts, &options.map(key_value)).unwrap();
        assert_eq!((parts.link.uplink.loss.ppm, parts.link.downlink.loss.ppm), (2_500, 120_000));
        assert!(parts.link.is_out(119 * 1_000_000_000_000) && !parts.link.is_out(120 * 1_000_000_000_000));
        assert_eq!(parts.link.outages.write(), "60s..120s,3600s..5400s");
        assert!(parts.link.nat.enabled && parts.link.nat.udp_idle_timeout.is_some());
        for wrong in ["link.loss=5", "link.loss=101%", "link.loss=0.00001%", "link.loss=.5%", "link.outages=2m..60s"] {
            assert!(apply(&mut parts, &[key_value(wrong)]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest() {
        let error = apply(&mut Parts::default(), &[key_value("modem.timing.bot=1s")]).unwrap_err().to_string();
        assert!(error.contains("did you mean modem.timing.boot?"), "{error}");
        let error = apply(&mut Parts::default(), &[key_value("cell.signal_strength=40")]).unwrap_err().to_string();
        assert!(error.contains("0 to 31, or 99"), "{error}");
        assert!(apply(&mut Parts::default(), &[key_value("modem.timing.boot=4s..2s")]).is_err());
    }
}
