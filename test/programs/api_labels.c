/* SPDX-License-Identifier: MIT
 * Labels with known truth; run by e2e/labels.py as `api_labels WHAT`:
 *   server   4 workers serve 3 routes, CPU time per route as booked by their own clocks
 *   exits    pthread_exit and cancellation out of pprof_do(), with CPU time spent afterwards
 *   million  new sets, a million changes a second, and what memory that takes
 *   silent   a thread made inside pprof_do() parks for the goroutine profile
 */
#include "../../preload/pprofinject.h"
#include "truth.h"
#include <pthread.h>
#include <unistd.h>

enum { WORKERS = 4, ROUTES = 3 };
static const char *const route[ROUTES] = {"/slow", "/middle", "/fast"};
static const int weight[ROUTES] = {50, 30, 20};
static int64_t spent[WORKERS][ROUTES], nested_spent, bare_spent;

SITE void burn(int64_t ns, int64_t *book)
{
    int64_t began = thread_cpu_ns();
    while (thread_cpu_ns() - began < ns)
        spin_a_little();
    *book += thread_cpu_ns() - began;
}

static void step(pprof_ctx *ctx, void *arg)
{
    (void)ctx;
    burn(1300000, arg);
}

struct request {
    int worker, route;
};

static void serve(pprof_ctx *ctx, void *arg)
{
    struct request *r = arg;
    burn(weight[r->route] * 40000 + r->worker * 171000, &spent[r->worker][r->route]);
    /* Nested: afterwards the thread has the route alone again. */
    int64_t nested = 0;
    pprof_do(ctx, pprof_labels("step", "nested", NULL), step, &nested);
    spent[r->worker][r->route] += nested;
    __atomic_fetch_add(&nested_spent, nested, __ATOMIC_RELAXED);
    burn(weight[r->route] * 40000, &spent[r->worker][r->route]);
}

static void *worker(void *arg)
{
    int w = (int)(intptr_t)arg;
    unsigned random = (unsigned)w * 7919 +
                      1; /* not a fixed order, which could be in step with the kernel's ticks */
    for (int i = 0; i < 720; i++) {
        random = random * 1103515245u + 12345u;
        struct request r = {w, (int)(random >> 16) % ROUTES};
        pprof_do(NULL, pprof_labels("route", route[r.route], "app", "server", NULL), serve, &r);
    }
    int64_t bare = 0;
    burn(100000000, &bare);
    __atomic_fetch_add(&bare_spent, bare, __ATOMIC_RELAXED);
    return NULL;
}

static void server(void)
{
    pthread_t t[WORKERS];
    for (intptr_t i = 0; i < WORKERS; i++)
        must(pthread_create(&t[i], NULL, worker, (void *)i) == 0, "pthread_create");
    for (int i = 0; i < WORKERS; i++)
        pthread_join(t[i], NULL);
    int64_t sum[ROUTES] = {0};
    for (int w = 0; w < WORKERS; w++)
        for (int i = 0; i < ROUTES; i++)
            sum[i] += spent[w][i];
    printf(
        "{\"/slow\": %lld, \"/middle\": %lld, \"/fast\": %lld, \"nested\": %lld, \"bare\": %lld}\n",
        (long long)sum[0], (long long)sum[1], (long long)sum[2], (long long)nested_spent,
        (long long)bare_spent);
}

/* ---- ends ---- */

static int64_t ended;

SITE void after_end(void *arg)
{
    burn(100000000, &ended);
    keep(arg); /* keeps the call above from becoming a tail call */
}

static void leave(pprof_ctx *ctx, void *arg)
{
    (void)ctx;
    if (arg)
        pthread_exit(NULL);
    for (;;)
        pause();
}

static void *leaver(void *arg)
{
    pthread_cleanup_push(after_end, NULL);
    pprof_do(NULL, pprof_labels("left", "yes", NULL), leave, arg);
    pthread_cleanup_pop(1);
    return NULL;
}

static void *pauses(void *arg)
{
    for (;;)
        pause();
    return arg;
}

static void exits(void)
{
    pthread_t t;
    /* The first thread that a process cancels has the timers' signal blocked, see doc/unnoticed.md.
     */
    must(pthread_create(&t, NULL, pauses, NULL) == 0, "pthread_create");
    pthread_cancel(t);
    pthread_join(t, NULL);
    must(pthread_create(&t, NULL, leaver, (void *)1) == 0, "pthread_create");
    pthread_join(t, NULL);
    must(pthread_create(&t, NULL, leaver, NULL) == 0, "pthread_create");
    usleep(100000);
    pthread_cancel(t);
    pthread_join(t, NULL);
    printf("{\"ended\": %lld}\n", (long long)ended);
}

/* ---- a million changes a second ---- */

static long resident_kib(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    must(f && fscanf(f, "%*d %ld", &pages) == 1, "statm");
    fclose(f);
    return pages * 4;
}

static void *change(void *arg)
{
    char name[32];
    long n = *(long *)arg;
    for (long i = 0; i < n; i++) {
        snprintf(name, sizeof name, "%ld", i);
        pprof_ctx *c = pprof_with_labels(NULL, pprof_labels("request", name, "kind", "x", NULL));
        pprof_set_thread_labels(c);
        pprof_ctx_free(c);
        pprof_set_thread_labels(NULL);
    }
    return NULL;
}

static void million(void)
{
    enum { THREADS = 4 };
    pthread_t t[THREADS];
    long n = 50000;
    change(&n);
    long before = resident_kib();
    n = 500000;
    int64_t began = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < THREADS; i++)
        must(pthread_create(&t[i], NULL, change, &n) == 0, "pthread_create");
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    int64_t took = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - began;
    printf("{\"grown\": %ld, \"changes\": %ld, \"ns\": %lld}\n", resident_kib() - before,
           2 * THREADS * n, (long long)took);
}

/* ---- goroutine ---- */

SITE void park_here(void)
{
    for (;;)
        pause();
}

static void *parks(void *arg)
{
    park_here();
    return arg;
}

static void make_thread(pprof_ctx *ctx, void *arg)
{
    (void)ctx;
    must(pthread_create(arg, NULL, parks, NULL) == 0, "pthread_create");
}

static void silent(void)
{
    pthread_t t;
    pprof_do(NULL, pprof_labels("maker", "do", NULL), make_thread, &t);
    usleep(100000);
    must(pprof_dump() == 0, "dump");
    printf("{}\n");
}

int main(int argc, char **argv)
{
    must(argc == 2 && pprof_active(), "arguments");
    if (strcmp(argv[1], "server") == 0)
        server();
    else if (strcmp(argv[1], "exits") == 0)
        exits();
    else if (strcmp(argv[1], "million") == 0)
        million();
    else
        silent();
    return 0;
}
