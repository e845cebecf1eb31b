/* SPDX-License-Identifier: MIT
 *
 * See errand.h. Two processes, as the scribe has them: the keeper is the program's child, without
 * an exit signal, and ignores the end of its own, so that the CPU time of the one who works never
 * comes to be the program's. They share a table of descriptors with nothing in it but the program's
 * one and what they open.
 */
#include "preload/output/errand.h"

#include "collectors/base/sys.h"
#include "encoder/buffer.h"
#include "encoder/maps.h"
#include "preload/config.h"
#include "preload/output/scribe.h"
#include "preload/output/symbolizer.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum {
    KEEPER_BYTES = 16 << 10, /* of the stack, the upper end */
    COPY_BYTES = 64 << 10,
    ABOVE_STANDARD = 3, /* descriptors of ours are none that the helper is given another meaning */
};

/* ---- writing ---- */

/* All of it, whatever kind of descriptor it is. */
static int write_out(int fd, const char *at, size_t n)
{
    while (n > 0) {
        long put = sys_call3(SYS_write, fd, at, n);
        if (put == -EAGAIN) {
            struct pollfd room = {.fd = fd, .events = POLLOUT};
            sys_call4(SYS_ppoll, &room, 1, NULL, NULL);
        } else if (put < 0 && put != -EINTR) {
            return (int)put;
        } else if (put > 0) {
            at += put;
            n -= (size_t)put;
        }
    }
    return 0;
}

/* A byte_sink into memory. */
struct growing {
    struct buffer buffer;
    size_t used;
};

static int grow_write(void *arg, const void *buf, size_t n)
{
    struct growing *g = arg;
    size_t size = g->buffer.size ? g->buffer.size : COPY_BYTES;
    while (size < g->used + n) {
        size *= 2;
    }
    if (!buffer_reserve(&g->buffer, size)) {
        return -ENOMEM;
    }
    memcpy((char *)g->buffer.at + g->used, buf, n);
    g->used += n;
    return 0;
}

static int file_write(void *fd, const void *buf, size_t n)
{
    return sys_write_all(*(const int *)fd, buf, n);
}

/* ---- the work ---- */

static int encode_into(const struct errand *e, const struct maps *maps,
                       const struct byte_sink *sink)
{
    struct profile_moment moment = {maps, sys_clock_ns(CLOCK_REALTIME), e->threads};
    if (e->snap) {
        return profile_encode(e->snap, e->form, &moment, sink);
    }
    struct profile_open p;
    profile_open(&p, e->kind, &moment);
    int err = profile_encode(&p.snap, e->form, &moment, sink);
    profile_close(&p);
    return err;
}

static int by_memory(const struct errand *e, const struct maps *maps)
{
    struct growing g = {0};
    struct byte_sink sink = {grow_write, &g};
    int err = encode_into(e, maps, &sink);
    err = err ? err : write_out(e->fd, g.buffer.at, g.used);
    buffer_free(&g.buffer);
    return err;
}

static int memory_file(void)
{
    long fd = sys_call2(SYS_memfd_create, "pprof", MFD_CLOEXEC);
    if (fd < 0 || fd >= ABOVE_STANDARD) {
        return (int)fd;
    }
    long higher = sys_call3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, ABOVE_STANDARD);
    sys_close((int)fd);
    return (int)higher;
}

static int copy_file(int from, int to)
{
    char *buf = sys_map(COPY_BYTES);
    int err = buf ? 0 : -ENOMEM;
    long got = 1;
    sys_call3(SYS_lseek, from, 0, SEEK_SET);
    while (err == 0 && got > 0) {
        got = sys_read(from, buf, COPY_BYTES);
        err = got < 0 ? (int)got : write_out(to, buf, (size_t)got);
    }
    sys_unmap(buf, COPY_BYTES);
    return err;
}

/* Through the symboliser; if that cannot be, as it is. */
static int with_names(const struct errand *e, const struct maps *maps)
{
    int raw = memory_file();
    int named = memory_file();
    if (raw < 0 || named < 0) {
        return by_memory(e, maps);
    }
    struct byte_sink sink = {file_write, &raw};
    int err = encode_into(e, maps, &sink);
    if (err == 0) {
        sys_call3(SYS_lseek, raw, 0, SEEK_SET);
        err = copy_file(symbolizer_filter(maps, raw, named) == 0 ? named : raw, e->fd);
    }
    return err;
}

static void work(struct errand *e, bool names)
{
    struct maps *maps = maps_read(getauxval(AT_PHDR));
    e->result = maps_count(maps) == 0 ? maps ? -ENOENT : -ENOMEM
                : names               ? with_names(e, maps)
                                      : by_memory(e, maps);
    maps_free(maps);
}

/* ---- the processes ---- */

/* In the processes' own memory, not on the caller's stack: a handler of the program's may leave the
 * wait for them by a longjmp. */
