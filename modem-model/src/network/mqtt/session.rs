//! One client's session (section 3.1.2.4): its subscriptions and the messages under way in both directions.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::codec::ServerPacket;
use super::{Message, ProtocolError, Qos, topic};
use crate::network::stream_service::ConnectionId;

/// Messages sent and not yet acknowledged, at most; more wait in the queue. This and the next are the defaults of the
/// Mosquitto broker (2.0).
const IN_FLIGHT_MAX: usize = 20;
/// Bytes of them, at most: all go at once to a client that is back, and must find room there.
const IN_FLIGHT_BYTES_MAX: usize = 1 << 19;
/// Messages waiting, at most.
const QUEUED_MAX: usize = 1000;
/// Bytes of messages waiting, at most.
const QUEUED_BYTES_MAX: usize = 1 << 20;
/// Subscriptions, at most.
const SUBSCRIPTIONS_MAX: usize = 256;

/// An acknowledgement from the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledgement {
    /// PUBACK.
    Ack,
    /// PUBREC.
    Rec,
    /// PUBCOMP.
    Comp,
}

/// A message sent, and what the client has still to say to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum InFlight {
    /// PUBACK or PUBREC, by quality of service.
    Message(Message),
    /// PUBCOMP; the topic is for the observer.
    Release { topic: String },
}

impl InFlight {
    fn payload_bytes(&self) -> usize {
        match self {
            Self::Message(message) => message.payload.len(),
            Self::Release { .. } => 0,
        }
    }
}

/// The session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Ends with its connection.
    pub is_clean: bool,
    /// The connection that has it now.
    pub connection: Option<ConnectionId>,
    subscriptions: BTreeMap<String, Qos>,
    queue: VecDeque<Message>,
    queue_bytes: usize,
    /// In the order in which they were first sent.
    in_flight: VecDeque<(u16, InFlight)>,
    next_id: u16,
    /// Identifiers of messages of quality of service 2 that the client has not released: a second copy of one of them is
    /// not published again (section 4.3.3, method B).
    unreleased: BTreeSet<u16>,
}

impl Session {
    pub fn new(is_clean: bool) -> Self {
        Self {
            is_clean,
            connection: None,
            subscriptions: BTreeMap::new(),
            queue: VecDeque::new(),
            queue_bytes: 0,
            in_flight: VecDeque::new(),
            next_id: 1,
            unreleased: BTreeSet::new(),
        }
    }

    /// Adds or replaces a subscription; what is granted.
    pub fn subscribe(&mut self, filter: &str, qos: Qos) -> Option<Qos> {
        if !self.subscriptions.contains_key(filter) && self.subscriptions.len() >= SUBSCRIPTIONS_MAX {
            return None;
        }
        self.subscriptions.insert(filter.to_owned(), qos);
        Some(qos)
    }

    pub fn unsubscribe(&mut self, filter: &str) {
        self.subscriptions.remove(filter);
    }

    /// The highest quality of service among the subscriptions that match (section 3.3.5).
    pub fn wants(&self, name: &str) -> Option<Qos> {
        self.subscriptions.iter().filter(|(filter, _)| topic::matches(filter, name)).map(|(_, qos)| *qos).max()
    }

    /// Takes a message for the client. False if it was dropped though its quality of service promises more.
    pub fn deliver(&mut self, message: Message, packets: &mut Vec<ServerPacket>) -> bool {
        if message.qos == Qos::AtMostOnce {
            // To an absent client nothing is promised.
            if self.connection.is_some() {
                packets.push(ServerPacket::Publish { dup: false, id: 0, message });
            }
            return true;
        }
        let bytes = self.queue_bytes + message.topic.len() + message.payload.len();
        if self.queue.len() >= QUEUED_MAX || bytes > QUEUED_BYTES_MAX {
            return false;
        }
        self.queue_bytes = bytes;
        self.queue.push_back(message);
        self.send_queued(packets);
        true
    }

    /// The client is back: what it has not acknowledged goes again (section 4.4), then what has waited.
    pub fn resume(&mut self, packets: &mut Vec<ServerPacket>) {
        packets.extend(self.in_flight.iter().map(|(id, stage)| match stage {
            InFlight::Message(message) => ServerPacket::Publish { dup: true, id: *id, message: message.clone() },
            InFlight::Release { .. } => ServerPacket::PubRel(*id),
        }));
        self.send_queued(packets);
    }

    fn send_queued(&mut self, packets: &mut Vec<ServerPacket>) {
        while self.connection.is_some() && self.in_flight.len() < IN_FLIGHT_MAX {
            let Some(next_bytes) = self.queue.front().map(|next| next.payload.len()) else { return };
            let bytes: usize = self.in_flight.iter().map(|(_, stage)| stage.payload_bytes()).sum();
            if bytes > 0 && bytes + next_bytes > IN_FLIGHT_BYTES_MAX {
                return;
            }
            let Some(message) = self.queue.pop_front() else { return };
            self.queue_bytes = self.queue_bytes.saturating_sub(message.topic.len() + message.payload.len());
            let id = self.free_id();
            packets.push(ServerPacket::Publish { dup: false, id, message: message.clone() });
            self.in_flight.push_back((id, InFlight::Message(message)));
        }
    }

    /// A packet identifier not in use: not 0, and there are far fewer messages in flight than identifiers.
    fn free_id(&mut self) -> u16 {
        loop {
            let id = self.next_id;
            self.next_id = self.next_id.checked_add(1).unwrap_or(1);
            if self.in_flight.iter().all(|(used, _)| *used != id) {
                return id;
            }
        }
    }

    /// The client acknowledges a message. The topic, once nothing more is to be said about it.
    pub fn acknowledge(
        &mut self,
        id: u16,
        acknowledgement: Acknowledgement,
        packets: &mut Vec<ServerPacket>,
    ) -> Result<Option<String>, ProtocolError> {
        use Acknowledgement::{Ack, Comp, Rec};
        let Some(at) = self.in_flight.iter().position(|(used, _)| *used == id) else {
            // Forgotten here, remembered there: the client must be let go on.
            if acknowledgement == Rec {
                packets.push(ServerPacket::PubRel(id));
            }
            return Ok(None);
        };
        let Some((_, stage)) = self.in_flight.get_mut(at) else { return Ok(None) };
        let done = match (acknowledgement, &*stage) {
            (Ack, InFlight::Message(message)) if message.qos == Qos::AtLeastOnce => message.topic.clone(),
            (Rec, InFlight::Message(message)) if message.qos == Qos::ExactlyOnce => {
                *stage = InFlight::Release { topic: message.topic.clone() };
                packets.push(ServerPacket::PubRel(id));
                return Ok(None);
            }
            (Rec, InFlight::Release { .. }) => {
                packets.push(ServerPacket::PubRel(id));
                return Ok(None);
            }
            (Comp, InFlight::Release { topic }) => topic.clone(),
            _ => return Err(ProtocolError::Acknowledgement(id)),
        };
        self.in_flight.remove(at);
        self.send_queued(packets);
        Ok(Some(done))
    }

    /// Notes a message of quality of service 2 from the client; whether it is a new one.
    pub fn receive_once(&mut self, id: u16) -> bool {
        self.unreleased.insert(id)
    }

    /// The client will not send it again.
    pub fn release(&mut self, id: u16) {
        self.unreleased.remove(&id);
    }
}
