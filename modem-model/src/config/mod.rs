//! Settings of a modem. What the manual alone would settle is a setting here, with the reason for its default.

mod model;
mod timing;

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::events::Plan;
use crate::time::DurationRange;

pub use model::Model;
pub use timing::Timing;

/// State of the SIM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SimState {
    /// Unlocked.
    Ready,
    /// Waits for its PIN; three wrong tries lead to [`Puk`](Self::Puk).
    Pin {
        /// The right PIN.
        pin: String,
        /// Tries left.
        tries: u8,
    },
    /// Waits for its PUK.
    Puk {
        /// The right PUK.
        puk: String,
        /// Tries left.
        tries: u8,
    },
    /// No card.
    Absent,
    /// A card that does not answer.
    Failure,
}

impl fmt::Display for SimState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready => f.write_str("ready"),
            Self::Absent => f.write_str("absent"),
            Self::Failure => f.write_str("failure"),
            Self::Pin { pin, .. } => write!(f, "pin:{pin}"),
            Self::Puk { puk, .. } => write!(f, "puk:{puk}"),
        }
    }
}

impl FromStr for SimState {
    type Err = String;

    /// `ready`, `absent`, `failure`, `pin:` and 4 to 8 digits, or `puk:` and 8 digits, with all tries left.
    fn from_str(text: &str) -> Result<Self, String> {
        let digits = |text: &str, lengths: std::ops::RangeInclusive<usize>| {
            (lengths.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.to_owned())
        };
        let state = match text.split_once(':') {
            None => match text {
                "ready" => Some(Self::Ready),
                "absent" => Some(Self::Absent),
                "failure" => Some(Self::Failure),
                _ => None,
            },
            Some(("pin", pin)) => digits(pin, 4..=8).map(|pin| Self::Pin { pin, tries: 3 }),
            Some(("puk", puk)) => digits(puk, 8..=8).map(|puk| Self::Puk { puk, tries: 10 }),
            Some(_) => None,
        };
        state.ok_or_else(|| format!("{text:?} is no SIM state: give ready, absent, failure, pin:DIGITS or puk:DIGITS"))
    }
}

/// The SIM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SimConfig {
    /// State at power-on.
    pub state: SimState,
    /// IMSI, 15 digits.
    pub imsi: String,
    /// ICCID.
    pub iccid: String,
    /// Own number, if stored on the SIM (`AT+CNUM`).
    pub number: Option<String>,
    /// Short messages it holds.
    pub message_places: u32,
}

/// What becomes of the modem's attempt to register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Admission {
    /// Registered in the home network (`+CREG: …,1`).
    Home,
    /// Registered, roaming (`+CREG: …,5`).
    Roaming,
    /// Refused (`+CREG: …,3`).
    Denied,
}

impl fmt::Display for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Home => "home",
            Self::Roaming => "roaming",
            Self::Denied => "denied",
        })
    }
}

impl FromStr for Admission {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "home" => Ok(Self::Home),
            "roaming" => Ok(Self::Roaming),
            "denied" => Ok(Self::Denied),
            _ => Err(format!("{text:?} is no admission: give home, roaming or denied")),
        }
    }
}

/// The cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellConfig {
    /// Whether there is coverage at power-on.
    pub coverage: bool,
    /// Whether the network lets the modem in.
    pub admission: Admission,
    /// Operator's long name.
    pub operator_long: String,
    /// Operator's short name.
    pub operator_short: String,
    /// MCC and MNC.
    pub operator_numeric: String,
    /// Location area code, hexadecimal.
    pub location_area: String,
    /// Cell identity, hexadecimal.
    pub cell_id: String,
    /// Received signal strength as `AT+CSQ` codes it: 0 to 31, 99 unknown.
    pub signal_strength: u8,
    /// Signal quality as `AT+CSQ` codes it: 0 to 7, 99 unknown.
    pub signal_quality: u8,
    /// Time in seconds since 1970 that the network tells at registration, at power-on of the world; `None`: it tells
    /// none.
    pub network_time_unix_s: Option<u32>,
}

/// What the packet network assigns on PDP activation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PdpConfig {
    /// The device's address.
    pub address: Ipv4Addr,
    /// DNS server told to the modem (`AT+UPSND=0,1`); `None` if the network tells none.
    pub dns_primary: Option<Ipv4Addr>,
    /// Second DNS server.
    pub dns_secondary: Option<Ipv4Addr>,
    /// Activation is refused while this is set.
    pub refused: bool,
}

