//! The rules of the protocol, one by one.

use super::*;

#[test]
fn a_message_reaches_its_subscribers_at_the_lower_quality_of_service() {
    for sent in QOS {
        for wanted in QOS {
            let mut bench = Bench::new();
            bench.connect(1, connect("a"));
            bench.connect(2, connect("b"));
            bench.subscribe(1, &[("t/+", wanted)]);
            bench.publish(2, publish("t/1", sent, if sent == QoS::AtMostOnce { 0 } else { 9 }, "hello"));
            assert_eq!(bench.messages(1), one("t/1", "hello", (sent as u8).min(wanted as u8)), "{sent:?} {wanted:?}");
            let answer = bench.take(2);
            match sent {
                QoS::AtMostOnce => assert_eq!(answer, []),
                QoS::AtLeastOnce => assert_eq!(answer, [Packet::PubAck(PubAck::new(9))]),
                QoS::ExactlyOnce => assert_eq!(answer, [Packet::PubRec(PubRec::new(9))]),
            }
        }
    }
}

#[test]
fn exactly_once_from_end_to_end() {
    let mut bench = Bench::new();
    bench.connect(1, connect("a"));
    bench.connect(2, connect("b"));
    bench.subscribe(1, &[("#", QoS::ExactlyOnce)]);
    let message = publish("t", QoS::ExactlyOnce, 5, "x");
    bench.publish(2, message.clone());
    bench.publish(2, Publish { dup: true, ..message.clone() });
    assert_eq!(bench.take(2), vec![Packet::PubRec(PubRec::new(5)); 2]);
    bench.send(2, Packet::PubRel(PubRel::new(5)));
    bench.send(2, Packet::PubRel(PubRel::new(5)));
    assert_eq!(bench.take(2), vec![Packet::PubComp(PubComp::new(5)); 2]);
    let received = bench.take(1);
    let [Packet::Publish(copy)] = &received[..] else { panic!("{received:?}") };
    bench.send(1, Packet::PubRec(PubRec::new(copy.pkid)));
    bench.send(1, Packet::PubRec(PubRec::new(copy.pkid)));
    assert_eq!(bench.take(1), vec![Packet::PubRel(PubRel::new(copy.pkid)); 2]);
    bench.broker.take_events();
    bench.send(1, Packet::PubComp(PubComp::new(copy.pkid)));
    let events = bench.broker.take_events();
    assert_eq!(events[0].kind, BrokerEventKind::Delivered { topic: "t".to_owned() });
    bench.publish(2, message);
    assert_eq!(bench.payloads(1), ["x"], "the identifier was released, so this is another message");
}

#[test]
fn connections_are_answered_by_the_rules() {
    let code = |config: BrokerConfig, connect: Connect| {
        let mut bench = Bench::with(config);
        bench.open(1);
        bench.send(1, Packet::Connect(connect));
        let answer = bench.take(1);
        let [Packet::ConnAck(answer)] = &answer[..] else { panic!("{answer:?}") };
        assert_eq!(bench.is_closed(1), answer.code != ConnectReturnCode::Success);
        answer.code
    };
    let users = || {
        let access = Access::Users(BTreeMap::from([("u".to_owned(), "p".to_owned())]));
        BrokerConfig { access, ..BrokerConfig::default() }
    };
    let login = |user: &str, password: &str| Connect { login: Some(Login::new(user, password)), ..connect("a") };
    let anyone = BrokerConfig::default;
    assert_eq!(code(anyone(), connect("a")), ConnectReturnCode::Success);
    assert_eq!(code(anyone(), login("whoever", "x")), ConnectReturnCode::Success);
    assert_eq!(code(anyone(), connect("")), ConnectReturnCode::Success);
    assert_eq!(code(anyone(), persistent("")), ConnectReturnCode::BadClientId);
    assert_eq!(code(anyone(), connect(&"n".repeat(257))), ConnectReturnCode::BadClientId);
    assert_eq!(code(users(), login("u", "p")), ConnectReturnCode::Success);
    assert_eq!(code(users(), login("u", "q")), ConnectReturnCode::BadUserNamePassword);
    assert_eq!(code(users(), login("v", "p")), ConnectReturnCode::BadUserNamePassword);
    assert_eq!(code(users(), connect("a")), ConnectReturnCode::NotAuthorized);
    let refusing = BrokerConfig { access: Access::Refuse(ConnectCode::ServerUnavailable), ..anyone() };
    assert_eq!(code(refusing, connect("a")), ConnectReturnCode::ServiceUnavailable);
}

