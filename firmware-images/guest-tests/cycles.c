/* How many cycles instruction sequences take, by CYCCNT, beside what ARM documents for the Cortex-M3 (DDI 0337I 3.3).
 * One line for each: `cycles SEQUENCE | DOCUMENTED | LOW | HIGH | MEASURED`. The host compares. */
#include "harness.h"

#define DEMCR REG(0xE000EDFC)
#define DWT_CTRL REG(0xE0001000)

static uint32_t scratch[64] __attribute__((aligned(256)));

/* Reads of CYCCNT around `body`, each next to a NOP so that nothing pipelines across; r0 and r1 point to scratch memory,
 * r2 is 8, r3 is 3, and r4 to r6 are free. What an empty body takes is subtracted. 128 bytes each: the cost of an
 * instruction looks at the next one, and the translator cannot look beyond 1 KB. */
#define MEASURED(setup, body)                                                                                         \
    __asm__ volatile("push {r4-r11, lr}\n mov r1, r0\n movs r2, #8\n movs r3, #3\n ldr r7, =0xE0001004\n" setup       \
                     "\n ldr r8, [r7]\n nop\n" body "\n nop\n ldr r9, [r7]\n sub r0, r9, r8\n subs r0, #4\n"          \
                     "pop {r4-r11, pc}\n .ltorg")

