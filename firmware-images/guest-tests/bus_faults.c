/* Bus faults and memory management faults, taken by their own handler and escalated. */
#include "fault_catch.h"

/* No memory there: past the SRAM of any STM32F2, and not a peripheral. */
#define NOWHERE 0x20080000u

FAULTING(bus_load, "ldr r1, =0x20080004", "ldr r0, [r1]")
FAULTING(bus_store, "ldr r1, =0x20080008", "str r0, [r1]")
FAULTING(bus_fetch, "ldr r1, =0x20080001", "bx r1")
FAULTING(execute_never, "ldr r1, =0x40000001", "bx r1")
FAULTING(unprivileged_scs, "ldr r1, =0xE000ED04\n mov r2, #1\n msr control, r2\n isb", "ldr r0, [r1]")

extern char stack_resume[];

__attribute__((naked, noinline)) static void stack_outside(void)
{
    __asm__ volatile("push {r4, lr}\n ldr r0, =0x2007FFF0\n msr psp, r0\n movs r0, #2\n msr control, r0\n isb\n"
                     "svc #0\n .global stack_resume\n stack_resume:\n"
                     "movs r0, #0\n msr control, r0\n isb\n pop {r4, pc}\n .ltorg");
}

static struct frame resume_frame __attribute__((aligned(8)));

static void stack_outside_memory(void)
{
    resume_frame = (struct frame){.pc = (uint32_t)stack_resume & ~1u, .xpsr = 0x01000000};
    good_frame = &resume_frame;
    stack_outside();
    good_frame = 0;
}

static void nothing(void)
{
}

static void memory_faults(void)
{
    expect("bus_load", bus_load, BUS_FAULT, 0x8200, (uint32_t)bus_load_at);
    check("bus_load_bfar", seen.bfar, NOWHERE + 4);
    /* A store is precise only when the write buffer is off (ACTLR.DISDEFWBUF). */
    REG(0xE000E008) |= 2;
    BARRIER();
    expect("bus_store", bus_store, BUS_FAULT, 0x8200, (uint32_t)bus_store_at);
    check("bus_store_bfar", seen.bfar, NOWHERE + 8);
    REG(0xE000E008) &= ~2u;
    expect("bus_fetch", bus_fetch, BUS_FAULT, 0x100, NOWHERE);
    expect("execute_never", execute_never, MEM_MANAGE, 1, 0x40000000);
    expect("unprivileged_scs", unprivileged_scs, BUS_FAULT, 0x8200, (uint32_t)unprivileged_scs_at);
    check("unprivileged_scs_bfar", seen.bfar, 0xE000ED04);
    expect("stack_outside_memory", stack_outside_memory, BUS_FAULT, 0x1000, ANY_PC);
}

int main(void)
{
    start();
    catch_faults();
    set_vector(SVCALL, nothing);
    memory_faults();
    finish();
}