#[test]
fn other_versions_are_refused_by_name() {
    let mut bench = Bench::new();
    for (id, hello) in
        [(1, &b"\x10\x0d\0\x04MQTT\x05\x02\0\x3c\0\0\0"[..]), (2, b"\x10\x0e\0\x06MQIsdp\x03\x02\0\x3c\0\0")]
    {
        bench.open(id);
        bench.raw(id, hello);
        assert_eq!(bench.links[&id].received[..], [0x20, 2, 0, 1]);
        assert!(bench.is_closed(id));
    }
    bench.open(3);
    bench.raw(3, b"\x10\x0c\0\x04HTTP\x04\x02\0\x3c\0\0");
    assert!(bench.is_closed(3) && bench.links[&3].received.is_empty());
}

#[test]
fn two_clients_without_a_name_are_two() {
    let mut bench = Bench::new();
    bench.connect(1, connect(""));
    bench.connect(2, connect(""));
    assert!(!bench.is_closed(1));
    assert_eq!(bench.broker.clients().count(), 2);
}

#[test]
fn whoever_breaks_the_protocol_is_cut_off_and_its_will_done() {
    use ProtocolError as E;
    let bytes = |packet: Packet| written(&packet);
    let acknowledged = bytes(Packet::PubAck(PubAck::new(1)));
    for (sent, expected) in [
        (bytes(Packet::Connect(connect("a"))), E::SecondConnect),
        (b"\x30\x03\0\x01+".to_vec(), E::TopicName("+".to_owned())),
        (b"\x30\x02\0\0".to_vec(), E::TopicName(String::new())),
        (b"\x82\x07\0\x01\0\x02a#\0".to_vec(), E::TopicFilter("a#".to_owned())),
        (b"\xa2\x06\0\x01\0\x02+a".to_vec(), E::TopicFilter("+a".to_owned())),
        (b"\x82\x02\0\x01".to_vec(), CodecError::Malformed(8).into()),
        (b"\x82\x06\0\x01\0\x01a\x03".to_vec(), CodecError::Malformed(8).into()),
        (b"\x80\0".to_vec(), CodecError::Flags { kind: 8, flags: 0 }.into()),
        (b"\x36\x05\0\x01a\0\x01".to_vec(), CodecError::Flags { kind: 3, flags: 6 }.into()),
        (b"\x38\x03\0\x01a".to_vec(), CodecError::Flags { kind: 3, flags: 8 }.into()),
        (b"\x32\x05\0\x01a\0\0".to_vec(), CodecError::Malformed(3).into()),
        (b"\x30\x04\0\x02\xc3\x28".to_vec(), CodecError::Malformed(3).into()),
        (b"\x30\x03\0\x01\0".to_vec(), CodecError::Malformed(3).into()),
        (b"\xc0\x01\0".to_vec(), CodecError::Malformed(12).into()),
        (b"\xd0\0".to_vec(), CodecError::Type(13).into()),
        (b"\0\0".to_vec(), CodecError::Type(0).into()),
        (b"\xf0\0".to_vec(), CodecError::Type(15).into()),
        (b"\xff\xff\xff\xff\xff\x01".to_vec(), CodecError::RemainingLength.into()),
        (b"\x30\x81\x80\x04".to_vec(), CodecError::TooLong(65_537).into()),
        (acknowledged, E::Acknowledgement(1)),
    ] {
        let mut bench = Bench::new();
        bench.connect(1, connect("watcher"));
        bench.subscribe(1, &[("will", QoS::AtMostOnce)]);
        bench.connect(2, with_will("bad", QoS::AtMostOnce, false));
        bench.subscribe(2, &[("t", QoS::ExactlyOnce)]);
        bench.publish(1, publish("t", QoS::ExactlyOnce, 1, "waits for PUBREC"));
        bench.reasons();
        bench.raw(2, &sent);
        assert_eq!(bench.reasons(), [DisconnectReason::Protocol(expected)], "{sent:x?}");
        assert!(bench.is_closed(2));
        assert_eq!(bench.payloads(1), ["bad"]);
        bench.raw(2, &sent);
        bench.event(2, StreamEvent::PeerClosed);
    }
}

