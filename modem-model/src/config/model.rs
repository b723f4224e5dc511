//! The modules, and what tells them apart.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The module on the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Model {
    /// SARA-U260: 2G/3G, 850/1900 MHz (Electron 3G, Americas).
    SaraU260,
    /// SARA-U270: 2G/3G, 900/2100 MHz (Electron 3G, Europe, Asia, Africa).
    SaraU270,
    /// SARA-U201: 2G/3G, all bands.
    SaraU201,
    /// SARA-G350: 2G only.
    SaraG350,
}

impl Model {
    /// What `AT+CGMM` answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::SaraU260 => "SARA-U260",
            Self::SaraU270 => "SARA-U270",
            Self::SaraU201 => "SARA-U201",
            Self::SaraG350 => "SARA-G350",
        }
    }

    /// Whether it has 3G.
    pub fn has_utran(self) -> bool {
        self != Self::SaraG350
    }

    /// Whether a carriage return and a line feed end the line of `+USORD` and `+USORF` that carries data. In the logs of
    /// a SARA-U2 the final result follows the closing quote; the G350 ends the line (a comment in genuine firmware's
    /// sources, at its parser, says both).
    pub fn ends_data_lines(self) -> bool {
        self == Self::SaraG350
    }

    /// How long PWR_ON must be low to switch a running module off. The G350 has no such function (UBX-13000995, 1.6.2).
    pub fn power_off_low_us(self) -> Option<u64> {
        self.has_utran().then_some(1_000_000)
    }

    /// How long PWR_ON must be low to switch it on (UBX-13000995, table 8).
    pub fn power_on_low_us(self) -> u64 {
        if self.has_utran() { 50 } else { 5_000 }
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name().to_ascii_lowercase())
    }
}

impl FromStr for Model {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::SaraU260, Self::SaraU270, Self::SaraU201, Self::SaraG350];
        all.into_iter()
            .find(|model| model.to_string() == text)
            .ok_or_else(|| format!("{text:?} is no model: give {}", all.map(|model| model.to_string()).join(", ")))
    }
}
