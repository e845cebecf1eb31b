/* SPDX-License-Identifier: MIT
 *
 * See disposition.h. A vfork child shares our memory, but its kernel dispositions are its own:
 * there (control_is_here() is false) no signal counts as handled by us.
 */
#include "preload/hooks/disposition.h"

#include "collectors/base/lock_wait.h"
#include "collectors/base/sys.h"
#include "preload/hooks/real.h"
#include "preload/output/control.h"

#include <string.h>

struct disposition dispositions[OURS_COUNT];

static uint64_t masks_prof; /* bits: signals whose handlers the program wants SIGPROF blocked in */

struct disposition *disposition_find(int sig)
{
    for (int i = 0; i < OURS_COUNT; i++) {
        if (dispositions[i].signal == sig && sig != 0 && control_is_here()) {
            return &dispositions[i];
        }
    }
    return NULL;
}

struct sigaction disposition_read(const struct disposition *d)
{
    struct sigaction copy;
    uint32_t version;
    do {
        version = LOAD_ACQUIRE(&d->version);
        memcpy(&copy, &d->program[version % 2], sizeof copy);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    } while (version != LOAD(&d->version));
    return copy;
}

void disposition_write(struct disposition *d, const struct sigaction *act)
{
    uint64_t mask = sys_block_signals();
    lock_take(&d->writers, LOCK_SIGNAL);
    uint32_t version = LOAD(&d->version);
    memcpy(&d->program[(version + 1) % 2], act, sizeof *act);
    STORE_RELEASE(&d->version, version + 1);
    lock_drop(&d->writers);
    sys_restore_signals(mask);
}

bool disposition_is_default(const struct sigaction *act)
{
    return !(act->sa_flags & SA_SIGINFO) && act->sa_handler == SIG_DFL;
}

bool disposition_is_function(const struct sigaction *act)
{
    return act->sa_handler != SIG_DFL && act->sa_handler != SIG_IGN;
}

int disposition_pass_on(int sig, const struct sigaction *act, struct sigaction *old)
{
    struct sigaction without;
    bool valid = sig > 0 && sig <= 64;
    bool masked = valid && act && sigismember(&act->sa_mask, SIGPROF) == 1;
    if (masked) {
        without = *act;
        sigdelset(&without.sa_mask, SIGPROF);
        act = &without;
    }
    uint64_t bit = valid ? 1ULL << (sig - 1) : 0;
    bool before = LOAD(&masks_prof) & bit;
    int err = real_other.sigaction(sig, act, old);
    if (err == 0 && act) {
        if (masked) {
            __atomic_fetch_or(&masks_prof, bit, __ATOMIC_RELAXED);
        } else if (before) {
            __atomic_fetch_and(&masks_prof, ~bit, __ATOMIC_RELAXED);
        }
    }
    if (err == 0 && old && before) {
        sigaddset(&old->sa_mask, SIGPROF);
    }
    return err;
}
