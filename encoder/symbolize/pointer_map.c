/* SPDX-License-Identifier: MIT
 *
 * See pointer_map.h.
 */
#include "encoder/symbolize/pointer_map.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

/* Fibonacci hashing: 2^64 divided by the golden ratio. */
static struct pointer_slot *slot_of(const struct pointer_map *map, const void *key)
{
    size_t i = ((uintptr_t)key * 0x9e3779b97f4a7c15u >> 20) & (map->nslots - 1);
    while (map->slots[i].key && map->slots[i].key != key) {
        i = (i + 1) & (map->nslots - 1);
    }
    return &map->slots[i];
}

static int grow(struct pointer_map *map)
{
    struct pointer_map more = {.nslots = map->nslots ? map->nslots * 2 : 256, .n = map->n};
    more.slots = calloc(more.nslots, sizeof *more.slots);
    if (!more.slots) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < map->nslots; i++) {
        if (map->slots[i].key) {
            *slot_of(&more, map->slots[i].key) = map->slots[i];
        }
    }
    free(map->slots);
    *map = more;
    return 0;
}

void *pointer_map_get(const struct pointer_map *map, const void *key)
{
    return map->nslots ? slot_of(map, key)->value : NULL;
}

int pointer_map_put(struct pointer_map *map, const void *key, void *value)
{
    if (map->n * 2 >= map->nslots && grow(map)) {
        return -ENOMEM;
    }
    *slot_of(map, key) = (struct pointer_slot){key, value};
    map->n++;
    return 0;
}

void pointer_map_free(struct pointer_map *map, void (*free_value)(void *value))
{
    for (size_t i = 0; i < map->nslots; i++) {
        if (map->slots[i].key) {
            free_value(map->slots[i].value);
        }
    }
    free(map->slots);
    *map = (struct pointer_map){0};
}
