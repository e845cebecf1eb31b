/* SPDX-License-Identifier: MIT
 *
 * See symbolizer.h. The helper is started the way posix_spawn does it: a child that borrows the
 * scribe's memory until it execs, so that nothing of the program's is copied for it.
 */
#include "preload/output/symbolizer.h"

#include "collectors/base/sys.h"
#include "collectors/base/text.h"
#include "encoder/maps.h"
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
    SPAWN_STACK = 64 << 10,
};

/* One run of the helper. In a mapping of its own, with the arguments behind it. */
struct job {
    size_t bytes;
    char program[CONFIG_PATH_MAX];
    char pid[16];
    int in, out; /* descriptors 0 and 1; -1 = of no use */
    const char **argv;
    const char *envp[4];
};

static struct job *jobs[WAITING]; /* a ring: [head, tail) */
static uint32_t head, tail;
static int running; /* process; 0 = none */

/* NULL: no memory, or the helper is not there. */
static struct job *job_new(const struct maps *maps, const char *names, size_t bytes, int files)
{
    enum { FIXED_ARGUMENTS = 5 };
    size_t arguments = ((size_t)files + FIXED_ARGUMENTS) * sizeof(char *);
    size_t all = sizeof(struct job) + arguments + bytes;
    uint32_t own = maps_find(maps, (uintptr_t)symbolizer_tend);
    struct job *job = own ? sys_map(all) : NULL;
    if (!job) {
        return NULL;
    }
    job->bytes = all;
    job->in = job->out = -1;
    struct text t = text_in(job->program, sizeof job->program);
    const char *library = maps_text(maps, maps_mapping(maps, own)->file);
    const char *slash = strrchr(library, '/');
    text_add_n(&t, library, slash ? (size_t)(slash - library) + 1 : 0);
    text_add(&t, "pprof-symbolize");
    if (t.cut || sys_call4(SYS_faccessat, AT_FDCWD, job->program, X_OK, 0) != 0) {
        sys_unmap(job, all);
        return NULL;
    }
    job->argv = (const char **)(void *)(job + 1);
    char *text = (char *)(job + 1) + arguments;
    memcpy(text, names, bytes);
    int argc = 0;
    job->argv[argc++] = job->program;
    job->argv[argc++] = "-p";
    job->argv[argc++] = job->pid;
    job->argv[argc++] = "--";
    for (int i = 0; i < files; i++) {
        job->argv[argc++] = text;
        text += strlen(text) + 1;
    }
    job->envp[0] = "PATH=/usr/bin:/bin";
    job->envp[1] = "MALLOC_ARENA_MAX=1";
    job->envp[2] = config.binary_path;
    return job;
}

void symbolizer_queue(const struct maps *maps, const char *names, size_t bytes, int files)
{
    struct job *job = config.symbolize ? job_new(maps, names, bytes, files) : NULL;
    if (!job) {
        return;
    }
    if (tail - head == WAITING) {
        struct job *oldest = jobs[head++ % WAITING];
        sys_unmap(oldest, oldest->bytes);
    }
    jobs[tail++ % WAITING] = job;
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

static bool awaited; /* by the end of the program */

void symbolizer_is_awaited(void)
{
    STORE(&awaited, true);
}

/* Last in line for the processor unless somebody waits, first for the out-of-memory killer, no core
 * files, a bound on its memory (it shares the service's control group), deaf to the terminal,
 * signals as at a login. */
static void be_humble(const struct job *job)
{
    struct sched_param none = {0};
    struct rlimit no_core = {0, 0};
    struct rlimit memory = {4UL << 30, 4UL << 30};
    sys_call2(SYS_setpgid, 0, 0);
    if (!LOAD(&awaited) && job->in < 0) {
        sys_call3(SYS_sched_setscheduler, 0, SCHED_IDLE, &none);
    }
    sys_call2(SYS_setrlimit, RLIMIT_CORE, &no_core);
    sys_call2(SYS_setrlimit, RLIMIT_AS, &memory);
    write_file("/proc/self/oom_score_adj", "1000");
    for (int sig = 1; sig <= 64; sig++) { /* ignored ones would stay ignored over the exec */
        uint64_t by_default[4] = {0};
        sys_call4(SYS_rt_sigaction, sig, by_default, NULL, 8);
    }
    /* Above the three that are about to get another meaning: this table may have been empty. */
    int null = sys_open("/dev/null", O_RDWR, 0);
    null = null >= 3 ? null : (int)sys_call3(SYS_fcntl, null, F_DUPFD_CLOEXEC, 3);
    sys_call2(SYS_dup2, job->in >= 0 ? job->in : null, 0);
    sys_call2(SYS_dup2, job->out >= 0 ? job->out : null, 1);
    sys_call2(SYS_dup2, null, 2);
    sys_restore_signals(0);
}

static void run(void *arg)
{
    struct job *job = arg;
    struct text t = text_in(job->pid, sizeof job->pid);
    /* The scribe's: it has the program's memory map even where the program's first thread is gone.
     */
    text_add_int(&t, sys_call0(SYS_getppid), 0);
    be_humble(job);
    if (sys_call1(SYS_chdir, job->in >= 0 ? "/" : config.out) == 0) {
        sys_call3(SYS_execve, job->program, job->argv, job->envp);
    }
    for (;;) {
        sys_call1(SYS_exit, 127);
    }
}

/* ---- the scribe's side ---- */

/* The helper's process, or 0; the job is done with either way. */
static int start(struct job *job)
{
    char *stack = sys_map(SPAWN_STACK);
    int child = stack ? sys_spawn(run, job, stack + SPAWN_STACK) : -ENOMEM;
    sys_unmap(stack, SPAWN_STACK); /* it has its own memory now, or has ended */
    sys_unmap(job, job->bytes);
    return child > 0 ? child : 0;
}

int symbolizer_filter(const struct maps *maps, int in, int out)
{
    static const char name[] = "-";
    struct job *job = config.symbolize ? job_new(maps, name, sizeof name, 1) : NULL;
    if (!job) {
        return -ENOENT;
    }
    job->in = in;
    job->out = out;
    int child = start(job);
    int status = -1;
    long got = child ? -EINTR : -ENOMEM;
    while (got == -EINTR) {
        got = sys_call4(SYS_wait4, child, &status, 0, NULL);
    }
    return got == child && status == 0 ? 0 : -EIO;
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
        running = start(jobs[head++ % WAITING]);
        if (running) {
            return SYMBOLIZER_STARTED;
        }
    }
    return SYMBOLIZER_IDLE;
}

void symbolizer_fork_child(void)
{
    awaited = false;
    for (; head != tail; head++) {
        sys_unmap(jobs[head % WAITING], jobs[head % WAITING]->bytes);
    }
    head = tail = 0;
    running = 0;
}
