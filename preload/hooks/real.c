/* SPDX-License-Identifier: MIT
 *
 * See real.h. The look-up is dlsym(RTLD_NEXT), which allocates nothing when it succeeds; should it
 * allocate all the same, it comes back through our malloc on the same thread and is served from a
 * small static block. A block handed out there carries sticky bits in the filter of live.h, so that
 * free() recognises it on its slow path and no fast path has to.
 */
#include "preload/hooks/real.h"

#include "collectors/base/libc/libc.h"
#include "collectors/base/sys.h"
#include "collectors/heap/live.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <string.h>

static THREAD_LOCAL bool resolving;

/* ---- bootstrap memory ---- */

enum { BOOTSTRAP_BYTES = 64 << 10 };
static char bootstrap[BOOTSTRAP_BYTES] __attribute__((aligned(16)));
static size_t bootstrap_used;

/* Each block is preceded by its size in 16 bytes. */
static void *bootstrap_alloc(size_t n, size_t align)
{
    align = align < 16 ? 16 : align;
    size_t take = n + align + 16;
    size_t at = take < n ? BOOTSTRAP_BYTES : ADD(&bootstrap_used, (take + 15) & ~15UL);
    if (at + take > BOOTSTRAP_BYTES || at + take < at) {
        errno = ENOMEM;
        return NULL;
    }
    uintptr_t p = ((uintptr_t)bootstrap + at + 16 + align - 1) & ~(align - 1);
    char *block = bootstrap + (p - (uintptr_t)bootstrap);
    memcpy(block - 16, &n, sizeof n);
    live_mark(block);
    return block;
}

bool real_is_bootstrap(const void *p)
{
    return (uintptr_t)p - (uintptr_t)bootstrap < BOOTSTRAP_BYTES;
}

size_t real_bootstrap_size(const void *p)
{
    size_t n;
    memcpy(&n, (const char *)p - 16, sizeof n);
    return n;
}

/* ---- stubs: the first call of each function, or one made by the look-up itself ---- */

static void *boot_malloc(size_t n)
{
    if (resolving) {
        return bootstrap_alloc(n, 16);
    }
    real_start();
    return real_alloc.malloc(n);
}

static void boot_free(void *p)
{
    if (!resolving && !real_is_bootstrap(p)) {
        real_start();
        real_alloc.free(p);
    }
}

static void *boot_calloc(size_t n, size_t size)
{
    if (resolving) {
        size_t bytes;
        if (__builtin_mul_overflow(n, size, &bytes)) {
            errno = ENOMEM;
            return NULL;
        }
        return bootstrap_alloc(bytes, 16); /* handed out once: still zero */
    }
    real_start();
    return real_alloc.calloc(n, size);
}

static void *boot_realloc(void *p, size_t n)
{
    if (resolving) {
        void *fresh = bootstrap_alloc(n, 16);
        if (p && fresh) {
            size_t old = real_bootstrap_size(p);
            memcpy(fresh, p, old < n ? old : n);
        }
        return fresh;
    }
    real_start();
    return real_alloc.realloc(p, n);
}

static int boot_posix_memalign(void **out, size_t align, size_t n)
{
    if (resolving) {
        *out = bootstrap_alloc(n, align);
        return *out ? 0 : ENOMEM;
    }
    real_start();
    return real_alloc.posix_memalign(out, align, n);
}

static void *boot_aligned_alloc(size_t align, size_t n)
{
    if (resolving) {
        return bootstrap_alloc(n, align);
    }
    real_start();
    return real_alloc.aligned_alloc(align, n);
}

static void *boot_memalign(size_t align, size_t n)
{
    if (resolving) {
        return bootstrap_alloc(n, align);
    }
    real_start();
    return real_alloc.memalign(align, n);
}

static size_t boot_malloc_usable_size(void *p)
{
    if (real_is_bootstrap(p)) {
        return real_bootstrap_size(p);
    }
    real_start();
    return real_alloc.malloc_usable_size(p);
}

static int boot_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
                               void *arg)
{
    real_start();
    return real_other.pthread_create(thread, attr, fn, arg);
}

