//! What holds whatever is sent.

use super::*;

fn any_qos() -> impl Strategy<Value = QoS> {
    prop::sample::select(QOS.to_vec())
}

/// Packets as rumqttc writes them, and what should be read.
fn any_packet() -> impl Strategy<Value = (Packet, codec::ClientPacket)> {
    use codec::ClientPacket as C;
    let ours = |qos: QoS| Qos::from_number(qos as u8).unwrap();
    let text = "[a-z/]{1,300}";
    let message = move |topic: &str, payload: &[u8], qos, retain| Message {
        topic: topic.to_owned(),
        payload: payload.to_vec(),
        qos: ours(qos),
        retain,
    };
    let publish = (text, any::<Vec<u8>>(), any_qos(), 1u16.., any::<(bool, bool)>()).prop_map(
        move |(topic, payload, qos, id, (dup, retain))| {
            let (id, dup) = if qos == QoS::AtMostOnce { (0, false) } else { (id, dup) };
            let read = C::Publish { dup, id, message: message(&topic, &payload, qos, retain) };
            let sent = Publish { dup, retain, qos, topic, pkid: id, payload: payload.into() };
            (Packet::Publish(sent), read)
        },
    );
    let will = prop::option::of((text, any::<Vec<u8>>(), any_qos(), any::<bool>()));
    let login = prop::option::of(("[a-z]{1,9}", "[a-z]{1,9}"));
    let connect = ("[a-z]{0,30}", any::<bool>(), any::<u16>(), will, login).prop_map(
        move |(client_id, clean_session, keep_alive_s, will, login)| {
            let mut sent = Connect { clean_session, keep_alive: keep_alive_s, ..Connect::new(client_id.clone()) };
            sent.last_will = will.clone().map(|(t, payload, qos, retain)| LastWill::new(t, payload, qos, retain));
            sent.login = login.clone().map(|(user, password)| Login::new(user, password));
            let read = C::Connect(Box::new(codec::Connect {
                client_id,
                clean_session,
                keep_alive_s,
                will: will.map(|(topic, payload, qos, retain)| message(&topic, &payload, qos, retain)),
                user: login.clone().map(|(user, _)| user),
                password: login.map(|(_, password)| password.into_bytes()),
            }));
            (Packet::Connect(sent), read)
        },
    );
    let subscribe = (1u16.., prop::collection::vec((text, any_qos()), 1..5)).prop_map(move |(id, filters)| {
        let sent = filters.iter().map(|(filter, qos)| SubscribeFilter::new(filter.clone(), *qos)).collect();
        let read = C::Subscribe { id, filters: filters.into_iter().map(|(f, qos)| (f, ours(qos))).collect() };
        (Packet::Subscribe(Subscribe { pkid: id, filters: sent }), read)
    });
    let unsubscribe = (1u16.., prop::collection::vec(text, 1..5)).prop_map(|(id, filters)| {
        (Packet::Unsubscribe(Unsubscribe { pkid: id, topics: filters.clone() }), C::Unsubscribe { id, filters })
    });
    let acknowledgement = (1u16.., 0..6).prop_map(|(id, kind)| match kind {
        0 => (Packet::PubAck(PubAck::new(id)), C::PubAck(id)),
        1 => (Packet::PubRec(PubRec::new(id)), C::PubRec(id)),
        2 => (Packet::PubRel(PubRel::new(id)), C::PubRel(id)),
        3 => (Packet::PubComp(PubComp::new(id)), C::PubComp(id)),
        4 => (Packet::PingReq, C::PingReq),
        _ => (Packet::Disconnect, C::Disconnect),
    });
    prop_oneof![publish, connect, subscribe, unsubscribe, acknowledgement]
}

