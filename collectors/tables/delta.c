/* SPDX-License-Identifier: MIT
 *
 * See delta.h.
 */
#include "collectors/tables/delta.h"

#include "collectors/base/hash.h"
#include "collectors/base/sys.h"

#include <errno.h>

static uint64_t hash_of(const struct snapshot_sample *s)
{
    return hash_words((uintptr_t)s->stack, s->bytes_label, (uintptr_t)s->labels);
}

/* The slot of a sample with these stack, bytes and labels, or the free slot where one would be put;
 * NULL in an empty delta. */
static struct snapshot_sample *find(const struct delta *d, const struct snapshot_sample *s)
{
    for (size_t i = hash_of(s); d->slots; i++) {
        struct snapshot_sample *at = &d->slot[i & (d->slots - 1)];
        if (!at->stack || (at->stack == s->stack && at->bytes_label == s->bytes_label &&
                           at->labels == s->labels)) {
            return at;
        }
    }
    return NULL;
}

static size_t count(const struct delta *d)
{
    size_t n = 0;
    for (size_t i = 0; i < d->slots; i++) {
        n += d->slot[i].stack != NULL;
    }
    return n;
}

/* Adds a sample to that of the same stack, bytes and labels: two threads that count a new stack at
 * the same time can make two buckets of it. */
static void add(struct delta *d, const struct snapshot_sample *s)
{
    struct snapshot_sample *at = find(d, s);
    if (!at->stack) {
        *at = *s;
        return;
    }
    for (int i = 0; i < SNAPSHOT_VALUES; i++) {
        at->value[i] += s->value[i];
    }
}

/* *out = now − before, value by value; before may be NULL or a free slot. False: no value differs.
 */
static bool differs(const struct snapshot_sample *now, const struct snapshot_sample *before,
                    struct snapshot_sample *out)
{
    bool changed = false;
    *out = *now;
    for (int i = 0; i < SNAPSHOT_VALUES; i++) {
        out->value[i] -= before && before->stack ? before->value[i] : 0;
        changed |= out->value[i] != 0;
    }
    return changed;
}

long delta_make(const struct delta *before, const struct snapshot_sample *samples, size_t n,
                struct delta *now, struct snapshot_sample **changed, size_t *bytes)
{
    size_t slots = 64;
    while (slots < 2 * n) {
        slots *= 2;
    }
    *now = (struct delta){sys_map(slots * sizeof *now->slot), slots};
    *bytes = (n + count(before) + 1) * sizeof **changed;
    *changed = sys_map(*bytes);
    if (!now->slot || !*changed) {
        now->slots = now->slot ? slots : 0;
        delta_free(now);
        sys_unmap(*changed, *bytes);
        *changed = NULL;
        return -ENOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        if (samples[i].stack) {
            add(now, &samples[i]);
        }
    }
    long made = 0;
    for (size_t i = 0; i < now->slots; i++) {
        const struct snapshot_sample *s = &now->slot[i];
        made += s->stack && differs(s, find(before, s), &(*changed)[made]);
    }
    /* A sample whose values have all become 0 is missing now: it changed by what it was before. */
    static const struct snapshot_sample none;
    for (size_t i = 0; i < before->slots; i++) {
        struct snapshot_sample gone = before->slot[i];
        if (gone.stack && !find(now, &gone)->stack) {
            for (int v = 0; v < SNAPSHOT_VALUES; v++) {
                gone.value[v] = -gone.value[v];
            }
            made += differs(&gone, &none, &(*changed)[made]);
        }
    }
    return made;
}

void delta_free(struct delta *d)
{
    if (d->slots) {
        sys_unmap(d->slot, d->slots * sizeof *d->slot);
    }
    *d = (struct delta){NULL, 0};
}
