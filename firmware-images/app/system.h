/* What the application calls of the Electron's system firmware.
 *
 * System parts 1 and 2 (their module numbers up to 0.5.x) export tables of functions. A word at a fixed address points
 * to each table; the places and the order of the functions are the same from 0.5.2 on, tables only grow (their lengths
 * checked on the images of all versions of the catalogue). What a version may not have says so here.
 */
#ifndef LOCKSTEP_APP_SYSTEM_H
#define LOCKSTEP_APP_SYSTEM_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERVICE_TABLE(offset) (*(const uint32_t *const *)(0x0802019Cu + (offset)))
#define TABLE(offset) (*(const uint32_t *const *)(0x0804019Cu + (offset)))
#define SERVICE_EXPORT(offset, index, type) ((type)SERVICE_TABLE(offset)[index])
#define EXPORT(offset, index, type) ((type)TABLE(offset)[index])

/* Module version of the system part that has most tables: 17 in 0.5.2, 103 in 0.6.1, 1502 in 1.5.0. */
#define SYSTEM_VERSION (*(const volatile uint16_t *)(0x08040184u + 10))
#define SYSTEM_VERSION_0_6_1 103

#define protocol_instance SERVICE_EXPORT(0, 0, void *(*)(void))
#define protocol_set_property SERVICE_EXPORT(0, 22, int (*)(void *, unsigned property, unsigned value, void *, void *))

/* Until 0.5.x: pieces of text. */
#define log_set_output SERVICE_EXPORT(4, 12, void (*)(void (*)(const char *), int level))
/* From 0.6.1 on. */
#define log_set_callbacks SERVICE_EXPORT(4, 28, void (*)(log_message_fn *, log_write_fn *, log_enabled_fn *, void *))

#define hal_delay_ms EXPORT(0, 2, void (*)(uint32_t ms))
#define hal_millis EXPORT(0, 5, uint32_t (*)(void))

#define rt_malloc EXPORT(4, 0, void *(*)(size_t bytes))
#define rt_snprintf EXPORT(4, 7, int (*)(char *, size_t, const char *, ...))
#define rt_vsnprintf EXPORT(4, 9, int (*)(char *, size_t, const char *, va_list))

#define system_set_mode EXPORT(8, 1, void (*)(int mode))
#define system_delay_ms EXPORT(8, 5, void (*)(unsigned long ms, bool no_background))
#define system_subscribe_event EXPORT(8, 8, int (*)(uint64_t events, system_event_fn *, void *))
#define system_thread_set_state EXPORT(8, 11, void (*)(int state, void *reserved))
#define system_set_flag EXPORT(8, 14, int (*)(int flag, uint8_t value, void *reserved))
#define system_get_flag EXPORT(8, 15, int (*)(int flag, uint8_t *value, void *reserved))

#define hal_pin_mode EXPORT(20, 2, void (*)(uint16_t pin, int mode))
#define hal_gpio_write EXPORT(20, 4, void (*)(uint16_t pin, uint8_t level))

#define core_reset EXPORT(28, 5, void (*)(void))

#define socket_active_status EXPORT(32, 0, uint8_t (*)(uint32_t socket))
#define socket_valid EXPORT(32, 1, uint8_t (*)(uint32_t socket))
#define socket_create EXPORT(32, 2, uint32_t (*)(uint8_t family, uint8_t type, uint8_t protocol, uint16_t port, uint32_t))
#define socket_connect EXPORT(32, 3, int32_t (*)(uint32_t socket, const struct socket_address *, long length))
#define socket_receive EXPORT(32, 4, int32_t (*)(uint32_t socket, void *, uint32_t length, uint32_t timeout_ms))
#define socket_send EXPORT(32, 6, int32_t (*)(uint32_t socket, const void *, uint32_t length))
#define socket_close EXPORT(32, 8, int32_t (*)(uint32_t socket))
#define socket_invalid EXPORT(32, 12, uint32_t (*)(void))

#define hal_usart_init EXPORT(40, 6, void (*)(int serial, void *rx_ring, void *tx_ring))
#define hal_usart_begin EXPORT(40, 7, void (*)(int serial, uint32_t baud))
#define hal_usart_write EXPORT(40, 9, uint32_t (*)(int serial, uint8_t byte))

#define network_ready EXPORT(44, 4, bool (*)(uint32_t network, uint32_t, void *))

#define cloud_variable EXPORT(48, 0, bool (*)(const char *name, const void *, uint8_t type, void *))
/* With a null name the second argument is a descriptor. */
#define cloud_function EXPORT(48, 1, bool (*)(const char *name, const struct cloud_function_descriptor *, void *))
#define cloud_connected EXPORT(48, 5, bool (*)(void))
#define cloud_publish EXPORT(48, 8, bool (*)(const char *name, const char *data, int ttl_s, uint32_t flags, void *))
/* From 0.6.1 on. */
#define cloud_set_property EXPORT(48, 14, int (*)(unsigned property, unsigned value, const void *, void *))

#define thread_create EXPORT(52, 1, int (*)(void **, const char *name, uint8_t, void (*)(void *), void *, size_t stack))
#define mutex_create EXPORT(52, 12, int (*)(void **mutex))
#define mutex_lock EXPORT(52, 14, int (*)(void *mutex))
#define mutex_unlock EXPORT(52, 16, int (*)(void *mutex))

enum { PIN_OUTPUT = 1 };
enum { PIN_D7 = 7 };
enum { SERIAL1 = 0 };
enum { FEATURE_ENABLED = 1 };
enum { FLAG_UPDATE_PENDING = 0, FLAG_UPDATES_ENABLED = 1 };
enum { FAMILY_INET = 2, TYPE_STREAM = 1, PROTOCOL_TCP = 6 };
enum { SOCKET_ACTIVE = 0 };
enum { EVENT_FIRMWARE_UPDATE = 1 << 8 };
enum { UPDATE_FAILED = -1, UPDATE_BEGIN = 0, UPDATE_COMPLETE = 1 };
enum { VARIABLE_INT = 2 };
enum { PROPERTY_PING = 0, KEEPALIVE_BY_USER = 1 };
enum { EVENT_PRIVATE = 1, EVENT_NO_ACK = 2, EVENT_WITH_ACK = 8 };
enum { PRIORITY_DEFAULT = 2 };

typedef void system_event_fn(uint64_t event, int parameter, void *data);
typedef int cloud_function_fn(void *data, const char *argument, void *reserved);

struct cloud_function_descriptor {
    uint16_t size, padding;
    const char *name;
    cloud_function_fn *function;
    void *data;
};

struct socket_address {
    uint16_t family;
    uint8_t port_be[2], address[4], padding[8];
};

struct connection_property {
    uint16_t size;
    uint32_t keepalive_source;
};

/* The attributes of a log message, as far as they are used here. */
struct log_attributes {
    uint32_t size, flags;
    const char *file;
    int line;
    const char *function;
    uint32_t time_ms;
    int32_t code;
    const char *details;
};
enum { LOG_HAS_CODE = 1 << 4, LOG_HAS_DETAILS = 1 << 5 };

typedef void log_message_fn(const char *text, int level, const char *category, const struct log_attributes *, void *);
typedef void log_write_fn(const char *data, size_t length, int level, const char *category, void *);
typedef int log_enabled_fn(int level, const char *category, void *);

/* Room for one of the firmware's ring buffers (64 half-words, head, tail), whichever version lays it out. */
struct ring {
    uint32_t words[64];
};

#endif
