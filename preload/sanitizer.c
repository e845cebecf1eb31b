/* SPDX-License-Identifier: MIT
 *
 * See sanitizer.h.
 */
#include "preload/sanitizer.h"

#include "collectors/base/abi.h"

#include <dlfcn.h>

bool sanitizer_is_there(void)
{
    static const char *const entries[] = {"__asan_init", "__tsan_init", "__msan_init",
                                          "__lsan_init", "__hwasan_init"};
    for (size_t i = 0; i < ARRAY_LEN(entries); i++) {
        if (dlsym(RTLD_DEFAULT, entries[i])) {
            return true;
        }
    }
    dlerror(); /* the program's next one must not tell of our failure */
    return false;
}

/* AddressSanitizer asks for this before anything else. Unless told so it ends a program in which
 * another library comes before its own, whatever that library does. */
EXPORT const char *__asan_default_options(void); /* NOLINT: the name is its */
const char *__asan_default_options(void)         /* NOLINT */
{
    return "verify_asan_link_order=0";
}
