/* SPDX-License-Identifier: MIT
 *
 * CPU time and allocations that lie leafward of this library's hooks: in libc and the kernel below
 * a function that is hooked, and in a signal handler that interrupts a hooked wait. Each busy
 * function takes 0.4 s of its thread's CPU time. Prints "<handlers>" that ran, each of which has
 * burnt 40 ms in handler_burns() and allocated once in handler_allocates().
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))

static double cpu(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void *volatile kept;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;

/* libc clears the memory of a freed object that it gives again. */
static NOINLINE void clears(void)
{
    for (double end = cpu() + 0.4; cpu() < end;) {
        void *p = calloc(1, 100 << 10);
        kept = p;
        free(p);
    }
}

/* libc copies, since the place behind the object is taken. */
static NOINLINE void copies(void)
{
    for (double end = cpu() + 0.4; cpu() < end;) {
        char *p = malloc(60 << 10);
        void *wall = malloc(100);
        memset(p, 1, 60 << 10);
        kept = p = realloc(p, 120 << 10);
        free(wall);
        free(p);
    }
}

/* The time is over before the wait begins: it is a call of the kernel and two of the mutex. */
static NOINLINE void times_out(void)
{
    const struct timespec long_ago = {1, 0};
    pthread_mutex_lock(&mutex);
    for (double end = cpu() + 0.4; cpu() < end;) {
        pthread_cond_timedwait(&condition, &mutex, &long_ago);
    }
    pthread_mutex_unlock(&mutex);
}

/* The kernel copies the page tables of 200 MB. */
static NOINLINE void forks(void)
{
    size_t bytes = 200 << 20;
    char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);
    madvise(p, bytes, MADV_NOHUGEPAGE);
    for (size_t at = 0; at < bytes; at += 4096) {
        p[at] = 1;
    }
    for (double end = cpu() + 0.4; cpu() < end;) {
        pid_t child = fork();
        if (child == 0) {
            raise(SIGKILL);
        }
        waitpid(child, NULL, 0);
    }
    munmap(p, bytes);
}

/* ---- a handler in a wait ---- */

enum { HANDLERS = 10 };
static sem_t never_posted, handled;
static pthread_t waiter;
static volatile unsigned long sink;

static NOINLINE void handler_burns(void)
{
    for (double end = cpu() + 0.04; cpu() < end;) {
        for (int i = 0; i < 1000; i++) {
            sink++;
        }
    }
}

static NOINLINE void handler_allocates(void)
{
    kept = malloc(1000);
    __asm__ volatile("");
}

static NOINLINE void handler(int sig)
{
    (void)sig;
    handler_allocates();
    handler_burns();
    sem_post(&handled);
}

static void *interrupts(void *arg)
{
    for (int i = 0; i < HANDLERS; i++) {
        pthread_kill(waiter, SIGALRM);
        while (sem_wait(&handled) != 0) {
        }
    }
    sem_post(&never_posted);
    return arg;
}

static NOINLINE void waits(void)
{
    while (sem_wait(&never_posted) != 0 && errno == EINTR) {
    }
    __asm__ volatile("");
}

int main(void)
{
    struct sigaction act = {.sa_handler = handler};
    pthread_t thread;
    clears();
    copies();
    times_out();
    forks();
    sigaction(SIGALRM, &act, NULL);
    sem_init(&never_posted, 0, 0);
    sem_init(&handled, 0, 0);
    waiter = pthread_self();
    pthread_create(&thread, NULL, interrupts, NULL);
    waits();
    pthread_join(thread, NULL);
    printf("%d\n", HANDLERS);
    return 0;
}
