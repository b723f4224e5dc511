/* IT blocks and multiple loads interrupted at each instruction by a SysTick whose reload value is swept. */
#include "harness.h"

extern char it_begin[], it_end[], ldm_begin[], ldm_end[];

enum { HALFWORDS = 128, SWEEP = 600 };
static volatile uint8_t hit[HALFWORDS], it_seen[HALFWORDS];
static volatile uint32_t wrong_it, begin;
static uint8_t it_expected[HALFWORDS], starts[HALFWORDS];

__attribute__((used)) static void tick_body(const struct frame *frame)
{
    SYST_CSR = 0;
    uint32_t at = (frame->pc - begin) / 2;
    if (at < HALFWORDS) {
        hit[at] = 1;
        it_seen[at] = (uint8_t)((frame->xpsr >> 25 & 3) | (frame->xpsr >> 8 & 0xfc));
        wrong_it += it_seen[at] != it_expected[at];
    }
    /* The handler's own flags and IT state must not leak. */
    uint32_t scratch = 0;
    __asm__ volatile("cmp %0, #1\n ittt ne\n addne %0, #1\n addne %0, #1\n cmpne %0, %0" : "+r"(scratch)::"cc");
}

__attribute__((naked)) static void tick_handler(void)
{
    __asm__ volatile("mov r0, sp\n push {r4, lr}\n bl tick_body\n pop {r4, pc}");
}

/* Returns 38 whatever interrupts it. */
__attribute__((naked, noinline)) static uint32_t it_sequence(volatile uint32_t *scratch)
{
    __asm__ volatile("push {r4, lr}\n mov r2, r0\n movs r0, #0\n mov r3, r0\n"
                     "ldr r1, =0xE000E010\n movs r4, #7\n str r4, [r1]\n nop\n nop\n nop\n nop\n"
                     ".global it_begin, it_end\n it_begin:\n"
                     "cmp r0, #0\n ittee eq\n addeq r0, #1\n addeq.w r0, r0, #2\n addne r0, #64\n addne r0, #128\n"
                     "cmp r0, #3\n itete ne\n addne r0, #16\n addeq r0, #4\n addne.w r0, r0, #32\n addeq r0, #8\n"
                     "cmp r0, #100\n itttt lo\n addlo r0, #1\n addlo r0, #1\n addlo r0, #1\n addlo r0, #1\n"
                     "it hi\n addhi.w r0, r0, #4096\n"
                     "ittt ls\n strls r0, [r2]\n ldrls r3, [r2]\n addls r0, r0, r3\n"
                     "nop\n it_end:\n"
                     "movs r4, #0\n str r4, [r1]\n pop {r4, pc}\n .ltorg");
}

/* Copies eight words twice with base write-back and gives their sum. */
__attribute__((naked, noinline)) static uint32_t ldm_sequence(const uint32_t *from, uint32_t *to)
{
    __asm__ volatile("push {r4-r11, lr}\n ldr r2, =0xE000E010\n movs r3, #7\n str r3, [r2]\n nop\n nop\n nop\n nop\n"
                     ".global ldm_begin, ldm_end\n ldm_begin:\n"
                     "ldmia r0!, {r4-r11}\n stmia r1!, {r4-r11}\n push {r4-r11}\n ldmdb r1!, {r4-r11}\n"
                     "stmia r1!, {r4-r11}\n pop {r4-r11}\n nop\n ldm_end:\n"
                     "movs r3, #0\n str r3, [r2]\n subs r1, #32\n movs r0, #0\n movs r3, #8\n"
                     "1: ldr r4, [r1], #4\n add r0, r4\n subs r3, #1\n bne 1b\n pop {r4-r11, pc}\n .ltorg");
}

/* Works out from the code itself what IT state each instruction must be found with. */
static void decode(const char *from, const char *to)
{
    const uint16_t *code = (const uint16_t *)((uint32_t)from & ~1u);
    unsigned count = (unsigned)(to - from) / 2;
    uint8_t state = 0;
    begin = (uint32_t)code;
    for (unsigned i = 0; i < HALFWORDS; ++i)
        hit[i] = it_expected[i] = starts[i] = 0;
    for (unsigned i = 0; i < count; ++i) {
        starts[i] = 1;
        it_expected[i] = state;
        state = (state & 7) ? (uint8_t)((state & 0xe0) | (state << 1 & 0x1f)) : 0;
        if ((code[i] & 0xff00) == 0xbf00 && (code[i] & 0xf))
            state = (uint8_t)code[i];
        if (code[i] >= 0xe800)
            ++i;
    }
}

static void check_coverage(const char *name)
{
    uint32_t missed = 0;
    for (unsigned i = 0; i < HALFWORDS; ++i) {
        if (starts[i] && !hit[i]) {
            note("not interrupted at offset", 2 * i);
            ++missed;
        }
    }
    check(name, missed, 0);
}

static void arm(uint32_t reload)
{
    SYST_CSR = 0;
    ICSR = ICSR_PENDSTCLR;
    SYST_RVR = reload;
    SYST_CVR = 0;
    BARRIER();
}

int main(void)
{
    volatile uint32_t scratch;
    uint32_t wrong = 0;
    start();
    set_vector(SYSTICK, tick_handler);

    decode(it_begin, it_end);
    for (uint32_t reload = 1; reload <= SWEEP; ++reload) {
        arm(reload);
        wrong += it_sequence(&scratch) != 38;
    }
    check("it_blocks_interrupted_give_the_same_result", wrong, 0);
    check("it_state_in_the_frame", wrong_it, 0);
    check_coverage("it_blocks_interrupted_at_each_instruction");

    static const uint32_t from[8] = {1, 20, 300, 4000, 50000, 600000, 7000000, 80000000};
    static uint32_t to[8];
    decode(ldm_begin, ldm_end);
    wrong = 0;
    for (uint32_t reload = 1; reload <= SWEEP; ++reload) {
        arm(reload);
        wrong += ldm_sequence(from, to) != 87654321;
    }
    check("multiple_loads_interrupted_give_the_same_result", wrong, 0);
    check_coverage("multiple_loads_interrupted_at_each_instruction");
    finish();
}
