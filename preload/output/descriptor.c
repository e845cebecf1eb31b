/* SPDX-License-Identifier: MIT
 *
 * See descriptor.h.
 */
#include "preload/output/descriptor.h"

#include "collectors/base/sys.h"
#include "preload/output/symbolizer.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>

enum {
    COPY_BYTES = 64 << 10,
    ABOVE_STANDARD = 3, /* below, descriptors get another meaning in the symboliser */
};

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

/* ---- where it is collected ---- */

static int memory_write(void *descriptor, const void *buf, size_t n)
{
    struct descriptor *d = descriptor;
    size_t size = d->memory.size ? d->memory.size : COPY_BYTES;
    while (size < d->used + n) {
        size *= 2;
    }
    if (!buffer_reserve(&d->memory, size)) {
        return -ENOMEM;
    }
    memcpy((char *)d->memory.at + d->used, buf, n);
    d->used += n;
    return 0;
}

static int file_write(void *descriptor, const void *buf, size_t n)
{
    const struct descriptor *d = descriptor;
    return sys_write_all(d->raw, buf, n);
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

static void close_files(struct descriptor *d)
{
    if (d->raw >= 0) {
        sys_close(d->raw);
    }
    if (d->named >= 0) {
        sys_close(d->named);
    }
    d->raw = d->named = -1;
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

/* ---- the sink ---- */

static struct descriptor *descriptor_of(struct sink *s)
{
    return (struct descriptor *)s;
}

static int descriptor_open(struct sink *s, const struct request *r, const struct render_moment *m)
{
    (void)r;
    descriptor_of(s)->maps = m->maps;
    return 0;
}

static int descriptor_begin(struct sink *s, const struct kind *k, enum form form,
                            struct byte_sink *bytes)
{
    (void)k;
    (void)form;
    struct descriptor *d = descriptor_of(s);
    d->used = 0;
    if (d->names) {
        d->raw = memory_file();
        d->named = memory_file();
        if (d->raw < 0 || d->named < 0) {
            close_files(d);
        }
    }
    *bytes = (struct byte_sink){d->raw >= 0 ? file_write : memory_write, d};
    return 0;
}

static int descriptor_end(struct sink *s, int error)
{
    struct descriptor *d = descriptor_of(s);
    if (error == 0 && d->raw < 0) {
        error = write_out(d->fd, d->memory.at, d->used);
    } else if (error == 0) {
        sys_call3(SYS_lseek, d->raw, 0, SEEK_SET);
        int named = symbolizer_filter(d->maps, d->raw, d->named);
        error = copy_file(named == 0 ? d->named : d->raw, d->fd);
    }
    close_files(d);
    return error;
}

static void descriptor_close(struct sink *s)
{
    buffer_free(&descriptor_of(s)->memory);
}

void descriptor_init(struct descriptor *d, int fd, bool names)
{
    *d = (struct descriptor){.fd = fd, .names = names, .raw = -1, .named = -1};
    d->sink = (struct sink){descriptor_open, descriptor_begin, descriptor_end, descriptor_close};
}
