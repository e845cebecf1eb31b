/* SPDX-License-Identifier: MIT
 * For programs whose threads race: two threads meet only if they run at the same time.
 */
#ifndef TEST_PROGRAMS_ON_CPU_H
#define TEST_PROGRAMS_ON_CPU_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <sched.h>
#include <unistd.h>

/* Binds the calling thread to the nth of the processors that the parent process may use. If there
 * are fewer, the thread keeps those that it has. */
static inline void run_on_cpu(int nth)
{
    cpu_set_t all, one;
    sched_getaffinity(getppid(), sizeof all, &all);
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &all) && nth-- == 0)
            CPU_SET(cpu, &one);
    sched_setaffinity(0, sizeof one, &one);
}

#endif
