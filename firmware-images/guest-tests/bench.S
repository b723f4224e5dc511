@ Bench kernels of about 100 million instructions each, chosen by -DKERNEL_...; exit by semihosting. Nothing is
@ printed: the caller measures. Instruction counts are those of the loop; start-up adds a few dozen.
    .syntax unified
    .cpu cortex-m3
    .thumb

    .section .vectors, "a"
    .word stack_top
    .word reset
    .rept 95
    .word fail
    .endr

    .text
    .global reset
    .thumb_func
    .type reset, %function
reset:
#if defined(KERNEL_INTEGER)
    @ 10,000,000 rounds of 10.
    ldr r0, =10000000
    movs r1, #1
    movs r2, #3
    mov r3, #7
1:  add r1, r1, r2
    eor r2, r2, r1, lsl #3
    mul r3, r3, r1
    sub r4, r3, r2, lsr #5
    and r5, r4, r1
    orr r1, r5, r2, ror #7
    umull r6, r7, r3, r4
    add r2, r2, r7
    subs r0, #1
    bne 1b
#elif defined(KERNEL_MEMORY)
    @ 97,656 copies of 1 KB (four words a round, 64 rounds of 16): 1,024 and 5 instructions a copy.
    ldr r0, =97656
    ldr r10, =0x20001000
    ldr r11, =0x20002000
1:  mov r1, r10
    mov r2, r11
    mov r3, #64
2:  ldr r4, [r1], #4
    str r4, [r2], #4
    ldr r5, [r1], #4
    str r5, [r2], #4
    ldr r6, [r1], #4
    str r6, [r2], #4
    ldr r7, [r1], #4
    str r7, [r2], #4
    ldrb r8, [r10]
    strb r8, [r11]
    ldrh r8, [r10, #2]
    strh r8, [r11, #2]
    ldmia r10, {r8, r9}
    stmia r11, {r8, r9}
    subs r3, #1
    bne 2b
    subs r0, #1
    bne 1b
#elif defined(KERNEL_BRANCH)
    @ 13,333,333 rounds; 7 or 8 instructions each, as a pseudo-random bit says.
    ldr r0, =13333333
    ldr r1, =0x12345678
    ldr r5, =1664525
    ldr r6, =1013904223
    movs r2, #0
    movs r3, #0
1:  mul r1, r1, r5
    add r1, r1, r6
    tst r1, #0x40000000
    beq 2f
    add r2, #1
    b 3f
2:  add r3, #1
3:  subs r0, #1
    bne 1b
#elif defined(KERNEL_CALL)
    @ 6,250,000 rounds of 16: two nested calls and an indirect one.
    ldr sp, =stack_top
    ldr r4, =6250000
    ldr r5, =leaf
    movs r0, #0
1:  bl middle
    blx r5
    subs r4, #1
    bne 1b
    b done
    .thumb_func
middle:
    push {r4, lr}
    add r0, #1
    bl leaf
    bl leaf
    nop
    pop {r4, pc}
    .thumb_func
leaf:
    add r0, #1
    bx lr
#elif defined(KERNEL_MMIO)
    @ 16,666,667 polls of USART3's status register, six instructions each. RCC_APB1ENR.USART3EN gives it its clock.
    ldr r1, =0x40023840
    ldr r2, [r1]
    orr r2, #0x40000
    str r2, [r1]
    ldr r2, [r1]
    ldr r0, =16666667
    ldr r1, =0x40004800
    movs r3, #0
1:  ldr r2, [r1]
    tst r2, #0x20
    it ne
    addne r3, #1
    subs r0, #1
    bne 1b
#else
#error choose a kernel
#endif
done:
    movs r0, #0x18
    ldr r1, =0x20026
    bkpt 0xAB
    b .

    .thumb_func
    .type fail, %function
fail:
    movs r0, #0x18
    ldr r1, =0x20023
    bkpt 0xAB
    b .
    .ltorg
