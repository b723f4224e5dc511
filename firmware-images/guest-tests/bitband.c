/* Bit-band aliases of SRAM and of the peripherals: one bit each, the neighbours untouched. */
#include "harness.h"

static volatile uint32_t words[2] __attribute__((aligned(8)));

static uint32_t alias(volatile void *address, unsigned bit)
{
    uint32_t byte = (uint32_t)address, region = byte & 0xF0000000;
    return region + 0x02000000 + (byte & 0xFFFFF) * 32 + bit * 4;
}

static void sram(void)
{
    words[0] = 0xA5A5A5A5;
    words[1] = 0x5A5A5A5A;
    uint32_t wrong = 0;
    for (unsigned bit = 0; bit < 64; ++bit)
        wrong += REG(alias(words, bit)) != (words[bit / 32] >> bit % 32 & 1);
    check("each_bit_reads_as_a_word", wrong, 0);
    REG(alias(words, 1)) = 1;
    check("a_bit_set", words[0], 0xA5A5A5A7);
    REG(alias(words, 31)) = 0xFFFFFFFE;
    check("only_bit_0_of_the_value_counts", words[0], 0x25A5A5A7);
    *(volatile uint8_t *)alias(words, 8) = 0;
    check("by_byte", words[0], 0x25A5A4A7);
    *(volatile uint16_t *)alias(words, 32) = 1;
    check("by_halfword_in_the_next_word", words[1], 0x5A5A5A5B);
    check("first_word_untouched", words[0], 0x25A5A4A7);
    check("byte_read", *(volatile uint8_t *)alias(words, 0), 1);
}

static void peripheral(void)
{
    volatile uint32_t *psc = &REG(0x40000028);
    REG(0x40023840) |= 1;
    *psc = 0x1230;
    REG(alias(psc, 2)) = 1;
    check("peripheral_bit_set", *psc, 0x1234);
    REG(alias(psc, 4)) = 0;
    check("peripheral_bit_cleared", *psc, 0x1224);
    check("peripheral_bit_read", REG(alias(psc, 12)), 1);
}

/* Normal memory takes unaligned words and halfwords. */
static void unaligned(void)
{
    words[0] = 0x44332211;
    words[1] = 0x88776655;
    uint32_t base = (uint32_t)words, value;
    static const uint32_t want[4] = {0x44332211, 0x55443322, 0x66554433, 0x77665544};
    uint32_t wrong = 0;
    for (unsigned i = 0; i < 4; ++i) {
        __asm__ volatile("ldr %0, [%1]" : "=r"(value) : "r"(base + i) : "memory");
        wrong += value != want[i];
        __asm__ volatile("ldrh %0, [%1]" : "=r"(value) : "r"(base + i) : "memory");
        wrong += value != (want[i] & 0xFFFF);
    }
    check("unaligned_loads", wrong, 0);
    __asm__ volatile("str %0, [%1]" ::"r"(0xDDCCBBAA), "r"(base + 3) : "memory");
    check("unaligned_store_low", words[0], 0xAA332211);
    check("unaligned_store_high", words[1], 0x88DDCCBB);
}

int main(void)
{
    start();
    sram();
    peripheral();
    unaligned();
    finish();
}
