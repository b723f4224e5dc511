/* Packets of MQTT 3.1.1 (OASIS standard, chapters 2 and 3), as far as a client of this size needs them. */
#ifndef LOCKSTEP_APP_MQTT_PACKET_H
#define LOCKSTEP_APP_MQTT_PACKET_H

#include <stdbool.h>
#include <stdint.h>

enum packet_type {
    CONNECT = 1,
    CONNACK = 2,
    PUBLISH = 3,
    PUBACK = 4,
    SUBSCRIBE = 8,
    SUBACK = 9,
    PINGREQ = 12,
    PINGRESP = 13,
    DISCONNECT = 14,
};

/* Remaining length of what we send: one byte tells it (2.2.3). */
enum { BODY_LENGTH_MAX = 127 };

/* A packet to send. What does not fit is left out, and `overflow` says so. */
struct packet {
    uint8_t bytes[2 + BODY_LENGTH_MAX];
    uint8_t length;
    bool overflow;
};

void packet_begin(struct packet *, enum packet_type, uint8_t flags);
void packet_byte(struct packet *, uint8_t);
void packet_word(struct packet *, uint16_t);
void packet_bytes(struct packet *, const char *, uint32_t length);
/* With its length before it. */
void packet_string(struct packet *, const char volatile *);
void packet_end(struct packet *);

/* Takes packets from a stream, byte by byte. */
struct parser {
    enum { TYPE, LENGTH, BODY } state;
    uint8_t type, flags, shift;
    uint32_t remaining; /* bytes of the body to come */
    uint32_t length;    /* bytes of the body so far */
    uint8_t body[BODY_LENGTH_MAX];
};

enum parsed { INCOMPLETE, COMPLETE, MALFORMED };

void parser_reset(struct parser *);
/* Of a longer body only the beginning is kept. */
enum parsed parser_take(struct parser *, uint8_t byte);

#endif
