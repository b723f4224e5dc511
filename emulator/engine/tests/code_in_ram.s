@ Code that changes code; code_in_ram.rs holds the bytes. arm-none-eabi-as -mcpu=cortex-m3 code_in_ram.s
    .syntax unified
    .thumb
@ In RAM, at its start. r0 = address of `target`, r7 = a data word of the same page.
ahead:
    ldrh r4, [r0]
    eor r4, #3                  @ adds r2, #1 <-> adds r2, #2
    strh r4, [r0]               @ changes its own block, a little further on
    add r3, r4
target:
    adds r2, #1
    adds r5, #1
    str r2, [r7]
    b ahead
    .balign 4
@ In flash, at its start. r0, r1 = addresses of two functions in RAM, without the Thumb bit.
callers:
    ldrh r4, [r0]
    eor r4, #3
    strh r4, [r0]
    ldrh r4, [r1]
    eor r4, #3
    strh r4, [r1]               @ the second store to a page with code
    add r6, r0, #1
    blx r6
    add r6, r1, #1
    blx r6
    adds r5, #1
    b callers
    .balign 4
@ The two functions.
    adds r2, #1
    bx lr
    adds r3, #1
    bx lr
