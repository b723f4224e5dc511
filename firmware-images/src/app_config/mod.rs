//! The settings inside our own application image (`app/config.h`), so that one build serves every variant.

mod field;
mod padding;
#[cfg(test)]
mod tests;

use std::net::Ipv4Addr;

use crate::bytes::{array_at, put, u16_at};
use crate::module::{self, ModuleError};

use field::Value;
pub use field::{Acknowledge, FaultKind, FaultMoment, Mode, SystemLog, SystemMode, Text};
pub use padding::{IMAGE_BYTES_MAX, pad};

/// Where the block lies in the image.
pub const CONFIG_OFFSET: usize = 0x40;
/// What the block begins with.
pub const CONFIG_MAGIC: [u8; 8] = *b"LKSTAPP2";
const CONFIG_LENGTH: usize = 172;

/// Why an application image cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum AppConfigError {
    /// Not our application.
    #[error(
        "no configuration block of lockstep-app at offset {CONFIG_OFFSET:#x}: give firmware-images/built/app.bin, \
         unsealed or sealed, as `make` in firmware-images/app leaves it"
    )]
    NotOurApplication,
    /// The block is of another version.
    #[error(
        "the configuration block at {CONFIG_OFFSET:#x} is {found} bytes long, not {CONFIG_LENGTH}: rebuild app.bin"
    )]
    Length {
        /// Its length field.
        found: u16,
    },
    /// A setting that does not exist.
    #[error("{key}: no such setting")]
    Key {
        /// Its name.
        key: String,
    },
    /// A setting that the application cannot follow, or a stored value with no meaning.
    #[error("{key}={found}: it takes {takes}")]
    Value {
        /// Name of the setting.
        key: &'static str,
        /// What it says.
        found: String,
        /// What is allowed.
        takes: &'static str,
    },
    /// A length that the image cannot have.
    #[error("an image of {wanted} bytes: it takes a multiple of 4 from {smallest} to {IMAGE_BYTES_MAX}")]
    ImageBytes {
        /// What was asked for.
        wanted: usize,
        /// Its length as it is.
        smallest: usize,
    },
    /// The image is not a complete module.
    #[error(transparent)]
    Module(#[from] ModuleError),
}

/// One setting: a field of [`AppConfig`].
pub struct AppSetting {
    /// Its name.
    pub key: &'static str,
    /// What it takes, as text.
    pub takes: &'static str,
    /// What it means.
    pub help: &'static str,
    offset: usize,
    get: fn(&AppConfig) -> String,
    set: fn(&mut AppConfig, &str) -> Option<()>,
    decode: fn(&mut AppConfig, &[u8], usize) -> Option<()>,
    encode: fn(&AppConfig) -> Vec<u8>,
    is_valid: fn(&AppConfig) -> bool,
}

impl AppSetting {
    /// Its value as text; [`AppConfig::set`] takes it back.
    pub fn show(&self, config: &AppConfig) -> String {
        (self.get)(config)
    }

    fn error(&self, found: String) -> AppConfigError {
        AppConfigError::Value { key: self.key, found, takes: self.takes }
    }
}

