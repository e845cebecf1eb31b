/* SPDX-License-Identifier: MIT
 *
 * Threads that the program makes. The creator takes a row of the registry (threads.h) and passes it
 * to a start routine of ours, which notes where the thread's stack is, starts the thread's timer
 * and calls the program's start routine. The end of the thread is noticed in a destructor of
 * thread-specific data (hook_key.c), which runs after a return, after pthread_exit() and after
 * cancellation alike. The destructor puts itself off to a late round, so that the CPU time of the
 * program's own destructors is still counted.
 *
 * Any thread. Nothing is allocated: if no row is free, the thread runs unregistered, and the next
 * scan of the process's threads finds it.
 */
#include "collectors/base/libc/libc.h"
#include "collectors/base/newborn.h"
#include "collectors/base/self.h"
#include "collectors/base/sys.h"
#include "collectors/cpu/cpu_threads.h"
#include "collectors/stacks/stack.h"
#include "collectors/threads/labels.h"
#include "collectors/threads/threadcreate.h"
#include "collectors/waits/contention.h"
#include "preload/hooks/dispatch.h"
#include "preload/hooks/hooks.h"
#include "preload/hooks/real.h"
#include "preload/hooks/small_stack.h"
#include "preload/hooks/timer_signal.h"

#include <sched.h>
#include <stdarg.h>
#include <sys/resource.h>

enum { LATE_ROUND = 2 }; /* of PTHREAD_DESTRUCTOR_ITERATIONS = 4, counted from 0 */

static bool active;

/* ---- the thread's side ---- */

/* The first steps of a new thread. True: thread_end() will be called when the thread ends. */
static bool thread_begin(struct thread *t)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    uintptr_t top = libc_thread_stack_top();
    if (t->stack_lo && here < top && here > top - t->stack_lo) {
        self.stack_lo =
            top - t->stack_lo; /* until now t->stack_lo is the size: thread_announce() */
        self.stack_hi = top;
    }
    t->stack_lo = self.stack_lo;
    t->stack_hi = self.stack_hi;
    t->sleep = &self.sleep;
    self.thread = t;
    self.labels = t->labels;
    cpu_thread_begin(t);
    return hook_key_set(t);
}

static void thread_over(struct thread *t)
{
    uint8_t selector = dispatch_open();
    newborn_look();
    if (UNLIKELY(self.cancelling)) {
        timer_signal_look();
    }
    contention_thread_end();
    if (self.thread == t) { /* else this is a forked child, which has dropped the row */
        self.thread = NULL;
        cpu_thread_end(t);
        labels_drop();
    }
    dispatch_close(selector);
}

static void thread_end(void *row)
{
    struct thread *t = row;
    if (t->rounds++ < LATE_ROUND && hook_key_set(t)) {
        return;
    }
    thread_over(t);
}

static BELOW_PROGRAM void *thread_main(void *row)
{
    struct thread *t = row;
    if (LIKELY(thread_begin(t))) {
        return t->start(t->start_arg);
    }
    void *result = t->start(t->start_arg);
    thread_over(t);
    return result;
}

static BELOW_PROGRAM int thread_main_c11(void *row)
{
    struct thread *t = row;
    if (LIKELY(thread_begin(t))) {
        return t->start_c11(t->start_arg);
    }
    int result = t->start_c11(t->start_arg);
    thread_over(t);
    return result;
}

/* ---- the creator's side ---- */

/* Bytes below a new thread's thread block that are certainly its stack; 0 = unknown. The guard,
 * which counts as part of the size, lies at the lower end, and the block itself takes less than a
 * page. */
static uintptr_t stack_size(const pthread_attr_t *attr)
{
    size_t size = 0;
    size_t guard = 0;
    pthread_attr_t plain;
    if (!attr) {
        if (pthread_attr_init(&plain) != 0) {
            return 0;
        }
        attr = &plain;
    }
    pthread_attr_getstacksize(attr, &size);
    pthread_attr_getguardsize(attr, &guard);
    if (attr == &plain) {
        pthread_attr_destroy(&plain);
    }
    return size > guard + PAGE_BYTES ? size - guard - PAGE_BYTES : 0;
}

static struct thread *thread_announce(const pthread_attr_t *attr, const struct stack *created)
{
    real_waits_start();
    struct thread *t = LOAD(&active) ? threads_take() : NULL;
    if (t) {
        t->stack_lo = stack_size(attr);
        t->created = created;
        STORE_RELEASE(&t->labels, labels_ref(self.labels)); /* a reference for the new thread */
    }
    return t;
}

