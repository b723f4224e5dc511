/* WFI, WFE, SEV, SEVONPEND and SLEEPONEXIT: what wakes the core and what does not. SysTick fires after 5,000 cycles,
 * TIM7 after about 20,000; CYCCNT says how long the sleep was. Not for QEMU, where WFE does not sleep. */
#include "harness.h"

#define SCR REG(0xE000ED10)
#define SLEEPONEXIT (1u << 1)
#define SEVONPEND (1u << 4)
#define DEMCR REG(0xE000EDFC)
#define DWT_CTRL REG(0xE0001000)
#define DWT_CYCCNT REG(0xE0001004)
#define RCC_APB1ENR REG(0x40023840)
#define TIM7(offset) REG(0x40001400 + (offset))
#define NVIC_ISER1 REG(0xE000E104)
#define NVIC_ICER1 REG(0xE000E184)
#define NVIC_ICPR1 REG(0xE000E284)
#define TIM7_BIT (1u << (55 - 32))

static void tick_handler(void)
{
    letter('s');
    SYST_CSR = 0;
}

static void timer_handler(void)
{
    letter('7');
    TIM7(0x10) = 0;
    NVIC_ICPR1 = TIM7_BIT;
}

static void arm_tick(void)
{
    SYST_CSR = 0;
    ICSR = ICSR_PENDSTCLR;
    SYST_RVR = 4999;
    SYST_CVR = 0;
    SYST_CSR = 7;
}

static void arm_timer(void)
{
    TIM7(0x2C) = 19999;
    TIM7(0x24) = 0;
    TIM7(0x10) = 0;
    TIM7(0x0C) = 1;
    TIM7(0x00) = 9; /* one pulse */
}

static void disarm(void)
{
    SYST_CSR = 0;
    TIM7(0x00) = 0;
    TIM7(0x0C) = 0;
    TIM7(0x10) = 0;
    ICSR = ICSR_PENDSTCLR;
    NVIC_ICPR1 = TIM7_BIT;
    BARRIER();
}

/* How long it slept, in units of 5,000 cycles, rounded. */
#define SLEPT(instruction)                                                                                            \
    ({                                                                                                                \
        uint32_t from_ = DWT_CYCCNT;                                                                                  \
        __asm__ volatile(instruction ::: "memory");                                                                   \
        (DWT_CYCCNT - from_ + 2500) / 5000;                                                                           \
    })

/* Entering and leaving a handler sets the event register; so does SEV. */
static void clear_event(void)
{
    __asm__ volatile("sev\n wfe" ::: "memory");
}

static void wfi(void)
{
    arm_tick();
    check("wfi_sleeps_until_an_interrupt", SLEPT("wfi"), 1);
    check_letters("wfi_wakes_into_the_handler", "s");

    arm_tick();
    arm_timer();
    WRITE(basepri, 0x80);
    check("wfi_is_not_woken_by_what_basepri_masks", SLEPT("wfi"), 4);
    check_letters("wfi_wakes_for_what_basepri_lets_through", "7");
    WRITE(basepri, 0);
    check_letters("what_basepri_masked_comes_after", "s");
    disarm();

    __asm__ volatile("cpsid i" ::: "memory");
    arm_tick();
    check("wfi_is_woken_by_what_primask_masks", SLEPT("wfi"), 1);
    check_letters("what_primask_masks_does_not_run", "");
    __asm__ volatile("cpsie i\n isb" ::: "memory");
    check_letters("what_primask_masked_comes_after", "s");
    disarm();
}

static void wfe(void)
{
    clear_event();
    arm_tick();
    check("wfe_sleeps_until_an_interrupt", SLEPT("wfe"), 1);
    check_letters("wfe_wakes_into_the_handler", "s");
    /* The handler's entry and return set the event register again. */
    arm_tick();
    check("an_exception_is_an_event", SLEPT("wfe"), 0);
    check("wfe_took_the_event", SLEPT("wfe"), 1);
    clear_letters();

    arm_tick();
    __asm__ volatile("sev" ::: "memory");
    check("wfe_after_sev_does_not_sleep", SLEPT("wfe"), 0);
    disarm();

    clear_event();
    arm_tick();
    arm_timer();
    WRITE(basepri, 0x80);
    check("wfe_is_not_woken_by_what_basepri_masks", SLEPT("wfe"), 4);
    WRITE(basepri, 0);
    check_letters("wfe_wakes_for_what_basepri_lets_through", "7s");
    disarm();
}

static void sev_on_pend(void)
{
    NVIC_ICER1 = TIM7_BIT;
    SCR = SEVONPEND;
    clear_event();
    arm_timer();
    check("sevonpend_wakes_for_a_disabled_interrupt", SLEPT("wfe"), 4);
    check_letters("a_disabled_interrupt_does_not_run", "");
    /* It is still pending: only becoming pending is an event. */
    arm_tick();
    check("sevonpend_wakes_once", SLEPT("wfe"), 1);
    clear_letters();
    disarm();

    clear_event();
    arm_tick();
    __asm__ volatile("cpsid i" ::: "memory");
    check("sevonpend_wakes_for_what_primask_masks", SLEPT("wfe"), 1);
    check_letters("and_it_does_not_run", "");
    disarm();
    __asm__ volatile("cpsie i" ::: "memory");
    SCR = 0;
    NVIC_ISER1 = TIM7_BIT;
}

static volatile uint32_t rounds;

static void last_tick_handler(void)
{
    letter('s');
    if (++rounds == 3) {
        SYST_CSR = 0;
        SCR = 0;
    }
}

static void sleep_on_exit(void)
{
    set_vector(SYSTICK, last_tick_handler);
    SCR = SLEEPONEXIT;
    arm_tick();
    check("sleeponexit_sleeps_between_interrupts", SLEPT("wfi"), 3);
    letter('t');
    check_letters("sleeponexit_keeps_thread_mode_out", "ssst");
}

int main(void)
{
    start();
    DEMCR |= 1u << 24;
    DWT_CTRL |= 1;
    RCC_APB1ENR |= 1u << 5;
    set_vector(SYSTICK, tick_handler);
    set_vector(IRQ0 + 55, timer_handler);
    SHPR(SYSTICK) = 0xC0;
    NVIC_IPR(55) = 0x40;
    NVIC_ISER1 = TIM7_BIT;
    wfi();
    wfe();
    sev_on_pend();
    sleep_on_exit();
    finish();
}
