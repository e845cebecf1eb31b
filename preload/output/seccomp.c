/* SPDX-License-Identifier: MIT
 *
 * See seccomp.h. The copy is made by a raw clone without an exit signal and without CLONE_VM: a
 * process that is killed with a core file takes those down that share its memory, on kernels before
 * 5.16. Only raw system calls in it: other threads' locks are as the copy found them.
 */
#include "preload/output/seccomp.h"

#include "collectors/base/sys.h"
#include "collectors/base/text.h"

#include <errno.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    TRIAL_PASSED = 0,
    TRIAL_MUTE = 1,
    TRIAL_STACK = 4096,
    PATIENCE = 10000 /* naps of 0.1 ms */
};

static void stand_in(void *arg)
{
    (void)arg;
    for (;;) {
        sys_call1(SYS_exit, 0);
    }
}

/* What a thread of the program does for us, at a sample, a dump, a start or an end. */
static void try_thread(int pid)
{
    struct timespec none = {0, 0};
    uint64_t mask = 0;
    uint32_t word = 0;
    int64_t ns;
    void *page = sys_map(PAGE_BYTES);
    sys_unmap(page, PAGE_BYTES);
    sys_gettid();
    sys_clock_read(CLOCK_MONOTONIC, &ns);
    sys_clock_read(CLOCK_THREAD_CPUTIME_ID, &ns);
    sys_clock_read(sys_thread_cpu_clock(pid), &ns);
    sys_readable((uintptr_t)&word);
    sys_call2(SYS_getrusage, RUSAGE_THREAD, NULL);
    sys_call4(SYS_rt_sigprocmask, SIG_UNBLOCK, &mask, NULL, sizeof mask);
    sys_call4(SYS_rt_sigtimedwait, &mask, NULL, &none, sizeof mask);
    sys_call4(SYS_rt_sigaction, SIGPROF, NULL, NULL, sizeof mask);
    sys_call4(SYS_rt_tgsigqueueinfo, pid, pid, 0, NULL);
    sys_call3(SYS_rt_sigqueueinfo, pid, 0, NULL);
    sys_call3(SYS_tgkill, pid, pid, 0);
    sys_call3(SYS_timer_create, CLOCK_THREAD_CPUTIME_ID, NULL, NULL);
    sys_call4(SYS_timer_settime, -1, 0, NULL, NULL);
    sys_call1(SYS_timer_delete, -1);
    sys_call2(SYS_getitimer, ITIMER_PROF, NULL);
    sys_call3(SYS_setitimer, ITIMER_PROF, NULL, NULL);
    sys_call3(SYS_futex, &word, FUTEX_WAKE, 1);
    sys_call0(SYS_sched_yield);
    sys_call2(SYS_nanosleep, &none, NULL);
    arch_thread_pointer();
    int dir = sys_open("/proc/self/task", O_RDONLY | O_DIRECTORY, 0);
    sys_call3(SYS_getdents64, dir, NULL, 0);
    sys_close(dir);
    sys_read_memory(&word, (uintptr_t)&ns, sizeof word);
}

/* What the scribe does, of whose death older kernels would make the program's. False: it could not
 * write a file. */
static bool try_scribe(int pid)
{
    char stack[TRIAL_STACK] __attribute__((aligned(16)));
    struct sched_param none = {0};
    struct rlimit limit;
    struct stat st;
    uint32_t tid = 0;
    int child =
        sys_clone_process(stand_in, NULL, stack + sizeof stack, arch_own_thread_pointer(), &tid);
    sys_call4(SYS_wait4, child, NULL, (int)__WCLONE, NULL);
    child = sys_clone_child(stand_in, NULL, stack + sizeof stack);
    sys_call4(SYS_wait4, child, NULL, 0, NULL);
    sys_call0(SYS_getppid);
    sys_call3(SYS_close_range, ~0U, ~0U, 2 /* CLOSE_RANGE_UNSHARE */);
    sys_call1(SYS_unshare, CLONE_FILES);
    sys_call5(SYS_kcmp, pid, pid, 1 /* KCMP_VM */, 0, 0);
    sys_call2(SYS_kill, pid, 0);
    sys_call2(SYS_prctl, PR_SET_NAME, "pprof-trial");
    sys_call2(SYS_prctl, PR_SET_PDEATHSIG, 0);
    sys_call3(SYS_sched_setscheduler, 0, SCHED_OTHER, &none);
    sys_call2(SYS_getrlimit, RLIMIT_NOFILE, &limit);
    sys_call2(SYS_setrlimit, RLIMIT_NOFILE, &limit);
    sys_call1(SYS_umask, 077);
    sys_call3(SYS_getresuid, NULL, NULL, NULL);
    sys_call3(SYS_getresgid, NULL, NULL, NULL);
    sys_call3(SYS_mkdirat, AT_FDCWD, "/", 0700);
    sys_call4(SYS_newfstatat, AT_FDCWD, "/", &st, AT_SYMLINK_NOFOLLOW);
    sys_call2(SYS_fstat, -1, &st);
    bool writes = sys_openat(-1, "none", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600) == -EBADF;
    writes &= sys_call3(SYS_write, -1, "", 0) == -EBADF;
    sys_call4(SYS_pread64, -1, NULL, 0, 0);
    sys_call2(SYS_fchmod, -1, 0600);
    bool links = sys_call5(SYS_linkat, -1, "none", -1, "none", 0) == -EBADF;
    bool moves = sys_call5(SYS_renameat2, -1, "none", -1, "none", RENAME_NOREPLACE) == -EBADF;
    sys_call4(SYS_renameat, -1, "none", -1, "none");
    sys_call3(SYS_unlinkat, -1, "none", 0);
    sys_call4(SYS_faccessat, AT_FDCWD, "/", X_OK, 0);
    return writes && (links || moves);
}

static void try_all(const struct sock_fprog *filter)
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
    int pid = sys_getpid();
    try_thread(pid);
    sys_call1(SYS_exit, try_scribe(pid) ? TRIAL_PASSED : TRIAL_MUTE);
}

/* Has the copy made all its calls? One that a filter's supervisor leaves waiting has not. */
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
    long child = sys_call5(SYS_clone, CLONE_UNTRACED, 0, 0, 0, 0);
    if (child == 0) {
        try_all(filter);
        stand_in(NULL);
    }
    bool lets = child > 0 && has_passed((int)child);
    sys_restore_signals(mask);
    return lets;
}

int64_t seccomp_filters(void)
{
    static const char name[] = "\nSeccomp_filters:";
    char status[4096];
    int64_t n = 1; /* Linux before 5.9 does not count them */
    if (sys_call1(SYS_prctl, PR_GET_SECCOMP) != SECCOMP_MODE_FILTER) {
        return 0;
    }
    int fd = sys_open("/proc/self/status", O_RDONLY, 0);
    long got = fd >= 0 ? sys_read(fd, status, sizeof status - 1) : 0;
    if (fd >= 0) {
        sys_close(fd);
    }
    status[got > 0 ? got : 0] = '\0';
    const char *at = strstr(status, name);
    if (at) {
        at += sizeof name - 1;
        at += strspn(at, "\t ");
        text_read_int(&at, &n);
    }
    return n;
}