/// The fields: name, type, offset in the block, value as built, what it may be, and both in words.
macro_rules! settings {
    ($(#[doc = $help:literal] $name:ident: $type:ty, $offset:literal, $default:expr, $is_valid:expr, $takes:expr;)+) => {
        /// How the application shall behave. The default is what the image has as built.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct AppConfig {
            $(#[doc = $help] pub $name: $type,)+
        }

        impl Default for AppConfig {
            fn default() -> Self {
                Self { $($name: $default,)+ }
            }
        }

        /// All settings, in the order of the block.
        pub const SETTINGS: &[AppSetting] = &[$(AppSetting {
            key: stringify!($name),
            takes: $takes,
            help: $help.trim_ascii(),
            offset: $offset,
            get: |config| config.$name.show(),
            set: |config, text| {
                config.$name = Value::parse(text)?;
                Some(())
            },
            decode: |config, block, offset| {
                config.$name = Value::decode(block, offset)?;
                Some(())
            },
            encode: |config| config.$name.encode(),
            is_valid: |config| {
                let is_valid: fn(&$type) -> bool = $is_valid;
                is_valid(&config.$name)
            },
        },)+];
    };
}

const FAULTS: &str = "none, wild_pointer, null_write, divide_by_zero, stack_overflow, deadlock, starvation, \
                      heap_exhaustion, wild_jump, unaligned, undefined, block, busy_wait or reset_loop";
const DAY_MS: u32 = 86_400_000;
/// `watchdog_pin` when there is none.
pub const NO_PIN: u8 = 255;

settings! {
    /// `SYSTEM_THREAD(ENABLED)`
    system_thread: bool, 10, true, |_| true, "true or false";
    /// `SYSTEM_MODE`
    system_mode: SystemMode, 11, SystemMode::Automatic, |_| true, "default, automatic, semi_automatic or manual";
    /// one blink of D7 and one line on Serial1, in milliseconds (mode blink)
    period_ms: u32, 12, 1000, |ms| (2..=DAY_MS).contains(ms), "2 to 86400000";
    /// speed of Serial1 in bits per second
    baud: u32, 16, 115_200, |baud| (1200..=3_750_000).contains(baud), "1200 to 3750000";
    /// extra work in each pass of loop(): about this many microseconds of spinning at 120 MHz
    busy_us: u32, 20, 0, |us| *us <= 400_000_000, "0 to 400000000";
    /// the application's version, which it says when it starts
    version: u16, 24, 1, |_| true, "0 to 65535";
    /// what the application does
    mode: Mode, 26, Mode::Blink, |_| true, "blink, echo or mqtt";
    /// which of the firmware's own log messages go to Serial1
    system_log: SystemLog, 27, SystemLog::None, |_| true, "none, trace, info, warn or error";
    /// where the TCP connection goes; as built to the simulated network's echo of two digits a byte
    server_address: Ipv4Addr, 28, Ipv4Addr::new(192, 0, 2, 8), |_| true, "an IPv4 address";
    /// the port there
    server_port: u16, 32, 7123, |port| *port > 0, "1 to 65535";
    /// whether each pass asks for received data (TCPClient.available()), not only for the connection (connected())
    poll_available: bool, 34, true, |_| true, "true or false";
    /// whether the connection is closed when an update begins
    close_on_update: bool, 35, false, |_| true, "true or false";
    /// from the cloud being connected until the TCP connection is made, in milliseconds
    connect_delay_ms: u32, 36, 0, |ms| *ms <= DAY_MS, "0 to 86400000";
    /// from the loss of the connection until it is made again, in milliseconds; 0 is never
    reconnect_ms: u32, 40, 5000, |ms| *ms <= DAY_MS, "0 to 86400000";
    /// between two messages, in milliseconds
    send_ms: u32, 44, 5000, |ms| (1..=DAY_MS).contains(ms), "1 to 86400000";
    /// delay() in each pass of loop(), outside of any socket call, in milliseconds (modes echo and mqtt)
    poll_delay_ms: u32, 48, 0, |ms| *ms <= DAY_MS, "0 to 86400000";
    /// Particle.keepAlive in seconds; 0 leaves the firmware's own
    cloud_keepalive_s: u16, 52, 0, |_| true, "0 to 65535";
    /// keepalive of MQTT in seconds; 0 is none
    mqtt_keepalive_s: u16, 54, 20, |_| true, "0 to 65535";
    /// quality of service of what is published and subscribed to
    mqtt_qos: u8, 56, 0, |qos| *qos <= 1, "0 or 1";
    /// whether the events that loop() publishes are acknowledged
    loop_publish: Acknowledge, 57, Acknowledge::Default, |_| true, "default, with_ack or no_ack";
    /// whether the events that the second thread publishes are acknowledged
    thread_publish: Acknowledge, 58, Acknowledge::Default, |_| true, "default, with_ack or no_ack";
    /// whether System.updatesPending() is logged each second
    log_pending: bool, 59, false, |_| true, "true or false";
    /// between two events that loop() publishes, in milliseconds; 1 is one in each pass, 0 none
    loop_publish_ms: u32, 60, 0, |ms| *ms <= DAY_MS, "0 to 86400000";
    /// the same for a second thread
    thread_publish_ms: u32, 64, 0, |ms| *ms <= DAY_MS, "0 to 86400000";
    /// whether function, variable and keepalive are registered in setup(), not only when the cloud is connected
    register_in_setup: bool, 68, false, |_| true, "true or false";
    /// whether TCPClient's own traces are logged, as in the hardware log with SYSTEM_THREAD
    log_tcp: bool, 69, false, |_| true, "true or false";
    /// whether updates are refused until loop() has seen one pending and closed the connection (System.disableUpdates())
    hold_updates: bool, 70, false, |_| true, "true or false";
    /// the watchdog is not fed while the cloud took no event for so many seconds; 0: always fed
    watchdog_quiet_s: u8, 71, 0, |_| true, "0 to 255";
    /// client identifier of MQTT
    mqtt_client_id: Text<24>, 72, text("lockstep"), |_| true, "up to 23 characters";
    /// topic that is published to
    mqtt_topic: Text<32>, 96, text("lockstep/count"), |_| true, "up to 31 characters";
    /// topic filter that is subscribed to; empty is none
    mqtt_subscribe: Text<32>, 128, text(""), |_| true, "up to 31 characters";
    /// what the application does wrong on purpose, once
    fault: FaultKind, 160, FaultKind::None, |_| true, FAULTS;
    /// from when on fault_at_ms counts: the end of setup(), the event that an update begins, the TCP connection
    fault_on: FaultMoment, 161, FaultMoment::Start, |_| true, "start, update or connection";
    /// whether System.updatesPending() is asked in each pass, and TCP left alone while it says yes
    check_pending: bool, 162, false, |_| true, "true or false";
    /// pin whose level changes with each pass of loop(), as a watchdog outside of the chip wants it; 255 is none
    watchdog_pin: u8, 163, NO_PIN, |pin| *pin < 46 || *pin == NO_PIN, "0 to 45 (D0 is 0, A0 10, B0 24, C0 30), or 255";
    /// from that moment until the fault, in milliseconds, at the next pass of loop(); 0 is the moment itself
    fault_at_ms: u32, 164, 0, |ms| *ms <= DAY_MS, "0 to 86400000";
    /// how long block and busy_wait take, in milliseconds
    fault_for_ms: u32, 168, 40_000, |ms| *ms <= DAY_MS, "0 to 86400000";
}

/// Of a text known here: too long a one would be empty.
fn text<const N: usize>(text: &str) -> Text<N> {
    Text::new(text).unwrap_or(Text::EMPTY)
}

impl AppConfig {
    /// Changes a setting, given as text.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), AppConfigError> {
        let Some(setting) = SETTINGS.iter().find(|setting| setting.key == key) else {
            return Err(AppConfigError::Key { key: key.to_owned() });
        };
        let mut changed = *self;
        match (setting.set)(&mut changed, value) {
            Some(()) if (setting.is_valid)(&changed) => *self = changed,
            _ => return Err(setting.error(value.to_owned())),
        }
        Ok(())
    }
}

