/* No vector can be read, not even that of HardFault: the processor locks up and never reports again. */
#include "harness.h"

int main(void)
{
    start();
    write_text("ok before_lockup\n");
    VTOR = 0x20080000;
    BARRIER();
    __asm__ volatile("svc #0");
    check("no_lockup", 1, 0);
    finish();
}
