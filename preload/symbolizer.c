/* SPDX-License-Identifier: MIT
 *
 * See symbolizer.h. The helper is started the way posix_spawn does it: a child that borrows the
 * scribe's memory until it execs, so that nothing of the program's is copied for it.
 */
#include "preload/symbolizer.h"

#include "collectors/base/sys.h"
#include "collectors/base/text.h"
#include "collectors/kinds.h"
#include "encoder/atomic_file.h"
#include "preload/config.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    WAITING = 64, /* dumps */
    NAMES = KIND_COUNT * (FILE_NAME_MAX + 1),
    SPAWN_STACK = 64 << 10,
};

struct job {
    int files;
    char names[NAMES];
};

static struct job jobs[WAITING]; /* a ring: [head, tail) */
static uint32_t head, tail;
static int running; /* process; 0 = none */
static char program[CONFIG_PATH_MAX];

void symbolizer_queue(const char *library, const char *names, size_t bytes, int files)
{
    if (!config.symbolize) {
        return;
    }
    struct text t = text_in(program, sizeof program);
    const char *slash = strrchr(library, '/');
    text_add_n(&t, library, slash ? (size_t)(slash - library) + 1 : 0);
    text_add(&t, "pprof-symbolize");
    if (tail - head == WAITING) {
        head++;
    }
    struct job *job = &jobs[tail++ % WAITING];
    job->files = files;
    memcpy(job->names, names, bytes);
}

/* ---- the child, up to its exec ---- */

static void write_file(const char *path, const char *text)
{
    int fd = sys_open(path, O_WRONLY, 0);
    if (fd >= 0) {
        sys_write_all(fd, text, strlen(text));
        sys_close(fd);
    }
}

/* Last in line for the processor, first for the out-of-memory killer, no core files, a bound on its
 * memory (it shares the service's control group), deaf to the terminal, signals as at a login. */
static void be_humble(void)
{
    struct sched_param none = {0};
    struct rlimit no_core = {0, 0};
    struct rlimit memory = {4UL << 30, 4UL << 30};
    sys_call2(SYS_setpgid, 0, 0);
    sys_call3(SYS_sched_setscheduler, 0, SCHED_IDLE, &none);
    sys_call2(SYS_setrlimit, RLIMIT_CORE, &no_core);
    sys_call2(SYS_setrlimit, RLIMIT_AS, &memory);
    write_file("/proc/self/oom_score_adj", "1000");
    for (int sig = 1; sig <= 64; sig++) { /* ignored ones would stay ignored over the exec */
        uint64_t by_default[4] = {0};
        sys_call4(SYS_rt_sigaction, sig, by_default, NULL, 8);
    }
    int null = sys_open("/dev/null", O_RDWR, 0);
    for (int fd = 0; fd < 3; fd++) {
        sys_call2(SYS_dup2, null, fd);
    }
    sys_call3(SYS_fcntl, null, F_SETFD, null < 3 ? 0 : FD_CLOEXEC);
    sys_restore_signals(0);
}

static void run(void *arg)
{
    const struct job *job = arg;
    char pid[16];
    struct text t = text_in(pid, sizeof pid);
    /* The scribe's: it has the program's memory map even where the program's first thread is gone.
     */
    text_add_int(&t, sys_call0(SYS_getppid), 0);
    const char *argv[KIND_COUNT + 5] = {program, "-p", pid, "--"};
    const char *name = job->names;
    int argc = 4;
    for (int i = 0; i < job->files; i++) {
        argv[argc++] = name;
        name += strlen(name) + 1;
    }
    const char *envp[] = {"PATH=/usr/bin:/bin", "MALLOC_ARENA_MAX=1", config.binary_path, NULL};
    be_humble();
    if (sys_call1(SYS_chdir, config.out) == 0) {
        sys_call3(SYS_execve, program, argv, envp);
    }
    for (;;) {
        sys_call1(SYS_exit, 127);
    }
}

/* ---- the scribe's side ---- */

static bool start(const struct job *job)
{
    if (sys_call4(SYS_faccessat, AT_FDCWD, program, X_OK, 0) != 0) {
        return false;
    }
    char *stack = sys_map(SPAWN_STACK);
    if (!stack) {
        return false;
    }
    int child = sys_spawn(run, (void *)(uintptr_t)job, stack + SPAWN_STACK);
    sys_unmap(stack, SPAWN_STACK); /* it has its own memory now, or has ended */
    running = child > 0 ? child : 0;
    return child > 0;
}

enum symbolizer_state symbolizer_tend(void)
{
    if (running) {
        long ended = sys_call4(SYS_wait4, running, NULL, WNOHANG, NULL);
        if (ended == 0) {
            return SYMBOLIZER_BUSY;
        }
        running = 0; /* ended, or (SIGCHLD ignored) already gone */
    }
    while (head != tail) {
        if (start(&jobs[head++ % WAITING])) {
            return SYMBOLIZER_STARTED;
        }
    }
    return SYMBOLIZER_IDLE;
}

void symbolizer_fork_child(void)
{
    head = tail = 0;
    running = 0;
}
