/* SPDX-License-Identifier: MIT
 *
 * A library that works in its constructor, and in its destructor, and prints what it has done. Does
 * what the program's first argument says:
 *   work   allocates, burns CPU time, starts a thread, waits for a lock; the destructor frees and
 *          allocates, burns, and prints the record
 *   exit   allocates, prints the record, and calls exit(3)
 *   fork   allocates, and so does a child that it forks
 *   start  starts programs in four ways, the last by exec
 *   clear  leaves no environment; the program makes a new one, and starts a program
 */
#include "constructed.h"

#include "../programs/truth.h"

#include <pthread.h>
#include <semaphore.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KEPT = 1000, FREED = 500, MS = 1000000 };

extern char **environ;

static void *blocks[KEPT];
static int works;
static long waited; /* ns, by the constructor for the lock */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static sem_t locked;

void constructed_record(const char *site, size_t size, long count, long kept)
{
    requests(site, size, count, kept);
}

SITE void site_constructor(void)
{
    for (int i = 0; i < KEPT; i++)
        blocks[i] = malloc(1000);
    for (int i = 0; i < FREED; i++) {
        void *p = malloc(200);
        keep(p);
        free(p);
    }
    requests("site_constructor", 200, FREED, 0);
}

static inline __attribute__((always_inline)) void burn(int64_t ns)
{
    int64_t until = thread_cpu_ns() + ns;
    while (thread_cpu_ns() < until)
        spin_a_little();
}

SITE void site_burns(void)
{
    burn(400 * MS);
}

SITE void site_last_burns(void)
{
    burn(200 * MS);
}

SITE void *site_thread(void *arg)
{
    burn(200 * MS);
    pthread_mutex_lock(&lock);
    sem_post(&locked);
    sleep_ns(300 * MS);
    pthread_mutex_unlock(&lock);
    return arg;
}

SITE void site_waits(void)
{
    int64_t begin = clock_ns(CLOCK_MONOTONIC);
    pthread_mutex_lock(&lock);
    waited = clock_ns(CLOCK_MONOTONIC) - begin;
    pthread_mutex_unlock(&lock);
}

SITE void site_starts(void)
{
    pthread_t thread;
    must(pthread_create(&thread, NULL, site_thread, NULL) == 0, "a thread");
    while (sem_wait(&locked) != 0) {
    }
    site_waits();
    pthread_join(thread, NULL);
}

SITE void site_child(void)
{
    for (int i = 0; i < 30; i++)
        keep(malloc(700));
}

static void forks(void)
{
    pid_t child = fork();
    if (child == 0) {
        site_child();
        _exit(0);
    }
    printf("%d\n", child);
    waitpid(child, NULL, 0);
}

#define SAYS(way) "echo " way " $PPROF_PARENT $PPROF_OUT"

static void starts(void)
{
    char *argv[] = {"sh", "-c", SAYS("spawn"), NULL};
    pid_t child;
    must(posix_spawn(&child, "/bin/sh", NULL, NULL, argv, environ) == 0, "posix_spawn");
    waitpid(child, NULL, 0);
    must(system(SAYS("system")) == 0, "system");
    child = vfork();
    if (child == 0) {
        execl("/bin/sh", "sh", "-c", SAYS("vfork"), NULL);
        _exit(1);
    }
    waitpid(child, NULL, 0);
    argv[2] = SAYS("exec");
    execv("/bin/sh", argv);
}

__attribute__((constructor)) static void constructor(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    sem_init(&locked, 0, 0);
    site_constructor();
    works = strcmp(what, "work") == 0;
    if (works) {
        site_burns();
        site_starts();
    } else if (strcmp(what, "exit") == 0) {
        requests("site_constructor", 1000, KEPT, KEPT);
        print_sites();
        exit(3);
    } else if (strcmp(what, "fork") == 0) {
        forks();
    } else if (strcmp(what, "start") == 0) {
        starts();
    } else if (strcmp(what, "clear") == 0) {
        clearenv();
    }
}

SITE void site_destructor(void)
{
    for (int i = 0; i < 50; i++)
        keep(malloc(3000));
    requests("site_destructor", 3000, 50, 50);
}

__attribute__((destructor)) static void destructor(void)
{
    if (!works)
        return;
    for (int i = 0; i < 400; i++)
        free(blocks[i]);
    requests("site_constructor", 1000, KEPT, KEPT - 400);
    site_destructor();
    site_last_burns();
    printf("%ld\n", waited);
    print_sites();
}
