/* The kinds of work that CoreMark does, on a program of our own: a linked list sorted and searched, small matrices, a
 * state machine over text, and CRCs of it all. It is not CoreMark and its figure is not comparable with CoreMark's; it
 * holds cycles per round still, so that a change of the cost table shows. */
#include "harness.h"

#define DEMCR REG(0xE000EDFC)
#define DWT_CTRL REG(0xE0001000)
#define DWT_CYCCNT REG(0xE0001004)

enum { NODES = 48, SIZE = 9, ROUNDS = 20 };

struct node {
    struct node *next;
    int16_t key, value;
};

static struct node nodes[NODES];
static int16_t left[SIZE][SIZE], right[SIZE][SIZE];
static int32_t product[SIZE][SIZE];

static uint16_t crc16(uint16_t crc, uint32_t value, unsigned bits)
{
    for (unsigned i = 0; i < bits; ++i, value >>= 1)
        crc = (uint16_t)((crc ^ value) & 1 ? crc >> 1 ^ 0xA001 : crc >> 1);
    return crc;
}

static struct node *merge(struct node *a, struct node *b)
{
    struct node *first = 0, **end = &first;
    while (a && b) {
        struct node **least = b->key < a->key ? &b : &a;
        *end = *least;
        end = &(*least)->next;
        *least = *end;
    }
    *end = a ? a : b;
    return first;
}

static struct node *sort(struct node *list)
{
    if (!list || !list->next)
        return list;
    struct node *slow = list, *fast = list->next;
    while (fast && fast->next) {
        slow = slow->next;
        fast = fast->next->next;
    }
    fast = slow->next;
    slow->next = 0;
    return merge(sort(list), sort(fast));
}

static uint16_t lists(uint16_t seed)
{
    for (unsigned i = 0; i < NODES; ++i)
        nodes[i] = (struct node){i + 1 < NODES ? &nodes[i + 1] : 0, (int16_t)(seed * (i + 7) % 251), (int16_t)i};
    struct node *list = sort(nodes);
    uint16_t crc = 0;
    for (int key = 0; key < 251; key += 25) {
        struct node *at = list;
        while (at && at->key < key)
            at = at->next;
        crc = crc16(crc, at ? (uint16_t)at->value : 0xFFFF, 16);
    }
    return crc;
}

static uint16_t matrices(uint16_t seed)
{
    uint16_t crc = 0;
    for (unsigned i = 0; i < SIZE; ++i)
        for (unsigned j = 0; j < SIZE; ++j) {
            left[i][j] = (int16_t)(seed + i * j);
            right[i][j] = (int16_t)(seed ^ (i + 3 * j));
        }
    for (unsigned i = 0; i < SIZE; ++i)
        for (unsigned j = 0; j < SIZE; ++j) {
            int32_t sum = 0;
            for (unsigned k = 0; k < SIZE; ++k)
                sum += left[i][k] * right[k][j];
            product[i][j] = sum;
        }
    for (unsigned i = 0; i < SIZE; ++i)
        crc = crc16(crc, (uint32_t)product[i][i] >> 3, 16);
    return crc;
}

/* Counts whole numbers, decimals and other words in a text. */
static uint16_t texts(uint16_t seed)
{
    static const char text[] = "5012,1234.500,-874,+122.95,7x1,.5,0x5f,23e4,-110.700,T0.3e-1F,-5k6,8675309";
    enum { START, WHOLE, DECIMAL, OTHER } state = START;
    uint16_t counts[4] = {0};
    for (const char *at = text;; ++at) {
        char c = *at;
        if (c == ',' || !c) {
            ++counts[state];
            state = START;
            if (!c)
                break;
        } else if (c >= '0' && c <= '9') {
            if (state == START)
                state = WHOLE;
        } else if (c == '.' && (state == START || state == WHOLE)) {
            state = DECIMAL;
        } else if ((c != '-' && c != '+') || state != START) {
            state = OTHER;
        }
    }
    uint16_t crc = seed;
    for (unsigned i = 0; i < 4; ++i)
        crc = crc16(crc, counts[i], 8);
    return crc;
}

int main(void)
{
    start();
    DEMCR |= 1u << 24;
    DWT_CTRL |= 1;
    uint16_t crc = 0x66;
    uint32_t from = DWT_CYCCNT;
    for (unsigned round = 0; round < ROUNDS; ++round) {
        crc = crc16(crc, lists(crc), 16);
        crc = crc16(crc, matrices(crc), 16);
        crc = crc16(crc, texts(crc), 16);
    }
    uint32_t cycles = DWT_CYCCNT - from;
    note("cycles", cycles);
    note("crc", crc);
    finish();
}
