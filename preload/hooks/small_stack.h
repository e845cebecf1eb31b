/* SPDX-License-Identifier: MIT
 *
 * Threads with small stacks, of PTHREAD_STACK_MIN say: at any instruction the kernel may put the
 * frame of a signal of ours there, and a hook the frames of a sampled event, for which the program
 * has not reckoned. So such a thread is made with a stack that is larger by these, and
 * pthread_getattr_np() says what it would say bare. Stacks that the program itself gives, and those
 * of C11's thrd_create(), stay as they are. Any thread that makes threads.
 */
#ifndef PRELOAD_SMALL_STACK_H
#define PRELOAD_SMALL_STACK_H

#include "collectors/base/abi.h"

#include <pthread.h>

struct small_stack {
    size_t more; /* bytes; 0 = the stack is not small, or the program's */
    pthread_attr_t attr;
    bool owned; /* attr is to be destroyed */
};

/* Called with the program's attributes, or NULL; the attributes to make the thread with, which are
 * the same ones, or a copy in *s. profiled = false: nothing is sampled, and only the variables of
 * this library take of the stack. */
const pthread_attr_t *small_stack_begin(struct small_stack *s, const pthread_attr_t *attr,
                                        bool profiled);
void small_stack_end(struct small_stack *s);

#endif
