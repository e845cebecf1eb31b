/* SPDX-License-Identifier: MIT
 *
 * See syscall_trial.h. A call that is in none of the tables here is made with −1 for each argument,
 * which is no descriptor, no process, no address and no flag. A filter may also look at arguments:
 * calls whose arguments it could mean have rows with the ones that the library uses. A row for a
 * call that the library does not make any more does not compile.
 */
#include "preload/output/syscall_trial.h"

#include "collectors/base/libc/libc.h"
#include "collectors/base/sys.h"
#include "syscalls_made.h"

#include <errno.h>
#include <linux/futex.h>
#include <linux/kcmp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MADE(name) MADE_##name,
#define NUMBER(name) SYS_##name,
enum { SYSCALLS_MADE(MADE) };
static const int made[] = {SYSCALLS_MADE(NUMBER)};
/* Its number, if the library makes it. */
#define CALL(name) (SYS_##name + 0 * MADE_##name)

/* Never tried. */
static const int left_out[] = {
    CALL(exit),       /* by which the trial itself ends, and every process of ours */
    CALL(exit_group), /* in place of libc's _exit(), which makes the same call without us */
    /* By the constructor, after the dynamic linker's own calls, while a thread is made, for which
     * libc makes the call as well (glibc_imports.c), and in dlopen(), for which the linker does
     * (glibc_rebind.c). */
    CALL(mprotect),
    /* The symboliser's process alone makes it, without a core file. If it dies, no names are put
     * into the files, and nothing else happens. */
    CALL(execve),
};

/* Tried by try_processes() and try_files(), with what belongs to them. */
static const int apart[] = {CALL(clone), CALL(wait4), CALL(openat), CALL(close)};

static struct timespec no_time;
static uint64_t no_signals;
static uint32_t word;
static char thread_name[16];
static struct sched_param no_priority;
static struct rlimit limit;
static struct stat status;
#define AT(variable) (long)&(variable)

enum { PID = INT32_MIN }; /* stands for the caller's process in a row */

static const struct row {
    int number;
    long argument[6];
} rows[] = {
    {CALL(clock_gettime), {CLOCK_MONOTONIC, AT(no_time)}},
    {CALL(clock_gettime), {CLOCK_THREAD_CPUTIME_ID, AT(no_time)}},
    {CALL(getrusage), {RUSAGE_THREAD}},
    {CALL(rt_sigprocmask), {SIG_UNBLOCK, AT(no_signals), 0, sizeof no_signals}},
    {CALL(rt_sigtimedwait), {AT(no_signals), 0, AT(no_time), sizeof no_signals}},
    {CALL(rt_sigaction), {LIBC_SIGNAL_CANCEL, 0, 0, sizeof no_signals}},
    {CALL(tgkill), {PID, PID, 0}},
    {CALL(kill), {PID, 0}},
    {CALL(timer_create), {CLOCK_THREAD_CPUTIME_ID}},
    {CALL(timer_settime), {-1}},
    {CALL(timer_delete), {-1}},
    {CALL(futex), {AT(word), FUTEX_WAKE, 1}},
    {CALL(nanosleep), {AT(no_time)}},
    {CALL(getdents64), {-1}},
    {CALL(getsockopt), {-1}},
    {CALL(close_range), {UINT32_MAX, UINT32_MAX, CLOSE_RANGE_UNSHARE}},
    {CALL(unshare), {CLONE_FILES}},
    {CALL(kcmp), {PID, PID, KCMP_VM}},
    {CALL(prctl), {PR_SET_NAME, (long)"pprof-trial"}},
    {CALL(prctl), {PR_GET_NAME, AT(thread_name)}},
    {CALL(prctl), {PR_SET_PDEATHSIG, 0}},
    {CALL(prctl), {PR_SET_CHILD_SUBREAPER, 0}}, /* in the copy, which has no children */
    {CALL(sched_setscheduler), {0, SCHED_OTHER, AT(no_priority)}},
    {CALL(getrlimit), {RLIMIT_NOFILE, AT(limit)}},
    {CALL(setrlimit), {RLIMIT_NOFILE, AT(limit)}}, /* as the row above has found it */
    {CALL(umask), {077}},
    {CALL(fcntl), {-1, F_GETFL}},
    {CALL(mkdirat), {AT_FDCWD, (long)"/", 0700}},
    {CALL(newfstatat), {AT_FDCWD, (long)"/", AT(status), AT_SYMLINK_NOFOLLOW}},
    {CALL(fstat), {-1, AT(status)}},
    {CALL(pread64), {-1}},
    {CALL(fchmod), {-1, 0600}},
    {CALL(renameat), {-1, (long)"none", -1, (long)"none"}},
    {CALL(unlinkat), {-1, (long)"none"}},
    {CALL(faccessat), {AT_FDCWD, (long)"/", X_OK}},
};

