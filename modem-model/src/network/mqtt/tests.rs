//! The broker as its clients see it. The clients' packets are written, and the broker's read, by rumqttc's codec.

use std::collections::BTreeMap;

use bytes::BytesMut;
use proptest::prelude::*;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{
    Connect, ConnectReturnCode, LastWill, Login, Packet, PubAck, PubComp, PubRec, PubRel, Publish, Subscribe,
    SubscribeFilter, SubscribeReasonCode, Unsubscribe,
};

use super::codec::{self, CodecError};
use super::*;
use crate::network::packet::Endpoint;
use crate::network::stream_service::{ConnectionId, StreamAction, StreamEvent, StreamService};
use crate::time::{PS_PER_MS, PS_PER_S};

mod properties;
mod rules;

const QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

#[derive(Default)]
struct Link {
    received: BytesMut,
    is_closed: bool,
    is_aborted: bool,
}

/// A broker, and the client's ends of its connections.
struct Bench {
    broker: Broker,
    now_ps: u64,
    links: BTreeMap<ConnectionId, Link>,
}

fn connect(client: &str) -> Connect {
    Connect { keep_alive: 0, ..Connect::new(client) }
}

fn persistent(client: &str) -> Connect {
    Connect { clean_session: false, ..connect(client) }
}

fn with_will(client: &str, qos: QoS, retain: bool) -> Connect {
    Connect { last_will: Some(LastWill::new("will", client, qos, retain)), ..connect(client) }
}

fn publish(topic: &str, qos: QoS, id: u16, payload: &str) -> Publish {
    Publish { pkid: id, ..Publish::new(topic, qos, payload) }
}

fn retained(topic: &str, qos: QoS, payload: &str) -> Publish {
    Publish { retain: true, ..publish(topic, qos, 7, payload) }
}

fn subscribe(filters: &[(&str, QoS)]) -> Packet {
    let filters = filters.iter().map(|(filter, qos)| SubscribeFilter::new((*filter).to_owned(), *qos));
    Packet::Subscribe(Subscribe { pkid: 1, filters: filters.collect() })
}

fn written(packet: &Packet) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    packet.write(&mut bytes, usize::MAX).unwrap();
    bytes.to_vec()
}

impl Bench {
    fn new() -> Self {
        Self::with(BrokerConfig::default())
    }

    fn with(config: BrokerConfig) -> Self {
        Self { broker: Broker::new(config), now_ps: 0, links: BTreeMap::new() }
    }

    fn act(&mut self, actions: Vec<(ConnectionId, StreamAction)>) {
        for (id, action) in actions {
            let link = self.links.get_mut(&id).unwrap();
            assert!(!link.is_closed, "{action:?} after the end of connection {id}");
            match action {
                StreamAction::Send(bytes) => link.received.extend_from_slice(&bytes),
                StreamAction::Close => link.is_closed = true,
                StreamAction::Abort => (link.is_closed, link.is_aborted) = (true, true),
            }
        }
    }

    fn event(&mut self, id: ConnectionId, event: StreamEvent<'_>) {
        // The state goes through a snapshot before every event.
        self.broker = postcard::from_bytes(&postcard::to_stdvec(&self.broker).unwrap()).unwrap();
        let mut actions = Vec::new();
        self.broker.event(self.now_ps, id, event, &mut actions);
        self.act(actions);
    }

    fn open(&mut self, id: ConnectionId) {
        self.links.insert(id, Link::default());
        let from = Endpoint { address: [10, 0, 0, 1].into(), port: 1000 };
        self.event(id, StreamEvent::Connected { from });
    }

    fn raw(&mut self, id: ConnectionId, bytes: &[u8]) {
        self.event(id, StreamEvent::Data(bytes));
    }

    fn send(&mut self, id: ConnectionId, packet: Packet) {
        self.raw(id, &written(&packet));
    }

    fn publish(&mut self, id: ConnectionId, packet: Publish) {
        self.send(id, Packet::Publish(packet));
    }

    fn take(&mut self, id: ConnectionId) -> Vec<Packet> {
        let received = &mut self.links.get_mut(&id).unwrap().received;
        let packets = std::iter::from_fn(|| Packet::read(received, usize::MAX).ok()).collect();
        assert!(received.is_empty(), "whole packets only");
        packets
    }

    /// Connects, and returns whether a session was present.
    fn connect(&mut self, id: ConnectionId, connect: Connect) -> bool {
        self.open(id);
        self.send(id, Packet::Connect(connect));
        let received = &mut self.links.get_mut(&id).unwrap().received;
        let Ok(Packet::ConnAck(answer)) = Packet::read(received, usize::MAX) else { panic!() };
        assert_eq!(answer.code, ConnectReturnCode::Success);
        answer.session_present
    }

    fn subscribe(&mut self, id: ConnectionId, filters: &[(&str, QoS)]) {
        self.send(id, subscribe(filters));
        let received = &mut self.links.get_mut(&id).unwrap().received;
        let Ok(Packet::SubAck(answer)) = Packet::read(received, usize::MAX) else { panic!() };
        let expected: Vec<_> = filters.iter().map(|(_, qos)| SubscribeReasonCode::Success(*qos)).collect();
        assert_eq!((answer.pkid, answer.return_codes), (1, expected));
    }

    /// Messages received: topic, payload, quality of service, retain, dup.
    fn messages(&mut self, id: ConnectionId) -> Vec<(String, String, u8, bool, bool)> {
        let messages = self.take(id).into_iter().filter_map(|packet| match packet {
            Packet::Publish(p) => {
                let payload = String::from_utf8(p.payload.to_vec()).unwrap();
                Some((p.topic, payload, p.qos as u8, p.retain, p.dup))
            }
            _ => None,
        });
        messages.collect()
    }

    /// Payloads received.
    fn payloads(&mut self, id: ConnectionId) -> Vec<String> {
        self.messages(id).into_iter().map(|(_, payload, ..)| payload).collect()
    }

    fn advance_to(&mut self, now_ps: u64) {
        while self.broker.next_wake_ps() <= now_ps {
            self.now_ps = self.now_ps.max(self.broker.next_wake_ps());
            let mut actions = Vec::new();
            self.broker.advance(self.now_ps, &mut actions);
            self.act(actions);
        }
        self.now_ps = now_ps;
    }

    fn is_closed(&self, id: ConnectionId) -> bool {
        self.links[&id].is_closed
    }

    /// Why connections ended since the last call.
    fn reasons(&mut self) -> Vec<DisconnectReason> {
        let ends = self.broker.take_events().into_iter().filter_map(|event| match event.kind {
            BrokerEventKind::Disconnected(reason) => Some(reason),
            _ => None,
        });
        ends.collect()
    }
}

fn one(topic: &str, payload: &str, qos: u8) -> Vec<(String, String, u8, bool, bool)> {
    vec![(topic.to_owned(), payload.to_owned(), qos, false, false)]
}