proptest! {
    #[test]
    fn another_codec_s_packets_are_read((packet, expected) in any_packet(), more: Vec<u8>) {
        let bytes = written(&packet);
        for length in 0..bytes.len() {
            prop_assert_eq!(codec::decode(&bytes[..length]), Ok(None));
        }
        let length = bytes.len();
        prop_assert_eq!(codec::decode(&[bytes, more].concat()), Ok(Some((expected, length))));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        if let Ok(Some((_, length))) = codec::decode(&bytes) {
            prop_assert!(length <= bytes.len());
        }
    }

    /// Damaged packets in any cut: no panic, and the cut changes nothing.
    #[test]
    fn any_stream_in_any_cut_has_one_meaning(
        packets in prop::collection::vec(any_packet(), 0..20),
        damage in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let mut stream = written(&Packet::Connect(connect("a")));
        stream.extend(packets.iter().flat_map(|(packet, _)| written(packet)));
        if let Some((at, value)) = damage {
            let at = at.index(stream.len());
            stream[at] = value;
        }
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let (mut whole, mut pieces) = (Bench::new(), Bench::new());
        whole.open(1);
        whole.raw(1, &stream);
        pieces.open(1);
        for cut in cuts.windows(2) {
            pieces.raw(1, &stream[cut[0]..cut[1]]);
        }
        prop_assert_eq!(&whole.links[&1].received, &pieces.links[&1].received);
        prop_assert_eq!(whole.is_closed(1), pieces.is_closed(1));
        prop_assert_eq!(whole.broker.take_events(), pieces.broker.take_events());
    }

    /// A client with a persistent session comes, goes, and acknowledges as it likes. In the end it has every message of
    /// quality of service 1 at least once and of 2 exactly once, those of each in the order they were published.
    #[test]
    fn what_is_promised_is_kept(steps in prop::collection::vec((0u8..6, 0usize..4), 0..200)) {
        let mut bench = Bench::new();
        bench.connect(1, connect("publisher"));
        let mut here = 2;
        bench.connect(here, persistent("subscriber"));
        bench.subscribe(here, &[("t", QoS::ExactlyOnce)]);
        let mut unread: Vec<Packet> = Vec::new();
        let mut is_here = true;
        let mut published = [0u32; 2];
        let mut received: [Vec<u32>; 2] = Default::default();
        let mut seen = std::collections::BTreeSet::new();
        // At the end the client stays until nothing is left to say.
        for (what, n) in steps.into_iter().chain(std::iter::once((3, 0))).chain(std::iter::repeat_n((2, 0), 2000)) {
            match what {
                0 | 1 => {
                    let qos = QOS[usize::from(what) + 1];
                    let payload = published[usize::from(what)].to_string();
                    published[usize::from(what)] += 1;
                    bench.publish(1, publish("t", qos, 1, &payload));
                    bench.send(1, Packet::PubRel(PubRel::new(1)));
                }
                2 | 5 if is_here => {
                    for packet in std::mem::take(&mut unread).into_iter().chain(bench.take(here)) {
                        let answer = match packet {
                            Packet::Publish(p) => {
                                let number: u32 = std::str::from_utf8(&p.payload).unwrap().parse().unwrap();
                                if p.qos == QoS::AtLeastOnce {
                                    received[0].push(number);
                                    Packet::PubAck(PubAck::new(p.pkid))
                                } else {
                                    if seen.insert(p.pkid) {
                                        received[1].push(number);
                                    }
                                    Packet::PubRec(PubRec::new(p.pkid))
                                }
                            }
                            Packet::PubRel(release) => {
                                seen.remove(&release.pkid);
                                Packet::PubComp(PubComp::new(release.pkid))
                            }
                            other => panic!("{other:?}"),
                        };
                        bench.send(here, answer);
                    }
                }
                3 if !is_here => {
                    here += 1;
                    prop_assert!(bench.connect(here, persistent("subscriber")));
                    is_here = true;
                }
                4 if is_here => {
                    // Some of what was sent has arrived, the rest is lost.
                    unread.extend(bench.take(here));
                    unread.truncate(n);
                    for packet in unread.drain(..) {
                        if let Packet::Publish(p) = packet && p.qos == QoS::ExactlyOnce && seen.insert(p.pkid) {
                            received[1].push(std::str::from_utf8(&p.payload).unwrap().parse().unwrap());
                        }
                    }
                    bench.event(here, StreamEvent::Lost);
                    is_here = false;
                }
                _ => {}
            }
        }
        prop_assert_eq!(&received[1], &(0..published[1]).collect::<Vec<_>>());
        let mut firsts = Vec::new();
        for number in &received[0] {
            if !firsts.contains(number) {
                firsts.push(*number);
            }
        }
        prop_assert_eq!(firsts, (0..published[0]).collect::<Vec<_>>());
    }
}
