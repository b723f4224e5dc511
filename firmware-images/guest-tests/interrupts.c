/* NVIC and SysTick: priorities, nesting, tail-chaining, masking. */
#include "harness.h"

enum { A = 10, B = 11, C = 12 };

static volatile uint32_t outer_return, inner_return, first_sp, second_sp, iabr, inner_frame_pc, repeats;
static void (*volatile in_a)(void);

static void pend(unsigned irq)
{
    NVIC_ISPR0 = 1u << irq;
    BARRIER();
}

__attribute__((used)) static void a_body(uint32_t exc_return, uint32_t sp)
{
    outer_return = exc_return;
    first_sp = sp;
    letter('a');
    if (in_a)
        in_a();
    letter('A');
}

__attribute__((used)) static void b_body(uint32_t exc_return, uint32_t sp)
{
    inner_return = exc_return;
    second_sp = sp;
    iabr = NVIC_IABR0;
    letter('b');
}

__attribute__((naked)) static void a_handler(void)
{
    __asm__ volatile("mov r0, lr\n mov r1, sp\n push {r4, lr}\n bl a_body\n pop {r4, pc}");
}

__attribute__((naked)) static void b_handler(void)
{
    __asm__ volatile("mov r0, lr\n mov r1, sp\n push {r4, lr}\n bl b_body\n pop {r4, pc}");
}

static void c_handler(void)
{
    letter('c');
}

static void pend_b(void)
{
    pend(B);
}

static void pend_self_once(void)
{
    if (repeats++ == 0)
        pend(A);
}

static void pend_b_and_c(void)
{
    NVIC_ISPR0 = 1u << B | 1u << C;
    BARRIER();
}

static void priorities(uint8_t a, uint8_t b, uint8_t c)
{
    NVIC_IPR(A) = a;
    NVIC_IPR(B) = b;
    NVIC_IPR(C) = c;
    BARRIER();
}

static void ordering(void)
{
    in_a = pend_b;
    priorities(0x80, 0x40, 0xC0);
    pend(A);
    letter('t');
    check_letters("nesting_higher_preempts", "abAt");
    check("nesting_outer_exc_return", outer_return, 0xFFFFFFF9);
    check("nesting_inner_exc_return", inner_return, 0xFFFFFFF1);
    check("nesting_both_active", iabr, 1u << A | 1u << B);
    check("nesting_none_active_after", NVIC_IABR0, 0);

    priorities(0x80, 0x80, 0xC0);
    pend(A);
    letter('t');
    check_letters("tail_chain_equal_priority", "aAbt");
    check("tail_chain_exc_return", inner_return, 0xFFFFFFF9);
    check("tail_chain_same_frame", second_sp, first_sp);
    check("tail_chain_one_active", iabr, 1u << B);

    in_a = pend_b_and_c;
    priorities(0x40, 0xC0, 0x80);
    pend(A);
    letter('t');
    check_letters("tail_chain_by_priority", "aAcbt");

    in_a = 0;
    __asm__ volatile("cpsid i" ::: "memory");
    priorities(0x80, 0x40, 0x40);
    NVIC_ISPR0 = 1u << A | 1u << B | 1u << C;
    BARRIER();
    check("vectpending_is_the_highest", ICSR >> 12 & 0x1ff, IRQ0 + B);
    check("isrpending", ICSR >> 22 & 1, 1);
    __asm__ volatile("cpsie i\n isb" ::: "memory");
    letter('t');
    check_letters("higher_priority_then_lower_number", "bcaAt");

    in_a = pend_self_once;
    pend(A);
    letter('t');
    check_letters("pended_while_active_runs_again", "aAaAt");
    in_a = 0;

    /* PRIGROUP 5: bits 7:6 preempt, the rest only orders. */
    AIRCR = 0x05FA0000 | 5 << 8;
    in_a = pend_b;
    priorities(0x90, 0x80, 0);
    pend(A);
    check_letters("subpriority_does_not_preempt", "aAb");
    priorities(0x90, 0x40, 0);
    pend(A);
    check_letters("group_priority_preempts", "abA");
    AIRCR = 0x05FA0000;
    BARRIER();
    in_a = 0;
    NVIC_IPR(A) = 0xFF;
    check("four_priority_bits", NVIC_IPR(A), 0xF0);
}

