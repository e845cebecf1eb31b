/* SPDX-License-Identifier: MIT
 *
 * The look-ups of maps.h, and the mappings of code that was unloaded before the dump. Those follow
 * the present ones in the table and may have addresses that a present one has now.
 */
#include "encoder/maps.h"

#include <string.h>

struct past {
    uintptr_t start, limit;
    uint32_t module;
    uint32_t id; /* of its mapping in maps */
};

uint32_t maps_count(const struct maps *maps)
{
    return maps ? maps->count : 0;
}

const struct mapping *maps_mapping(const struct maps *maps, uint32_t id)
{
    return (const struct mapping *)maps->mappings.at + (id - 1);
}

const char *maps_text(const struct maps *maps, size_t at)
{
    return (const char *)maps->text.at + at;
}

uint32_t maps_find(const struct maps *maps, uintptr_t address)
{
    uint32_t low = 2; /* mapping 1 is not in the order of addresses */
    uint32_t high = maps_count(maps) ? maps->present + 1 : 1;
    if (high == 1) {
        return 0;
    }
    const struct mapping *first = maps_mapping(maps, 1);
    if (first->start <= address && address < first->limit) {
        return 1;
    }
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct mapping *m = maps_mapping(maps, middle);
        if (address < m->start) {
            high = middle;
        } else if (address >= m->limit) {
            low = middle + 1;
        } else {
            return middle;
        }
    }
    return 0;
}

/* ---- what has been unloaded ---- */

static bool add_text(struct maps *maps, const char *text, size_t n, size_t *at)
{
    *at = maps->text_used;
    if (!buffer_reserve(&maps->text, maps->text_used + n + 1)) {
        return false;
    }
    memcpy((char *)maps->text.at + *at, text, n);
    ((char *)maps->text.at)[*at + n] = '\0';
    maps->text_used += n + 1;
    return true;
}

static bool add_past_mapping(struct maps *maps, const struct past_code *code)
{
    struct mapping m = {.start = code->start, .limit = code->limit, .offset = code->offset};
    char id[2 * PAST_ID_MAX];
    for (size_t i = 0; i < code->build_id_bytes && i < PAST_ID_MAX; i++) {
        id[2 * i] = "0123456789abcdef"[code->build_id[i] >> 4];
        id[2 * i + 1] = "0123456789abcdef"[code->build_id[i] & 15];
    }
    if (!add_text(maps, code->file, strlen(code->file), &m.file) ||
        (code->build_id_bytes &&
         !add_text(maps, id, 2 * (size_t)code->build_id_bytes, &m.build_id)) ||
        !buffer_reserve(&maps->mappings, (maps->count + 1) * sizeof m)) {
        return false;
    }
    ((struct mapping *)maps->mappings.at)[maps->count++] = m;
    return true;
}

/* The id of the present mapping with the same place, file and build id; 0: there is none. */
static uint32_t still_there(const struct maps *maps, const struct past_code *code, size_t text)
{
    uint32_t id = maps_find(maps, code->start);
    const struct mapping *m = id ? maps_mapping(maps, id) : NULL;
    bool same = m && m->start == code->start && m->offset == code->offset &&
                strcmp(maps_text(maps, m->file), code->file) == 0 &&
                strcmp(maps_text(maps, m->build_id), text ? maps_text(maps, text) : "") == 0;
    return same ? id : 0;
}

bool maps_add_past(struct maps *maps, const struct past_code *code, size_t n)
{
    if (!buffer_reserve(&maps->past, n * sizeof(struct past))) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        size_t text_used = maps->text_used;
        if (!add_past_mapping(maps, &code[i])) {
            return false;
        }
        uint32_t id = still_there(maps, &code[i], maps_mapping(maps, maps->count)->build_id);
        if (id) { /* loaded again at the same place: that mapping serves, drop the one just added */
            maps->count--;
            maps->text_used = text_used;
        }
        ((struct past *)maps->past.at)[maps->past_count++] =
            (struct past){code[i].start, code[i].limit, code[i].module, id ? id : maps->count};
    }
    return true;
}

uint32_t maps_find_pc(const struct maps *maps, uintptr_t pc)
{
    uint32_t module = pc_module(pc);
    uintptr_t address = pc_address(pc) - 1;
    for (uint32_t i = 0; maps && i < maps->past_count; i++) {
        const struct past *p = (const struct past *)maps->past.at + i;
        if (p->start <= address && address < p->limit && (module == 0 || module == p->module)) {
            return p->id;
        }
    }
    return maps_find(maps, address);
}
