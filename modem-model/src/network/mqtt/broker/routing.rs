//! What the broker's clients ask for, and what goes to whom.

use super::{ANSWER_BYTES_MAX, Actions, Broker, send};
use crate::network::mqtt::codec::{ClientPacket, ServerPacket};
use crate::network::mqtt::session::Acknowledgement;
use crate::network::mqtt::{BrokerEventKind, Message, ProtocolError, Qos, topic};
use crate::network::stream_service::ConnectionId;

/// Retained messages at most.
const RETAINED_MAX: usize = 1024;

impl Broker {
    /// A packet of a client that has connected.
    pub(super) fn request(
        &mut self,
        now_ps: u64,
        id: ConnectionId,
        client: &str,
        packet: ClientPacket,
        actions: &mut Actions,
    ) -> Result<(), ProtocolError> {
        match packet {
            ClientPacket::Publish { id: packet_id, message, .. } => {
                if !topic::is_name(&message.topic) {
                    return Err(ProtocolError::TopicName(message.topic));
                }
                let (is_new, answer) = match message.qos {
                    Qos::AtMostOnce => (true, None),
                    Qos::AtLeastOnce => (true, Some(ServerPacket::PubAck(packet_id))),
                    Qos::ExactlyOnce => {
                        let session = self.sessions.get_mut(client);
                        (session.is_some_and(|s| s.receive_once(packet_id)), Some(ServerPacket::PubRec(packet_id)))
                    }
                };
                if is_new {
                    self.route(now_ps, Some(client), message, actions);
                }
                send(id, answer.as_slice(), actions);
            }
            ClientPacket::PubRel(packet_id) => {
                if let Some(session) = self.sessions.get_mut(client) {
                    session.release(packet_id);
                }
                send(id, &[ServerPacket::PubComp(packet_id)], actions);
            }
            ClientPacket::PubAck(packet_id) => {
                self.acknowledge(now_ps, client, packet_id, Acknowledgement::Ack, actions)?;
            }
            ClientPacket::PubRec(packet_id) => {
                self.acknowledge(now_ps, client, packet_id, Acknowledgement::Rec, actions)?;
            }
            ClientPacket::PubComp(packet_id) => {
                self.acknowledge(now_ps, client, packet_id, Acknowledgement::Comp, actions)?;
            }
            ClientPacket::Subscribe { id: packet_id, filters } => {
                if let Some((bad, _)) = filters.iter().find(|(filter, _)| !topic::is_filter(filter)) {
                    return Err(ProtocolError::TopicFilter(bad.clone()));
                }
                self.subscribe(now_ps, id, client, packet_id, &filters, actions);
            }
            ClientPacket::Unsubscribe { id: packet_id, filters } => {
                if let Some(bad) = filters.iter().find(|filter| !topic::is_filter(filter)) {
                    return Err(ProtocolError::TopicFilter(bad.clone()));
                }
                for filter in filters {
                    if let Some(session) = self.sessions.get_mut(client) {
                        session.unsubscribe(&filter);
                    }
                    self.observe(now_ps, Some(client), BrokerEventKind::Unsubscribed { filter });
                }
                send(id, &[ServerPacket::UnsubAck(packet_id)], actions);
            }
            ClientPacket::PingReq => send(id, &[ServerPacket::PingResp], actions),
            ClientPacket::Connect(_) | ClientPacket::Disconnect => {}
        }
        Ok(())
    }

    fn acknowledge(
        &mut self,
        now_ps: u64,
        client: &str,
        packet_id: u16,
        acknowledgement: Acknowledgement,
        actions: &mut Actions,
    ) -> Result<(), ProtocolError> {
        let Some(session) = self.sessions.get_mut(client) else { return Ok(()) };
        let mut packets = Vec::new();
        let done = session.acknowledge(packet_id, acknowledgement, &mut packets)?;
        if let Some(id) = session.connection {
            send(id, &packets, actions);
        }
        if let Some(topic) = done {
            self.observe(now_ps, Some(client), BrokerEventKind::Delivered { topic });
        }
        Ok(())
    }

    fn subscribe(
        &mut self,
        now_ps: u64,
        id: ConnectionId,
        client: &str,
        packet_id: u16,
        filters: &[(String, Qos)],
        actions: &mut Actions,
    ) {
        let Some(session) = self.sessions.get_mut(client) else { return };
        let granted: Vec<Option<Qos>> = filters.iter().map(|(filter, qos)| session.subscribe(filter, *qos)).collect();
        let mut packets = vec![ServerPacket::SubAck { id: packet_id, granted: granted.clone() }];
        let mut dropped = Vec::new();
        let mut bytes = 0;
        'all: for ((filter, _), granted) in filters.iter().zip(&granted) {
            let Some(granted) = *granted else { continue };
            for message in self.retained.values().filter(|message| topic::matches(filter, &message.topic)) {
                bytes += message.topic.len() + message.payload.len();
                if bytes > 2 * ANSWER_BYTES_MAX {
                    break 'all;
                }
                let message = Message { qos: message.qos.min(granted), retain: true, ..message.clone() };
                let topic = message.topic.clone();
                if !session.deliver(message, &mut packets) {
                    dropped.push(topic);
                }
            }
        }
        send(id, &packets, actions);
        for ((filter, _), granted) in filters.iter().zip(granted) {
            let filter = filter.clone();
            self.observe(now_ps, Some(client), BrokerEventKind::Subscribed { filter, granted });
        }
        for topic in dropped {
            self.observe(now_ps, Some(client), BrokerEventKind::Dropped { topic });
        }
    }

    /// Retains a message if it asks for that, and gives it to all who have subscribed.
    pub(super) fn route(&mut self, now_ps: u64, publisher: Option<&str>, message: Message, actions: &mut Actions) {
        self.observe(now_ps, publisher, BrokerEventKind::Published(message.clone()));
        if message.retain {
            let topic = &message.topic;
            if message.payload.is_empty() {
                self.retained.remove(topic);
            } else if self.retained.contains_key(topic) || self.retained.len() < RETAINED_MAX {
                self.retained.insert(topic.clone(), message.clone());
            } else {
                self.observe(now_ps, None, BrokerEventKind::Dropped { topic: topic.clone() });
            }
        }
        let mut dropped = Vec::new();
        for (client, session) in &mut self.sessions {
            let Some(wanted) = session.wants(&message.topic) else { continue };
            let copy = Message { qos: message.qos.min(wanted), retain: false, ..message.clone() };
            let mut packets = Vec::new();
            if !session.deliver(copy, &mut packets) {
                dropped.push(client.clone());
            }
            if let Some(id) = session.connection {
                send(id, &packets, actions);
            }
        }
        for client in dropped {
            let topic = message.topic.clone();
            self.observe(now_ps, Some(&client), BrokerEventKind::Dropped { topic });
        }
    }
}
