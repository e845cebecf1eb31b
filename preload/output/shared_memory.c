/* SPDX-License-Identifier: MIT
 *
 * See shared_memory.h. A first thread that has ended by pthread_exit() has no memory any more: then
 * the others are looked at.
 */
#include "preload/output/shared_memory.h"

#include "collectors/base/sys.h"
#include "collectors/threads/procfs.h"

static bool is_shared_with(int tid)
{
    enum { KCMP_VM_ = 1 };
    return sys_call5(SYS_kcmp, sys_getpid(), tid, KCMP_VM_, 0, 0) <= 0;
}

static void look_at_thread(int tid, void *there)
{
    *(bool *)there |= is_shared_with(tid);
}

bool shared_memory_with(int pid)
{
    bool there = is_shared_with(pid);
    if (!there) {
        procfs_threads(pid, look_at_thread, &there);
    }
    return there;
}
