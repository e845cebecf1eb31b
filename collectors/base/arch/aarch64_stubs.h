/* SPDX-License-Identifier: MIT
 *
 * The contract of stubs.h for AArch64. Included by stubs.h alone. GCC has no naked functions for
 * this architecture, so the instructions stand outside of any.
 */
#ifndef BASE_ARCH_AARCH64_STUBS_H
#define BASE_ARCH_AARCH64_STUBS_H

#define ARCH_FUNCTION_(name, section)                                                              \
    ".pushsection " section ", \"ax\", %progbits\n"                                                \
    ".balign 64\n"                                                                                 \
    ".globl " #name "\n"                                                                           \
    ".type " #name ", %function\n" #name ":\n"                                                     \
    ".cfi_startproc\n"
#define ARCH_FUNCTION_END_(name)                                                                   \
    ".cfi_endproc\n"                                                                               \
    ".size " #name ", . - " #name "\n"                                                             \
    ".popsection\n"

/* Arguments are in x0 to x7, and in x8 where a large result is to go. */
#define ARCH_STUB(linkage, name, slot, resolver)                                                   \
    linkage void name(void);                                                                       \
    HIDDEN void *name##_look_up(void);                                                             \
    __attribute__((used)) void *name##_look_up(void)                                               \
    {                                                                                              \
        resolver();                                                                                \
        return (void *)(slot);                                                                     \
    }                                                                                              \
    __asm__(ARCH_FUNCTION_(name, ".text") "stp x29, x30, [sp, -96]!\n"                             \
                                          ".cfi_def_cfa_offset 96\n"                               \
                                          ".cfi_offset 29, -96\n"                                  \
                                          ".cfi_offset 30, -88\n"                                  \
                                          "mov x29, sp\n"                                          \
                                          "stp x0, x1, [sp, 16]\n"                                 \
                                          "stp x2, x3, [sp, 32]\n"                                 \
                                          "stp x4, x5, [sp, 48]\n"                                 \
                                          "stp x6, x7, [sp, 64]\n"                                 \
                                          "str x8, [sp, 80]\n"                                     \
                                          "bl " #name "_look_up\n"                                 \
                                          "mov x16, x0\n"                                          \
                                          "ldr x8, [sp, 80]\n"                                     \
                                          "ldp x6, x7, [sp, 64]\n"                                 \
                                          "ldp x4, x5, [sp, 48]\n"                                 \
                                          "ldp x2, x3, [sp, 32]\n"                                 \
                                          "ldp x0, x1, [sp, 16]\n"                                 \
                                          "ldp x29, x30, [sp], 96\n"                               \
                                          ".cfi_restore 29\n"                                      \
                                          ".cfi_restore 30\n"                                      \
                                          ".cfi_def_cfa_offset 0\n"                                \
                                          "br x16\n" ARCH_FUNCTION_END_(name));

/* The first three arguments are in x0 to x2; the fourth word keeps the stack aligned to 16. */
#define ARCH_CHOICE(name, chooser)                                                                 \
    __typeof__(name) name;                                                                         \
    __asm__(ARCH_FUNCTION_(name, ".text") "stp x29, x30, [sp, -48]!\n"                             \
                                          ".cfi_def_cfa_offset 48\n"                               \
                                          ".cfi_offset 29, -48\n"                                  \
                                          ".cfi_offset 30, -40\n"                                  \
                                          "mov x29, sp\n"                                          \
                                          "stp x0, x1, [sp, 16]\n"                                 \
                                          "str x2, [sp, 32]\n"                                     \
                                          "bl " #chooser "\n"                                      \
                                          "mov x16, x0\n"                                          \
                                          "ldr x2, [sp, 32]\n"                                     \
                                          "ldp x0, x1, [sp, 16]\n"                                 \
                                          "ldp x29, x30, [sp], 48\n"                               \
                                          ".cfi_restore 29\n"                                      \
                                          ".cfi_restore 30\n"                                      \
                                          ".cfi_def_cfa_offset 0\n"                                \
                                          "br x16\n" ARCH_FUNCTION_END_(name));

/* x0 = the number, then the arguments; x2 = a futex's operation, with flags from 128 on. The number
 * 449 is futex_waitv, which older headers lack. */
_Static_assert(SYS_futex == 98, "a number below");
_Static_assert(SYS_clone == 220, "a number below");
_Static_assert(SYS_clone3 == 435, "a number below");
#define ARCH_SYSCALL(name, slot, futex_waits, on_futex_wait, hooked, on_hooked, is_fork, on_fork)  \
    ARCH_SYSCALL_(name, slot, futex_waits, on_futex_wait, hooked, on_hooked, is_fork, on_fork)
