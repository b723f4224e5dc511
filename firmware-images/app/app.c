/* An application for genuine Electron system firmware. What it does is chosen by `config`: it blinks D7 and writes a
 * line a period, or it holds a TCP connection (echo or MQTT); and it publishes events of the cloud. */
#include "app.h"

static const char *const MODES[] = {"blink", "echo", "mqtt"};
static uint32_t passes;
static uint32_t started_ms;

void pause_ms(uint32_t ms)
{
    system_delay_ms(ms, false);
}

bool is_due(uint32_t *last_ms, uint32_t period_ms)
{
    if (hal_millis() - *last_ms < period_ms)
        return false;
    *last_ms = hal_millis();
    return true;
}

/* Waits until a part of the present period has passed, so that the lines do not drift by the time they take. */
static void wait_until_ms(uint32_t after_start_ms)
{
    uint32_t left_ms = started_ms + after_start_ms - hal_millis();
    if ((int32_t)left_ms > 0)
        pause_ms(left_ms);
}

/* A watchdog outside of the chip is fed by edges. */
static void feed_watchdog(void)
{
    static uint8_t level;
    bool is_quiet = config.watchdog_quiet_s && hal_millis() - event_taken_ms > config.watchdog_quiet_s * 1000u;
    if (config.watchdog_pin != NO_PIN && !is_quiet)
        hal_gpio_write(config.watchdog_pin, level ^= 1);
}

static void spin(void)
{
    for (volatile uint32_t spins = config.busy_us * 10; spins; --spins)
        ;
}

static void blink_loop(void)
{
    uint32_t period_ms = config.period_ms;
    ++passes;
    hal_gpio_write(PIN_D7, 1);
    log_text("lockstep-app %u loop %lu millis %lu threaded %u\r\n", config.version, (unsigned long)passes,
             (unsigned long)hal_millis(), config.system_thread);
    spin();
    wait_until_ms(period_ms / 2);
    hal_gpio_write(PIN_D7, 0);
    wait_until_ms(period_ms);
    started_ms += period_ms;
    /* A pass that took longer than its period (the cloud connecting without SYSTEM_THREAD) is not made up for. */
    if (hal_millis() - started_ms >= period_ms)
        started_ms = hal_millis();
}

/* Runs before the system's threads start: the place of SYSTEM_THREAD and SYSTEM_MODE. */
void app_init(void)
{
    if (config.system_mode)
        system_set_mode(config.system_mode);
    if (config.system_thread)
        system_thread_set_state(FEATURE_ENABLED, 0);
    /* What the firmware logs while it starts would be lost otherwise. */
    if (config.system_log)
        log_open();
}

void app_setup(void)
{
    hal_pin_mode(PIN_D7, PIN_OUTPUT);
    if (config.watchdog_pin != NO_PIN)
        hal_pin_mode(config.watchdog_pin, PIN_OUTPUT);
    if (!config.system_log)
        log_open();
    log_line("lockstep-app %u starts, mode %s, threaded %u, system %u", config.version, MODES[config.mode],
             config.system_thread, SYSTEM_VERSION);
    cloud_setup();
    publisher_start();
    started_ms = hal_millis();
    fault_start();
}

void app_loop(void)
{
    feed_watchdog();
    fault_loop();
    cloud_loop();
    if (config.mode == MODE_BLINK)
        return blink_loop();
    session_loop();
    spin();
    if (config.poll_delay_ms)
        pause_ms(config.poll_delay_ms);
}
