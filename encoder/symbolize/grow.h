/* SPDX-License-Identifier: MIT
 *
 * An array that gets longer. For every file of pprof-symbolize that collects things whose number is
 * not known beforehand. The caller owns the array and frees it.
 */
#ifndef ENCODER_SYMBOLIZE_GROW_H
#define ENCODER_SYMBOLIZE_GROW_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Room for `need` (at least 1) elements of `size` bytes. `array` is the address of the caller's
 * pointer, which moves; `cap` counts the elements it has room for. Half again as long each time, so
 * that n elements cost O(n) copying. 0 or -ENOMEM; then the array is as it was. */
static inline int grow_array(void *array, size_t *cap, size_t need, size_t size)
{
    if (need <= *cap) {
        return 0;
    }
    size_t more = *cap + *cap / 2 + 16;
    if (more < need) {
        more = need;
    }
    void *at;
    memcpy(&at, array, sizeof at); /* the pointer may be of any type */
    /* cppcheck-suppress memleakOnRealloc ; the caller's pointer keeps what there was */
    at = reallocarray(at, more, size);
    if (!at) {
        return -ENOMEM;
    }
    memcpy(array, &at, sizeof at);
    *cap = more;
    return 0;
}

#endif
