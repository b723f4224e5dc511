/* Exception entry and return: frames, stacks, return to where it was. */
#include "harness.h"

static volatile struct frame *seen;
static volatile uint32_t seen_return, seen_ipsr, seen_icsr, seen_count;

/* Gives a C function the frame and EXC_RETURN, whichever stack the frame is on. */
#define FRAME_HANDLER(name, body)                                                                                     \
    __attribute__((used)) static void body(volatile struct frame *frame, uint32_t exc_return);                        \
    __attribute__((naked)) static void name(void)                                                                     \
    {                                                                                                                 \
        __asm__ volatile("tst lr, #4\n ite eq\n mrseq r0, msp\n mrsne r0, psp\n mov r1, lr\n"                         \
                         "push {r4, lr}\n bl " #body "\n pop {r4, pc}");                                              \
    }                                                                                                                 \
    static void body(volatile struct frame *frame, uint32_t exc_return)

FRAME_HANDLER(svc_handler, svc_body)
{
    seen = frame;
    seen_return = exc_return;
    seen_ipsr = READ(ipsr);
    seen_icsr = ICSR;
    ++seen_count;
    frame->r0 += 0x1000;
}

/* Loads known values, calls the system, and gives back {r0..r3, r12, lr, apsr, sp before, sp after}. */
__attribute__((naked, noinline)) static void svc_with_known_registers(uint32_t out[9])
{
    __asm__ volatile("push {r4-r7, lr}\n mov r4, r0\n"
                     "ldr r0, =0xA8000000\n msr apsr_nzcvq, r0\n" /* N, C, Q */
                     "ldr r0, =0x11110000\n ldr r1, =0x22221111\n ldr r2, =0x33332222\n ldr r3, =0x44443333\n"
                     "ldr r12, =0xCCCC1212\n ldr lr, =0xEEEE1414\n mov r5, sp\n"
                     ".global after_svc\n svc #7\n after_svc:\n"
                     "mov r6, sp\n stmia r4!, {r0-r3, r12}\n str lr, [r4], #4\n mrs r7, apsr\n"
                     "stmia r4!, {r5, r6}\n str r7, [r4]\n pop {r4-r7, pc}\n .ltorg");
}

extern char after_svc[];

static void frame_on_msp(void)
{
    uint32_t out[9];
    svc_with_known_registers(out);
    check("svc_ipsr", seen_ipsr, SVCALL);
    check("svc_vectactive", seen_icsr & 0x1ff, SVCALL);
    check("svc_rettobase", seen_icsr >> 11 & 1, 1);
    check("svc_exc_return_msp", seen_return, 0xFFFFFFF9);
    check("svc_stacked_r1", seen->r1, 0x22221111);
    check("svc_stacked_r2", seen->r2, 0x33332222);
    check("svc_stacked_r3", seen->r3, 0x44443333);
    check("svc_stacked_r12", seen->r12, 0xCCCC1212);
    check("svc_stacked_lr", seen->lr, 0xEEEE1414);
    check("svc_stacked_pc", seen->pc, (uint32_t)after_svc & ~1u);
    check("svc_stacked_xpsr", seen->xpsr & ~0x200u, 0xA9000000);
    check("svc_number_in_code", ((const uint8_t *)seen->pc)[-2], 7);
    check("svc_returned_r0", out[0], 0x11111000);
    check("svc_returned_r1", out[1], 0x22221111);
    check("svc_returned_r12", out[4], 0xCCCC1212);
    check("svc_returned_lr", out[5], 0xEEEE1414);
    check("svc_returned_sp", out[7], out[6]);
    check("svc_returned_flags", out[8], 0xA8000000);
    check("thread_ipsr", READ(ipsr), 0);
}

/* With SP at 4 modulo 8 and STKALIGN the frame is padded, xPSR bit 9 says so, and the return takes the pad away. */
__attribute__((naked, noinline)) static uint32_t svc_with_sp_at(uint32_t remainder)
{
    __asm__ volatile("push {r4, r5, r6, lr}\n mov r4, sp\n bic r5, r4, #7\n sub r5, #16\n add r5, r0\n mov sp, r5\n"
                     "svc #0\n mov r6, sp\n mov sp, r4\n subs r0, r6, r5\n pop {r4, r5, r6, pc}");
}

static void stack_alignment(void)
{
    CCR |= 1u << 9;
    BARRIER();
    check("stkalign_aligned_sp_restored", svc_with_sp_at(0), 0);
    check("stkalign_aligned_frame", (uint32_t)seen & 7, 0);
    check("stkalign_aligned_xpsr9", seen->xpsr >> 9 & 1, 0);
    check("stkalign_odd_sp_restored", svc_with_sp_at(4), 0);
    check("stkalign_odd_frame", (uint32_t)seen & 7, 0);
    check("stkalign_odd_xpsr9", seen->xpsr >> 9 & 1, 1);
    CCR &= ~(1u << 9);
    BARRIER();
    check("stkalign_off_sp_restored", svc_with_sp_at(4), 0);
    check("stkalign_off_frame", (uint32_t)seen & 7, 4);
    check("stkalign_off_xpsr9", seen->xpsr >> 9 & 1, 0);
    CCR |= 1u << 9;
    BARRIER();
}

static uint64_t thread_stack[2][64];

FRAME_HANDLER(privilege_handler, privilege_body)
{
    seen = frame;
    seen_return = exc_return;
    WRITE(control, READ(control) & ~1u);
}

/* Calls a function with this CONTROL on this process stack; the system call at its end gives privilege back. */
__attribute__((naked, noinline)) static void call_on_psp(void (*function)(void), uint32_t control, void *psp)
{
    __asm__ volatile("push {r4, lr}\n mov r4, r0\n msr psp, r2\n msr control, r1\n isb\n blx r4\n svc #1\n"
                     "movs r0, #0\n msr control, r0\n isb\n pop {r4, pc}");
}

static volatile uint32_t control_inside, primask_inside;

static void inside(void)
{
    /* PRIMASK and CONTROL may be written by privileged code only; a try by other code is ignored. */
    __asm__ volatile("cpsid i" ::: "memory");
    primask_inside = READ(primask);
    __asm__ volatile("cpsie i" ::: "memory");
    WRITE(control, READ(control) & ~1u);
    control_inside = READ(control);
}

static void on_process_stack(void)
{
    set_vector(SVCALL, privilege_handler);
    call_on_psp(inside, 2, &thread_stack[0][64]);
    check("psp_exc_return", seen_return, 0xFFFFFFFD);
    check("psp_frame", (uint32_t)seen >= (uint32_t)thread_stack && (uint32_t)seen < (uint32_t)thread_stack[1], 1);
    check("psp_control", control_inside, 2);
    check("privileged_code_masks", primask_inside, 1);
    call_on_psp(inside, 3, &thread_stack[0][64]);
    check("unprivileged_control_stays", control_inside, 3);
    check("unprivileged_code_cannot_mask", primask_inside, 0);
    check("msp_again", READ(control), 0);
}

/* Two threads on their own process stacks that PendSV exchanges. */
static volatile uint32_t next_psp;

__attribute__((naked)) static void switch_handler(void)
{
    __asm__ volatile("mrs r0, psp\n stmdb r0!, {r4-r11}\n ldr r1, =next_psp\n ldr r2, [r1]\n str r0, [r1]\n"
                     "ldmia r2!, {r4-r11}\n msr psp, r2\n bx lr\n .ltorg" ::"i"(&next_psp));
}

__attribute__((noreturn)) static void other_thread(void)
{
    for (;;) {
        letter('b');
        ICSR = ICSR_PENDSVSET;
        BARRIER();
    }
}

static void first_thread(void)
{
    for (int i = 0; i < 3; ++i) {
        letter('a');
        ICSR = ICSR_PENDSVSET;
        BARRIER();
    }
}

static void context_switch(void)
{
    uint32_t *top = (uint32_t *)&thread_stack[1][64] - 16;
    for (int i = 0; i < 16; ++i)
        top[i] = 0;
    top[14] = (uint32_t)other_thread & ~1u;
    top[15] = 0x01000000;
    next_psp = (uint32_t)top;
    set_vector(PENDSV, switch_handler);
    SHPR(PENDSV) = 0xF0;
    call_on_psp(first_thread, 2, &thread_stack[0][64]);
    check_letters("context_switch", "ababab");
}

int main(void)
{
    start();
    set_vector(SVCALL, svc_handler);
    frame_on_msp();
    stack_alignment();
    on_process_stack();
    context_switch();
    finish();
}
