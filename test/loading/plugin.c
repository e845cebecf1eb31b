/* SPDX-License-Identifier: MIT
 *
 * A library that e2e/library_loading.py builds several times, each with its own NAME and, where
 * INNER is given, the file that it opens by its bare name: its own RUNPATH, not the program's, says
 * where.
 */
#include "../programs/truth.h"
#include <dlfcn.h>
#include <pthread.h>

static void *burn(void *arg)
{
    int64_t until = thread_cpu_ns() + 20000000;
    while (thread_cpu_ns() < until)
        spin_a_little();
    return arg;
}

SITE void *site_plugin(size_t n)
{
    void *p = malloc(n);
    keep(p);
    return p;
}

/* "NAME", followed by "/" and the inner library's answer if there is an inner one. */
const char *plugin_name(void)
{
    static char name[64] = NAME;
#ifdef INNER
    void *inner = dlopen(INNER, RTLD_NOW | RTLD_LOCAL);
    const char *(*next)(void) = inner ? (const char *(*)(void))dlsym(inner, "plugin_name") : NULL;
    snprintf(name, sizeof name, "%s/%s", NAME, next ? next() : dlerror());
#endif
    return name;
}

/* Each side frees memory that the other has allocated, and the library makes a thread. */
void *plugin_exchange(void *theirs, size_t n)
{
    pthread_t thread;
    pthread_create(&thread, NULL, burn, NULL);
    free(theirs);
    void *ours = site_plugin(n);
    memset(ours, 1, n);
    pthread_join(thread, NULL);
    return ours;
}
