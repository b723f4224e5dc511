/* When the connection is made, lost and made again. */
#include "app.h"

static enum { WAITS_FOR_CLOUD, WAITS, CONNECTS, IS_OPEN, IS_SUSPENDED, STAYS_CLOSED } state;
static uint32_t since_ms, wait_ms;

static const struct protocol *protocol(void)
{
    return config.mode == MODE_MQTT ? &mqtt_protocol : &echo_protocol;
}

static void wait_for(uint32_t ms)
{
    state = WAITS;
    since_ms = hal_millis();
    wait_ms = ms;
}

static void connect(void)
{
    const volatile uint8_t *to = config.server_address;
    log_line("connecting to %u.%u.%u.%u:%u", to[0], to[1], to[2], to[3], config.server_port);
    if (tcp_connect()) {
        log_line("connected");
        state = IS_OPEN;
        protocol()->open();
        fault_moment(MOMENT_CONNECTION);
    } else {
        log_line("connection failed");
        session_close("not connected");
    }
}

void session_close(const char *why)
{
    if (state == IS_OPEN)
        log_line("closed: %s", why);
    tcp_stop();
    if (config.reconnect_ms)
        wait_for(config.reconnect_ms);
    else
        state = STAYS_CLOSED;
}

void session_suspend(void)
{
    if (state == IS_OPEN)
        log_line("closed: suspended");
    tcp_stop();
    state = IS_SUSPENDED;
}

void session_resume(void)
{
    if (state == IS_SUSPENDED)
        wait_for(config.reconnect_ms);
}

void session_loop(void)
{
    if (config.check_pending && cloud_update_pending())
        return;
    switch (state) {
    case WAITS_FOR_CLOUD:
        if (cloud_connected())
            wait_for(config.connect_delay_ms);
        break;
    case WAITS:
        if (hal_millis() - since_ms >= wait_ms)
            state = CONNECTS;
        break;
    case CONNECTS:
        connect();
        break;
    case IS_OPEN:
        if (!tcp_is_connected())
            session_close("by the peer or the network");
        else if (!protocol()->poll())
            session_close("given up");
        break;
    case IS_SUSPENDED:
    case STAYS_CLOSED:
        break;
    }
}
