//! Settings of a modem. What the manual alone would settle is a setting here, with the reason for its default.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::events::Plan;
use crate::time::DurationRange;

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

/// Durations. Defaults come from logs of real hardware (firmware 0.8.0-rc.2, which looks at the line every 10 ms: a
/// logged "10 ms" is a true duration of up to 10 ms) unless said otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// PWR_ON low until the module starts; `None` is the model's own: 5 ms on SARA-G350, 50 µs on SARA-U2.
    pub power_on_low_min_us: Option<u64>,
    /// Start of the module to V_INT high. Not in the logs.
    pub v_int_rise: DurationRange,
    /// V_INT high until the first AT command is answered. The logs say "seconds"; genuine firmware repeats its pulses
    /// after 3 s.
    pub boot: DurationRange,
    /// RESET_N low until it counts. Not in the logs.
    pub reset_low_min_us: u64,
    /// OK of `AT+CPWROFF` until V_INT falls: detach and shutdown. Not in the logs.
    pub power_off: DurationRange,
    /// Ready and CFUN=1 until registered. Not in the logs.
    pub registration: DurationRange,
    /// Registered until attached to packet service. Not in the logs.
    pub attach: DurationRange,
    /// Limit of `AT+CGATT=1` without service.
    pub attach_timeout: DurationRange,
    /// `AT+UPSDA=n,3` until OK. One transcript shows 500 ms.
    pub pdp_activation: DurationRange,
    /// Carriage return to first character of the response.
    pub command: DurationRange,
    /// The same, for `AT+USORF`: in the logs all reads of 33 to 49 bytes are there within 20 ms of the command, at most 10
    /// of them before the first character, and those of 557 bytes are not after 60, at least 7.
    pub read_from: DurationRange,
    /// Carriage return to the `@` prompt.
    pub prompt: DurationRange,
    /// Last payload byte to `+USOWR`/`+USOST`, for an empty payload.
    pub write_accept: DurationRange,
    /// What each payload byte adds to that.
    pub write_accept_per_byte_us: u64,
    /// End of an information line to the final OK.
    pub line_to_ok: DurationRange,
    /// End of a final result (or another URC) to the next URC.
    pub urc_guard: DurationRange,
    /// Limit of `AT+USOCO`.
    pub connect_timeout: DurationRange,
    /// Limit of the wait for the peer's answer in `AT+USOCL`: about 1 s on SARA-U2.
    pub close_timeout: DurationRange,
    /// Wait for a DNS answer before the next try.
    pub dns_retry: DurationRange,
    /// Silence before and after the `+++` that ends a direct link. Not in the logs; 1 s is what V.250 modems ask for, and
    /// clients wait longer.
    pub escape_guard_us: u64,
    /// An echo request of `AT+UPING` until its answer: "ping round trip to the cloud" in the logs.
    pub ping_round_trip: DurationRange,
    /// DNS tries.
    pub dns_tries: u32,
    /// With `AT+UPSV=1`: between two moments at which the sleeping module listens to its serial line. 2.5 s on SARA-U2,
    /// on 3G or not registered (UBX-13000995, 1.9.1.4).
    pub sleep_interval: DurationRange,
    /// The same on 2G: 2.0 s and then up to the next paging, which comes every 0.47 to 2.12 s (same place).
    pub sleep_interval_2g: DurationRange,
    /// How long such a moment is: about 20 ms (same place).
    pub sleep_listen_us: u64,
    /// After a character that woke the module: what comes within about 20 ms is lost (same place).
    pub sleep_wake_us: u64,
    /// Limit of `AT+COPS=1`, which waits for the operator: "up to 3 min" (u-blox AT commands manual, +COPS).
    pub register_timeout: DurationRange,
    /// `AT+COPS=?`: a scan. Tens of seconds in the field; no log.
    pub operator_scan: DurationRange,
    /// Ctrl-Z of `AT+CMGS` until `+CMGS`: the network's answer. No log.
    pub sms_send: DurationRange,
    /// A message sent to the modem until it is there. No log.
    pub sms_delivery: DurationRange,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            power_on_low_min_us: None,
            v_int_rise: DurationRange::ms(20, 60),
            boot: DurationRange::ms(2_500, 4_500),
            reset_low_min_us: 50_000,
            power_off: DurationRange::ms(1_000, 2_500),
            registration: DurationRange::ms(2_000, 6_000),
            attach: DurationRange::ms(100, 600),
            attach_timeout: DurationRange::ms(180_000, 180_000),
            pdp_activation: DurationRange::ms(350, 900),
            command: DurationRange::ms(2, 7),
            read_from: DurationRange::us(7_500, 10_000),
            prompt: DurationRange::ms(4, 8),
            write_accept: DurationRange::ms(122, 128),
            write_accept_per_byte_us: 40,
            line_to_ok: DurationRange::us(200, 2_000),
            urc_guard: DurationRange::us(800, 1_200),
            connect_timeout: DurationRange::ms(75_000, 75_000),
            close_timeout: DurationRange::ms(1_000, 1_000),
            dns_retry: DurationRange::ms(5_000, 5_000),
            escape_guard_us: 1_000_000,
            ping_round_trip: DurationRange::ms(500, 750),
            dns_tries: 3,
            sleep_interval: DurationRange::ms(2_500, 2_500),
            sleep_interval_2g: DurationRange::ms(2_000, 4_120),
            sleep_listen_us: 20_000,
            sleep_wake_us: 20_000,
            register_timeout: DurationRange::ms(180_000, 180_000),
            operator_scan: DurationRange::ms(15_000, 60_000),
            sms_send: DurationRange::ms(1_500, 4_000),
            sms_delivery: DurationRange::ms(1_000, 3_000),
        }
    }
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
