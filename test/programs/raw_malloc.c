/* SPDX-License-Identifier: MIT flags: -shared -fPIC */
/*
 * To be preloaded after the library: an allocator on top of libc's that locks by futex calls of its
 * own, as tcmalloc does, so that no interposed function sees its waits. Each 64th call holds its
 * lock for a long time. Run by e2e/block_allocator.py.
 */
#include <linux/futex.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void *__libc_memalign(size_t align, size_t size);
extern void __libc_free(void *p);

static _Atomic uint32_t word; /* 0 = free, 1 = taken, 2 = taken and a thread may sleep */
static unsigned calls;

static long system_call(long number, long a, long b, long c)
{
    register long d __asm__("r10") = 0;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(d)
                     : "rcx", "r11", "memory");
    return result;
}

static void lock(void)
{
    uint32_t seen = 0;
    if (atomic_compare_exchange_strong(&word, &seen, 1))
        return;
    while (atomic_exchange(&word, 2) != 0)
        system_call(SYS_futex, (long)&word, FUTEX_WAIT_PRIVATE, 2);
}

static void unlock(void)
{
    enum { LONG = 64, TURNS = 20000 };
    if (++calls % LONG == 0)
        for (int i = 0; i < TURNS; i++)
            __builtin_ia32_pause();
    if (atomic_exchange(&word, 0) == 2)
        system_call(SYS_futex, (long)&word, FUTEX_WAKE_PRIVATE, 1);
}

void *malloc(size_t size)
{
    lock();
    void *p = __libc_malloc(size);
    unlock();
    return p;
}

void *calloc(size_t n, size_t size)
{
    lock();
    void *p = __libc_calloc(n, size);
    unlock();
    return p;
}

void *realloc(void *p, size_t size)
{
    lock();
    void *fresh = __libc_realloc(p, size);
    unlock();
    return fresh;
}

void *aligned_alloc(size_t align, size_t size)
{
    lock();
    void *p = __libc_memalign(align, size);
    unlock();
    return p;
}

void free(void *p)
{
    lock();
    __libc_free(p);
    unlock();
}
