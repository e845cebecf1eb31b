/* SPDX-License-Identifier: MIT
 *
 * How libgomp's entry points come to be called through the functions of hook_openmp.c. To define
 * their names, as for libc's functions, would tell every program that OpenMP is there: a weak
 * reference to GOMP_parallel would be bound to us, and dlsym() would find it. So the slots are
 * changed through which loaded objects call them (collectors/base/libc/glibc_imports.c).
 *
 * Called by the constructor, for a runtime that the program is linked with, and when a thread is
 * made by a runtime: one that was loaded since, or whose callers were. No threads, no waits. An
 * object that is loaded after the runtime has made its last thread is not seen.
 */
#include "preload/hooks/openmp.h"

#include "collectors/base/libc/libc.h"
#include "preload/hooks/hooks.h"
#include "preload/hooks/real.h"

#define NAME(n, name) [OPENMP_##name] = #name,
#define NAME_2(n, name, end, word) NAME(n, name) NAME(n, end)
#define NAME_3(n, name, end, test) NAME(n, name) NAME(n, end) NAME(n, test)
static const char *const names[OPENMP_IDS] = {
    OPENMP_WAITS(NAME, ) OPENMP_UNNAMED(NAME_2, ) OPENMP_NAMED(NAME_2, ) OPENMP_LOCKS(NAME_3, )
        OPENMP_NEST_LOCKS(NAME_3, ) OPENMP_REGIONS(NAME, ) OPENMP_TASKS(NAME, )};

/* Locks of before OpenMP 3.0 are another type behind the same names. */
static const char old_locks[] = "OMP_1.0";

struct openmp openmp[OPENMP_RUNTIMES];
static struct libc_library known[OPENMP_RUNTIMES];
static size_t known_n;
static bool wanted;
static uint32_t busy;
static uint64_t looked_at; /* libc_objects_changed() of the last look */

static size_t runtime_of(const struct libc_library *library)
{
    size_t i = 0;
    while (i < known_n &&
           (known[i].dynamic != library->dynamic || known[i].bias != library->bias)) {
        i++;
    }
    return i;
}

/* One that has been closed and opened again elsewhere is another runtime. */
static void runtime_turn(const struct libc_library *library)
{
    size_t n = runtime_of(library);
    if (n == OPENMP_RUNTIMES) {
        return;
    }
    struct libc_import imports[OPENMP_IDS];
    for (size_t i = 0; i < OPENMP_IDS; i++) {
        void *real = libc_library_function(library, names[i]);
        openmp[n].real[i] = real;
        imports[i] = (struct libc_import){names[i], openmp_hooks[n][i] ? real : NULL,
                                          openmp_hooks[n][i], false};
    }
    known[n] = *library;
    known_n = n == known_n ? n + 1 : known_n;
    libc_imports_turn(real_other.dl_iterate_phdr, library, old_locks, imports, OPENMP_IDS);
}

static void look(void)
{
    struct libc_library found[OPENMP_RUNTIMES];
    looked_at = libc_objects_changed(real_other.dl_iterate_phdr);
    size_t n = libc_libraries(real_other.dl_iterate_phdr, "GOMP_parallel", "__kmpc_fork_call",
                              found, OPENMP_RUNTIMES);
    for (size_t i = 0; i < n; i++) {
        runtime_turn(&found[i]);
    }
}

void hook_openmp_start(bool waits_are_wanted)
{
    wanted = waits_are_wanted;
    if (wanted) {
        look();
    }
}

void hook_openmp_thread(const void *caller)
{
    if (LIKELY(!wanted || !libc_library_calls(caller, "GOMP_parallel")) ||
        __atomic_exchange_n(&busy, 1, __ATOMIC_ACQUIRE)) {
        return;
    }
    if (libc_objects_changed(real_other.dl_iterate_phdr) != looked_at) {
        look();
    }
    STORE_RELEASE(&busy, 0);
}
