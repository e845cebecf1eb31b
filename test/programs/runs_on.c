/* SPDX-License-Identifier: MIT
 *
 * Threads that sleep now and then while the process ends. Each counts how often it has woken up
 * after the destructors of the program, into a file that the caller reads. Usage: runs_on FILE
 *
 * Before it ends, the program makes so many stacks that the last dump takes much longer than a
 * thread sleeps. Without the library no thread wakes up more than once or twice.
 */
#include "test/programs/truth.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <unistd.h>

enum { KINDS = 6, STACKS = 1 << 14, DEEP = 14 };

static volatile int *woken; /* [KINDS] times after the end */
static volatile int ended;

static void sleep_once(int kind, pthread_mutex_t *mutex, pthread_cond_t *condition)
{
    struct timespec ms = {0, 1000000};
    struct timeval tv = {0, 1000};
    struct timespec until;
    switch (kind) {
    case 0:
        usleep(1000);
        break;
    case 1:
        nanosleep(&ms, NULL);
        break;
    case 2:
        poll(NULL, 0, 1);
        break;
    case 3:
        select(0, NULL, NULL, NULL, &tv);
        break;
    case 4:
        clock_nanosleep(CLOCK_MONOTONIC, 0, &ms, NULL);
        break;
    default:
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 1000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(condition, mutex, &until);
    }
}

static void *sleeper(void *arg)
{
    int kind = (int)(intptr_t)arg;
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
    pthread_mutex_lock(&mutex);
    for (;;) {
        sleep_once(kind, &mutex, &condition);
        if (ended)
            woken[kind]++;
    }
    return NULL;
}

/* A stack of its own for each number. */
static void *volatile kept;
static __attribute__((noinline)) void branch(unsigned number, int depth);
static __attribute__((noinline)) void left(unsigned number, int depth)
{
    branch(number, depth);
    __asm__ volatile("");
}
static __attribute__((noinline)) void right(unsigned number, int depth)
{
    branch(number, depth);
    __asm__ volatile("" ::: "memory");
}
static __attribute__((noinline)) void branch(unsigned number, int depth)
{
    if (depth == 0)
        kept = malloc(16);
    else if (number & 1)
        left(number >> 1, depth - 1);
    else
        right(number >> 1, depth - 1);
    __asm__ volatile("");
}

static void is_over(void)
{
    ended = 1;
}

int main(int argc, char **argv)
{
    int fd = open(argc > 1 ? argv[1] : "", O_RDWR | O_CREAT, 0600);
    if (fd < 0 || ftruncate(fd, 4096) != 0)
        return 2;
    woken = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (woken == MAP_FAILED)
        return 2;
    atexit(is_over);
    for (unsigned i = 0; i < STACKS; i++)
        branch(i, DEEP);
    for (int i = 0; i < KINDS; i++) {
        pthread_t thread;
        pthread_create(&thread, NULL, sleeper, (void *)(intptr_t)i);
    }
    usleep(20000);
    return 0;
}
