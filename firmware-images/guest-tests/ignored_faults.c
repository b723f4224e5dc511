/* CCR.BFHFNMIGN: at the priority of HardFault a refused data access is passed over. And what device memory refuses
 * whatever CCR says. Not for QEMU, which has neither. */
#include "fault_catch.h"

FAULTING(unaligned_device_load, "ldr r1, =0xE000E011", "ldr r0, [r1]")
FAULTING(unaligned_device_store, "ldr r1, =0x40000029", "strh r0, [r1]")

static void passed_over(void)
{
    uint32_t value, other;
    CCR |= 1u << 8;
    BARRIER();
    __asm__ volatile("cpsid f\n movw r1, #4\n movt r1, #0x2008\n mov %0, #7\n ldr %0, [r1]\n mov %1, #1\n"
                     "cmp %1, #1\n itt eq\n streq.w %1, [r1, #4]\n addeq %1, #1\n ldr.w r2, [r1, #8]\n add %1, #1\n"
                     "cpsie f"
                     : "=&r"(value), "=&r"(other)::"r1", "r2", "cc", "memory");
    check("ignored_faults_go_on", other, 3);
    check("ignored_faults_raise_nothing", seen.count, 0);
    check("ignored_fault_is_recorded", CFSR, 0x8200);
    check("ignored_fault_bfar", BFAR, 0x2008000C);
    CFSR = 0xFFFFFFFF;
    CCR &= ~(1u << 8);
    BARRIER();
}

int main(void)
{
    start();
    catch_faults();
    passed_over();
    REG(0x40023840) |= 1;
    expect("unaligned_device_load", unaligned_device_load, USAGE_FAULT, 1u << 24, (uint32_t)unaligned_device_load_at);
    expect("unaligned_device_store", unaligned_device_store, USAGE_FAULT, 1u << 24,
           (uint32_t)unaligned_device_store_at);
    finish();
}
