/* SPDX-License-Identifier: MIT
 *
 * The library is not told when a thread made by raw clone() ends. Its row, with a POSIX timer, was
 * kept until a dump: a program that makes many such threads reached the limit of queued signals
 * (SigQ). Right: rows of dead threads are removed when new threads are found.
 *
 * Makes many such threads, one after the other, and prints how many timers the process has then.
 */
#include "test/programs/truth.h"
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { THREADS = 1000, STACK = 65536 };

static volatile int alive;

static int thread_main(void *arg)
{
    (void)arg;
    syscall(SYS_exit, 0);
    return 0;
}

static int timers(void)
{
    int count = 0;
    char line[256];
    FILE *file = fopen("/proc/self/timers", "r");
    if (!file)
        return -1;
    while (fgets(line, sizeof line, file))
        count += strncmp(line, "ID:", 3) == 0;
    fclose(file);
    return count;
}

int main(void)
{
    enum {
        FLAGS = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
                CLONE_CHILD_CLEARTID
    };
    char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack == MAP_FAILED)
        return 1;
    for (int i = 0; i < THREADS; i++) {
        alive = 1;
        if (clone(thread_main, stack + STACK, FLAGS, NULL, NULL, NULL, &alive) < 0)
            return 1;
        while (alive)
            sched_yield();
    }
    printf("{\"threads\": %d, \"timers\": %d}\n", THREADS, timers());
    return 0;
}
