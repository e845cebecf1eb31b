/* SPDX-License-Identifier: MIT
 * What an allocation costs: `malloc_bench pair` frees each block at once (sizes 16 to 512, equally
 * often), `malloc_bench replace` replaces random ones of 1,000 live blocks of 16 to 1,024 bytes.
 * Prints the nanoseconds of CPU time per malloc and free pair: the run is cut into groups of short
 * chunks, the median of each group taken, and the best group is the figure, so that what else the
 * machine does falls out. Run by scripts/bench-malloc.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { GROUPS = 3, CHUNKS = 15, OPS = 240000, LIVE = 1000, ROUNDS = OPS / 6 };

static void *blocks[LIVE];
static uint64_t state = 88172645463325252ULL;

static uint64_t xorshift(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static void pair(void)
{
    static const size_t sizes[6] = {16, 32, 64, 128, 256, 512};
    for (int s = 0; s < 6; s++)
        for (int i = 0; i < ROUNDS; i++) {
            void *p = malloc(sizes[s]);
            __asm__ volatile("" : : "r"(p) : "memory");
            free(p);
        }
}

static void replace(void)
{
    for (int i = 0; i < OPS; i++) {
        uint64_t x = xorshift();
        size_t at = (uint32_t)x % LIVE;
        free(blocks[at]);
        blocks[at] = malloc(16 + (x >> 40) % 1009);
        *(char *)blocks[at] = 1;
    }
}

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    void (*work)(void) = argc == 2 && strcmp(argv[1], "pair") == 0      ? pair
                         : argc == 2 && strcmp(argv[1], "replace") == 0 ? replace
                                                                        : NULL;
    if (work == NULL) {
        fprintf(stderr, "usage: malloc_bench pair|replace\n");
        return 2;
    }
    double best = 1e9, chunk[CHUNKS];
    work(); /* the first pass fills caches and free lists */
    for (int g = 0; g < GROUPS; g++) {
        for (int c = 0; c < CHUNKS; c++) {
            double began = cpu_ns();
            work();
            chunk[c] = (cpu_ns() - began) / OPS;
        }
        qsort(chunk, CHUNKS, sizeof chunk[0], by_value);
        best = chunk[CHUNKS / 2] < best ? chunk[CHUNKS / 2] : best;
    }
    printf("%.3f\n", best);
    return 0;
}
