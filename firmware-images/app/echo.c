/* The application of the logs of real hardware: it sends one byte a period and logs each byte that comes
 * back, all there are in one pass. */
#include "app.h"

static uint8_t counter;
static uint32_t sent_ms;

static void open(void)
{
    counter = 0;
    sent_ms = hal_millis();
}

static bool poll(void)
{
    if (is_due(&sent_ms, config.send_ms)) {
        log_line("sending 0x%02x", counter);
        if (!tcp_write(&counter, 1))
            log_line("send failed");
        ++counter;
        ++messages_sent;
    }
    while (config.poll_available && tcp_available())
        log_line("got 0x%02x", tcp_read());
    return true;
}

const struct protocol echo_protocol = {open, poll};
