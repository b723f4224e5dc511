"""Eclipse Paho's client against the broker at the address given: arguments host and port."""

import queue
import sys

import paho.mqtt.client as mqtt

HOST, PORT = sys.argv[1], int(sys.argv[2])
PATIENCE_S = 30


class Peer:
    def __init__(self, name, clean=True, keepalive=20, will=None, looked_after=True, manual=False):
        self.messages, self.acks = queue.Queue(), queue.Queue()
        self.client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            client_id=name,
            clean_session=clean,
            protocol=mqtt.MQTTv311,
            manual_ack=manual,
            reconnect_on_failure=False,
        )
        self.client.on_message = lambda client, data, message: self.messages.put(message)
        self.client.on_connect = lambda client, data, flags, code, _: self.acks.put((flags, code))
        self.client.on_subscribe = lambda client, data, mid, codes, _: self.acks.put(codes)
        self.client.on_unsubscribe = lambda client, data, mid, codes, _: self.acks.put(codes)
        if will:
            self.client.will_set(*will)
        self.client.connect(HOST, PORT, keepalive)
        if looked_after:
            self.client.loop_start()
            self.flags, self.code = self.acks.get(timeout=PATIENCE_S)
            assert not self.code.is_failure, self.code

    def subscribe(self, *filters):
        self.client.subscribe(list(filters))
        codes = self.acks.get(timeout=PATIENCE_S)
        assert [code.value for code in codes] == [qos for _, qos in filters], codes

    def publish(self, topic, payload, qos, retain=False):
        self.client.publish(topic, payload, qos, retain).wait_for_publish(PATIENCE_S)

    def told(self):
        message = self.messages.get(timeout=PATIENCE_S)
        return message.topic, message.payload.decode(), message.qos, bool(message.retain)

    def leave(self):
        self.client.disconnect()
        self.client.loop_stop()

    def vanish(self):
        """The connection ends without DISCONNECT."""
        self.client.loop_stop()
        self.client.socket().close()


def same(found, expected):
    assert found == expected, f"{found} instead of {expected}"


def every_quality_of_service(publisher):
    subscriber = Peer("subscriber")
    for wanted in range(3):
        subscriber.subscribe(("t/+", wanted))
        for sent in range(3):
            publisher.publish("t/1", f"{sent}", sent)
            same(subscriber.told(), ("t/1", f"{sent}", min(sent, wanted), False))
    subscriber.client.unsubscribe("t/+")
    subscriber.acks.get(timeout=PATIENCE_S)
    subscriber.subscribe(("end", 0))
    publisher.publish("t/1", "nobody hears it", 1)
    publisher.publish("end", "", 1)
    same(subscriber.told(), ("end", "", 0, False))
    subscriber.leave()


def many_messages(publisher):
    subscriber = Peer("subscriber")
    subscriber.subscribe(("#", 2))
    sent = [publisher.client.publish("t", f"{number}", 1 + number % 2) for number in range(200)]
    told = [subscriber.told() for _ in range(200)]
    # The client hands over a message of quality of service 2 when it is released: each kind has its own order.
    for qos in (1, 2):
        numbers = [int(payload) for _, payload, found, _ in told if found == qos]
        same(numbers, list(range(qos - 1, 200, 2)))
    for info in sent:
        info.wait_for_publish(PATIENCE_S)
    subscriber.leave()


def retained(publisher):
    publisher.publish("kept/1", "one", 1, retain=True)
    publisher.publish("kept/2", "two", 2, retain=True)
    publisher.publish("kept/1", "", 0, retain=True)
    # The packet above has no answer; the next one has.
    publisher.publish("after", "", 1)
    late = Peer("late")
    late.subscribe(("kept/#", 2), ("$SYS/#", 0))
    same(late.told(), ("kept/2", "two", 2, True))
    publisher.publish("kept/3", "three", 1)
    same(late.told(), ("kept/3", "three", 1, False))
    late.leave()


def wills_and_silence():
    watcher = Peer("watcher")
    watcher.subscribe(("will/+", 2))
    Peer("polite", will=("will/polite", "gone", 1)).leave()
    Peer("rude", will=("will/rude", "gone", 2)).vanish()
    same(watcher.told(), ("will/rude", "gone", 2, False))
    silent = Peer("silent", keepalive=1, will=("will/silent", "gone", 0), looked_after=False)
    same(watcher.told(), ("will/silent", "gone", 0, False))
    del silent
    watcher.leave()


def session(publisher):
    sleeper = Peer("sleeper", clean=False, manual=True)
    same(sleeper.flags.session_present, False)
    sleeper.subscribe(("t", 2))
    publisher.publish("t", "not acknowledged", 1)
    same(sleeper.told()[1], "not acknowledged")
    sleeper.vanish()
    publisher.publish("t", "not promised", 0)
    publisher.publish("t", "waiting", 2)
    sleeper = Peer("sleeper", clean=False)
    same(sleeper.flags.session_present, True)
    again = sleeper.messages.get(timeout=PATIENCE_S)
    same((again.payload, again.dup), (b"not acknowledged", True))
    same(sleeper.told(), ("t", "waiting", 2, False))
    sleeper.leave()
    same(Peer("sleeper", clean=True).flags.session_present, False)


def main():
    publisher = Peer("publisher")
    every_quality_of_service(publisher)
    many_messages(publisher)
    retained(publisher)
    wills_and_silence()
    session(publisher)
    publisher.leave()
    print("all as it should be")


main()
