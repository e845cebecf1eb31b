/* SPDX-License-Identifier: MIT
 *
 * The program is about to limit its address space, or to lock all of its memory. What the library
 * has reserved and does not use would count there, so it is given back first (reserve.h).
 *
 * Any thread, and forked and vfork children: a limit is often set between fork and exec, and a
 * vfork child's is its own, but the memory is the parent's, which then does without the
 * reservation.
 */
#include "collectors/base/reserve.h"
#include "collectors/base/sys.h"
#include "preload/hooks/real.h"

#include <sys/mman.h>
#include <sys/resource.h>

static void before_limit(int pid, int resource, bool sets)
{
    if (resource == RLIMIT_AS && sets && (pid == 0 || pid == sys_getpid())) {
        reserve_release();
    }
}

EXPORT int setrlimit(LIBC_WHICH_LIMIT resource, const struct rlimit *limit)
{
    before_limit(0, (int)resource, true);
    return real_other.setrlimit(resource, limit);
}

EXPORT int setrlimit64(LIBC_WHICH_LIMIT resource, const struct rlimit64 *limit)
{
    before_limit(0, (int)resource, true);
    return real_other.setrlimit64(resource, limit);
}

EXPORT int prlimit(pid_t pid, LIBC_WHICH_LIMIT resource, const struct rlimit *limit,
                   struct rlimit *old)
{
    before_limit(pid, (int)resource, limit != NULL);
    return real_other.prlimit(pid, resource, limit, old);
}

EXPORT int prlimit64(pid_t pid, LIBC_WHICH_LIMIT resource, const struct rlimit64 *limit,
                     struct rlimit64 *old)
{
    before_limit(pid, (int)resource, limit != NULL);
    return real_other.prlimit64(pid, resource, limit, old);
}

EXPORT int mlockall(int flags)
{
    reserve_release();
    return real_other.mlockall(flags);
}