#[test]
fn connects_that_contradict_themselves_are_cut_off() {
    for flags in [0x03, 0x0a, 0x1e, 0x22, 0x42] {
        let mut bench = Bench::new();
        bench.open(1);
        bench.raw(1, &[b"\x10\x0d\0\x04MQTT\x04", &[flags][..], b"\0\x3c\0\x01a"].concat());
        assert_eq!(bench.reasons(), [DisconnectReason::Protocol(CodecError::ConnectFlags(flags).into())]);
        assert!(bench.is_closed(1) && bench.links[&1].received.is_empty());
    }
}

#[test]
fn nothing_goes_before_the_connect() {
    let mut bench = Bench::new();
    bench.open(1);
    bench.send(1, Packet::PingReq);
    assert!(bench.is_closed(1));
    assert_eq!(bench.reasons(), [DisconnectReason::Protocol(ProtocolError::NotConnected)]);
    bench.open(2);
    bench.advance_to(30 * PS_PER_S - 1);
    assert!(!bench.is_closed(2));
    bench.advance_to(30 * PS_PER_S);
    assert!(bench.is_closed(2));
    assert_eq!(bench.reasons(), [DisconnectReason::NoConnect]);
}

#[test]
fn a_second_connection_takes_the_client_over() {
    let mut bench = Bench::new();
    bench.connect(1, connect("watcher"));
    bench.subscribe(1, &[("will", QoS::AtMostOnce)]);
    bench.connect(2, with_will("a", QoS::AtMostOnce, false));
    assert!(!bench.connect(3, persistent("a")));
    assert!(bench.is_closed(2) && !bench.is_closed(3));
    assert_eq!(bench.payloads(1), ["a"]);
    assert_eq!(bench.reasons(), [DisconnectReason::TakenOver]);
    bench.subscribe(3, &[("t", QoS::AtLeastOnce)]);
    bench.publish(1, publish("t", QoS::AtLeastOnce, 1, "x"));
    // Late news from the connection that was replaced says nothing about the new one.
    bench.event(2, StreamEvent::Lost);
    assert!(bench.connect(4, persistent("a")));
    assert_eq!(bench.messages(4), [("t".to_owned(), "x".to_owned(), 1, false, true)]);
}

#[test]
fn retained_messages_meet_new_subscribers() {
    let mut bench = Bench::new();
    bench.connect(1, connect("a"));
    bench.connect(2, connect("b"));
    bench.subscribe(1, &[("t/#", QoS::ExactlyOnce)]);
    bench.publish(2, retained("t/1", QoS::AtLeastOnce, "old"));
    bench.publish(2, retained("t/1", QoS::AtLeastOnce, "new"));
    bench.publish(2, retained("t/2", QoS::AtMostOnce, "two"));
    let live: Vec<_> = bench.messages(1).into_iter().map(|m| (m.1, m.3)).collect();
    assert_eq!(live, [("old".to_owned(), false), ("new".to_owned(), false), ("two".to_owned(), false)]);
    bench.connect(3, connect("c"));
    bench.subscribe(3, &[("t/+", QoS::ExactlyOnce)]);
    let kept = |topic: &str, payload: &str, qos| (topic.to_owned(), payload.to_owned(), qos, true, false);
    assert_eq!(bench.messages(3), [kept("t/1", "new", 1), kept("t/2", "two", 0)]);
    bench.subscribe(3, &[("t/1", QoS::AtMostOnce)]);
    assert_eq!(bench.messages(3), [kept("t/1", "new", 0)]);
    // An empty one clears it, and is itself a message for those who are there.
    bench.publish(2, retained("t/1", QoS::AtMostOnce, ""));
    assert_eq!(bench.messages(1), one("t/1", "", 0));
    bench.connect(4, connect("d"));
    bench.subscribe(4, &[("#", QoS::AtMostOnce)]);
    assert_eq!(bench.messages(4), [kept("t/2", "two", 0)]);
    assert_eq!(bench.broker.retained().count(), 1);
}

