/*
 * Cycle costs of Cortex-M3 instructions (ARM DDI 0337, "Instruction set summary": cycle counts).
 *
 * A cost is a pure function of the instruction, of the one that follows it in memory, and of the flash wait states
 * without the accelerator: never of what was executed before. That keeps virtual time independent of where blocks
 * were cut. Costs charged here are upper bounds; what a branch not taken or a short division does not use is given
 * back at run time (lockstep_refund).
 *
 * Choices where the manual leaves a range, see FIDELITY.md:
 *   pipeline refill P (1..3)       direct branch LS_P_DIRECT, indirect LS_P_INDIRECT
 *   UMULL/SMULL (3..5)             4        UMLAL/SMLAL (4..7)  6
 *   UDIV/SDIV (2..12)              2 + about one cycle for each 3 quotient bits
 */
#ifndef LOCKSTEP_M3_CYCLES_H
#define LOCKSTEP_M3_CYCLES_H

#define LS_P_DIRECT 1
#define LS_P_INDIRECT 2
#define LS_DIV_MAX 12

typedef struct {
    bool is_single_transfer; /* LDR/STR class: pipelines with a neighbour of its class */
    bool is_load;
    int base;                /* base register of the address */
    int target;              /* register loaded, -1 for stores */
} LsTransfer;

/* Classifies a load/store of one register. Immediate or register offset alike. */
static inline LsTransfer ls_transfer16(uint32_t insn)
{
    LsTransfer t = { false, false, -1, -1 };
    uint32_t top = insn >> 12;
    if ((insn >> 11) == 0x09) { /* LDR literal */
        t.is_single_transfer = true; t.is_load = true; t.base = 15; t.target = (insn >> 8) & 7;
    } else if (top == 0x5) { /* register offset; bits 11:9 = 011.. are loads */
        uint32_t op = (insn >> 9) & 7;
        t.is_single_transfer = true; t.is_load = op >= 3; t.base = (insn >> 3) & 7;
        t.target = op >= 3 ? (int)(insn & 7) : -1;
    } else if (top == 0x6 || top == 0x7 || top == 0x8) {
        t.is_single_transfer = true; t.is_load = (insn >> 11) & 1; t.base = (insn >> 3) & 7;
        t.target = t.is_load ? (int)(insn & 7) : -1;
    } else if (top == 0x9) { /* SP relative */
        t.is_single_transfer = true; t.is_load = (insn >> 11) & 1; t.base = 13;
        t.target = t.is_load ? (int)((insn >> 8) & 7) : -1;
    }
    return t;
}

static inline LsTransfer ls_transfer32(uint32_t insn)
{
    LsTransfer t = { false, false, -1, -1 };
    uint32_t op2 = (insn >> 20) & 0x7f;
    if (((insn >> 27) & 3) != 3) {
        return t;
    }
    if ((op2 & 0x71) == 0x00 || (op2 & 0x67) == 0x01 || (op2 & 0x67) == 0x03 || (op2 & 0x67) == 0x05) {
        t.is_single_transfer = true;
        t.is_load = (op2 & 1) != 0;
        t.base = (insn >> 16) & 15;
        t.target = t.is_load ? (int)((insn >> 12) & 15) : -1;
    }
    return t;
}

static inline bool ls_is_32bit(uint32_t halfword)
{
    return (halfword >> 11) >= 0x1d;
}

static inline int ls_popcount(uint32_t x)
{
    return __builtin_popcount(x);
}

/* `next` is the following instruction (16-bit, or 32-bit with the first halfword on top), 0 when unknown. */
static inline int ls_transfer_cost(LsTransfer t, bool register_offset, uint32_t next)
{
    LsTransfer n = ls_is_32bit(next > 0xffff ? next >> 16 : next) ? ls_transfer32(next) : ls_transfer16(next);
    bool pipelined = n.is_single_transfer && !(t.is_load && n.base == t.target);
    if (!t.is_load && !register_offset) {
        return 1; /* "STR Rx,[Ry,#imm] is always one cycle" */
    }
    return pipelined ? 1 : 2;
}

/*
 * Cost in cycles of one instruction; *not_taken is what it costs when its condition (of a branch) fails.
 * `line_penalty` is the extra cost of fetching a new 128-bit flash line: 0 with the accelerator on.
 */
