/* SPDX-License-Identifier: MIT
 *
 * See table.h: a hash set of buckets. SIGNAL_SAFE.
 */
#include "collectors/tables/table.h"

#include "collectors/base/arena.h"
#include "collectors/base/hash.h"
#include "collectors/base/sys.h"

struct key {
    const struct stack *stack;
    const struct labels *labels;
    uint64_t key[2];
};

static bool bucket_equal(const void *node, const void *key)
{
    const struct bucket *b = node;
    const struct key *k = key;
    return b->stack == k->stack && b->labels == k->labels && b->key[0] == k->key[0] &&
           b->key[1] == k->key[1];
}

static void *bucket_make(const void *key)
{
    const struct key *k = key;
    struct bucket *b = arena_alloc(sizeof *b);
    if (b) {
        b->stack = k->stack;
        b->labels = k->labels;
        b->key[0] = k->key[0];
        b->key[1] = k->key[1];
    }
    return b;
}

static void *bucket_make_none(const void *key)
{
    (void)key;
    return NULL;
}

static uint64_t key_hash(const struct key *k)
{
    return hash_words((uintptr_t)k->stack + hash_high((uintptr_t)k->labels), k->key[0], k->key[1]);
}

struct bucket *table_bucket(struct table *t, const struct stack *stack, const struct labels *labels,
                            uint64_t key0, uint64_t key1)
{
    struct key k = {stack, labels, {key0, key1}};
    return hashset_find_or_add(&t->set, key_hash(&k), &k, bucket_equal, bucket_make);
}

struct bucket *table_find(struct table *t, const struct stack *stack, const struct labels *labels,
                          uint64_t key0, uint64_t key1)
{
    struct key k = {stack, labels, {key0, key1}};
    return hashset_find_or_add(&t->set, key_hash(&k), &k, bucket_equal, bucket_make_none);
}

struct filling {
    table_sample *sample;
    struct snapshot_sample *out;
    size_t n, cap;
};

static void add_sample(void *node, void *arg)
{
    struct filling *f = arg;
    if (f->n < f->cap && f->sample(node, &f->out[f->n])) {
        f->n++;
    }
}

size_t table_snapshot(const struct table *t, struct bucket *const *more, size_t n,
                      table_sample *sample, struct snapshot_sample **out, size_t *bytes)
{
    size_t cap = hashset_count(&t->set) + n + 1024; /* room for buckets made meanwhile */
    *bytes = cap * sizeof **out;
    *out = sys_map(*bytes);
    if (!*out) {
        return 0;
    }
    struct filling f = {sample, *out, 0, cap};
    for (size_t i = 0; i < n; i++) {
        add_sample(more[i], &f);
    }
    hashset_each(&t->set, add_sample, &f);
    return f.n;
}
