//! The table of settings.

use lockstep_modem::events;
use lockstep_modem::network::NatConfig;

use super::Setting;
use super::value::{Refusal, Value, read_checked, within};
use crate::setup::duration::parse_duration_ps;

macro_rules! setting {
    ($key:literal, $takes:expr, $help:literal, $($path:ident).+) => {
        setting!($key, $takes, $help, $($path).+, |value| Some(value))
    };
    ($key:literal, $takes:expr, $help:literal, $($path:ident).+, $check:expr) => {
        Setting {
            key: $key,
            takes: $takes,
            help: $help,
            get: |parts| parts.$($path).+.write(),
            set: |parts, text| {
                parts.$($path).+ = read_checked(text, $check)?;
                Ok(())
            },
        }
    };
}

const RANGE: &str = "a duration or a range of them (2s..4s)";

macro_rules! timing {
    ($key:literal, $field:ident, $help:literal) => {
        Setting {
            key: $key,
            takes: RANGE,
            help: $help,
            get: |parts| parts.modem.timing.$field.write(),
            set: |parts, text| {
                parts.modem.timing.$field = Value::read(text)?;
                Ok(())
            },
        }
    };
}

/// One property of both directions of the link, `link.…`, or of one, `link.uplink.…`, `link.downlink.…`.
macro_rules! link {
    ($key:literal, $takes:expr, $help:literal, $field:ident) => {
        Setting {
            key: concat!("link.", $key),
            takes: $takes,
            help: concat!($help, ", both directions"),
            get: |parts| parts.link.uplink.$field.write(),
            set: |parts, text| {
                parts.link.uplink.$field = Value::read(text)?;
                parts.link.downlink.$field = parts.link.uplink.$field.clone();
                Ok(())
            },
        }
    };
    ($direction:ident: $key:literal, $takes:expr, $help:literal, $field:ident) => {
        Setting {
            key: concat!("link.", stringify!($direction), ".", $key),
            takes: $takes,
            help: $help,
            get: |parts| parts.link.$direction.$field.write(),
            set: |parts, text| {
                parts.link.$direction.$field = Value::read(text)?;
                Ok(())
            },
        }
    };
}

const SHARE: &str = "per cent with up to four decimals (0.5%)";

/// A start-up time of an oscillator: kept in picoseconds.
macro_rules! startup {
    ($key:literal, $field:ident, $help:literal) => {
        Setting {
            key: $key,
            takes: "a duration",
            help: $help,
            get: |parts| format!("{}us", parts.soc.clock.$field / 1_000_000),
            set: |parts, text| {
                parts.soc.clock.$field = parse_duration_ps(text).map_err(Refusal::Because)?;
                Ok(())
            },
        }
    };
}

