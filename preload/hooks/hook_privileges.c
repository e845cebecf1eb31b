/* SPDX-License-Identifier: MIT
 *
 * The program changes what it may do: its user, groups, capabilities, filters of system calls, root
 * or namespaces. No process of ours beside it may have what the program gives up, for it runs on
 * the program's memory: so it leaves before the change and is made anew afterwards, also if the
 * change fails (preload/output/control.h). Where none is beside the program, that is an addition
 * and a few loads.
 *
 * libc's functions change all threads, by a signal to each, and wait for them; so no lock of ours
 * is held meanwhile and no signal blocked. A raw system call changes the calling thread alone.
 *
 * prctl() may also have system calls handed to the program itself (PR_SET_SYSCALL_USER_DISPATCH):
 * then the thread is left alone (dispatch.h).
 *
 * Any thread, also in signal handlers; in vfork children only the real function is called.
 */
#include "collectors/base/sys.h"
#include "collectors/base/text.h"
#include "preload/hooks/dispatch.h"
#include "preload/hooks/hooks.h"
#include "preload/hooks/real.h"
#include "preload/output/control.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>

enum {
    NAMESPACES = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |
                 CLONE_NEWNET | CLONE_NEWCGROUP | CLONE_NEWTIME
};

enum { PR_SET_SYSCALL_USER_DISPATCH_ = 59 }; /* Linux 5.11 */

static const struct change no_change = {.kind = CHANGE_NONE};
static const struct change rights = {.kind = CHANGE_RIGHTS};

static struct change user(uid_t uid)
{
    return (struct change){.kind = uid == (uid_t)-1 ? CHANGE_RIGHTS : CHANGE_USER, .user = uid};
}

static struct change root(const char *path)
{
    return (struct change){.kind = CHANGE_ROOT, .root = path};
}

static struct change namespaces(int flags)
{
    return flags & NAMESPACES ? rights : no_change;
}

/* Is the descriptor one of another kind of namespace than that of mounts? By the link's text, as
 * "uts:[4026531838]". */
static bool is_not_of_mounts(int fd)
{
    char path[48], link[16];
    struct text t = text_in(path, sizeof path);
    text_add(&t, "/proc/thread-self/fd/");
    text_add_int(&t, fd, 0);
    long n = sys_call4(SYS_readlinkat, AT_FDCWD, path, link, sizeof link);
    const char *colon = n > 0 ? memchr(link, ':', (size_t)n) : NULL;
    return colon && colon + 1 < link + n && colon[1] == '[' && memcmp(link, "mnt:", 4) != 0;
}

/* The namespace of mounts has a root of its own. 0: of whatever kind the descriptor is. */
static struct change another_namespace(int fd, int type)
{
    bool of_mounts = type & CLONE_NEWNS || (type == 0 && !is_not_of_mounts(fd));
    return of_mounts ? root(NULL) : rights;
}

static struct change by_prctl(int option, unsigned long a)
{
    switch (option) {
    case PR_CAP_AMBIENT:
        return a == PR_CAP_AMBIENT_IS_SET ? no_change : rights;
    case PR_CAPBSET_DROP:
    case PR_SET_DUMPABLE:
    case PR_SET_NO_NEW_PRIVS:
    case PR_SET_SECCOMP:
    case PR_SET_SECUREBITS:
        return rights;
    default:
        return no_change;
    }
}

static struct change by_seccomp(unsigned long operation)
{
    return operation == SECCOMP_SET_MODE_STRICT || operation == SECCOMP_SET_MODE_FILTER ? rights
                                                                                        : no_change;
}

static void ends(bool begun)
{
    if (begun) { /* else this may be a child of clone() without a thread block, and without errno */
        int saved = errno;
        control_after_change();
        errno = saved;
    }
}

/* The value of the call, with the change around it. */
#define AROUND(type, what, call)                                                                   \
    const struct change c_ = what;                                                                 \
    bool begun_ = control_before_change(&c_);                                                      \
    type result_ = call;                                                                           \
    ends(begun_);                                                                                  \
    return result_

EXPORT int setuid(uid_t uid)
{
    AROUND(int, user(uid), real_rights.setuid(uid));
}

EXPORT int seteuid(uid_t uid)
{
    AROUND(int, user(uid), real_rights.seteuid(uid));
}

EXPORT int setreuid(uid_t uid, uid_t effective)
{
    AROUND(int, user(effective), real_rights.setreuid(uid, effective));
}

EXPORT int setresuid(uid_t uid, uid_t effective, uid_t saved)
{
    AROUND(int, user(effective), real_rights.setresuid(uid, effective, saved));
}

EXPORT int setfsuid(uid_t uid)
{
    AROUND(int, rights, real_rights.setfsuid(uid));
}

EXPORT int setgid(gid_t gid)
{
    AROUND(int, rights, real_rights.setgid(gid));
}

