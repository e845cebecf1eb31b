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
#include "preload/output/adoption.h"
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
    char pid[16];      /* for -p, as text */
    char map[16];      /* for -m, as text */
    const char *dir;   /* where it runs */
    int in, out;       /* become descriptors 0 and 1; -1 = /dev/null */
    const char *names; /* of the files, as in argv */
    size_t names_bytes;
    int files;
    const char **argv;
    const char *envp[2 + NAMES_ENV]; /* NULL at the end */
};

static struct job *jobs[WAITING]; /* a ring: [head, tail) */
static uint32_t head, tail;
static int running;         /* the process of the run that is going on; 0 = none */
static struct job *current; /* its job */
static bool raw;            /* files were left without names, for which no run is going on */

/* The path of pprof-symbolize beside the library. False: it is not there. */
static bool find_program(const struct maps *maps, char program[CONFIG_PATH_MAX])
{
    uint32_t own = maps_find(maps, (uintptr_t)symbolizer_tend);
    const char *library = own ? maps_text(maps, maps_mapping(maps, own)->file) : "";
    const char *slash = strrchr(library, '/');
    struct text t = text_in(program, CONFIG_PATH_MAX);
    text_add_n(&t, library, slash ? (size_t)(slash - library) + 1 : 0);
    text_add(&t, "pprof-symbolize");
    return own && !t.cut && sys_call4(SYS_faccessat, AT_FDCWD, program, X_OK, 0) == 0;
}

/* NULL: no memory. */
static struct job *job_new(const char *program, const char *dir, const char *names, size_t bytes,
                           int files)
{
    enum { FIXED_ARGUMENTS = 7 };
    size_t arguments = ((size_t)files + FIXED_ARGUMENTS) * sizeof(char *);
    size_t all = sizeof(struct job) + arguments + bytes + strlen(dir) + 1;
    struct job *job = sys_map(all);
    if (!job) {
        return NULL;
    }
    job->bytes = all;
    job->in = job->out = -1;
    memcpy(job->program, program, strlen(program) + 1);
    job->argv = (const char **)(void *)(job + 1);
    char *text = (char *)(job + 1) + arguments;
    memcpy(text, names, bytes);
    memcpy(text + bytes, dir, strlen(dir) + 1);
    job->dir = text + bytes;
    job->names = text;
    job->names_bytes = bytes;
    job->files = files;
    int argc = 0;
    job->argv[argc++] = job->program;
    job->argv[argc++] = "-p";
    job->argv[argc++] = job->pid;
    /* -m PID, for /tmp/perf-PID.map, which a program names by its own number. */
    struct text map = text_in(job->map, sizeof job->map);
    text_add_int(&map, config.pid, 0);
    job->argv[argc++] = "-m";
    job->argv[argc++] = job->map;
    job->argv[argc++] = "--";
    for (int i = 0; i < files; i++) {
        job->argv[argc++] = text;
        text += strlen(text) + 1;
    }
    job->envp[0] = "PATH=/usr/bin:/bin";
    job->envp[1] = "MALLOC_ARENA_MAX=1";
    memcpy(job->envp + 2, config.names_env, sizeof config.names_env);
    return job;
}

static struct job *job_for(const struct maps *maps, const char *dir, const char *names,
                           size_t bytes, int files)
{
    char program[CONFIG_PATH_MAX];
    return config.symbolize && find_program(maps, program)
               ? job_new(program, dir, names, bytes, files)
               : NULL;
}

void symbolizer_queue(const struct maps *maps, const char *dir, const char *names, size_t bytes,
                      int files)
{
    struct job *job = job_for(maps, dir, names, bytes, files);
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

enum turn {
    AT_ONCE, /* as others are scheduled */
    BEHIND,  /* with less of the processor than they have: what goes on may be a server, whose
              * children  come and end */
    IN_LINE, /* only when a processor is idle (SCHED_IDLE), unless the end of the program waits for
              * it: on a busy machine that would take minutes */
};

/* Starts a run. Its process, or 0. pid is for -p: the scribe's, which has the program's memory
 * map, and unlike the program's own it can be read even after the program's first thread has ended;
 * the program's, where the scribe will have ended by then. A run that may be left behind goes on
 * even if the scribe is killed. */
static int start(struct job *job, int pid, enum turn turn)
{
    const struct helper_program p = {
        .path = job->program,
        .argv = job->argv,
        .envp = job->envp,
        .dir = job->dir,
        .in = job->in,
        .out = job->out,
        .last = turn == IN_LINE && !LOAD(&awaited),
        .behind = turn == BEHIND,
        .alone = job->in < 0 && adoption_collects(),
    };
    struct text t = text_in(job->pid, sizeof job->pid);
    text_add_int(&t, pid, 0);
    int child = helper_process_exec(&p);
    return child > 0 ? child : 0;
}

int symbolizer_filter(const struct maps *maps, int in, int out)
{
    static const char name[] = "-";
    struct job *job = job_for(maps, "/", name, sizeof name, 1);
    if (!job) {
        return -ENOENT;
    }
    job->in = in;
    job->out = out;
    int child = start(job, sys_getpid(), AT_ONCE);
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
        running = start(current, sys_getpid(), IN_LINE);
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

/* ---- when the scribe leaves for good before all files have their names ---- */

/* One job for the files of all that wait in the folder of the last one: a process that has changed
 * its user can do nothing more for those before. NULL: there is no memory. */
static struct job *merged(void)
{
    size_t bytes = 0;
    int files = 0;
    const struct job *last = jobs[(tail - 1) % WAITING];
    while (strcmp(jobs[head % WAITING]->dir, last->dir) != 0) {
        sys_unmap(jobs[head % WAITING], jobs[head % WAITING]->bytes);
        head++;
    }
    for (uint32_t i = head; i != tail; i++) {
        bytes += jobs[i % WAITING]->names_bytes;
        files += jobs[i % WAITING]->files;
    }
    char *names = sys_map(bytes);
    if (!names) {
        return NULL;
    }
    char *to = names;
    for (uint32_t i = head; i != tail; i++) {
        memcpy(to, jobs[i % WAITING]->names, jobs[i % WAITING]->names_bytes);
        to += jobs[i % WAITING]->names_bytes;
    }
    const struct job *first = jobs[head % WAITING];
    struct job *all = job_new(first->program, first->dir, names, bytes, files);
    sys_unmap(names, bytes);
    return all;
}

static void forget_jobs(void)
{
    for (; head != tail; head++) {
        sys_unmap(jobs[head % WAITING], jobs[head % WAITING]->bytes);
    }
    head = tail = 0;
}

void symbolizer_part(void)
{
    bool left_behind = adoption_collects();
    if (!left_behind) {
        symbolizer_put_back();
    }
    running = 0;
    forget_current();
    if (head != tail) {
        struct job *all = left_behind ? merged() : NULL;
        if (!all || start(all, config.pid, config.is_first ? AT_ONCE : BEHIND) == 0) {
            STORE(&raw, true);
        }
        sys_unmap(all, all ? all->bytes : 0);
    }
    forget_jobs();
}

bool symbolizer_left_raw(void)
{
    return LOAD(&raw);
}

void symbolizer_fork_child(void)
{
    awaited = false;
    raw = false;
    running = 0;
    forget_current();
    forget_jobs();
}