#[test]
fn a_persistent_session_waits_for_its_client() {
    let mut bench = Bench::new();
    bench.connect(2, connect("b"));
    assert!(!bench.connect(1, persistent("a")));
    bench.subscribe(1, &[("t", QoS::ExactlyOnce)]);
    bench.send(1, Packet::Disconnect);
    assert!(bench.is_closed(1));
    for (n, qos) in QOS.into_iter().enumerate() {
        bench.publish(2, publish("t", qos, n as u16 + 1, &n.to_string()));
    }
    assert!(bench.connect(3, persistent("a")));
    assert_eq!(bench.payloads(3), ["1", "2"], "in order; nothing is promised at quality of service 0");
    bench.event(3, StreamEvent::Lost);
    assert!(bench.connect(4, persistent("a")));
    let again: Vec<_> = bench.messages(4).into_iter().map(|m| (m.1, m.4)).collect();
    assert_eq!(again, [("1".to_owned(), true), ("2".to_owned(), true)], "sent before, and not acknowledged");
    // A clean session forgets all that, and leaves nothing.
    assert!(!bench.connect(5, connect("a")));
    bench.publish(2, publish("t", QoS::AtLeastOnce, 9, "lost"));
    assert!(bench.take(5).is_empty());
    bench.subscribe(5, &[("t", QoS::ExactlyOnce)]);
    bench.event(5, StreamEvent::PeerClosed);
    assert!(!bench.connect(6, persistent("a")));
    bench.publish(2, publish("t", QoS::AtLeastOnce, 9, "lost"));
    assert!(bench.take(6).is_empty());
}

#[test]
fn each_step_of_a_delivery_survives_a_lost_connection() {
    let mut bench = Bench::new();
    bench.connect(2, connect("b"));
    bench.connect(1, persistent("a"));
    bench.subscribe(1, &[("t", QoS::ExactlyOnce)]);
    bench.publish(2, publish("t", QoS::ExactlyOnce, 1, "x"));
    let id = match &bench.take(1)[..] {
        [Packet::Publish(p)] => p.pkid,
        other => panic!("{other:?}"),
    };
    bench.send(1, Packet::PubRec(PubRec::new(id)));
    bench.take(1);
    bench.event(1, StreamEvent::Lost);
    bench.connect(3, persistent("a"));
    assert_eq!(bench.take(3), [Packet::PubRel(PubRel::new(id))]);
    bench.send(3, Packet::PubComp(PubComp::new(id)));
    bench.event(3, StreamEvent::Lost);
    bench.connect(4, persistent("a"));
    assert!(bench.take(4).is_empty());
    bench.take(2);
    // The other direction: a copy sent again after the connection was lost is not published again.
    bench.subscribe(2, &[("up", QoS::AtMostOnce)]);
    let up = publish("up", QoS::ExactlyOnce, 3, "once");
    bench.publish(4, up.clone());
    bench.event(4, StreamEvent::Lost);
    bench.connect(5, persistent("a"));
    bench.publish(5, Publish { dup: true, ..up });
    assert_eq!(bench.take(5), [Packet::PubRec(PubRec::new(3))]);
    assert_eq!(bench.payloads(2), ["once"]);
}

