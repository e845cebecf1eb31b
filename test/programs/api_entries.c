/* SPDX-License-Identifier: MIT
 * A custom profile of a million entries: 8 threads add their part at once, contend for the same
 * keys, and remove; run by e2e/api_calls.py.
 */
#include "../../preload/pprofinject.h"
#include "truth.h"
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 8, EACH = 125000 };
static pprof_profile *p;
static long won;

static void *adds(void *arg)
{
    char *base = (char *)0x100000 + (long)arg * EACH * 16;
    for (long i = 0; i < EACH; i++)
        must(pprof_profile_add(p, base + i * 16, 0) == 0, "add");
    for (long i = 0; i < 1000; i++)
        if (pprof_profile_add(p, (char *)i, 0) == 0)
            __atomic_fetch_add(&won, 1, __ATOMIC_RELAXED);
    return NULL;
}

static void *removes(void *arg)
{
    char *base = (char *)0x100000 + (long)arg * EACH * 16;
    for (long i = 0; i < EACH; i += 2)
        must(pprof_profile_remove(p, base + i * 16) == 0, "remove");
    return NULL;
}

static void all(void *(*f)(void *))
{
    pthread_t t[THREADS];
    for (long i = 0; i < THREADS; i++)
        must(pthread_create(&t[i], NULL, f, (void *)i) == 0, "pthread_create");
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
}

int main(void)
{
    p = pprof_new_profile("entries");
    must(p != NULL, "new");
    all(adds);
    must(won == 1000, "each key once");
    must(pprof_profile_count(p) == THREADS * EACH + 1000, "count");
    all(removes);
    must(pprof_profile_count(p) == THREADS * EACH / 2 + 1000, "count after removal");
    pid_t child = fork();
    if (child == 0) {
        must(pprof_profile_count(p) == THREADS * EACH / 2 + 1000, "inherited");
        must(pprof_profile_add(p, (char *)1, 0) == -EEXIST, "inherited entry");
        _exit(pprof_profile_remove(p, (char *)1) ? 1 : 0);
    }
    int status = 1;
    must(waitpid(child, &status, 0) == child && status == 0, "child");
    must(pprof_profile_count(p) == THREADS * EACH / 2 + 1000, "the child's removal is its own");
    printf("{\"entries\": %ld}\n", pprof_profile_count(p));
    return 0;
}
