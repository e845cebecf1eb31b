/* SPDX-License-Identifier: MIT
 *
 * See small_stack.h. A thread's row says by how much its stack is larger, and is found by the upper
 * end of the stack: pthread_getattr_np() is asked about any thread.
 */
#include "preload/hooks/small_stack.h"

#include "collectors/base/libc/libc.h"
#include "collectors/base/self.h"
#include "collectors/base/sys.h"
#include "collectors/threads/threads.h"
#include "preload/hooks/real.h"

#include <sys/auxv.h>

enum {
    SMALL = 64 << 10,
    HOOKS = 6 << 10, /* of a sampled malloc on top of a handler's frame, 2 KiB until it is on
                      * libunwind's own stack; and for this library's thread-local variables */
    AT_MINSIGSTKSZ_ = 51,
};

static size_t needed(bool profiled)
{
    if (!profiled) {
        return PAGE_BYTES;
    }
    size_t frame = getauxval(AT_MINSIGSTKSZ_); /* 0 before kernel 5.14 */
    size_t bytes = (frame ? frame : ARCH_SIGNAL_FRAME) + HOOKS;
    return (bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
}

/* Has pthread_attr_setstack() been called? Else the lower end is computed from an upper end of 0.
 */
static bool is_programs_own(const pthread_attr_t *attr, size_t size)
{
    void *low;
    size_t same;
    return pthread_attr_getstack(attr, &low, &same) != 0 || (uintptr_t)low + size != 0;
}

static size_t size_of(const pthread_attr_t *attr)
{
    size_t size = 0;
    pthread_attr_getstacksize(attr, &size);
    return size;
}

const pthread_attr_t *small_stack_begin(struct small_stack *s, const pthread_attr_t *attr,
                                        bool profiled)
{
    s->more = 0;
    s->owned = false;
    if (attr) {
        s->attr = *attr; /* what it points to is the program's, and is only read */
    } else if (pthread_attr_init(&s->attr) != 0) {
        return attr;
    }
    size_t size = size_of(&s->attr);
    if (LIKELY(size == 0 || size >= SMALL) || is_programs_own(&s->attr, size)) {
        return attr;
    }
    if (!attr) { /* the default for all threads was made small */
        if (pthread_getattr_default_np(&s->attr) != 0) {
            return attr;
        }
        s->owned = true;
    }
    if (pthread_attr_setstacksize(&s->attr, size + needed(profiled)) == 0) {
        s->more = needed(profiled);
    }
    return &s->attr;
}

void small_stack_end(struct small_stack *s)
{
    if (s->owned) {
        pthread_attr_destroy(&s->attr);
    }
}

/* ---- what the program is told ---- */

struct question {
    pthread_t thread;
    size_t more;
};

static void look(struct thread *t, void *arg)
{
    struct question *q = arg;
    if (LOAD(&t->more_pages) && LOAD(&t->stack_hi) == libc_thread_stack_top_of(q->thread)) {
        q->more = LOAD(&t->more_pages) * PAGE_BYTES;
    }
}

EXPORT int pthread_getattr_np(pthread_t thread, pthread_attr_t *attr)
{
    struct question q = {thread, 0};
    void *low;
    size_t size;
    int err = real_other.pthread_getattr_np(thread, attr);
    if (thread != pthread_self()) {
        threads_each(look, &q);
    } else if (self.thread) {
        q.more = self.thread->more_pages * PAGE_BYTES;
    }
    if (err == 0 && q.more && pthread_attr_getstack(attr, &low, &size) == 0 && size > q.more) {
        pthread_attr_setstack(attr, (char *)low + q.more, size - q.more);
    }
    return err;
}