#[test]
fn twenty_messages_are_under_way_and_the_rest_waits() {
    let mut bench = Bench::new();
    bench.connect(1, connect("a"));
    bench.connect(2, connect("b"));
    bench.subscribe(1, &[("t", QoS::AtLeastOnce)]);
    for n in 0..30 {
        bench.publish(2, publish("t", QoS::AtLeastOnce, 1, &n.to_string()));
    }
    let mut received = bench.take(1);
    assert_eq!(received.len(), 20);
    let mut at = 0;
    while at < received.len() {
        let Packet::Publish(p) = &received[at] else { panic!() };
        assert_eq!(p.payload, at.to_string());
        bench.send(1, Packet::PubAck(PubAck::new(p.pkid)));
        received.extend(bench.take(1));
        at += 1;
    }
    assert_eq!(at, 30);
}

#[test]
fn what_does_not_fit_is_dropped_and_said() {
    let mut bench = Bench::new();
    bench.connect(1, persistent("a"));
    bench.connect(2, connect("b"));
    bench.subscribe(1, &[("t", QoS::AtLeastOnce)]);
    bench.event(1, StreamEvent::Lost);
    for n in 0..1001 {
        bench.broker.take_events();
        bench.publish(2, publish("t", QoS::AtLeastOnce, 1, &n.to_string()));
    }
    let dropped = BrokerEventKind::Dropped { topic: "t".to_owned() };
    assert_eq!(bench.broker.take_events().last().unwrap().kind, dropped);
    let filters: Vec<String> = (0..257).map(|n| n.to_string()).collect();
    let filters: Vec<(&str, QoS)> = filters.iter().map(|filter| (filter.as_str(), QoS::AtMostOnce)).collect();
    bench.take(2);
    bench.send(2, subscribe(&filters));
    let answer = bench.take(2);
    let [Packet::SubAck(answer)] = &answer[..] else { panic!() };
    assert_eq!(answer.return_codes[255], SubscribeReasonCode::Success(QoS::AtMostOnce));
    assert_eq!(answer.return_codes[256], SubscribeReasonCode::Failure);
    for id in 3..300 {
        bench.open(id);
    }
    assert!(bench.links[&299].is_aborted && !bench.links[&200].is_closed);
}

#[test]
fn silence_ends_at_one_and_a_half_keepalives() {
    let mut bench = Bench::new();
    bench.connect(1, connect("watcher"));
    bench.subscribe(1, &[("will", QoS::AtMostOnce)]);
    bench.connect(2, Connect { keep_alive: 20, ..with_will("a", QoS::AtMostOnce, false) });
    bench.advance_to(29 * PS_PER_S);
    bench.send(2, Packet::PingReq);
    assert_eq!(bench.take(2), [Packet::PingResp]);
    // Half a packet is no packet.
    bench.raw(2, &[0xc0]);
    bench.advance_to(59 * PS_PER_S - 1);
    assert!(!bench.is_closed(2) && bench.take(1).is_empty());
    bench.advance_to(59 * PS_PER_S);
    assert!(bench.is_closed(2));
    assert_eq!(bench.payloads(1), ["a"]);
    assert_eq!(bench.reasons(), [DisconnectReason::KeepAlive]);
    assert_eq!(bench.broker.next_wake_ps(), u64::MAX, "a keepalive of 0 promises nothing");
}

#[test]
fn a_will_is_done_unless_the_client_says_goodbye() {
    let mut bench = Bench::new();
    bench.connect(1, connect("watcher"));
    bench.subscribe(1, &[("will", QoS::ExactlyOnce)]);
    bench.connect(2, with_will("polite", QoS::AtLeastOnce, true));
    bench.send(2, Packet::Disconnect);
    assert!(bench.is_closed(2) && bench.take(1).is_empty());
    bench.connect(3, with_will("lost", QoS::AtLeastOnce, true));
    bench.event(3, StreamEvent::Lost);
    assert!(!bench.is_closed(3), "there is nothing left to close");
    bench.connect(4, with_will("closed", QoS::ExactlyOnce, false));
    bench.event(4, StreamEvent::PeerClosed);
    let told: Vec<_> = bench.messages(1).into_iter().map(|m| (m.1, m.2)).collect();
    assert_eq!(told, [("lost".to_owned(), 1), ("closed".to_owned(), 2)]);
    assert_eq!(bench.broker.retained().map(|m| &m.payload[..]).collect::<Vec<_>>(), [b"lost"]);
}

