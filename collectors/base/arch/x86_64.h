/* SPDX-License-Identifier: MIT
 *
 * The contract of arch.h for x86-64 on Linux, by the System V ABI. Included by arch.h alone.
 */
#ifndef BASE_ARCH_X86_64_H
#define BASE_ARCH_X86_64_H

#include <sys/syscall.h>

#define ARCH_ADDRESS_BITS 48
#define ARCH_CODE_END (1ULL << 47) /* the kernel gives programs the lower half */
#define ARCH_PAGE_LEAST 4096UL
#define ARCH_PAGE_MOST 4096UL

enum {
    ARCH_SYS_POLL = SYS_poll,
    ARCH_SYS_SELECT = SYS_select,
    ARCH_SYS_EPOLL_WAIT = SYS_epoll_wait,
    ARCH_SYS_VFORK = SYS_vfork,
    ARCH_SYS_PAUSE = SYS_pause,
    ARCH_SYS_FORK = SYS_fork,
    ARCH_SA_RESTORER = 0x04000000,
};
#define ARCH_COUNTER_SOURCE "tsc"

enum {
    ARCH_RED_ZONE = 128,
    ARCH_RETURN_BELOW_CFA = 8,   /* the call instruction has pushed it */
    ARCH_SIGNAL_FRAME = 4 << 10, /* 3.4 KiB with AVX-512 */
};

enum {
    ARCH_SAVED = 5, /* rbx, r12 to r15 */
    ARCH_UNW_BP = 6,
    ARCH_UNW_SP = 7,
    ARCH_UNW_PC = 16,
    ARCH_UNW_REGS = 17,
    ARCH_DWARF_COLUMNS = 17, /* rax to r15, return address */
};

enum {
    ARCH_CALL_BYTES = 7,
    ARCH_ENTRY_BYTES = 5, /* endbr64, push %rbp */
    ARCH_PUSH_BYTES = 1,
    ARCH_SYSCALL_BYTES = 2,
    ARCH_FRAME_BYTES = 16,
    ARCH_STUB_BYTES = 24,
    ARCH_START_BYTES = 64,
    ARCH_LEADS_BEFORE = 1,
};
#define ARCH_GLIBC_FIRST "2.2.5"
#define ARCH_GLIBC_FIRST_MINOR 2
#define ARCH_ELF_MACHINE EM_X86_64
#define ARCH_LIBUNWIND_H <libunwind-x86_64.h>
#define ARCH_LIBUNWIND(name) "_Ux86_64_" name
#define ARCH_LIBUNWIND_FILE "libunwind-x86_64.so.8"
/* Debian and its kin; Fedora, SUSE; Arch; built by hand */
#define ARCH_LIBUNWIND_PATHS                                                                       \
    "/usr/lib/x86_64-linux-gnu/" ARCH_LIBUNWIND_FILE, "/usr/lib64/" ARCH_LIBUNWIND_FILE,           \
        "/usr/lib/" ARCH_LIBUNWIND_FILE, "/usr/local/lib/" ARCH_LIBUNWIND_FILE

static inline size_t arch_page_bytes(void)
{
    return ARCH_PAGE_LEAST;
}

/* Number in rax, arguments in rdi rsi rdx r10 r8 r9, result in rax; rcx and r11 are lost. */
static inline long arch_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
    long ret;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(ret)
                     : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return ret;
}

static inline void arch_spin_pause(void)
{
    __asm__ volatile("pause");
}

static inline uint64_t arch_counter(void)
{
    return __builtin_ia32_rdtsc();
}

/* One instruction stores the value, and only if nothing has changed since the load. Without a lock
 * prefix, because no other thread writes the word. */
static inline void *arch_swap_own(void **word, const void *value)
{
    void *before; /* in rax: cmpxchg compares it with the word, and loads the word into it */
    __asm__ volatile("mov %1, %0\n"
                     "1: cmpxchg %2, %1\n"
                     "jne 1b\n"
                     : "=&a"(before), "+m"(*word)
                     : "r"(value)
                     : "cc", "memory");
    return before;
}

/* MXCSR holds control bits and flags. 0x1f80 is its value when a process starts: all exceptions
 * masked, no flag set. */
static inline uint64_t arch_float_enter(void)
{
    uint32_t program = __builtin_ia32_stmxcsr();
    __builtin_ia32_ldmxcsr(0x1f80);
    return program;
}

static inline void arch_float_leave(uint64_t program)
{
    __builtin_ia32_ldmxcsr((uint32_t)program);
}

/* The thread pointer is the base of fs. An instruction can read it only where both processor and
 * kernel allow that, so the kernel is asked. The numbers are from asm/prctl.h. */
enum { ARCH_SET_FS_ = 0x1002, ARCH_GET_FS_ = 0x1003 };

static inline uintptr_t arch_thread_pointer(void)
{
    uintptr_t fs = 0;
    arch_syscall(SYS_arch_prctl, ARCH_GET_FS_, (long)&fs, 0, 0, 0, 0);
    return fs;
}

static inline void arch_set_thread_pointer(uintptr_t thread_pointer)
{
    arch_syscall(SYS_arch_prctl, ARCH_SET_FS_, (long)thread_pointer, 0, 0, 0, 0);
}

static inline uintptr_t arch_own_thread_pointer(void)
{
    return (uintptr_t)__builtin_thread_pointer();
}

/* push %rbp, mov %rsp, %rbp: above them lie the return address, and what the caller has pushed. */
static inline void arch_caller_of_frame(uintptr_t frame, const uintptr_t *memory, uintptr_t *words)
{
    words[0] = memory[1];
    words[1] = frame + ARCH_FRAME_BYTES;
    words[2] = memory[0];
}

static inline bool arch_is_system_call(const uint8_t code[])
{
    return code[0] == 0x0f && code[1] == 0x05;
}

static inline __attribute__((always_inline)) void arch_capture(uintptr_t *words)
{
    __asm__ volatile("lea 0(%%rip), %%rax\n"
                     "mov %%rax, 0(%0)\n"
                     "mov %%rsp, 8(%0)\n"
                     "mov %%rbp, 16(%0)\n"
                     "mov %%rbx, 24(%0)\n"
                     "mov %%r12, 32(%0)\n"
                     "mov %%r13, 40(%0)\n"
                     "mov %%r14, 48(%0)\n"
                     "mov %%r15, 56(%0)\n"
                     :
                     : "r"(words)
                     : "rax", "memory");
}

/* An operand relative to the instruction pointer, or the distance of a jump, of four bytes or of
 * one, by the byte before it: ModRM or the opcode. call rel32 has another one, E8. */
static inline bool arch_leads_to(const uint8_t *code, uintptr_t at, uintptr_t address)
{
    int32_t distance;
    __builtin_memcpy(&distance, code, sizeof distance);
    uint8_t before = code[-1];
    bool far = (before & 0xc7) == 0x05 || before == 0xe9 || (before & 0xf0) == 0x80;
    bool near = before == 0xeb || (before & 0xf0) == 0x70;
    return (far && at + 4 + (uintptr_t)(intptr_t)distance == address) ||
           (near && at + 1 + (uintptr_t)(intptr_t)(int8_t)code[0] == address);
}

#endif
