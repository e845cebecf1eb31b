/* SPDX-License-Identifier: MIT
 *
 * See kernel_action.h. libc's restorer is the code to which a handler returns; by its frame
 * information exceptions and cancellations leave a handler, and debuggers know it.
 */
#include "preload/hooks/kernel_action.h"

#include "collectors/base/libc/libc.h"
#include "collectors/base/sys.h"
#include "preload/hooks/real.h"

#include <signal.h>

static struct arch_sigaction like = {.restorer = arch_sigreturn};

/* libc puts its restorer into the kernel with every action. To learn it, an action that is in force
 * is set once more: the default one of a signal that is then fatal, so that none that is pending is
 * dropped. */
void kernel_action_start(void)
{
    static const int candidates[] = {SIGPROF, SIGVTALRM, SIGXCPU, SIGUSR1, SIGALRM};
    for (size_t i = 0; i < ARRAY_LEN(candidates); i++) {
        struct sigaction now;
        struct arch_sigaction seen = {0};
        if (real_other.sigaction(candidates[i], NULL, &now) == 0 && now.sa_handler == SIG_DFL) {
            real_other.sigaction(candidates[i], &now, NULL);
            sys_call4(SYS_rt_sigaction, candidates[i], NULL, &seen, sizeof seen.mask);
            like.restorer = seen.restorer ? seen.restorer : like.restorer;
            return;
        }
    }
}

static int everywhere; /* SA_ONSTACK, or 0 */

void kernel_action_use_alternate_stacks(void)
{
    STORE(&everywhere, SA_ONSTACK);
}

bool kernel_action_uses_alternate_stacks(void)
{
    return LOAD(&everywhere) != 0;
}

int kernel_action_set(int sig, void (*handler)(int), int flags, uint64_t mask)
{
    bool runs = handler != SIG_DFL && handler != SIG_IGN;
    flags |= runs ? LOAD(&everywhere) : 0;
    struct arch_sigaction act = {handler, (uint32_t)flags | (uint64_t)ARCH_SA_RESTORER,
                                 like.restorer, mask};
    return (int)sys_call4(SYS_rt_sigaction, sig, &act, NULL, sizeof act.mask);
}

/* Of the program's handlers only those of faults interrupt ours; and libc's own for changes of
 * credentials, for which one thread waits for all others. */
uint64_t kernel_action_handler_mask(void)
{
    static const int open[] = {SIGSEGV, SIGBUS, SIGFPE,  SIGILL,
                               SIGTRAP, SIGSYS, SIGABRT, LIBC_SIGNAL_SETXID};
    uint64_t mask = ~0ULL;
    for (size_t i = 0; i < ARRAY_LEN(open); i++) {
        mask &= ~kernel_action_bit(open[i]);
    }
    return mask;
}

void kernel_action_by_default(int sig)
{
    uint64_t only = kernel_action_bit(sig);
    kernel_action_set(sig, SIG_DFL, 0, 0);
    sys_call3(SYS_tgkill, sys_getpid(), sys_gettid(), sig);
    sys_call4(SYS_rt_sigprocmask, SIG_UNBLOCK, &only, NULL, sizeof only);
}
