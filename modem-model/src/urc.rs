//! Unsolicited result codes: queued when something happens, written when the line allows.

use std::collections::VecDeque;

use lockstep_traces::Decisions;
use serde::{Deserialize, Serialize};

use crate::at_log::Direction;
use crate::modem::Modem;
use crate::sockets::Announcement;

/// URCs kept while the client does not take them.
const QUEUE_MAX: usize = 64;

/// One URC. What it says is settled when it is written: `+UUSORD: n,length` tells what is pending then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Urc {
    SocketData {
        handle: u32,
        generation: u64,
        form: Announcement,
    },
    SocketClosed {
        handle: u32,
    },
    PdpDropped {
        profile: u32,
    },
    Creg,
    Cgreg,
    Indicator {
        number: u32,
        value: u32,
    },
    /// A short message was stored at this place.
    MessageStored(u32),
    /// `+CGEV`.
    PacketEvent(String),
    /// What was settled when it happened.
    Text(String),
}

/// A URC that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Queued {
    urc: Urc,
    /// The silence it keeps after what was sent before it, in picoseconds.
    guard_ps: u64,
    /// It may stand between a command's information and its OK.
    interrupts: bool,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct UrcQueue {
    queue: VecDeque<Queued>,
}

impl UrcQueue {
    pub fn clear(&mut self) {
        self.queue.clear();
    }
}

impl Modem {
    /// Queues a URC. One that says the same as a queued one is not queued twice.
    pub(crate) fn urc(&mut self, urc: Urc, decisions: &mut Decisions) {
        self.queue_urc(urc, true, decisions);
    }

    /// Queues a URC that the command under way causes: it follows the OK.
    pub(crate) fn urc_after_ok(&mut self, urc: Urc, decisions: &mut Decisions) {
        self.queue_urc(urc, false, decisions);
    }

    fn queue_urc(&mut self, urc: Urc, may_interrupt: bool, decisions: &mut Decisions) {
        if self.urcs.queue.iter().any(|queued| queued.urc == urc) {
            return;
        }
        if self.urcs.queue.len() >= QUEUE_MAX {
            return self.ledger.unmodelled("URC lost: the client does not take them", self.now_ps);
        }
        let guard_ps = self.config.timing.urc_guard.draw_ps(self.now_ps, "modem.urc", "guard_us", decisions);
        let percent = u64::from(self.config.behaviour.urc_between_line_and_ok_percent);
        let interrupts = match percent {
            0 => false,
            100.. => true,
            _ => decisions.draw(self.now_ps, "modem.urc", "between_line_and_ok_percent", 0, 99) < percent,
        };
        self.urcs.queue.push_back(Queued { urc, guard_ps, interrupts: may_interrupt && interrupts });
    }

    /// Whether the next URC may stand between a command's information and its OK.
    pub(crate) fn next_urc_may_interrupt(&self) -> bool {
        self.urcs.queue.front().is_some_and(|queued| queued.interrupts)
    }

    /// When the next URC may be written.
    pub(crate) fn urc_next_ps(&self) -> u64 {
        match self.urcs.queue.front() {
            Some(queued) if self.line.is_idle() && self.execution_allows_urc() => {
                self.line.idle_since_ps().saturating_add(queued.guard_ps).max(self.now_ps)
            }
            _ => u64::MAX,
        }
    }

    /// Writes the next URC.
    pub(crate) fn write_urc(&mut self, decisions: &mut Decisions) {
        let Some(Queued { urc, .. }) = self.urcs.queue.pop_front() else { return };
        if let Some(text) = self.urc_text(&urc)
            && !self.urc_is_lost(&text, decisions)
        {
            let bytes = self.profile.information(text.as_bytes());
            self.log.push(self.now_ps, Direction::FromModem, &bytes);
            self.line.send(&bytes);
        }
    }

    /// `None` if there is nothing to say any more, or the client did not ask for it.
    fn urc_text(&self, urc: &Urc) -> Option<String> {
        match urc {
            Urc::SocketData { handle, generation, form } => {
                let socket = self.sockets.get(*handle).filter(|s| s.generation == *generation)?;
                let name = match form {
                    Announcement::Uusord => "+UUSORD",
                    Announcement::Uusorf => "+UUSORF",
                };
                (socket.pending() > 0).then(|| format!("{name}: {handle},{}", socket.pending()))
            }
            Urc::SocketClosed { handle } => Some(format!("+UUSOCL: {handle}")),
            Urc::PdpDropped { profile } => Some(format!("+UUPSDD: {profile}")),
            Urc::Creg => self.registration_text("+CREG", self.profile.creg, self.registration.circuit, true),
            Urc::Cgreg => self.registration_text("+CGREG", self.profile.cgreg, self.registration.packet, true),
            Urc::MessageStored(place) => Some(format!("+CMTI: \"SM\",{place}")),
            Urc::Text(text) => Some(text.clone()),
            Urc::PacketEvent(text) => {
                let is_wanted = self.profile.stored.get("+CGEREP").is_some_and(|mode| !mode.starts_with('0'));
                is_wanted.then(|| format!("+CGEV: {text}"))
            }
            Urc::Indicator { number, value } => (self.profile.event_reporting[0] > 0
                && self.profile.event_reporting[3] > 0)
                .then(|| format!("+CIEV: {number},{value}")),
        }
    }
}
