//! `AT+UPING`: echo requests, whose outcomes come as URCs after the OK.
//!
//! Approximated: an echo does not travel through the network's link. A host that any peer has as its address answers
//! within a range of times; others do not.

use std::net::Ipv4Addr;

use lockstep_traces::Decisions;
use serde::{Deserialize, Serialize};

use crate::errors::CmeError;
use crate::modem::{Modem, Timer};
use crate::time::PS_PER_MS;
use crate::urc::Urc;

/// Errors of `+UUPINGER` (u-blox AT commands manual, appendix on ping errors; seen in public clients).
const UNKNOWN_HOST: u32 = 8;
const NO_CONTEXT: u32 = 17;
/// The reply's time to live: as in a log of an Electron.
const REPLY_TTL: u32 = 55;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum PingStep {
    /// An answer came after this time. The first number tells apart requests.
    Answered(u64, u64),
    TimedOut(u64),
    NameTimedOut(u64),
}

/// Requests under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ping {
    pub host: String,
    pub times: u32,
    pub bytes: u32,
    pub timeout_ms: u32,
    address: Option<Ipv4Addr>,
    sent: u32,
}

impl Ping {
    pub fn new(host: String, times: u32, bytes: u32, timeout_ms: u32) -> Self {
        Self { host, times, bytes, timeout_ms, address: None, sent: 0 }
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Pinging {
    ping: Option<Ping>,
    number: u64,
}

impl Modem {
    /// # Errors
    /// Requests are under way already.
    pub(crate) fn begin_ping(&mut self, ping: Ping, decisions: &mut Decisions) -> Result<(), CmeError> {
        if self.pinging.ping.is_some() {
            return Err(CmeError::OperationNotAllowed);
        }
        let (host, address) = (ping.host.clone(), ping.host.parse().ok());
        self.pinging.ping = Some(ping);
        self.pinging.number += 1;
        match address {
            _ if !self.pdp.is_up() => self.end_ping(Some(NO_CONTEXT), decisions),
            Some(address) => self.ping_address(Some(address), decisions),
            None if self.ask_for_ping(&host, decisions) => {
                let limit_ps = self.config.timing.dns_retry.draw_ps(self.now_ps, "modem.dns", "retry_us", decisions);
                self.ping_after(limit_ps, PingStep::NameTimedOut(self.pinging.number));
            }
            None => self.end_ping(Some(UNKNOWN_HOST), decisions),
        }
        Ok(())
    }

    fn ping_after(&mut self, ps: u64, step: PingStep) {
        self.timers.insert(self.now_ps.saturating_add(ps), Timer::Ping(step));
    }

    fn end_ping(&mut self, error: Option<u32>, decisions: &mut Decisions) {
        self.pinging.ping = None;
        self.pinging.number += 1;
        if let Some(error) = error {
            self.urc_after_ok(Urc::Text(format!("+UUPINGER: {error}")), decisions);
        }
    }

    /// The host's address is known; `None`: it has none.
    pub(crate) fn ping_address(&mut self, address: Option<Ipv4Addr>, decisions: &mut Decisions) {
        let Some(ping) = &mut self.pinging.ping else { return };
        ping.address = address;
        match address {
            Some(_) => self.send_ping(decisions),
            None => self.end_ping(Some(UNKNOWN_HOST), decisions),
        }
    }

    fn send_ping(&mut self, decisions: &mut Decisions) {
        let Some(ping) = &mut self.pinging.ping else { return };
        if ping.sent >= ping.times {
            return self.end_ping(None, decisions);
        }
        if !self.pdp.is_up() {
            return self.end_ping(Some(NO_CONTEXT), decisions);
        }
        ping.sent += 1;
        let (address, timeout_ms) = (ping.address, u64::from(ping.timeout_ms));
        self.pinging.number += 1;
        let number = self.pinging.number;
        let is_there = self.network.peers().iter().any(|peer| Some(peer.address) == address);
        let range = self.config.timing.ping_round_trip;
        let round_trip_ms = range.draw_ps(self.now_ps, "modem.ping", "round_trip_us", decisions) / PS_PER_MS;
        if is_there && self.registration.coverage && round_trip_ms < timeout_ms {
            self.ping_after(round_trip_ms * PS_PER_MS, PingStep::Answered(number, round_trip_ms));
        } else {
            self.ping_after(timeout_ms * PS_PER_MS, PingStep::TimedOut(number));
        }
    }

    pub(crate) fn ping_step(&mut self, step: PingStep, decisions: &mut Decisions) {
        let (PingStep::Answered(number, _) | PingStep::TimedOut(number) | PingStep::NameTimedOut(number)) = step;
        if number != self.pinging.number {
            return;
        }
        let (ttl, round_trip) = match step {
            PingStep::Answered(_, ms) => (REPLY_TTL, ms.to_string()),
            PingStep::TimedOut(_) => (0, "-1".to_owned()),
            PingStep::NameTimedOut(_) => return self.end_ping(Some(UNKNOWN_HOST), decisions),
        };
        if let Some(Ping { host, bytes, address: Some(address), sent, .. }) = &self.pinging.ping {
            let text = format!("+UUPING: {sent},{bytes},\"{host}\",\"{address}\",{ttl},{round_trip}");
            self.urc(Urc::Text(text), decisions);
        }
        self.send_ping(decisions);
    }
}