struct trip {
    struct errand errand;
    char *memory;
    uint32_t tid; /* cleared by the kernel when the keeper is gone */
};

static _Noreturn void leave(void)
{
    for (;;) {
        sys_call1(SYS_exit, 0);
    }
}

/* Leaves the program's table of descriptors for one that has only this one of it. */
static void keep_only(int fd)
{
    enum { CLOSE_RANGE_UNSHARE_ = 2 };
    if (sys_call3(SYS_close_range, fd + 1, ~0U, CLOSE_RANGE_UNSHARE_) == 0) {
        if (fd > 0) {
            sys_call3(SYS_close_range, 0, fd - 1, 0);
        }
    } else if (sys_call1(SYS_unshare, CLONE_FILES) == 0) {
        for (int other = 0; other < 65536; other++) {
            if (other != fd) {
                sys_close(other);
            }
        }
    }
}

static void worker_main(void *arg)
{
    struct trip *t = arg;
    const struct sched_param none = {0};
    const uint64_t by_default[4] = {0}; /* as the kernel has an action */
    struct rlimit files;
    sys_end_quietly();
    sys_call4(SYS_rt_sigaction, SIGCHLD, by_default, NULL,
              8); /* how the helper ended matters here */
    sys_call3(SYS_sched_setscheduler, 0, SCHED_OTHER, &none);   /* not with a real-time program's */
    if (sys_call2(SYS_getrlimit, RLIMIT_NOFILE, &files) == 0) { /* its own: it is a process */
        files.rlim_cur = files.rlim_max;
        sys_call2(SYS_setrlimit, RLIMIT_NOFILE, &files);
    }
    sys_call2(SYS_prctl, PR_SET_NAME, "pprof-scribe");
    work(&t->errand, true);
    leave();
}

static void keeper_main(void *arg)
{
    struct trip *t = arg;
    keep_only(t->errand.fd);
    sys_end_quietly();
    sys_ignore(SIGCHLD);
    sys_call2(SYS_prctl, PR_SET_NAME, "pprof-scribe");
    int worker = sys_clone_child(worker_main, t, t->memory + scribe_stack_bytes() - KEEPER_BYTES);
    if (worker <= 0) {
        work(&t->errand, false);
        leave();
    }
    while (sys_call4(SYS_wait4, worker, NULL, 0, NULL) == -EINTR) {
    }
    leave();
}

/* False: no process to be had. */
static bool send(struct errand *e)
{
    size_t bytes = scribe_block_bytes() + sizeof(struct trip);
    char *memory = sys_map(bytes);
    if (!memory) {
        return false;
    }
    struct trip *t = (struct trip *)(void *)(memory + scribe_block_bytes());
    *t = (struct trip){*e, memory, 1};
    uint64_t mask = sys_block_signals(); /* the processes are born with all of them blocked */
    int child = sys_clone_process(keeper_main, t, memory + scribe_stack_bytes(),
                                  scribe_block(memory), &t->tid);
    sys_restore_signals(mask);
    uint32_t tid;
    while (child > 0 && (tid = LOAD_ACQUIRE(&t->tid)) != 0) {
        sys_futex_wait(&t->tid, tid, NSEC_PER_SEC / 10);
    }
    while (child > 0 && sys_call4(SYS_wait4, child, NULL, (int)__WCLONE, NULL) == -EINTR) {
    }
    e->result = t->errand.result;
    sys_unmap(memory, bytes);
    return child > 0;
}

/* ---- the caller's own thread ---- */

static void work_here(void *errand)
{
    work(errand, false);
}

/* A pipe that nobody reads is an error of the call here, as it is in a process of ours; not a
 * signal that ends the program. */
static void do_it_here(struct errand *e)
{
    uint64_t pipe = 1ULL << (SIGPIPE - 1);
    uint64_t before = 0;
    uint64_t pending = 0;
    const struct timespec at_once = {0, 0};
    char *stack = sys_map(scribe_stack_bytes());
    if (!stack) {
        e->result = -ENOMEM;
        return;
    }
    sys_call4(SYS_rt_sigprocmask, SIG_BLOCK, &pipe, &before, sizeof pipe);
    sys_call2(SYS_rt_sigpending, &pending, sizeof pending);
    sys_call_on_stack(work_here, e, stack + scribe_stack_bytes());
    if (!(pending & pipe)) {
        sys_call4(SYS_rt_sigtimedwait, &pipe, NULL, &at_once, sizeof pipe);
    }
    sys_restore_signals(before);
    sys_unmap(stack, scribe_stack_bytes());
}

int errand_run(struct errand *e)
{
    if (e->fd < 0) {
        return -EINVAL;
    }
    long flags = sys_call2(SYS_fcntl, e->fd, F_GETFL);
    if (flags < 0) {
        return (int)flags;
    }
    e->result = -EIO; /* of one that was killed */
    if (config.in_place || !send(e)) {
        do_it_here(e);
    }
    return e->result;
}