EXPORT int setegid(gid_t gid)
{
    AROUND(int, rights, real_rights.setegid(gid));
}

EXPORT int setregid(gid_t gid, gid_t effective)
{
    AROUND(int, rights, real_rights.setregid(gid, effective));
}

EXPORT int setresgid(gid_t gid, gid_t effective, gid_t saved)
{
    AROUND(int, rights, real_rights.setresgid(gid, effective, saved));
}

EXPORT int setfsgid(gid_t gid)
{
    AROUND(int, rights, real_rights.setfsgid(gid));
}

EXPORT int setgroups(size_t n, const gid_t *groups)
{
    AROUND(int, rights, real_rights.setgroups(n, groups));
}

EXPORT int initgroups(const char *name, gid_t gid)
{
    AROUND(int, rights, real_rights.initgroups(name, gid));
}

EXPORT int capset(void *header, const void *data)
{
    AROUND(int, rights, real_rights.capset(header, data));
}

EXPORT int chroot(const char *path)
{
    AROUND(int, root(path), real_rights.chroot(path));
}

EXPORT int pivot_root(const char *path, const char *old)
{
    AROUND(int, root(NULL), real_rights.pivot_root(path, old));
}

EXPORT int unshare(int flags)
{
    AROUND(int, namespaces(flags), real_rights.unshare(flags));
}

EXPORT int setns(int fd, int type)
{
    AROUND(int, another_namespace(fd, type), real_rights.setns(fd, type));
}

EXPORT int prctl(int option, ...)
{
    va_list list;
    unsigned long more[4];
    va_start(list, option);
    /* Which arguments there are depends on the option. As in libc's own prctl(), four are passed
     * on, and those that the caller did not give are whatever lies in their places. */
    for (int i = 0; i < 4; i++) {
        more[i] = va_arg(list, unsigned long);
    }
    va_end(list);
    hook_seccomp_prctl(option, more[0], more[1]);
    if (option == PR_SET_SYSCALL_USER_DISPATCH_) {
        struct dispatch_change change = dispatch_begins(more[0], more[3]);
        int result = real_other.prctl(option, more[0], more[1], more[2], change.selector);
        dispatch_changed(more[0], change, result);
        return result;
    }
    AROUND(int, by_prctl(option, more[0]),
           real_other.prctl(option, more[0], more[1], more[2], more[3]));
}

/* ---- by number ---- */

#ifndef SYS_landlock_restrict_self
#define SYS_landlock_restrict_self 446
#endif

const uint8_t hook_privileges_numbers[HOOK_NUMBERS] = {
    [SYS_capset] = 1,     [SYS_chroot] = 1,    [SYS_landlock_restrict_self] = 1,
    [SYS_pivot_root] = 1, [SYS_prctl] = 1,     [SYS_seccomp] = 1,
    [SYS_setfsgid] = 1,   [SYS_setfsuid] = 1,  [SYS_setgid] = 1,
    [SYS_setgroups] = 1,  [SYS_setns] = 1,     [SYS_setregid] = 1,
    [SYS_setresgid] = 1,  [SYS_setresuid] = 1, [SYS_setreuid] = 1,
    [SYS_setuid] = 1,     [SYS_unshare] = 1,
};

static struct change by_number(long nr, long a, long b)
{
    switch (nr) {
    case SYS_prctl:
        return by_prctl((int)a, (unsigned long)b);
    case SYS_seccomp:
        return by_seccomp((unsigned long)a);
    case SYS_setuid:
        return user((uid_t)a);
    case SYS_setreuid:
    case SYS_setresuid:
        return user((uid_t)b);
    case SYS_chroot:
        return root((const char *)a); /* NOLINT: the kernel's integers */
    case SYS_pivot_root:
    case SYS_landlock_restrict_self: /* which may take the output folder away as a new root does */
        return root(NULL);
    case SYS_unshare:
        return namespaces((int)a);
    case SYS_setns:
        return another_namespace((int)a, (int)b);
    default:
        return rights;
    }
}

long hook_privileges_call(long nr, long a, long b, long c, long d, long e, long f)
{
    long (*next)(long, ...) = (long (*)(long, ...))real_syscall;
    if (nr == SYS_prctl) {
        hook_seccomp_prctl((int)a, (unsigned long)b, (unsigned long)c);
        if (a == PR_SET_SYSCALL_USER_DISPATCH_) {
            struct dispatch_change change = dispatch_begins((unsigned long)b, (unsigned long)e);
            long result = next(nr, a, b, c, d, change.selector, f);
            dispatch_changed((unsigned long)b, change, result);
            return result;
        }
    } else if (nr == SYS_seccomp) {
        hook_seccomp_call((unsigned long)a, (unsigned long)b, (const void *)c); /* NOLINT: same */
    }
    AROUND(long, by_number(nr, a, b), next(nr, a, b, c, d, e, f));
}
