/* Catches faults, notes what the registers say, and goes on after the function that faulted. */
#ifndef GUEST_TEST_FAULT_CATCH_H
#define GUEST_TEST_FAULT_CATCH_H

#include "harness.h"

struct seen {
    uint32_t count, ipsr, cfsr, hfsr, bfar, mmfar, pc, exc_return;
};

extern volatile struct seen seen;
/* The EXC_RETURN to leave the handler with, when the one it got is no good. */
extern volatile uint32_t return_with;
/* A frame for the process stack, when that of the fault could not be written. */
extern struct frame *volatile good_frame;

void catch_faults(void);

/* Runs what must fault, with the configurable handlers on and then off. */
void expect(const char *name, void (*faulting)(void), uint32_t exception, uint32_t cfsr, uint32_t pc);
enum { ANY_PC = 1 };

/* `setup`, then `instruction` at the label NAME_at, which is known to C. */
#define FAULTING(name, setup, instruction)                                                                            \
    extern char name##_at[];                                                                                          \
    __attribute__((naked, noinline)) static void name(void)                                                           \
    {                                                                                                                 \
        __asm__ volatile(setup "\n .global " #name "_at\n " #name "_at:\n" instruction "\n bx lr\n .ltorg");          \
    }

/* How often and in which exception a fault was caught, as one number; and what once in `exception` gives. */
#define CAUGHT (seen.count << 16 | seen.ipsr)
#define ONCE(exception) (1u << 16 | (exception))

#endif
