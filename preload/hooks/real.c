/* SPDX-License-Identifier: MIT
 *
 * See real.h: the stubs and the look-up of what is not malloc's kin. Each stub is a few
 * instructions of assembly that call the look-up with all arguments kept, and then jump to what was
 * found: a vfork by syscall() must not return through a frame of ours.
 */
#include "preload/hooks/real.h"

#include "collectors/base/arch/stubs.h"

#include <string.h>

#define STUB_OTHER(field, symbol, version) ARCH_STUB(boot_##field, real_other.field, real_start)
#define STUB_WAITS(field, symbol, version)                                                         \
    ARCH_STUB(boot_##field, real_waits.field, real_waits_start)
#define STUBBED(field, symbol, version) .field = (void *)boot_##field,

INTERPOSED_OTHER(STUB_OTHER, STUB_OTHER)
struct real_other real_other = {INTERPOSED_OTHER(STUBBED, STUBBED)};

INTERPOSED_WAITS(STUB_WAITS, STUB_WAITS)
struct real_waits real_waits
    __attribute__((aligned(CACHE_LINE))) = {INTERPOSED_WAITS(STUBBED, STUBBED)};

ARCH_STUB(boot_syscall, real_syscall, real_waits_start)
void (*real_syscall)(void) = boot_syscall;

/* A pointer keeps its stub where nothing is found: the stub of a function that libc lacks is never
 * called, for then the program's own reference to the function could not have been bound. */
static void set(void *field, void *found)
{
    if (found) {
        memcpy(field, &found, sizeof found);
    }
}

/* Past the dynamic linker if that can be: in a child process the first wait may be anywhere in the
 * program, which may be about to ask for dlerror(). Else by version where there is one, and by name
 * alone where that finds nothing: before glibc 2.36 a name alone led to the oldest of its versions.
 */
static void *find_wait(const char *name, const char *version)
{
    void *found = libc_find_after_us(name);
    found = found || !*version ? found : libc_next_version(name, version);
    return found ? found : libc_next_quiet(name);
}

#define LOOK_UP_ALLOC(field, symbol, version)                                                      \
    set(&real_alloc.field, libc_next_of_either(#symbol, version));
#define LOOK_UP_OTHER(field, symbol, version) set(&real_other.field, libc_next(#symbol));
#define LOOK_UP_WAITS(field, symbol, version) set(&real_waits.field, find_wait(#symbol, version));

/* By dlsym(), which allocates nothing when it succeeds; should it allocate all the same, it comes
 * back through our malloc on this thread (real_alloc.c). */
void real_start(void)
{
    static bool done;
    if (done || real_resolving) {
        return;
    }
    real_resolving = true;
    INTERPOSED_ALLOC(LOOK_UP_ALLOC)
    INTERPOSED_OTHER(LOOK_UP_OTHER, LOOK_UP_OTHER)
    real_resolving = false;
    done = true;
}

/* In a child process not by the constructor: forty look-ups are 20 µs, of the 0.7 ms that a process
 * of a shell script lives, and most of those wait for nothing. */
void real_waits_start(void)
{
    static bool done;
    if (LOAD_ACQUIRE(&done)) {
        return;
    }
    INTERPOSED_WAITS(LOOK_UP_WAITS, LOOK_UP_WAITS)
    set(&real_syscall, find_wait("syscall", ""));
    STORE_RELEASE(&done, true);
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
