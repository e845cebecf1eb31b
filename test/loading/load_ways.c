/* SPDX-License-Identifier: MIT
 *
 * A program that loads libraries in the way that its arguments name, and prints what it found. Run
 * by e2e/library_loading.py: `load_ways open LIBRARY…` (by name, found through the RUNPATH of the
 * object that opens it), `load_ways deepbind|namespace LIBRARY` (the program and the library free
 * each other's memory 1,000 times), `load_ways early`, `load_ways vdso`.
 */
#include "../programs/truth.h"
#include <dlfcn.h>

enum { TURNS = 1000, BYTES = 1000, CLOCK_NS = 300000000 };

__attribute__((weak)) void early_report(void);

static void *open_or_die(const char *name, int how)
{
    void *handle = strcmp(name, "") == 0 ? NULL
                   : how == 0            ? dlmopen(LM_ID_NEWLM, name, RTLD_NOW)
                                         : dlopen(name, how);
    if (!handle) {
        printf("%s\n", dlerror());
        exit(1);
    }
    return handle;
}

SITE void *site_program(size_t n)
{
    void *p = malloc(n);
    keep(p);
    return p;
}

/* The two sides free each other's memory only if they have the same allocator, which a library in
 * another namespace has not. */
static void exchange(void *handle, int one_heap)
{
    void *(*with)(void *, size_t) = (void *(*)(void *, size_t))dlsym(handle, "plugin_exchange");
    long sum = 0;
    for (int i = 0; i < TURNS / 20; i++) {
        void *p = with(one_heap ? site_program(BYTES) : NULL, BYTES);
        sum += *(char *)p;
        if (one_heap)
            free(p);
        for (int j = 0; j < 19; j++)
            free(site_program(BYTES));
    }
    printf("%ld\n", sum);
    requests("site_program", BYTES, TURNS - (one_heap ? 0 : TURNS / 20), 0);
    print_sites();
}

/* Spends CPU time in the vDSO, the kernel's code, which is in no file. */
SITE void site_vdso(void)
{
    struct timespec t;
    int64_t until = thread_cpu_ns() + CLOCK_NS;
    while (thread_cpu_ns() < until)
        for (int i = 0; i < 1000; i++)
            clock_gettime(CLOCK_MONOTONIC, &t);
}

int main(int argc, char **argv)
{
    must(argc > 1, "usage");
    if (strcmp(argv[1], "open") == 0)
        for (int i = 2; i < argc; i++) {
            void *handle = open_or_die(argv[i], RTLD_NOW | RTLD_LOCAL);
            printf("%s\n", ((const char *(*)(void))dlsym(handle, "plugin_name"))());
        }
    if (strcmp(argv[1], "deepbind") == 0)
        exchange(open_or_die(argv[2], RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND), 1);
    if (strcmp(argv[1], "namespace") == 0)
        exchange(open_or_die(argv[2], 0), 0);
    if (strcmp(argv[1], "early") == 0)
        early_report();
    if (strcmp(argv[1], "vdso") == 0)
        site_vdso();
    return 0;
}
