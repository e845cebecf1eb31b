/* SPDX-License-Identifier: MIT
 *
 * See disposition.h. A vfork child shares our memory, but its kernel dispositions are its own:
 * there (control_is_here() is false) no signal counts as handled by us.
 */
#include "preload/hooks/disposition.h"

#include "collectors/base/lock_wait.h"
#include "collectors/base/sys.h"
#include "preload/hooks/cut.h"
#include "preload/hooks/kernel_action.h"
#include "preload/output/control.h"

#include <string.h>

struct disposition dispositions[OURS_COUNT];

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
    return act->sa_handler == SIG_DFL; /* the kernel does not look at SA_SIGINFO either */
}

bool disposition_is_function(const struct sigaction *act)
{
    return act->sa_handler != SIG_DFL && act->sa_handler != SIG_IGN;
}

void *disposition_handler(struct disposition *d, int sig, const void *context)
{
    struct sigaction act = disposition_read(d);
    if (!disposition_is_function(&act)) {
        return NULL;
    }
    if (act.sa_flags & (int)SA_RESETHAND) {
        struct sigaction once = act;
        once.sa_handler = SIG_DFL;
        disposition_write(d, &once);
    }
    uint64_t asked;
    memcpy(&asked, &act.sa_mask, sizeof asked);
    sys_restore_signals(cut_interrupted_mask(context) | asked |
                        (act.sa_flags & SA_NODEFER ? 0 : kernel_action_bit(sig)));
    return (void *)act.sa_sigaction; /* the kernel passes all three arguments to any handler */
}
