/* SPDX-License-Identifier: MIT
 *
 * Door 1: all that the library knows of the processor, and of what the kernel and the ABI make of
 * it. This file is the contract. NAME.h and NAME_code.c (NAME: x86_64, aarch64) fulfil it: the
 * constants and static inline functions in the header, the other functions in the source file. No
 * other file of the library tests for an architecture, names a register or holds an instruction.
 *
 * For every function here, unless its comment says otherwise: it may run anywhere (in a signal
 * handler, inside malloc, in a thread without a thread block, in a process that shares the
 * program's memory); it takes no lock, touches neither errno nor a thread-local variable, and calls
 * nothing of libc. Addresses are uintptr_t, sizes are bytes.
 *
 * Assumed everywhere, and therefore no part of the contract: words of 64 bits, little endian,
 * stacks that grow downwards, DWARF frame information. What a port has to do beyond its two files
 * is listed in README.md.
 */
#ifndef BASE_ARCH_H
#define BASE_ARCH_H

#include "collectors/base/abi.h"

/* ---- constants of NAME.h ----
 *
 * Addresses
 *   ARCH_ADDRESS_BITS      Addresses of user memory are below 1 << ARCH_ADDRESS_BITS. Tables keep a
 *                          tag of 16 bits above an address, so it is at most 48.
 *   ARCH_CODE_END          All code of a program lies below this address (uint64_t); a walk that
 *                          starts at or above it has no frames. x86-64's vsyscall page lies above.
 *   ARCH_PAGE_LEAST        The smallest page size of any kernel, in bytes, a constant (unsigned
 *                          long). For the size and alignment of static objects; and for asking page
 *                          by page whether addresses can be read, where too small a step is right
 *                          too, and only slower.
 *   ARCH_PAGE_MOST         The largest one, likewise: for static objects that are to have all of
 *                          their pages for themselves.
 * System calls
 *   ARCH_SYS_POLL, _SELECT, _EPOLL_WAIT, _VFORK, _PAUSE, _FORK
 *                          Numbers by which a sleeping thread's system call is recognised, of calls
 *                          that younger architectures lack. There they are different negative
 *                          numbers below -1, which no call has. The library itself makes only calls
 *                          that all architectures have.
 *   ARCH_SA_RESTORER       The flag of struct arch_sigaction for a restorer, arch_sigreturn; 0
 * where the kernel needs none. ARCH_COUNTER_SOURCE    The kernel's name of the clock source that
 * reads arch_counter(). Stacks ARCH_RED_ZONE          Bytes below the stack pointer that a function
 * may use, and that the kernel leaves alone when it delivers a signal. ARCH_RETURN_BELOW_CFA  Bytes
 * from a frame's CFA down to its return address. ARCH_SIGNAL_FRAME      Bytes of stack that the
 * kernel takes, at most, to enter a handler. Registers ARCH_SAVED             How many registers a
 * callee saves besides the frame pointer. ARCH_UNW_PC, _SP, _BP  libunwind's numbers of pc, stack
 * pointer and frame pointer. ARCH_UNW_REGS          libunwind's registers have numbers below it; at
 * most 64. ARCH_DWARF_COLUMNS     How many registers libunwind keeps when it reads frame
 * information. Code and files ARCH_CALL_BYTES        Bytes of the longest call instruction.
 *   ARCH_ENTRY_BYTES       Bytes of code that arch_entry_at() looks at.
 *   ARCH_PUSH_BYTES        Bytes of the instruction that saves the frame pointer.
 *   ARCH_SYSCALL_BYTES     Bytes of the instruction that makes a system call.
 *   ARCH_FRAME_BYTES       From a frame pointer on: the caller's, and the return address.
 *   ARCH_STUB_BYTES        Bytes of code that arch_jumps_on() looks at.
 *   ARCH_LEADS_BEFORE      Bytes of code that arch_leads_to() looks at before an operand.
 *   ARCH_START_BYTES       Bytes of code that arch_main_of_entry() looks at.
 *   ARCH_GLIBC_FIRST       The first glibc for it, as "2.2.5", which is the version of all symbols
 *                          that were there by then; ARCH_GLIBC_FIRST_MINOR is its second number.
 *   ARCH_ELF_MACHINE       e_machine of its ELF files.
 *   ARCH_LIBUNWIND_H       libunwind's header, for #include.
 *   ARCH_LIBUNWIND(name)   The symbol of libunwind's function unw_name, as a string.
 *   ARCH_LIBUNWIND_FILE    The name of libunwind's library.
 *   ARCH_LIBUNWIND_PATHS   Where distributions put it: strings, with commas between them.
 */

/* The page size of this kernel, in bytes: the unit of mmap. */
static inline size_t arch_page_bytes(void);

