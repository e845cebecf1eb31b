/* SPDX-License-Identifier: MIT
 *
 * Calls that move data or make connections: read, write, send, recv, accept, connect. The kernel
 * restarts them after a handler of ours, with two exceptions, in which the hooks go on (cut.h): of
 * a socket that has a timeout it ends them with EINTR; and of a blocking write or send it returns
 * the part that was done, where a program may expect the whole.
 *
 * Any thread, also in the program's signal handlers. Cancellation points: nothing is held while a
 * real function runs.
 */
#include "collectors/base/sys.h"
#include "preload/hooks/hook_sleep.h"
#include "preload/output/seccomp.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

/* ---- calls that a socket's timeout ends ---- */

/* When a socket's timeout is over. The wait began before our handler did, at an unknown time: it is
 * taken to have begun then. INT64_MAX: there is no timeout, or a filter may forbid to ask. */
static int64_t deadline_of(int fd, int events, const struct cut *c)
{
    struct timeval t = {0, 0};
    socklen_t size = sizeof t;
    if (seccomp_filters() != 0 ||
        sys_call5(SYS_getsockopt, fd, SOL_SOCKET, events == POLLIN ? SO_RCVTIMEO : SO_SNDTIMEO, &t,
                  &size) != 0 ||
        (t.tv_sec == 0 && t.tv_usec == 0)) {
        return INT64_MAX;
    }
    struct timespec ts = {t.tv_sec, t.tv_usec * 1000};
    return c->at + cut_ns(&ts);
}

/* A wait of a socket with a timeout. */
struct timed {
    struct cut cut;
    int fd, events, late; /* late: errno where the time is up */
    int64_t deadline;
};

static void timed_begins(struct timed *t, int fd, int events, int late)
{
    *t = (struct timed){.cut = cut_begins(), .fd = fd, .events = events, .late = late};
    t->deadline = deadline_of(fd, events, &t->cut);
}

/* Waits until the call is to be made again: then true, and cut_before() has been called. False: the
 * call has failed, and errno says with what. */
static BELOW_PROGRAM bool timed_again(struct timed *t)
{
    struct pollfd p = {t->fd, (short)t->events, 0};
    int ready = 1;
    if (t->deadline != INT64_MAX) {
        do {
            struct timespec left;
            cut_look_for_cancellation(&t->cut);
            cut_before(&t->cut, &t->cut.mask);
            ready = real_sleeps.ppoll(&p, 1, cut_left(&left, t->deadline), &t->cut.mask);
        } while (cut_again(&t->cut, -1));
        if (ready <= 0) {
            int error = ready == 0 ? t->late : EINTR;
            cut_ends(&t->cut);
            errno = error;
            return false;
        }
    }
    if (!cut_retry(&t->cut)) {
        return false;
    }
    cut_before(&t->cut, NULL);
    return true;
}

/* The value of `call`, made again as often as it is cut; -1 where its time is up. */
#define AGAIN(fd, events, late, call)                                                              \
    ({                                                                                             \
        struct timed t_;                                                                           \
        __typeof__(call) again_ = -1;                                                              \
        timed_begins(&t_, fd, events, late);                                                       \
        while (timed_again(&t_)) {                                                                 \
            again_ = (call);                                                                       \
            if (!cut_again(&t_.cut, (int)(again_ < 0 ? -1 : 0))) {                                 \
                break;                                                                             \
            }                                                                                      \
            if (again_ >= 0) { /* the signal came as the call had ended */                         \
                cut_ends(&t_.cut);                                                                 \
                break;                                                                             \
            }                                                                                      \
        }                                                                                          \
        again_;                                                                                    \
    })

static BELOW_PROGRAM ssize_t read_on(int fd, void *buf, size_t n)
{
    return AGAIN(fd, POLLIN, EAGAIN, real_sleeps.read(fd, buf, n));
}

EXPORT BELOW_PROGRAM ssize_t read(int fd, void *buf, size_t n)
{
    ssize_t got = SLEEPS(real_sleeps.read, SYS_read, SLEEP_GOES_ON, fd, buf, n);
    return cut_was() ? read_on(fd, buf, n) : got;
}

/* What read() and others become in programs that are built with _FORTIFY_SOURCE. */
EXPORT BELOW_PROGRAM ssize_t __read_chk(int fd, void *buf, size_t n, size_t size)
{
    ssize_t got = SLEEPS(real_sleeps.read_chk, SYS_read, SLEEP_GOES_ON, fd, buf, n, size);
    return cut_was() ? read_on(fd, buf, n) : got;
}

