/* What every guest test uses: reports by semihosting, system registers, a vector table in RAM. */
#ifndef GUEST_TEST_HARNESS_H
#define GUEST_TEST_HARNESS_H

#include <stdbool.h>
#include <stdint.h>

#define REG(address) (*(volatile uint32_t *)(address))
#define SYST_CSR REG(0xE000E010)
#define SYST_RVR REG(0xE000E014)
#define SYST_CVR REG(0xE000E018)
#define NVIC_ISER0 REG(0xE000E100)
#define NVIC_ICER0 REG(0xE000E180)
#define NVIC_ISPR0 REG(0xE000E200)
#define NVIC_ICPR0 REG(0xE000E280)
#define NVIC_IABR0 REG(0xE000E300)
#define NVIC_IPR(n) (*(volatile uint8_t *)(0xE000E400 + (n)))
#define ICSR REG(0xE000ED04)
#define VTOR REG(0xE000ED08)
#define AIRCR REG(0xE000ED0C)
#define CCR REG(0xE000ED14)
#define SHPR(exception) (*(volatile uint8_t *)(0xE000ED14 + (exception)))
#define SHCSR REG(0xE000ED24)
#define CFSR REG(0xE000ED28)
#define HFSR REG(0xE000ED2C)
#define MMFAR REG(0xE000ED34)
#define BFAR REG(0xE000ED38)
#define STIR REG(0xE000EF00)

#define ICSR_NMIPENDSET (1u << 31)
#define ICSR_PENDSVSET (1u << 28)
#define ICSR_PENDSTSET (1u << 26)
#define ICSR_PENDSTCLR (1u << 25)

enum { NMI = 2, HARD_FAULT, MEM_MANAGE, BUS_FAULT, USAGE_FAULT, SVCALL = 11, PENDSV = 14, SYSTICK, IRQ0 };

/* What an exception pushes. */
struct frame {
    uint32_t r0, r1, r2, r3, r12, lr, pc, xpsr;
};

#define BARRIER() __asm__ volatile("dsb\n isb" ::: "memory")
#define READ(name)                                                                                                    \
    ({                                                                                                                \
        uint32_t value_;                                                                                              \
        __asm__ volatile("mrs %0, " #name : "=r"(value_)::"memory");                                                  \
        value_;                                                                                                       \
    })
#define WRITE(name, value) __asm__ volatile("msr " #name ", %0\n isb" ::"r"(value) : "memory")

/* Puts a handler into the vector table, which start() has moved to RAM. */
void set_vector(unsigned exception, void (*handler)(void));
void start(void);

/* `ok NAME`, or `FAIL NAME got ... want ...`. */
void check(const char *name, uint32_t got, uint32_t want);
void note(const char *name, uint32_t value);
void write_text(const char *text);

/* Ends the run: status 0 if nothing failed. */
__attribute__((noreturn)) void finish(void);
__attribute__((noreturn)) void unexpected(void);

/* The letters that handlers leave, in order, as one number: letters("ab"). */
void letter(char c);
void clear_letters(void);
void check_letters(const char *name, const char *want);

#endif
