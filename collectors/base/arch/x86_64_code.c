/* SPDX-License-Identifier: MIT
 *
 * The contract of arch.h for x86-64: the functions that change the stack, thread blocks, the
 * registers of interrupted code, machine code and relocations. Contexts: see arch.h.
 */
#include "collectors/base/arch/arch.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <ucontext.h>

/* ---- system calls, stacks ---- */

__attribute__((naked)) void arch_sigreturn(void)
{
    __asm__("mov $15, %eax\n" /* rt_sigreturn */
            "syscall\n");
}

_Static_assert(SYS_rt_sigreturn == 15, "the number above");

/* fn in rdi, arg in rsi, top in rdx. */
__attribute__((naked)) void arch_call_on_stack(__attribute__((unused)) void (*fn)(void *),
                                               __attribute__((unused)) void *arg,
                                               __attribute__((unused)) void *top)
{
    __asm__("push %rbp\n"
            ".cfi_def_cfa_offset 16\n"
            ".cfi_offset %rbp, -16\n"
            "mov %rsp, %rbp\n"
            ".cfi_def_cfa_register %rbp\n"
            "mov %rdx, %rsp\n"
            "mov %rdi, %rax\n"
            "mov %rsi, %rdi\n"
            "call *%rax\n"
            "mov %rbp, %rsp\n"
            "pop %rbp\n"
            ".cfi_def_cfa %rsp, 8\n"
            "ret\n");
}

/* The child finds fn and arg on its new stack; rbp is 0 there, for walks by frame pointers. */
int arch_clone(long flags, void (*fn)(void *), void *arg, void *stack_top, uint32_t *tid,
               uintptr_t thread_pointer)
{
    long ret;
    uintptr_t *sp = (uintptr_t *)((uintptr_t)stack_top & ~15UL); /* NOLINT: an address */
    *--sp = (uintptr_t)fn;
    *--sp = (uintptr_t)arg;
    register long r10 __asm__("r10") = (long)tid;
    register long r8 __asm__("r8") = (long)thread_pointer;
    __asm__ volatile("syscall\n"
                     "test %%rax, %%rax\n"
                     "jnz 1f\n"
                     "xor %%ebp, %%ebp\n"
                     "pop %%rdi\n"
                     "pop %%rax\n"
                     "call *%%rax\n"
                     "hlt\n"
                     "1:\n"
                     : "=a"(ret)
                     : "a"(SYS_clone), "D"(flags), "S"(sp), "d"(tid), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    return (int)ret;
}

/* ---- thread blocks ----
 *
 * Thread-local variables lie below the thread pointer, glibc's struct pthread (2,304 bytes in
 * glibc 2.36) above it. */

enum {
    BLOCK_ABOVE = 16 << 10,
    BLOCK_SPARE = 16 << 10, /* for variables further down than those that were looked at */
    BLOCK_FAR = 1 << 30,    /* a variable further away is in no thread block, but static */
};

/* Offsets of fields of struct pthread that code relies on. */
enum {
    BLOCK_TCB = 0,      /* the thread pointer itself: fs:0, by the ABI */
    BLOCK_SELF = 16,    /* and again: pthread_self() */
    BLOCK_THREADS = 24, /* int: there is more than one thread, so locks must lock */
    BLOCK_CANARY = 40,  /* the stack protector's, by the ABI */
};

static size_t block_below = BLOCK_SPARE;

void arch_thread_block_measure(void)
{
    static THREAD_LOCAL char own;
    uintptr_t pointer = arch_own_thread_pointer();
    uintptr_t places[] = {(uintptr_t)&own, (uintptr_t)__errno_location()};
    size_t below = 0;
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        if (pointer - places[i] < BLOCK_FAR && pointer - places[i] > below) {
            below = pointer - places[i];
        }
    }
    block_below = (below + BLOCK_SPARE + ARCH_PAGE_LEAST - 1) & ~(ARCH_PAGE_LEAST - 1);
}

size_t arch_thread_block_bytes(void)
{
    return block_below + BLOCK_ABOVE;
}

uintptr_t arch_thread_block(char *memory)
{
    static const uint64_t canary = 0x9e3779b97f4a7c00; /* its lowest byte ends strings */
    static const int threads = 1;
    char *block = memory + block_below;
    uintptr_t pointer = (uintptr_t)block;
    memset(memory, 0, block_below + BLOCK_ABOVE);
    memcpy(block + BLOCK_TCB, &pointer, sizeof pointer);
    memcpy(block + BLOCK_SELF, &pointer, sizeof pointer);
    memcpy(block + BLOCK_THREADS, &threads, sizeof threads);
    memcpy(block + BLOCK_CANARY, &canary, sizeof canary);
    return pointer;
}

