/* SPDX-License-Identifier: MIT
 *
 * See hold.h. A vfork child shares the word, but must not stand still: its parent waits for it.
 */
#include "collectors/base/hold.h"

#include "collectors/base/sys.h"

#define MOST (20 * NSEC_PER_SEC)   /* a last dump takes less */
#define LINGER (NSEC_PER_SEC / 10) /* and so does what follows on it in the end of a process */
#define SLICE (NSEC_PER_SEC / 20)  /* between two looks at the time */

uint32_t hold_by;
static uint32_t running_by; /* the same, for threads that run; 0 as soon as the last dump is made */
static int process;         /* that of the thread */
static int64_t until;       /* CLOCK_MONOTONIC, ns: no thread stands still any longer */
static void (*do_errand)(void);

void hold_start(void (*errand)(void))
{
    do_errand = errand;
}

void hold_errand(void)
{
    uint32_t none = 0;
    CAS(&hold_by, &none, HOLD_ERRAND); /* fails while the process ends, which does it itself */
}

static void end_in(int64_t ns)
{
    STORE(&until, sys_clock_ns(CLOCK_MONOTONIC) + ns);
}

void hold_begin(void)
{
    uint32_t me = (uint32_t)sys_gettid();
    STORE(&process, sys_getpid());
    end_in(MOST);
    STORE_RELEASE(&running_by, me);
    STORE_RELEASE(&hold_by, me);
}

void hold_end(bool at_last)
{
    end_in(at_last ? LINGER : 0);
    STORE_RELEASE(&running_by, 0);
    sys_futex_wake(&running_by);
    if (!at_last) {
        STORE_RELEASE(&hold_by, 0);
        sys_futex_wake(&hold_by);
    }
}

void hold_fork_child(void)
{
    hold_by = 0;
    running_by = 0;
}

static void stay(const uint32_t *word)
{
    uint32_t by = LOAD_ACQUIRE(word);
    if (by == 0 || by == (uint32_t)sys_gettid() || sys_getpid() != LOAD(&process)) {
        return;
    }
    while (LOAD_ACQUIRE(word) == by && sys_clock_ns(CLOCK_MONOTONIC) < LOAD(&until)) {
        sys_futex_wait(word, by, SLICE);
    }
}

void hold_stay_running(void)
{
    stay(&running_by);
}

void hold_stay(void)
{
    uint32_t by = LOAD_ACQUIRE(&hold_by);
    if (by != HOLD_ERRAND) {
        stay(&hold_by);
    } else if (CAS(&hold_by, &by, 0)) {
        do_errand();
    }
}
