/* SPDX-License-Identifier: MIT
 *
 * Every function that this library stands in front of, once. From these lists are made: the structs
 * of the real functions, the stubs that they point to at first, and the look-ups (real.h); the C++
 * operators (hook_cxx.c) and jemalloc's calls (hook_mallocx.c). `make lint` compares them with
 * exports.map and with the functions that are marked EXPORT.
 *
 * A row is HOOK(field, symbol, version): the field of the group's struct, whose type is that of the
 * symbol's declaration; the symbol, with the version that is meant, or "" for the default one. CALL
 * is the same for a function that hooks call and do not interpose; OWN for one whose stub is
 * written by hand, because it must do without the look-up. To interpose one more function: a row
 * here, its name in exports.map, and its definition in a hook_*.c.
 */
#ifndef PRELOAD_INTERPOSED_H
#define PRELOAD_INTERPOSED_H

#include "collectors/base/libc/functions.h"
#include "collectors/base/libc/libc.h"

#include <grp.h>
#include <link.h>
#include <malloc.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* malloc and its kin: struct real_alloc, looked up by real_start(). Before, each has a stub of its
 * own (real_alloc.c), because the dynamic linker itself may allocate during the look-up. */
#define INTERPOSED_ALLOC(OWN)                                                                      \
    OWN(malloc, malloc, LIBC_VERSION_HEAP)                                                         \
    OWN(free, free, LIBC_VERSION_HEAP)                                                             \
    OWN(calloc, calloc, LIBC_VERSION_HEAP)                                                         \
    OWN(realloc, realloc, LIBC_VERSION_HEAP)                                                       \
    OWN(posix_memalign, posix_memalign, LIBC_VERSION_HEAP)                                         \
    OWN(aligned_alloc, aligned_alloc, LIBC_VERSION_ALIGNED_ALLOC)                                  \
    OWN(memalign, memalign, LIBC_VERSION_HEAP)                                                     \
    OWN(malloc_usable_size, malloc_usable_size, LIBC_VERSION_HEAP)

/* Threads, signals, processes: struct real_other, looked up by real_start(). */
#define INTERPOSED_OTHER(HOOK, CALL, OWN)                                                          \
    HOOK(pthread_create, pthread_create, "")                                                       \
    HOOK(thrd_create, thrd_create, "")                                                             \
    HOOK(pthread_getattr_np, pthread_getattr_np, "")                                               \
    HOOK(pthread_cancel, pthread_cancel, "")                                                       \
    HOOK(pthread_key_create, pthread_key_create, "")                                               \
    HOOK(tss_create, tss_create, "")                                                               \
    HOOK(clone, clone, "")                                                                         \
    HOOK(start_main, __libc_start_main, "")                                                        \
    HOOK(fork_alone, _Fork, "")                                                                    \
    HOOK(daemon, daemon, "")                                                                       \
    HOOK(sigaction, sigaction, "")                                                                 \
    HOOK(signal, signal, "")                                                                       \
    HOOK(sysv_signal, __sysv_signal, "")                                                           \
    HOOK(sigset, sigset, "")                                                                       \
    HOOK(siginterrupt, siginterrupt, "")                                                           \
    HOOK(posix_spawn, posix_spawn, "")                                                             \
    HOOK(posix_spawnp, posix_spawnp, "")                                                           \
    HOOK(system, system, "")                                                                       \
    HOOK(popen, popen, "")                                                                         \
    HOOK(prctl, prctl, "")                                                                         \
    HOOK(setrlimit, setrlimit, "")                                                                 \
    HOOK(setrlimit64, setrlimit64, "")                                                             \
    HOOK(prlimit, prlimit, "")                                                                     \
    HOOK(prlimit64, prlimit64, "")                                                                 \
    HOOK(mlockall, mlockall, "")                                                                   \
    HOOK(dlopen, dlopen, "")                                                                       \
    HOOK(dlmopen, dlmopen, "")                                                                     \
    HOOK(dlclose, dlclose, "")                                                                     \
    HOOK(reallocarray, reallocarray, "")                                                           \
    HOOK(valloc, valloc, "")                                                                       \
    HOOK(pvalloc, pvalloc, "")                                                                     \
    CALL(dl_iterate_phdr, dl_iterate_phdr, "")                                                     \
    HOOK(execve, execve, "")                                                                       \
    HOOK(execvpe, execvpe, "")                                                                     \
    HOOK(fexecve, fexecve, "")                                                                     \
    HOOK(execveat, execveat, "")                                                                   \
    OWN(exit_now, _exit, "")

