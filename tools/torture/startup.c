/* Start, output and end of a hosted C program on a bare Cortex-M3: newlib's system calls by semihosting, and a fault
 * as an exit status (200 and the exception's number). */
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>

extern uint32_t stack_top, data_load, data_start, data_end, bss_start, bss_end, heap_start, heap_end;
extern int main(int argc, char **argv);
void torture_reset(void);
void torture_fault(void);
void __libc_init_array(void);

__attribute__((section(".vectors"), used)) static void *const vectors[16] = {
    &stack_top, torture_reset, [2 ... 6] = torture_fault, [11 ... 15] = torture_fault,
};

static uint32_t semihost(uint32_t operation, const volatile void *argument)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const volatile void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

/* SYS_EXIT_EXTENDED with an application's exit status. */
__attribute__((noreturn)) void _exit(int status)
{
    volatile uint32_t block[2] = {0x20026, (uint32_t)status};
    for (;;)
        semihost(0x20, block);
}

__attribute__((noreturn)) void abort(void)
{
    _exit(134);
}

void torture_fault(void)
{
    uint32_t exception;
    __asm__ volatile("mrs %0, ipsr" : "=r"(exception));
    _exit(200 + (int)exception);
}

void torture_reset(void)
{
    uint32_t *from = &data_load;
    for (uint32_t *to = &data_start; to < &data_end;)
        *to++ = *from++;
    for (uint32_t *to = &bss_start; to < &bss_end;)
        *to++ = 0;
    __libc_init_array();
    exit(main(0, 0));
}

int _write(int file, const char *bytes, int length)
{
    (void)file;
    for (int i = 0; i < length; ++i)
        semihost(3, bytes + i);
    return length;
}

void *_sbrk(ptrdiff_t more)
{
    static char *top = (char *)&heap_start;
    char *old = top;
    if (more > (char *)&heap_end - top)
        return (void *)-1;
    top += more;
    return old;
}

int _read(int file, char *bytes, int length)
{
    (void)file, (void)bytes, (void)length;
    return 0;
}

int _lseek(int file, int offset, int from)
{
    (void)file, (void)offset, (void)from;
    return 0;
}

int _close(int file)
{
    (void)file;
    return -1;
}

int _fstat(int file, struct stat *to)
{
    (void)file;
    to->st_mode = S_IFCHR;
    return 0;
}

int _isatty(int file)
{
    (void)file;
    return 1;
}

int _getpid(void)
{
    return 1;
}

int _kill(int process, int signal)
{
    (void)process;
    _exit(128 + signal);
}

/* What newlib's start files would bring. */
void _init(void)
{
}

void _fini(void)
{
}
