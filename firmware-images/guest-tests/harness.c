#include "harness.h"

static uint32_t vectors[128] __attribute__((aligned(512)));
static unsigned failures;
static char log_[32];
static volatile unsigned logged;

static void semihost(uint32_t operation, const void *argument)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
}

void write_text(const char *text)
{
    semihost(4, text);
}

static char *put(char *to, const char *text)
{
    while (*text)
        *to++ = *text++;
    return to;
}

static char *put_hex(char *to, uint32_t value)
{
    for (int shift = 28; shift >= 0; shift -= 4)
        *to++ = "0123456789abcdef"[value >> shift & 15];
    return to;
}

void check(const char *name, uint32_t got, uint32_t want)
{
    char line[96];
    char *to = put(line, got == want ? "ok " : "FAIL ");
    to = put(to, name);
    if (got != want) {
        ++failures;
        to = put_hex(put(to, " got 0x"), got);
        to = put_hex(put(to, " want 0x"), want);
    }
    to = put(to, "\n");
    *to = 0;
    write_text(line);
}

void note(const char *name, uint32_t value)
{
    char line[96];
    char *to = put_hex(put(put(put(line, "note "), name), " 0x"), value);
    to = put(to, "\n");
    *to = 0;
    write_text(line);
}

void letter(char c)
{
    if (logged < sizeof log_ - 1)
        log_[logged++] = c;
}

void clear_letters(void)
{
    logged = 0;
}

void check_letters(const char *name, const char *want)
{
    char line[96];
    bool same = true;
    log_[logged] = 0;
    for (unsigned i = 0; i <= logged && same; ++i)
        same = log_[i] == want[i];
    char *to = put(put(line, same ? "ok " : "FAIL "), name);
    if (!same) {
        ++failures;
        to = put(put(put(put(to, " got "), log_), " want "), want);
    }
    to = put(to, "\n");
    *to = 0;
    write_text(line);
    clear_letters();
}

void set_vector(unsigned exception, void (*handler)(void))
{
    ((volatile uint32_t *)vectors)[exception] = (uint32_t)handler;
    BARRIER();
}

void start(void)
{
    for (unsigned i = 0; i < 97; ++i)
        vectors[i] = ((const volatile uint32_t *)0x08000000)[i];
    BARRIER();
    VTOR = (uint32_t)vectors;
    BARRIER();
}

/* SYS_EXIT: 0x20026 is a normal end, 0x20023 an error. */
void finish(void)
{
    write_text(failures ? "failed\n" : "passed\n");
    semihost(0x18, (const void *)(failures ? 0x20023u : 0x20026u));
    for (;;)
        ;
}

void unexpected(void)
{
    note("exception", READ(ipsr));
    note("cfsr", CFSR);
    check("unexpected_exception", 1, 0);
    finish();
}
