/* What the application calls of the Electron's system firmware.
 *
 * System part 2 exports tables of functions. A word at a fixed address points to each table; the places and the order
 * of the functions are the same from 0.5.2 on (checked on the images of 0.5.2, 1.5.0 and 2.2.0).
 */
#ifndef LOCKSTEP_APP_SYSTEM_H
#define LOCKSTEP_APP_SYSTEM_H

#include <stdbool.h>
#include <stdint.h>

#define TABLE(offset) (*(const uint32_t *const *)(0x0804019Cu + (offset)))
#define EXPORT(offset, index, type) ((type)TABLE(offset)[index])

#define hal_delay_ms EXPORT(0, 2, void (*)(uint32_t ms))
#define hal_millis EXPORT(0, 5, uint32_t (*)(void))

#define system_set_mode EXPORT(8, 1, void (*)(int mode))
#define system_delay_ms EXPORT(8, 5, void (*)(unsigned long ms, bool no_background))
#define system_thread_set_state EXPORT(8, 11, void (*)(int state, void *reserved))

#define hal_pin_mode EXPORT(20, 2, void (*)(uint16_t pin, int mode))
#define hal_gpio_write EXPORT(20, 4, void (*)(uint16_t pin, uint8_t level))

#define hal_usart_init EXPORT(40, 6, void (*)(int serial, void *rx_ring, void *tx_ring))
#define hal_usart_begin EXPORT(40, 7, void (*)(int serial, uint32_t baud))
#define hal_usart_write EXPORT(40, 9, uint32_t (*)(int serial, uint8_t byte))

enum { PIN_OUTPUT = 1 };
enum { PIN_D7 = 7 };
enum { SERIAL1 = 0 };
enum { FEATURE_ENABLED = 1 };

/* Room for one of the firmware's ring buffers (64 half-words, head, tail), whichever version lays it out. */
struct ring {
    uint32_t words[64];
};

#endif
