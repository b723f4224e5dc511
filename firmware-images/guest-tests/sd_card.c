/* An SD card in SPI mode on PC2 (chip select), PA5, PA6, PA7: by SPI1, by its DMA, and by moving the pins. Block 3 of
 * the card holds i * 5 + 1 in byte i. Not for QEMU, whose board has no card there. */
#include "harness.h"

#define RCC_AHB1ENR REG(0x40023830)
#define RCC_APB2ENR REG(0x40023844)
#define GPIOA_MODER REG(0x40020000)
#define GPIOA_IDR REG(0x40020010)
#define GPIOA_BSRR REG(0x40020018)
#define GPIOA_AFRL REG(0x40020020)
#define GPIOC_MODER REG(0x40020800)
#define GPIOC_BSRR REG(0x40020818)
#define SPI1_CR1 REG(0x40013000)
#define SPI1_CR2 REG(0x40013004)
#define SPI1_SR REG(0x40013008)
#define SPI1_DR REG(0x4001300C)
#define DMA2_LIFCR REG(0x40026408)
#define DMA2_LISR REG(0x40026400)
#define STREAM(n, offset) REG(0x40026410 + 24 * (n) + (offset))

enum { SCK = 5, MISO = 6, MOSI = 7, SELECT = 2 };
enum { RXNE = 1, TXE = 2, BSY = 0x80 };

static bool bangs;
static uint8_t block[512], other[512];

static void pin(unsigned number, bool level)
{
    GPIOA_BSRR = 1u << (number + (level ? 0 : 16));
}

static void select(bool low)
{
    GPIOC_BSRR = 1u << (SELECT + (low ? 16 : 0));
}

/* A byte each way, in mode 0. */
static uint8_t exchange(uint8_t byte)
{
    if (!bangs) {
        SPI1_DR = byte;
        while (!(SPI1_SR & RXNE)) {
        }
        return SPI1_DR;
    }
    uint8_t word = 0;
    for (unsigned bit = 0; bit < 8; bit++) {
        pin(MOSI, byte & 0x80 >> bit);
        pin(SCK, true);
        word = word << 1 | (GPIOA_IDR >> MISO & 1);
        pin(SCK, false);
    }
    return word;
}

static uint8_t crc7(const uint8_t *bytes, unsigned count)
{
    uint8_t crc = 0;
    for (unsigned i = 0; i < count; i++) {
        crc ^= bytes[i];
        for (unsigned bit = 0; bit < 8; bit++)
            crc = crc & 0x80 ? crc << 1 ^ 0x12 : crc << 1;
    }
    return crc | 1;
}

static uint16_t crc16(const uint8_t *bytes, unsigned count)
{
    uint16_t crc = 0;
    for (unsigned i = 0; i < count; i++) {
        crc ^= bytes[i] << 8;
        for (unsigned bit = 0; bit < 8; bit++)
            crc = crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1;
    }
    return crc;
}

static uint8_t command(uint8_t index, uint32_t argument)
{
    uint8_t frame[6] = {0x40 | index, argument >> 24, argument >> 16, argument >> 8, argument};
    frame[5] = crc7(frame, 5);
    for (unsigned i = 0; i < 6; i++)
        exchange(frame[i]);
    for (unsigned i = 0; i < 9; i++) {
        uint8_t r1 = exchange(0xff);
        if (!(r1 & 0x80))
            return r1;
    }
    return 0xff;
}

static uint32_t word(void)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < 4; i++)
        value = value << 8 | exchange(0xff);
    return value;
}

static uint8_t token(void)
{
    uint8_t byte = 0xff;
    for (unsigned i = 0; i < 100000 && byte == 0xff; i++)
        byte = exchange(0xff);
    return byte;
}

static void wait_while_busy(void)
{
    while (exchange(0xff) != 0xff) {
    }
}