static bool has_row(int number)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].number == number) {
            return true;
        }
    }
    return false;
}

static bool is_in(const int *list, size_t n, int number)
{
    for (size_t i = 0; i < n; i++) {
        if (list[i] == number) {
            return true;
        }
    }
    return false;
}

bool syscall_trial_leaves_out(int number)
{
    return is_in(left_out, ARRAY_LEN(left_out), number);
}

const int *syscall_trial_list(size_t *n)
{
    *n = ARRAY_LEN(made);
    return made;
}

/* ---- the calls ---- */

static void try_row(const struct row *row, int pid)
{
    long a[6];
    for (int i = 0; i < 6; i++) {
        a[i] = row->argument[i] == PID ? pid : row->argument[i];
    }
    sys_call6(row->number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static void stand_in(void *arg)
{
    (void)arg;
    for (;;) {
        sys_call1(SYS_exit, 0);
    }
}

/* Processes, as helper_process.c makes them. */
static void try_processes(void)
{
    enum { STACK = 4 << 10 };
    char stack[STACK] __attribute__((aligned(16)));
    uint32_t tid = 0;
    int child =
        sys_clone_process(stand_in, NULL, stack + sizeof stack, arch_own_thread_pointer(), &tid);
    sys_call4(SYS_wait4, child, NULL, (int)__WCLONE, NULL);
    child = sys_clone_child(stand_in, NULL, stack + sizeof stack);
    sys_call4(SYS_wait4, child, NULL, 0, NULL);
}

/* Calls of sys.h that need what another has made. */
static void try_memory(int pid)
{
    int64_t ns;
    void *page = sys_map(PAGE_BYTES);
    sys_unmap(page, PAGE_BYTES);
    arch_thread_pointer();
    sys_clock_read(sys_thread_cpu_clock(pid), &ns);
    sys_readable((uintptr_t)&word);
    sys_read_memory(&word, (uintptr_t)&ns, sizeof word);
}

/* A file, as encoder/atomic_file.c writes it. False: it could not. */
static bool try_files(void)
{
    int dir = sys_open("/proc/self/task", O_RDONLY | O_DIRECTORY, 0);
    sys_call3(SYS_getdents64, dir, NULL, 0);
    sys_close(dir);
    bool writes = sys_openat(-1, "none", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600) == -EBADF;
    writes &= sys_call3(SYS_write, -1, "", 0) == -EBADF;
    bool links = sys_call5(SYS_linkat, -1, "none", -1, "none", 0) == -EBADF;
    bool moves = sys_call5(SYS_renameat2, -1, "none", -1, "none", RENAME_NOREPLACE) == -EBADF;
    return writes && (links || moves);
}

bool syscall_trial_run(int pid)
{
    try_memory(pid);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        try_row(&rows[i], pid);
    }
    for (size_t i = 0; i < ARRAY_LEN(made); i++) {
        if (!has_row(made[i]) && !syscall_trial_leaves_out(made[i]) &&
            !is_in(apart, ARRAY_LEN(apart), made[i])) {
            sys_call6(made[i], -1, -1, -1, -1, -1, -1);
        }
    }
    try_processes();
    return try_files();
}
