//! rumqttc against the broker.

use std::thread;
use std::time::{Duration, Instant};

use lockstep_modem::network::mqtt::{Broker, BrokerConfig, BrokerEventKind, DisconnectReason, Message, Qos};
use rumqttc::mqttbytes::v4::{ConnAck, LastWill};
use rumqttc::{Client, Connection, Event, MqttOptions, Packet, Publish, QoS};

use crate::loopback::Served;
use crate::support::PATIENCE;

const QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

struct Peer {
    client: Client,
    connection: Connection,
}

fn serve() -> Served<Broker> {
    Served::new(Broker::new(BrokerConfig::default()))
}

fn options(broker: &Served<Broker>, name: &str) -> MqttOptions {
    let mut options = MqttOptions::new(name, broker.address.ip().to_string(), broker.address.port());
    options.set_keep_alive(Duration::from_secs(20));
    options
}

impl Peer {
    fn connect(options: MqttOptions) -> (Self, ConnAck) {
        let (client, connection) = Client::new(options, 100);
        let mut peer = Self { client, connection };
        let answer = peer.wait(|packet| match packet {
            Packet::ConnAck(answer) => Some(answer.clone()),
            _ => None,
        });
        (peer, answer)
    }

    fn new(broker: &Served<Broker>, name: &str) -> Self {
        Self::connect(options(broker, name)).0
    }

    /// Waits for a packet, and passes over others.
    fn wait<T>(&mut self, wanted: impl Fn(&Packet) -> Option<T>) -> T {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Ok(event) = self.connection.recv_timeout(Duration::from_millis(100)) {
                match event.expect("the connection lasts") {
                    Event::Incoming(packet) => {
                        if let Some(found) = wanted(&packet) {
                            return found;
                        }
                    }
                    Event::Outgoing(_) => {}
                }
            }
        }
        panic!("nothing came");
    }

    fn subscribe(&mut self, filter: &str, qos: QoS) {
        self.client.subscribe(filter, qos).unwrap();
        self.wait(|packet| matches!(packet, Packet::SubAck(_)).then_some(()));
    }

    fn publish(&mut self, topic: &str, qos: QoS, retain: bool, payload: &str) {
        self.client.publish(topic, qos, retain, payload).unwrap();
        match qos {
            // There is no answer to it; one to what follows says that it went.
            QoS::AtMostOnce => self.publish("after", QoS::AtLeastOnce, false, ""),
            QoS::AtLeastOnce => self.wait(|packet| matches!(packet, Packet::PubAck(_)).then_some(())),
            QoS::ExactlyOnce => self.wait(|packet| matches!(packet, Packet::PubComp(_)).then_some(())),
        }
    }

    fn message(&mut self) -> Publish {
        self.wait(|packet| match packet {
            Packet::Publish(message) => Some(message.clone()),
            _ => None,
        })
    }

    /// Topic, payload, quality of service and retain flag of the next message.
    fn told(&mut self) -> (String, String, u8, bool) {
        let message = self.message();
        let payload = String::from_utf8(message.payload.to_vec()).unwrap();
        (message.topic, payload, message.qos as u8, message.retain)
    }
}

fn told(topic: &str, payload: &str, qos: u8, retain: bool) -> (String, String, u8, bool) {
    (topic.to_owned(), payload.to_owned(), qos, retain)
}

fn events(broker: &Served<Broker>) -> Vec<(Option<String>, BrokerEventKind)> {
    let events = broker.service.lock().unwrap().take_events();
    assert!(events.is_sorted_by_key(|event| event.time_ps));
    events.into_iter().map(|event| (event.client, event.kind)).collect()
}

fn ended(client: &str, reason: DisconnectReason) -> (Option<String>, BrokerEventKind) {
    (Some(client.to_owned()), BrokerEventKind::Disconnected(reason))
}

#[test]
fn every_quality_of_service_both_ways() {
    let broker = serve();
    let (mut subscriber, mut publisher) = (Peer::new(&broker, "subscriber"), Peer::new(&broker, "publisher"));
    for wanted in QOS {
        subscriber.subscribe("t/+", wanted);
        for sent in QOS {
            publisher.publish("t/1", sent, false, "hello");
            assert_eq!(subscriber.told(), told("t/1", "hello", (sent as u8).min(wanted as u8), false));
        }
    }
    // What is acknowledged to the end is what was promised more than once at most: 1 at 1, 1 at 2; 1 and 2 at 2.
    subscriber.wait(|packet| matches!(packet, Packet::PubRel(_)).then_some(()));
    subscriber.client.disconnect().unwrap();
    while subscriber.connection.recv_timeout(PATIENCE).is_ok_and(|event| event.is_ok()) {}
    let delivered = |(client, kind): &(Option<String>, BrokerEventKind)| {
        client.as_deref() == Some("subscriber") && matches!(kind, BrokerEventKind::Delivered { .. })
    };
    assert_eq!(events(&broker).iter().filter(|event| delivered(event)).count(), 4);
}

