/*
 * Cycle costs of Cortex-M3 instructions (ARM DDI 0337I 3.3, "Instruction set summary" and "Load/store timings").
 *
 * A cost is a pure function of the instruction, of the one that follows it in memory, and of the flash wait states
 * without the accelerator: never of what was executed before. That keeps virtual time independent of where blocks
 * were cut. Costs charged here are upper bounds; what a branch not taken or a short division does not use is given
 * back at run time (gen_ls_refund).
 *
 * Choices where the manual leaves a range, see FIDELITY.md and emulator/tests/cycles.rs:
 *   pipeline refill P (1..3)       direct branch LS_P_DIRECT, register LS_P_INDIRECT, loaded LS_P_LOADED
 *   UMULL/SMULL (3..5)             4        UMLAL/SMLAL (4..7)  6
 *   UDIV/SDIV (2..12)              2 + about one cycle for each 3 quotient bits
 */
#ifndef LOCKSTEP_M3_CYCLES_H
#define LOCKSTEP_M3_CYCLES_H

#define LS_P_DIRECT 1
#define LS_P_INDIRECT 2
#define LS_P_LOADED 3
#define LS_ADDRESS_STALL 1
#define LS_DIV_MAX 12

typedef struct {
    bool is_single_transfer; /* LDR/STR class: pipelines with a neighbour of its class */
    bool is_load;            /* of the LDR kind; STREX counts as one (3.3.3) */
    bool is_register_offset;
    int base, index;         /* registers that make the address, -1 for none */
    int target;              /* register loaded, -1 for stores */
} LsTransfer;

static const LsTransfer ls_no_transfer = { false, false, false, -1, -1, -1 };

static inline bool ls_is_32bit(uint32_t halfword)
{
    return (halfword >> 11) >= 0x1d;
}

static inline int ls_popcount(uint32_t x)
{
    return __builtin_popcount(x);
}

/* What a load or store does with registers; for those of several registers only the base is told. */
static inline LsTransfer ls_transfer16(uint32_t insn)
{
    LsTransfer t = ls_no_transfer;
    uint32_t top = insn >> 12;
    if ((insn >> 11) == 0x09) { /* LDR literal */
        t.is_single_transfer = t.is_load = true;
        t.base = 15;
        t.target = (insn >> 8) & 7;
    } else if (top == 0x5) { /* register offset; from bits 11:9 = 011 on they are loads */
        t.is_single_transfer = t.is_register_offset = true;
        t.is_load = ((insn >> 9) & 7) >= 3;
        t.base = (insn >> 3) & 7;
        t.index = (insn >> 6) & 7;
        t.target = t.is_load ? (int)(insn & 7) : -1;
    } else if (top == 0x6 || top == 0x7 || top == 0x8) {
        t.is_single_transfer = true;
        t.is_load = (insn >> 11) & 1;
        t.base = (insn >> 3) & 7;
        t.target = t.is_load ? (int)(insn & 7) : -1;
    } else if (top == 0x9) { /* SP relative */
        t.is_single_transfer = true;
        t.is_load = (insn >> 11) & 1;
        t.base = 13;
        t.target = t.is_load ? (int)((insn >> 8) & 7) : -1;
    } else if (top == 0xc) { /* LDM, STM */
        t.base = (insn >> 8) & 7;
    } else if ((insn & 0xf600) == 0xb400) { /* PUSH, POP */
        t.base = 13;
    }
    return t;
}

static inline LsTransfer ls_transfer32(uint32_t insn)
{
    LsTransfer t = ls_no_transfer;
    uint32_t op1 = (insn >> 27) & 3, op2 = (insn >> 20) & 0x7f;
    if (op1 == 3 && ((op2 & 0x71) == 0x00 || (op2 & 0x67) == 0x01 || (op2 & 0x67) == 0x03 || (op2 & 0x67) == 0x05)) {
        t.is_single_transfer = true;
        t.is_load = (op2 & 1) != 0;
        t.base = (insn >> 16) & 15;
        t.target = t.is_load ? (int)((insn >> 12) & 15) : -1;
        /* immediate forms have bit 23 (imm12) or bit 11 (imm8) */
        if (!(insn & (1u << 23)) && !(insn & (1u << 11)) && t.base != 15) {
            t.is_register_offset = true;
            t.index = insn & 15;
        }
    } else if (op1 == 1 && (op2 & 0x60) == 0) {
        t.base = (insn >> 16) & 15;
        if (op2 == 0x05 || (op2 == 0x0d && (insn & 0xe0) == 0x40)) { /* LDREX, LDREXB, LDREXH */
            t.is_single_transfer = t.is_load = true;
            t.target = (insn >> 12) & 15;
        } else if (op2 == 0x04 || op2 == 0x0c) { /* STREX, STREXB, STREXH: the status is what they load */
            t.is_single_transfer = t.is_load = true;
            t.target = op2 == 0x04 ? (insn >> 8) & 15 : insn & 15;
        }
    }
    return t;
}

