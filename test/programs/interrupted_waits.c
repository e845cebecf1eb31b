/* SPDX-License-Identifier: MIT */
/*
 * Waits that end without the thing that they wait for: cancellation in each wait that allows it,
 * asynchronous cancellation and siglongjmp out of a lock, a fork while other threads wait, threads
 * that fork and whose children contend. Prints a line for each. Run by e2e/block_interrupted.py,
 * bare and injected.
 */
#include "truth.h"
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <threads.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static mtx_t mtx;
static cnd_t cnd;
static sem_t sem;
static atomic_int ready, cleaned;
static pthread_t sleeper;

static struct timespec later(void)
{
    int64_t at = clock_ns(CLOCK_REALTIME) + 100000000000;
    return (struct timespec){at / 1000000000, at % 1000000000};
}

static void unlock(void *arg)
{
    cleaned = 1;
    pthread_mutex_unlock(arg);
}

static void note(void *arg)
{
    (void)arg;
    cleaned = 1;
}

#define CANCELLED(name, before, call, clean, arg)                                                  \
    static void *name(void *unused)                                                                \
    {                                                                                              \
        struct timespec until = later();                                                           \
        (void)until;                                                                               \
        before;                                                                                    \
        pthread_cleanup_push(clean, arg);                                                          \
        ready = 1;                                                                                 \
        for (;;)                                                                                   \
            (void)call;                                                                            \
        pthread_cleanup_pop(0);                                                                    \
        return unused;                                                                             \
    }
CANCELLED(in_cond_wait, pthread_mutex_lock(&mutex), pthread_cond_wait(&cond, &mutex), unlock,
          &mutex)
CANCELLED(in_cond_timedwait, pthread_mutex_lock(&mutex),
          pthread_cond_timedwait(&cond, &mutex, &until), unlock, &mutex)
CANCELLED(in_cond_clockwait, pthread_mutex_lock(&mutex),
          pthread_cond_clockwait(&cond, &mutex, CLOCK_REALTIME, &until), unlock, &mutex)
CANCELLED(in_cnd_wait, mtx_lock(&mtx), cnd_wait(&cnd, &mtx), unlock, &mtx)
CANCELLED(in_sem_wait, , sem_wait(&sem), note, NULL)
CANCELLED(in_sem_timedwait, , sem_timedwait(&sem, &until), note, NULL)
CANCELLED(in_sem_clockwait, , sem_clockwait(&sem, CLOCK_REALTIME, &until), note, NULL)
CANCELLED(in_join, , pthread_join(sleeper, NULL), note, NULL)
CANCELLED(in_timedjoin, , pthread_timedjoin_np(sleeper, NULL, &until), note, NULL)

static void *sleep_on(void *arg)
{
    for (;;)
        pause();
    return arg;
}

static void cancel(const char *name, void *(*wait)(void *))
{
    pthread_t t;
    void *result = NULL;
    ready = cleaned = 0;
    pthread_create(&t, NULL, wait, NULL);
    while (!ready)
        sleep_ns(100000);
    sleep_ns(20000000);
    pthread_cancel(t);
    pthread_join(t, &result);
    int free_again = pthread_mutex_trylock(&mutex);
    if (free_again == 0)
        pthread_mutex_unlock(&mutex);
    printf("%s: cancelled %d, cleaned %d, mutex %d\n", name, result == PTHREAD_CANCELED, cleaned,
           free_again);
}

/* A pending cancellation is acted upon even if the call would not have to wait. */
static void *in_free_sem(void *arg)
{
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    pthread_cancel(pthread_self());
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    errno = 77;
    sem_wait(&sem);
    printf("not reached\n");
    return arg;
}

static void errno_stays(void)
{
    sem_t s;
    struct timespec past = {1, 0};
    sem_init(&s, 0, 1);
    errno = 77;
    sem_wait(&s);
    printf("errno after sem_wait: %d\n", errno);
    int result = sem_timedwait(&s, &past);
    printf("sem_timedwait: %d %d\n", result, errno == ETIMEDOUT);
    past.tv_nsec = -1;
    sem_post(&s);
    result = sem_timedwait(&s, &past);
    printf("sem_timedwait, bad time: %d %d\n", result, errno == EINVAL);
    printf("mutex_timedlock, bad time: %d\n", pthread_mutex_timedlock(&mutex, &past));
    pthread_mutex_unlock(&mutex);
}

