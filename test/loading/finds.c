/* SPDX-License-Identifier: MIT
 *
 * A library that defines dlsym(), to see what the program looks up, as overlays of games do. "Next"
 * is the next behind this library for every look-up that goes through it.
 */
#include <dlfcn.h>
#include <stddef.h>

void *dlsym(void *handle, const char *name)
{
    static void *(*real)(void *, const char *);
    if (!real) {
        real = (void *(*)(void *, const char *))dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.34");
    }
    if (!real) {
        real = (void *(*)(void *, const char *))dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.2.5");
    }
    void *volatile found = real(handle, name);
    return found;
}