#[test]
fn overlapping_subscriptions_give_one_copy_and_dollar_topics_stay_apart() {
    let mut bench = Bench::new();
    bench.connect(1, connect("a"));
    bench.subscribe(1, &[("#", QoS::AtMostOnce), ("t/+", QoS::AtLeastOnce), ("t/1", QoS::AtMostOnce)]);
    bench.connect(2, connect("b"));
    bench.publish(2, publish("t/1", QoS::ExactlyOnce, 1, "x"));
    assert_eq!(bench.messages(1), one("t/1", "x", 1));
    bench.publish(2, publish("$own/1", QoS::AtMostOnce, 0, "hidden"));
    assert!(bench.take(1).is_empty());
    let gone = ["#", "t/+", "never"].map(str::to_owned).to_vec();
    bench.send(1, Packet::Unsubscribe(Unsubscribe { pkid: 4, topics: gone }));
    assert_eq!(bench.take(1).len(), 1);
    bench.publish(2, publish("t/2", QoS::AtMostOnce, 0, "nobody"));
    bench.publish(2, publish("t/1", QoS::AtMostOnce, 0, "still"));
    assert_eq!(bench.messages(1), one("t/1", "still", 0));
}

#[test]
fn the_operator_publishes_at_a_time() {
    let mut bench = Bench::new();
    bench.connect(1, connect("a"));
    bench.subscribe(1, &[("t", QoS::AtLeastOnce)]);
    let message = |payload: &str| Message {
        topic: "t".to_owned(),
        payload: payload.as_bytes().to_vec(),
        qos: Qos::AtLeastOnce,
        retain: true,
    };
    bench.broker.publish(5 * PS_PER_MS, message("late")).unwrap();
    bench.broker.publish(3 * PS_PER_MS, message("early")).unwrap();
    bench.advance_to(4 * PS_PER_MS);
    assert_eq!(bench.payloads(1), ["early"]);
    bench.advance_to(5 * PS_PER_MS);
    assert_eq!(bench.payloads(1), ["late"]);
    let bad = Message { topic: "t/#".to_owned(), ..message("x") };
    assert_eq!(bench.broker.publish(0, bad), Err(PublishError::Topic("t/#".to_owned())));
    let long = Message { payload: vec![0; 65_537], ..message("") };
    assert_eq!(bench.broker.publish(0, long), Err(PublishError::Payload(65_537)));
    let events = bench.broker.take_events();
    let published =
        events.iter().filter(|e| e.client.is_none() && e.kind == BrokerEventKind::Published(message("late")));
    assert_eq!(published.map(|e| e.time_ps).collect::<Vec<_>>(), [5 * PS_PER_MS]);
}

#[test]
fn an_observer_sees_it_all_and_a_lazy_one_the_newest() {
    let mut bench = Bench::new();
    bench.connect(1, Connect { keep_alive: 60, ..persistent("a") });
    bench.subscribe(1, &[("t", QoS::AtLeastOnce)]);
    bench.now_ps = 7;
    bench.publish(1, publish("t", QoS::AtMostOnce, 0, "x"));
    bench.send(1, Packet::Disconnect);
    let from = Endpoint { address: [10, 0, 0, 1].into(), port: 1000 };
    let message = Message { topic: "t".to_owned(), payload: b"x".to_vec(), qos: Qos::AtMostOnce, retain: false };
    let expected = [
        (0, BrokerEventKind::Connected { from, clean_session: false, session_present: false, keep_alive_s: 60 }),
        (0, BrokerEventKind::Subscribed { filter: "t".to_owned(), granted: Some(Qos::AtLeastOnce) }),
        (7, BrokerEventKind::Published(message)),
        (7, BrokerEventKind::Disconnected(DisconnectReason::Disconnect)),
    ];
    let expected = expected.map(|(time_ps, kind)| BrokerEvent { time_ps, client: Some("a".to_owned()), kind });
    assert_eq!(bench.broker.take_events(), expected);
    bench.connect(2, connect("b"));
    for n in 0..2000 {
        bench.publish(2, publish("u", QoS::AtMostOnce, 0, &n.to_string()));
    }
    assert_eq!(bench.broker.events_dropped(), 2001 - 1024);
    assert_eq!(bench.broker.take_events().len(), 1024);
}

