/* SPDX-License-Identifier: MIT
 *
 * Values by the address of something. Under die_name.c and source_path.c: libdw hands out the same
 * address for the same entry and the same file name, so the address is the key. The caller owns the
 * values.
 */
#ifndef ENCODER_SYMBOLIZE_POINTER_MAP_H
#define ENCODER_SYMBOLIZE_POINTER_MAP_H

#include <stddef.h>

/* An empty map is all zeros. */
struct pointer_map {
    struct pointer_slot {
        const void *key; /* NULL: empty */
        void *value;
    } * slots; /* open addressing, a power of two of them, at most half of them taken */
    size_t n, nslots;
};

/* The value of a key; NULL: it has none. */
void *pointer_map_get(const struct pointer_map *map, const void *key);
/* Gives a key that has none yet a value; neither may be NULL. 0 or -ENOMEM. */
int pointer_map_put(struct pointer_map *map, const void *key, void *value);
/* Calls free_value with each value and makes the map empty. */
void pointer_map_free(struct pointer_map *map, void (*free_value)(void *value));

#endif
