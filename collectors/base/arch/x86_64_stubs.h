/* SPDX-License-Identifier: MIT
 *
 * The contract of stubs.h for x86-64. Included by stubs.h alone. The functions are naked, and the
 * operands of their assembly are constants and addresses relative to rip: an operand that needs a
 * register would not work in a naked function.
 */
#ifndef BASE_ARCH_X86_64_STUBS_H
#define BASE_ARCH_X86_64_STUBS_H

/* rax holds the number of vector registers in a call with variable arguments. Seven words on the
 * stack, besides the return address, keep it aligned to 16. */
#define ARCH_STUB(linkage, name, slot, resolver)                                                   \
    linkage void name(void);                                                                       \
    __attribute__((naked)) void name(void)                                                         \
    {                                                                                              \
        __asm__("push %%rdi\n.cfi_adjust_cfa_offset 8\n"                                           \
                "push %%rsi\n.cfi_adjust_cfa_offset 8\n"                                           \
                "push %%rdx\n.cfi_adjust_cfa_offset 8\n"                                           \
                "push %%rcx\n.cfi_adjust_cfa_offset 8\n"                                           \
                "push %%r8\n.cfi_adjust_cfa_offset 8\n"                                            \
                "push %%r9\n.cfi_adjust_cfa_offset 8\n"                                            \
                "push %%rax\n.cfi_adjust_cfa_offset 8\n"                                           \
                "call " #resolver "\n"                                                             \
                "pop %%rax\n.cfi_adjust_cfa_offset -8\n"                                           \
                "pop %%r9\n.cfi_adjust_cfa_offset -8\n"                                            \
                "pop %%r8\n.cfi_adjust_cfa_offset -8\n"                                            \
                "pop %%rcx\n.cfi_adjust_cfa_offset -8\n"                                           \
                "pop %%rdx\n.cfi_adjust_cfa_offset -8\n"                                           \
                "pop %%rsi\n.cfi_adjust_cfa_offset -8\n"                                           \
                "pop %%rdi\n.cfi_adjust_cfa_offset -8\n"                                           \
                "jmp *%0\n"                                                                        \
                :                                                                                  \
                : "m"(slot));                                                                      \
    }

/* Three words and the return address keep the stack aligned to 16. The function has its own type,
 * in which a naked one could not be written; so its instructions stand outside of any. */
#define ARCH_CHOICE(name, chooser)                                                                 \
    __typeof__(name) name;                                                                         \
    __asm__(".pushsection .text\n"                                                                 \
            ".balign 64\n"                                                                         \
            ".globl " #name "\n"                                                                   \
            ".type " #name ", %function\n" #name ":\n"                                             \
            ".cfi_startproc\n"                                                                     \
            "push %rdi\n.cfi_adjust_cfa_offset 8\n"                                                \
            "push %rsi\n.cfi_adjust_cfa_offset 8\n"                                                \
            "push %rdx\n.cfi_adjust_cfa_offset 8\n"                                                \
            "call " #chooser "\n"                                                                  \
            "mov %rax, %r11\n"                                                                     \
            "pop %rdx\n.cfi_adjust_cfa_offset -8\n"                                                \
            "pop %rsi\n.cfi_adjust_cfa_offset -8\n"                                                \
            "pop %rdi\n.cfi_adjust_cfa_offset -8\n"                                                \
            "jmp *%r11\n"                                                                          \
            ".cfi_endproc\n"                                                                       \
            ".size " #name ", . - " #name "\n"                                                     \
            ".popsection\n");

/* rdi = the number, then the arguments; rdx = a futex's operation, with flags from 128 on. The
 * number 449 is futex_waitv, which older headers lack. */