/// All settings.
pub const SETTINGS: &[Setting] = &[
    setting!("modem.model", "sara-u260, sara-u270, sara-u201 or sara-g350", "the module", modem.model),
    setting!(
        "modem.events",
        events::SYNTAX,
        "what happens to the modem and the world around it, and when",
        modem.events
    ),
    setting!("modem.imei", "text", "what AT+CGSN answers", modem.imei),
    setting!("modem.firmware_version", "text", "what AT+CGMR answers", modem.firmware_version),
    setting!("modem.application_version", "text", "what ATI9 answers behind the version", modem.application_version),
    setting!("modem.baud_hz", "0 to 921600", "bit rate at power-on; 0 is autobauding", modem.baud_hz, |hz| {
        within(hz, 0, 921_600)
    }),
    setting!(
        "modem.cts_when_off",
        "true or false",
        "CTS says ready while the module is off",
        modem.behaviour.cts_when_off
    ),
    setting!(
        "modem.cts_while_booting",
        "true or false",
        "CTS says ready while the module boots",
        modem.behaviour.cts_while_booting
    ),
    setting!(
        "modem.urc_during_command",
        "true or false",
        "URCs appear while a command waits for the network",
        modem.behaviour.urc_during_command
    ),
    setting!(
        "modem.urc_between_line_and_ok_percent",
        "0 to 100",
        "of the URCs that may stand between an information line and its OK, how many of a hundred do",
        modem.behaviour.urc_between_line_and_ok_percent,
        |percent| within(percent, 0, 100)
    ),
    setting!(
        "modem.unread_data_survives_close",
        "true or false",
        "data received before the peer closed stays readable",
        modem.behaviour.unread_data_survives_close
    ),
    setting!(
        "modem.retry_after_denial",
        "none, a duration or a range of them",
        "search again after the network refused",
        modem.behaviour.retry_after_denial
    ),
    setting!(
        "modem.timing.power_on_low_min_us",
        "none (as the model asks) or microseconds",
        "PWR_ON low until the module starts",
        modem.timing.power_on_low_min_us
    ),
    timing!("modem.timing.v_int_rise", v_int_rise, "start of the module to V_INT high"),
    timing!("modem.timing.boot", boot, "V_INT high until AT commands are answered"),
    setting!(
        "modem.timing.reset_low_min_us",
        "microseconds",
        "RESET_N low until it counts",
        modem.timing.reset_low_min_us
    ),
    timing!("modem.timing.power_off", power_off, "OK of AT+CPWROFF until V_INT falls"),
    timing!("modem.timing.registration", registration, "ready until registered"),
    timing!("modem.timing.attach", attach, "registered until attached to packet service"),
    timing!("modem.timing.attach_timeout", attach_timeout, "limit of AT+CGATT=1 without service"),
    timing!("modem.timing.pdp_activation", pdp_activation, "AT+UPSDA=n,3 until OK"),
    timing!("modem.timing.command", command, "carriage return to the response's first character"),
    timing!("modem.timing.read_from", read_from, "the same for AT+USORF"),
    timing!("modem.timing.prompt", prompt, "carriage return to the @ prompt"),
    timing!("modem.timing.write_accept", write_accept, "last payload byte to +USOWR or +USOST"),
    setting!(
        "modem.timing.write_accept_per_byte_us",
        "microseconds",
        "what each payload byte adds to that",
        modem.timing.write_accept_per_byte_us
    ),
    timing!("modem.timing.line_to_ok", line_to_ok, "end of an information line to OK"),
    timing!("modem.timing.urc_guard", urc_guard, "end of a final result to the next URC"),
    timing!("modem.timing.connect_timeout", connect_timeout, "limit of AT+USOCO"),
    timing!("modem.timing.close_timeout", close_timeout, "limit of the wait in AT+USOCL"),
    timing!("modem.timing.dns_retry", dns_retry, "wait for a DNS answer before the next try"),
    setting!("modem.timing.dns_tries", "a number", "DNS tries", modem.timing.dns_tries),
    setting!(
        "modem.timing.escape_guard_us",
        "microseconds",
        "silence before and after the +++ that ends a direct link",
        modem.timing.escape_guard_us
    ),
    timing!("modem.timing.ping_round_trip", ping_round_trip, "an echo request of AT+UPING until its answer"),
    timing!("modem.timing.sleep_interval", sleep_interval, "AT+UPSV=1: between two moments of listening"),
    timing!("modem.timing.sleep_interval_2g", sleep_interval_2g, "the same on 2G"),
    timing!("modem.timing.register_timeout", register_timeout, "limit of AT+COPS=1"),
    timing!("modem.timing.operator_scan", operator_scan, "AT+COPS=? until its answer"),
    timing!("modem.timing.sms_send", sms_send, "Ctrl-Z of AT+CMGS until +CMGS"),
    timing!("modem.timing.sms_delivery", sms_delivery, "a message sent to the modem until it is there"),
    setting!(
        "modem.timing.sleep_listen_us",
        "microseconds",
        "AT+UPSV=1: length of such a moment",
        modem.timing.sleep_listen_us
    ),
    setting!(
        "modem.timing.sleep_wake_us",
        "microseconds",
        "AT+UPSV=1: loss after a character that wakes",
        modem.timing.sleep_wake_us
    ),
    setting!("modem.socket.receive_bytes", "bytes", "what a socket holds for the client", modem.sockets.receive_bytes),
    setting!("modem.socket.send_bytes", "bytes", "what a TCP socket holds unacknowledged", modem.sockets.send_bytes),
    setting!("modem.socket.mss_bytes", "64 to 1460", "payload of a TCP segment", modem.sockets.mss_bytes, |mss| {
        within(mss, 64, 1_460)
    }),
    setting!("sim.state", "ready, absent, failure, pin:DIGITS or puk:DIGITS", "the SIM at power-on", modem.sim.state),
    setting!("sim.imsi", "text", "IMSI", modem.sim.imsi),
    setting!("sim.iccid", "text", "ICCID", modem.sim.iccid),
    setting!("sim.number", "none or text", "own number", modem.sim.number),
    setting!("sim.message_places", "0 to 255", "short messages the card holds", modem.sim.message_places, |places| {
        within(places, 0, 255)
    }),
    setting!("cell.coverage", "true or false", "coverage at power-on", modem.cell.coverage),
    setting!(
        "cell.admission",
        "home, roaming or denied",
        "whether the network lets the modem in",
        modem.cell.admission
    ),
    setting!("cell.operator_long", "text", "operator's long name", modem.cell.operator_long),
    setting!("cell.operator_short", "text", "operator's short name", modem.cell.operator_short),
    setting!("cell.operator_numeric", "text", "MCC and MNC", modem.cell.operator_numeric),
    setting!("cell.location_area", "text", "location area code, hexadecimal", modem.cell.location_area),
    setting!("cell.cell_id", "text", "cell identity, hexadecimal", modem.cell.cell_id),
    setting!(
        "cell.signal_strength",
        "0 to 31, or 99",
        "signal strength as AT+CSQ codes it",
        modem.cell.signal_strength,
        |v: u8| (v <= 31 || v == 99).then_some(v)
    ),
    setting!(
        "cell.signal_quality",
        "0 to 7, or 99",
        "signal quality as AT+CSQ codes it",
        modem.cell.signal_quality,
        |v: u8| (v <= 7 || v == 99).then_some(v)
    ),
    setting!(
        "cell.network_time_unix_s",
        "none or seconds since 1970",
        "time that the network tells, at power-on",
        modem.cell.network_time_unix_s
    ),
    setting!("pdp.address", "an IPv4 address", "the device's address", modem.pdp.address),
    setting!("pdp.dns_primary", "none or an IPv4 address", "name server that the network tells", modem.pdp.dns_primary),
    setting!("pdp.dns_secondary", "none or an IPv4 address", "the second one", modem.pdp.dns_secondary),
    setting!("pdp.refused", "true or false", "PDP activation is refused", modem.pdp.refused),
    link!("latency", RANGE, "one-way latency of a packet", latency),
    link!("bandwidth_bps", "bits per second, 0 without limit", "bandwidth", bandwidth_bps),
    link!("queue_bytes", "bytes", "what waits for a slow link; the rest is lost", queue_bytes),
    link!("loss", SHARE, "packets lost", loss),
    link!("reordering", SHARE, "packets held back so that others overtake them", reordering),
    link!("reordering_delay", RANGE, "how long they are held back", reordering_delay),
    link!("duplication", SHARE, "packets that arrive twice", duplication),
    link!(uplink: "latency", RANGE, "one-way latency of a packet", latency),
    link!(uplink: "bandwidth_bps", "bits per second, 0 without limit", "bandwidth", bandwidth_bps),
    link!(uplink: "queue_bytes", "bytes", "what waits for a slow link; the rest is lost", queue_bytes),
    link!(uplink: "loss", SHARE, "packets lost", loss),
    link!(uplink: "reordering", SHARE, "packets held back so that others overtake them", reordering),
    link!(uplink: "reordering_delay", RANGE, "how long they are held back", reordering_delay),
    link!(uplink: "duplication", SHARE, "packets that arrive twice", duplication),
    link!(downlink: "latency", RANGE, "one-way latency of a packet", latency),
    link!(downlink: "bandwidth_bps", "bits per second, 0 without limit", "bandwidth", bandwidth_bps),
    link!(downlink: "queue_bytes", "bytes", "what waits for a slow link; the rest is lost", queue_bytes),
    link!(downlink: "loss", SHARE, "packets lost", loss),
    link!(downlink: "reordering", SHARE, "packets held back so that others overtake them", reordering),
    link!(downlink: "reordering_delay", RANGE, "how long they are held back", reordering_delay),
    link!(downlink: "duplication", SHARE, "packets that arrive twice", duplication),
    setting!(
        "link.outages",
        "none or FROM..TO,FROM..TO (60s..2m)",
        "times since power-on in which nothing passes, and neither end is told",
        link.outages
    ),
    Setting {
        key: "sim.profile",
        takes: "vendor or third-party",
        help: "whose SIM it is: third-party puts address translation behind the link (nat.enabled, nat.udp_idle_timeout)",
        get: |parts| if parts.link.nat.enabled { "third-party" } else { "vendor" }.to_owned(),
        set: |parts, text| {
            parts.link.nat = match text {
                "vendor" => NatConfig::default(),
                "third-party" => NatConfig::third_party_sim(),
                _ => return Err(Refusal::NotTaken),
            };
            Ok(())
        },
    },
    setting!("nat.enabled", "true or false", "peers see a translated address and port of the device", link.nat.enabled),
    setting!("nat.address", "an IPv4 address", "that address", link.nat.address),
    setting!(
        "nat.udp_idle_timeout",
        "none, a duration or a range of them",
        "silence that ends the mapping of a UDP port",
        link.nat.udp_idle_timeout
    ),
    setting!(
        "nat.tcp_idle_timeout",
        "none, a duration or a range of them",
        "the same for TCP",
        link.nat.tcp_idle_timeout
    ),
    setting!("update.fast", "true or false", "updates in fast mode", update.fast),
    setting!("update.chunk_bytes", "4 to 700", "bytes of an update's chunk", update.chunk_bytes, |n| within(n, 4, 700)),
    Setting {
        key: "update.chunk_interval",
        takes: RANGE,
        help: "time between two chunks of an update in fast mode",
        get: |parts| parts.update.chunk_interval.write(),
        set: |parts, text| {
            parts.update.chunk_interval = Value::read(text)?;
            Ok(())
        },
    },
    setting!("update.timeout_s", "seconds", "an update that takes longer is given up", update.timeout_s),
    setting!("chip.unique_id", "24 hexadecimal digits", "unique id; the device id is the same", soc.unique_id),
    setting!("chip.lsi_hz", "17000 to 47000", "LSI oscillator of this chip", soc.clock.lsi_hz, |hz| {
        within(hz, 17_000, 47_000)
    }),
    setting!("chip.pll_lock_low_us", "microseconds", "shortest PLL lock time", soc.clock.pll_lock_low_us),
    setting!("chip.pll_lock_high_us", "microseconds", "longest PLL lock time", soc.clock.pll_lock_high_us),
    startup!("chip.hsi_startup", hsi_startup_ps, "HSI start-up time"),
    startup!("chip.hse_startup", hse_startup_ps, "HSE start-up time"),
    startup!("chip.lse_startup", lse_startup_ps, "LSE start-up time"),
    startup!("chip.lsi_startup", lsi_startup_ps, "LSI start-up time"),
    setting!("board.hse_hz", "4000000 to 26000000", "high-speed crystal", soc.clock.hse_hz, |hz| {
        within(hz, 4_000_000, 26_000_000)
    }),
    setting!("board.lse_hz", "1 to 1000000", "low-speed crystal", soc.clock.lse_hz, |hz| within(hz, 1, 1_000_000)),
    setting!("board.battery_mv", "0 to 5118", "battery voltage in millivolts", battery_mv, |mv| within(mv, 0, 5_118)),
    setting!("board.charge_percent", "0 to 100", "charge of the battery", charge_percent, |p| within(p, 0, 100)),
    setting!("board.power_source", "none, usb-host or adapter", "what feeds the charger", power_source),
    setting!(
        "board.watchdog",
        "none or PIN:TIME (D2:60s, PB5:60s)",
        "a watchdog on the reset pin, fed by edges on that pin",
        watchdog
    ),
    setting!(
        "board.sd",
        "none, blank:SIZE (blank:64M) or a file",
        "an SD card: zeros, or the raw image in a file, which a run does not change",
        sd
    ),
    setting!(
        "board.sd_pins",
        "four pins (A2,A3,A4,A5)",
        "where the card's chip select, clock, data out and data in are wired to",
        sd_pins
    ),
];
