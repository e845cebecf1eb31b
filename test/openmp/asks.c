/* SPDX-License-Identifier: MIT
 *
 * A program that asks in every way whether OpenMP is there, and prints what it learns: by weak
 * references, by dlsym() and dlvsym(), and where the addresses of functions lie. Built with OpenMP
 * and without. An argument is a library to open afterwards, which runs parallel regions; then it
 * asks again.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#define NAMES(DO)                                                                                  \
    DO(GOMP_parallel)                                                                              \
    DO(GOMP_barrier)                                                                               \
    DO(GOMP_critical_start)                                                                        \
    DO(GOMP_taskwait)                                                                              \
    DO(omp_get_num_threads)                                                                        \
    DO(omp_set_lock)

#define DECLARE(name) extern void name(void) __attribute__((weak));
NAMES(DECLARE)
#define ROW(name) {#name, (void *)name},

static const char *home_of(void *p)
{
    Dl_info info;
    if (!p || !dladdr(p, &info)) {
        return "nowhere";
    }
    const char *slash = strrchr(info.dli_fname, '/');
    return slash ? slash + 1 : info.dli_fname;
}

static void ask(void *handle)
{
    const struct {
        const char *name;
        void *weak;
    } rows[] = {NAMES(ROW)};
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        void *found = dlsym(handle, rows[i].name);
        void *next = dlsym(RTLD_NEXT, rows[i].name);
        void *versioned = dlvsym(handle, rows[i].name, "GOMP_1.0");
        printf("%s: weak %s, dlsym %s %s, next %s, versioned %s\n", rows[i].name,
               home_of(rows[i].weak), home_of(found),
               found == rows[i].weak ? "the same" : "another", home_of(next), home_of(versioned));
    }
}

#ifdef _OPENMP
static int regions(void)
{
    int sum = 0;
    for (int i = 0; i < 3; i++) {
#pragma omp parallel num_threads(3) reduction(+ : sum)
        {
#pragma omp barrier
            sum += 1;
        }
    }
    return sum;
}
#endif

int main(int argc, char **argv)
{
    ask(RTLD_DEFAULT);
#ifdef _OPENMP
    printf("%d\n", regions());
    ask(RTLD_DEFAULT);
#endif
    if (argc > 1) {
        void *opened = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
        void *f = opened ? dlsym(opened, "plugin_waits") : NULL;
        if (!f) {
            printf("%s\n", dlerror());
            return 1;
        }
        printf("%d\n", ((int (*)(void))f)());
        ask(RTLD_DEFAULT);
        ask(opened);
        ((void (*)(void))dlsym(opened, "GOMP_barrier"))();
    }
    return 0;
}
