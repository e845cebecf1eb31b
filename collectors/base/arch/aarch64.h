/* SPDX-License-Identifier: MIT
 *
 * The contract of arch.h for AArch64 on Linux, by the AAPCS64. Included by arch.h alone. The port
 * is not finished: see aarch64_code.c.
 */
#ifndef BASE_ARCH_AARCH64_H
#define BASE_ARCH_AARCH64_H

#include <sys/auxv.h>
#include <sys/syscall.h>

/* Without a hint of 52 bits, the kernel gives programs addresses of 48. */
#define ARCH_ADDRESS_BITS 48
#define ARCH_CODE_END (1ULL << 48)
#define ARCH_PAGE_LEAST 4096UL /* 4, 16 or 64 KiB, by the kernel's configuration */
#define ARCH_PAGE_MOST 65536UL

enum {
    ARCH_SYS_POLL = -2,
    ARCH_SYS_SELECT = -3,
    ARCH_SYS_EPOLL_WAIT = -4,
    ARCH_SYS_VFORK = -5,
    ARCH_SYS_PAUSE = -6,
    ARCH_SYS_FORK = -7,
    ARCH_SA_RESTORER = 0, /* the vDSO has the code */
};
#define ARCH_COUNTER_SOURCE "arch_sys_counter"

enum {
    ARCH_RED_ZONE = 0,
    /* Of a frame without a variable part in its usual layout. Where it lies, only the frame's own
     * information tells: README.md. */
    ARCH_RETURN_BELOW_CFA = 8,
    ARCH_SIGNAL_FRAME = 10 << 10, /* with SVE registers of 256 bytes */
};

enum {
    ARCH_SAVED = 10, /* x19 to x28 */
    ARCH_UNW_BP = 29,
    ARCH_UNW_SP = 31,
    ARCH_UNW_PC = 32,
    ARCH_UNW_REGS = 33,
    ARCH_DWARF_COLUMNS = 33,
};

enum {
    ARCH_CALL_BYTES = 4,
    ARCH_ENTRY_BYTES = 8,
    ARCH_PUSH_BYTES = 4,
    ARCH_SYSCALL_BYTES = 4,
    ARCH_FRAME_BYTES = 16,
    ARCH_STUB_BYTES = 24,
    ARCH_START_BYTES = 64,
    ARCH_LEADS_BEFORE = 1,
};
#define ARCH_GLIBC_FIRST "2.17"
#define ARCH_GLIBC_FIRST_MINOR 17
#define ARCH_ELF_MACHINE EM_AARCH64
#define ARCH_LIBUNWIND_H <libunwind-aarch64.h>
#define ARCH_LIBUNWIND(name) "_Uaarch64_" name
#define ARCH_LIBUNWIND_FILE "libunwind-aarch64.so.8"
/* Debian and its kin; Fedora, SUSE; Arch; built by hand */
#define ARCH_LIBUNWIND_PATHS                                                                       \
    "/usr/lib/aarch64-linux-gnu/" ARCH_LIBUNWIND_FILE, "/usr/lib64/" ARCH_LIBUNWIND_FILE,          \
        "/usr/lib/" ARCH_LIBUNWIND_FILE, "/usr/local/lib/" ARCH_LIBUNWIND_FILE

/* libc reads it from what the kernel gave the process at its start: no system call. */
static inline size_t arch_page_bytes(void)
{
    return getauxval(AT_PAGESZ);
}

/* Number in x8, arguments in x0 to x5, result in x0; nothing else is lost. */
static inline long arch_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
    register long x8 __asm__("x8") = nr;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc 0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    return x0;
}

static inline void arch_spin_pause(void)
{
    __asm__ volatile("isb" ::: "memory");
}

static inline uint64_t arch_counter(void)
{
    uint64_t ticks;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
}

/* A signal handler that comes between the load and the store clears the reservation, and the store
 * fails. */
static inline void *arch_swap_own(void **word, const void *value)
{
    void *before;
    uint32_t failed;
    __asm__ volatile("1: ldxr %0, %2\n"
                     "stxr %w1, %3, %2\n"
                     "cbnz %w1, 1b\n"
                     : "=&r"(before), "=&r"(failed), "+Q"(*word)
                     : "r"(value)
                     : "memory");
    return before;
}

/* FPCR above, FPSR (the flags) below. 0 in both is their value when a process starts. */
static inline uint64_t arch_float_enter(void)
{
    uint64_t control;
    uint64_t flags;
    __asm__ volatile("mrs %0, fpcr\n"
                     "mrs %1, fpsr\n"
                     "msr fpcr, xzr\n"
                     : "=r"(control), "=r"(flags)
                     :
                     : "memory");
    return control << 32 | (flags & UINT32_MAX);
}

static inline void arch_float_leave(uint64_t program)
{
    __asm__ volatile("msr fpcr, %0\n"
                     "msr fpsr, %1\n"
                     :
                     : "r"(program >> 32), "r"(program & UINT32_MAX)
                     : "memory");
}

static inline uintptr_t arch_thread_pointer(void)
{
    uintptr_t pointer;
    __asm__ volatile("mrs %0, tpidr_el0" : "=r"(pointer));
    return pointer;
}

static inline void arch_set_thread_pointer(uintptr_t thread_pointer)
{
    __asm__ volatile("msr tpidr_el0, %0" : : "r"(thread_pointer) : "memory");
}

static inline uintptr_t arch_own_thread_pointer(void)
{
    return arch_thread_pointer();
}

/* The stack pointer is that of a frame that holds nothing else. How large the frame is, only its
 * own information tells: README.md. */
static inline void arch_caller_of_frame(uintptr_t frame, const uintptr_t *memory, uintptr_t *words)
{
    words[0] = memory[1];
    words[1] = frame + ARCH_FRAME_BYTES;
    words[2] = memory[0];
}

/* svc 0 */
static inline bool arch_is_system_call(const uint8_t code[])
{
    return code[0] == 0x01 && code[1] == 0x00 && code[2] == 0x00 && code[3] == 0xd4;
}

static inline __attribute__((always_inline)) void arch_capture(uintptr_t *words)
{
    __asm__ volatile("adr x16, .\n"
                     "mov x17, sp\n"
                     "stp x16, x17, [%0]\n"
                     "stp x29, x19, [%0, 16]\n"
                     "stp x20, x21, [%0, 32]\n"
                     "stp x22, x23, [%0, 48]\n"
                     "stp x24, x25, [%0, 64]\n"
                     "stp x26, x27, [%0, 80]\n"
                     "str x28, [%0, 96]\n"
                     :
                     : "r"(words)
                     : "x16", "x17", "memory");
}

/* Not told: an address is made by two instructions, adrp and add. */
static inline bool arch_leads_to(const uint8_t *code, uintptr_t at, uintptr_t address)
{
    (void)code, (void)at, (void)address;
    return true;
}

#endif
