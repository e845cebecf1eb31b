/* SPDX-License-Identifier: MIT
 *
 * See cpu_credit.h.
 */
#include "collectors/cpu/cpu_credit.h"

#include "collectors/cpu/cpu_table.h"
#include "collectors/cpu/cpu_timer.h"
#include "collectors/stacks/stack.h"
#include "collectors/threads/labels.h"

int64_t cpu_credit_claim(struct thread *t, int64_t clock, int64_t *length)
{
    uint32_t changes = LOAD_ACQUIRE(&t->changes);
    struct cpu_timer_expiries e = {
        .origin = LOAD(&t->origin), .period = (int64_t)LOAD(&t->period), .draws = LOAD(&t->draws)};
    int64_t due = LOAD(&t->before);
    *length = e.period;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (changes % 2 != 0 || LOAD(&t->changes) != changes || *length == 0) {
        return 0;
    }
    due += cpu_timer_expired(&e, clock);
    int64_t seen = LOAD(&t->credited);
    while (due > seen) {
        if (CAS(&t->credited, &seen, due)) {
            return due - seen;
        }
    }
    return 0;
}

void cpu_credit_debt(struct thread *t, int64_t clock)
{
    int64_t length;
    int64_t owed = cpu_credit_claim(t, clock, &length);
    if (owed > 0) {
        uintptr_t start = (uintptr_t)(t->start ? (void *)t->start : (void *)t->start_c11);
        uintptr_t pcs[2] = {PSEUDO_THREAD_END, start + 1};
        const struct labels *labels = t->foreign ? NULL : labels_of_thread(t);
        cpu_table_credit(stack_keep(pcs, start ? 2 : 1), t->foreign ? labels_of_process() : labels,
                         length, owed);
        labels_unref(labels);
    }
}
