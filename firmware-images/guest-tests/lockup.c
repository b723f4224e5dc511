/* A fault in the HardFault handler: the processor locks up and never reports again. */
#include "harness.h"

static void faulting_handler(void)
{
    write_text("ok hard_fault_entered\n");
    __asm__ volatile("udf #1");
    write_text("FAIL went_on_after_lockup\n");
}

int main(void)
{
    start();
    set_vector(HARD_FAULT, faulting_handler);
    write_text("ok before_lockup\n");
    __asm__ volatile("udf #0");
    check("no_lockup", 1, 0);
    finish();
}
