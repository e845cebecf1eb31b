/* SPDX-License-Identifier: MIT
 *
 * The only place that knows in which order the library starts and stops. library_start() runs
 * before the constructors of all other libraries, libc's too, because the library is linked with -z
 * initfirst; what they do is profiled. The dynamic linker grants that to one library, the last one
 * loaded that wants it: where that is another, or the program has opened this one, constructors
 * have run before. Hooks have been called before in any case, by the dynamic linker; until
 * library_start() they only forward to the real functions.
 *
 * libc's constructor sets `environ` and the program's name, which its functions say in messages.
 * The rest of libc can be used before that (2.34 and newer).
 *
 * exit() calls hook_process_end() when all destructors have run, where library_start() was the
 * first; elsewhere library_stop() does, and what runs behind it is not profiled.
 */
#include "preload/init.h"
#include "collectors/base/libc/libc.h"
#include "collectors/base/log.h"
#include "collectors/base/newborn.h"
#include "collectors/base/reserve.h"
#include "collectors/base/root.h"
#include "collectors/base/self.h"
#include "collectors/base/sys.h"
#include "collectors/heap/heap.h"
#include "collectors/kinds.h"
#include "collectors/stacks/rules.h"
#include "collectors/stacks/spare_stack.h"
#include "collectors/stacks/stack.h"
#include "collectors/threads/labels.h"
#include "collectors/threads/thread_name.h"
#include "collectors/threads/threads.h"
#include "collectors/waits/contention.h"
#include "encoder/maps.h"
#include "preload/api/api.h"
#include "preload/config.h"
#include "preload/hooks/hooks.h"
#include "preload/hooks/own_signals.h"
#include "preload/hooks/real.h"
#include "preload/hooks/timer_signal.h"
#include "preload/output/control.h"
#include "preload/output/seccomp.h"
#include "preload/preflight.h"
#include "preload/sanitizer.h"

#include <string.h>
#include <sys/auxv.h>

/* PPROF_ONLY: does the main program's name match? */
static bool program_is_wanted(void)
{
    if (!config.only) {
        return true;
    }
    struct maps *maps = maps_read(getauxval(AT_PHDR));
    const char *path = maps_count(maps) ? maps_text(maps, maps_mapping(maps, 1)->file) : "";
    const char *slash = strrchr(path, '/');
    bool wanted = config_glob_list(config.only, slash ? slash + 1 : path);
    maps_free(maps);
    return wanted;
}

/* signal: the timers' one; 0 where the kernel refuses its handler. */
static void start_collectors(int signal)
{
    struct collector_settings s = {.cpu_rate = config.cpu_rate,
                                   .mem_rate = config.mem_rate,
                                   .block_rate = config.block_rate,
                                   .mutex_fraction = config.mutex_fraction,
                                   .seed = (uint64_t)config.seed,
                                   .signal = signal,
                                   .heap_labels = config.heap_labels,
                                   .heap_growth = config.heap_growth,
                                   .heap_grown = control_heap_grown};
    s.allocator_is_known = real_allocator_extent(&s.allocator_lo, &s.allocator_hi);
    kinds_start(&s);
}

static bool ends_behind_destructors;

static void start_profiles(void)
{
    if (config.in_place) {
        sys_readable_by_copy();
        spare_stack_off();
    }
    reserve_start();
    arch_thread_block_measure();
    if (rules_start(!config.is_child) != 0) {
        log_line(ARCH_LIBUNWIND_FILE " cannot be used: stacks end after one frame (install "
                                     "libunwind, Debian's package libunwind8)");
    }
    stack_start((int)config.depth);
    threads_start();
    bool timers = own_signals_start((int)config.signal, config.at_exit);
    labels_start(config.labels);
    thread_name_start(config.thread_labels);
    control_start(timer_signal_look); /* another libc, of dlmopen(), sets its own handler */
    ends_behind_destructors = hook_process_start(api_cpu_fork_child);
    hook_thread_start();
    if (!config.is_child) { /* a child, often a command of a script, may live for less time than
                             * these look-ups take; it makes them at its first wait, if any */
        real_waits_start();
    }
    start_collectors(timers ? LIBC_SIGNAL_CANCEL : 0);
    hook_openmp_start(contention_wanted());
    if (!heap_is_kept()) {
        hook_dlopen_off();
    }
    api_start();
}

static bool is_to_be_profiled(int64_t *filters)
{
    if (sanitizer_is_there()) {
        log_line("this program has a sanitizer, which needs to be alone: nothing is profiled");
        return false;
    }
    *filters = seccomp_filters();
    if (*filters > config.filters && !seccomp_lets_us(NULL)) {
        log_line("a filter of system calls is in force that this library would not survive: "
                 "nothing is profiled");
        return false;
    }
    return (!config.is_child || config.children) && program_is_wanted();
}

__attribute__((constructor)) static void library_start(int argc, char **argv, char **env)
{
    (void)argc;
    /* The stderr of a program that an injected one has started may be a pipe that the other reads,
     * and what there is to say was said by the first: later processes write to PPROF_LOG alone. */
    bool first = !config_has_parent(env);
    root_remember();
    if (first) {
        log_open();
    }
    self.depth++; /* what is allocated until the end of this function is not sampled */
    real_start();
    hook_cxx_start();
    hook_thread_main_stack(argv);
    /* A setuid program or the like has rights that its caller lacks. It must not be made to write
     * files with them, or to read the caller's settings. */
    bool secure = getauxval(AT_SECURE) != 0;
    config_read(env, secure);
    int64_t filters = 0;
    if (!secure && is_to_be_profiled(&filters)) {
        if (first) {
            preflight(env);
        }
        start_profiles();
    } else {
        hook_dlopen_off();
        filters = 0;
    }
    if (!secure) {
        config_hand_down(filters);
    }
    self.depth--;
    log_close();
}

void init_stand_down(const char *why)
{
    api_stop(); /* its calls make system calls that the program is about to forbid */
    newborn_quietly();
    control_stand_down();
    hook_thread_stop();
    hook_dlopen_off();
    kinds_stop();
    own_signals_stop();
    log_line(why);
}

void init_keep_out(void)
{
    api_stop();
    newborn_quietly();
    control_keep_out();
    hook_thread_stop();
    hook_dlopen_off();
    kinds_stop();
}

__attribute__((destructor)) static void library_stop(void)
{
    if (!ends_behind_destructors) {
        hook_process_end();
    }
}
