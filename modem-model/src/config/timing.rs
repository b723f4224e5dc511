//! How long things take.

use serde::{Deserialize, Serialize};

use crate::time::DurationRange;

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