/* ---- registers ---- */

enum { RAX, RDX, RCX, RBX, RSI, RDI, RBP, RSP, R8, R9, R10, R11, R12, R13, R14, R15, RIP };

const uint8_t arch_saved_numbers[] = {RBX, R12, R13, R14, R15};

_Static_assert(ARRAY_LEN(arch_saved_numbers) == ARCH_SAVED, "what arch.h says");
_Static_assert((int)RBP == ARCH_UNW_BP && (int)RSP == ARCH_UNW_SP && (int)RIP == ARCH_UNW_PC,
               "libunwind's");

void arch_context_words(const void *ucontext, uintptr_t *words)
{
    const ucontext_t *uc = ucontext;
    const greg_t *g = uc->uc_mcontext.gregs;
    words[0] = (uintptr_t)g[REG_RIP];
    words[1] = (uintptr_t)g[REG_RSP];
    words[2] = (uintptr_t)g[REG_RBP];
    words[3] = (uintptr_t)g[REG_RBX];
    words[4] = (uintptr_t)g[REG_R12];
    words[5] = (uintptr_t)g[REG_R13];
    words[6] = (uintptr_t)g[REG_R14];
    words[7] = (uintptr_t)g[REG_R15];
}

uintptr_t arch_context_reg(const void *ucontext, int number)
{
    static const uint8_t place[ARCH_UNW_REGS] = {
        [RAX] = REG_RAX, [RDX] = REG_RDX, [RCX] = REG_RCX, [RBX] = REG_RBX, [RSI] = REG_RSI,
        [RDI] = REG_RDI, [RBP] = REG_RBP, [RSP] = REG_RSP, [R8] = REG_R8,   [R9] = REG_R9,
        [R10] = REG_R10, [R11] = REG_R11, [R12] = REG_R12, [R13] = REG_R13, [R14] = REG_R14,
        [R15] = REG_R15, [RIP] = REG_RIP,
    };
    const ucontext_t *uc = ucontext;
    return (uintptr_t)uc->uc_mcontext.gregs[place[number]];
}

long arch_context_result(const void *ucontext)
{
    const ucontext_t *uc = ucontext;
    return (long)uc->uc_mcontext.gregs[REG_RAX];
}

/* rcx and r11 are not among them: the syscall instruction overwrites them, rcx with the pc. libc's
 * vfork keeps its return address in rdi, the register of the first argument. */
void arch_context_of_call(void *ucontext, uintptr_t pc, uintptr_t sp, const uintptr_t arg[6])
{
    static const int registers[6] = {REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9};
    ucontext_t *uc = ucontext;
    greg_t *g = uc->uc_mcontext.gregs;
    for (int i = 0; i < 6; i++) {
        g[registers[i]] = (greg_t)arg[i];
    }
    g[REG_RIP] = (greg_t)pc;
    g[REG_RCX] = (greg_t)pc;
    g[REG_RSP] = (greg_t)sp;
}

/* ---- machine code ---- */

enum { PUSH_RBP = 0x55, RET = 0xc3, RET_N = 0xc2 };

enum arch_entry arch_entry_at(const uint8_t code[])
{
    bool endbr = memcmp(code, "\xf3\x0f\x1e\xfa", 4) == 0;
    if (code[endbr ? 4 : 0] == PUSH_RBP || code[0] == RET || code[0] == RET_N) {
        return ARCH_ENTRY_ON_TOP;
    }
    /* mov %rsp,%rbp in its two encodings */
    bool move = memcmp(code, "\x48\x89\xe5", 3) == 0 || memcmp(code, "\x48\x8b\xec", 3) == 0;
    return move ? ARCH_ENTRY_IF_SAVED : ARCH_ENTRY_IN_FRAME;
}

bool arch_saves_bp(const uint8_t code[])
{
    return code[0] == PUSH_RBP;
}

/* ---- relocations ---- */

enum arch_reloc arch_reloc_of(uint32_t type)
{
    switch (type) {
    case R_X86_64_RELATIVE:
        return ARCH_RELOC_BASE;
    case R_X86_64_64:
    case R_X86_64_GLOB_DAT:
    case R_X86_64_JUMP_SLOT:
        return ARCH_RELOC_SYMBOL;
    case R_X86_64_DTPMOD64:
    case R_X86_64_DTPOFF64:
        return ARCH_RELOC_TLS;
    default:
        return ARCH_RELOC_UNKNOWN;
    }
}
