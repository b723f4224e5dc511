/* Faults on purpose, one per image, off as built: what an oracle says of a faulty application is tried out with them
 * on genuine system firmware. Each is done once, at the moment that the settings name, by the thread that is there. */
#include "app.h"

enum { STACK_BYTES = 1024, BUSY_STACK_BYTES = 2048, LEVEL_MS = 10, MEET_MS = 50, LINE_MS = 10 };
/* Above the application's and the system's threads. */
enum { PRIORITY_BUSY = PRIORITY_DEFAULT + 1 };
/* Between the end of SRAM and its bit-band alias; nothing is there. */
#define NOWHERE ((volatile uint32_t *)0x20030000u)

static bool is_due_later, is_done;
static uint32_t since_ms, quotient;
static volatile uint32_t zero;
static struct {
    uint32_t words[4];
} *volatile nothing;
static void *first, *second;

static void start_thread(void (*run)(void *), uint8_t priority, size_t stack_bytes)
{
    static void *thread;
    thread_create(&thread, "fault", priority, run, 0, stack_bytes);
}

/* One level each 10 ms; the comparison only keeps the compiler from seeing that it never ends. */
static void __attribute__((noinline)) descend(uint32_t level)
{
    volatile uint32_t frame[16];
    frame[level % 16] = level;
    hal_delay_ms(LEVEL_MS);
    if (config.fault == FAULT_STACK_OVERFLOW)
        descend(level + 1);
    quotient += frame[level % 16];
}

static void run_down(void *data)
{
    (void)data;
    descend(0);
}

static void run_busy(void *data)
{
    (void)data;
    for (;;)
        ++zero;
}

static void lock_in_turn(void *outer, void *inner)
{
    mutex_lock(outer);
    hal_delay_ms(MEET_MS);
    mutex_lock(inner);
    mutex_unlock(inner);
    mutex_unlock(outer);
}

static void run_other_way(void *data)
{
    (void)data;
    lock_in_turn(second, first);
}

static void deadlock(void)
{
    mutex_create(&first);
    mutex_create(&second);
    start_thread(run_other_way, PRIORITY_DEFAULT, STACK_BYTES);
    lock_in_turn(first, second);
}

/* All of it, in pieces that get smaller. */
static void exhaust_heap(void)
{
    uint32_t taken = 0;
    for (size_t bytes = 4096; bytes >= 16; bytes /= 2)
        while (rt_malloc(bytes))
            taken += bytes;
    log_line("fault: the heap had %lu bytes", (unsigned long)taken);
}

/* A text that is too long runs over the pointer behind it. */
static void jump_wildly(void)
{
    static volatile struct {
        char text[8];
        void (*call)(void);
    } object = {"", fault_start};
    for (unsigned at = 0; at < sizeof object; ++at)
        ((volatile char *)&object)[at] = 'a';
    object.call();
}

static void load_unaligned(void)
{
    uint32_t words[3] = {0};
    __asm__ volatile("ldrd r2, r3, [%0]" : : "r"((const char *)words + 2) : "r2", "r3", "memory");
}

static void wait_busily(uint32_t ms)
{
    for (uint32_t from_ms = hal_millis(); hal_millis() - from_ms < ms;)
        ;
}

static void commit(void)
{
    is_done = true;
    log_line("fault %u", config.fault);
    /* What is still in the ring would not get out of a device that panics. */
    hal_delay_ms(LINE_MS);
    switch (config.fault) {
    case FAULT_WILD_POINTER:
        *NOWHERE = 1;
        break;
    case FAULT_NULL_WRITE:
        nothing->words[3] = 0;
        break;
    case FAULT_DIVIDE_BY_ZERO:
        quotient = since_ms / zero;
        break;
    case FAULT_STACK_OVERFLOW:
        start_thread(run_down, PRIORITY_DEFAULT, STACK_BYTES);
        break;
    case FAULT_DEADLOCK:
        deadlock();
        break;
    case FAULT_STARVATION:
        start_thread(run_busy, PRIORITY_BUSY, BUSY_STACK_BYTES);
        break;
    case FAULT_HEAP_EXHAUSTION:
        exhaust_heap();
        break;
    case FAULT_WILD_JUMP:
        jump_wildly();
        break;
    case FAULT_UNALIGNED:
        load_unaligned();
        break;
    case FAULT_UNDEFINED:
        __asm__ volatile("udf #0");
        break;
    case FAULT_BLOCK:
        system_delay_ms(config.fault_for_ms, true);
        break;
    case FAULT_BUSY_WAIT:
        wait_busily(config.fault_for_ms);
        break;
    case FAULT_RESET_LOOP:
        core_reset();
        break;
    }
    log_line("fault over");
}

void fault_moment(enum moment moment)
{
    if (!config.fault || config.fault_on != moment || is_done || is_due_later)
        return;
    if (!config.fault_at_ms)
        return commit();
    is_due_later = true;
    since_ms = hal_millis();
}

void fault_start(void)
{
    fault_moment(MOMENT_START);
}

void fault_loop(void)
{
    if (is_due_later && !is_done && hal_millis() - since_ms >= config.fault_at_ms)
        commit();
}
