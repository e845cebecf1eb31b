/* SPDX-License-Identifier: MIT
 *
 * See delta.h.
 */
#include "collectors/tables/delta.h"

#include "collectors/base/sys.h"
#include "collectors/tables/merge.h"

#include <errno.h>

static size_t bytes_of(size_t slots)
{
    return sizeof(struct delta) + slots * sizeof(struct snapshot_sample);
}

static struct delta *make(size_t samples)
{
    size_t slots = 64;
    while (slots < 2 * samples) {
        slots *= 2;
    }
    struct delta *d = sys_map(bytes_of(slots));
    if (d) {
        d->slots = slots;
    }
    return d;
}

/* The index of the sample that differs in values alone, or of the free slot where it would be. */
static size_t find(const struct delta *d, const struct snapshot_sample *s)
{
    for (size_t i = merge_hash(s);; i++) {
        const struct snapshot_sample *at = &d->slot[i & (d->slots - 1)];
        if (!at->stack || merge_same(at, s)) {
            return i & (d->slots - 1);
        }
    }
}

static size_t count(const struct delta *d)
{
    size_t n = 0;
    for (size_t i = 0; d && i < d->slots; i++) {
        n += d->slot[i].stack != NULL;
    }
    return n;
}

/* Adds a sample to one that differs in values alone: two threads that count a new stack at the same
 * time can make two buckets of it. */
static void add(struct delta *d, const struct snapshot_sample *s)
{
    struct snapshot_sample *at = &d->slot[find(d, s)];
    if (!at->stack) {
        *at = *s;
        return;
    }
    for (int i = 0; i < SNAPSHOT_VALUES; i++) {
        at->value[i] += s->value[i];
    }
}

/* *out = what is to be told of a sample. *now: its values, which become all that was told. told:
 * what was told before, or a free slot. False: there is nothing to tell. */
static bool differs(struct snapshot_sample *now, const struct snapshot_sample *told,
                    unsigned states, struct snapshot_sample *out)
{
    bool any = false;
    *out = *now;
    for (int i = 0; i < SNAPSHOT_VALUES; i++) {
        if (!(states & 1U << i)) {
            now->value[i] = now->value[i] > told->value[i] ? now->value[i] : told->value[i];
            out->value[i] = now->value[i] - told->value[i];
        }
        any |= out->value[i] != 0;
    }
    return any;
}

/* A sample that is missing now, because its values have all become 0: what was told of it stays
 * told. */
static void keep_told(struct delta *now, const struct snapshot_sample *told, unsigned states)
{
    struct snapshot_sample *at = &now->slot[find(now, told)];
    if (!at->stack) {
        *at = *told;
        for (int i = 0; i < SNAPSHOT_VALUES; i++) {
            at->value[i] = states & 1U << i ? 0 : told->value[i];
        }
    }
}

static bool counts_events(const struct snapshot_sample *s, unsigned states)
{
    for (int i = 0; i < SNAPSHOT_VALUES; i++) {
        if (s->value[i] != 0 && !(states & 1U << i)) {
            return true;
        }
    }
    return false;
}

long delta_make(const struct delta *before, const struct snapshot_sample *samples, size_t n,
                unsigned states, struct delta **now, struct snapshot_sample **changed,
                size_t *bytes)
{
    static const struct snapshot_sample nothing;
    struct delta *d = make(n + count(before));
    *bytes = (n + 1) * sizeof **changed;
    *changed = sys_map(*bytes);
    *now = d;
    if (!d || !*changed) {
        delta_free(d);
        sys_unmap(*changed, *bytes);
        *changed = NULL;
        return -ENOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        if (samples[i].stack) {
            add(d, &samples[i]);
        }
    }
    long made = 0;
    for (size_t i = 0; i < d->slots; i++) {
        struct snapshot_sample *s = &d->slot[i];
        if (s->stack) {
            const struct snapshot_sample *told = before ? &before->slot[find(before, s)] : &nothing;
            made += differs(s, told, states, &(*changed)[made]);
        }
    }
    for (size_t i = 0; before && i < before->slots; i++) {
        const struct snapshot_sample *told = &before->slot[i];
        if (told->stack && counts_events(told, states)) {
            keep_told(d, told, states);
        }
    }
    return made;
}

void delta_free(struct delta *d)
{
    if (d) {
        sys_unmap(d, bytes_of(d->slots));
    }
}
