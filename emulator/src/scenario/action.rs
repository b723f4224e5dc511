//! Actions: what a step does to the device or to the world around it.

use lockstep_modem::duration::parse_duration_ps;
use lockstep_modem::events::{Event, What};

use super::card::{self, CardAction};
use crate::setup::operator::{CloudCommand, is_verb, parse_cloud};
use crate::setup::options::{KeyValue, did_you_mean, parse_key_value};
use crate::setup::words::words;

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A command to the operator of the device service: `ota FILE`, `ping`, `call NAME [ARGUMENT]` and so on.
    Cloud(CloudCommand),
    /// `press mode for TIME`: a finger on the MODE button.
    PressMode {
        /// For how long, in picoseconds.
        for_ps: u64,
    },
    /// `reset`: a pulse on the reset pin.
    Reset,
    /// `power-cut for TIME`: both supplies of the board are gone.
    PowerCut {
        /// For how long, in picoseconds.
        for_ps: u64,
    },
    /// `modem EVENT`: a change of the world around the modem, or a fault of it, as `modem.events` has them. One without
    /// `@WHEN` happens now.
    Modem(Event),
    /// The same, now.
    ModemNow(What),
    /// `outage for TIME`: nothing passes between modem and network, and neither is told.
    Outage {
        /// For how long, in picoseconds.
        for_ps: u64,
    },
    /// `hold uplink|downlink for TIME`: packets sent from now on arrive after that time, in their order, so that whatever
    /// else happens gets ahead of them.
    Hold {
        /// Those from the modem.
        from_modem: bool,
        /// For how long, in picoseconds.
        for_ps: u64,
    },
    /// `set KEY=VALUE`: a setting of the link, or of the modem's timing and behaviour, from now on.
    Set(KeyValue),
    /// `sd WHAT`: to the SD card.
    Card(CardAction),
}

/// Each action with its form, beside the commands to the device service.
const FORMS: [(&str, &str); 8] = [
    ("press", "press mode for TIME"),
    ("reset", "reset"),
    ("power-cut", "power-cut for TIME"),
    ("modem", "modem WHAT[=VALUE][@WHEN]"),
    ("outage", "outage for TIME"),
    ("hold", "hold uplink|downlink for TIME"),
    ("set", "set KEY=VALUE"),
    ("sd", card::FORM),
];

/// Settings that can be changed during a run begin so.
const CHANGEABLE: [&str; 5] = [
    "link.",
    "modem.timing.",
    "modem.urc_during_command",
    "modem.urc_between_line_and_ok_percent",
    "modem.unread_data_survives_close",
];

impl Action {
    /// Reads an action; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (verb, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        if is_verb(verb) {
            let command = parse_cloud(text)?.0.ok_or("a command is missing")?;
            return match command.has_timing() {
                true => Err("a step has its own at, when and after: leave them out of the command".to_owned()),
                false => Ok(Self::Cloud(command)),
            };
        }
        let Some((_, form)) = FORMS.iter().find(|(name, _)| *name == verb) else {
            let names: Vec<&str> = FORMS.iter().map(|(name, _)| *name).chain(crate::setup::operator::verbs()).collect();
            let hint = did_you_mean(verb, names.iter().copied());
            return Err(format!("no action {verb:?}{hint}; there are {}", names.join(", ")));
        };
        let wrong = || format!("the form is: {form}");
        let rest = rest.trim();
        // What follows may hold quotation marks of its own.
        let split = || words(rest).map(|words| words.into_iter().map(|word| word.text).collect::<Vec<_>>());
        match verb {
            "modem" if rest.contains('@') => Ok(Self::Modem(rest.parse::<Event>().map_err(|error| error.to_string())?)),
            "modem" => {
                // An event now: read as one at time 0.
                let event = format!("{rest}@0s").parse::<Event>().map_err(|error| error.to_string())?;
                match event.when.occasion {
                    None => Ok(Self::ModemNow(event.what)),
                    Some(_) => Ok(Self::Modem(event)),
                }
            }
            "set" => {
                let setting = parse_key_value(rest)?;
                if !CHANGEABLE.iter().any(|start| setting.key.starts_with(start)) {
                    let key = &setting.key;
                    return Err(format!(
                        "{key} cannot be changed during a run, only {}…; put it under [set]",
                        CHANGEABLE.join("…, ")
                    ));
                }
                Ok(Self::Set(setting))
            }
            "sd" => CardAction::parse(rest).map(Self::Card).ok_or_else(wrong),
            "reset" if rest.is_empty() => Ok(Self::Reset),
            "press" => match split()?.as_slice() {
                [button, word, time] if button == "mode" && word == "for" => {
                    Ok(Self::PressMode { for_ps: parse_duration_ps(time)? })
                }
                _ => Err(wrong()),
            },
            "hold" => match split()?.as_slice() {
                [way, word, time] if word == "for" && (way == "uplink" || way == "downlink") => {
                    Ok(Self::Hold { from_modem: way == "uplink", for_ps: parse_duration_ps(time)? })
                }
                _ => Err(wrong()),
            },
            "outage" | "power-cut" => match split()?.as_slice() {
                [word, time] if word == "for" && verb == "outage" => {
                    Ok(Self::Outage { for_ps: parse_duration_ps(time)? })
                }
                [word, time] if word == "for" => Ok(Self::PowerCut { for_ps: parse_duration_ps(time)? }),
                _ => Err(wrong()),
            },
            _ => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_read() {
        assert_eq!(Action::parse("reset"), Ok(Action::Reset));
        assert_eq!(Action::parse("press mode for 3s"), Ok(Action::PressMode { for_ps: 3_000_000_000_000 }));
        assert_eq!(Action::parse("power-cut for 5s"), Ok(Action::PowerCut { for_ps: 5_000_000_000_000 }));
        assert_eq!(Action::parse("outage for 1m"), Ok(Action::Outage { for_ps: 60_000_000_000_000 }));
        assert!(matches!(Action::parse("ota new.bin"), Ok(Action::Cloud(_))));
        assert!(matches!(Action::parse("modem late_ok=3s@USORD#2"), Ok(Action::Modem(_))));
        assert!(matches!(Action::parse("modem coverage=off"), Ok(Action::ModemNow(_))));
        assert!(matches!(Action::parse("modem lost_ok"), Ok(Action::Modem(_))));
        assert!(matches!(Action::parse("hold downlink for 2s"), Ok(Action::Hold { from_modem: false, .. })));
        assert!(matches!(Action::parse("set link.loss=5%"), Ok(Action::Set(_))));
    }

    #[test]
    fn mistakes_are_named() {
        for (text, expected) in [
            ("", "no action"),
            ("presss mode", "did you mean press?"),
            ("press mode", "the form is: press mode for TIME"),
            ("reset 2", "the form is: reset"),
            ("sd eject", "the form is: sd pull|insert|hang"),
            ("ota x.bin at 3s", "its own at, when and after"),
            ("modem nothing@3s", "nothing"),
            ("set modem.imei=1", "cannot be changed during a run"),
            ("set x", "KEY=VALUE"),
        ] {
            let error = Action::parse(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(text in "\\PC{0,60}", words in "(press|mode|for|modem|set|outage|ota|link.loss|=|@|[0-9]|s| ){0,8}") {
            let _ = (Action::parse(&text), Action::parse(&words));
        }
    }
}
