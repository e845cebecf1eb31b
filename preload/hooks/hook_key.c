/* SPDX-License-Identifier: MIT
 *
 * Keys of thread-specific data: a process has PTHREAD_KEYS_MAX, and one of them is ours, by which a
 * thread's end is noticed (hook_thread.c). A program that asks for the last one gets ours: from
 * then on only ends by a return are noticed at once, others by the next scan. Any thread, no lock.
 */
#include "collectors/base/libc/libc.h"
#include "collectors/base/sys.h"
#include "preload/hooks/hooks.h"
#include "preload/hooks/real.h"

#include <errno.h>
#include <sched.h>

enum {
    PATIENCE = 1000, /* yields; a user needs a dozen instructions */
};

static pthread_key_t end_key;
static uint32_t have_key;
static uint32_t users; /* threads between the look at have_key and the end of their call */

/* The last of those that need no allocation, so that the program's own first ones have the numbers
 * they have without us; some programs ask what a key does that they never made. */
void hook_key_start(void (*at_end)(void *value))
{
    pthread_key_t made[LIBC_KEYS_NEAR];
    int n = 0;
    while (n < LIBC_KEYS_NEAR && real_other.pthread_key_create(&made[n], at_end) == 0) {
        if (made[n++] >= LIBC_KEYS_NEAR - 1) {
            break;
        }
    }
    if (n > 0) {
        end_key = made[--n];
        STORE_RELEASE(&have_key, 1);
    }
    while (n > 0) {
        pthread_key_delete(made[--n]);
    }
}

bool hook_key_set(void *value)
{
    __atomic_fetch_add(&users, 1, __ATOMIC_SEQ_CST);
    bool set =
        __atomic_load_n(&have_key, __ATOMIC_SEQ_CST) && pthread_setspecific(end_key, value) == 0;
    __atomic_fetch_sub(&users, 1, __ATOMIC_SEQ_CST);
    return set;
}

/* The number may be the program's next: nobody of us may be about to use it. */
static COLD bool give_back(void)
{
    uint32_t seen = 1;
    if (!__atomic_compare_exchange_n(&have_key, &seen, 0, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST)) {
        return false;
    }
    for (int i = 0; __atomic_load_n(&users, __ATOMIC_SEQ_CST) != 0; i++) {
        if (i == PATIENCE) {
            return false; /* interrupted right there; the key is lost to both */
        }
        sched_yield();
    }
    return pthread_key_delete(end_key) == 0;
}

EXPORT int pthread_key_create(pthread_key_t *key, void (*destructor)(void *))
{
    int err = real_other.pthread_key_create(key, destructor);
    return err == EAGAIN && give_back() ? real_other.pthread_key_create(key, destructor) : err;
}

EXPORT int tss_create(tss_t *key, tss_dtor_t destructor)
{
    int err = real_other.tss_create(key, destructor);
    return err != thrd_success && give_back() ? real_other.tss_create(key, destructor) : err;
}
