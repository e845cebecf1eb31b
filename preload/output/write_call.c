/* SPDX-License-Identifier: MIT
 *
 * See write_call.h.
 */
#include "preload/output/write_call.h"

#include "collectors/base/sys.h"
#include "collectors/stacks/stack.h"
#include "collectors/threads/allthreads.h"
#include "preload/config.h"
#include "preload/output/descriptor.h"
#include "preload/output/helper_process.h"
#include "preload/output/scribe.h"

#include <errno.h>
#include <signal.h>

/* In memory of its own, not on the caller's stack: a handler of the program's may leave the wait
 * for the helper by a longjmp. */
struct under_way {
    struct write_call call;
    struct request request; /* its sink is still to be set */
    struct allthreads *threads;
    struct helper helper;
    int result;
};

static void work(struct under_way *u, bool names)
{
    struct descriptor descriptor;
    descriptor_init(&descriptor, u->call.fd, names);
    u->request.sink = &descriptor.sink;
    u->result = request_serve(&u->request, u->threads);
}

static void work_in_helper(void *under_way, bool kept)
{
    if (kept) { /* how the symboliser ends matters, and an ignored SIGCHLD would hide it */
        const uint64_t by_default[4] = {0}; /* as the kernel has an action */
        sys_call4(SYS_rt_sigaction, SIGCHLD, by_default, NULL, 8);
    }
    work(under_way, kept);
}

enum start { STARTED, REFUSED, PUT_OFF };

/* scribe_withdraw(), in another thread, waits for what was claimed before it began. */
static enum start start_helper(struct helper *h)
{
    if (!helper_process_claim(h)) {
        return REFUSED;
    }
    enum start result = scribe_is_changing()      ? PUT_OFF
                        : helper_process_start(h) ? STARTED
                                                  : REFUSED;
    if (result != STARTED) {
        helper_process_drop(h);
    }
    return result;
}

/* False: no process can be made. Waits while the program changes what it may do; not with signals
 * blocked, for libc sends one to each thread then. */
static bool by_helper(struct under_way *u)
{
    const struct timespec nap = {0, 1000000};
    struct helper *h = &u->helper;
    *h = (struct helper){
        .work = work_in_helper, .arg = u, .has_fd = true, .fd = u->call.fd, .dir = "/"};
    enum start result;
    for (;;) {
        uint64_t mask = sys_block_signals();
        result = start_helper(h);
        sys_restore_signals(mask);
        if (result != PUT_OFF) {
            break;
        }
        sys_call2(SYS_nanosleep, &nap, NULL);
    }
    if (result == STARTED) {
        helper_process_wait(h);
    }
    helper_process_free(h);
    return result == STARTED;
}

static void work_here(void *under_way)
{
    work(under_way, false);
}

/* A pipe that nothing reads any more is an error of the call here, as it is in a helper, and not a
 * signal that ends the program. */
static void in_place(struct under_way *u)
{
    uint64_t pipe = 1ULL << (SIGPIPE - 1);
    uint64_t before = 0;
    uint64_t pending = 0;
    const struct timespec at_once = {0, 0};
    sys_call4(SYS_rt_sigprocmask, SIG_BLOCK, &pipe, &before, sizeof pipe);
    sys_call2(SYS_rt_sigpending, &pending, sizeof pending);
    if (!helper_process_in_place(work_here, u)) {
        u->result = -ENOMEM;
    }
    if (!(pending & pipe)) {
        sys_call4(SYS_rt_sigtimedwait, &pipe, NULL, &at_once, sizeof pipe);
    }
    sys_restore_signals(before);
}

static void look_at_threads(struct under_way *u)
{
    if (request_needs_threads(&u->request)) {
        const struct stack *own = stack_of_caller();
        u->threads = request_take_threads(&u->request, 0, ALLTHREADS_SIGNAL,
                                          own ? own : stack_pseudo(PSEUDO_LOST_MEMORY));
    }
}

int write_call_run(const struct write_call *c)
{
    if (c->fd < 0) {
        return -EINVAL;
    }
    long flags = sys_call2(SYS_fcntl, c->fd, F_GETFL);
    if (flags < 0) {
        return (int)flags;
    }
    struct under_way *u = sys_map(sizeof *u);
    if (!u) {
        return -ENOMEM;
    }
    u->call = *c;
    u->request = (struct request){
        .kinds = &u->call.kind, .count = 1, .forms = 1U << c->form, .taken = c->taken};
    u->result = -EIO; /* stays, if the helper is killed */
    look_at_threads(u);
    if (config.in_place || !by_helper(u)) {
        in_place(u);
    }
    int result = u->result;
    allthreads_free(u->threads);
    sys_unmap(u, sizeof *u);
    return result;
}