/* What waits for another thread, or ends such a wait: struct real_waits, looked up by
 * real_waits_start(). Those at the top are used together and lie on few cache lines. A program that
 * was linked against a libc whose condition variables are of another, older type behind the same
 * names comes to us like any other: all of a family must have one version. */
#define INTERPOSED_WAITS(HOOK, CALL)                                                               \
    HOOK(mutex_lock, pthread_mutex_lock, "")                                                       \
    HOOK(mutex_trylock, pthread_mutex_trylock, "")                                                 \
    HOOK(mutex_unlock, pthread_mutex_unlock, "")                                                   \
    HOOK(cond_wait, pthread_cond_wait, LIBC_VERSION_CONDITION)                                     \
    HOOK(cond_timedwait, pthread_cond_timedwait, LIBC_VERSION_CONDITION)                           \
    HOOK(cond_clockwait, pthread_cond_clockwait, "")                                               \
    HOOK(cond_signal, pthread_cond_signal, LIBC_VERSION_CONDITION)                                 \
    HOOK(cond_broadcast, pthread_cond_broadcast, LIBC_VERSION_CONDITION)                           \
    HOOK(rwlock_rdlock, pthread_rwlock_rdlock, "")                                                 \
    HOOK(rwlock_tryrdlock, pthread_rwlock_tryrdlock, "")                                           \
    HOOK(rwlock_wrlock, pthread_rwlock_wrlock, "")                                                 \
    HOOK(rwlock_trywrlock, pthread_rwlock_trywrlock, "")                                           \
    HOOK(rwlock_unlock, pthread_rwlock_unlock, "")                                                 \
    HOOK(sem_wait, sem_wait, "")                                                                   \
    HOOK(sem_trywait, sem_trywait, "")                                                             \
    HOOK(sem_post, sem_post, "")                                                                   \
    CALL(testcancel, pthread_testcancel, "")                                                       \
    HOOK(mtx_lock, mtx_lock, "")                                                                   \
    HOOK(mtx_trylock, mtx_trylock, "")                                                             \
    HOOK(mtx_unlock, mtx_unlock, "")                                                               \
    HOOK(cond_init, pthread_cond_init, LIBC_VERSION_CONDITION)                                     \
    HOOK(cond_destroy, pthread_cond_destroy, LIBC_VERSION_CONDITION)                               \
    HOOK(mutex_timedlock, pthread_mutex_timedlock, "")                                             \
    HOOK(mutex_clocklock, pthread_mutex_clocklock, "")                                             \
    HOOK(rwlock_timedrdlock, pthread_rwlock_timedrdlock, "")                                       \
    HOOK(rwlock_timedwrlock, pthread_rwlock_timedwrlock, "")                                       \
    HOOK(rwlock_clockrdlock, pthread_rwlock_clockrdlock, "")                                       \
    HOOK(rwlock_clockwrlock, pthread_rwlock_clockwrlock, "")                                       \
    HOOK(sem_timedwait, sem_timedwait, "")                                                         \
    HOOK(sem_clockwait, sem_clockwait, "")                                                         \
    HOOK(barrier_wait, pthread_barrier_wait, "")                                                   \
    HOOK(join, pthread_join, "")                                                                   \
    CALL(tryjoin, pthread_tryjoin_np, "")                                                          \
    HOOK(timedjoin, pthread_timedjoin_np, "")                                                      \
    HOOK(clockjoin, pthread_clockjoin_np, "")                                                      \
    HOOK(once, pthread_once, "")                                                                   \
    HOOK(mtx_timedlock, mtx_timedlock, "")                                                         \
    HOOK(cnd_wait, cnd_wait, "")                                                                   \
    HOOK(cnd_timedwait, cnd_timedwait, "")                                                         \
    HOOK(cnd_signal, cnd_signal, "")                                                               \
    HOOK(cnd_broadcast, cnd_broadcast, "")                                                         \
    HOOK(thrd_join, thrd_join, "")                                                                 \
    HOOK(call_once, call_once, "")

