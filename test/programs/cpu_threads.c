/* SPDX-License-Identifier: MIT
 * CPU truth of many short threads: N threads of so many microseconds of CPU each, four at a time,
 * made by pthread_create and by thrd_create, ended by return, pthread_exit and thrd_exit. Each
 * says by its own CPU clock what it has spent. Run by e2e/cpu_threads.py as `cpu_threads N US`.
 */
#include "truth.h"
#include <pthread.h>
#include <threads.h>

enum { AT_ONCE = 4, MOST = 10000 };

static int64_t spent[MOST], goal;

SITE void burn_until_goal(int64_t *out)
{
    int64_t now;
    do {
        for (int i = 0; i < 2000; i++)
            __asm__ volatile("" : : : "memory");
        now = thread_cpu_ns();
    } while (now < goal);
    *out = now;
}

SITE void *short_returns(void *arg)
{
    burn_until_goal(arg);
    return NULL;
}

SITE void *short_exits(void *arg)
{
    burn_until_goal(arg);
    pthread_exit(NULL);
}

SITE int short_c11(void *arg)
{
    burn_until_goal(arg);
    return 7;
}

SITE int short_c11_exits(void *arg)
{
    burn_until_goal(arg);
    thrd_exit(8);
}

static thrd_t begin(int i)
{
    pthread_t thread;
    thrd_t c11;
    switch (i % 4) {
    case 0:
        must(pthread_create(&thread, NULL, short_returns, &spent[i]) == 0, "pthread_create");
        return thread; /* glibc: both are one type */
    case 1:
        must(pthread_create(&thread, NULL, short_exits, &spent[i]) == 0, "pthread_create");
        return thread;
    case 2:
        must(thrd_create(&c11, short_c11, &spent[i]) == thrd_success, "thrd_create");
        return c11;
    default:
        must(thrd_create(&c11, short_c11_exits, &spent[i]) == thrd_success, "thrd_create");
        return c11;
    }
}

static void end(int i, thrd_t thread)
{
    int result = -1;
    if (i % 4 < 2) {
        must(pthread_join(thread, NULL) == 0, "pthread_join");
    } else {
        must(thrd_join(thread, &result) == thrd_success, "thrd_join");
        must(result == (i % 4 == 2 ? 7 : 8), "the thread's result");
    }
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    int n = atoi(argv[1]);
    goal = atoll(argv[2]) * 1000;
    must(n > 0 && n <= MOST && goal > 0, "arguments");
    thrd_t threads[AT_ONCE];
    for (int i = 0; i < n + AT_ONCE; i++) {
        if (i >= AT_ONCE)
            end(i - AT_ONCE, threads[i % AT_ONCE]);
        if (i < n)
            threads[i % AT_ONCE] = begin(i);
    }
    printf("{\"spent\": [");
    for (int i = 0; i < n; i++)
        printf("%s%lld", i ? ", " : "", (long long)spent[i]);
    printf("]}\n");
    return 0;
}