/* `next` is the following instruction (16-bit, or 32-bit with the first halfword on top), 0 when unknown. */
static inline LsTransfer ls_next_transfer(uint32_t next)
{
    return next > 0xffff ? ls_transfer32(next) : ls_transfer16(next);
}

/*
 * "If the next instruction is an LDR or STR, and the destination of the first LDR is not used to compute the address
 * for the next instruction, then one cycle is removed from the cost of the next": here it is removed from the first.
 * "STR Rx,[Ry,#imm] is always one cycle", so there nothing is left to remove.
 */
static inline int ls_transfer_cost(LsTransfer t, uint32_t next)
{
    LsTransfer n = ls_next_transfer(next);
    if (!t.is_load) {
        return t.is_register_offset ? 2 : 1;
    }
    return n.is_single_transfer && n.base != t.target && n.index != t.target && (n.is_load || n.is_register_offset)
               ? 1 : 2;
}

/* The register that a data processing instruction writes, -1 for none and for every other instruction. */
static inline int ls_result_register(uint32_t insn, bool is_16bit)
{
    if (is_16bit) {
        uint32_t op = (insn >> 6) & 15;
        if ((insn & 0xe000) == 0x0000) { /* shifts, ADD, SUB */
            return insn & 7;
        } else if ((insn & 0xe000) == 0x2000) { /* MOV, ADD, SUB of an immediate; CMP writes nothing */
            return (insn & 0x1800) == 0x0800 ? -1 : (int)((insn >> 8) & 7);
        } else if ((insn & 0xfc00) == 0x4000) { /* without TST, CMP, CMN */
            return op == 8 || op == 10 || op == 11 ? -1 : (int)(insn & 7);
        } else if ((insn & 0xfd00) == 0x4400) { /* ADD, MOV of high registers */
            return (insn & 7) | ((insn >> 4) & 8);
        } else if ((insn & 0xf000) == 0xa000) { /* ADR, ADD of SP */
            return (insn >> 8) & 7;
        } else if ((insn & 0xff00) == 0xb000) { /* ADD, SUB to SP */
            return 13;
        } else if ((insn & 0xff00) == 0xb200 || (insn & 0xff00) == 0xba00) { /* extensions, reversals */
            return insn & 7;
        }
        return -1;
    }
    {
        uint32_t op1 = (insn >> 27) & 3, op2 = (insn >> 20) & 0x7f;
        int rd = (insn >> 8) & 15;
        bool is_data = (op1 == 2 && !(insn & 0x8000)) || (op1 == 1 && (op2 & 0x60) == 0x20)
                       || (op1 == 3 && ((op2 & 0x70) == 0x20 || (op2 & 0x78) == 0x30));
        return is_data && rd != 15 ? rd : -1;
    }
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
            cycles = ls_transfer_cost(t, next);
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
            if (insn & 0x100) { cycles += LS_P_LOADED; branch = true; }
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
            cycles = ls_transfer_cost(t, next);
            if (t.is_load && t.target == 15) {
                if ((op2 & 0x67) == 0x05) {
                    cycles = 2 + LS_P_LOADED; branch = true; /* LDR PC: "at least five" */
                } else {
                    cycles = 1; /* PLD, PLI */
                }
            }
        } else if (op1 == 1 && (op2 & 0x64) == 0x00) { /* LDM, STM */
            cycles = 1 + ls_popcount(insn & 0xffff);
            if ((op2 & 1) && (insn & 0x8000)) { cycles += LS_P_LOADED; branch = true; }
        } else if (op1 == 1 && (op2 & 0x64) == 0x04) {
            if ((insn & 0xfff000e0) == 0xe8d00000) { /* TBB, TBH */
                cycles = 3 + LS_P_LOADED; branch = true; /* load, add, refill: "at least six" */
            } else { /* LDRD, STRD */
                cycles = 1 + 2;
            }
        } else if (op1 == 2 && (insn & 0x8000)) { /* branches and miscellaneous control */
            uint32_t op = (insn >> 12) & 7;
            if ((op & 5) == 0) {
                if ((op2 & 0x38) != 0x38) { /* B<cond>.W */
                    cycles = 1 + LS_P_DIRECT; branch = true;
                } else if ((insn & 0xfff0ff00) == 0xf3b08f00) { /* DSB, DMB, ISB: 1 + barrier */
                    cycles = (insn & 0xf0) == 0x20 ? 1 : 1 + LS_P_INDIRECT; /* CLREX is no barrier */
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
    if (LS_ADDRESS_STALL) {
        int result = ls_result_register(insn, is_16bit);
        LsTransfer n = ls_next_transfer(next);
        if (result >= 0 && (n.base == result || n.index == result)) {
            cycles += LS_ADDRESS_STALL; /* "There is no forwarding path for this scenario" */
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
