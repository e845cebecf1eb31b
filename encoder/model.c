/* SPDX-License-Identifier: MIT
 *
 * See model.h.
 */
#include "encoder/model.h"

#include "collectors/base/hash.h"
#include "encoder/maps.h"
#include "encoder/thread_label.h"

#include <errno.h>
#include <string.h>

bool model_open(struct model *m, const struct maps *maps)
{
    *m = (struct model){.maps = maps};
    if (ids_open(&m->strings) && ids_open(&m->locations)) {
        return true;
    }
    model_close(m);
    return false;
}

void model_close(struct model *m)
{
    ids_close(&m->strings);
    ids_close(&m->locations);
    buffer_free(&m->stack);
    buffer_free(&m->labels);
}

/* ---- strings ---- */

static uint64_t hash_text(const char *text)
{
    uint64_t h = HASH_FNV_BEGIN;
    for (; *text; text++) {
        h = hash_fnv(h, (unsigned char)*text);
    }
    return h;
}

uint32_t model_string(struct model *m, const char *text)
{
    if (!text || !*text) {
        return 0; /* string_table[0] */
    }
    /* If two texts have the same hash, the second is kept under the next key that is free. */
    for (uint64_t key = hash_text(text);; key++) {
        uint32_t id = ids_of(&m->strings, key, (uintptr_t)text);
        if (id == 0) {
            m->error = -ENOMEM;
            return 0;
        }
        if (strcmp(model_string_at(m, id), text) == 0) {
            return id;
        }
    }
}

uint32_t model_strings(const struct model *m)
{
    return m->strings.count;
}

const char *model_string_at(const struct model *m, uint32_t id)
{
    return id == 0 ? "" : (const char *)(uintptr_t)ids_item(&m->strings, id); /* NOLINT */
}

/* ---- samples ---- */

static bool has_value(const struct profile_shape *shape, const struct snapshot_sample *sample)
{
    for (int i = 0; i < shape->values; i++) {
        if (sample->value[i] != 0) {
            return true;
        }
    }
    return false;
}

static void add_labels(struct model *m, const struct snapshot_sample *sample,
                       struct model_sample *out)
{
    uint32_t set = sample->labels ? sample->labels->count : 0;
    if (!buffer_reserve(&m->labels, (set + 3) * sizeof(struct model_label))) {
        m->error = -ENOMEM;
        return;
    }
    struct model_label *label = m->labels.at;
    out->label = label;
    for (uint32_t i = 0; i < set; i++) {
        const struct label *l = &sample->labels->label[i];
        label[out->labels++] =
            (struct model_label){.key = model_string(m, l->key), .str = model_string(m, l->value)};
    }
    if (sample->bytes_label) {
        label[out->labels++] = (struct model_label){.key = model_string(m, "bytes"),
                                                    .num = (int64_t)sample->bytes_label};
    }
    const char *name = thread_label(sample);
    if (name) {
        label[out->labels++] =
            (struct model_label){.key = model_string(m, "thread"), .str = model_string(m, name)};
    }
    if (sample->thread && sample->thread->tid) {
        label[out->labels++] =
            (struct model_label){.key = model_string(m, "tid"), .num = sample->thread->tid};
    }
}

bool model_sample(struct model *m, const struct profile_shape *shape,
                  const struct snapshot_sample *sample, struct model_sample *out)
{
    if (!has_value(shape, sample) || m->error != 0) {
        return false;
    }
    const struct stack *stack = sample->stack;
    uint32_t depth = stack ? stack->depth : 0;
    if (!buffer_reserve(&m->stack, depth * sizeof(uint32_t))) {
        m->error = -ENOMEM;
        return false;
    }
    uint32_t *location = m->stack.at;
    for (uint32_t i = 0; i < depth; i++) {
        location[i] = ids_of(&m->locations, stack->pc[i], stack->pc[i]);
        if (UNLIKELY(location[i] == 0)) {
            m->error = -ENOMEM;
            return false;
        }
    }
    *out = (struct model_sample){
        .location = location, .depth = depth, .values = shape->values, .value = sample->value};
    add_labels(m, sample, out);
    return m->error == 0;
}

/* ---- locations ---- */

uint32_t model_locations(const struct model *m)
{
    return m->locations.count;
}

struct model_location model_location(struct model *m, uint32_t id)
{
    uint64_t pc = ids_item(&m->locations, id);
    if (pc < PSEUDO_PC_LIMIT) {
        /* Some viewers drop the samples of a location without a name, so every pseudo frame gets
         * one. */
        const char *name = pseudo_name(pc);
        return (struct model_location){.id = id,
                                       .address = pc,
                                       .function = ++m->functions,
                                       .function_name = model_string(m, name ? name : "[unknown]")};
    }
    return (struct model_location){
        .id = id, .address = pc_address(pc) - 1, .mapping = maps_find_pc(m->maps, pc)};
}

/* ---- mappings ---- */

uint32_t model_mappings(const struct model *m)
{
    return maps_count(m->maps);
}

struct model_mapping model_mapping(struct model *m, uint32_t id)
{
    const struct mapping *at = maps_mapping(m->maps, id);
    return (struct model_mapping){.id = id,
                                  .start = at->start,
                                  .limit = at->limit,
                                  .offset = at->offset,
                                  .file = model_string(m, maps_text(m->maps, at->file)),
                                  .build_id = model_string(m, maps_text(m->maps, at->build_id))};
}