/// Behaviour that the manual alone would settle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Behaviour {
    /// Level of CTS (`true` = ready) while the module is off. Default ready: genuine firmware then sends `AT` into the
    /// void and repeats its pulses, as its transcripts show.
    pub cts_when_off: bool,
    /// The same while it boots.
    pub cts_while_booting: bool,
    /// URCs may appear while a command waits for the network. The hardware logs show it (`+UUSORD` during `USOCO`).
    pub urc_during_command: bool,
    /// How many of a hundred URCs may appear between a command's information line and its OK, drawn for each; the
    /// others wait for the OK. That it happens is known, how often is not: default 10. What a command itself announces
    /// (data left after a read) always follows its OK, as the logs show.
    pub urc_between_line_and_ok_percent: u32,
    /// Data received before the peer closed stays readable after `+UUSOCL`. Default yes.
    pub unread_data_survives_close: bool,
    /// The network hands out a fresh search after a denial (seconds between tries); `None` never.
    pub retry_after_denial: Option<DurationRange>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            cts_when_off: true,
            cts_while_booting: true,
            urc_during_command: true,
            urc_between_line_and_ok_percent: 10,
            unread_data_survives_close: true,
            retry_after_denial: None,
        }
    }
}

/// Sizes of the socket buffers. The logs show at least 14,518 bytes pending on one UDP socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketLimits {
    /// Bytes a socket holds for the client. UDP datagrams beyond it are lost; TCP tells its peer to wait.
    pub receive_bytes: usize,
    /// Bytes a TCP socket holds that the peer has not acknowledged.
    pub send_bytes: usize,
    /// Bytes of a TCP segment's payload at most, as the module announces them. Not known of the hardware: what an MTU
    /// of 1,500 leaves.
    pub mss_bytes: u16,
}

impl Default for SocketLimits {
    fn default() -> Self {
        Self { receive_bytes: 16_384, send_bytes: 8_192, mss_bytes: 1_460 }
    }
}

/// Everything that can be chosen about a modem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModemConfig {
    /// The module.
    pub model: Model,
    /// What `AT+CGSN` answers.
    pub imei: String,
    /// What `AT+CGMR` answers.
    pub firmware_version: String,
    /// What `ATI9` answers after the version.
    pub application_version: String,
    /// The SIM.
    pub sim: SimConfig,
    /// The cell.
    pub cell: CellConfig,
    /// The packet network.
    pub pdp: PdpConfig,
    /// Durations.
    pub timing: Timing,
    /// Choices.
    pub behaviour: Behaviour,
    /// Socket buffers.
    pub sockets: SocketLimits,
    /// Bit rate at power-on; 0 is autobauding (the first `A` sets the rate).
    pub baud_hz: u32,
    /// What happens in the run, and when.
    pub events: Plan,
}

impl ModemConfig {
    /// PWR_ON low until the module starts.
    pub fn power_on_low_us(&self) -> u64 {
        self.timing.power_on_low_min_us.unwrap_or(self.model.power_on_low_us())
    }
}

impl Default for ModemConfig {
    fn default() -> Self {
        Self {
            model: Model::SaraU260,
            imei: "353162070001234".to_owned(),
            firmware_version: "23.20".to_owned(),
            application_version: "A01.01".to_owned(),
            sim: SimConfig {
                state: SimState::Ready,
                imsi: "310410123456789".to_owned(),
                iccid: "8934076500002589174".to_owned(),
                number: None,
                message_places: 30,
            },
            cell: CellConfig {
                coverage: true,
                admission: Admission::Home,
                operator_long: "AT&T".to_owned(),
                operator_short: "AT&T".to_owned(),
                operator_numeric: "310410".to_owned(),
                location_area: "2F40".to_owned(),
                cell_id: "0A1B2C3".to_owned(),
                signal_strength: 18,
                signal_quality: 2,
                // The start of 2020: the time of the device service too.
                network_time_unix_s: Some(1_577_836_800),
            },
            pdp: PdpConfig {
                address: Ipv4Addr::new(10, 171, 4, 7),
                dns_primary: Some(Ipv4Addr::new(8, 8, 8, 8)),
                dns_secondary: Some(Ipv4Addr::new(8, 8, 4, 4)),
                refused: false,
            },
            timing: Timing::default(),
            behaviour: Behaviour::default(),
            sockets: SocketLimits::default(),
            baud_hz: 115_200,
            events: Plan::default(),
        }
    }
}
