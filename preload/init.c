/* SPDX-License-Identifier: MIT
 *
 * The only place that knows in which order the library starts and stops. The constructor runs
 * before the program's first instruction, but (glibc 2.36) after those of the libraries it needs:
 * hooks have been called by then and merely forwarded.
 */
#include "preload/init.h"
#include "collectors/base/log.h"
#include "collectors/base/self.h"
#include "collectors/base/sys.h"
#include "collectors/cpu/cpu.h"
#include "collectors/heap/heap.h"
#include "collectors/kinds.h"
#include "collectors/stacks/rules.h"
#include "collectors/stacks/stack.h"
#include "collectors/threads/allthreads.h"
#include "collectors/threads/labels.h"
#include "collectors/threads/threadcreate.h"
#include "collectors/waits/allocator.h"
#include "collectors/waits/contention.h"
#include "encoder/maps.h"
#include "preload/api/api.h"
#include "preload/config.h"
#include "preload/hooks/hooks.h"
#include "preload/hooks/real.h"
#include "preload/hooks/real_lock.h"
#include "preload/output/control.h"
#include "preload/output/helper_process.h"
#include "preload/output/seccomp.h"
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

static void start_heap(void)
{
    bool wanted = config.mem_rate > 0 && (kinds[KIND_HEAP].enabled || kinds[KIND_ALLOCS].enabled);
    if (wanted && !heap_is_ours()) {
        log_line("another malloc comes before this library: the heap is not seen");
        wanted = false;
    }
    uintptr_t lo = 0;
    uintptr_t hi = 0;
    bool seen = real_allocator_extent(&lo, &hi);
    if (wanted || seen) {
        allocator_start(lo, hi);
    }
    heap_watch(config.heap_growth, control_heap_grown);
    heap_start(wanted ? (uint64_t)config.mem_rate : 0, (uint64_t)config.seed);
}

static void start_profiles(void)
{
    if (config.in_place) {
        sys_readable_by_copy();
    }
    int64_t cpu_rate = kinds[KIND_CPU].enabled ? config.cpu_rate : 0;
    if (rules_start(!config.is_child) != 0) {
        log_line("libunwind-x86_64.so.8 cannot be used: stacks end after one frame");
    }
    stack_start((int)config.depth);
    threads_start();
    hook_signal_start((int)config.signal, config.at_exit);
    allthreads_start(SIGPROF);
    labels_start(config.labels);
    helper_process_setup();
    control_start();
    hook_process_start();
    threadcreate_start(kinds[KIND_THREADCREATE].enabled, kinds[KIND_GOROUTINE].enabled);
    hook_thread_start();
    if (!config
             .is_child) { /* which may live for less than the look-ups take, and wait for nobody */
        real_lock_start();
    }
    start_heap();
    contention_start(kinds[KIND_BLOCK].enabled, config.block_rate, kinds[KIND_MUTEX].enabled,
                     config.mutex_fraction, (uint64_t)config.seed);
    cpu_start((uint64_t)cpu_rate, SIGPROF, (uint64_t)config.seed);
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
        if (!config.is_child ||
            config.log[0]) { /* what a program says in a pipe is to be its own */
            log_line("a filter of system calls is in force that this library would not survive: "
                     "nothing is profiled");
        }
        return false;
    }
    return (!config.is_child || config.children) && program_is_wanted();
}

__attribute__((constructor)) static void library_start(int argc, char **argv, char **env)
{
    (void)argc;
    log_open();
    self.depth++; /* what start-up allocates is not the program's */
    real_start();
    hook_cxx_start();
    hook_thread_main_stack(argv);
    /* With rights that its caller lacks: no profile is worth a file written with them. */
    bool secure = getauxval(AT_SECURE) != 0;
    config_read(env, secure);
    int64_t filters = 0;
    if (!secure && is_to_be_profiled(&filters)) {
        start_profiles();
    } else {
        heap_stop();
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
    api_stop(); /* a call of the program's would be what it has just forbidden */
    control_stand_down();
    heap_stop();
    allocator_stop();
    contention_stop();
    hook_thread_stop();
    cpu_stop();
    hook_signal_stop();
    log_line(why);
}

__attribute__((destructor)) static void library_stop(void)
{
    control_end();
}