/* What may sleep for another reason than a thread of the process: struct real_sleeps. Each is
 * looked up alone, at its first call, since most processes call few of them; and all before there
 * is a second thread. */
#define INTERPOSED_SLEEPS(HOOK)                                                                    \
    HOOK(poll, poll, "")                                                                           \
    HOOK(poll_chk, __poll_chk, "")                                                                 \
    HOOK(ppoll, ppoll, "")                                                                         \
    HOOK(ppoll_chk, __ppoll_chk, "")                                                               \
    HOOK(select, select, "")                                                                       \
    HOOK(pselect, pselect, "")                                                                     \
    HOOK(epoll_wait, epoll_wait, "")                                                               \
    HOOK(epoll_pwait, epoll_pwait, "")                                                             \
    HOOK(epoll_pwait2, epoll_pwait2, "")                                                           \
    HOOK(nanosleep, nanosleep, "")                                                                 \
    HOOK(clock_nanosleep, clock_nanosleep, "")                                                     \
    HOOK(sleep, sleep, "")                                                                         \
    HOOK(usleep, usleep, "")                                                                       \
    HOOK(thrd_sleep, thrd_sleep, "")                                                               \
    HOOK(pause, pause, "")                                                                         \
    HOOK(read, read, "")                                                                           \
    HOOK(readv, readv, "")                                                                         \
    HOOK(write, write, "")                                                                         \
    HOOK(writev, writev, "")                                                                       \
    HOOK(recv, recv, "")                                                                           \
    HOOK(recvfrom, recvfrom, "")                                                                   \
    HOOK(recvmsg, recvmsg, "")                                                                     \
    HOOK(send, send, "")                                                                           \
    HOOK(sendto, sendto, "")                                                                       \
    HOOK(sendmsg, sendmsg, "")                                                                     \
    HOOK(accept, accept, "")                                                                       \
    HOOK(accept4, accept4, "")                                                                     \
    HOOK(connect, connect, "")                                                                     \
    HOOK(read_chk, __read_chk, "")                                                                 \
    HOOK(recv_chk, __recv_chk, "")                                                                 \
    HOOK(wait, wait, "")                                                                           \
    HOOK(waitpid, waitpid, "")                                                                     \
    HOOK(wait3, wait3, "")                                                                         \
    HOOK(wait4, wait4, "")                                                                         \
    HOOK(waitid, waitid, "")                                                                       \
    HOOK(flock, flock, "")                                                                         \
    HOOK(lockf, lockf, "")                                                                         \
    HOOK(sigsuspend, sigsuspend, "")                                                               \
    HOOK(sigwait, sigwait, "")                                                                     \
    HOOK(sigwaitinfo, sigwaitinfo, "")                                                             \
    HOOK(sigtimedwait, sigtimedwait, "")                                                           \
    HOOK(msgrcv, msgrcv, "")                                                                       \
    HOOK(msgsnd, msgsnd, "")                                                                       \
    HOOK(semop, semop, "")                                                                         \
    HOOK(semtimedop, semtimedop, "")

/* What changes the user, the groups, the capabilities, the root or the namespaces: struct
 * real_rights, looked up at the first use of any of them, because most programs use none. */
