/* The block in the image that a tool may edit: `lockstep_images::app_config` in Rust says what each field takes.
 * Little-endian. */
#ifndef LOCKSTEP_APP_CONFIG_H
#define LOCKSTEP_APP_CONFIG_H

#include <stdint.h>

/* Distance from the start of the image; the linker script puts it there. */
#define CONFIG_OFFSET 0x40

enum mode { MODE_BLINK, MODE_ECHO, MODE_MQTT };
enum publish { PUBLISH_DEFAULT, PUBLISH_WITH_ACK, PUBLISH_NO_ACK };
/* What the application does wrong on purpose (fault.c). */
enum fault {
    FAULT_NONE,
    FAULT_WILD_POINTER,
    FAULT_NULL_WRITE,
    FAULT_DIVIDE_BY_ZERO,
    FAULT_STACK_OVERFLOW,
    FAULT_DEADLOCK,
    FAULT_STARVATION,
    FAULT_HEAP_EXHAUSTION,
    FAULT_WILD_JUMP,
    FAULT_UNALIGNED,
    FAULT_UNDEFINED,
    FAULT_BLOCK,
    FAULT_BUSY_WAIT,
    FAULT_RESET_LOOP,
};
enum moment { MOMENT_START, MOMENT_UPDATE, MOMENT_CONNECTION };
enum { NO_PIN = 255 };

struct app_config {
    char magic[8];         /* "LKSTAPP2" */
    uint16_t length;       /* bytes of this block */
    uint8_t system_thread; /* 1: SYSTEM_THREAD(ENABLED) */
    uint8_t system_mode;   /* 0: leave the default; 1 AUTOMATIC, 2 SEMI_AUTOMATIC, 3 MANUAL */
    uint32_t period_ms;    /* one blink of D7 and one line, at least 2 */
    uint32_t baud;         /* of Serial1 */
    uint32_t busy_us;      /* extra work in each pass of the loop, spent spinning; 0 none */

    uint16_t version;      /* printed at start */
    uint8_t mode;          /* enum mode */
    uint8_t system_log;    /* lowest level of the firmware's own log that goes to Serial1; 0: none */

    uint8_t server_address[4];
    uint16_t server_port;
    uint8_t poll_available;   /* 1: each pass asks whether data is there; 0: only whether the connection is */
    uint8_t close_on_update;  /* 1: the connection is closed when an update begins */
    uint32_t connect_delay_ms; /* cloud connected until the connection is made */
    uint32_t reconnect_ms;     /* connection lost until it is made again; 0: never */
    uint32_t send_ms;          /* between two messages */
    uint32_t poll_delay_ms;    /* delay() in each pass, outside of any socket call */

    uint16_t cloud_keepalive_s; /* Particle.keepAlive; 0: not called */
    uint16_t mqtt_keepalive_s;
    uint8_t mqtt_qos;         /* of what is published: 0 or 1 */
    uint8_t loop_publish;     /* enum publish */
    uint8_t thread_publish;   /* enum publish */
    uint8_t log_pending;      /* 1: a line with System.updatesPending() each second */
    uint32_t loop_publish_ms;   /* events published by loop(), one each; 0: none */
    uint32_t thread_publish_ms; /* the same, by a thread of its own */
    uint8_t register_in_setup; /* 1: function, variable and keepalive in setup(); 0: when the cloud is connected */
    uint8_t log_tcp;           /* 1: the traces of TCPClient, as in the log of hardware with SYSTEM_THREAD */
    uint8_t hold_updates;      /* 1: updates are refused until loop() has seen one pending and closed the connection */
    uint8_t watchdog_quiet_s;  /* no event taken by the cloud for so long: the watchdog is not fed; 0: always is */
    char mqtt_client_id[24];  /* text, NUL-terminated, as the topics */
    char mqtt_topic[32];      /* what is published to */
    char mqtt_subscribe[32];  /* subscribed to; empty: nothing is */

    uint8_t fault;          /* enum fault */
    uint8_t fault_on;       /* enum moment: from when on its time counts */
    uint8_t check_pending;  /* 1: no call of TCP while System.updatesPending() */
    uint8_t watchdog_pin;   /* toggled in each pass of the loop; NO_PIN: none */
    uint32_t fault_at_ms;   /* from that moment until the fault; 0: at the moment itself */
    uint32_t fault_for_ms;  /* how long FAULT_BLOCK and FAULT_BUSY_WAIT take */
};

extern const volatile struct app_config config;

#endif
