/* SPDX-License-Identifier: MIT
 *
 * See helper_process.h. A helper's memory, from below: the worker's stack, the keeper's stack, the
 * thread-local memory and the thread block that both share.
 *
 * Each keeper that is a child of the program has a row in `children` from before its clone until it
 * has been waited for. A thread that is about to wait takes the row first, so that no other thread
 * waits for the same id, or kills a process that has been given that id meanwhile.
 */
#include "preload/output/helper_process.h"

#include "collectors/base/sys.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum {
    STACK_BYTES = 256 << 10,
    KEEPER_BYTES = 16 << 10,  /* of them, the upper end, is the keeper's stack */
    EXEC_STACK = 64 << 10,    /* of a child up to its exec */
    TO_BE_BORN = INT32_MAX,   /* in a claimed helper's tid until clone() has stored the real one */
    MANY_DESCRIPTORS = 65536, /* that are closed one by one where close_range is missing */
    ABOVE_STANDARD = 3,       /* the first descriptor without a meaning for a program */
    CHILDREN = 64,            /* keepers at once */
    COMING = INT32_MAX,       /* in `children`: its maker is in clone() */
};
enum {
    NAP = 20000,                  /* ns between two looks at a process that is to end */
    LAST_DUMP = 2 * NSEC_PER_SEC, /* ns for a worker whose program is gone to leave by itself */
};

/* 0 = free; COMING; the id of a keeper; the negative of it: a thread waits for it now. */
static int32_t children[CHILDREN];

static size_t memory_bytes(void)
{
    return STACK_BYTES + arch_thread_block_bytes();
}

static void nap(void)
{
    const struct timespec t = {0, NAP};
    sys_call2(SYS_nanosleep, &t, NULL);
}

static _Noreturn void leave(int status)
{
    for (;;) {
        sys_call1(SYS_exit, status);
    }
}

/* ---- in the processes ---- */

/* Leaves the table of descriptors that is shared with the program for one that has only h->fd in
 * it, or nothing. The program's own table stays as it is, so no file of the program's notices.
 * Before kernel 5.9 the table is copied, and the copies are closed. */
static void drop_descriptors(const struct helper *h)
{
    enum { CLOSE_RANGE_UNSHARE_ = 2 };
    int first = h->has_fd ? h->fd + 1 : 0;
    if (sys_call3(SYS_close_range, first, ~0U, CLOSE_RANGE_UNSHARE_) == 0) {
        if (first > 1) {
            sys_call3(SYS_close_range, 0, first - 2, 0);
        }
    } else if (sys_call1(SYS_unshare, CLONE_FILES) == 0) {
        for (int fd = 0; fd < MANY_DESCRIPTORS; fd++) {
            if (!h->has_fd || fd != h->fd) {
                sys_close(fd);
            }
        }
    }
}

/* Not with a real-time program's priority, and with as many descriptors as may be. */
static void do_work(struct helper *h, bool kept)
{
    const struct sched_param none = {0};
    struct rlimit files;
    sys_call3(SYS_sched_setscheduler, 0, SCHED_OTHER, &none);
    if (sys_call2(SYS_getrlimit, RLIMIT_NOFILE, &files) == 0) { /* its own: it is a process */
        files.rlim_cur = files.rlim_max;
        sys_call2(SYS_setrlimit, RLIMIT_NOFILE, &files);
    }
    sys_call2(SYS_prctl, PR_SET_NAME, "pprof-scribe");
    sys_call1(SYS_umask, 077); /* its own: the program's might take away what the files need */
    sys_end_quietly();
    h->work(h->arg, kept);
}

