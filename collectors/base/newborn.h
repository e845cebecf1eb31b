/* SPDX-License-Identifier: MIT
 *
 * Is this process one that the library has not met yet: the child of a fork that no hook has seen?
 * The children of libc's fork(), and of the other ways that have a hook (hook_process.c), are met
 * at their birth. For those of an inline system call there is a page that the kernel wipes in the
 * child of every fork, but not in one that shares its parent's memory (vfork, posix_spawn,
 * processes of ours): a word there that reads 0 tells.
 *
 * newborn_look() costs a load. It stands at the beginning of slow paths, and before what would act
 * on something inherited that the child does not have: a timer's id, a lock that another thread
 * holds. SIGNAL_SAFE; in a thread without a thread block it leaves the process unmet.
 *
 * By then the child may have forbidden itself system calls. So forbids() is asked before any other
 * is made; it says how it finds out.
 */
#ifndef BASE_NEWBORN_H
#define BASE_NEWBORN_H

#include "collectors/base/arch/arch.h"

extern HIDDEN union newborn_page {
    struct {
        uint32_t met;    /* 0 = a newborn, or the library has not started; 1 = met */
        int32_t meeting; /* the thread that is at it; 0 = none */
    };
    char page[ARCH_PAGE_MOST]; /* nothing else lies on it */
} newborn_page;

/* From now on the children of forks are met. meet() makes the process a child of ours: at its
 * birth, alone (at_birth = true), or later. False: it is none, for it shares the memory of a
 * process that is not met. forbids(): true if this child is to make no system call of the library's
 * for good; then it has called newborn_quietly(). Constructor only. */
void newborn_start(bool (*meet)(bool at_birth), bool (*forbids)(void));

/* From now on the library makes no system calls, and none to meet a child either: meet() is called
 * with the signals as they are. Any thread. */
void newborn_quietly(void);

/* By a hook, in a child at its birth. */
SIGNAL_SAFE void newborn_born(void);

SIGNAL_SAFE COLD void newborn_meet(void);

SIGNAL_SAFE static inline void newborn_look(void)
{
    if (UNLIKELY(LOAD_ACQUIRE(&newborn_page.met) == 0)) {
        newborn_meet();
    }
}

#endif
