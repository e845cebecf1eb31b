/* SPDX-License-Identifier: MIT
 *
 * See allocator.h. A call has waited if its thread has given up the processor of its own accord in
 * between, which the kernel counts (ru_nvcsw). The time that the call took is then taken for the
 * wait, unless contention.c has seen a wait in it. Waits for the kernel itself (the lock of the
 * address space, a page from disk) are among these: the allocator asked for them.
 */
#include "collectors/waits/allocator.h"

#include "collectors/base/libc/libc.h"
#include "collectors/base/sys.h"
#include "collectors/base/ticks.h"
#include "collectors/tables/sampler.h"
#include "collectors/waits/contention_count.h"

#include <sys/resource.h>

enum { SLEEP_NS = 1000 }; /* to fall asleep and be woken takes longer */

bool allocator_timed;

/* How often the thread has given up the processor of its own accord; -1 = unknown. */
static long sleeps_of_this_thread(void)
{
    struct rusage used;
    return sys_call2(SYS_getrusage, RUSAGE_THREAD, &used) == 0 ? used.ru_nvcsw : -1;
}

void allocator_enter(void)
{
    self.alloc_waited = 0;
    self.alloc_began = 0;
    if (!libc_is_single_threaded() && contention_on) {
        self.alloc_sleeps = sleeps_of_this_thread();
        self.alloc_began = self.alloc_sleeps >= 0 ? ticks_now() : 0;
    }
}

void allocator_leave(void)
{
    if (self.alloc_began == 0) {
        return;
    }
    uint64_t ns = ticks_known_ns(ticks_now() - self.alloc_began);
    self.alloc_began = 0;
    if ((int64_t)ns >= SLEEP_NS && sleeps_of_this_thread() > self.alloc_sleeps) {
        self.alloc_waited = ns;
    }
}

void allocator_count(uint64_t size, uint64_t rate)
{
    if (self.alloc_waited) {
        uint64_t program = arch_float_enter();
        contention_in_allocator(self.alloc_waited, sampler_weight(size, rate));
        arch_float_leave(program);
        self.alloc_waited = 0;
    }
}

void allocator_start(uintptr_t lo, uintptr_t hi)
{
    contention_allocator_at(lo, hi);
    STORE(&allocator_timed, true);
}

void allocator_stop(void)
{
    STORE(&allocator_timed, false);
}
