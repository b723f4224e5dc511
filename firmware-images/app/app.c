/* An application for genuine Electron system firmware: blinks D7 and writes a line to Serial1 once a period. */
#include "config.h"
#include "system.h"

extern uint32_t data_load[], data_start[], data_end[], bss_start[], bss_end[], heap_start[], module_end[];

/* `volatile`: a tool edits it after the compiler has seen it. */
__attribute__((section(".config"), used)) static const volatile struct app_config config = {
    .magic = {'L', 'K', 'S', 'T', 'A', 'P', 'P', '1'},
    .length = sizeof(struct app_config),
    .system_thread = 1,
    .system_mode = 1,
    .period_ms = 1000,
    .baud = 115200,
    .busy_us = 0,
};

static uint32_t passes;
static uint32_t started_ms;
static struct ring rx_ring, tx_ring;

static void put_text(const char *text)
{
    while (*text)
        hal_usart_write(SERIAL1, (uint8_t)*text++);
}

static void put_number(uint32_t number)
{
    char digits[11];
    char *at = digits + sizeof digits - 1;
    *at = 0;
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    put_text(at);
}

/* Waits until a part of the present period has passed, so that the lines do not drift by the time they take. */
static void wait_until_ms(uint32_t after_start_ms)
{
    uint32_t left_ms = started_ms + after_start_ms - hal_millis();
    if ((int32_t)left_ms > 0)
        system_delay_ms(left_ms, false);
}

/* Fills .data, clears .bss, and tells the system where the heap may begin. */
static void *pre_init(void)
{
    uint32_t *from = data_load;
    for (uint32_t *to = data_start; to < data_end; ++to)
        *to = *from++;
    for (uint32_t *to = bss_start; to < bss_end; ++to)
        *to = 0;
    return heap_start;
}

/* Runs before the system's threads start: the place of SYSTEM_THREAD and SYSTEM_MODE. */
static void init(void)
{
    if (config.system_mode)
        system_set_mode(config.system_mode);
    if (config.system_thread)
        system_thread_set_state(FEATURE_ENABLED, 0);
}

static void setup(void)
{
    hal_pin_mode(PIN_D7, PIN_OUTPUT);
    hal_usart_init(SERIAL1, &rx_ring, &tx_ring);
    hal_usart_begin(SERIAL1, config.baud);
    started_ms = hal_millis();
}

static void loop(void)
{
    uint32_t period_ms = config.period_ms;
    ++passes;
    hal_gpio_write(PIN_D7, 1);
    put_text("lockstep-app 1 loop ");
    put_number(passes);
    put_text(" millis ");
    put_number(hal_millis());
    put_text(" threaded ");
    put_number(config.system_thread);
    put_text("\r\n");
    for (volatile uint32_t spins = config.busy_us * 10; spins; --spins)
        ;
    wait_until_ms(period_ms / 2);
    hal_gpio_write(PIN_D7, 0);
    wait_until_ms(period_ms);
    started_ms += period_ms;
    /* A pass that took longer than its period (the cloud connecting without SYSTEM_THREAD) is not made up for. */
    if (hal_millis() - started_ms >= period_ms)
        started_ms = hal_millis();
}

static void *const entry_points[] = {pre_init, init, setup, loop, 0};

struct module_info {
    const void *start;
    const void *end;
    uint8_t reserved, flags;
    uint16_t version, platform;
    uint8_t function, index;
    struct {
        uint8_t function, index;
        uint16_t version;
    } dependency[2];
    void *const *entry_points;
};

/* A user part (5) with index 1 for platform 10, the Electron, that needs system part (4) 2 of 0.5.2 (17) or later. */
__attribute__((section(".module_info"), used)) const struct module_info info = {
    .start = &info,
    .end = module_end,
    .version = 1,
    .platform = 10,
    .function = 5,
    .index = 1,
    .dependency = {{4, 2, 17}, {0, 0, 0}},
    .entry_points = entry_points,
};
