@ Vectors and reset. Every other vector goes to `unexpected`; tests put their own into a table in RAM.
    .syntax unified
    .cpu cortex-m3
    .thumb

    .section .vectors, "a"
    .word stack_top
    .word reset
    .rept 95
    .word unexpected
    .endr

    .text
    .global reset
    .thumb_func
    .type reset, %function
reset:
    ldr r0, =data_load
    ldr r1, =data_start
    ldr r2, =data_end
1:  cmp r1, r2
    bhs 2f
    ldr r3, [r0], #4
    str r3, [r1], #4
    b 1b
2:  ldr r1, =bss_start
    ldr r2, =bss_end
    movs r3, #0
3:  cmp r1, r2
    bhs 4f
    str r3, [r1], #4
    b 3b
4:  bl main
    b .
    .ltorg