static BELOW_PROGRAM ssize_t readv_on(int fd, const struct iovec *v, int n)
{
    return AGAIN(fd, POLLIN, EAGAIN, real_sleeps.readv(fd, v, n));
}

EXPORT BELOW_PROGRAM ssize_t readv(int fd, const struct iovec *v, int n)
{
    ssize_t got = SLEEPS(real_sleeps.readv, SYS_readv, SLEEP_GOES_ON, fd, v, n);
    return cut_was() ? readv_on(fd, v, n) : got;
}

/* flags: -1 for accept(), which a filter on system calls may allow alone. */
static BELOW_PROGRAM int accept_on(int fd, __SOCKADDR_ARG from, socklen_t *size, int flags)
{
    return AGAIN(fd, POLLIN, EAGAIN,
                 flags < 0 ? real_sleeps.accept(fd, from, size)
                           : real_sleeps.accept4(fd, from, size, flags));
}

EXPORT BELOW_PROGRAM int accept(int fd, __SOCKADDR_ARG from, socklen_t *size)
{
    int got = SLEEPS(real_sleeps.accept, SYS_accept, SLEEP_GOES_ON, fd, from, size);
    return cut_was() ? accept_on(fd, from, size, -1) : got;
}

EXPORT BELOW_PROGRAM int accept4(int fd, __SOCKADDR_ARG from, socklen_t *size, int flags)
{
    int got = SLEEPS(real_sleeps.accept4, SYS_accept4, SLEEP_GOES_ON, fd, from, size, flags);
    return cut_was() ? accept_on(fd, from, size, flags) : got;
}

/* Of a socket that is being connected, the kernel waits on. */
static BELOW_PROGRAM int connect_on(int fd, __CONST_SOCKADDR_ARG to, socklen_t size)
{
    return AGAIN(fd, POLLOUT, EINPROGRESS, real_sleeps.connect(fd, to, size));
}

EXPORT BELOW_PROGRAM int connect(int fd, __CONST_SOCKADDR_ARG to, socklen_t size)
{
    int result = SLEEPS(real_sleeps.connect, SYS_connect, SLEEP_GOES_ON, fd, to, size);
    return cut_was() ? connect_on(fd, to, size) : result;
}

/* ---- calls that return a part ---- */

enum by { BY_WRITE, BY_WRITEV, BY_SEND, BY_SENDTO, BY_SENDMSG, BY_RECV, BY_RECVFROM, BY_RECVMSG };

/* What is transferred, and by which call. */
struct parts {
    enum by by;
    int fd, flags;
    const struct iovec *v;
    size_t n; /* of v */
    void *peer;
    socklen_t *peer_size;
    struct msghdr *message; /* BY_SENDMSG, BY_RECVMSG */
};

static size_t bytes_of(const struct iovec *v, size_t n)
{
    size_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += v[i].iov_len;
    }
    return sum;
}

enum { PIECES = 16 };

/* What is left of v behind the first `at` bytes, as far as there is room. Returns how many. */
static size_t rest_of(struct iovec *rest, const struct iovec *v, size_t n, size_t at)
{
    size_t k = 0;
    for (size_t i = 0; i < n && k < PIECES; i++) {
        if (at >= v[i].iov_len) {
            at -= v[i].iov_len;
            continue;
        }
        rest[k++] = (struct iovec){(char *)v[i].iov_base + at, v[i].iov_len - at};
        at = 0;
    }
    return k;
}

/* The call for all that is left, or as much as there is room for pieces. The first one, of a whole
 * message perhaps, is made as the program has made it. */
