#include "fault_catch.h"

volatile struct seen seen;
volatile uint32_t return_with;
struct frame *volatile good_frame;

/* Notes everything and goes on after the function that faulted. Gives back the EXC_RETURN to use. */
__attribute__((used)) static uint32_t fault_body(volatile struct frame *frame, uint32_t exc_return)
{
    ++seen.count;
    seen.ipsr = READ(ipsr);
    seen.cfsr = CFSR;
    seen.hfsr = HFSR;
    seen.bfar = BFAR;
    seen.mmfar = MMFAR;
    seen.exc_return = exc_return;
    CFSR = seen.cfsr;
    HFSR = seen.hfsr;
    WRITE(control, READ(control) & ~1u);
    if (good_frame) {
        WRITE(psp, good_frame);
        SHCSR &= ~(1u << 15);
        return 0xFFFFFFFD;
    }
    seen.pc = frame->pc;
    frame->pc = frame->lr & ~1u;
    /* IT state goes; the exception number stays where the return is to a handler. */
    frame->xpsr = (frame->xpsr & (exc_return == 0xFFFFFFF1 ? 0x3ff : 0x200)) | 0x01000000;
    return return_with ? return_with : exc_return;
}

__attribute__((naked)) static void fault_handler(void)
{
    __asm__ volatile("tst lr, #4\n ite eq\n mrseq r0, msp\n mrsne r0, psp\n mov r1, lr\n"
                     "push {r4, lr}\n bl fault_body\n pop {r4, lr}\n bx r0");
}

static void check_part(const char *name, const char *part, uint32_t got, uint32_t want)
{
    char joined[64];
    unsigned length = 0;
    while (*name && length < 40)
        joined[length++] = *name++;
    while (*part)
        joined[length++] = *part++;
    joined[length] = 0;
    check(joined, got, want);
}

/* Runs what must fault, with the configurable handlers on and then off. */
void expect(const char *name, void (*faulting)(void), uint32_t exception, uint32_t cfsr, uint32_t pc)
{
    seen.count = seen.ipsr = seen.cfsr = seen.hfsr = seen.pc = 0;
    SHCSR |= 0x70000;
    BARRIER();
    faulting();
    check_part(name, "_exception", CAUGHT, ONCE(exception));
    check_part(name, "_cfsr", seen.cfsr, cfsr);
    check_part(name, "_hfsr", seen.hfsr, 0);
    if (pc != ANY_PC)
        check_part(name, "_pc", seen.pc, pc & ~1u);

    seen.count = seen.ipsr = seen.cfsr = seen.hfsr = seen.pc = 0;
    SHCSR &= ~0x70000u;
    BARRIER();
    faulting();
    check_part(name, "_escalated_exception", CAUGHT, ONCE(HARD_FAULT));
    check_part(name, "_escalated_cfsr", seen.cfsr, cfsr);
    check_part(name, "_escalated_hfsr", seen.hfsr, 1u << 30);
}

void catch_faults(void)
{
    for (unsigned exception = HARD_FAULT; exception <= USAGE_FAULT; ++exception)
        set_vector(exception, fault_handler);
}
