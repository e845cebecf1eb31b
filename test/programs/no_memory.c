/* SPDX-License-Identifier: MIT
 *
 * Allocations and CPU time from thousands of stacks that differ, the second half of them while the
 * process may not map a byte more: the profiler has nowhere to keep what is new, and has to say how
 * much that was. Run by e2e/no_memory.py; prints what it did.
 */
#include "truth.h"
#include <malloc.h>
#include <sys/resource.h>

enum { BITS = 13, BYTES = 64, POOL = 64 << 20, SPIN_NS = 100000 };

static long allocated;

static void leaf(int64_t spin)
{
    void *p = malloc(BYTES);
    keep(p);
    free(p);
    allocated++;
    int64_t until = spin ? thread_cpu_ns() + spin : 0;
    while (thread_cpu_ns() < until)
        spin_a_little();
}

/* Each bit of path picks one of two functions at its level, which makes 2^levels stacks. */
SITE void left(unsigned path, int levels, int64_t spin);
SITE void right(unsigned path, int levels, int64_t spin)
{
    if (levels == 0)
        leaf(spin);
    else if (path & 1)
        left(path >> 1, levels - 1, spin);
    else
        right(path >> 1, levels - 1, spin);
    keep(&path);
}

SITE void left(unsigned path, int levels, int64_t spin)
{
    if (levels == 0)
        leaf(spin);
    else if (path & 1)
        left(path >> 1, levels - 1, spin);
    else
        right(path >> 1, levels - 1, spin);
    keep(&path);
}

SITE void site_plenty(void)
{
    for (unsigned path = 0; path < 1 << (BITS - 3); path++)
        left(path, BITS, 0);
}

SITE void site_nothing(void)
{
    for (unsigned path = 0; path < 1 << BITS; path++)
        left(path, BITS, path % 16 ? 0 : SPIN_NS);
}

static rlim_t address_space(void)
{
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    must(f && fscanf(f, "%lu", &pages) == 1, "statm");
    fclose(f);
    return pages * 4096;
}

int main(void)
{
    struct rlimit limit, before;
    mallopt(M_TRIM_THRESHOLD, POOL * 2);
    mallopt(M_MMAP_THRESHOLD, POOL * 2);
    free(malloc(POOL));
    site_plenty();
    long first = allocated;
    getrlimit(RLIMIT_AS, &before);
    limit = before;
    limit.rlim_cur = address_space();
    must(setrlimit(RLIMIT_AS, &limit) == 0, "setrlimit");
    site_nothing();
    must(setrlimit(RLIMIT_AS, &before) == 0, "setrlimit");
    printf("{\"first\": %ld, \"second\": %ld, \"bytes\": %d, \"cpu\": %lld}\n", first,
           allocated - first, BYTES, (long long)clock_ns(CLOCK_PROCESS_CPUTIME_ID));
    return 0;
}
