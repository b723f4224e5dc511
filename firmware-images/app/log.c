/* Lines on Serial1, in the form of the firmware's own log: milliseconds since start, category, level, text. */
#include "app.h"

/* What the firmware's own log has for a text. */
enum { TEXT_LENGTH = 160 };
enum { LEVEL_TRACE = 1, LEVEL_INFO = 30, LEVEL_WARN = 40, LEVEL_ERROR = 50, LEVEL_PANIC = 60 };

static struct ring rx_ring, tx_ring;
/* Threads write whole lines. */
static void *mutex;

static bool in_interrupt(void)
{
    uint32_t number;
    __asm__("mrs %0, ipsr" : "=r"(number));
    return number != 0;
}

static size_t text_length(const char *text)
{
    size_t length = 0;
    while (text[length])
        ++length;
    return length;
}

static void write(const char *text, size_t length)
{
    while (length--)
        hal_usart_write(SERIAL1, (uint8_t)*text++);
}

static void write_whole(const char *text, size_t length)
{
    if (in_interrupt())
        return;
    mutex_lock(mutex);
    write(text, length);
    mutex_unlock(mutex);
}

static void write_text(const char *text)
{
    write(text, text_length(text));
}

static const char *level_name(int level)
{
    return level < LEVEL_INFO    ? "TRACE"
           : level < LEVEL_WARN  ? "INFO"
           : level < LEVEL_ERROR ? "WARN"
           : level < LEVEL_PANIC ? "ERROR"
                                 : "PANIC";
}

/* Piece by piece, without a buffer: the firmware's threads have little stack left. */
static void put_line(uint32_t time_ms, const char *category, int level, const char *text)
{
    char digits[10];
    for (char *at = digits + sizeof digits; at > digits; time_ms /= 10)
        *--at = (char)('0' + time_ms % 10);
    if (in_interrupt())
        return;
    mutex_lock(mutex);
    write(digits, sizeof digits);
    write_text(" [");
    write_text(category ? category : "app");
    write_text("] ");
    write_text(level_name(level));
    write_text(": ");
    write_text(text);
    write_text("\r\n");
    mutex_unlock(mutex);
}

static void firmware_message(const char *text, int level, const char *category, const struct log_attributes *attributes,
                             void *reserved)
{
    (void)reserved;
    if (level >= config.system_log)
        put_line(attributes->time_ms, category, level, text);
}

static void firmware_write(const char *data, size_t length, int level, const char *category, void *reserved)
{
    (void)category, (void)reserved;
    if (level >= config.system_log)
        write_whole(data, length);
}

static int firmware_enabled(int level, const char *category, void *reserved)
{
    (void)category, (void)reserved;
    return level >= config.system_log;
}

static void firmware_text(const char *text)
{
    write_whole(text, text_length(text));
}

void log_open(void)
{
    hal_usart_init(SERIAL1, &rx_ring, &tx_ring);
    hal_usart_begin(SERIAL1, config.baud);
    mutex_create(&mutex);
    if (!config.system_log)
        return;
    if (SYSTEM_VERSION < SYSTEM_VERSION_0_6_1)
        log_set_output(firmware_text, config.system_log);
    else
        log_set_callbacks(firmware_message, firmware_write, firmware_enabled, 0);
}

static void put_formatted(const char *category, int level, const char *format, va_list arguments)
{
    char text[TEXT_LENGTH];
    rt_vsnprintf(text, sizeof text, format, arguments);
    put_line(hal_millis(), category, level, text);
}

void log_line(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    put_formatted("app", LEVEL_INFO, format, arguments);
    va_end(arguments);
}

void log_wiring(const char *format, ...)
{
    if (!config.log_tcp)
        return;
    va_list arguments;
    va_start(arguments, format);
    put_formatted("wiring", LEVEL_TRACE, format, arguments);
    va_end(arguments);
}

void log_text(const char *format, ...)
{
    char text[TEXT_LENGTH];
    va_list arguments;
    va_start(arguments, format);
    rt_vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    write_whole(text, text_length(text));
}
