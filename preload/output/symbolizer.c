/* SPDX-License-Identifier: MIT
 *
 * See symbolizer.h. The symboliser is a program (preload/output/helper_process.h): nothing of the
 * profiled program's is copied for it.
 */
#include "preload/output/symbolizer.h"

#include "collectors/base/sys.h"
#include "collectors/base/text.h"
#include "encoder/maps.h"
#include "preload/config.h"
#include "preload/output/helper_process.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WAITING = 64 }; /* dumps that may wait for their turn */

/* One run of pprof-symbolize: a mapping of its own, with the arguments' pointers and texts behind.
 */
struct job {
    size_t bytes;
    char program[CONFIG_PATH_MAX];
    char pid[16];    /* of the scribe, as text */
    const char *dir; /* where it runs */
    int in, out;     /* become descriptors 0 and 1; -1 = /dev/null */
    const char **argv;
    const char *envp[4]; /* NULL at the end */
};

static struct job *jobs[WAITING]; /* a ring: [head, tail) */
static uint32_t head, tail;
static int running;         /* the process of the run that is going on; 0 = none */
static struct job *current; /* its job */

/* NULL: no memory, or no pprof-symbolize beside the library. */
static struct job *job_new(const struct maps *maps, const char *dir, const char *names,
                           size_t bytes, int files)
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
    job->dir = dir;
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

void symbolizer_queue(const struct maps *maps, const char *dir, const char *names, size_t bytes,
                      int files)
{
    struct job *job = config.symbolize ? job_new(maps, dir, names, bytes, files) : NULL;
    if (!job) {
        return;
    }
    if (tail - head == WAITING) {
        struct job *oldest = jobs[head++ % WAITING];
        sys_unmap(oldest, oldest->bytes);
    }
    jobs[tail++ % WAITING] = job;
}

static bool awaited; /* the end of the program waits for the names */

void symbolizer_is_awaited(void)
{
    STORE(&awaited, true);
}

/* Starts a run. Its process, or 0. It runs only when a processor is idle
 * (SCHED_IDLE), unless the end of the program or a call of the API waits for it: else the children
 * of a busy machine would wait minutes for their names at their end. */
static int start(struct job *job)
{
    const struct helper_program p = {
        .path = job->program,
        .argv = job->argv,
        .envp = job->envp,
        .dir = job->dir,
        .in = job->in,
        .out = job->out,
        .last = !LOAD(&awaited) && job->in < 0,
    };
    struct text t = text_in(job->pid, sizeof job->pid);
    /* -p PID, for /proc/PID/maps: the scribe has the program's memory map, and unlike the program's
     * own it can be read even after the program's first thread has ended. */
    text_add_int(&t, sys_getpid(), 0);
    int child = helper_process_exec(&p);
    return child > 0 ? child : 0;
}

int symbolizer_filter(const struct maps *maps, int in, int out)
{
    static const char name[] = "-";
    struct job *job = config.symbolize ? job_new(maps, "/", name, sizeof name, 1) : NULL;
    if (!job) {
        return -ENOENT;
    }
    job->in = in;
    job->out = out;
    int child = start(job);
    sys_unmap(job, job->bytes);
    int status = -1;
    long got = child ? -EINTR : -ENOMEM;
    while (got == -EINTR) {
        got = sys_call4(SYS_wait4, child, &status, 0, NULL);
    }
    return got == child && status == 0 ? 0 : -EIO;
}

static void forget_current(void)
{
    sys_unmap(current, current ? current->bytes : 0);
    current = NULL;
}

/* Does the run still go on? With SIGCHLD ignored, nothing is left to collect after its end. */
static bool goes_on(void)
{
    if (running && sys_call4(SYS_wait4, running, NULL, WNOHANG, NULL) == 0) {
        return true;
    }
    running = 0;
    forget_current();
    return false;
}

enum symbolizer_state symbolizer_tend(void)
{
    if (goes_on()) {
        return SYMBOLIZER_BUSY;
    }
    while (head != tail) {
        current = jobs[head++ % WAITING];
        running = start(current);
        if (running) {
            return SYMBOLIZER_STARTED;
        }
        forget_current();
    }
    return SYMBOLIZER_IDLE;
}

bool symbolizer_waits(void)
{
    return LOAD(&head) != LOAD(&tail);
}

void symbolizer_put_back(void)
{
    if (goes_on()) {
        sys_call2(SYS_kill, running, SIGTERM);
        /* Its own children die with it. They are this process's then, which is a subreaper. */
        while (sys_call4(SYS_wait4, -1, NULL, (int)__WALL, NULL) != -ECHILD) {
        }
        running = 0;
        if (tail - head < WAITING) {
            jobs[--head % WAITING] = current;
            current = NULL;
        }
        forget_current();
    }
}

void symbolizer_fork_child(void)
{
    awaited = false;
    for (; head != tail; head++) {
        sys_unmap(jobs[head % WAITING], jobs[head % WAITING]->bytes);
    }
    head = tail = 0;
    running = 0;
    forget_current();
}
