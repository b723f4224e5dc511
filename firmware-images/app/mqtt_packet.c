#include "mqtt_packet.h"

void packet_begin(struct packet *packet, enum packet_type type, uint8_t flags)
{
    packet->bytes[0] = (uint8_t)(type << 4 | flags);
    packet->bytes[1] = 0;
    packet->length = 2;
    packet->overflow = false;
}

void packet_byte(struct packet *packet, uint8_t byte)
{
    if (packet->length < sizeof packet->bytes)
        packet->bytes[packet->length++] = byte;
    else
        packet->overflow = true;
}

void packet_word(struct packet *packet, uint16_t word)
{
    packet_byte(packet, (uint8_t)(word >> 8));
    packet_byte(packet, (uint8_t)word);
}

void packet_bytes(struct packet *packet, const char *bytes, uint32_t length)
{
    while (length--)
        packet_byte(packet, (uint8_t)*bytes++);
}

void packet_string(struct packet *packet, const char volatile *text)
{
    uint16_t length = 0;
    while (text[length])
        ++length;
    packet_word(packet, length);
    while (length--)
        packet_byte(packet, (uint8_t)*text++);
}

void packet_end(struct packet *packet)
{
    packet->bytes[1] = (uint8_t)(packet->length - 2);
}

void parser_reset(struct parser *parser)
{
    parser->state = TYPE;
}

enum parsed parser_take(struct parser *parser, uint8_t byte)
{
    switch (parser->state) {
    case TYPE:
        parser->type = byte >> 4;
        parser->flags = byte & 15;
        parser->shift = 0;
        parser->remaining = parser->length = 0;
        parser->state = LENGTH;
        return INCOMPLETE;
    case LENGTH:
        parser->remaining |= (uint32_t)(byte & 127) << parser->shift;
        parser->shift += 7;
        if (byte & 128)
            return parser->shift < 28 ? INCOMPLETE : MALFORMED;
        parser->state = parser->remaining ? BODY : TYPE;
        return parser->remaining ? INCOMPLETE : COMPLETE;
    case BODY:
        if (parser->length < sizeof parser->body)
            parser->body[parser->length++] = byte;
        if (--parser->remaining)
            return INCOMPLETE;
        parser->state = TYPE;
        return COMPLETE;
    }
    return MALFORMED;
}
