/* SPDX-License-Identifier: MIT
 *
 * Keys of thread-specific data. A process has PTHREAD_KEYS_MAX of them; one is ours, and its
 * destructor notices the end of a thread (hook_thread.c). When the program asks for one more than
 * are left, our key is deleted and the program gets its number. From then on a thread's end is
 * noticed at once only if its start routine returns; threads that end by pthread_exit() or by
 * cancellation are noticed by the next scan of the process's threads. Any thread, no lock.
 */
#include "collectors/base/libc/libc.h"
#include "collectors/base/sys.h"
#include "preload/hooks/hooks.h"
#include "preload/hooks/real.h"

#include <errno.h>
#include <sched.h>

enum {
    PATIENCE = 1000, /* yields; a thread leaves hook_key_set() after some dozen instructions */
};

static pthread_key_t end_key;
static uint32_t have_key;
static uint32_t users; /* threads inside hook_key_set(), which may be about to use end_key */

/* Takes the highest number below LIBC_KEYS_NEAR, so that the program's own first keys get the
 * numbers that they get without us: some programs ask for the value of a key that they never made.
 * Setting it must not allocate, so the number is not higher. */
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

/* Deletes end_key, if no thread is about to set a value for it: the next key that the program makes
 * may have the same number, and must not get that value. */
static COLD bool give_back(void)
{
    uint32_t seen = 1;
    if (!__atomic_compare_exchange_n(&have_key, &seen, 0, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST)) {
        return false;
    }
    for (int i = 0; __atomic_load_n(&users, __ATOMIC_SEQ_CST) != 0; i++) {
        if (i == PATIENCE) {
            return false; /* a thread was interrupted in hook_key_set(): the key stays unused */
        }
        sys_call0(SYS_sched_yield);
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
