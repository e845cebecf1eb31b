/* SPDX-License-Identifier: MIT
 *
 * Loaded objects, for libc.h, by _dl_find_object of glibc 2.35: it answers in nanoseconds, takes no
 * lock and covers the vDSO. Called by stack walks, also in signal handlers.
 */
#include "collectors/base/libc/libc.h"

#include <dlfcn.h>
#include <gnu/libc-version.h>
#include <link.h>
#include <string.h>

/* Weak: NULL on an older glibc, where no object is ever found and each walk ends after its leaf. */
extern __typeof(_dl_find_object) _dl_find_object __attribute__((weak));

bool libc_object_find(struct libc_object *object, uintptr_t address)
{
    struct dl_find_object found;
    if (!_dl_find_object ||
        _dl_find_object((void *)address, &found) != 0) { /* NOLINT: an address */
        return false;
    }
    object->lo = (uintptr_t)found.dlfo_map_start;
    object->hi = (uintptr_t)found.dlfo_map_end;
    object->frame_info = (uintptr_t)found.dlfo_eh_frame;
    object->handle = found.dlfo_link_map;
    return true;
}

uintptr_t libc_object_bias(const struct libc_object *object)
{
    return ((const struct link_map *)object->handle)->l_addr;
}

/* Only the program's name is empty. */
bool libc_object_is_program(const struct libc_object *object)
{
    return ((const struct link_map *)object->handle)->l_name[0] == '\0';
}

const char *libc_object_name(const struct libc_object *object)
{
    const char *path = ((const struct link_map *)object->handle)->l_name;
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool libc_object_is_libc(const struct libc_object *object)
{
    struct libc_object libc;
    return libc_object_find(&libc, (uintptr_t)&gnu_get_libc_version) &&
           libc.handle == object->handle;
}
