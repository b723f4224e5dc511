/* What the application's parts know of each other. */
#ifndef LOCKSTEP_APP_H
#define LOCKSTEP_APP_H

#include "config.h"
#include "system.h"

/* entry.c calls these as the firmware does. */
void app_init(void);
void app_setup(void);
void app_loop(void);

/* log.c: lines on Serial1, of the application and of the library it would link in; text as it is. */
void log_open(void);
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_wiring(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_text(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Waits without holding anything, as the firmware's delay() does. */
void pause_ms(uint32_t ms);
/* Whether `period_ms` have passed since `*last_ms`; if so it becomes now. */
bool is_due(uint32_t *last_ms, uint32_t period_ms);

/* tcp.c: one connection, with the calls and the buffer of the firmware's TCPClient. */
bool tcp_connect(void);
bool tcp_is_connected(void);
int tcp_available(void);
int tcp_read(void);
bool tcp_write(const void *data, uint32_t length);
void tcp_stop(void);

/* session.c: when the connection is made, lost and made again. */
void session_loop(void);
void session_close(const char *why);
/* Closed, and not made again until it is resumed. */
void session_suspend(void);
void session_resume(void);

/* What is spoken over it. `open` once it is there; `poll` each pass, false when it shall be given up. */
struct protocol {
    void (*open)(void);
    bool (*poll)(void);
};
extern const struct protocol echo_protocol, mqtt_protocol;

/* cloud.c: functions, variables, events, updates. */
extern uint32_t messages_sent;
/* When the cloud last took an event. */
extern uint32_t event_taken_ms;
void cloud_setup(void);
void cloud_loop(void);
/* System.updatesPending() */
bool cloud_update_pending(void);
/* Publishes an event and waits until it was taken, or was not. */
bool cloud_event(const char *name, const char *data, enum publish how);

/* publisher.c: a thread that publishes. */
void publisher_start(void);

/* fault.c: faults on purpose. */
void fault_start(void);
void fault_loop(void);
void fault_moment(enum moment moment);

#endif
