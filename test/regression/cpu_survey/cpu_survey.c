/* SPDX-License-Identifier: MIT
 *
 * The survey before a dump reads the CPU clocks of all threads. A thread that ended meanwhile left
 * the id 0 in its row, which names the reading thread's own clock: that thread's whole CPU time was
 * credited to "[thread end]", each time again. Right: a clock counts only if the row is still the
 * same thread's after the reading, and the profile stays below the process's clock.
 *
 * Three threads make and end threads as fast as they can while main, with a large clock, surveys.
 * Prints the profile, the process's clock and main's part of it, in nanoseconds.
 */
#include "collectors/cpu/cpu.h"
#include "collectors/cpu/cpu_rate.h"
#include "collectors/cpu/cpu_threads.h"
#include "collectors/stacks/stack.h"
#include "collectors/threads/threads.h"
#include "test/programs/truth.h"
#include <pthread.h>
#include <signal.h>

enum { SPAWNERS = 3, RATE = 1000, BURN_MS = 600, SURVEY_MS = 600, MS = 1000000 };

static volatile int stop;

static void on_tick(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    cpu_signal(info, context);
}

static void *short_life(void *row)
{
    cpu_thread_begin(row);
    cpu_thread_end(row);
    return NULL;
}

static void *spawner(void *arg)
{
    while (!stop) {
        struct thread *t = threads_take();
        pthread_t thread;
        if (!t)
            continue;
        if (pthread_create(&thread, NULL, short_life, t) == 0)
            pthread_join(thread, NULL);
        else
            threads_give_back(t);
    }
    return arg;
}

int main(void)
{
    struct sigaction action = {.sa_sigaction = on_tick, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGPROF, &action, NULL);
    stack_start(16);
    if (threads_start() != 0)
        return 1;
    struct collector_settings settings = {.cpu_rate = RATE, .signal = SIGPROF, .seed = 1};
    cpu_collector.start(&settings, CPU_PART);
    while (thread_cpu_ns() < (int64_t)BURN_MS * MS)
        spin_a_little();

    pthread_t threads[SPAWNERS];
    for (int i = 0; i < SPAWNERS; i++)
        pthread_create(&threads[i], NULL, spawner, NULL);
    int64_t until = clock_ns(CLOCK_MONOTONIC) + (int64_t)SURVEY_MS * MS;
    while (clock_ns(CLOCK_MONOTONIC) < until)
        cpu_before_dump(true);
    stop = 1;
    for (int i = 0; i < SPAWNERS; i++)
        pthread_join(threads[i], NULL);

    struct snapshot_sample *samples;
    size_t bytes;
    size_t n = cpu_snapshot(&samples, &bytes);
    long profile = 0;
    for (size_t i = 0; i < n; i++)
        profile += samples[i].value[1];
    printf("{\"profile\": %ld, \"process\": %ld, \"main\": %ld, \"period\": %ld}\n", profile,
           (long)clock_ns(CLOCK_PROCESS_CPUTIME_ID), (long)thread_cpu_ns(), (long)cpu_period());
    return 0;
}