static void worker_main(void *arg)
{
    struct helper *h = arg;
    /* It dies with its keeper, which may have been killed before this was asked for. */
    sys_call2(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
    if (sys_call0(SYS_getppid) == LOAD(&h->keeper)) {
        do_work(h, true);
    }
    leave(0);
}

/* The program has ended: the worker is woken, and has a moment for the file that it is writing. Its
 * memory was the program's, so it must not stay. */
static _Noreturn void leave_program(struct helper *h, int worker)
{
    STORE(&h->program_gone, true);
    sys_call2(SYS_kill, worker, SIGURG);
    int64_t until = sys_clock_ns(CLOCK_MONOTONIC) + LAST_DUMP;
    while (sys_clock_ns(CLOCK_MONOTONIC) < until) {
        if (sys_call4(SYS_wait4, worker, NULL, WNOHANG, NULL) != 0) {
            leave(0);
        }
        nap();
    }
    leave(0); /* the worker is killed: worker_main() has asked the kernel for that */
}

/* SIGURG tells the keeper that the thread that made it has ended, or all of the program. It has it
 * sent before it does anything else, and then looks whether that came too late. */
static void keeper_main(void *arg)
{
    struct helper *h = arg;
    sys_wake_by(SIGURG);
    sys_call2(SYS_prctl, PR_SET_PDEATHSIG, SIGURG);
    if (sys_call0(SYS_getppid) != h->program) {
        leave(0);
    }
    drop_descriptors(h);
    sys_end_quietly();
    sys_ignore(SIGCHLD);
    sys_call2(SYS_prctl, PR_SET_NAME, "pprof-scribe");
    if (h->dir) {
        sys_call1(SYS_chdir, h->dir);
    }
    STORE(&h->keeper, sys_getpid());
    STORE(&h->program_gone, false);
    int worker = sys_clone_child(worker_main, h, h->memory + STACK_BYTES - KEEPER_BYTES);
    if (worker <= 0) {
        do_work(h, false);
        leave(0);
    }
    do {
        if (sys_call0(SYS_getppid) != h->program) {
            leave_program(h, worker);
        }
    } while (sys_call4(SYS_wait4, worker, NULL, 0, NULL) == -EINTR);
    leave(0);
}

/* ---- in the program ---- */

/* Has the program called unshare(CLONE_NEWPID)? Then its next child is the first process of the new
 * pid namespace, which ends with that process, so a helper must not be it. The link
 * pid_for_children leads nowhere until there is a first process. */
static bool children_are_elsewhere(void)
{
    static const char next[] = "/proc/thread-self/ns/pid_for_children";
    struct stat of_own, of_next;
    if (sys_call4(SYS_newfstatat, AT_FDCWD, "/proc/thread-self/ns/pid", &of_own, 0) != 0) {
        return false;
    }
    long err = sys_call4(SYS_newfstatat, AT_FDCWD, next, &of_next, 0);
    return err == 0 ? of_own.st_ino != of_next.st_ino
                    : sys_call4(SYS_newfstatat, AT_FDCWD, next, &of_next, AT_SYMLINK_NOFOLLOW) == 0;
}

static int32_t *free_row(void)
{
    for (int i = 0; i < CHILDREN; i++) {
        int32_t none = 0;
        if (LOAD(&children[i]) == 0 && CAS(&children[i], &none, COMING)) {
            return &children[i];
        }
    }
    return NULL;
}

bool helper_process_claim(struct helper *h)
{
    if (helper_process_lives(h) || children_are_elsewhere()) {
        return false;
    }
    if (!h->memory && !(h->memory = sys_map(memory_bytes()))) {
        return false;
    }
    if (!(h->row = free_row())) {
        return false;
    }
    STORE(&h->tid, TO_BE_BORN);
    return true;
}

bool helper_process_start(struct helper *h)
{
    h->program = sys_getpid();
    int child = sys_clone_process(keeper_main, h, h->memory + STACK_BYTES,
                                  arch_thread_block(h->memory + STACK_BYTES), &h->tid);
    if (child > 0) {
        STORE_RELEASE(h->row, child);
        STORE_RELEASE(&h->process, child);
    }
    return child > 0;
}

void helper_process_drop(struct helper *h)
{
    STORE(h->row, 0);
    STORE(&h->tid, 0);
}

/* Takes the kernel's notice of the end of a child, whose row this is. False: it has not ended, or
 * another thread looks at this moment. Signals are blocked: a handler of the program's that left by
 * a longjmp would leave the row as it is in between. */
static bool collect(int32_t *row, int32_t child)
{
    uint64_t mask = sys_block_signals();
    int32_t was = child;
    bool collected;
    if (CAS(row, &was, -child)) {
        long got = sys_call4(SYS_wait4, child, NULL, (int)(__WCLONE | WNOHANG), NULL);
        collected = got != 0; /* -ECHILD: the program itself has collected it */
        STORE_RELEASE(row, collected ? 0 : child);
    } else { /* once it has been collected, the row is free, or another child's */
        collected = was != -child;
    }
    sys_restore_signals(mask);
    return collected;
}

/* The kernel clears the tid a moment before the process can be waited for. */
bool helper_process_collect(struct helper *h)
{
    int32_t child = LOAD(&h->process);
    if (child == 0) {
        return true;
    }
    if (helper_process_lives(h) || !collect(h->row, child)) {
        return false;
    }
    CAS(&h->process, &child, 0);
    return true;
}

void helper_process_wait(struct helper *h)
{
    while (!helper_process_collect(h)) {
        uint32_t tid = LOAD_ACQUIRE(&h->tid);
        if (tid != 0) {
            sys_futex_wait(&h->tid, tid, NSEC_PER_SEC / 10);
        } else {
            nap();
        }
    }
}

/* As collect(), of a helper of any thread; kill: it is to end now. */
static bool end_one(int32_t *row, int32_t child, bool kill)
{
    if (child == COMING || child < 0) { /* its thread is in clone(), or looks at it */
        return false;
    }
    int32_t was = child;
    if (kill && CAS(row, &was, -child)) {
        sys_call2(SYS_kill, child, SIGKILL);
        STORE_RELEASE(row, child);
    }
    return collect(row, child);
}

void helper_process_end_all(int64_t patience)
{
    int64_t began = 0;
    for (int i = 0; i < CHILDREN; i++) {
        int64_t waited = 0;
        int32_t child;
        while ((child = LOAD_ACQUIRE(&children[i])) != 0 && waited < patience + NSEC_PER_SEC &&
               !end_one(&children[i], child, waited > patience)) {
            began = began ? began : sys_clock_ns(CLOCK_MONOTONIC);
            nap();
            waited = sys_clock_ns(CLOCK_MONOTONIC) - began;
        }
    }
}

void helper_process_free(struct helper *h)
{
    sys_unmap(h->memory, memory_bytes());
    h->memory = NULL;
}

void helper_process_fork_child(struct helper *h)
{
    h->tid = 0;
    h->process = 0;
    for (int i = 0; i < CHILDREN; i++) {
        children[i] = 0;
    }
}

bool helper_process_in_place(void (*work_here)(void *arg), void *arg)
{
    char *stack = sys_map(STACK_BYTES);
    if (!stack) {
        return false;
    }
    arch_call_on_stack(work_here, arg, stack + STACK_BYTES);
    sys_unmap(stack, STACK_BYTES);
    return true;
}

/* ---- programs ---- */

static void write_file(const char *path, const char *text)
{
    int fd = sys_open(path, O_WRONLY, 0);
    if (fd >= 0) {
        sys_write_all(fd, text, strlen(text));
        sys_close(fd);
    }
}

/* Not up again, if the program is nice itself. */
static void be_nice(void)
{
    enum { NICE = 10, NONE = 20 }; /* the kernel tells NONE - nice */
    if (NONE - sys_call2(SYS_getpriority, PRIO_PROCESS, 0) < NICE) {
        sys_call3(SYS_setpriority, PRIO_PROCESS, 0, NICE);
    }
}

/* First for the out-of-memory killer, no core files, a bound on its memory (it shares the service's
 * control group), deaf to the terminal, signals as at a login. */
static void be_humble(const struct helper_program *p)
{
    struct sched_param none = {0};
    struct rlimit no_core = {0, 0};
    struct rlimit memory = {4UL << 30, 4UL << 30};
    sys_call2(SYS_prctl, PR_SET_PDEATHSIG, p->alone ? 0 : SIGTERM);
    sys_call2(SYS_setpgid, 0, 0);
    if (p->last) {
        sys_call3(SYS_sched_setscheduler, 0, SCHED_IDLE, &none);
    }
    if (p->behind) {
        be_nice();
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
    null = null >= ABOVE_STANDARD
               ? null
               : (int)sys_call3(SYS_fcntl, null, F_DUPFD_CLOEXEC, ABOVE_STANDARD);
    sys_call3(SYS_dup3, p->in >= 0 ? p->in : null, 0, 0);
    sys_call3(SYS_dup3, p->out >= 0 ? p->out : null, 1, 0);
    sys_call3(SYS_dup3, null, 2, 0);
    sys_restore_signals(0);
}

static void program_main(void *arg)
{
    const struct helper_program *p = arg;
    be_humble(p);
    if (sys_call1(SYS_chdir, p->dir) == 0) {
        sys_call3(SYS_execve, p->path, p->argv, p->envp);
    }
    leave(127);
}

int helper_process_exec(const struct helper_program *p)
{
    char *stack = sys_map(EXEC_STACK);
    if (!stack) {
        return -ENOMEM;
    }
    int child = sys_spawn(program_main, (void *)(uintptr_t)p, stack + EXEC_STACK);
    sys_unmap(stack, EXEC_STACK); /* the child has its own memory now, or has ended */
    return child;
}

int helper_process_copy(int (*work_there)(void *arg), void *arg)
{
    long child = sys_call5(SYS_clone, CLONE_UNTRACED, 0, 0, 0, 0);
    if (child == 0) {
        leave(work_there(arg));
    }
    return (int)child;
}