static BELOW_PROGRAM ssize_t transfer_rest(const struct parts *p, size_t at, size_t *asked)
{
    struct iovec pieces[PIECES];
    size_t k = at > 0 ? rest_of(pieces, p->v, p->n, at) : p->n;
    const struct iovec *v = at > 0 ? pieces : p->v;
    *asked = bytes_of(v, k);
    switch (p->by) {
    case BY_WRITE:
        return real_sleeps.write(p->fd, v->iov_base, v->iov_len);
    case BY_WRITEV:
        return real_sleeps.writev(p->fd, v, (int)k);
    case BY_SEND:
        return real_sleeps.send(p->fd, v->iov_base, v->iov_len, p->flags);
    case BY_SENDTO:
        return real_sleeps.sendto(p->fd, v->iov_base, v->iov_len, p->flags, p->peer, *p->peer_size);
    case BY_RECV:
        return real_sleeps.recv(p->fd, v->iov_base, v->iov_len, p->flags);
    case BY_RECVFROM:
        return at > 0 ? real_sleeps.recv(p->fd, v->iov_base, v->iov_len, p->flags) /* of a stream */
                      : real_sleeps.recvfrom(p->fd, v->iov_base, v->iov_len, p->flags, p->peer,
                                             p->peer_size);
    default:
        break;
    }
    struct msghdr rest = {.msg_iov = pieces, .msg_iovlen = k};
    if (p->by == BY_RECVMSG) {
        return real_sleeps.recvmsg(p->fd, at > 0 ? &rest : p->message, p->flags);
    }
    rest.msg_name = p->message->msg_name; /* the control data went with the first part */
    rest.msg_namelen = p->message->msg_namelen;
    return real_sleeps.sendmsg(p->fd, at > 0 ? &rest : p->message, p->flags);
}

/* A file on a disk takes the whole, or as much as it has room for: no signal cuts that. */
static bool is_on_disk(int fd)
{
    struct stat st;
    return sys_call2(SYS_fstat, fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode));
}

/* A cut transfer, of which `done` bytes are done (negative: none, and EINTR), goes on. Should what
 * follows a part fail, the part is the result, as the kernel has it. */
static BELOW_PROGRAM ssize_t parts_on(const struct parts *p, ssize_t done)
{
    size_t all = bytes_of(p->v, p->n);
    size_t at = done > 0 ? (size_t)done : 0;
    struct timed t;
    if (done >= 0 && (at >= all || is_on_disk(p->fd))) { /* the signal came as the call had ended */
        struct cut c = cut_begins();
        cut_ends(&c);
        return done;
    }
    timed_begins(&t, p->fd, p->by >= BY_RECV ? POLLIN : POLLOUT, EAGAIN);
    bool cut = true; /* all signals are blocked */
    bool more = true;
    while (more) {
        size_t asked;
        if (cut && !timed_again(&t)) {
            cut = false;
            done = -1;
            break;
        }
        cut_before(&t.cut, NULL);
        done = transfer_rest(p, at, &asked);
        at += done > 0 ? (size_t)done : 0;
        cut = cut_again(&t.cut, (int)(done >> 31));
        more = (cut && done < 0) || (at < all && (cut || (done > 0 && (size_t)done == asked)));
    }
    if (cut) {
        cut_ends(&t.cut);
    }
    if (at > 0) {
        errno = t.cut.error;
        return (ssize_t)at;
    }
    return done;
}

EXPORT BELOW_PROGRAM ssize_t write(int fd, const void *buf, size_t n)
{
    ssize_t done = SLEEPS(real_sleeps.write, SYS_write, SLEEP_GOES_ON_IN_PARTS, fd, buf, n);
    if (cut_was()) {
        struct iovec v = {(void *)(uintptr_t)buf, n};
        done = parts_on(&(struct parts){.by = BY_WRITE, .fd = fd, .v = &v, .n = 1}, done);
    }
    return done;
}

EXPORT BELOW_PROGRAM ssize_t writev(int fd, const struct iovec *v, int n)
{
    ssize_t done = SLEEPS(real_sleeps.writev, SYS_writev, SLEEP_GOES_ON_IN_PARTS, fd, v, n);
    if (cut_was()) {
        done = parts_on(&(struct parts){.by = BY_WRITEV, .fd = fd, .v = v, .n = (size_t)n}, done);
    }
    return done;
}

EXPORT BELOW_PROGRAM ssize_t send(int fd, const void *buf, size_t n, int flags)
{
    ssize_t done = SLEEPS(real_sleeps.send, SYS_sendto, SLEEP_GOES_ON_IN_PARTS, fd, buf, n, flags);
    if (cut_was()) {
        struct iovec v = {(void *)(uintptr_t)buf, n};
        done = parts_on(&(struct parts){.by = BY_SEND, .fd = fd, .flags = flags, .v = &v, .n = 1},
                        done);
    }
    return done;
}