/* ---- out of a lock ---- */

static sigjmp_buf jump;
static void on_signal(int signal)
{
    (void)signal;
    siglongjmp(jump, 1);
}

static void *jumps_out(void *arg)
{
    if (sigsetjmp(jump, 1) == 0) {
        ready = 1;
        pthread_mutex_lock(&mutex);
    }
    cleaned = 1;
    return arg;
}

static void *cancelled_in_lock(void *arg)
{
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    ready = 1;
    pthread_mutex_lock(&mutex);
    return arg;
}

/* The waiter is gone after 50 ms, the lock is held for 400 more. */
SITE void release_after(void)
{
    must(pthread_mutex_unlock(&mutex) == 0, "unlock");
}

static void out_of_lock(const char *name, void *(*wait)(void *), int cancels)
{
    pthread_t t;
    ready = cleaned = 0;
    pthread_mutex_lock(&mutex);
    pthread_create(&t, NULL, wait, NULL);
    while (!ready)
        sleep_ns(100000);
    sleep_ns(50000000);
    if (cancels)
        pthread_cancel(t);
    else
        pthread_kill(t, SIGUSR1);
    pthread_join(t, NULL);
    sleep_ns(400000000);
    release_after();
    printf("%s: out\n", name);
}

/* ---- forks ---- */

static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;
static void *wait_for_held(void *arg)
{
    pthread_mutex_lock(&held);
    pthread_mutex_unlock(&held);
    return arg;
}

SITE void release_in_child(void)
{
    must(pthread_mutex_unlock(&held) == 0, "unlock");
}

static void fork_while_waiting(void)
{
    pthread_t t, t2;
    pthread_mutex_lock(&held);
    pthread_create(&t, NULL, wait_for_held, NULL);
    sleep_ns(100000000);
    pid_t pid = fork();
    if (pid == 0) { /* in the child no thread waits but this one, from here on */
        sleep_ns(100000000);
        release_in_child();
        pthread_mutex_lock(&held);
        pthread_create(&t2, NULL, wait_for_held, NULL);
        sleep_ns(200000000);
        release_in_child();
        pthread_join(t2, NULL);
        exit(0);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    pthread_mutex_unlock(&held);
    pthread_join(t, NULL);
    printf("fork: %d\n", status);
}

static int forked;
static void fork_in_handler(int signal)
{
    (void)signal;
    pid_t pid = fork();
    if (pid == 0) {
        forked = 1; /* goes on waiting in the child, and finds the lock free there: see below */
        return;
    }
    int status = -1;
    waitpid(pid, &status, 0);
    printf("fork in a wait: %d\n", status);
}

/* The thread forks in a handler that interrupts its wait for a semaphore. */
static void fork_in_wait(void)
{
    signal(SIGALRM, fork_in_handler);
    struct timespec until;
    int64_t at = clock_ns(CLOCK_REALTIME) + 300000000;
    until = (struct timespec){at / 1000000000, at % 1000000000};
    ualarm(50000, 0);
    sem_t s;
    sem_init(&s, 0, 0);
    while (sem_timedwait(&s, &until) != 0 && errno == EINTR) {
    }
    if (forked)
        _exit(0);
}

int main(void)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    mtx_init(&mtx, mtx_plain);
    sem_init(&sem, 0, 0);
    pthread_create(&sleeper, NULL, sleep_on, NULL);
    cancel("cond_wait", in_cond_wait);
    cancel("cond_timedwait", in_cond_timedwait);
    cancel("cond_clockwait", in_cond_clockwait);
    cancel("cnd_wait", in_cnd_wait);
    cancel("sem_wait", in_sem_wait);
    cancel("sem_timedwait", in_sem_timedwait);
    cancel("sem_clockwait", in_sem_clockwait);
    cancel("join", in_join);
    cancel("timedjoin", in_timedjoin);
    pthread_t t;
    void *result = NULL;
    sem_post(&sem);
    pthread_create(&t, NULL, in_free_sem, NULL);
    pthread_join(t, &result);
    printf("pending: %d\n", result == PTHREAD_CANCELED);
    errno_stays();
    signal(SIGUSR1, on_signal);
    out_of_lock("siglongjmp", jumps_out, 0);
    out_of_lock("asynchronous cancellation", cancelled_in_lock, 1);
    fork_while_waiting();
    fork_in_wait();
    printf("end\n");
    return 0;
}
