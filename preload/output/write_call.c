/* SPDX-License-Identifier: MIT
 *
 * See write_call.h. The helper's table of descriptors holds the program's one and what the helper
 * opens.
 */
#include "preload/output/write_call.h"

#include "collectors/base/sys.h"
#include "encoder/buffer.h"
#include "encoder/maps.h"
#include "preload/config.h"
#include "preload/output/helper_process.h"
#include "preload/output/symbolizer.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>

enum {
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

static int encode_into(const struct write_call *c, const struct maps *maps,
                       const struct byte_sink *sink)
{
    struct render_moment moment = {maps, sys_clock_ns(CLOCK_REALTIME), c->threads};
    if (c->snap) {
        return render_encode(c->snap, c->form, &moment, sink);
    }
    struct rendering p;
    render_open(&p, c->kind, &moment);
    int err = render_encode(&p.snap, c->form, &moment, sink);
    render_close(&p);
    return err;
}

static int by_memory(const struct write_call *c, const struct maps *maps)
{
    struct growing g = {0};
    struct byte_sink sink = {grow_write, &g};
    int err = encode_into(c, maps, &sink);
    err = err ? err : write_out(c->fd, g.buffer.at, g.used);
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
static int with_names(const struct write_call *c, const struct maps *maps)
{
    int raw = memory_file();
    int named = memory_file();
    if (raw < 0 || named < 0) {
        return by_memory(c, maps);
    }
    struct byte_sink sink = {file_write, &raw};
    int err = encode_into(c, maps, &sink);
    if (err == 0) {
        sys_call3(SYS_lseek, raw, 0, SEEK_SET);
        err = copy_file(symbolizer_filter(maps, raw, named) == 0 ? named : raw, c->fd);
    }
    return err;
}

static void work(struct write_call *c, bool names)
{
    struct maps *maps = maps_read(getauxval(AT_PHDR));
    c->result = maps_count(maps) == 0 ? maps ? -ENOENT : -ENOMEM
                : names               ? with_names(c, maps)
                                      : by_memory(c, maps);
    maps_free(maps);
}

/* ---- where it is done ---- */

/* In memory of its own, not on the caller's stack: a handler of the program's may leave the wait
 * for the process by a longjmp. */
struct under_way {
    struct write_call call;
    struct helper helper;
};

static void work_in_helper(void *under_way, bool kept)
{
    struct under_way *u = under_way;
    if (kept) { /* how the symboliser ended matters here, and an ignored SIGCHLD would hide it */
        const uint64_t by_default[4] = {0}; /* as the kernel has an action */
        sys_call4(SYS_rt_sigaction, SIGCHLD, by_default, NULL, 8);
    }
    work(&u->call, kept);
}

/* False: no process can be made. */
static bool by_helper(struct write_call *c)
{
    struct under_way *u = sys_map(sizeof *u);
    if (!u) {
        return false;
    }
    u->call = *c;
    u->helper = (struct helper){.work = work_in_helper, .arg = u, .has_fd = true, .fd = c->fd};
    bool made = helper_process_claim(&u->helper);
    if (made) {
        uint64_t mask = sys_block_signals();
        made = helper_process_start(&u->helper);
        sys_restore_signals(mask);
    }
    if (made) {
        helper_process_wait(&u->helper);
        c->result = u->call.result;
    }
    helper_process_free(&u->helper);
    sys_unmap(u, sizeof *u);
    return made;
}

static void work_here(void *call)
{
    work(call, false);
}

/* A pipe that nobody reads is an error of the call here, as it is in a helper; not a signal that
 * ends the program. */
static void in_place(struct write_call *c)
{
    uint64_t pipe = 1ULL << (SIGPIPE - 1);
    uint64_t before = 0;
    uint64_t pending = 0;
    const struct timespec at_once = {0, 0};
    sys_call4(SYS_rt_sigprocmask, SIG_BLOCK, &pipe, &before, sizeof pipe);
    sys_call2(SYS_rt_sigpending, &pending, sizeof pending);
    if (!helper_process_in_place(work_here, c)) {
        c->result = -ENOMEM;
    }
    if (!(pending & pipe)) {
        sys_call4(SYS_rt_sigtimedwait, &pipe, NULL, &at_once, sizeof pipe);
    }
    sys_restore_signals(before);
}

int write_call_run(struct write_call *c)
{
    if (c->fd < 0) {
        return -EINVAL;
    }
    long flags = sys_call2(SYS_fcntl, c->fd, F_GETFL);
    if (flags < 0) {
        return (int)flags;
    }
    c->result = -EIO; /* of one that was killed */
    if (config.in_place || !by_helper(c)) {
        in_place(c);
    }
    return c->result;
}