/* ---- system calls ---- */

/* The result, or -errno. */
static inline long arch_syscall(long nr, long a, long b, long c, long d, long e, long f);

/* struct sigaction as rt_sigaction has it. */
struct arch_sigaction {
    void (*handler)(int);
    uint64_t flags;
    void (*restorer)(void);
    uint64_t mask;
};

/* Where a signal handler returns to, see ARCH_SA_RESTORER. Not to be called. */
void arch_sigreturn(void);

/* clone(). The child calls fn(arg), which never returns, on a stack whose highest address is
 * stack_top. tid (of both CLONE_PARENT_SETTID and CLONE_CHILD_CLEARTID) and thread_pointer: for the
 * flags that use them, else NULL and 0. The child's id, or -errno. */
int arch_clone(long flags, void (*fn)(void *), void *arg, void *stack_top, uint32_t *tid,
               uintptr_t thread_pointer);

/* Calls fn(arg) on another stack, whose highest address is top (a multiple of 16), and returns.
 * This function has frame information by which a walk from fn reaches the caller's stack. */
void arch_call_on_stack(void (*fn)(void *), void *arg, void *top);

/* ---- instructions ---- */

/* A hint to the processor, for loops that wait for another processor's store. */
static inline void arch_spin_pause(void);

/* A counter, in ticks of some rate; reading it takes some nanoseconds. Whether the rate is constant
 * and the same on all processors, the kernel tells: see ARCH_COUNTER_SOURCE. */
static inline uint64_t arch_counter(void);

/* Puts a value into a word that no other thread writes, and returns the value before. A signal
 * handler of this thread that does the same runs before or after the exchange, never in between.
 * Other threads may read the word. */
static inline void *arch_swap_own(void **word, const void *value);

/* Before and after floating point arithmetic of the library inside the program: between them
 * nothing traps, rounding is to nearest, and the exception flags that are set are not the
 * program's. enter returns the program's state, which leave puts back. */
static inline uint64_t arch_float_enter(void);
static inline void arch_float_leave(uint64_t program);

/* ---- threads ---- */

/* The calling thread's thread pointer; 0 in a thread of raw clone that was given none, in which an
 * access to a thread-local variable faults. At most one system call. */
static inline uintptr_t arch_thread_pointer(void);
static inline void arch_set_thread_pointer(uintptr_t thread_pointer);

/* The same without a system call, for threads that have a thread block. glibc puts it above the
 * stack of a thread that it makes: from the stack pointer up to here, memory is mapped. */
static inline uintptr_t arch_own_thread_pointer(void);

/* The one builder of thread blocks. A thread block is the memory in which code finds its
 * thread-local variables; our processes and threads of the program that have none are given one.
 *
 * measure  notes how far from the thread pointer the variables of this library and of libc lie. The
 *          constructor calls it, before the first use of the other two. It needs a thread block.
 * bytes    is the size of a block.
 * block    makes a block in that much memory, which is aligned to 64 bytes, and returns its thread
 *          pointer. All thread-local variables are zero; libc's locks take the way for several
 *          threads; the stack protector's canary is set. A block may be made again in the same
 *          memory. */
void arch_thread_block_measure(void);
size_t arch_thread_block_bytes(void);
uintptr_t arch_thread_block(char *memory);

/* ---- registers ----
 *
 * The registers of a frame are ARCH_WORDS words in this order: pc, stack pointer, frame pointer,
 * and the ARCH_SAVED others that a callee saves, in the order of arch_saved_numbers. struct regs
 * (collectors/stacks/regs.h) begins with these words. */

/* libunwind's numbers of the ARCH_SAVED registers, in the order of the words. */
extern HIDDEN const uint8_t arch_saved_numbers[];

/* The words of the function into which this is inlined; pc is an address inside the inlined code.
 */
static inline void arch_capture(uintptr_t *words);

/* The words of interrupted code. ucontext: the third argument of a signal handler. */
void arch_context_words(const void *ucontext, uintptr_t *words);

/* One register of interrupted code, by libunwind's number (below ARCH_UNW_REGS). */
uintptr_t arch_context_reg(const void *ucontext, int number);

/* Of interrupted code: the register in which a system call leaves its result. */
long arch_context_result(const void *ucontext);

/* Writes into a ucontext what is known of the registers of a thread that sleeps in a system call:
 * the arguments are still in the registers in which they were passed. */
void arch_context_of_call(void *ucontext, uintptr_t pc, uintptr_t sp, const uintptr_t arg[6]);

/* The words of the caller of a function with a frame pointer, which is `frame`; memory: the
 * ARCH_FRAME_BYTES bytes from there on. Of the other registers that a callee saves, nothing is
 * known. */
static inline void arch_caller_of_frame(uintptr_t frame, const uintptr_t *memory, uintptr_t *words);

