/* What the application has to do with the cloud: a function, a variable, events, and updates. */
#include "app.h"

enum { PENDING_PERIOD_MS = 1000, EVENT_TTL_S = 60 };

uint32_t messages_sent, event_taken_ms;
static uint32_t pending_ms, loop_event_ms, events;
static bool is_enrolled, holds_updates;

/* The cloud calls it: logs the argument, closes the connection for "close", answers with the version. */
static int call(void *data, const char *argument, void *reserved)
{
    (void)data, (void)reserved;
    log_line("called with %s", argument);
    const char *word = "close";
    while (*word && *word == *argument)
        ++word, ++argument;
    if (!*word && !*argument)
        session_close("asked for");
    return config.version;
}

bool cloud_update_pending(void)
{
    uint8_t pending = 0;
    system_get_flag(FLAG_UPDATE_PENDING, &pending, 0);
    return pending;
}

static void update_event(uint64_t event, int parameter, void *data)
{
    (void)event, (void)data;
    if (parameter == UPDATE_BEGIN) {
        log_line("firmware update begins");
        if (config.close_on_update)
            session_suspend();
        fault_moment(MOMENT_UPDATE);
    } else if (parameter == UPDATE_COMPLETE) {
        log_line("firmware update complete");
    } else if (parameter == UPDATE_FAILED) {
        log_line("firmware update failed");
        session_resume();
    }
}

static void set_keepalive(void)
{
    unsigned interval_ms = config.cloud_keepalive_s * 1000u;
    if (SYSTEM_VERSION < SYSTEM_VERSION_0_6_1) {
        protocol_set_property(protocol_instance(), PROPERTY_PING, interval_ms, 0, 0);
        return;
    }
    struct connection_property by_user = {sizeof by_user, KEEPALIVE_BY_USER};
    cloud_set_property(PROPERTY_PING, interval_ms, &by_user, 0);
}

/* With SYSTEM_THREAD these calls wait for the system's thread, which may be busy with connecting. */
static void enrol(void)
{
    static const struct cloud_function_descriptor function = {sizeof function, 0, "app", call, 0};
    is_enrolled = true;
    cloud_function(0, &function, 0);
    cloud_variable("sent", &messages_sent, VARIABLE_INT, 0);
    if (config.cloud_keepalive_s)
        set_keepalive();
    log_line("function and variable registered");
}

void cloud_setup(void)
{
    system_subscribe_event(EVENT_FIRMWARE_UPDATE, update_event, 0);
    holds_updates = config.hold_updates;
    if (holds_updates)
        system_set_flag(FLAG_UPDATES_ENABLED, 0, 0);
    if (config.register_in_setup)
        enrol();
}

static uint32_t publish_flags(enum publish how)
{
    /* Earlier firmware takes the flag for a part of the event's type. */
    if (how == PUBLISH_WITH_ACK && SYSTEM_VERSION >= SYSTEM_VERSION_0_6_1)
        return EVENT_PRIVATE | EVENT_WITH_ACK;
    return EVENT_PRIVATE | (how == PUBLISH_NO_ACK ? EVENT_NO_ACK : 0);
}

bool cloud_event(const char *name, const char *data, enum publish how)
{
    bool done = cloud_publish(name, data, EVENT_TTL_S, publish_flags(how), 0);
    if (done)
        event_taken_ms = hal_millis();
    return done;
}

/* Of the service the next try is wanted: it was told no. */
static void let_update_come(void)
{
    log_line("an update is pending");
    session_suspend();
    system_set_flag(FLAG_UPDATES_ENABLED, 1, 0);
    holds_updates = false;
}

void cloud_loop(void)
{
    if (holds_updates && cloud_update_pending())
        let_update_come();
    if (!is_enrolled && cloud_connected())
        enrol();
    if (config.log_pending && is_due(&pending_ms, PENDING_PERIOD_MS))
        log_line("updatesPending=%u", cloud_update_pending());
    if (config.loop_publish_ms && cloud_connected() && is_due(&loop_event_ms, config.loop_publish_ms)) {
        char data[12];
        rt_snprintf(data, sizeof data, "%lu", (unsigned long)++events);
        log_line("loop publishes %s", data);
        bool done = cloud_event("lockstep/loop", data, config.loop_publish);
        log_line("loop published %s: %u", data, done);
    }
}
