/* SPDX-License-Identifier: MIT
 *
 * See real.h: the look-ups, and the stubs of all functions but malloc and its kin. Each stub is a
 * few instructions of assembly that call the look-up, with all arguments kept, and then jump to the
 * function that was found. They leave no frame of ours: a vfork by syscall() must not return
 * through one.
 *
 * Any thread; a thread may hold any lock of the program's when its first wait looks real_waits up.
 */
#include "preload/hooks/real.h"

#include "collectors/base/arch/stubs.h"
#include "collectors/base/sys.h"

#include <string.h>

#define STUB_OTHER(field, symbol, version)                                                         \
    ARCH_STUB(HIDDEN, boot_##field, real_other.field, real_start)
#define STUB_WAITS(field, symbol, version)                                                         \
    ARCH_STUB(HIDDEN, boot_##field, real_waits.field, real_waits_start)
#define STUBBED(field, symbol, version) .field = (void *)boot_##field,

#define NO_STUB(field, symbol, version)

/* _exit() may be called in a signal handler and in a vfork child, where a look-up may not. */
static void boot_exit_now(int status)
{
    for (;;) {
        sys_call1(SYS_exit_group, status);
    }
}

INTERPOSED_OTHER(STUB_OTHER, STUB_OTHER, NO_STUB)
struct real_other real_other = {INTERPOSED_OTHER(STUBBED, STUBBED, STUBBED)};

INTERPOSED_WAITS(STUB_WAITS, STUB_WAITS)
struct real_waits real_waits
    __attribute__((aligned(CACHE_LINE))) = {INTERPOSED_WAITS(STUBBED, STUBBED)};

struct real_before real_before;

/* Each with a look-up of its own. */
#define STUB_SLEEP(field, symbol, version)                                                         \
    void real_look_up_##field##_now(void);                                                         \
    ARCH_STUB(HIDDEN, first_##field##_call, real_sleeps.field, real_look_up_##field##_now)
#define SLEEP_STUBBED(field, symbol, version) .field = (void *)first_##field##_call,
INTERPOSED_SLEEPS(STUB_SLEEP)
struct real_sleeps real_sleeps
    __attribute__((aligned(CACHE_LINE))) = {INTERPOSED_SLEEPS(SLEEP_STUBBED)};

#define STUB_RIGHTS(field, symbol, version)                                                        \
    ARCH_STUB(HIDDEN, boot_##field, real_rights.field, real_rights_start)

INTERPOSED_RIGHTS(STUB_RIGHTS)
struct real_rights real_rights = {INTERPOSED_RIGHTS(STUBBED)};

ARCH_STUB(HIDDEN, boot_syscall, real_syscall, real_waits_start)
void (*real_syscall)(void) = boot_syscall;

/* A pointer keeps its stub where nothing is found: the stub of a function that libc lacks is never
 * called, for then the program's own reference to the function could not have been bound. */
static void set(void *field, void *found)
{
    if (found) {
        memcpy(field, &found, sizeof found);
    }
}

/* Past the dynamic linker if that is possible: in a child process the first wait may come between a
 * look-up of the program's that failed and its dlerror(). Otherwise by version if there is one, and
 * by name alone if that finds nothing: before glibc 2.36 dlsym() found the oldest version of a
 * name.
 */
static void *find_wait(const char *name, const char *version)
{
    void *found = libc_find_after_us(name);
    found = found || !*version ? found : libc_next_version(name, version);
    return found ? found : libc_next_quiet(name);
}

#define LOOK_UP_SLEEP(field, symbol, version)                                                      \
    void real_look_up_##field##_now(void)                                                          \
    {                                                                                              \
        set(&real_sleeps.field, find_wait(#symbol, version));                                      \
    }
INTERPOSED_SLEEPS(LOOK_UP_SLEEP)
#define LOOK_UP_SLEEP_NOW(field, symbol, version) real_look_up_##field##_now();

#define LOOK_UP_ALLOC(field, symbol, version)                                                      \
    set(&real_alloc.field, libc_next_of_either(#symbol, version));
#define LOOK_UP_BEFORE(symbol) set(&real_before.symbol, libc_before_us(#symbol, (void *)symbol));
#define LOOK_UP_OTHER(field, symbol, version) set(&real_other.field, libc_next(#symbol));
#define LOOK_UP_RIGHTS(field, symbol, version) set(&real_rights.field, find_wait(#symbol, version));
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
    INTERPOSED_BEFORE(LOOK_UP_BEFORE)
    INTERPOSED_OTHER(LOOK_UP_OTHER, LOOK_UP_OTHER, LOOK_UP_OTHER)
    real_resolving = false;
    done = true;
}

/* Not called by the constructor in a child process: forty look-ups take 20 µs, of the 0.7 ms that a
 * process of a shell script lives, and most of those processes never wait. */
void real_waits_start(void)
{
    static bool done;
    if (LOAD_ACQUIRE(&done)) {
        return;
    }
    INTERPOSED_WAITS(LOOK_UP_WAITS, LOOK_UP_WAITS)
    INTERPOSED_SLEEPS(LOOK_UP_SLEEP_NOW)
    set(&real_syscall, find_wait("syscall", ""));
    STORE_RELEASE(&done, true);
}

void real_rights_start(void)
{
    INTERPOSED_RIGHTS(LOOK_UP_RIGHTS)
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
