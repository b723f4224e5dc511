/* The block in the image that a tool may edit: `lockstep_images::app_config` in Rust. Little-endian. */
#ifndef LOCKSTEP_APP_CONFIG_H
#define LOCKSTEP_APP_CONFIG_H

#include <stdint.h>

/* Distance from the start of the image; the linker script puts it there. */
#define CONFIG_OFFSET 0x40

struct app_config {
    char magic[8];         /* "LKSTAPP1" */
    uint16_t length;       /* bytes of this block */
    uint8_t system_thread; /* 1: SYSTEM_THREAD(ENABLED) */
    uint8_t system_mode;   /* 0: leave the default; 1 AUTOMATIC, 2 SEMI_AUTOMATIC, 3 MANUAL */
    uint32_t period_ms;    /* one blink of D7 and one line, at least 2 */
    uint32_t baud;         /* of Serial1 */
    uint32_t busy_us;      /* extra work in each pass of the loop, spent spinning; 0 none */
};

#endif