#define ARCH_SYSCALL(name, slot, futex_waits, on_futex_wait, hooked, on_hooked, is_fork, on_fork)  \
    __attribute__((naked)) long name(__attribute__((unused)) long nr, ...)                         \
    {                                                                                              \
        __asm__("cmp %2, %%rdi\n"                                                                  \
                "je 1f\n"                                                                          \
                "cmp $449, %%rdi\n"                                                                \
                "je " #on_futex_wait "\n"                                                          \
                "ja 2f\n"                                                                          \
                "cmp %4, %%rdi\n"                                                                  \
                "je 3f\n"                                                                          \
                "cmp %5, %%rdi\n"                                                                  \
                "je 3f\n"                                                                          \
                "cmp %6, %%rdi\n"                                                                  \
                "je 3f\n"                                                                          \
                "lea %1, %%r10\n"                                                                  \
                "cmpb $0, (%%r10,%%rdi)\n"                                                         \
                "jne " #on_hooked "\n"                                                             \
                "2:\n"                                                                             \
                "jmp *%0\n"                                                                        \
                "1:\n"                                                                             \
                "mov %%edx, %%eax\n"                                                               \
                "and $127, %%eax\n"                                                                \
                "cmp $13, %%eax\n"                                                                 \
                "ja 2b\n"                                                                          \
                "mov %3, %%r10d\n"                                                                 \
                "bt %%eax, %%r10d\n"                                                               \
                "jc " #on_futex_wait "\n"                                                          \
                "jmp *%0\n"                                                                        \
                "3:\n"                                                                             \
                "push %%rdi\n.cfi_adjust_cfa_offset 8\n"                                           \
                "push %%rsi\n.cfi_adjust_cfa_offset 8\n"                                           \
                "push %%rdx\n.cfi_adjust_cfa_offset 8\n"                                           \
                "push %%rcx\n.cfi_adjust_cfa_offset 8\n"                                           \
                "push %%r8\n.cfi_adjust_cfa_offset 8\n"                                            \
                "push %%r9\n.cfi_adjust_cfa_offset 8\n"                                            \
                "push %%rax\n.cfi_adjust_cfa_offset 8\n"                                           \
                "call " #is_fork "\n"                                                              \
                "test %%al, %%al\n"                                                                \
                "pop %%rax\n.cfi_adjust_cfa_offset -8\n"                                           \
                "pop %%r9\n.cfi_adjust_cfa_offset -8\n"                                            \
                "pop %%r8\n.cfi_adjust_cfa_offset -8\n"                                            \
                "pop %%rcx\n.cfi_adjust_cfa_offset -8\n"                                           \
                "pop %%rdx\n.cfi_adjust_cfa_offset -8\n"                                           \
                "pop %%rsi\n.cfi_adjust_cfa_offset -8\n"                                           \
                "pop %%rdi\n.cfi_adjust_cfa_offset -8\n"                                           \
                "jnz " #on_fork "\n"                                                               \
                "jmp *%0\n"                                                                        \
                :                                                                                  \
                : "m"(slot), "m"(hooked), "i"(SYS_futex), "i"(futex_waits), "i"(SYS_clone),        \
                  "i"(SYS_clone3), "i"(SYS_fork));                                                 \
    }

/* sig in rdi, info in rsi, context in rdx. Three words and the return address keep the stack
 * aligned to 16. The kernel enters a handler with rax = 0. */
#define ARCH_SIGNAL_STUB(name, chooser)                                                            \
    static __attribute__((naked)) void name(__attribute__((unused)) int sig)                       \
    {                                                                                              \
        __asm__("push %rdi\n.cfi_adjust_cfa_offset 8\n"                                            \
                "push %rsi\n.cfi_adjust_cfa_offset 8\n"                                            \
                "push %rdx\n.cfi_adjust_cfa_offset 8\n"                                            \
                "call " #chooser "\n"                                                              \
                "pop %rdx\n.cfi_adjust_cfa_offset -8\n"                                            \
                "pop %rsi\n.cfi_adjust_cfa_offset -8\n"                                            \
                "pop %rdi\n.cfi_adjust_cfa_offset -8\n"                                            \
                "test %rax, %rax\n"                                                                \
                "jz 1f\n"                                                                          \
                "mov %rax, %r11\n"                                                                 \
                "xor %eax, %eax\n"                                                                 \
                "jmp *%r11\n"                                                                      \
                "1:\n"                                                                             \
                "ret\n");                                                                          \
    }

/* f in rdi, its arguments in rsi and rdx. 0x1b: the personality's address is relative to the place
 * where it stands, in 4 bytes. */
#define ARCH_CALL_UNWOUND(name, in_section, personality, A, B)                                     \
    __attribute__((naked, section(in_section))) static void name(                                  \
        __attribute__((unused)) void (*f)(A, B), __attribute__((unused)) A a,                      \
        __attribute__((unused)) B b)                                                               \
    {                                                                                              \
        __asm__(".cfi_personality 0x1b, " #personality "\n"                                        \
                "push %rbp\n"                                                                      \
                ".cfi_def_cfa_offset 16\n"                                                         \
                ".cfi_offset %rbp, -16\n"                                                          \
                "mov %rsp, %rbp\n"                                                                 \
                ".cfi_def_cfa_register %rbp\n"                                                     \
                "mov %rdi, %rax\n"                                                                 \
                "mov %rsi, %rdi\n"                                                                 \
                "mov %rdx, %rsi\n"                                                                 \
                "call *%rax\n"                                                                     \
                "pop %rbp\n"                                                                       \
                ".cfi_def_cfa %rsp, 8\n"                                                           \
                "ret\n");                                                                          \
    }

#endif
