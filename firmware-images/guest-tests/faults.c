/* Usage faults, taken by their own handler and escalated; and what goes to HardFault directly. */
#include "fault_catch.h"

FAULTING(undefined_16, "", "udf #0")
FAULTING(undefined_32, "", "udf.w #0")
FAULTING(invalid_state, "adr r0, 1f\n bx r0\n .align 2\n 1:", "nop")
FAULTING(no_coprocessor, "", "mrc p1, 0, r0, c0, c0, 0")
FAULTING(no_fpu, "", ".inst.w 0xee300a00")
FAULTING(unaligned_load, "ldr r1, =0x20008001", "ldr r0, [r1]")
FAULTING(unaligned_half, "ldr r1, =0x20008001", "ldrh r0, [r1]")
FAULTING(unaligned_multiple, "ldr r1, =0x20008002", "ldmia r1, {r0, r2}")
FAULTING(unaligned_double, "ldr r1, =0x20008002", "ldrd r0, r2, [r1]")
FAULTING(unaligned_exclusive, "ldr r1, =0x20008002", "ldrex r0, [r1]")
FAULTING(divide_by_zero, "mov r0, #5\n mov r1, #0", "udiv r0, r0, r1")
FAULTING(divide_by_zero_signed, "mov r0, #5\n mov r1, #0", "sdiv r0, r0, r1")
FAULTING(system_call, "", "svc #0")
FAULTING(breakpoint, "", "bkpt #1")

__attribute__((naked)) static void returns_badly(void)
{
    __asm__ volatile("ldr lr, =0xFFFFFFF3\n bx lr\n .ltorg");
}

__attribute__((naked)) static void returns_to_a_wrong_number(void)
{
    __asm__ volatile("ldr r0, [sp, #28]\n orr r0, #5\n str r0, [sp, #28]\n bx lr");
}

static void nothing(void)
{
}

static void without_traps(void)
{
    volatile uint32_t *words = (volatile uint32_t *)0x20008000;
    words[0] = 0x44332211;
    words[1] = 0x88776655;
    uint32_t value;
    __asm__ volatile("ldr %0, [%1]" : "=r"(value) : "r"(0x20008001));
    check("unaligned_load_without_trap", value, 0x55443322);
    __asm__ volatile("udiv %0, %1, %2" : "=r"(value) : "r"(5), "r"(0));
    check("divide_by_zero_without_trap", value, 0);
    check("no_fault_so_far", seen.count, 0);
}

static void usage_faults(void)
{
    expect("undefined_16", undefined_16, USAGE_FAULT, 1u << 16, (uint32_t)undefined_16_at);
    expect("undefined_32", undefined_32, USAGE_FAULT, 1u << 16, (uint32_t)undefined_32_at);
    expect("invalid_state", invalid_state, USAGE_FAULT, 1u << 17, (uint32_t)invalid_state_at);
    expect("no_coprocessor", no_coprocessor, USAGE_FAULT, 1u << 19, (uint32_t)no_coprocessor_at);
    expect("no_fpu", no_fpu, USAGE_FAULT, 1u << 19, (uint32_t)no_fpu_at);
    expect("unaligned_multiple", unaligned_multiple, USAGE_FAULT, 1u << 24, (uint32_t)unaligned_multiple_at);
    expect("unaligned_double", unaligned_double, USAGE_FAULT, 1u << 24, (uint32_t)unaligned_double_at);
    expect("unaligned_exclusive", unaligned_exclusive, USAGE_FAULT, 1u << 24, (uint32_t)unaligned_exclusive_at);
    CCR |= 1u << 3 | 1u << 4;
    BARRIER();
    expect("unaligned_load", unaligned_load, USAGE_FAULT, 1u << 24, (uint32_t)unaligned_load_at);
    expect("unaligned_half", unaligned_half, USAGE_FAULT, 1u << 24, (uint32_t)unaligned_half_at);
    expect("divide_by_zero", divide_by_zero, USAGE_FAULT, 1u << 25, (uint32_t)divide_by_zero_at);
    expect("divide_signed", divide_by_zero_signed, USAGE_FAULT, 1u << 25, (uint32_t)divide_by_zero_signed_at);
    CCR &= ~(1u << 3 | 1u << 4);
    BARRIER();

    return_with = 0xFFFFFFF9;
    set_vector(SVCALL, returns_badly);
    expect("invpc_exc_return", system_call, USAGE_FAULT, 1u << 18, ANY_PC);
    check("invpc_svc_not_active", SHCSR >> 7 & 1, 0);
    set_vector(SVCALL, returns_to_a_wrong_number);
    expect("invpc_wrong_ipsr", system_call, USAGE_FAULT, 1u << 18, ANY_PC);
    return_with = 0;
    set_vector(SVCALL, nothing);
}

static void svc_in_handler(void)
{
    system_call();
    /* No tail call: the fault's handler goes on at LR, which must not be EXC_RETURN. */
    BARRIER();
}

/* What goes to HardFault without being a configurable fault. */
static void hard_faults(void)
{
    seen.count = 0;
    __asm__ volatile("cpsid i" ::: "memory");
    system_call();
    __asm__ volatile("cpsie i" ::: "memory");
    check("svc_while_masked_exception", CAUGHT, ONCE(HARD_FAULT));
    check("svc_while_masked_hfsr", seen.hfsr, 1u << 30);
    check("svc_while_masked_cfsr", seen.cfsr, 0);

    seen.count = 0;
    SHPR(SVCALL) = 0x80;
    NVIC_IPR(10) = 0x80;
    set_vector(IRQ0 + 10, svc_in_handler);
    NVIC_ISER0 = 1u << 10;
    STIR = 10;
    BARRIER();
    check("svc_at_same_priority_exception", CAUGHT, ONCE(HARD_FAULT));
    check("svc_at_same_priority_exc_return", seen.exc_return, 0xFFFFFFF1);
    SHPR(SVCALL) = 0;

    seen.count = 0;
    SHCSR |= 0x70000;
    __asm__ volatile("cpsid i" ::: "memory");
    undefined_16();
    __asm__ volatile("cpsie i" ::: "memory");
    check("undefined_while_masked_exception", CAUGHT, ONCE(HARD_FAULT));
    check("undefined_while_masked_cfsr", seen.cfsr, 1u << 16);
    SHCSR &= ~0x70000u;

    seen.count = 0;
    breakpoint();
    check("breakpoint_exception", CAUGHT, ONCE(HARD_FAULT));
    check("breakpoint_hfsr", seen.hfsr, 1u << 31);
    check("breakpoint_pc", seen.pc, (uint32_t)breakpoint_at & ~1u);
}

int main(void)
{
    start();
    catch_faults();
    set_vector(SVCALL, nothing);
    without_traps();
    usage_faults();
    hard_faults();
    finish();
}
