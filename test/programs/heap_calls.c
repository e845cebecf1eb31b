/* SPDX-License-Identifier: MIT
 * Every allocation entry point of C once, with what it owes its caller checked: contents,
 * alignment, errno, failures. Run by e2e/heap_calls.py at rate 1, above each allocator.
 * mallocx and its family are called only with the argument "mallocx", for allocators that have
 * them; free_sized and free_aligned_sized where dlsym finds them (glibc from 2.43, or the library).
 */
#include "truth.h"
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <unistd.h>

enum { N = 10 };

static void *kept[SITES][N];
static volatile size_t huge = SIZE_MAX / 2 - 4096; /* volatile: the compiler would warn */

static int errors[16], errors_seen;

/* What a failing call leaves in errno differs by allocator: it is printed, and must be the same
 * with and without the library. */
static void failed(int good, const char *what)
{
    must(good, what);
    errors[errors_seen++ % 16] = errno;
    errno = 0;
}

static void fill(void *p, size_t size)
{
    must(p != NULL, "memory");
    must(malloc_usable_size(p) >= size, "malloc_usable_size");
    memset(p, 0x5a, size);
}

SITE void site_malloc(void)
{
    for (int i = 0; i < N; i++)
        fill(kept[0][i] = malloc(1000), 1000);
    requests("site_malloc", 1000, N, N);
}

SITE void site_calloc(void)
{
    for (int i = 0; i < N; i++) {
        char *p = kept[1][i] = calloc(20, 50);
        for (int j = 0; j < 1000; j++)
            must(p[j] == 0, "calloc clears");
        fill(p, 1000);
    }
    requests("site_calloc", 1000, N, N);
}

SITE void site_realloc(void)
{
    for (int i = 0; i < N; i++) {
        char *p = realloc(NULL, 100);
        fill(p, 100);
        p = realloc(p, 50000);
        must(p[0] == 0x5a && p[99] == 0x5a, "realloc keeps when it grows");
        fill(p, 50000);
        p = realloc(p, 300);
        must(p[0] == 0x5a && p[299] == 0x5a, "realloc keeps when it shrinks");
        kept[2][i] = p;
    }
    requests("site_realloc", 100, N, 0);
    requests("site_realloc", 50000, N, 0);
    requests("site_realloc", 300, N, N);
}

/* A block whose realloc has failed keeps its address and content. */
SITE void site_realloc_fails(void)
{
    for (int i = 0; i < N; i++) {
        char *p = kept[3][i] = malloc(2000);
        fill(p, 2000);
        errno = 0;
        failed(realloc(p, huge) == NULL, "realloc fails");
        failed(reallocarray(p, huge, 8) == NULL, "reallocarray overflows");
        must(p[0] == 0x5a && p[1999] == 0x5a, "a failed realloc keeps the block");
    }
    requests("site_realloc_fails", 2000, N, N);
}

SITE void site_reallocarray(void)
{
    for (int i = 0; i < N; i++) {
        char *p = reallocarray(NULL, 10, 10);
        fill(p, 100);
        p = reallocarray(p, 40, 10);
        must(p[0] == 0x5a && p[99] == 0x5a, "reallocarray keeps");
        kept[4][i] = p;
    }
    requests("site_reallocarray", 100, N, 0);
    requests("site_reallocarray", 400, N, N);
}

SITE void site_memalign(void)
{
    for (int i = 0; i < N; i++) {
        fill(kept[5][i] = memalign(512, 700), 700);
        must((uintptr_t)kept[5][i] % 512 == 0, "memalign aligns");
    }
    requests("site_memalign", 700, N, N);
}

SITE void site_aligned_alloc(void)
{
    for (int i = 0; i < N; i++) {
        fill(kept[6][i] = aligned_alloc(128, 1280), 1280);
        must((uintptr_t)kept[6][i] % 128 == 0, "aligned_alloc aligns");
    }
    requests("site_aligned_alloc", 1280, N, N);
}

SITE void site_posix_memalign(void)
{
    void *p = NULL;
    must(posix_memalign(&p, 3, 100) == EINVAL && p == NULL, "posix_memalign refuses");
    must(posix_memalign(&p, 64, huge) == ENOMEM && p == NULL, "posix_memalign fails");
    for (int i = 0; i < N; i++) {
        must(posix_memalign(&kept[7][i], 2048, 900) == 0, "posix_memalign");
        must((uintptr_t)kept[7][i] % 2048 == 0, "posix_memalign aligns");
        fill(kept[7][i], 900);
    }
    requests("site_posix_memalign", 900, N, N);
}