static int boot_thrd_create(thrd_t *thread, thrd_start_t fn, void *arg)
{
    real_start();
    return real_other.thrd_create(thread, fn, arg);
}

static int boot_pthread_key_create(pthread_key_t *key, void (*destructor)(void *))
{
    real_start();
    return real_other.pthread_key_create(key, destructor);
}

static int boot_tss_create(tss_t *key, tss_dtor_t destructor)
{
    real_start();
    return real_other.tss_create(key, destructor);
}

static int boot_clone(int (*fn)(void *), void *stack, int flags, void *arg, ...)
{
    va_list more;
    va_start(more, arg);
    void *parent_tid = va_arg(more, void *);
    void *tls = va_arg(more, void *);
    void *child_tid = va_arg(more, void *);
    va_end(more);
    real_start();
    return real_other.clone(fn, stack, flags, arg, parent_tid, tls, child_tid);
}

static int boot_sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
    real_start();
    return real_other.sigaction(sig, act, old);
}

static sighandler_t boot_signal(int sig, sighandler_t handler)
{
    real_start();
    return real_other.signal(sig, handler);
}

static sighandler_t boot_sysv_signal(int sig, sighandler_t handler)
{
    real_start();
    return real_other.sysv_signal(sig, handler);
}

static int boot_sigaltstack(const stack_t *stack, stack_t *old)
{
    real_start();
    return real_other.sigaltstack(stack, old);
}

static int boot_pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
    real_start();
    return real_other.pthread_sigmask(how, set, old);
}

static int boot_sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
    real_start();
    return real_other.sigprocmask(how, set, old);
}

static int boot_sigsuspend(const sigset_t *set)
{
    real_start();
    return real_other.sigsuspend(set);
}

static int boot_sigwait(const sigset_t *set, int *sig)
{
    real_start();
    return real_other.sigwait(set, sig);
}

static int boot_sigwaitinfo(const sigset_t *set, siginfo_t *info)
{
    real_start();
    return real_other.sigwaitinfo(set, info);
}

static int boot_sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout)
{
    real_start();
    return real_other.sigtimedwait(set, info, timeout);
}

static int boot_signalfd(int fd, const sigset_t *set, int flags)
{
    real_start();
    return real_other.signalfd(fd, set, flags);
}

static int boot_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
                      const sigset_t *set)
{
    real_start();
    return real_other.ppoll(fds, n, timeout, set);
}

static int boot_ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
                          const sigset_t *set, size_t size)
{
    real_start();
    return real_other.ppoll_chk(fds, n, timeout, set, size);
}

static int boot_pselect(int n, fd_set *r, fd_set *w, fd_set *e, const struct timespec *timeout,
                        const sigset_t *set)
{
    real_start();
    return real_other.pselect(n, r, w, e, timeout, set);
}

static int boot_epoll_pwait(int fd, struct epoll_event *events, int most, int timeout,
                            const sigset_t *set)
{
    real_start();
    return real_other.epoll_pwait(fd, events, most, timeout, set);
}

static int boot_epoll_pwait2(int fd, struct epoll_event *events, int most,
                             const struct timespec *timeout, const sigset_t *set)
{
    real_start();
    return real_other.epoll_pwait2(fd, events, most, timeout, set);
}

static int boot_setitimer(__itimer_which_t which, const struct itimerval *value,
                          struct itimerval *old)
{
    real_start();
    return real_other.setitimer(which, value, old);
}

static int boot_getitimer(__itimer_which_t which, struct itimerval *value)
{
    real_start();
    return real_other.getitimer(which, value);
}

static int boot_siginterrupt(int sig, int interrupt)
{
    real_start();
    return real_other.siginterrupt(sig, interrupt);
}

static int boot_posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                            const posix_spawnattr_t *attributes, char *const argv[],
                            char *const env[])
{
    real_start();
    return real_other.posix_spawn(pid, path, actions, attributes, argv, env);
}

