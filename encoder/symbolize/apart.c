/* SPDX-License-Identifier: MIT
 *
 * Fork, work, wait; see apart.h.
 */
#include "encoder/symbolize/apart.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void __attribute__((noreturn))
apart_child(int (*work)(void *arg), void *arg, struct answer_sink *sink, unsigned seconds)
{
    struct rlimit cpu = {seconds, seconds};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setrlimit(RLIMIT_CPU, &cpu);
    int error = work(arg);
    if (error == 0) {
        error = sink->flush(sink);
    }
    _exit(-error & 0xff);
}

int apart_run(int (*work)(void *arg), void *arg, struct answer_sink *sink, unsigned seconds)
{
    int status, error = sink->flush(sink); /* or parent and child would both send it */
    if (error) {
        return error;
    }
    pid_t child = fork();
    if (child == 0) {
        apart_child(work, arg, sink, seconds);
    }
    if (child < 0) {
        return work(arg);
    }
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) {
            return -EFAULT;
        }
    }
    return WIFEXITED(status) ? -WEXITSTATUS(status) : -EFAULT;
}
