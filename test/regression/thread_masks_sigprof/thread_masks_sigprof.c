/* SPDX-License-Identifier: MIT
 *
 * A thread's attributes ask for a signal mask (pthread_attr_setsigmask_np) with SIGPROF in it. The
 * thread began with that mask, was never sampled, and all its CPU time was credited to "[thread
 * end]". Right: it is sampled like any other thread, and reads back the mask that was asked for.
 *
 * Burns CPU in such a thread; prints the nanoseconds and what it reads back.
 */
#include "test/programs/truth.h"
#include <pthread.h>
#include <signal.h>

enum { BURN_NS = 300000000 };

static int seen[2];

SITE void site_burn(void)
{
    int64_t until = thread_cpu_ns() + BURN_NS;
    while (thread_cpu_ns() < until)
        spin_a_little();
}

/* The CPU time is burnt in a function of its own: "[thread end]" is shown under the start routine.
 */
static void *thread_main(void *arg)
{
    sigset_t mask;
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    seen[0] = sigismember(&mask, SIGPROF);
    seen[1] = sigismember(&mask, SIGUSR1);
    site_burn();
    return arg;
}

int main(void)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t full;
    sigfillset(&full);
    pthread_attr_init(&attr);
    pthread_attr_setsigmask_np(&attr, &full);
    if (pthread_create(&thread, &attr, thread_main, NULL) != 0)
        return 1;
    pthread_join(thread, NULL);
    printf("{\"burnt\": %d, \"seen\": [%d, %d]}\n", BURN_NS, seen[0], seen[1]);
    return 0;
}
