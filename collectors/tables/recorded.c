/* SPDX-License-Identifier: MIT
 *
 * See recorded.h. `recorded_state` goes from NOTHING to RECORDING, or in a forked child from FORKED
 * by way of REBASING to one of the two. While it is REBASING, one thread, with its signals blocked,
 * changes the tables' zero, and the others wait (LOCK_REBASING).
 */
#include "collectors/tables/recorded.h"

#include "collectors/base/lock.h"
#include "collectors/base/newborn.h"

enum { NOTHING = 0, RECORDING = 1, FORKED = 2, REBASING = 3 };

READ_OFTEN uint32_t recorded_state;

static void (*rebases[8])(void);
static size_t rebase_count;

void recorded_add(void (*rebase)(void))
{
    if (rebase_count < ARRAY_LEN(rebases)) {
        rebases[rebase_count++] = rebase;
    }
}

static void rebase_all(void)
{
    for (size_t i = 0; i < rebase_count; i++) {
        rebases[i]();
    }
}

/* If the state is FORKED, rebases and sets `next`. Waits where another thread is doing so. */
static void leave_forked(uint32_t next)
{
    uint32_t seen = FORKED;
    lock_check_wait(LOCK_REBASING);
    if (CAS(&recorded_state, &seen, REBASING)) {
        lock_check_taken(&recorded_state, LOCK_REBASING);
        rebase_all();
        lock_check_dropped(&recorded_state);
        STORE_RELEASE(&recorded_state, next);
    }
    while (LOAD_ACQUIRE(&recorded_state) == REBASING) {
        arch_spin_pause();
    }
}

void recorded_first_event(void)
{
    /* A handler on this thread that found the state at REBASING would wait for its own thread. */
    uint64_t mask = sys_block_signals();
    leave_forked(RECORDING);
    STORE(&recorded_state, RECORDING);
    sys_restore_signals(mask);
}

void recorded_settle(void)
{
    newborn_look();
    uint64_t mask = sys_block_signals();
    leave_forked(NOTHING);
    sys_restore_signals(mask);
}

bool recorded_anything(void)
{
    return LOAD(&recorded_state) == RECORDING;
}

void recorded_fork_child(void)
{
    STORE(&recorded_state, FORKED);
}
