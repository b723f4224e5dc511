//! Short messages: those stored on the SIM, and those that wait in the network until they can be delivered.

use std::collections::{BTreeMap, VecDeque};

use lockstep_traces::Decisions;
use serde::{Deserialize, Serialize};

use crate::modem::{Modem, Timer};
use crate::power::PowerState;
use crate::registration::indicator;
use crate::urc::Urc;

/// Messages that the network keeps, and sent ones that an observer has not taken.
const QUEUE_MAX: usize = 256;

/// Where a stored message stands (27.005 3.1, `<stat>`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum MessageStatus {
    Unread,
    Read,
}

impl MessageStatus {
    pub fn text(self) -> &'static str {
        match self {
            Self::Unread => "REC UNREAD",
            Self::Read => "REC READ",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Message {
    pub status: MessageStatus,
    pub from: String,
    /// When the message centre took it, as `AT+CCLK` writes times.
    pub time: String,
    pub text: String,
}

/// A message that the modem sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentMessage {
    /// When the network took it, in picoseconds.
    pub time_ps: u64,
    /// The number it is for.
    pub to: String,
    /// The text.
    pub text: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum MessageStep {
    /// The network delivers the next message.
    Deliver,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Messages {
    /// By place, from 1.
    pub stored: BTreeMap<u32, Message>,
    waiting: VecDeque<Message>,
    under_way: bool,
    full_told: bool,
    pub last_reference: u8,
    sent: VecDeque<SentMessage>,
    /// `AT+CSCA`.
    pub centre: String,
}

impl Messages {
    pub fn has_unread(&self) -> bool {
        self.stored.values().any(|message| message.status == MessageStatus::Unread)
    }

    pub fn push_sent(&mut self, message: SentMessage) {
        if self.sent.len() >= QUEUE_MAX {
            self.sent.pop_front();
        }
        self.sent.push_back(message);
    }
}

impl Modem {
    /// Takes the short messages that the modem has sent since the last call.
    pub fn take_sent_messages(&mut self) -> Vec<SentMessage> {
        self.messages.sent.drain(..).collect()
    }

    /// Somebody sends us a message: the network keeps it until it can be delivered.
    pub(crate) fn message_sent_to_us(&mut self, from: String, text: String, decisions: &mut Decisions) {
        if self.messages.waiting.len() >= QUEUE_MAX {
            return self.ledger.unmodelled("SMS lost: too many wait in the network", self.now_ps);
        }
        let time = self.network_clock().text(self.now_ps);
        self.messages.waiting.push_back(Message { status: MessageStatus::Unread, from, time, text });
        self.deliver_messages(decisions);
    }

    /// Begins to deliver what waits, if the modem can be reached.
    pub(crate) fn deliver_messages(&mut self, decisions: &mut Decisions) {
        let reachable = self.power.state == PowerState::On && self.registration.circuit.is_registered();
        if !reachable || self.messages.waiting.is_empty() || std::mem::replace(&mut self.messages.under_way, true) {
            return;
        }
        let delivery = self.config.timing.sms_delivery;
        let ps = delivery.draw_ps(self.now_ps, "modem.sms", "delivery_us", decisions);
        self.timers.insert(self.now_ps.saturating_add(ps), Timer::Message(MessageStep::Deliver));
    }

    pub(crate) fn message_step(&mut self, step: MessageStep, decisions: &mut Decisions) {
        let MessageStep::Deliver = step;
        self.messages.under_way = false;
        let reachable = self.power.state == PowerState::On && self.registration.circuit.is_registered();
        let Some(message) = self.messages.waiting.front().filter(|_| reachable).cloned() else { return };
        let mode = self.profile.sms_indications.first().copied().unwrap_or(0);
        let delivery = self.profile.sms_indications.get(1).copied().unwrap_or(0);
        if delivery == 2 && self.profile.sms_text_mode && mode > 0 {
            let Message { from, time, text, .. } = message;
            let text = format!("+CMT: \"{from}\",,\"{time}\"\r\n{text}");
            self.messages.waiting.pop_front();
            self.urc(Urc::Text(text), decisions);
            return self.deliver_messages(decisions);
        }
        if delivery == 2 {
            self.ledger.unmodelled("AT+CNMI: direct delivery in PDU mode", self.now_ps);
        }
        let places = 1..=self.config.sim.message_places;
        let Some(place) = places.into_iter().find(|place| !self.messages.stored.contains_key(place)) else {
            if !std::mem::replace(&mut self.messages.full_told, true) {
                self.indicate(indicator::SMS_FULL, 1, decisions);
            }
            return;
        };
        self.messages.waiting.pop_front();
        let had_unread = self.messages.has_unread();
        self.messages.stored.insert(place, message);
        if matches!(delivery, 1..=3) && mode > 0 {
            self.urc(Urc::MessageStored(place), decisions);
        }
        if !had_unread {
            self.indicate(indicator::MESSAGE, 1, decisions);
        }
        self.deliver_messages(decisions);
    }

    /// The client has read or deleted messages.
    pub(crate) fn messages_changed(&mut self, had_unread: bool, decisions: &mut Decisions) {
        if had_unread && !self.messages.has_unread() {
            self.indicate(indicator::MESSAGE, 0, decisions);
        }
        let places = self.config.sim.message_places as usize;
        if self.messages.stored.len() < places && std::mem::take(&mut self.messages.full_told) {
            self.indicate(indicator::SMS_FULL, 0, decisions);
            self.deliver_messages(decisions);
        }
    }
}
