/* SPDX-License-Identifier: MIT
 *
 * Frames as only assembly makes them, each described by its call frame information at every
 * instruction: what stepped.cc calls, with a function to call in turn.
 */

.text
.macro function name
.globl \name
.hidden \name
.type \name, @function
\name:
.cfi_startproc
.endm
.macro end name
.cfi_endproc
.size \name, .-\name
.endm

function asm_pushes
    push %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbx, 0
    push %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbp, 0
    xor %ebp, %ebp
    sub $40, %rsp
    .cfi_adjust_cfa_offset 40
    mov %rdi, %rbx
    mov $1, %edi
    call *%rbx
    .cfi_remember_state
    test %eax, %eax
    jz 1f
    add $40, %rsp
    .cfi_adjust_cfa_offset -40
    pop %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbp
    pop %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbx
    ret
1:  .cfi_restore_state
    ud2
end asm_pushes

function asm_frame
    push %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbp, 0
    mov %rsp, %rbp
    .cfi_def_cfa_register %rbp
    and $-64, %rsp
    sub $64, %rsp
    mov %rdi, %rax
    mov $2, %edi
    call *%rax
    leave
    .cfi_def_cfa %rsp, 8
    .cfi_restore %rbp
    ret
end asm_frame

function asm_by_rbx
    push %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbx, 0
    mov %rsp, %rbx
    .cfi_def_cfa_register %rbx
    and $-128, %rsp
    mov %rdi, %rax
    mov $3, %edi
    call *%rax
    mov %rbx, %rsp
    .cfi_def_cfa_register %rsp
    pop %rbx
    .cfi_def_cfa_offset 8
    .cfi_restore %rbx
    ret
end asm_by_rbx

/* The stack pointer that it came with lies at 8(%rsp): breg7 8, deref, plus_uconst 8. */
function asm_by_expression
    mov %rsp, %rax
    .cfi_def_cfa %rax, 8
    sub $40, %rsp
    and $-32, %rsp
    mov %rax, 8(%rsp)
    .cfi_escape 0x0f, 5, 0x77, 8, 0x06, 0x23, 8
    mov %rdi, %rax
    mov $4, %edi
    call *%rax
    mov 8(%rsp), %rsp
    .cfi_def_cfa %rsp, 8
    ret
end asm_by_expression

function asm_tail
    sub $24, %rsp
    .cfi_adjust_cfa_offset 24
    nop
    add $24, %rsp
    .cfi_adjust_cfa_offset -24
    jmp asm_by_rbx
end asm_tail

/* As vfork does it: the return address in a register that no call preserves. */
function asm_without_return
    pop %rdi
    .cfi_adjust_cfa_offset -8
    .cfi_register %rip, %rdi
    nop
    lea 1(%rax), %rax
    jmp *%rdi
end asm_without_return

.section .note.GNU-stack, "", @progbits
