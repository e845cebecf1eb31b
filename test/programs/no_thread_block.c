/* SPDX-License-Identifier: MIT
 * flags: -Wl,-z,now
 * A child on its parent's memory whose thread pointer is 0, so that it has neither errno nor any
 * other thread-local variable: a browser's sandbox changes a process's root in such a one. It makes
 * system calls that succeed, by syscall(), and ends by _exit(). Prints how it ended. Run by
 * e2e/forks.py.
 */
#include "truth.h"
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STACK = 1 << 16 };

static int without(void *arg)
{
    uid_t uid = (uid_t)syscall(SYS_getuid);
    if (syscall(SYS_setuid, uid) != 0 || syscall(SYS_unshare, 0) != 0)
        _exit(4);
    _exit(arg ? 3 : 5);
}

int main(void)
{
    static char stack[STACK] __attribute__((aligned(16)));
    int status = 0;
    int flags = CLONE_VM | CLONE_VFORK | CLONE_FS | CLONE_SETTLS | SIGCHLD;
    keep(malloc(1000));
    pid_t child = clone(without, stack + sizeof stack, flags, stack, NULL, NULL, NULL);
    waitpid(child, &status, 0);
    printf("%d\n", status);
    return 0;
}