static int boot_posix_spawnp(pid_t *pid, const char *file,
                             const posix_spawn_file_actions_t *actions,
                             const posix_spawnattr_t *attributes, char *const argv[],
                             char *const env[])
{
    real_start();
    return real_other.posix_spawnp(pid, file, actions, attributes, argv, env);
}

static int boot_system(const char *command)
{
    real_start();
    return real_other.system(command);
}

static FILE *boot_popen(const char *command, const char *mode)
{
    real_start();
    return real_other.popen(command, mode);
}

static int boot_prctl(int option, ...)
{
    va_list list;
    unsigned long more[4];
    va_start(list, option);
    for (int i = 0; i < 4; i++) {
        more[i] = va_arg(list, unsigned long);
    }
    va_end(list);
    real_start();
    return real_other.prctl(option, more[0], more[1], more[2], more[3]);
}

static int boot_dlclose(void *handle)
{
    real_start();
    return real_other.dlclose(handle);
}

static int boot_execve(const char *path, char *const argv[], char *const env[])
{
    real_start();
    return real_other.execve(path, argv, env);
}

static int boot_execvpe(const char *file, char *const argv[], char *const env[])
{
    real_start();
    return real_other.execvpe(file, argv, env);
}

static int boot_fexecve(int fd, char *const argv[], char *const env[])
{
    real_start();
    return real_other.fexecve(fd, argv, env);
}

static int boot_execveat(int dir, const char *path, char *const argv[], char *const env[],
                         int flags)
{
    real_start();
    return real_other.execveat(dir, path, argv, env, flags);
}

static void boot_exit(int status)
{
    for (;;) {
        sys_call1(SYS_exit_group, status);
    }
}

struct real_alloc real_alloc __attribute__((aligned(CACHE_LINE))) = {
    boot_malloc,         boot_free,          boot_calloc,   boot_realloc,
    boot_posix_memalign, boot_aligned_alloc, boot_memalign, boot_malloc_usable_size,
};
_Static_assert(sizeof(struct real_alloc) == CACHE_LINE, "the hot pointers are one cache line");

struct real_other real_other = {
    .pthread_create = boot_pthread_create,
    .thrd_create = boot_thrd_create,
    .pthread_key_create = boot_pthread_key_create,
    .tss_create = boot_tss_create,
    .clone = boot_clone,
    .sigaction = boot_sigaction,
    .signal = boot_signal,
    .sysv_signal = boot_sysv_signal,
    .sigaltstack = boot_sigaltstack,
    .pthread_sigmask = boot_pthread_sigmask,
    .sigprocmask = boot_sigprocmask,
    .sigsuspend = boot_sigsuspend,
    .sigwait = boot_sigwait,
    .sigwaitinfo = boot_sigwaitinfo,
    .sigtimedwait = boot_sigtimedwait,
    .signalfd = boot_signalfd,
    .ppoll = boot_ppoll,
    .ppoll_chk = boot_ppoll_chk,
    .pselect = boot_pselect,
    .epoll_pwait = boot_epoll_pwait,
    .epoll_pwait2 = boot_epoll_pwait2,
    .setitimer = boot_setitimer,
    .getitimer = boot_getitimer,
    .siginterrupt = boot_siginterrupt,
    .posix_spawn = boot_posix_spawn,
    .posix_spawnp = boot_posix_spawnp,
    .system = boot_system,
    .popen = boot_popen,
    .prctl = boot_prctl,
    .dlclose = boot_dlclose,
    .execve = boot_execve,
    .execvpe = boot_execvpe,
    .fexecve = boot_fexecve,
    .execveat = boot_execveat,
    .exit_now = boot_exit,
};

/* ---- the look-up ---- */

/* A pointer keeps its stub where there is nothing else: the stub of a function that libc lacks is
 * never called, for then the program's own reference to it could not have been bound. */
#define SET(field, found)                                                                          \
    do {                                                                                           \
        void *next = found;                                                                        \
        if (next) {                                                                                \
            memcpy(&(field), &next, sizeof next);                                                  \
        }                                                                                          \
    } while (0)
