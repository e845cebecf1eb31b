/* SPDX-License-Identifier: MIT
 *
 * See merge.h: an open-addressed table of indices.
 */
#include "collectors/tables/merge.h"

#include "collectors/base/sys.h"

struct places {
    uint32_t *at; /* index + 1; 0 = free */
    size_t count; /* a power of two */
};

static bool places_open(struct places *p, size_t n)
{
    p->count = 64;
    while (p->count < 2 * n) {
        p->count *= 2;
    }
    p->at = sys_map(p->count * sizeof *p->at);
    return p->at != NULL;
}

static void places_close(struct places *p)
{
    sys_unmap(p->at, p->count * sizeof *p->at);
}

/* The place of a sample like s, or the free place where it would be. */
static uint32_t *place(const struct places *p, const struct snapshot_sample *sample,
                       const struct snapshot_sample *s)
{
    for (uint64_t i = merge_hash(s);; i++) {
        uint32_t *at = &p->at[i & (p->count - 1)];
        if (*at == 0 || merge_same(&sample[*at - 1], s)) {
            return at;
        }
    }
}

size_t merge_samples(struct snapshot_sample *sample, size_t n)
{
    struct places p;
    if (n < 2 || !places_open(&p, n)) {
        return n;
    }
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        struct snapshot_sample s = sample[i];
        uint32_t *at = place(&p, sample, &s);
        if (*at == 0) {
            sample[kept++] = s;
            *at = (uint32_t)kept;
            continue;
        }
        for (int v = 0; v < SNAPSHOT_VALUES; v++) {
            sample[*at - 1].value[v] += s.value[v];
        }
    }
    places_close(&p);
    return kept;
}

size_t merge_stacks(const struct snapshot_sample *sample, size_t n)
{
    struct places p;
    if (n < 2 || !places_open(&p, n)) {
        return n;
    }
    size_t stacks = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t h = merge_hash(&(struct snapshot_sample){.stack = sample[i].stack});
        uint32_t *at = &p.at[h & (p.count - 1)];
        while (*at != 0 && sample[*at - 1].stack != sample[i].stack) {
            at = &p.at[++h & (p.count - 1)];
        }
        stacks += *at == 0;
        *at = (uint32_t)i + 1;
    }
    places_close(&p);
    return stacks;
}
