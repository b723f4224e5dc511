/* Cycles of exception entry, return and tail-chaining, late arrival, and the cycle counter itself. Not for QEMU, which
 * has no cycle counter and takes exceptions in no time. */
#include "harness.h"

#define DEMCR REG(0xE000EDFC)
#define DWT_CTRL REG(0xE0001000)
#define DWT_CYCCNT REG(0xE0001004)
#define NVIC_ISPR0_ADDRESS "0xE000E200"
#define CYCCNT_ADDRESS "0xE0001004"

enum { A = 10, B = 11 };

/* r7 is CYCCNT's address in all of these; an exception leaves r4 to r11 alone. */
__attribute__((naked)) static void note_time_in_r4(void)
{
    __asm__ volatile("ldr r4, [r7]\n bx lr");
}

__attribute__((naked)) static void note_time_in_r8(void)
{
    __asm__ volatile("ldr r8, [r7]\n bx lr");
}

/* Makes interrupts pending and gives back the times before, in the first handler, in the second, and after. */
__attribute__((naked, noinline, aligned(128))) static void pend_and_note(uint32_t out[4], uint32_t irqs)
{
    __asm__ volatile("push {r4-r8, lr}\n ldr r7, =" CYCCNT_ADDRESS "\n ldr r2, =" NVIC_ISPR0_ADDRESS "\n"
                     "ldr r5, [r7]\n str r1, [r2]\n ldr r6, [r7]\n nop\n"
                     "str r5, [r0]\n str r4, [r0, #4]\n str r8, [r0, #8]\n str r6, [r0, #12]\n"
                     "pop {r4-r8, pc}\n .ltorg");
}

static void entry_and_return(void)
{
    uint32_t t[4];
    set_vector(IRQ0 + A, note_time_in_r4);
    set_vector(IRQ0 + B, note_time_in_r8);
    pend_and_note(t, 1u << A);
    /* LDR before an STR takes 2, STR 1. */
    check("entry_cycles", t[1] - t[0] - 3, 12);
    /* LDR 2, BX 3. */
    check("return_cycles", t[3] - t[1] - 5, 12);
    pend_and_note(t, 1u << A | 1u << B);
    check("tail_chain_cycles", t[2] - t[1] - 5, 6);
    check("return_after_tail_chain_cycles", t[3] - t[2] - 5, 12);
}

/* SysTick, more urgent, arrives at every cycle around the moment when A is taken. */
static volatile uint32_t tick_return, tick_frame_pc, tick_sp, a_sp, a_was_pending, a_has_run, tick_has_run;

__attribute__((used)) static void tick_body(const struct frame *frame, uint32_t exc_return)
{
    SYST_CSR = 0;
    tick_return = exc_return;
    tick_sp = (uint32_t)frame;
    tick_frame_pc = frame->pc;
    a_was_pending = NVIC_ISPR0 >> A & 1;
    tick_has_run = 1 + a_has_run;
}

__attribute__((naked)) static void tick_handler(void)
{
    __asm__ volatile("mov r0, sp\n mov r1, lr\n push {r4, lr}\n bl tick_body\n pop {r4, pc}");
}

__attribute__((used)) static void a_body(uint32_t sp)
{
    a_sp = sp;
    a_has_run = 1;
}

__attribute__((naked)) static void a_handler(void)
{
    __asm__ volatile("mov r0, sp\n push {r4, lr}\n bl a_body\n pop {r4, pc}");
}

extern char pend_at[];

__attribute__((naked, noinline, aligned(128))) static void tick_then_pend(uint32_t irqs)
{
    __asm__ volatile("ldr r1, =0xE000E010\n ldr r2, =" NVIC_ISPR0_ADDRESS "\n movs r3, #7\n str r3, [r1]\n"
                     "nop\n nop\n nop\n nop\n nop\n nop\n nop\n nop\n"
                     ".global pend_at\n pend_at:\n str r0, [r2]\n"
                     "nop\n nop\n nop\n nop\n nop\n nop\n nop\n nop\n bx lr\n .ltorg");
}

static void late_arrival(void)
{
    uint32_t before = 0, late = 0, nested = 0, after = 0, wrong = 0, frame = 0;
    set_vector(IRQ0 + A, a_handler);
    set_vector(SYSTICK, tick_handler);
    SHPR(SYSTICK) = 0x40;
    NVIC_IPR(A) = 0x80;
    for (uint32_t reload = 1; reload <= 120; ++reload) {
        a_has_run = tick_has_run = a_sp = 0;
        SYST_CSR = 0;
        ICSR = ICSR_PENDSTCLR;
        SYST_RVR = reload;
        SYST_CVR = 0;
        BARRIER();
        tick_then_pend(1u << A);
        while (!tick_has_run)
            ;
        if (tick_has_run == 1 && !a_was_pending && tick_return == 0xFFFFFFF9)
            ++before;
        else if (tick_has_run == 1 && a_was_pending && tick_return == 0xFFFFFFF9) {
            /* One frame for both, made for A: SysTick came while it was being pushed. */
            ++late;
            frame += tick_sp != a_sp || tick_frame_pc != ((uint32_t)pend_at & ~1u) + 2;
        } else if (tick_return == 0xFFFFFFF1)
            ++nested;
        else if (tick_has_run == 2 && tick_return == 0xFFFFFFF9)
            ++after;
        else
            ++wrong;
        wrong += !a_has_run;
    }
    note("late arrivals", late);
    check("late_arrival_before", before > 0, 1);
    check("late_arrival_within_stacking", late >= 10 && late <= 14, 1);
    check("late_arrival_shares_the_frame", frame, 0);
    check("late_arrival_nested", nested > 0, 1);
    check("late_arrival_after", after > 0, 1);
    check("late_arrival_nothing_else", wrong, 0);
}

static void counter(void)
{
    DWT_CTRL &= ~1u;
    uint32_t stopped = DWT_CYCCNT;
    check("cyccnt_stands_still_when_off", DWT_CYCCNT, stopped);
    DWT_CYCCNT = 0xFFFFFFF0;
    check("cyccnt_takes_a_value", DWT_CYCCNT, 0xFFFFFFF0);
    DWT_CTRL |= 1;
    __asm__ volatile("nop\n nop\n nop\n nop\n nop\n nop\n nop\n nop\n nop\n nop\n nop\n nop\n nop\n nop\n nop\n nop");
    check("cyccnt_wraps", DWT_CYCCNT < 0x100, 1);
    DEMCR &= ~(1u << 24);
    stopped = DWT_CYCCNT;
    check("cyccnt_needs_trcena", DWT_CYCCNT, stopped);
    DEMCR |= 1u << 24;
}

int main(void)
{
    start();
    DEMCR |= 1u << 24;
    DWT_CTRL |= 1;
    NVIC_ISER0 = 1u << A | 1u << B;
    entry_and_return();
    late_arrival();
    counter();
    finish();
}
