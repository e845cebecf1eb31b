/* SPDX-License-Identifier: MIT
 * Threads with known places; run by e2e/goroutine.py as `parked_threads WHAT [N]`:
 *   twelve     12 parked in one function, 4 of them with every signal blocked, one thread in vfork
 *   sleepers   threads in poll, epoll_wait, nanosleep, sem_timedwait, of which none may be woken
 *   many N N threads parked; prints how long a goroutine profile takes, ns
 *   busy       a thread that spins, one that spins with every signal blocked
 */
#include "../../preload/pprofinject.h"
#include "truth.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static volatile int released, interrupted, started;

SITE void park_here(void)
{
    pthread_mutex_lock(&lock);
    __atomic_fetch_add(&started, 1, __ATOMIC_RELAXED);
    while (!released)
        pthread_cond_wait(&never, &lock);
    pthread_mutex_unlock(&lock);
}

static void block_all(void)
{
    uint64_t all = ~0ULL; /* by the raw call, which no interposed function sees */
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, 8);
}

static void *parks(void *arg)
{
    if (arg)
        block_all();
    park_here();
    return NULL;
}

SITE void *vforks(void *arg)
{
    int *ends = arg;
    started++;
    if (vfork() == 0) {
        char byte;
        close(ends[1]);
        (void)!read(ends[0], &byte, 1); /* until main closes its end */
        _exit(0);
    }
    return NULL;
}

SITE void make_parked(pthread_t *t, void *how)
{
    must(pthread_create(t, NULL, parks, how) == 0, "pthread_create");
    keep(t);
}

static void wait_for(int n)
{
    while (started < n)
        usleep(1000);
    usleep(50000);
}

SITE void dump_here(void)
{
    must(pprof_dump() == 0, "dump");
    keep(&lock);
}

static void twelve(void)
{
    pthread_t t[13];
    int ends[2];
    for (intptr_t i = 0; i < 12; i++)
        make_parked(&t[i], (void *)(intptr_t)(i < 4));
    must(pipe(ends) == 0, "pipe");
    must(pthread_create(&t[12], NULL, vforks, ends) == 0, "pthread_create");
    wait_for(13);
    pprof_profile *goroutine = pprof_lookup("goroutine"), *made = pprof_lookup("threadcreate");
    must(pprof_profile_count(goroutine) == 14 && pprof_profile_count(made) == 13, "counts");
    dump_here();
    close(ends[1]);
    released = 1;
    pthread_cond_broadcast(&never);
    for (int i = 0; i < 13; i++)
        pthread_join(t[i], NULL);
    must(pprof_profile_count(goroutine) == 1 && pprof_profile_count(made) == 13,
         "counts at the end");
}

/* ---- sleepers ---- */

static void check(int result, const char *what)
{
    if (result < 0 && errno == EINTR) {
        fprintf(stderr, "%s: EINTR\n", what);
        interrupted++;
    }
}

SITE void *polls(void *arg)
{
    started++;
    while (!released)
        check(poll(NULL, 0, 200), "poll");
    return arg;
}

SITE void *epolls(void *arg)
{
    struct epoll_event e;
    int fd = epoll_create1(EPOLL_CLOEXEC);
    started++;
    while (!released)
        check(epoll_wait(fd, &e, 1, 200), "epoll_wait");
    return arg;
}

SITE void *naps(void *arg)
{
    struct timespec nap = {0, 200000000};
    started++;
    while (!released)
        check(nanosleep(&nap, NULL), "nanosleep");
    return arg;
}

SITE void *semaphores(void *arg)
{
    sem_t s;
    sem_init(&s, 0, 0);
    started++;
    while (!released) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec++;
        check(sem_timedwait(&s, &until), "sem_timedwait");
    }
    return arg;
}

static void sleepers(void)
{
    void *(*const all[])(void *) = {polls, epolls, naps, semaphores};
    pthread_t t[4];
    for (int i = 0; i < 4; i++)
        must(pthread_create(&t[i], NULL, all[i], NULL) == 0, "pthread_create");
    wait_for(4);
    for (int i = 0; i < 20; i++) {
        dump_here();
        usleep(20000);
    }
    released = 1;
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    printf("{\"interrupted\": %d}\n", interrupted);
}

/* ---- many ---- */

static void many(int n)
{
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 65536);
    for (int i = 0; i < n; i++) {
        pthread_t t;
        must(pthread_create(&t, &small, parks, NULL) == 0, "pthread_create");
    }
    wait_for(n);
    int64_t best = INT64_MAX;
    for (int i = 0; i < 5; i++) { /* the signal's handler, in this thread */
        int64_t began = clock_ns(CLOCK_MONOTONIC);
        raise(SIGUSR2);
        int64_t took = clock_ns(CLOCK_MONOTONIC) - began;
        best = took < best ? took : best;
        usleep(100000);
    }
    printf("{\"ns\": %lld}\n", (long long)best);
    fflush(stdout);
    dump_here();
}

/* ---- busy ---- */

SITE void *spins(void *arg)
{
    prctl(PR_SET_NAME, arg ? "deaf" : "spinner");
    if (arg)
        block_all();
    started++;
    while (!released)
        spin_a_little();
    return NULL;
}

static void busy(void)
{
    pthread_t t[2];
    for (intptr_t i = 0; i < 2; i++)
        must(pthread_create(&t[i], NULL, spins, (void *)i) == 0, "pthread_create");
    wait_for(2);
    dump_here();
    released = 1;
    for (int i = 0; i < 2; i++)
        pthread_join(t[i], NULL);
}

int main(int argc, char **argv)
{
    must(argc >= 2, "arguments");
    if (strcmp(argv[1], "twelve") == 0)
        twelve();
    else if (strcmp(argv[1], "sleepers") == 0)
        sleepers();
    else if (strcmp(argv[1], "many") == 0)
        many(atoi(argv[2]));
    else
        busy();
    return 0;
}
