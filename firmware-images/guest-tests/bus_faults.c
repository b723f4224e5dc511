/* Bus faults and memory management faults, taken by their own handler and escalated. */
#include "fault_catch.h"

/* No memory there: past the SRAM of any STM32F2, and not a peripheral. */
#define NOWHERE 0x20080000u

FAULTING(bus_load, "ldr r1, =0x20080004", "ldr r0, [r1]")
FAULTING(bus_store, "ldr r1, =0x20080008", "str r0, [r1]")
FAULTING(bus_fetch, "ldr r1, =0x20080001", "bx r1")
FAULTING(execute_never, "ldr r1, =0x40000001", "bx r1")
FAULTING(unprivileged_scs, "ldr r1, =0xE000ED04\n mov r2, #1\n msr control, r2\n isb", "ldr r0, [r1]")

FAULTING(unprivileged_stir, "ldr r1, =0xE000EF00\n mov r0, #60\n mov r2, #1\n msr control, r2\n isb", "str r0, [r1]")

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

/* The frame was written, but the handler moves the process stack to where none can be read. */
__attribute__((naked)) static void moves_the_stack_away(void)
{
    __asm__ volatile("ldr r0, =0x2007FFF0\n msr psp, r0\n bx lr\n .ltorg");
}

static uint64_t process_stack[32];

extern char unstack_resume[];

__attribute__((naked, noinline)) static void return_from_outside(void)
{
    __asm__ volatile("push {r4, lr}\n ldr r0, =process_stack+256\n msr psp, r0\n movs r0, #2\n msr control, r0\n isb\n"
                     "svc #0\n .global unstack_resume\n unstack_resume:\n"
                     "movs r0, #0\n msr control, r0\n isb\n pop {r4, pc}\n .ltorg" ::"i"(process_stack));
}

static void unstack_outside_memory(void)
{
    resume_frame = (struct frame){.pc = (uint32_t)unstack_resume & ~1u, .xpsr = 0x01000000};
    good_frame = &resume_frame;
    return_from_outside();
    good_frame = 0;
}

static void nothing(void)
{
}

/* Gives privilege back. */
static void privileged(void)
{
    WRITE(control, 0);
}

static void system_call(void)
{
    __asm__ volatile("svc #0" ::: "r0", "r1", "r2", "r3", "r12", "memory");
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
    expect("unprivileged_stir", unprivileged_stir, BUS_FAULT, 0x8200, (uint32_t)unprivileged_stir_at);
    check("unprivileged_stir_pends_nothing", REG(0xE000E204) >> 28 & 1, 0);
    seen.count = 0;
    CCR |= 2;
    set_vector(SVCALL, privileged);
    unprivileged_stir();
    system_call();
    set_vector(SVCALL, nothing);
    CCR &= ~2u;
    check("usersetmpend_lets_it", seen.count, 0);
    check("usersetmpend_pends", REG(0xE000E204) >> 28 & 1, 1);
    REG(0xE000E284) = 1u << 28;
    expect("stack_outside_memory", stack_outside_memory, BUS_FAULT, 0x1000, ANY_PC);
}

int main(void)
{
    start();
    catch_faults();
    set_vector(SVCALL, nothing);
    memory_faults();
    set_vector(SVCALL, moves_the_stack_away);
    expect("unstack_outside_memory", unstack_outside_memory, BUS_FAULT, 0x800, ANY_PC);
    finish();
}