/* The thread could not be made. */
static void thread_revoke(struct thread *t)
{
    const struct labels *labels = t->labels;
    STORE(&t->labels, NULL);
    labels_unref(labels);
    threads_give_back(t);
}

/* The stack of the thread that makes another; NULL before the start, and where no profile needs it.
 */
static const struct stack *creator(void)
{
    return LOAD(&active) ? threadcreate_stack() : NULL;
}

EXPORT int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *),
                          void *arg)
{
    uint8_t selector = dispatch_open();
    newborn_look();
    (void)hook_filter_unseen();
    hook_openmp_thread(__builtin_return_address(0));
    struct small_stack small;
    const struct stack *created = creator();
    const pthread_attr_t *with = small_stack_begin(&small, attr, LOAD(&active));
    struct thread *t = thread_announce(with, created);
    dispatch_close(selector);
    if (t) {
        t->start = start;
        t->start_arg = arg;
        t->more_pages = (uint8_t)(small.more / PAGE_BYTES);
    }
    int err = t ? real_other.pthread_create(thread, with, thread_main, t)
                : real_other.pthread_create(thread, with, start, arg);
    if (with != attr) {
        small_stack_end(&small);
    }
    if (err == 0 && t && UNLIKELY(small.more != 0)) {
        uintptr_t none = 0; /* the thread itself may not have begun */
        CAS(&t->stack_hi, &none, libc_thread_stack_top_of(*thread));
    }
    selector = dispatch_open();
    if (err == 0 && LOAD(&active)) {
        threadcreate_made(created);
    }
    dispatch_close(selector);
    if (err && t) {
        thread_revoke(t);
    }
    return err;
}

EXPORT int thrd_create(thrd_t *thread, thrd_start_t start, void *arg)
{
    uint8_t selector = dispatch_open();
    newborn_look();
    (void)hook_filter_unseen();
    const struct stack *created = creator();
    struct thread *t = thread_announce(NULL, created);
    dispatch_close(selector);
    if (t) {
        t->start_c11 = start;
        t->start_arg = arg;
    }
    int err = t ? real_other.thrd_create(thread, thread_main_c11, t)
                : real_other.thrd_create(thread, start, arg);
    selector = dispatch_open();
    if (err == thrd_success && LOAD(&active)) {
        threadcreate_made(created);
    }
    dispatch_close(selector);
    if (err != thrd_success && t) {
        thread_revoke(t);
    }
    return err;
}

/* libc's clone(). Its new thread may share its creator's thread block, or have none, so its start
 * routine is not replaced; the creator starts its timer. Which of the last three arguments there
 * are depends on flags; as in libc's own clone(), all three are passed on, and those that the
 * caller did not give are whatever lies in their places. */
EXPORT int clone(int (*fn)(void *), void *stack, int flags, void *arg, ...)
{
    va_list more;
    va_start(more, arg);
    void *parent_tid = va_arg(more, void *);
    void *tls = va_arg(more, void *);
    void *child_tid = va_arg(more, void *);
    va_end(more);
    real_waits_start();
    if (!(flags & (CLONE_VM | CLONE_SETTLS))) {
        struct hook_birth birth = {fn, arg, hook_fork_begins()};
        int child =
            real_other.clone(hook_birth_begin, stack, flags, &birth, parent_tid, tls, child_tid);
        hook_fork_ends(birth.mask);
        return child;
    }
    int tid = real_other.clone(fn, stack, flags, arg, parent_tid, tls, child_tid);
    if (tid > 0 && (flags & CLONE_THREAD) && LOAD(&active)) {
        threadcreate_made(creator());
        cpu_thread_found(tid);
    }
    return tid;
}

/* ---- start ---- */

void hook_thread_main_stack(char *const *argv)
{
    struct rlimit limit;
    enum { MOST = 128 << 20 }; /* the kernel maps nothing else that near to the top of the stack */
    uintptr_t size = 8 << 20;
    if (sys_call2(SYS_getrlimit, RLIMIT_STACK, &limit) == 0) {
        size = limit.rlim_cur > MOST ? MOST : limit.rlim_cur;
    }
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    uintptr_t top = ((uintptr_t)argv | (PAGE_BYTES - 1)) + 1;
    if (here < top && here > top - size) { /* else dlopen() has loaded us, in another thread */
        self.stack_lo = top - size;
        self.stack_hi = top;
    }
}

void hook_thread_start(void)
{
    hook_key_start(thread_end);
    STORE(&active, true);
}

void hook_thread_stop(void)
{
    STORE(&active, false);
}
