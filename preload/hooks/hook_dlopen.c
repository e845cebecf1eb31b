/* SPDX-License-Identifier: MIT
 *
 * A library that is opened with RTLD_DEEPBIND looks in its own dependencies first, so its calls of
 * malloc and free are bound to libc's and pass us by; so do those of a program that opens libc
 * itself and asks for its free. What such a library frees would stay in use in the heap profile for
 * good. So before the first such dlopen() the entries of malloc and its kin in libc's table of
 * symbols are changed to our functions (libc_rebind), which call the same functions of libc. Where
 * another allocator follows us, the table is that allocator's.
 *
 * The caller's address decides which RUNPATH dlopen() searches and into which namespace it loads.
 * So these hooks look first, and then jump to the real function, with the caller's return address
 * on the stack.
 *
 * Any thread that may call dlopen(), also before our constructor: another library's may open one.
 */
#include "collectors/base/arch/stubs.h"
#include "collectors/base/libc/libc.h"
#include "collectors/base/lock_wait.h"
#include "collectors/base/log.h"
#include "collectors/base/text.h"
#include "preload/hooks/dispatch.h"
#include "preload/hooks/hooks.h"
#include "preload/hooks/real.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

enum {
    PATIENCE = 1 << 16, /* pauses, some milliseconds; the change takes some 20 us */
    LINE = 600,
    SHOWN = 300, /* bytes of a file's name in a message */
};

static struct lock lock;
static bool is_off;  /* the heap is not kept */
static bool is_done; /* or cannot be done: either way, it is not tried again */

const void *hook_dlopen_real(const char *file, int mode);
const void *hook_dlmopen_real(Lmid_t space, const char *file, int mode);

/* To the log alone, which is written after the program's start only where PPROF_LOG names a file.
 */
static void say(const char *file, const char *before, const char *why, const char *after)
{
    char line[LINE];
    struct text t = text_in(line, sizeof line);
    text_add_n(&t, file, strnlen(file, SHOWN));
    text_add(&t, before);
    text_add(&t, why);
    text_add(&t, after);
    log_line(line);
}

static int rebind(void)
{
#define ROW(name)                                                                                  \
    {                                                                                              \
#name, (const void *)real_alloc.name, (const void *)name                                   \
    }
#define ROW_OTHER(name)                                                                            \
    {                                                                                              \
#name, (const void *)real_other.name, (const void *)name                                   \
    }
    struct libc_rebinding rows[HOOK_CXX_REBINDINGS + 12] = {
        ROW(malloc),
        ROW(free),
        ROW(calloc),
        ROW(realloc),
        ROW(posix_memalign),
        ROW(aligned_alloc),
        ROW(memalign),
        ROW_OTHER(reallocarray),
        ROW_OTHER(valloc),
        ROW_OTHER(pvalloc),
        {"free_sized", NULL, (const void *)free_sized},
        {"free_aligned_sized", NULL, (const void *)free_aligned_sized},
    };
    return libc_rebind(rows, 12 + hook_cxx_rebindings(rows + 12));
}

/* By the first thread that gets here; another one waits until it is done. */
static void see_to_it(const char *file, bool own_symbols_first, const struct libc_object *allocator)
{
    if (!lock_try_for(&lock, LOCK_REBINDING, PATIENCE)) {
        return; /* a signal handler has interrupted this function, and calls dlopen() */
    }
    if (!is_done && libc_binds_to_us("malloc") && libc_binds_to_us("free")) {
        int err = rebind();
        const char *why = err ? strerrorname_np(-err) : NULL;
        if (err && own_symbols_first) {
            say(file,
                ", opened with RTLD_DEEPBIND, calls malloc and free past this library, which "
                "cannot "
                "be changed (",
                why ? why : "an unknown error",
                "): what it frees stays in use in the heap profile, what it allocates is missing");
        } else if (own_symbols_first && !libc_object_is_libc(allocator)) {
            say(file,
                ", opened with RTLD_DEEPBIND, may call libc's malloc and free instead of those of ",
                libc_object_name(allocator), ": such calls are not seen in the heap profile");
        }
    }
    STORE_RELEASE(&is_done, true);
    lock_drop(&lock);
}

/* Is the file the allocator's own? Then the program is about to ask it for its functions. */
static bool is_file_of(const struct libc_object *allocator, const char *file)
{
    const char *slash = strrchr(file, '/');
    return strcmp(slash ? slash + 1 : file, libc_object_name(allocator)) == 0;
}

static void look(const char *file, int mode)
{
    struct libc_object allocator;
    bool own_symbols_first = (mode & RTLD_DEEPBIND) != 0;
    if (!file || LOAD_ACQUIRE(&is_done) || is_off) {
        return;
    }
    real_start();
    bool found = libc_object_find(&allocator, (uintptr_t)real_alloc.malloc);
    if (own_symbols_first || (found && is_file_of(&allocator, file))) {
        int error = errno;
        uint8_t selector = dispatch_open();
        see_to_it(file, own_symbols_first, &allocator);
        dispatch_close(selector);
        errno = error;
    }
}

void hook_dlopen_off(void)
{
    STORE(&is_off, true);
}

void hook_dlopen_fork_child(void)
{
    lock_drop(&lock);
}

const void *hook_dlopen_real(const char *file, int mode)
{
    look(file, mode);
    return (const void *)real_other.dlopen;
}

/* In another namespace the library gets another libc, with a malloc of its own. */
const void *hook_dlmopen_real(Lmid_t space, const char *file, int mode)
{
    if (space == LM_ID_BASE) {
        look(file, mode);
    }
    return (const void *)real_other.dlmopen;
}

EXPORT ARCH_CHOICE(dlopen, hook_dlopen_real)

EXPORT ARCH_CHOICE(dlmopen, hook_dlmopen_real)
