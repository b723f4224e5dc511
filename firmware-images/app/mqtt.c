/* A client of MQTT 3.1.1: it publishes a counter each period, and logs what comes on the topic it subscribes to. A ping
 * is sent when nothing came in, or nothing went out, for the keepalive time; an answer that is late as long again ends
 * the connection. */
#include "app.h"
#include "mqtt_packet.h"

enum { PROTOCOL_LEVEL = 4, CLEAN_SESSION = 2, CONNACK_WAIT_MS = 10000 };

static struct parser parser;
static bool accepted, awaits_ping;
static uint16_t last_id;
static uint32_t opened_ms, published_ms, in_ms, out_ms;

static bool send(struct packet *packet)
{
    packet_end(packet);
    out_ms = hal_millis();
    return !packet->overflow && tcp_write(packet->bytes, packet->length);
}

static uint16_t next_id(void)
{
    if (++last_id == 0)
        last_id = 1;
    return last_id;
}

static void open(void)
{
    parser_reset(&parser);
    accepted = awaits_ping = false;
    opened_ms = in_ms = hal_millis();
    struct packet packet;
    packet_begin(&packet, CONNECT, 0);
    packet_string(&packet, "MQTT");
    packet_byte(&packet, PROTOCOL_LEVEL);
    packet_byte(&packet, CLEAN_SESSION);
    packet_word(&packet, config.mqtt_keepalive_s);
    packet_string(&packet, config.mqtt_client_id);
    log_line("mqtt connect%s", send(&packet) ? "" : " failed");
}

static bool subscribe(void)
{
    if (!config.mqtt_subscribe[0])
        return true;
    struct packet packet;
    /* Flags 2 are prescribed (3.8.1). */
    packet_begin(&packet, SUBSCRIBE, 2);
    packet_word(&packet, next_id());
    packet_string(&packet, config.mqtt_subscribe);
    packet_byte(&packet, config.mqtt_qos);
    log_line("mqtt subscribe");
    return send(&packet);
}

static bool publish(void)
{
    char text[12];
    int length = rt_snprintf(text, sizeof text, "%lu", (unsigned long)messages_sent);
    struct packet packet;
    packet_begin(&packet, PUBLISH, (uint8_t)(config.mqtt_qos << 1));
    packet_string(&packet, config.mqtt_topic);
    if (config.mqtt_qos)
        packet_word(&packet, next_id());
    packet_bytes(&packet, text, (uint32_t)length);
    log_line("mqtt publish %s", text);
    ++messages_sent;
    return send(&packet);
}

static bool acknowledge(uint16_t id)
{
    struct packet packet;
    packet_begin(&packet, PUBACK, 0);
    packet_word(&packet, id);
    return send(&packet);
}

static uint16_t word_at(uint32_t at)
{
    return at + 2 <= parser.length ? (uint16_t)(parser.body[at] << 8 | parser.body[at + 1]) : 0;
}

/* A message on our topic: logged as far as it was kept, acknowledged if its sender wants that. */
static bool message(void)
{
    uint8_t qos = parser.flags >> 1 & 3;
    uint32_t topic = word_at(0), payload = 2 + topic + (qos ? 2 : 0);
    if (payload > parser.length)
        return false;
    log_line("mqtt message %.*s: %.*s", (int)topic, (const char *)parser.body + 2, (int)(parser.length - payload),
             (const char *)parser.body + payload);
    return qos != 1 || acknowledge(word_at(2 + topic));
}

static bool received(void)
{
    switch (parser.type) {
    case CONNACK:
        log_line("mqtt connack %u", parser.length > 1 ? parser.body[1] : 255);
        accepted = parser.length > 1 && parser.body[1] == 0;
        published_ms = hal_millis();
        return accepted && subscribe();
    case PUBACK:
        log_line("mqtt puback %u", word_at(0));
        return true;
    case SUBACK:
        log_line("mqtt suback %u", parser.length > 2 ? parser.body[2] : 255);
        return true;
    case PINGRESP:
        log_line("mqtt pingresp");
        awaits_ping = false;
        return true;
    case PUBLISH:
        return message();
    default:
        return false;
    }
}

static bool read(void)
{
    while (tcp_available() > 0) {
        in_ms = hal_millis();
        enum parsed parsed = parser_take(&parser, (uint8_t)tcp_read());
        if (parsed == MALFORMED || (parsed == COMPLETE && !received())) {
            log_line("mqtt unexpected packet %u", parser.type);
            return false;
        }
        if (parsed == COMPLETE)
            return true;
    }
    return true;
}

static bool keep_alive(void)
{
    uint32_t now_ms = hal_millis(), limit_ms = config.mqtt_keepalive_s * 1000u;
    if (!limit_ms || (now_ms - in_ms < limit_ms && now_ms - out_ms < limit_ms))
        return true;
    if (awaits_ping) {
        log_line("mqtt no pingresp");
        return false;
    }
    struct packet packet;
    packet_begin(&packet, PINGREQ, 0);
    log_line("mqtt pingreq");
    awaits_ping = true;
    in_ms = now_ms;
    return send(&packet);
}

static bool poll(void)
{
    if (config.poll_available && !read())
        return false;
    if (!accepted) {
        bool in_time = hal_millis() - opened_ms < CONNACK_WAIT_MS;
        if (!in_time)
            log_line("mqtt no connack");
        return in_time;
    }
    if (is_due(&published_ms, config.send_ms) && !publish())
        return false;
    return keep_alive();
}

const struct protocol mqtt_protocol = {open, poll};
