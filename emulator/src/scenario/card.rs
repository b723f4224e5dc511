//! What a step does to the SD card.

use lockstep_modem::percent::parse_percent_ppm;
use lockstep_peripherals::board::sd_card::SdFault;

/// What is done to the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CardAction {
    /// It is put into its socket or pulled out.
    Insert(bool),
    /// Something is wrong with it from now on.
    Fault(SdFault),
}

/// The form of such a step.
pub const FORM: &str =
    "sd pull|insert|hang, sd slow FACTOR, sd read-errors SHARE%, sd write-errors SHARE%, sd unreadable BLOCK";

impl CardAction {
    /// Reads what follows `sd`; `None` if it is none of the forms.
    pub fn parse(text: &str) -> Option<Self> {
        let (verb, value) = text.split_once(' ').unwrap_or((text, ""));
        let value = value.trim();
        let block_ppm = || value.strip_suffix('%').and_then(parse_percent_ppm).filter(|ppm| *ppm <= 1_000_000);
        Some(match (verb, value.is_empty()) {
            ("pull", true) => Self::Insert(false),
            ("insert", true) => Self::Insert(true),
            ("hang", true) => Self::Fault(SdFault::Hang),
            ("slow", false) => Self::Fault(SdFault::Slow { factor: value.parse().ok().filter(|factor| *factor > 0)? }),
            ("read-errors", false) => Self::Fault(SdFault::ReadErrors { block_ppm: block_ppm()? }),
            ("write-errors", false) => Self::Fault(SdFault::WriteErrors { block_ppm: block_ppm()? }),
            ("unreadable", false) => Self::Fault(SdFault::Unreadable { block: value.parse().ok()? }),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms() {
        let cases = [
            ("pull", CardAction::Insert(false)),
            ("insert", CardAction::Insert(true)),
            ("hang", CardAction::Fault(SdFault::Hang)),
            ("slow 20", CardAction::Fault(SdFault::Slow { factor: 20 })),
            ("read-errors 0.5%", CardAction::Fault(SdFault::ReadErrors { block_ppm: 5_000 })),
            ("write-errors 100%", CardAction::Fault(SdFault::WriteErrors { block_ppm: 1_000_000 })),
            ("unreadable 2048", CardAction::Fault(SdFault::Unreadable { block: 2048 })),
        ];
        for (text, expected) in cases {
            assert_eq!(CardAction::parse(text), Some(expected), "{text}");
        }
        for wrong in ["", "pull it", "slow", "slow 0", "read-errors 5", "read-errors 101%", "unreadable -1", "eject"] {
            assert_eq!(CardAction::parse(wrong), None, "{wrong}");
        }
    }
}
