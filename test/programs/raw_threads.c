/* SPDX-License-Identifier: MIT
 *
 * Threads that libc knows nothing of: two made by clone() that share their creator's thread block,
 * two made by the raw system call without a thread block. Each burns CPU time by its own clock and
 * ends by the raw exit call; the main thread sleeps meanwhile, then burns too. Prints what was
 * burnt, in nanoseconds.
 *
 * The threads use no libc at all: raw calls, no errno, no stack protector.
 */
#include <linux/futex.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

#define RAW __attribute__((noinline, optimize("no-stack-protector")))
enum { THREADS = 4, STACK = 16384, BURN_MS = 800 };

static volatile unsigned done;
static long burnt[THREADS];

RAW static long raw_call(long nr, long a, long b, long c, long d)
{
    long ret;
    register long r10 __asm__("r10") = d;
    __asm__ volatile("syscall"
                     : "=a"(ret)
                     : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10)
                     : "rcx", "r11", "memory");
    return ret;
}

RAW static long cpu_ns(void)
{
    struct timespec ts;
    raw_call(SYS_clock_gettime, CLOCK_THREAD_CPUTIME_ID, (long)&ts, 0, 0);
    return ts.tv_sec * 1000000000L + ts.tv_nsec;
}

RAW void site_burn(long *out)
{
    volatile unsigned x = 0;
    while (cpu_ns() < BURN_MS * 1000000L)
        for (int i = 0; i < 20000; i++)
            x += (unsigned)i;
    *out = cpu_ns();
}

RAW static int thread_main(void *arg)
{
    site_burn(arg);
    __atomic_fetch_add(&done, 1, __ATOMIC_SEQ_CST);
    raw_call(SYS_exit, 0, 0, 0, 0);
    return 0;
}

/* No thread pointer at all: the child starts with fs = 0. */
RAW static void spawn_bare(long *out, char *stack_top)
{
    enum {
        FLAGS = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SETTLS
    };
    void **sp = (void **)stack_top;
    *--sp = out;
    long ret;
    register long r10 __asm__("r10") = 0;
    register long r8 __asm__("r8") = 0;
    __asm__ volatile("syscall\n"
                     "test %%rax, %%rax\n"
                     "jnz 1f\n"
                     "pop %%rdi\n"
                     "xor %%ebp, %%ebp\n"
                     "call *%[fn]\n"
                     "1:\n"
                     : "=a"(ret)
                     : "a"(SYS_clone), "D"(FLAGS), "S"(sp), "d"(0), "r"(r10),
                       "r"(r8), [fn] "r"(thread_main)
                     : "rcx", "r11", "memory");
}

int main(void)
{
    char *stacks =
        mmap(NULL, THREADS * STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    enum { FLAGS = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD };
    if (stacks == MAP_FAILED)
        return 1;
    for (int i = 0; i < 2; i++)
        if (clone(thread_main, stacks + (i + 1) * STACK, FLAGS, &burnt[i]) < 0)
            return 1;
    for (int i = 2; i < THREADS; i++)
        spawn_bare(&burnt[i], stacks + (i + 1) * STACK);
    while (done < THREADS) {
        struct timespec nap = {0, 5000000};
        nanosleep(&nap, NULL);
    }
    long own = 0;
    site_burn(&own);
    long total = own;
    for (int i = 0; i < THREADS; i++)
        total += burnt[i];
    struct rusage ru;
    getrusage(RUSAGE_SELF, &ru);
    long usage = (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000000L +
                 (ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) * 1000L;
    printf("{\"burnt\": %ld, \"rusage\": %ld}\n", total, usage);
    return 0;
}