static inline int ls_m3_cycles(uint32_t insn, bool is_16bit, uint32_t next, uint32_t pc, int line_penalty,
                               int *not_taken)
{
    int cycles = 1, fetch = 0;
    bool branch = false;

    if (line_penalty) {
        if ((pc & 15) == 0 || (pc & 15) + (is_16bit ? 2 : 4) > 16) {
            fetch = line_penalty;
        }
    }
    if (is_16bit) {
        uint32_t top = insn >> 12;
        LsTransfer t = ls_transfer16(insn);
        if (t.is_single_transfer) {
            cycles = ls_transfer_cost(t, top == 0x5, next);
        } else if ((insn & 0xff00) == 0x4700) { /* BX, BLX */
            cycles = 1 + LS_P_INDIRECT; branch = true;
        } else if ((insn & 0xfc00) == 0x4400 && (insn & 0x0300) != 0x0100 && (insn & 0x87) == 0x87) { /* ADD/MOV PC */
            cycles = 1 + LS_P_INDIRECT; branch = true;
        } else if ((insn & 0xf500) == 0xb100) { /* CBZ, CBNZ */
            cycles = 1 + LS_P_DIRECT; branch = true;
        } else if ((insn & 0xfe00) == 0xb400) { /* PUSH */
            cycles = 1 + ls_popcount(insn & 0x1ff);
        } else if ((insn & 0xfe00) == 0xbc00) { /* POP */
            cycles = 1 + ls_popcount(insn & 0x1ff);
            if (insn & 0x100) { cycles += LS_P_INDIRECT; branch = true; }
        } else if (top == 0xc) { /* LDM, STM */
            cycles = 1 + ls_popcount(insn & 0xff);
        } else if (top == 0xd && (insn & 0x0e00) != 0x0e00) { /* B<cond> */
            cycles = 1 + LS_P_DIRECT; branch = true;
        } else if ((insn & 0xf800) == 0xe000) { /* B */
            cycles = 1 + LS_P_DIRECT; branch = true;
        }
    } else {
        uint32_t op1 = (insn >> 27) & 3, op2 = (insn >> 20) & 0x7f;
        LsTransfer t = ls_transfer32(insn);
        if (t.is_single_transfer) {
            /* immediate forms: bit 23 of the encoding (imm12) or bit 11 of the low half (imm8) */
            bool register_offset = !(insn & (1u << 23)) && !(insn & (1u << 11)) && t.base != 15;
            cycles = ls_transfer_cost(t, register_offset, next);
            if (t.is_load && t.target == 15) {
                if ((op2 & 0x67) == 0x05) {
                    cycles = 2 + LS_P_INDIRECT; branch = true; /* LDR PC */
                } else {
                    cycles = 1; /* PLD, PLI */
                }
            }
        } else if (op1 == 1 && (op2 & 0x64) == 0x00) { /* LDM, STM */
            cycles = 1 + ls_popcount(insn & 0xffff);
            if ((op2 & 1) && (insn & 0x8000)) { cycles += LS_P_INDIRECT; branch = true; }
        } else if (op1 == 1 && (op2 & 0x64) == 0x04) {
            if ((insn & 0xfff000e0) == 0xe8d00000) { /* TBB, TBH */
                cycles = 2 + LS_P_INDIRECT; branch = true;
            } else if ((op2 & 0x7e) == 0x04 || (op2 & 0x7e) == 0x0c) { /* LDREX, STREX and byte/halfword forms */
                cycles = 2;
            } else { /* LDRD, STRD */
                cycles = 1 + 2;
            }
        } else if (op1 == 2 && (insn & 0x8000)) { /* branches and miscellaneous control */
            uint32_t op = (insn >> 12) & 7;
            if ((op & 5) == 0) {
                if ((op2 & 0x38) != 0x38) { /* B<cond>.W */
                    cycles = 1 + LS_P_DIRECT; branch = true;
                } else if ((insn & 0xfff0ff00) == 0xf3b08f00) { /* DSB, DMB, ISB: 1 + barrier */
                    cycles = 1 + LS_P_INDIRECT;
                }
            } else { /* B.W, BL */
                cycles = 1 + LS_P_DIRECT; branch = true;
            }
        } else if (op1 == 3 && (op2 & 0x78) == 0x30) { /* MUL 1, MLA and MLS 2 */
            cycles = ((insn >> 12) & 15) == 15 && !(insn & 0x10) ? 1 : 2;
        } else if (op1 == 3 && (op2 & 0x78) == 0x38) {
            if ((op2 & 7) == 1 || (op2 & 7) == 3) {
                cycles = LS_DIV_MAX; /* refunded by the helper */
            } else {
                cycles = (op2 & 4) ? 6 : 4;
            }
        }
    }
    *not_taken = 1 + fetch;
    if (branch) {
        cycles += line_penalty; /* the target is another line */
    }
    return cycles + fetch;
}

/* Cycles a division really takes: it terminates early by the distance of the leading ones. */
static inline int ls_div_cycles(uint32_t num, uint32_t den)
{
    int bits;
    if (den == 0 || num < den) {
        return 2;
    }
    bits = __builtin_clz(den) - __builtin_clz(num) + 1;
    return 2 + (bits * 10 + 31) / 32;
}

#endif