#define ARCH_SYSCALL_(name, slot, futex_waits, on_futex_wait, hooked, on_hooked, is_fork, on_fork) \
    long name(long nr, ...);                                                                       \
    __asm__(ARCH_FUNCTION_(name, ".text") "cmp x0, 98\n"                                           \
                                          "b.eq 1f\n"                                              \
                                          "cmp x0, 449\n"                                          \
                                          "b.eq 3f\n"                                              \
                                          "b.hi 2f\n"                                              \
                                          "cmp x0, 220\n"                                          \
                                          "b.eq 4f\n"                                              \
                                          "cmp x0, 435\n"                                          \
                                          "b.eq 4f\n"                                              \
                                          "adrp x16, " #hooked "\n"                                \
                                          "add x16, x16, :lo12:" #hooked "\n"                      \
                                          "ldrb w16, [x16, x0]\n"                                  \
                                          "cbnz w16, 5f\n"                                         \
                                          "b 2f\n"                                                 \
                                          "1:\n"                                                   \
                                          "and w16, w2, 127\n"                                     \
                                          "cmp w16, 13\n"                                          \
                                          "b.hi 2f\n"                                              \
                                          "mov w17, " #futex_waits "\n"                            \
                                          "lsr w17, w17, w16\n"                                    \
                                          "tbnz w17, 0, 3f\n"                                      \
                                          "2:\n"                                                   \
                                          "adrp x16, " #slot "\n"                                  \
                                          "ldr x16, [x16, :lo12:" #slot "]\n"                      \
                                          "br x16\n"                                               \
                                          "3:\n"                                                   \
                                          "b " #on_futex_wait "\n"                                 \
                                          "4:\n"                                                   \
                                          "stp x29, x30, [sp, -80]!\n"                             \
                                          ".cfi_def_cfa_offset 80\n"                               \
                                          ".cfi_offset 29, -80\n"                                  \
                                          ".cfi_offset 30, -72\n"                                  \
                                          "mov x29, sp\n"                                          \
                                          "stp x0, x1, [sp, 16]\n"                                 \
                                          "stp x2, x3, [sp, 32]\n"                                 \
                                          "stp x4, x5, [sp, 48]\n"                                 \
                                          "stp x6, x7, [sp, 64]\n"                                 \
                                          "bl " #is_fork "\n"                                      \
                                          "and w16, w0, 1\n"                                       \
                                          "ldp x6, x7, [sp, 64]\n"                                 \
                                          "ldp x4, x5, [sp, 48]\n"                                 \
                                          "ldp x2, x3, [sp, 32]\n"                                 \
                                          "ldp x0, x1, [sp, 16]\n"                                 \
                                          "ldp x29, x30, [sp], 80\n"                               \
                                          ".cfi_restore 29\n"                                      \
                                          ".cfi_restore 30\n"                                      \
                                          ".cfi_def_cfa_offset 0\n"                                \
                                          "cbz w16, 2b\n"                                          \
                                          "b " #on_fork "\n"                                       \
                                          "5:\n"                                                   \
                                          "b " #on_hooked "\n" ARCH_FUNCTION_END_(name));

/* sig in x0, info in x1, context in x2; x30 = the kernel's code that ends the handler. */
#define ARCH_SIGNAL_STUB(name, chooser)                                                            \
    HIDDEN void name(int sig);                                                                     \
    __asm__(ARCH_FUNCTION_(name, ".text") "stp x29, x30, [sp, -48]!\n"                             \
                                          ".cfi_def_cfa_offset 48\n"                               \
                                          ".cfi_offset 29, -48\n"                                  \
                                          ".cfi_offset 30, -40\n"                                  \
                                          "mov x29, sp\n"                                          \
                                          "stp x0, x1, [sp, 16]\n"                                 \
                                          "str x2, [sp, 32]\n"                                     \
                                          "bl " #chooser "\n"                                      \
                                          "mov x16, x0\n"                                          \
                                          "ldr x2, [sp, 32]\n"                                     \
                                          "ldp x0, x1, [sp, 16]\n"                                 \
                                          "ldp x29, x30, [sp], 48\n"                               \
                                          ".cfi_restore 29\n"                                      \
                                          ".cfi_restore 30\n"                                      \
                                          ".cfi_def_cfa_offset 0\n"                                \
                                          "cbz x16, 1f\n"                                          \
                                          "br x16\n"                                               \
                                          "1:\n"                                                   \
                                          "ret\n" ARCH_FUNCTION_END_(name));

/* f in x0, its arguments in x1 and x2. 0x1b: the personality's address is relative to the place
 * where it stands, in 4 bytes. */
#define ARCH_CALL_UNWOUND(name, section, personality, A, B)                                        \
    HIDDEN void name(void (*f)(A, B), A a, B b);                                                   \
    __asm__(ARCH_FUNCTION_(name, section) ".cfi_personality 0x1b, " #personality "\n"              \
                                          "stp x29, x30, [sp, -16]!\n"                             \
                                          ".cfi_def_cfa_offset 16\n"                               \
                                          ".cfi_offset 29, -16\n"                                  \
                                          ".cfi_offset 30, -8\n"                                   \
                                          "mov x29, sp\n"                                          \
                                          "mov x16, x0\n"                                          \
                                          "mov x0, x1\n"                                           \
                                          "mov x1, x2\n"                                           \
                                          "blr x16\n"                                              \
                                          "ldp x29, x30, [sp], 16\n"                               \
                                          ".cfi_restore 29\n"                                      \
                                          ".cfi_restore 30\n"                                      \
                                          ".cfi_def_cfa_offset 0\n"                                \
                                          "ret\n" ARCH_FUNCTION_END_(name));

#endif
