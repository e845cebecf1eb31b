/* SPDX-License-Identifier: MIT
 *
 * See real_lock.h. Not in the constructor: forty look-ups are 20 µs, of the 0.7 ms that a process
 * of a shell script lives, and most of those wait for nothing.
 */
#include "preload/hooks/real_lock.h"

#include "collectors/base/arch/stubs.h"

#include <string.h>

#define STUB(result, field, symbol, version, parameters, arguments)                                \
    static result boot_##field parameters                                                          \
    {                                                                                              \
        real_lock_start();                                                                         \
        return real_lock.field arguments;                                                          \
    }
REAL_LOCK_LIST(STUB)

#define INITIAL(result, field, symbol, version, parameters, arguments) .field = boot_##field,
struct real_lock real_lock __attribute__((aligned(CACHE_LINE))) = {REAL_LOCK_LIST(INITIAL)};

/* The arguments of a system call, and the stack, as they were: it may be a vfork. */
ARCH_STUB(boot_syscall, real_syscall, real_lock_start)

void (*real_syscall)(void) = boot_syscall;

/* Without the dynamic linker if that can be: in a child process this may be anywhere in the
 * program, which may be about to ask for dlerror(). Else by version where there is one, and by name
 * alone where that finds nothing: before glibc 2.36 a name alone led to the oldest of its versions.
 */
static void look_up(void *field, const char *name, const char *version)
{
    void *found = libc_find_after_us(name);
    found = found || !*version ? found : libc_next_version(name, version);
    found = found ? found : libc_next_quiet(name);
    if (found) {
        memcpy(field, &found, sizeof found);
    }
}

void real_lock_start(void)
{
    static bool done;
    if (LOAD_ACQUIRE(&done)) {
        return;
    }
#define LOOK_UP(result, field, symbol, version, parameters, arguments)                             \
    look_up(&real_lock.field, symbol, version);
    REAL_LOCK_LIST(LOOK_UP)
    look_up(&real_syscall, "syscall", "");
    STORE_RELEASE(&done, true);
}
