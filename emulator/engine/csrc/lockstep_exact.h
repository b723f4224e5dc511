/* Declarations shared by the patched files. */
#ifndef LOCKSTEP_EXACT_H
#define LOCKSTEP_EXACT_H

#include "uc_priv.h"

#define LS_SITE_SLOT(retaddr) (((retaddr) ^ ((retaddr) >> 10)) & (LS_SITES_KNOWN - 1))
#define LS_CYCLE ((int64_t)1 << 32)
#define LS_FORCE_BIAS ((int64_t)1 << 62)
#define LS_SITES 65536u
/* From here on memory is of device type (ARMv7-M ARM B3.1), as far as a device is mapped there. */
#define LS_DEVICE_SPACE 0x40000000u

/* One access of the guest to a device. */
typedef struct LsAccess {
    uint32_t address, size;
    uint32_t pc;
    int64_t cycles_left;   /* before the accessing instruction is counted */
    uint64_t instructions; /* executed before it, in this run */
    bool privileged;
} LsAccess;

/* An access that was watched for. */
typedef struct {
    uint32_t address, size;
    uint32_t pc;
    bool write;
} LsHit;

typedef struct LsSite LsSite;
struct TranslationBlock;
const LsSite *ls_find_site(CPUState *cpu, uintptr_t retaddr);
static inline const LsSite *ls_site(CPUState *cpu, uintptr_t retaddr)
{
    LsSite *site = &cpu->uc->ls_accesses[LS_SITE_SLOT(retaddr)];
    return likely(site->retaddr == retaddr) ? site : ls_find_site(cpu, retaddr);
}

/* A range of addresses that a debugger watches. */
typedef struct LsWatch {
    uint32_t first, last;
    uint32_t kinds; /* 1 loads, 2 stores */
} LsWatch;
bool ls_is_watched(struct uc_struct *uc, uint32_t address, uint32_t length);
void ls_check_watches(CPUState *cpu, uint32_t address, unsigned size, bool write, uintptr_t retaddr);
/* Before a load from memory or a store to it. */
static inline void ls_watch(CPUState *cpu, uint32_t address, unsigned size, bool write, uintptr_t retaddr)
{
    /* The parts of an unaligned access have been looked at as a whole. */
    if (unlikely(cpu->uc->ls_watch_count) && !cpu->uc->size_recur_mem) {
        ls_check_watches(cpu, address, size, write, retaddr);
    }
}

bool ls_find_break(struct uc_struct *uc, uint32_t pc);
bool ls_breaks_at_next(CPUState *cpu);
/* Whether the instruction at this address has a breakpoint. */
static inline bool ls_is_break(struct uc_struct *uc, uint32_t pc)
{
    return unlikely(uc->ls_break_count) && ls_find_break(uc, pc);
}
/* Whether the run must stop before the next instruction because of a breakpoint. */
static inline bool ls_breaks_here(CPUState *cpu)
{
    return unlikely(cpu->uc->ls_break_count) && ls_breaks_at_next(cpu);
}

void ls_forget_accesses(struct uc_struct *uc);
bool ls_code_at(struct uc_struct *uc, ram_addr_t address, unsigned size);
bool ls_is_writable(struct uc_struct *uc, uint32_t address);
int64_t ls_pack(int64_t cycles);
int ls_locate(CPUState *cpu, struct TranslationBlock *tb, uintptr_t host_pc, uint32_t *pc, int64_t *cost_left);
int ls_tail_length(struct TranslationBlock *tb, int64_t cycles, int64_t *cost);
void ls_force_exit(CPUState *cpu);
void ls_unforce(CPUState *cpu);
void ls_must_end_block(CPUState *cpu, uintptr_t retaddr);
void ls_mark_store_site(struct uc_struct *uc, uint32_t pc);
bool ls_is_store_site(struct uc_struct *uc, uint32_t pc);

void uc_ls_set_budget(struct uc_struct *uc, int64_t cycles);
int64_t uc_ls_left(struct uc_struct *uc, uint64_t *instructions);
void uc_ls_set_io(struct uc_struct *uc, uint64_t (*read)(void *, const LsAccess *),
                  void (*write)(void *, const LsAccess *, uint32_t), void *opaque);
bool uc_ls_move_deadline(struct uc_struct *uc, int64_t cycles);
void uc_ls_abort_access(struct uc_struct *uc);
int uc_ls_exception(struct uc_struct *uc);
void uc_ls_stop_on_unmask(struct uc_struct *uc, bool on);
void uc_ls_set_traps(struct uc_struct *uc, bool div_0_trap, bool unaligned_trap);
void uc_ls_set_line_penalty(struct uc_struct *uc, int cycles);
void uc_ls_code_changed(struct uc_struct *uc, uint32_t address, uint32_t length);
void uc_ls_set_breaks(struct uc_struct *uc, const uint32_t *sorted, size_t count);
void uc_ls_pass_break(struct uc_struct *uc, bool pass);
void uc_ls_set_watches(struct uc_struct *uc, const LsWatch *watches, size_t count);
bool uc_ls_take_hit(struct uc_struct *uc, LsHit *hit);

typedef struct {
    uint32_t r[16];    /* r[13] is the stack pointer in use, r[15] the next instruction's address */
    uint32_t other_sp;
    uint32_t xpsr;     /* flags and IPSR only */
    uint32_t control, primask, faultmask, basepri;
    uint32_t it_state, thumb;
    uint64_t exclusive_address, exclusive_value;
} LsCore;
void uc_ls_get_core(struct uc_struct *uc, LsCore *core);
void uc_ls_set_core(struct uc_struct *uc, const LsCore *core);

#endif
