/* SPDX-License-Identifier: MIT
 *
 * See seccomp.h. The filter is tried in a copy (helper_process.h) that does not share the program's
 * memory: on kernels before 5.16, a process that is killed with a core file takes all down that
 * share its memory. The copy makes raw system calls only, for a lock that another thread holds at
 * the clone stays locked in it for ever.
 */
#include "preload/output/seccomp.h"

#include "collectors/base/sys.h"
#include "collectors/base/text.h"
#include "preload/output/helper_process.h"
#include "preload/output/syscall_trial.h"

#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum {
    TRIAL_PASSED = 0, /* the copy's exit status: it made all calls, and could write a file */
    TRIAL_MUTE = 1,   /* it made all calls, and could not */
    PATIENCE = 10000  /* naps of 0.1 ms: how long the copy has for it */
};

/* In the copy. Its exit status. */
static int try_all(void *filter)
{
    struct rlimit no_core = {0, 0};
    uint64_t by_default[4] = {0};
    uint64_t none = 0;
    sys_call2(SYS_setrlimit, RLIMIT_CORE, &no_core);
    sys_call2(SYS_prctl, PR_SET_DUMPABLE, 0);
    sys_call4(SYS_rt_sigaction, SIGSYS, by_default, NULL, sizeof none);
    sys_restore_signals(none);
    if (filter) {
        sys_call5(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        sys_call3(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter);
    }
    return syscall_trial_run(sys_getpid()) ? TRIAL_PASSED : TRIAL_MUTE;
}

/* Has the copy made all its calls, and could it write? A filter may hand calls to a supervisor
 * (SECCOMP_RET_USER_NOTIF); if that leaves the copy waiting for more than a second, it has not. */
static bool has_passed(int child)
{
    const struct timespec nap = {0, 100000};
    int status = -1;
    for (int i = 0; i < PATIENCE; i++) {
        long got = sys_call4(SYS_wait4, child, &status, (int)(__WCLONE | WNOHANG), NULL);
        if (got != 0) {
            return got == child && WIFEXITED(status) && WEXITSTATUS(status) == TRIAL_PASSED;
        }
        sys_call2(SYS_nanosleep, &nap, NULL);
    }
    sys_call2(SYS_kill, child, SIGKILL);
    sys_call4(SYS_wait4, child, NULL, (int)__WCLONE, NULL);
    return false;
}

bool seccomp_lets_us(const struct sock_fprog *filter)
{
    uint64_t mask = sys_block_signals();
    int child = helper_process_copy(try_all, (void *)(uintptr_t)filter); /* NOLINT: only read */
    bool lets = child > 0 && has_passed(child);
    sys_restore_signals(mask);
    return lets;
}

static int64_t accepted; /* behind as many the library lives */
static bool seen;        /* there are filters that the library knows of */

static bool is_filtered(void)
{
    return sys_call1(SYS_prctl, PR_GET_SECCOMP) == SECCOMP_MODE_FILTER;
}

/* The number that procfs tells, 1 if it tells none (Linux before 5.9); -1: it cannot be read. */
static int64_t count_filters(void)
{
    static const char name[] = "\nSeccomp_filters:";
    static char status[4096]; /* one thread at a time calls: see seccomp.h */
    int64_t n = 1;
    int fd = sys_open("/proc/thread-self/status", O_RDONLY, 0);
    long got = fd >= 0 ? sys_read(fd, status, sizeof status - 1) : 0;
    if (fd >= 0) {
        sys_close(fd);
    }
    if (got <= 0) {
        return -1;
    }
    status[got] = '\0';
    const char *at = strstr(status, name);
    if (at) {
        at += sizeof name - 1;
        at += strspn(at, "\t ");
        text_read_int(&at, &n);
    }
    return n;
}

int64_t seccomp_filters(void)
{
    int64_t n = is_filtered() ? count_filters() : 0;
    accepted = n < 0 ? 1 : n;
    seen = accepted > 0;
    return accepted;
}

bool seccomp_has_new_filters(void)
{
    if (!is_filtered()) {
        return false;
    }
    int64_t n = accepted > 0 ? count_filters() : -1;
    return n < 0 || n > accepted;
}

void seccomp_is_seen(void)
{
    STORE(&seen, true);
}

bool seccomp_is_unseen(void)
{
    return !LOAD(&seen) && is_filtered();
}