static void masking(void)
{
    priorities(0x80, 0x40, 0);
    __asm__ volatile("cpsid i" ::: "memory");
    pend(B);
    letter('t');
    check("primask_pending", NVIC_ISPR0 >> B & 1, 1);
    __asm__ volatile("cpsie i\n isb" ::: "memory");
    letter('u');
    check_letters("primask_holds_then_delivers", "tbu");

    __asm__ volatile("cpsid i" ::: "memory");
    pend(B);
    NVIC_ICPR0 = 1u << B;
    __asm__ volatile("cpsie i\n isb" ::: "memory");
    check_letters("pending_cleared_is_not_delivered", "");

    __asm__ volatile("cpsid i" ::: "memory");
    pend(B);
    __asm__ volatile("wfi" ::: "memory");
    letter('w');
    __asm__ volatile("cpsie i\n isb" ::: "memory");
    check_letters("wfi_wakes_although_masked", "wb");
    __asm__ volatile("sev\n wfe" ::: "memory");
    check("wfe_after_sev_returns", 1, 1);

    WRITE(basepri, 0x80);
    pend(A);
    letter('t');
    pend(B);
    letter('u');
    WRITE(basepri, 0);
    letter('v');
    check_letters("basepri_masks_equal_and_lower", "tbuaAv");
    WRITE(basepri, 0xFF);
    check("basepri_four_bits", READ(basepri), 0xF0);
    WRITE(basepri, 0x40);
    WRITE(basepri_max, 0x80);
    check("basepri_max_does_not_lower", READ(basepri), 0x40);
    WRITE(basepri_max, 0x20);
    check("basepri_max_raises", READ(basepri), 0x20);
    WRITE(basepri_max, 0);
    check("basepri_max_ignores_zero", READ(basepri), 0x20);
    WRITE(basepri, 0);

    __asm__ volatile("cpsid f" ::: "memory");
    pend(B);
    letter('t');
    ICSR = ICSR_NMIPENDSET;
    BARRIER();
    letter('u');
    __asm__ volatile("cpsie f\n isb" ::: "memory");
    check_letters("faultmask_holds_all_but_nmi", "tnub");

    NVIC_ICER0 = 1u << B;
    BARRIER();
    pend(B);
    letter('t');
    NVIC_ISER0 = 1u << B;
    BARRIER();
    check_letters("disabled_stays_pending_until_enabled", "tb");
    STIR = B;
    BARRIER();
    check_letters("stir_pends", "b");
}

static void nmi_handler(void)
{
    letter('n');
}

static volatile uint32_t mask_in_nmi;

static void unmasking_nmi_handler(void)
{
    mask_in_nmi = READ(faultmask);
}

static void faultmask_return(void)
{
    set_vector(NMI, unmasking_nmi_handler);
    __asm__ volatile("cpsid f" ::: "memory");
    ICSR = ICSR_NMIPENDSET;
    BARRIER();
    check("nmi_sees_faultmask", mask_in_nmi, 1);
    check("return_from_nmi_keeps_faultmask", READ(faultmask), 1);
    __asm__ volatile("cpsie f\n isb" ::: "memory");
}

static volatile uint32_t ticks;

static void tick_handler(void)
{
    ++ticks;
    letter('s');
}

static void pendsv_handler(void)
{
    letter('p');
}

static void pend_pendsv_and_tick(void)
{
    ICSR = ICSR_PENDSVSET;
    ICSR = ICSR_PENDSTSET;
    BARRIER();
    letter('x');
}

static void system_exceptions(void)
{
    set_vector(SYSTICK, tick_handler);
    set_vector(PENDSV, pendsv_handler);
    SHPR(SYSTICK) = 0xE0;
    SHPR(PENDSV) = 0xF0;
    in_a = pend_pendsv_and_tick;
    priorities(0x80, 0x40, 0);
    pend(A);
    letter('t');
    check_letters("pendsv_runs_last", "axAspt");
    in_a = 0;
    __asm__ volatile("cpsid i" ::: "memory");
    ICSR = ICSR_PENDSTSET;
    ICSR = ICSR_PENDSTCLR;
    __asm__ volatile("cpsie i\n isb" ::: "memory");
    check_letters("pendstclr", "");

    ticks = 0;
    SYST_RVR = 5000;
    SYST_CVR = 123;
    check("systick_any_write_clears", SYST_CVR, 0);
    SYST_CSR = 7;
    while (ticks < 5)
        ;
    SYST_CSR = 0;
    clear_letters();
    check("systick_ticks", ticks >= 5, 1);
    SYST_CVR = 0;
    SYST_CSR = 5;
    while (!(SYST_CSR & 1u << 16))
        ;
    uint32_t value = SYST_CVR;
    check("systick_counts_below_reload", value <= 5000, 1);
    SYST_CSR = 0;
    check_letters("systick_without_tickint_only_counts", "");
    uint32_t csr = SYST_CSR;
    check("systick_countflag_cleared_by_read", csr >> 16 & 1, 0);
}

int main(void)
{
    start();
    set_vector(IRQ0 + A, a_handler);
    set_vector(IRQ0 + B, b_handler);
    set_vector(IRQ0 + C, c_handler);
    set_vector(NMI, nmi_handler);
    NVIC_ISER0 = 1u << A | 1u << B | 1u << C;
    ordering();
    masking();
    faultmask_return();
    system_exceptions();
    finish();
}
