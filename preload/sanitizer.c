/* SPDX-License-Identifier: MIT
 *
 * See sanitizer.h.
 */
#include "preload/sanitizer.h"

#include "collectors/base/abi.h"

#ifndef BESIDE_SANITIZER
#define BESIDE_SANITIZER false /* true: for a test that checks the library with a sanitizer */
#endif

/* A function that each runtime exports. Weak references are bound by the dynamic linker while it
 * relocates this library, and are NULL if there is no such runtime. dlsym() would allocate its
 * error message in the program's heap, before the program's own first allocation. */
#define RUNTIME(name) extern void name(void) __attribute__((weak))
RUNTIME(__asan_init);   /* NOLINT: the names are theirs */
RUNTIME(__tsan_init);   /* NOLINT */
RUNTIME(__msan_init);   /* NOLINT */
RUNTIME(__lsan_init);   /* NOLINT */
RUNTIME(__hwasan_init); /* NOLINT */

bool sanitizer_is_there(void)
{
    if (BESIDE_SANITIZER) {
        return false;
    }
    return __asan_init || __tsan_init || __msan_init || __lsan_init || __hwasan_init;
}

/* AddressSanitizer's runtime calls this function, if there is one, before it does anything else.
 * Its default is to end a program in which another library is loaded before its own. */
EXPORT const char *__asan_default_options(void); /* NOLINT: the name is its */
const char *__asan_default_options(void)         /* NOLINT */
{
    return "verify_asan_link_order=0";
}
