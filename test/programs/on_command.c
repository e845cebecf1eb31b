/* SPDX-License-Identifier: MIT
 * A program that waits for commands, so that a test can dump it in a known state. A line
 * "work MIB" allocates so many MiB in 4 KiB blocks that stay, allocates and frees as many, burns
 * 0.1 s of CPU time and prints its books; it exits at the end of input. Run by e2e/pprof_base.py,
 * e2e/files.py, e2e/settings.py, e2e/signals.py.
 */
#include "truth.h"
#include <unistd.h>

static void *blocks[1 << 20];
static int used;

SITE void site_grow(int n)
{
    for (int i = 0; i < n; i++) {
        blocks[used] = malloc(4096);
        *(char *)blocks[used++] = 1;
    }
    requests("site_grow", 4096, n, n);
}

SITE void site_churn(int n)
{
    for (int i = 0; i < n; i++) {
        void *p = malloc(4096);
        keep(p);
        free(p);
    }
    requests("site_churn", 4096, n, 0);
}

SITE void burn_a_while(void)
{
    int64_t until = thread_cpu_ns() + 100000000;
    while (thread_cpu_ns() < until)
        spin_a_little();
}

int main(void)
{
    char line[64];
    size_t at = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("ready\n");
    while (read(0, line + at, 1) == 1) {
        if (line[at] != '\n') {
            at = at + 1 < sizeof line ? at + 1 : at;
            continue;
        }
        line[at] = 0;
        at = 0;
        int mib = 0;
        if (sscanf(line, "work %d", &mib) == 1) {
            site_grow(mib * 256);
            site_churn(mib * 256);
            burn_a_while();
            print_sites();
        }
    }
    return 0;
}
