/* SPDX-License-Identifier: MIT
 *
 * posix_spawn, and libc's system and popen, which start a shell in the same way. The new program
 * inherits from the kernel which signals are ignored. So during the call the kernel ignores what
 * the program believes to be ignored.
 *
 * Any thread; no malloc of ours.
 */
#include "collectors/stacks/stack.h"
#include "preload/config.h"
#include "preload/hooks/own_signals.h"
#include "preload/hooks/real.h"
#include "preload/marker.h"

#include <errno.h>
#include <stdlib.h>

/* The value of a call of a real function that starts a program. */
#define SPAWNING(call)                                                                             \
    ({                                                                                             \
        spawn_begins();                                                                            \
        __typeof__(call) result_ = (call);                                                         \
        spawn_ends();                                                                              \
        result_;                                                                                   \
    })

static uint32_t under_way; /* calls in progress; the last one to end restores the dispositions */

static void spawn_begins(void)
{
    __atomic_fetch_add(&under_way, 1, __ATOMIC_ACQ_REL);
    own_signals_before_exec();
    config_hand_down_late(); /* system() and popen() hand `environ` over */
}

static void spawn_ends(void)
{
    int saved = errno;
    if (__atomic_sub_fetch(&under_way, 1, __ATOMIC_ACQ_REL) == 0) {
        own_signals_exec_failed();
    }
    errno = saved;
}

EXPORT BELOW_PROGRAM int posix_spawn(pid_t *pid, const char *path,
                                     const posix_spawn_file_actions_t *actions,
                                     const posix_spawnattr_t *attributes, char *const argv[],
                                     char *const env[])
{
    env = MARKER_PUT_RIGHT(config_environment(env), 0);
    return SPAWNING(real_other.posix_spawn(pid, path, actions, attributes, argv, env));
}

EXPORT BELOW_PROGRAM int posix_spawnp(pid_t *pid, const char *file,
                                      const posix_spawn_file_actions_t *actions,
                                      const posix_spawnattr_t *attributes, char *const argv[],
                                      char *const env[])
{
    env = MARKER_PUT_RIGHT(config_environment(env), 0);
    return SPAWNING(real_other.posix_spawnp(pid, file, actions, attributes, argv, env));
}

EXPORT BELOW_PROGRAM int system(const char *command)
{
    return SPAWNING(real_other.system(command));
}

EXPORT BELOW_PROGRAM FILE *popen(const char *command, const char *mode)
{
    return SPAWNING(real_other.popen(command, mode));
}