/// Few bytes may ask for many: each filter of a SUBSCRIBE for all that is retained.
#[test]
fn a_client_that_asks_for_more_than_the_memory_holds_is_cut_off() {
    let mut bench = Bench::new();
    bench.connect(1, connect("a"));
    let payload = "x".repeat(60_000);
    for n in 0..20 {
        bench.publish(1, retained(&format!("t/{n}"), QoS::AtMostOnce, &payload));
    }
    let filters: Vec<(String, QoS)> =
        (0..16_000).map(|n| (format!("t/{}", ["#", "+"][n % 2]), QoS::AtMostOnce)).collect();
    let many: Vec<(&str, QoS)> = filters.iter().map(|(filter, qos)| (filter.as_str(), *qos)).collect();
    bench.send(1, subscribe(&many[..10_000]));
    assert!(bench.links[&1].is_aborted);
    assert!(bench.links[&1].received.len() < 4 << 20, "{}", bench.links[&1].received.len());
    // The same in many packets.
    bench.connect(2, connect("b"));
    bench.raw(2, &written(&subscribe(&[("t/#", QoS::AtMostOnce)])).repeat(2000));
    assert!(bench.links[&2].is_aborted);
    assert!(bench.links[&2].received.len() < 4 << 20, "{}", bench.links[&2].received.len());
    // Who asks for all of it once gets it.
    bench.connect(3, connect("c"));
    bench.publish(3, retained("u", QoS::AtMostOnce, "y"));
    bench.subscribe(3, &[("u", QoS::AtMostOnce)]);
    assert_eq!(bench.messages(3).len(), 1);
}

/// What is under way to a client that is away goes at once when it is back, and must fit what waits for a connection.
#[test]
fn large_messages_for_an_absent_client_all_arrive() {
    let mut bench = Bench::new();
    bench.connect(1, persistent("sleeper"));
    bench.subscribe(1, &[("big", QoS::AtLeastOnce)]);
    bench.event(1, StreamEvent::Lost);
    bench.connect(2, connect("b"));
    let payload = "x".repeat(65_000);
    for _ in 0..16 {
        bench.publish(2, publish("big", QoS::AtLeastOnce, 7, &payload));
    }
    // It comes, acknowledges nothing, and goes: more than one connection's room is under way from then on.
    bench.connect(50, persistent("sleeper"));
    bench.event(50, StreamEvent::Lost);
    for _ in 0..6 {
        bench.publish(2, publish("big", QoS::AtLeastOnce, 7, &payload));
    }
    let mut arrived = 0;
    for id in 3..40 {
        bench.open(id);
        bench.send(id, Packet::Connect(persistent("sleeper")));
        assert!(!bench.links[&id].is_aborted && bench.links[&id].received.len() <= 1 << 20);
        let ids: Vec<u16> = bench
            .take(id)
            .iter()
            .filter_map(|p| if let Packet::Publish(p) = p { Some(p.pkid) } else { None })
            .collect();
        if let Some(first) = ids.first() {
            bench.send(id, Packet::PubAck(PubAck::new(*first)));
            arrived += 1;
        }
        bench.event(id, StreamEvent::Lost);
    }
    assert_eq!(arrived, 22);
}