#define SEQUENCES(ROW)                                                                                                \
    ROW(nothing, "(nothing)", "0", 0, 0, "", "")                                                                      \
    ROW(add, "ADD r4,r2,r3", "1", 1, 1, "", "adds r4, r2, r3")                                                        \
    ROW(add_w, "ADD.W; ADD.W", "2", 2, 2, "", "add.w r10, r2, #0x100\n add.w r10, r2, #0x100")            \
    ROW(mov, "MOV r4,r2", "1", 1, 1, "", "mov r4, r2")                                                                \
    ROW(movw, "MOVW; MOVT", "2", 2, 2, "", "movw r4, #0x1234\n movt r4, #0x5678")                                     \
    ROW(cmp, "CMP r2,#8", "1", 1, 1, "", "cmp r2, #8")                                                                \
    ROW(lsl, "LSL r4,r2,r3", "1", 1, 1, "", "lsl.w r4, r2, r3")                                                       \
    ROW(uxtb, "UXTB; SXTH; REV; CLZ", "4", 4, 4, "", "uxtb r4, r2\n sxth r4, r2\n rev r4, r2\n clz r4, r2")           \
    ROW(bfi, "BFI; UBFX; SSAT; RBIT", "4", 4, 4, "",                                                                  \
        "bfi r4, r2, #3, #5\n ubfx r5, r2, #1, #7\n ssat r6, #5, r2\n rbit r4, r2")                                   \
    ROW(nop, "NOP", "1", 1, 1, "", "nop")                                                                             \
    ROW(mul, "MUL", "1", 1, 1, "", "mul r4, r2, r3")                                                                  \
    ROW(muls, "MULS (16-bit)", "1", 1, 1, "movs r4, #5", "muls r4, r2, r4")                                           \
    ROW(mla, "MLA", "2", 2, 2, "", "mla r4, r2, r3, r2")                                                              \
    ROW(mls, "MLS", "2", 2, 2, "", "mls r4, r2, r3, r2")                                                              \
    ROW(umull, "UMULL", "3 to 5", 3, 5, "", "umull r4, r5, r2, r3")                                                   \
    ROW(smull, "SMULL", "3 to 5", 3, 5, "", "smull r4, r5, r2, r3")                                                   \
    ROW(umlal, "UMLAL", "4 to 7", 4, 7, "", "umlal r4, r5, r2, r3")                                                   \
    ROW(smlal, "SMLAL", "4 to 7", 4, 7, "", "smlal r4, r5, r2, r3")                                                   \
    ROW(udiv_small, "UDIV 8/3", "2 to 12", 2, 12, "", "udiv r4, r2, r3")                                              \
    ROW(udiv_less, "UDIV 3/8", "2 to 12", 2, 12, "", "udiv r4, r3, r2")                                               \
    ROW(udiv_zero, "UDIV 8/0", "2 to 12", 2, 12, "movs r4, #0", "udiv r4, r2, r4")                                    \
    ROW(udiv_long, "UDIV 0xFFFFFFFF/1", "2 to 12", 2, 12, "mov r4, #-1\n movs r5, #1", "udiv r4, r4, r5")             \
    ROW(sdiv, "SDIV -1000/7", "2 to 12", 2, 12, "ldr r4, =-1000\n movs r5, #7", "sdiv r4, r4, r5")                    \
    ROW(ldr, "LDR r4,[r0]", "2", 2, 2, "", "ldr r4, [r0]")                                                            \
    ROW(ldrb, "LDRB r4,[r0,#1]", "2", 2, 2, "", "ldrb r4, [r0, #1]")                                                  \
    ROW(ldrsh, "LDRSH r4,[r0,r2]", "2", 2, 2, "", "ldrsh r4, [r0, r2]")                                               \
    ROW(ldr_w, "LDR.W r10,[r0,#64]", "2", 2, 2, "", "ldr.w r10, [r0, #64]")                                           \
    ROW(ldr_reg, "LDR.W r10,[r0,r2,LSL #2]", "2", 2, 2, "", "ldr.w r10, [r0, r2, lsl #2]")                            \
    ROW(ldr_post, "LDR r4,[r1],#4", "2", 2, 2, "", "ldr r4, [r1], #4")                                                \
    ROW(ldr_literal, "LDR r4,[pc,#imm]", "2 or 3", 2, 3, "", "ldr r4, =0x12345678")                                   \
    ROW(ldrd, "LDRD", "3", 3, 3, "", "ldrd r4, r5, [r0]")                                                             \
    ROW(str, "STR r2,[r0,#4]", "1", 1, 1, "", "str r2, [r0, #4]")                                                     \
    ROW(strb_w, "STRB.W r2,[r0,#100]", "1", 1, 1, "", "strb.w r2, [r0, #100]")                                        \
    ROW(str_reg, "STR r2,[r0,r2]", "2", 2, 2, "", "str r2, [r0, r2]")                                                 \
    ROW(strd, "STRD", "3", 3, 3, "", "strd r2, r3, [r0]")                                                             \
    ROW(ldm_1, "LDM of 2", "1 + N = 3", 3, 3, "", "ldmia r1!, {r4, r5}")                                              \
    ROW(ldm_8, "LDM.W of 6", "1 + N = 7", 7, 7, "", "ldmia r0, {r4, r5, r6, r9, r10, r11}")                           \
    ROW(stm_3, "STM of 3", "1 + N = 4", 4, 4, "", "stmia r1!, {r2, r3, r7}")                                          \
    ROW(push_pop, "PUSH of 4; POP of 4", "2 (1 + N) = 10", 10, 10, "", "push {r2-r5}\n pop {r2-r5}")                  \
    ROW(ldr_ldr, "LDR r4,[r0]; LDR r5,[r1]", "3", 3, 3, "", "ldr r4, [r0]\n ldr r5, [r1]")                            \
    ROW(ldr_str, "LDR r4,[r0,r2]; STR r4,[r1,#20]", "3", 3, 3, "", "ldr r4, [r0, r2]\n str r4, [r1, #20]")            \
    ROW(ldr_str_reg, "LDR r4,[r0,r2]; STR r5,[r1,r2]", "3", 3, 3, "", "ldr r4, [r0, r2]\n str r5, [r1, r2]")          \
    ROW(three_ldr, "LDR r4,[r0,r2]; LDR r5,[r1]; LDR r6,[r1,#4]", "4", 4, 4, "",                                      \
        "ldr r4, [r0, r2]\n ldr r5, [r1]\n ldr r6, [r1, #4]")                                                         \
    ROW(ldr_dependent, "LDR r4,[r5]; LDR r6,[r4] (address just loaded)", "4", 4, 4,                                   \
        "mov r5, r0\n str r0, [r0]", "ldr r4, [r5]\n ldr r6, [r4]")                                                   \
    ROW(ldr_ldr_w, "LDR.W r10,[r0]; LDR r5,[r1]", "3", 3, 3, "", "ldr.w r10, [r0]\n ldr r5, [r1]")                    \
    ROW(str_ldr, "STR r2,[r0]; LDR r4,[r1]", "3", 3, 3, "", "str r2, [r0]\n ldr r4, [r1]")                            \
    ROW(str_reg_ldr, "STR r2,[r0,r2]; LDR r4,[r1]", "4", 4, 4, "", "str r2, [r0, r2]\n ldr r4, [r1]")                 \
    ROW(str_str, "STR; STR (immediate offsets)", "2", 2, 2, "", "str r2, [r0]\n str r3, [r0, #4]")                    \
    ROW(add_ldr, "ADD r4,r0,#4; LDR r5,[r4] (address just computed)", "1 + 1 + 2", 4, 4, "",                          \
        "adds r4, r0, #4\n ldr r5, [r4]")                                                                             \
    ROW(add_nop_ldr, "ADD r4,r0,#4; NOP; LDR r5,[r4]", "4", 4, 4, "", "adds r4, r0, #4\n nop\n ldr r5, [r4]")         \
    ROW(add_str, "ADD.W r10,r0,#4; STR.W r2,[r10]", "1 + 1 + 1", 3, 3, "", "add.w r10, r0, #4\n str.w r2, [r10]")     \
    ROW(ldrex, "LDREX; NOP; STREX; NOP", "2 + 1 + 2 + 1", 6, 6, "", "ldrex r4, [r0]\n nop\n strex r5, r4, [r0]\n nop") \
    ROW(ldr_ldrex, "LDR r4,[r1]; LDREX r5,[r0]", "3", 3, 3, "", "ldr r4, [r1]\n ldrex r5, [r0]")                      \
    ROW(clrex, "CLREX", "1", 1, 1, "", "clrex")                                                                       \
    ROW(unaligned_word_2, "LDR from address 2 modulo 4", "3", 3, 3, "", "ldr r4, [r0, #2]")                           \
    ROW(unaligned_word_1, "LDR from address 1 modulo 4", "4", 4, 4, "", "ldr.w r4, [r0, #1]")                         \
    ROW(unaligned_half, "LDRH from an odd address", "3", 3, 3, "", "ldrh.w r4, [r0, #1]")                             \
    ROW(b, "B", "1 + P (2 to 4)", 2, 4, "", "b 1f\n 1:")                                                              \
    ROW(b_taken, "BEQ taken", "1 + P (2 to 4)", 2, 4, "cmp r0, r0", "beq 1f\n 1:")                                    \
    ROW(b_not_taken, "BNE not taken", "1", 1, 1, "cmp r0, r0", "bne 1f\n 1:")                                         \
    ROW(b_w_taken, "BEQ.W taken", "1 + P (2 to 4)", 2, 4, "cmp r0, r0", "beq.w 1f\n 1:")                              \
    ROW(b_w_not_taken, "BNE.W not taken", "1", 1, 1, "cmp r0, r0", "bne.w 1f\n 1:")                                   \
    ROW(cbz_taken, "CBNZ taken", "1 + P (2 to 4)", 2, 4, "", "cbnz r2, 1f\n nop\n 1:")                                      \
    ROW(cbz_not_taken, "CBZ not taken; NOP", "2", 2, 2, "", "cbz r2, 1f\n nop\n 1:")                                             \
    ROW(loop, "SUBS; BNE, ten times round", "10 + 9 (1 + P) + 1 (29 to 47)", 29, 47, "movs r4, #10",                  \
        "1: subs r4, #1\n bne 1b")                                                                                    \
    ROW(call, "BL; BX lr", "2 (1 + P) (4 to 8)", 4, 8, "", "bl 1f\n b.n 2f\n 1: bx lr\n 2:")         \
    ROW(blx, "BLX r4; BX lr", "2 (1 + P) (4 to 8)", 4, 8, "adr r4, 1f\n adds r4, #1",                                 \
        "blx r4\n b.n 2f\n .balign 4\n 1: bx lr\n 2:")                                                                \
    ROW(mov_pc, "MOV pc,r4", "1 + P (2 to 4)", 2, 4, "adr r4, 1f\n adds r4, #1", "mov pc, r4\n .balign 4\n 1:")       \
    ROW(ldr_pc, "LDR pc,[r0]", "at least 5", 5, 5, "adr r4, 1f\n adds r4, #1\n str r4, [r0]",                         \
        "ldr.w pc, [r0]\n .balign 4\n 1:")                                                                            \
    ROW(pop_pc, "POP {r5,pc}", "1 + N + P (4 to 6)", 4, 6, "adr r4, 1f\n adds r4, #1\n push {r3, r4}",                \
        "pop {r5, pc}\n .balign 4\n 1:")                                                                              \
    ROW(tbb, "MOV; TBB; NOP", "1 + 1 + at least 6", 8, 8, "", "movs r4, #0\n tbb [pc, r4]\n .byte 1, 0\n 1:\n nop")                     \
    ROW(it_taken, "IT EQ; ADDEQ", "1 + 1, less 1 when folded", 1, 2, "cmp r0, r0", "it eq\n addeq r4, r2, r3")        \
    ROW(it_skipped, "IT NE; LDRNE skipped", "1 + 1, less 1 when folded", 1, 2, "cmp r0, r0", "it ne\n ldrne r4, [r0]") \
    ROW(itttt, "ITTTT EQ; four ADDEQ", "1 + 4, less 1 when folded", 4, 5, "cmp r0, r0",                               \
        "itttt eq\n addeq r4, r2, r3\n addeq r4, r2, r3\n addeq r4, r2, r3\n addeq r4, r2, r3")                       \
    ROW(mrs, "MRS", "1 or 2", 1, 2, "", "mrs r4, primask")                                                            \
    ROW(msr, "MSR", "1 or 2", 1, 2, "movs r4, #0", "msr basepri, r4")                                                 \
    ROW(cps, "CPSIE i", "1 or 2", 1, 2, "", "cpsie i")                                                                \
    ROW(isb, "ISB", "1 + B (2 to 4)", 2, 4, "", "isb")                                                                \
    ROW(dsb, "DSB", "1 + B (1 and more)", 1, 99, "", "dsb")                                                           \
    ROW(dmb, "DMB", "1 + B (1 and more)", 1, 99, "", "dmb")                                                           \
    ROW(sev, "SEV", "1", 1, 1, "", "sev")