/* Bytes of a block by DMA2: stream 0 takes them, stream 3 sends ones, both on channel 3. */
static void read_by_dma(uint8_t *bytes, unsigned count)
{
    static const uint8_t ones = 0xff;
    STREAM(0, 8) = STREAM(3, 8) = (uint32_t)&SPI1_DR;
    STREAM(0, 12) = (uint32_t)bytes;
    STREAM(3, 12) = (uint32_t)&ones;
    STREAM(0, 4) = STREAM(3, 4) = count;
    STREAM(0, 0) = 3u << 25 | 1u << 10 | 1;
    STREAM(3, 0) = 3u << 25 | 1u << 6 | 1;
    SPI1_CR2 = 3;
    while (!(DMA2_LISR >> 5 & 1)) {
    }
    SPI1_CR2 = 0;
    DMA2_LIFCR = 0x0f7d0f7d;
}

static bool read_block(uint32_t number, uint8_t *bytes, bool by_dma)
{
    if (command(17, number * 512) != 0 || token() != 0xfe)
        return false;
    if (by_dma)
        read_by_dma(bytes, 512);
    for (unsigned i = 0; i < 512 && !by_dma; i++)
        bytes[i] = exchange(0xff);
    uint16_t crc = exchange(0xff) << 8;
    crc |= exchange(0xff);
    return crc == crc16(bytes, 512);
}

static uint8_t write_block(uint32_t number, const uint8_t *bytes)
{
    if (command(24, number * 512) != 0)
        return 0xff;
    uint16_t crc = crc16(bytes, 512);
    exchange(0xfe);
    for (unsigned i = 0; i < 512; i++)
        exchange(bytes[i]);
    exchange(crc >> 8);
    exchange(crc);
    uint8_t response = exchange(0xff) & 0x1f;
    wait_while_busy();
    return response;
}

static uint32_t differences(const uint8_t *a, unsigned factor, unsigned start)
{
    uint32_t count = 0;
    for (unsigned i = 0; i < 512; i++)
        count += a[i] != (uint8_t)(i * factor + start);
    return count;
}

static void initialise(void)
{
    check("go_idle", command(0, 0), 1);
    check("interface_condition", command(8, 0x1aa), 1);
    check("check_pattern", word(), 0x1aa);
    uint8_t r1 = 0xff;
    for (unsigned i = 0; i < 100000 && r1; i++) {
        command(55, 0);
        r1 = command(41, 1u << 30);
    }
    check("ready", r1, 0);
    check("read_ocr", command(58, 0), 0);
    check("ocr", word(), 0x80ff8000);
    check("crc_on", command(59, 1), 0);
}

static void use(const char *read, const char *write, const char *back, bool by_dma, unsigned factor)
{
    check(read, read_block(3, block, by_dma) ? differences(block, 5, 1) : ~0u, 0);
    for (unsigned i = 0; i < 512; i++)
        other[i] = i * factor;
    check(write, write_block(factor, other), 5);
    check(back, read_block(factor, block, by_dma) ? differences(block, factor, 0) : ~0u, 0);
}

int main(void)
{
    start();
    RCC_AHB1ENR |= 1u << 0 | 1u << 2 | 1u << 22;
    RCC_APB2ENR |= 1u << 12;
    select(false);
    GPIOC_MODER = (GPIOC_MODER & ~(3u << 2 * SELECT)) | 1u << 2 * SELECT;
    GPIOA_AFRL = (GPIOA_AFRL & ~0xfff00000) | 0x55500000;
    GPIOA_MODER = (GPIOA_MODER & ~0xfc00u) | 0xa800;
    /* Master, software NSS, PCLK2 / 32. */
    SPI1_CR1 = 1u << 9 | 1u << 8 | 4u << 3 | 1u << 2;
    SPI1_CR1 |= 1u << 6;
    for (volatile unsigned i = 0; i < 10000; i++) {
    }
    for (unsigned i = 0; i < 10; i++)
        check("not_selected", exchange(0xff), 0xff);
    select(true);
    initialise();
    use("read", "write", "read_back", false, 7);
    use("read_by_dma", "write_before_dma", "read_back_by_dma", true, 9);

    /* The same pins as outputs and an input. */
    select(false);
    SPI1_CR1 &= ~(1u << 6);
    pin(SCK, false);
    GPIOA_MODER = (GPIOA_MODER & ~0xfc00u) | 0x4400;
    bangs = true;
    exchange(0xff);
    select(true);
    use("read_by_pins", "write_by_pins", "read_back_by_pins", false, 11);
    check("status", command(13, 0) << 8 | exchange(0xff), 0);
    finish();
}
