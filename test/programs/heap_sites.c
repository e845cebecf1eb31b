/* SPDX-License-Identifier: MIT
 * The heap truth in C: each way to get memory in a function of its own, with the amounts of the
 * bar: 64 MiB live in 1 KiB pieces, 32 MiB by calloc(1 MiB), 16 MiB by realloc growth, 8 MiB
 * aligned, 8 MiB by strdup, 256 MiB churned. Run by e2e/heap_sites.py and long/heap_seeds.py.
 */
#include "truth.h"
#include <malloc.h>

enum { KIB = 1024, MIB = 1024 * KIB };

static void *small[64 * KIB], *cleared[32], *grown[16], *aligned[3][8 * MIB / 3 / 4096];
static char *copies[8 * MIB / 2048];

SITE void site_malloc(void)
{
    for (int i = 0; i < 64 * KIB; i++) {
        small[i] = malloc(KIB);
        *(char *)small[i] = 1;
    }
    requests("site_malloc", KIB, 64 * KIB, 64 * KIB);
}

SITE void site_calloc(void)
{
    for (int i = 0; i < 32; i++) {
        cleared[i] = calloc(256, 4 * KIB);
        for (int at = 0; at < MIB; at += 4093)
            must(((char *)cleared[i])[at] == 0, "calloc clears");
    }
    requests("site_calloc", MIB, 32, 32);
}

/* Each step of the growth is a free of the old size and an allocation of the whole new one. */
SITE void site_realloc(void)
{
    for (int i = 0; i < 16; i++) {
        for (size_t size = 64 * KIB; size <= MIB; size *= 2) {
            char *p = realloc(grown[i], size);
            must(size == 64 * KIB || (p[0] == i && p[size / 2 - 1] == i + 1), "realloc keeps");
            p[0] = (char)i;
            p[size - 1] = (char)(i + 1);
            grown[i] = p;
            requests("site_realloc", size, 1, size == MIB);
        }
    }
}

/* 8 MiB in three equal parts; the truth is the requested size, not the padding. */
SITE void site_posix_memalign(int n)
{
    for (int i = 0; i < n; i++)
        must(posix_memalign(&aligned[0][i], 64, 4096) == 0 && (uintptr_t)aligned[0][i] % 64 == 0,
             "posix_memalign");
    requests("site_posix_memalign", 4096, n, n);
}

SITE void site_aligned_alloc(int n)
{
    for (int i = 0; i < n; i++) {
        aligned[1][i] = aligned_alloc(4096, 4096);
        must((uintptr_t)aligned[1][i] % 4096 == 0, "aligned_alloc");
    }
    requests("site_aligned_alloc", 4096, n, n);
}

SITE void site_memalign(int n)
{
    for (int i = 0; i < n; i++) {
        aligned[2][i] = memalign(256, 4096);
        must((uintptr_t)aligned[2][i] % 256 == 0, "memalign");
    }
    requests("site_memalign", 4096, n, n);
}

SITE void site_strdup(void)
{
    static char text[2048];
    memset(text, 'x', sizeof text - 1);
    for (int i = 0; i < 8 * MIB / 2048; i++) {
        copies[i] = strdup(text);
        must(copies[i][2046] == 'x', "strdup");
    }
    requests("site_strdup", 2048, 8 * MIB / 2048, 8 * MIB / 2048);
}

SITE void site_churn(void)
{
    for (int i = 0; i < 64 * KIB; i++) {
        void *p = malloc(4 * KIB);
        keep(p);
        free(p);
    }
    requests("site_churn", 4 * KIB, 64 * KIB, 0);
}

int main(void)
{
    int third = sizeof aligned[0] / sizeof aligned[0][0];
    site_malloc();
    site_calloc();
    site_realloc();
    site_posix_memalign(third);
    site_aligned_alloc(third);
    site_memalign(third);
    site_strdup();
    site_churn();
    print_sites();
    return 0;
}