#define FUNCTION(name, text, documented, low, high, setup, body)                                                      \
    __attribute__((naked, noinline, aligned(128))) static uint32_t measure_##name(uint32_t *memory)                   \
    {                                                                                                                 \
        MEASURED(setup, body);                                                                                        \
    }
SEQUENCES(FUNCTION)

static char *put(char *to, const char *text)
{
    while (*text)
        *to++ = *text++;
    return to;
}

static char *put_number(char *to, uint32_t value)
{
    if (value >= 10)
        to = put_number(to, value / 10);
    *to++ = (char)('0' + value % 10);
    return to;
}

static void report(const char *text, const char *documented, uint32_t low, uint32_t high, uint32_t measured)
{
    char line[160];
    char *to = put(put(put(put(line, "cycles "), text), " | "), documented);
    to = put_number(put(to, " | "), low);
    to = put_number(put(to, " | "), high);
    to = put_number(put(to, " | "), measured);
    to = put(to, "\n");
    *to = 0;
    write_text(line);
}

#define REPORT(name, text, documented, low, high, setup, body)                                                        \
    report(text, documented, low, high, measure_##name(scratch));

int main(void)
{
    start();
    DEMCR |= 1u << 24;
    DWT_CTRL |= 1;
    SEQUENCES(REPORT)
    finish();
}