#define INTERPOSED_RIGHTS(HOOK)                                                                    \
    HOOK(setuid, setuid, "")                                                                       \
    HOOK(setgid, setgid, "")                                                                       \
    HOOK(seteuid, seteuid, "")                                                                     \
    HOOK(setegid, setegid, "")                                                                     \
    HOOK(setreuid, setreuid, "")                                                                   \
    HOOK(setregid, setregid, "")                                                                   \
    HOOK(setresuid, setresuid, "")                                                                 \
    HOOK(setresgid, setresgid, "")                                                                 \
    HOOK(setfsuid, setfsuid, "")                                                                   \
    HOOK(setfsgid, setfsgid, "")                                                                   \
    HOOK(setgroups, setgroups, "")                                                                 \
    HOOK(initgroups, initgroups, "")                                                               \
    HOOK(capset, capset, "")                                                                       \
    HOOK(chroot, chroot, "")                                                                       \
    HOOK(pivot_root, pivot_root, "")                                                               \
    HOOK(unshare, unshare, "")                                                                     \
    HOOK(setns, setns, "")

/* The C++ operators, by the number of their arguments after the first, all of them integers in
 * registers: NEW0(symbol) takes a size alone; an alignment, a nothrow_t and, for delete, a size may
 * follow. In hook_cxx.c each has its own next definition, looked up at its first use. */
#define INTERPOSED_NEW(NEW0, NEW1, NEW2)                                                           \
    NEW0(_Znwm)                                                                                    \
    NEW0(_Znam)                                                                                    \
    NEW1(_ZnwmRKSt9nothrow_t)                                                                      \
    NEW1(_ZnamRKSt9nothrow_t)                                                                      \
    NEW1(_ZnwmSt11align_val_t)                                                                     \
    NEW1(_ZnamSt11align_val_t)                                                                     \
    NEW2(_ZnwmSt11align_val_tRKSt9nothrow_t)                                                       \
    NEW2(_ZnamSt11align_val_tRKSt9nothrow_t)

#define INTERPOSED_DELETE(DELETE0, DELETE1, DELETE2)                                               \
    DELETE0(_ZdlPv)                                                                                \
    DELETE0(_ZdaPv)                                                                                \
    DELETE1(_ZdlPvm)                                                                               \
    DELETE1(_ZdaPvm)                                                                               \
    DELETE1(_ZdlPvRKSt9nothrow_t)                                                                  \
    DELETE1(_ZdaPvRKSt9nothrow_t)                                                                  \
    DELETE1(_ZdlPvSt11align_val_t)                                                                 \
    DELETE1(_ZdaPvSt11align_val_t)                                                                 \
    DELETE2(_ZdlPvmSt11align_val_t)                                                                \
    DELETE2(_ZdaPvmSt11align_val_t)                                                                \
    DELETE2(_ZdlPvSt11align_val_tRKSt9nothrow_t)                                                   \
    DELETE2(_ZdaPvSt11align_val_tRKSt9nothrow_t)

/* jemalloc's calls, looked up at the first use of any of them: all or none. */
#define INTERPOSED_MALLOCX(HOOK)                                                                   \
    HOOK(mallocx)                                                                                  \
    HOOK(rallocx)                                                                                  \
    HOOK(xallocx)                                                                                  \
    HOOK(sallocx)                                                                                  \
    HOOK(dallocx)                                                                                  \
    HOOK(sdallocx)                                                                                 \
    HOOK(nallocx)

/* Interposed without a look-up of their own: each is made of functions above, since libc's own
 * would go past their hooks. syscall() is in assembly (hook_futex.c). */
#define INTERPOSED_MADE(HOOK)                                                                      \
    HOOK(free_sized)                                                                               \
    HOOK(free_aligned_sized)                                                                       \
    HOOK(__sigaction)                                                                              \
    HOOK(ssignal)                                                                                  \
    HOOK(bsd_signal)                                                                               \
    HOOK(sysv_signal)                                                                              \
    HOOK(sigignore)                                                                                \
    HOOK(_Exit)                                                                                    \
    HOOK(execv)                                                                                    \
    HOOK(execvp)                                                                                   \
    HOOK(execl)                                                                                    \
    HOOK(execlp)                                                                                   \
    HOOK(execle)                                                                                   \
    HOOK(syscall)

#endif
