/* SPDX-License-Identifier: MIT
 *
 * See sanitizer.h.
 */
#include "preload/sanitizer.h"

#include "collectors/base/abi.h"

#ifndef BESIDE_SANITIZER
#define BESIDE_SANITIZER false /* true: a build of the tests', to be judged by one */
#endif

/* What each runtime exports, bound by the dynamic linker while it relocates us. A dlsym() that
 * fails would say so to nobody in memory of the program's heap, before the program's first
 * allocation. */
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

/* AddressSanitizer asks for this before anything else. Unless told so it ends a program in which
 * another library comes before its own, whatever that library does. */
EXPORT const char *__asan_default_options(void); /* NOLINT: the name is its */
const char *__asan_default_options(void)         /* NOLINT */
{
    return "verify_asan_link_order=0";
}
