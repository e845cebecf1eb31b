/* SPDX-License-Identifier: MIT
 *
 * Coroutines by hand, as boost.context has them: the callee-saved registers are on the stack that is
 * left, and its sp is all there is to find it by.
 *
 *   void storm_switch(void **left, void *entered)
 *   storm_entry: where a new stack begins; r12 = the function, r13 = its argument
 */
    .text
    .globl storm_switch
    .type storm_switch, @function
storm_switch:
    .cfi_startproc
    push %rbp
    .cfi_def_cfa_offset 16
    .cfi_offset %rbp, -16
    push %rbx
    .cfi_def_cfa_offset 24
    .cfi_offset %rbx, -24
    push %r12
    .cfi_def_cfa_offset 32
    .cfi_offset %r12, -32
    push %r13
    .cfi_def_cfa_offset 40
    .cfi_offset %r13, -40
    push %r14
    .cfi_def_cfa_offset 48
    .cfi_offset %r14, -48
    push %r15
    .cfi_def_cfa_offset 56
    .cfi_offset %r15, -56
    mov %rsp, (%rdi)
    mov %rsi, %rsp
    pop %r15
    .cfi_def_cfa_offset 48
    .cfi_restore %r15
    pop %r14
    .cfi_def_cfa_offset 40
    .cfi_restore %r14
    pop %r13
    .cfi_def_cfa_offset 32
    .cfi_restore %r13
    pop %r12
    .cfi_def_cfa_offset 24
    .cfi_restore %r12
    pop %rbx
    .cfi_def_cfa_offset 16
    .cfi_restore %rbx
    pop %rbp
    .cfi_def_cfa_offset 8
    .cfi_restore %rbp
    ret
    .cfi_endproc
    .size storm_switch, .-storm_switch

    .globl storm_entry
    .type storm_entry, @function
storm_entry:
    .cfi_startproc
    .cfi_undefined %rip
    mov %r13, %rdi
    call *%r12
    ud2
    .cfi_endproc
    .size storm_entry, .-storm_entry

    .section .note.GNU-stack, "", @progbits
