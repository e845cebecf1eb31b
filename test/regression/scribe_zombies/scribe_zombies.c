/* SPDX-License-Identifier: MIT
 *
 * The library waits for the scribe's process once the kernel has cleared its id. The kernel does
 * that a moment before the process can be waited for. A wait in between found nothing, the scribe
 * was taken for collected, and a zombie stayed until the program's end. Right: the scribe stays
 * noted until a wait has collected it.
 *
 * Makes a dump, waits for its file, then, after a delay that runs through that moment, asks for
 * the next. At last burns CPU, whose ticks collect what is noted, until no child is left, or for
 * LAST_MS; prints whether one is.
 */
#include "test/programs/truth.h"
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS = 400, DELAY_STEP_NS = 1000, WAIT_MS = 100, LAST_MS = 2000, MS = 1000000 };

static int has_child(void)
{
    siginfo_t info;
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0 || errno != ECHILD;
}

static void spin_for(int64_t ns)
{
    int64_t until = clock_ns(CLOCK_MONOTONIC) + ns;
    while (clock_ns(CLOCK_MONOTONIC) < until)
        ;
}

static void dump(int number)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s.%d.%03d.cpu.pb.gz", getenv("PPROF_OUT"),
             program_invocation_short_name, (int)getpid(), number);
    raise(SIGUSR2);
    int64_t until = clock_ns(CLOCK_MONOTONIC) + (int64_t)WAIT_MS * MS;
    while (access(path, F_OK) != 0 && clock_ns(CLOCK_MONOTONIC) < until)
        ;
}

int main(void)
{
    if (!getenv("PPROF_OUT"))
        return 2;
    for (int i = 1; i <= ROUNDS; i++) {
        dump(i);
        spin_for((int64_t)i % 100 * DELAY_STEP_NS);
    }
    int64_t until = clock_ns(CLOCK_MONOTONIC) + (int64_t)LAST_MS * MS;
    while (has_child() && clock_ns(CLOCK_MONOTONIC) < until)
        spin_a_little();
    printf("children left: %d\n", has_child());
    return 0;
}
