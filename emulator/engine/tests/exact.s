.syntax unified
.thumb
.cpu cortex-m3
.global start
start:
  ldr r4, =0x20000000
  movs r0, #0
  movs r5, #1
outer:
  movs r1, #7
inner:
  ldr r2, [r4]
  ldr r3, [r4, #4]
  adds r2, r2, r5
  str r2, [r4]
  strh r3, [r4, #8]
  eors r3, r2
  str r3, [r4, #4]
  cmp r2, r3
  itte lt
  addlt r0, r0, #3
  sublt r5, r5, #1
  addge r5, r5, #5
  orr r6, r5, #1
  udiv r7, r3, r6
  umull r8, r9, r7, r3
  push {r0-r3, lr}
  bl func
  pop {r0-r3, lr}
  cbz r7, skip
  ldrd r10, r11, [r4]
  stm r4, {r2, r3}
skip:
  subs r1, r1, #1
  bne inner
  ldr r12, =0x40000000
  ldr r8, [r12]
  str r0, [r12, #4]
  add r0, r8
  b outer
func:
  lsls r2, r0, #2
  tst r2, #8
  it ne
  bxne lr
  adds r5, #2
  bx lr
.ltorg
