/* SPDX-License-Identifier: MIT
 *
 * See newborn.h. One thread meets the process, with all signals blocked; others that look meanwhile
 * wait for it. What it calls may look, too: then it finds its own id, and goes on.
 */
#include "collectors/base/newborn.h"

#include "collectors/base/sys.h"

#include <sys/mman.h>

union newborn_page newborn_page __attribute__((aligned(ARCH_PAGE_MOST)));

static bool (*meet_child)(bool at_birth);
static bool (*is_forbidden)(void);
static bool wipes; /* this kernel does it: Linux 4.14 */
static bool quiet;

void newborn_start(bool (*meet)(bool at_birth), bool (*forbids)(void))
{
    meet_child = meet;
    is_forbidden = forbids;
    wipes = sys_call3(SYS_madvise, &newborn_page, sizeof newborn_page, MADV_WIPEONFORK) == 0;
    STORE_RELEASE(&newborn_page.met, 1);
}

void newborn_quietly(void)
{
    STORE(&quiet, true);
}

/* Without its id a thread cannot tell that it is itself at it, in a signal handler: it gives up. */
static void wait_for(int32_t other)
{
    enum { PATIENCE = 1 << 16 };
    for (int i = 0; LOAD_ACQUIRE(&newborn_page.meeting) == other; i++) {
        if (!LOAD(&quiet)) {
            sys_call0(SYS_sched_yield);
        } else if (i == PATIENCE) {
            return;
        }
        arch_spin_pause();
    }
}

static void meet_once(bool at_birth, int32_t me)
{
    int32_t by = 0;
    if (CAS(&newborn_page.meeting, &by, me)) {
        if (LOAD(&newborn_page.met) == 0) {
            newborn_page.met = at_birth; /* no other thread is there that could look */
            STORE_RELEASE(&newborn_page.met, meet_child(at_birth));
        }
        STORE_RELEASE(&newborn_page.meeting, 0);
    } else if (by != me || LOAD(&quiet)) {
        wait_for(by);
    }
}

static void meet_blocked(bool at_birth)
{
    uint64_t mask = sys_block_signals();
    meet_once(at_birth, sys_gettid());
    sys_restore_signals(mask);
}

void newborn_meet(void)
{
    if (!meet_child) {
        return;
    }
    if (LOAD(&quiet) || is_forbidden()) {
        meet_once(false, -1);
    } else if (arch_thread_pointer() != 0) {
        meet_blocked(false);
    }
}

void newborn_born(void)
{
    if (!meet_child) {
        return;
    }
    if (!wipes) {
        newborn_page.met = 0;
    }
    if (quiet) {
        meet_once(true, -1);
    } else {
        meet_blocked(true);
    }
}
