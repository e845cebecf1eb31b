/* SPDX-License-Identifier: MIT
 *
 * Work that alternates in step with a sampling timer: first_kind() for a ns of the thread's CPU
 * time, second_kind() for b ns, again and again, for as many seconds of CPU time. Prints the ns
 * that each took in all, by the thread's clock.
 *
 *     in_step A B SECONDS
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static volatile unsigned long sink;

static long long clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static __attribute__((noinline)) void first_kind(long long end)
{
    while (clock_ns() < end) {
        for (int i = 0; i < 200; i++) {
            sink++;
        }
    }
}

static __attribute__((noinline)) void second_kind(long long end)
{
    while (clock_ns() < end) {
        for (int i = 0; i < 200; i++) {
            sink += 2;
        }
    }
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        return 2;
    }
    long long a = atoll(argv[1]);
    long long b = atoll(argv[2]);
    long long end = clock_ns() + atoll(argv[3]) * 1000000000LL;
    long long took[2] = {0, 0};
    /* From fixed times on, so that a lost moment does not move all that follow. */
    for (long long next = clock_ns(); next < end;) {
        long long began = clock_ns();
        first_kind(next += a);
        long long between = clock_ns();
        second_kind(next += b);
        took[0] += between - began;
        took[1] += clock_ns() - between;
    }
    printf("%lld %lld\n", took[0], took[1]);
    return 0;
}