#define LOOK_UP(field, name) SET(field, libc_next(name))
#define LOOK_UP_VERSION(field, name, version) SET(field, libc_next_of_either(name, version))

void real_start(void)
{
    static bool done;
    if (done || resolving) {
        return;
    }
    resolving = true;
    LOOK_UP_VERSION(real_alloc.malloc, "malloc", LIBC_VERSION_HEAP);
    LOOK_UP_VERSION(real_alloc.free, "free", LIBC_VERSION_HEAP);
    LOOK_UP_VERSION(real_alloc.calloc, "calloc", LIBC_VERSION_HEAP);
    LOOK_UP_VERSION(real_alloc.realloc, "realloc", LIBC_VERSION_HEAP);
    LOOK_UP_VERSION(real_alloc.posix_memalign, "posix_memalign", LIBC_VERSION_HEAP);
    LOOK_UP_VERSION(real_alloc.aligned_alloc, "aligned_alloc", LIBC_VERSION_ALIGNED_ALLOC);
    LOOK_UP_VERSION(real_alloc.memalign, "memalign", LIBC_VERSION_HEAP);
    LOOK_UP_VERSION(real_alloc.malloc_usable_size, "malloc_usable_size", LIBC_VERSION_HEAP);
    LOOK_UP(real_other.pthread_create, "pthread_create");
    LOOK_UP(real_other.thrd_create, "thrd_create");
    LOOK_UP(real_other.pthread_key_create, "pthread_key_create");
    LOOK_UP(real_other.tss_create, "tss_create");
    LOOK_UP(real_other.clone, "clone");
    LOOK_UP(real_other.sigaction, "sigaction");
    LOOK_UP(real_other.signal, "signal");
    LOOK_UP(real_other.sysv_signal, "__sysv_signal");
    LOOK_UP(real_other.sigaltstack, "sigaltstack");
    LOOK_UP(real_other.pthread_sigmask, "pthread_sigmask");
    LOOK_UP(real_other.sigprocmask, "sigprocmask");
    LOOK_UP(real_other.sigsuspend, "sigsuspend");
    LOOK_UP(real_other.sigwait, "sigwait");
    LOOK_UP(real_other.sigwaitinfo, "sigwaitinfo");
    LOOK_UP(real_other.sigtimedwait, "sigtimedwait");
    LOOK_UP(real_other.signalfd, "signalfd");
    LOOK_UP(real_other.ppoll, "ppoll");
    LOOK_UP(real_other.ppoll_chk, "__ppoll_chk");
    LOOK_UP(real_other.pselect, "pselect");
    LOOK_UP(real_other.epoll_pwait, "epoll_pwait");
    LOOK_UP(real_other.epoll_pwait2, "epoll_pwait2");
    LOOK_UP(real_other.setitimer, "setitimer");
    LOOK_UP(real_other.getitimer, "getitimer");
    LOOK_UP(real_other.siginterrupt, "siginterrupt");
    LOOK_UP(real_other.posix_spawn, "posix_spawn");
    LOOK_UP(real_other.posix_spawnp, "posix_spawnp");
    LOOK_UP(real_other.system, "system");
    LOOK_UP(real_other.popen, "popen");
    LOOK_UP(real_other.prctl, "prctl");
    LOOK_UP(real_other.dlclose, "dlclose");
    LOOK_UP(real_other.dl_iterate_phdr, "dl_iterate_phdr");
    LOOK_UP(real_other.execve, "execve");
    LOOK_UP(real_other.execvpe, "execvpe");
    LOOK_UP(real_other.fexecve, "fexecve");
    LOOK_UP(real_other.execveat, "execveat");
    LOOK_UP(real_other.exit_now, "_exit");
    resolving = false;
    done = true;
}

bool real_allocator_extent(uintptr_t *lo, uintptr_t *hi)
{
    struct libc_object allocator;
    if (!libc_object_find(&allocator, (uintptr_t)real_alloc.malloc) ||
        libc_object_is_libc(&allocator)) {
        return false;
    }
    *lo = allocator.lo;
    *hi = allocator.hi;
    return true;
}
