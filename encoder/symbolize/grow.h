/* grow.h: an array that gets longer.
 *
 * For every file of pprof-symbolize that collects things whose number it does not know. The caller
 * owns the array and frees it; on failure the old array is still there and still its own.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef PPROFINJECT_SYMBOLIZE_GROW_H
#define PPROFINJECT_SYMBOLIZE_GROW_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* Half again as long each time, so that n elements cost O(n) copying. NULL = no memory. */
static inline void *grow_array(void *array, size_t *cap, size_t need, size_t size)
{
    size_t more = *cap + *cap / 2 + 16;

    if (more < need)
        more = need;
    array = reallocarray(array, more, size);
    if (array)
        *cap = more;
    return array;
}

/* Room for `need` (at least 1) elements: 0 or -ENOMEM. */
#define GROW(array, cap, need)                                                                     \
    ({                                                                                             \
        void *grown_ = (need) <= (cap) ? (void *)(array)                                           \
                                       : grow_array((array), &(cap), (need), sizeof *(array));     \
        if (grown_)                                                                                \
            (array) = grown_;                                                                      \
        grown_ ? 0 : -ENOMEM;                                                                      \
    })

#endif