/* ---- code without frame information ---- */

/* Whether the ARCH_SYSCALL_BYTES bytes are the instruction that makes a system call. */
static inline bool arch_is_system_call(const uint8_t code[]);

/* Whether a call instruction ends behind the ARCH_CALL_BYTES bytes at code, where code is a return
 * address less ARCH_CALL_BYTES. */
bool arch_ends_with_call(const uint8_t *code);

/* Where the return address of a function is, by the instruction at which it was interrupted. */
enum arch_entry {
    ARCH_ENTRY_IN_FRAME, /* above the frame pointer, as in the middle of a function */
    ARCH_ENTRY_ON_TOP,   /* at the stack pointer: before the first instruction, or at the return */
    ARCH_ENTRY_IF_SAVED, /* one word above, below it the caller's frame pointer, if the
                          * ARCH_PUSH_BYTES bytes before are arch_saves_bp(); else in the frame */
};
/* code: the ARCH_ENTRY_BYTES bytes from that instruction on. */
enum arch_entry arch_entry_at(const uint8_t code[]);
/* Whether the ARCH_PUSH_BYTES bytes are the instruction that saves the caller's frame pointer. */
bool arch_saves_bp(const uint8_t code[]);

/* ---- what machine code says of a frame ---- */

/* The call instruction that ends at a return address. */
struct arch_call {
    bool direct;      /* it may be one that names its target: the target is known */
    bool slot;        /* ... one whose target is in the word at the address `target` */
    bool indirect;    /* it may be one whose target is in a register, or in some word */
    uintptr_t target; /* of a direct one, or the slot's address */
};
/* code: the ARCH_CALL_BYTES bytes that end at the return address. All false: no call. */
struct arch_call arch_call_before(const uint8_t *code, uintptr_t ret);

/* Whether the ARCH_STUB_BYTES bytes of code at an address do nothing but jump on: to the address
 * *target, or (*slot) to the address that is in the word there. */
bool arch_jumps_on(const uint8_t *code, uintptr_t at, uintptr_t *target, bool *slot);

/* The address of main, from the first ARCH_START_BYTES bytes of the program's entry, which pass it
 * to the C library; 0 = not found. */
uintptr_t arch_main_of_entry(const uint8_t *code, uintptr_t at);

/* How far the frame pointer lies above the stack pointer, at an instruction of a function that
 * keeps one: from `least` to least + slack bytes. slack ARCH_SLACK_ANY: no upper bound, because the
 * function moves its stack pointer by amounts that its code does not tell. */
struct arch_depth {
    int32_t least, slack;
};
#define ARCH_SLACK_ANY INT32_MAX

/* Follows a function's code on all ways from its first instruction. code: all of it, `bytes` long;
 * at: the instruction; states: bytes + 1 elements, all zero, to work in. False: it has no frame
 * pointer there, or the ways to it cannot be followed. */
bool arch_frame_depth(const uint8_t *code, size_t bytes, size_t at, struct arch_depth *states,
                      struct arch_depth *depth);

/* Does an instruction lead to this address otherwise than by a call that names it: a jump, or one
 * that makes the address relative to itself? `code`, at the address `at`, is where its operand's
 * bytes would be; ARCH_LEADS_BEFORE bytes before and four behind can be read. */
static inline bool arch_leads_to(const uint8_t *code, uintptr_t at, uintptr_t address);

/* May the function with this code end by a jump to another function, rather than by a return? */
bool arch_may_jump_out(const uint8_t *code, size_t bytes);

/* ---- relocations of a shared object, by ELF64_R_TYPE ---- */

enum arch_reloc {
    ARCH_RELOC_UNKNOWN,
    ARCH_RELOC_BASE,   /* load address + addend */
    ARCH_RELOC_SYMBOL, /* symbol + addend */
    ARCH_RELOC_TLS,    /* module or offset of a thread-local variable, for __tls_get_addr */
};
enum arch_reloc arch_reloc_of(uint32_t type);

#if defined(__x86_64__)
#include "collectors/base/arch/x86_64.h"
#elif defined(__aarch64__)
#include "collectors/base/arch/aarch64.h"
#else
#error "this architecture has no header in collectors/base/arch/ yet: see README.md there"
#endif

enum { ARCH_WORDS = 3 + ARCH_SAVED };
#define ARCH_ADDRESS_MASK ((1ULL << ARCH_ADDRESS_BITS) - 1)

_Static_assert(ARCH_ADDRESS_BITS <= 48, "16 bits of a tag");
_Static_assert(ARCH_CODE_END <= ARCH_ADDRESS_MASK + 1, "code has addresses");
_Static_assert(ARCH_UNW_REGS <= 64, "a bit a register");

#endif