SITE void site_valloc(void)
{
    for (int i = 0; i < N; i++) {
        fill(kept[8][i] = valloc(600), 600);
        must((uintptr_t)kept[8][i] % (size_t)sysconf(_SC_PAGESIZE) == 0, "valloc aligns");
    }
    requests("site_valloc", 600, N, N);
}

/* Whole pages, so that the requested size and the rounded one are equal. jemalloc has no pvalloc:
 * the block is then glibc's and must not be passed to any other call. */
SITE void site_pvalloc(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (int i = 0; i < N; i++) {
        kept[9][i] = pvalloc(page);
        must(kept[9][i] != NULL && (uintptr_t)kept[9][i] % page == 0, "pvalloc aligns");
        memset(kept[9][i], 1, page);
    }
    requests("site_pvalloc", page, N, N);
}

SITE void site_freed(void)
{
    for (int i = 0; i < N; i++) {
        void *p = malloc(3000), *q = memalign(64, 3000);
        fill(p, 3000);
        fill(q, 3000);
        errno = 4711;
        free(p);
        free(q);
        free(NULL);
        must(errno == 4711, "free keeps errno");
    }
    errno = 0;
    void *volatile none = malloc(huge);
    failed(none == NULL, "malloc fails");
    none = calloc(huge, 8);
    failed(none == NULL, "calloc overflows");
    requests("site_freed", 3000, 2L * N, 0);
}

SITE void site_free_sized(void)
{
    void (*sized)(void *, size_t) = dlsym(RTLD_DEFAULT, "free_sized");
    void (*aligned)(void *, size_t, size_t) = dlsym(RTLD_DEFAULT, "free_aligned_sized");
    for (int i = 0; i < N; i++) {
        void *p = malloc(1500), *q = aligned_alloc(64, 1536);
        fill(p, 1500);
        fill(q, 1536);
        if (sized != NULL)
            sized(p, 1500);
        else
            free(p);
        if (aligned != NULL)
            aligned(q, 64, 1536);
        else
            free(q);
    }
    requests("site_free_sized", 1500, N, 0);
    requests("site_free_sized", 1536, N, 0);
}

enum { ALIGN_256 = 8, ZERO = 0x40 }; /* jemalloc's flags: MALLOCX_LG_ALIGN(8), MALLOCX_ZERO */

SITE void site_mallocx(void)
{
    void *(*mallocx)(size_t, int) = dlsym(RTLD_DEFAULT, "mallocx");
    void *(*rallocx)(void *, size_t, int) = dlsym(RTLD_DEFAULT, "rallocx");
    size_t (*xallocx)(void *, size_t, size_t, int) = dlsym(RTLD_DEFAULT, "xallocx");
    size_t (*sallocx)(const void *, int) = dlsym(RTLD_DEFAULT, "sallocx");
    size_t (*nallocx)(size_t, int) = dlsym(RTLD_DEFAULT, "nallocx");
    void (*dallocx)(void *, int) = dlsym(RTLD_DEFAULT, "dallocx");
    void (*sdallocx)(void *, size_t, int) = dlsym(RTLD_DEFAULT, "sdallocx");
    must(mallocx && rallocx && xallocx && sallocx && nallocx && dallocx && sdallocx, "mallocx");
    for (int i = 0; i < N; i++) {
        char *p = mallocx(1100, ALIGN_256 | ZERO);
        must((uintptr_t)p % 256 == 0 && p[0] == 0 && p[1099] == 0, "mallocx flags");
        must(sallocx(p, 0) >= 1100 && nallocx(1100, ALIGN_256) >= 1100, "sallocx, nallocx");
        fill(p, 1100);
        p = rallocx(p, 9000, 0);
        must(p[0] == 0x5a && p[1099] == 0x5a, "rallocx keeps");
        must(xallocx(p, 9000, 0, 0) >= 9000, "xallocx in place");
        kept[12][i] = p;
        dallocx(mallocx(1100, 0), 0);
        sdallocx(mallocx(1100, 0), 1100, 0);
    }
    requests("site_mallocx", 1100, 3L * N, 0);
    requests("site_mallocx", 9000, N, N);
}

int main(int argc, char **argv)
{
    site_malloc();
    site_calloc();
    site_realloc();
    site_realloc_fails();
    site_reallocarray();
    site_memalign();
    site_aligned_alloc();
    site_posix_memalign();
    site_valloc();
    site_pvalloc();
    site_freed();
    site_free_sized();
    if (argc > 1 && strcmp(argv[1], "mallocx") == 0)
        site_mallocx();
    for (int i = 0; i < 16; i++)
        printf("%d ", errors[i]);
    printf("\n");
    print_sites();
    return 0;
}