EXPORT BELOW_PROGRAM ssize_t sendto(int fd, const void *buf, size_t n, int flags,
                                    __CONST_SOCKADDR_ARG to, socklen_t size)
{
    ssize_t done =
        SLEEPS(real_sleeps.sendto, SYS_sendto, SLEEP_GOES_ON_IN_PARTS, fd, buf, n, flags, to, size);
    if (cut_was()) {
        struct iovec v = {(void *)(uintptr_t)buf, n};
        struct parts p = {.by = BY_SENDTO, .fd = fd, .flags = flags, .v = &v, .n = 1};
        p.peer = (void *)(uintptr_t)to.__sockaddr__; // NOLINT: sendto() alone gets it
        p.peer_size = &size;
        done = parts_on(&p, done);
    }
    return done;
}

EXPORT BELOW_PROGRAM ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
    ssize_t done = SLEEPS(real_sleeps.sendmsg, SYS_sendmsg, SLEEP_GOES_ON_IN_PARTS, fd, m, flags);
    if (cut_was()) {
        struct parts p = {.by = BY_SENDMSG, .fd = fd, .flags = flags};
        p.message = (struct msghdr *)(uintptr_t)m; // NOLINT: sendmsg() alone gets it
        p.v = m->msg_iov;
        p.n = m->msg_iovlen;
        done = parts_on(&p, done);
    }
    return done;
}

/* ---- calls that return a part only where they were to wait for all ---- */

static BELOW_PROGRAM ssize_t receive(const struct parts *p)
{
    size_t asked;
    return transfer_rest(p, 0, &asked);
}

static BELOW_PROGRAM ssize_t receive_on(const struct parts *p, ssize_t got)
{
    bool all = p->flags & MSG_WAITALL;
    bool again = all && (p->flags & MSG_PEEK); /* it finds the same part, and more */
    /* What was sent along with the rest, descriptors say, must not be lost. */
    bool along = p->by == BY_RECVMSG && p->message->msg_control;
    if (all && !again && !along) {
        return parts_on(p, got);
    }
    if (got >= 0 && !again) { /* what there was */
        struct cut c = cut_begins();
        cut_ends(&c);
        return got;
    }
    int error = self.sleep.cut_errno;
    ssize_t more = AGAIN(p->fd, POLLIN, EAGAIN, receive(p));
    if (more < 0 && got >= 0) {
        errno = error;
        return got;
    }
    return more;
}

EXPORT BELOW_PROGRAM ssize_t recv(int fd, void *buf, size_t n, int flags)
{
    ssize_t got = SLEEPS(real_sleeps.recv, SYS_recvfrom, SLEEP_GOES_ON_IN_PARTS, fd, buf, n, flags);
    if (cut_was()) {
        struct iovec v = {buf, n};
        got = receive_on(&(struct parts){BY_RECV, fd, flags, .v = &v, .n = 1}, got);
    }
    return got;
}

/* What recv() becomes in programs that are built with _FORTIFY_SOURCE. */
EXPORT BELOW_PROGRAM ssize_t __recv_chk(int fd, void *buf, size_t n, size_t size, int flags)
{
    ssize_t got =
        SLEEPS(real_sleeps.recv_chk, SYS_recvfrom, SLEEP_GOES_ON_IN_PARTS, fd, buf, n, size, flags);
    if (cut_was()) {
        struct iovec v = {buf, n};
        got = receive_on(&(struct parts){BY_RECV, fd, flags, .v = &v, .n = 1}, got);
    }
    return got;
}

EXPORT BELOW_PROGRAM ssize_t recvfrom(int fd, void *buf, size_t n, int flags, __SOCKADDR_ARG from,
                                      socklen_t *size)
{
    ssize_t got = SLEEPS(real_sleeps.recvfrom, SYS_recvfrom, SLEEP_GOES_ON_IN_PARTS, fd, buf, n,
                         flags, from, size);
    if (cut_was()) {
        struct iovec v = {buf, n};
        struct parts p = {BY_RECVFROM, fd, flags, .v = &v, .n = 1};
        p.peer = from.__sockaddr__;
        p.peer_size = size;
        got = receive_on(&p, got);
    }
    return got;
}

EXPORT BELOW_PROGRAM ssize_t recvmsg(int fd, struct msghdr *m, int flags)
{
    ssize_t got = SLEEPS(real_sleeps.recvmsg, SYS_recvmsg, SLEEP_GOES_ON_IN_PARTS, fd, m, flags);
    if (cut_was()) {
        struct parts p = {BY_RECVMSG, fd, flags, .message = m};
        p.v = m->msg_iov;
        p.n = m->msg_iovlen;
        got = receive_on(&p, got);
    }
    return got;
}
