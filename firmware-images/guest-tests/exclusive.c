/* The exclusive monitor: LDREX and STREX across exceptions. */
#include "harness.h"

static volatile uint32_t word, handled;

static void count_handler(void)
{
    ++handled;
}

/* Leaves a reservation behind: the return from the exception must clear it. */
static void reserving_handler(void)
{
    uint32_t value;
    __asm__ volatile("ldrex %0, [%1]" : "=r"(value) : "r"(&word) : "memory");
}

#define EXCLUSIVE(load, between, store)                                                                               \
    ({                                                                                                                \
        uint32_t failed_, value_;                                                                                     \
        __asm__ volatile(load " %1, [%2]\n" between "\n" store " %0, %1, [%2]"                                        \
                         : "=&r"(failed_), "=&r"(value_)                                                              \
                         : "r"(&word)                                                                                 \
                         : "r0", "r1", "r2", "r3", "r12", "lr", "memory");                                            \
        failed_;                                                                                                      \
    })

static void add_one(volatile uint32_t *to)
{
    uint32_t value, failed;
    do {
        __asm__ volatile("ldrex %1, [%2]\n add %1, #1\n strex %0, %1, [%2]"
                         : "=&r"(failed), "=&r"(value)
                         : "r"(to)
                         : "memory");
    } while (failed);
}

static volatile uint32_t counter, ticks;

static void tick_handler(void)
{
    ++ticks;
    add_one(&counter);
    SYST_RVR = 20 + (ticks * 7) % 61;
}

int main(void)
{
    start();
    set_vector(SVCALL, count_handler);
    set_vector(IRQ0 + 10, count_handler);
    NVIC_ISER0 = 1u << 10;
    check("strex_after_ldrex_succeeds", EXCLUSIVE("ldrex", "nop", "strex"), 0);
    check("strexb_after_ldrexb_succeeds", EXCLUSIVE("ldrexb", "nop", "strexb"), 0);
    check("strexh_after_ldrexh_succeeds", EXCLUSIVE("ldrexh", "nop", "strexh"), 0);
    check("strex_after_clrex_fails", EXCLUSIVE("ldrex", "clrex", "strex"), 1);
    word = 5;
    uint32_t failed;
    __asm__ volatile("clrex\n strex %0, %1, [%2]" : "=&r"(failed) : "r"(9), "r"(&word) : "memory");
    check("strex_alone_fails", failed, 1);
    check("failed_strex_does_not_store", word, 5);
    check("strex_after_svc_fails", EXCLUSIVE("ldrex", "svc #0", "strex"), 1);
    check("strexb_after_svc_fails", EXCLUSIVE("ldrexb", "svc #0", "strexb"), 1);
    check("strex_after_interrupt_fails",
          EXCLUSIVE("ldrex", "ldr r0, =0xE000E200\n mov r1, #0x400\n str r1, [r0]\n dsb\n isb", "strex"), 1);
    check("handlers_ran", handled, 3);
    set_vector(SVCALL, reserving_handler);
    uint32_t value;
    __asm__ volatile("clrex\n svc #0\n movs %1, #1\n strex %0, %1, [%2]"
                     : "=&r"(failed), "=&r"(value)
                     : "r"(&word)
                     : "r0", "r1", "r2", "r3", "r12", "lr", "cc", "memory");
    check("reservation_of_a_handler_ends_with_it", failed, 1);

    set_vector(SYSTICK, tick_handler);
    SYST_RVR = 33;
    SYST_CVR = 0;
    SYST_CSR = 7;
    for (unsigned i = 0; i < 20000; ++i)
        add_one(&counter);
    SYST_CSR = 0;
    BARRIER();
    ICSR = ICSR_PENDSTCLR;
    check("interrupts_came_between", ticks > 0, 1);
    check("no_increment_lost", counter, 20000 + ticks);
    finish();
}
