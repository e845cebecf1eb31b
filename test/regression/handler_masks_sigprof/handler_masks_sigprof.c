/* SPDX-License-Identifier: MIT
 *
 * A handler of another signal asks, in sa_mask, for SIGPROF to be blocked. The kernel did that: no
 * sample was taken while the handler ran, and its CPU time was credited to the code that ran next.
 * Right: the kernel does not get that bit, the handler is sampled, and the program reads back the
 * mask that it set.
 *
 * Burns CPU in such a handler; prints the nanoseconds and what it reads back.
 */
#include "test/programs/truth.h"
#include <signal.h>
#include <unistd.h>

enum { BURN_NS = 300000000 };

SITE void site_handler(int signal)
{
    (void)signal;
    int64_t until = thread_cpu_ns() + BURN_NS;
    while (thread_cpu_ns() < until)
        spin_a_little();
}

int main(void)
{
    struct sigaction full = {.sa_handler = site_handler}, none = {.sa_handler = site_handler}, old;
    sigfillset(&full.sa_mask);
    int seen[4];
    sigaction(SIGALRM, &full, NULL);
    kill(getpid(), SIGALRM);
    sigaction(SIGALRM, NULL, &old);
    seen[0] = sigismember(&old.sa_mask, SIGPROF);
    seen[1] = sigismember(&old.sa_mask, SIGUSR1);
    sigaction(SIGALRM, &none, &old);
    seen[2] = sigismember(&old.sa_mask, SIGPROF);
    sigaction(SIGALRM, NULL, &old);
    seen[3] = sigismember(&old.sa_mask, SIGPROF);
    printf("{\"burnt\": %d, \"seen\": [%d, %d, %d, %d]}\n", BURN_NS, seen[0], seen[1], seen[2],
           seen[3]);
    return 0;
}