/// The settings in an application image.
pub fn read(image: &[u8]) -> Result<AppConfig, AppConfigError> {
    if array_at(image, CONFIG_OFFSET) != Some(CONFIG_MAGIC) {
        return Err(AppConfigError::NotOurApplication);
    }
    let found = u16_at(image, CONFIG_OFFSET + 8).ok_or(AppConfigError::NotOurApplication)?;
    if usize::from(found) != CONFIG_LENGTH {
        return Err(AppConfigError::Length { found });
    }
    let block = image.get(CONFIG_OFFSET..CONFIG_OFFSET + CONFIG_LENGTH).ok_or(AppConfigError::NotOurApplication)?;
    let mut config = AppConfig::default();
    for setting in SETTINGS {
        let is_known = (setting.decode)(&mut config, block, setting.offset).is_some();
        if !is_known || !(setting.is_valid)(&config) {
            let length = (setting.encode)(&config).len();
            let stored = block.get(setting.offset..setting.offset + length).unwrap_or_default();
            return Err(setting.error(hex::encode(stored)));
        }
    }
    Ok(config)
}

/// A copy of our application image with these settings, SHA-256 and CRC-32 made anew.
pub fn configure(image: &[u8], config: &AppConfig) -> Result<Vec<u8>, AppConfigError> {
    read(image)?;
    let mut configured = image.to_vec();
    for setting in SETTINGS {
        if !(setting.is_valid)(config) {
            return Err(setting.error(setting.show(config)));
        }
        if !put(&mut configured, CONFIG_OFFSET + setting.offset, &(setting.encode)(config)) {
            return Err(AppConfigError::NotOurApplication);
        }
    }
    module::seal(&mut configured)?;
    Ok(configured)
}
