/* Where the system firmware enters: the module's header, its entry points, its settings. */
#include "app.h"

extern uint32_t data_load[], data_start[], data_end[], bss_start[], bss_end[], heap_start[], module_end[];

/* `volatile`: a tool edits it after the compiler has seen it. */
__attribute__((section(".config"), used)) const volatile struct app_config config = {
    .magic = {'L', 'K', 'S', 'T', 'A', 'P', 'P', '2'},
    .length = sizeof(struct app_config),
    .system_thread = 1,
    .system_mode = 1,
    .period_ms = 1000,
    .baud = 115200,
    .version = 1,
    .server_address = {192, 0, 2, 8},
    .server_port = 7123,
    .poll_available = 1,
    .reconnect_ms = 5000,
    .send_ms = 5000,
    .mqtt_keepalive_s = 20,
    .mqtt_client_id = "lockstep",
    .mqtt_topic = "lockstep/count",
    .watchdog_pin = NO_PIN,
    .fault_for_ms = 40000,
};

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

static void *const entry_points[] = {pre_init, app_init, app_setup, app_loop, 0};

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
