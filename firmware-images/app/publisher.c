/* A thread of the application's own that publishes events. */
#include "app.h"

enum { STACK_BYTES = 3072 };

static void run(void *data)
{
    (void)data;
    for (uint32_t events = 0;;) {
        hal_delay_ms(config.thread_publish_ms);
        if (!cloud_connected())
            continue;
        char text[12];
        rt_snprintf(text, sizeof text, "%lu", (unsigned long)++events);
        log_line("thread publishes %s", text);
        bool done = cloud_event("lockstep/thread", text, config.thread_publish);
        log_line("thread published %s: %u", text, done);
    }
}

void publisher_start(void)
{
    static void *thread;
    if (config.thread_publish_ms)
        thread_create(&thread, "publisher", PRIORITY_DEFAULT, run, 0, STACK_BYTES);
}
