/* SPDX-License-Identifier: MIT
 *
 * The functions that we stand in front of: for each interposed name the next definition in the
 * look-up order. Hooks call through these pointers without asking whether they are ready: until
 * real_start() has run, each one points at a stub that looks all of them up.
 *
 * Allocation and the rest are apart: malloc is called by the dynamic loader itself before any
 * constructor, and the pointers of its hot path fill one cache line.
 */
#ifndef PRELOAD_REAL_H
#define PRELOAD_REAL_H

#include "collectors/base/abi.h"

#include <link.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/time.h>
#include <threads.h>

struct real_alloc {
    void *(*malloc)(size_t);
    void (*free)(void *);
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    int (*posix_memalign)(void **, size_t, size_t);
    void *(*aligned_alloc)(size_t, size_t);
    void *(*memalign)(size_t, size_t);
    size_t (*malloc_usable_size)(void *);
};
extern HIDDEN struct real_alloc real_alloc;

struct real_other {
    int (*pthread_create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    int (*thrd_create)(thrd_t *, thrd_start_t, void *);
    int (*pthread_key_create)(pthread_key_t *, void (*)(void *));
    int (*tss_create)(tss_t *, tss_dtor_t);
    int (*clone)(int (*)(void *), void *, int, void *, ...);
    int (*sigaction)(int, const struct sigaction *, struct sigaction *);
    sighandler_t (*signal)(int, sighandler_t);
    sighandler_t (*sysv_signal)(int, sighandler_t);
    int (*sigaltstack)(const stack_t *, stack_t *);
    int (*pthread_sigmask)(int, const sigset_t *, sigset_t *);
    int (*sigprocmask)(int, const sigset_t *, sigset_t *);
    int (*sigsuspend)(const sigset_t *);
    int (*sigwait)(const sigset_t *set, int *sig);
    int (*sigwaitinfo)(const sigset_t *set, siginfo_t *info);
    int (*sigtimedwait)(const sigset_t *set, siginfo_t *info, const struct timespec *timeout);
    int (*signalfd)(int fd, const sigset_t *set, int flags);
    int (*ppoll)(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *set);
    int (*ppoll_chk)(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
                     const sigset_t *set, size_t size);
    int (*pselect)(int n, fd_set *r, fd_set *w, fd_set *e, const struct timespec *timeout,
                   const sigset_t *set);
    int (*epoll_pwait)(int fd, struct epoll_event *events, int most, int timeout,
                       const sigset_t *set);
    int (*epoll_pwait2)(int fd, struct epoll_event *events, int most,
                        const struct timespec *timeout, const sigset_t *set);
    int (*setitimer)(__itimer_which_t which, const struct itimerval *value, struct itimerval *old);
    int (*getitimer)(__itimer_which_t which, struct itimerval *value);
    int (*siginterrupt)(int sig, int interrupt);
    int (*posix_spawn)(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                       const posix_spawnattr_t *attributes, char *const argv[], char *const env[]);
    int (*posix_spawnp)(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
                        const posix_spawnattr_t *attributes, char *const argv[], char *const env[]);
    int (*system)(const char *command);
    FILE *(*popen)(const char *command, const char *mode);
    int (*prctl)(int option, ...);
    int (*dlclose)(void *);
    int (*dl_iterate_phdr)(int (*f)(struct dl_phdr_info *, size_t, void *), void *arg);
    int (*execve)(const char *, char *const[], char *const[]);
    int (*execvpe)(const char *, char *const[], char *const[]);
    int (*fexecve)(int, char *const[], char *const[]);
    int (*execveat)(int, const char *, char *const[], char *const[], int);
    void (*exit_now)(int); /* _exit; does not return */
};
extern HIDDEN struct real_other real_other;

/* Looks everything up. Called by the constructor, or by the first call of any hook before it. */
void real_start(void);

/* Memory for the instants in which the next malloc is being looked up and the look-up itself
 * allocates: never freed, recognised by real_is_bootstrap(). */
bool real_is_bootstrap(const void *p);
size_t real_bootstrap_size(const void *p);

/* [*lo, *hi) of the object that the real malloc is in, all of it; false: libc, or unknown. */
bool real_allocator_extent(uintptr_t *lo, uintptr_t *hi);

#endif