#[test]
fn a_thousand_messages_in_order() {
    let broker = serve();
    let (mut subscriber, publisher) = (Peer::new(&broker, "subscriber"), Peer::new(&broker, "publisher"));
    subscriber.subscribe("#", QoS::ExactlyOnce);
    let Peer { client, mut connection } = publisher;
    let driver = thread::spawn(move || connection.iter().take_while(Result::is_ok).count());
    for number in 0..1000 {
        client.publish("t", QOS[1 + number % 2], false, number.to_string()).unwrap();
    }
    for number in 0..1000 {
        assert_eq!(subscriber.told().1, number.to_string());
    }
    client.disconnect().unwrap();
    assert!(driver.join().unwrap() >= 2000);
}

#[test]
fn retained_messages() {
    let broker = serve();
    let mut publisher = Peer::new(&broker, "publisher");
    publisher.publish("kept/1", QoS::AtLeastOnce, true, "one");
    publisher.publish("kept/2", QoS::ExactlyOnce, true, "two");
    publisher.publish("kept/1", QoS::AtMostOnce, true, "");
    let mut late = Peer::new(&broker, "late");
    late.subscribe("kept/#", QoS::ExactlyOnce);
    assert_eq!(late.told(), told("kept/2", "two", 2, true));
    let message = Message { topic: "kept/3".into(), payload: b"x".to_vec(), qos: Qos::AtLeastOnce, retain: true };
    broker.service.lock().unwrap().publish(broker.now_ps(), message).unwrap();
    assert_eq!(late.told(), told("kept/3", "x", 1, false));
}

#[test]
fn wills_and_silence() {
    let broker = serve();
    let mut watcher = Peer::new(&broker, "watcher");
    watcher.subscribe("will/+", QoS::ExactlyOnce);
    let with_will = |name: &str, keep_alive_s| {
        let mut options = options(&broker, name);
        options.set_keep_alive(Duration::from_secs(keep_alive_s));
        options.set_last_will(LastWill::new(format!("will/{name}"), "gone", QoS::AtLeastOnce, false));
        Peer::connect(options).0
    };
    let mut polite = with_will("polite", 20);
    polite.client.disconnect().unwrap();
    while polite.connection.recv_timeout(PATIENCE).is_ok_and(|event| event.is_ok()) {}
    drop(polite);
    drop(with_will("rude", 20));
    assert_eq!(watcher.told(), told("will/rude", "gone", 1, false));
    // A client that is not looked at sends nothing, and its connection stays.
    let start = Instant::now();
    let _silent = with_will("silent", 1);
    assert_eq!(watcher.told(), told("will/silent", "gone", 1, false));
    assert!(start.elapsed() >= Duration::from_millis(1500));
    let events = events(&broker);
    assert!(events.contains(&ended("polite", DisconnectReason::Disconnect)), "{events:?}");
    assert!(events.contains(&ended("silent", DisconnectReason::KeepAlive)), "{events:?}");
}

#[test]
fn a_client_that_is_looked_at_stays() {
    let broker = serve();
    let mut options = options(&broker, "pinging");
    options.set_keep_alive(Duration::from_secs(2));
    let (mut pinging, _) = Peer::connect(options);
    for _ in 0..2 {
        pinging.wait(|packet| matches!(packet, Packet::PingResp).then_some(()));
    }
    assert!(!events(&broker).iter().any(|(_, kind)| matches!(kind, BrokerEventKind::Disconnected(_))));
}

#[test]
fn a_session_goes_on_after_a_reconnect() {
    let broker = serve();
    let session = || {
        let mut options = options(&broker, "sleeper");
        options.set_clean_session(false).set_manual_acks(true);
        Peer::connect(options)
    };
    let mut publisher = Peer::new(&broker, "publisher");
    let (mut sleeper, answer) = session();
    assert!(!answer.session_present);
    sleeper.subscribe("t", QoS::ExactlyOnce);
    publisher.publish("t", QoS::AtLeastOnce, false, "not acknowledged");
    assert_eq!(sleeper.told().1, "not acknowledged");
    drop(sleeper);
    publisher.publish("t", QoS::AtMostOnce, false, "not promised");
    publisher.publish("t", QoS::ExactlyOnce, false, "waiting");
    let (mut sleeper, answer) = session();
    assert!(answer.session_present);
    let again = sleeper.message();
    assert_eq!((&again.payload[..], again.dup), (&b"not acknowledged"[..], true));
    sleeper.client.ack(&again).unwrap();
    let waiting = sleeper.message();
    assert_eq!((&waiting.payload[..], waiting.dup), (&b"waiting"[..], false));
    sleeper.client.ack(&waiting).unwrap();
    sleeper.wait(|packet| matches!(packet, Packet::PubRel(_)).then_some(()));
    drop(sleeper);
    let (mut sleeper, answer) = session();
    assert!(answer.session_present);
    publisher.publish("t", QoS::AtLeastOnce, false, "new");
    let next = sleeper.told().1;
    assert_eq!(next, "new");
}

#[test]
fn the_newer_connection_has_the_name() {
    let broker = serve();
    let mut old = Peer::new(&broker, "twin");
    let mut new = Peer::new(&broker, "twin");
    let start = Instant::now();
    let is_cut = |event: &Result<_, rumqttc::ConnectionError>| event.is_err();
    while !old.connection.recv_timeout(Duration::from_millis(100)).is_ok_and(|event| is_cut(&event)) {
        assert!(start.elapsed() < PATIENCE);
    }
    new.publish("t", QoS::AtLeastOnce, false, "x");
    assert!(events(&broker).contains(&ended("twin", DisconnectReason::TakenOver)));
}
