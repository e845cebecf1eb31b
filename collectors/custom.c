/* SPDX-License-Identifier: MIT
 *
 * See custom.h. Each profile has two structures: the entries, key → bucket, in shards with a lock
 * each; and the buckets, one for each stack, with how many entries were ever added and removed,
 * which the scribe reads while the program goes on.
 *
 * A shard is an open-addressed table. A slot changes from free to an entry, from there to REMOVED,
 * and back to an entry, each time by one store of its bucket. So a fork at any instant finds every
 * slot valid; only the counts may be wrong, and the child counts anew.
 */
#include "collectors/custom.h"

#include "collectors/base/arena.h"
#include "collectors/base/hash.h"
#include "collectors/base/lock_wait.h"
#include "collectors/base/text.h"
#include "collectors/stacks/stack.h"
#include "collectors/tables/table.h"

#include <errno.h>
#include <string.h>

enum {
    SHARDS = 64,
    SHARD_FIRST = 64, /* slots; a power of two */
    ADDED = 0,        /* value[] of a bucket */
    REMOVED_COUNT = 1,
};

struct entry {
    uintptr_t key;
    struct bucket *bucket; /* NULL = free; REMOVED: a search goes on behind this slot */
};
#define REMOVED ((struct bucket *)1)

struct slots {
    uint64_t count; /* a power of two */
    struct entry at[];
};

struct shard {
    struct lock lock;
    uint32_t used; /* slots that are not free: entries, and REMOVED ones */
    uint32_t entries;
    struct slots *slots; /* NULL = none yet; swapped as a whole */
} __attribute__((aligned(CACHE_LINE)));

struct custom {
    struct kind kind; /* first, so that profile_of() can cast */
    struct custom *older;
    struct table table;
    struct shard shard[SHARDS];
};

static struct custom *newest;

/* ---- profiles ---- */

static const struct kind *find(const struct custom *from, const char *name)
{
    for (const struct custom *c = from; c; c = c->older) {
        if (strcmp(c->kind.name, name) == 0) {
            return &c->kind;
        }
    }
    return NULL;
}

static int64_t period_one(void)
{
    return 1;
}

static struct custom *profile_new(const char *name)
{
    size_t bytes = strlen(name) + 1;
    struct custom *c = sys_map(sizeof *c);
    char *names = arena_alloc(2 * bytes);
    if (!c || !names) {
        sys_unmap(c, sizeof *c);
        return NULL;
    }
    char *shown = names + bytes; /* the name as valid UTF-8, which readers of profiles insist on */
    memcpy(names, name, bytes);
    memcpy(shown, name, bytes);
    text_make_utf8(shown, bytes - 1);
    const struct value_type type = {shown, "count"};
    c->kind = (struct kind){.name = names,
                            .shape = {.name = shown,
                                      .sample_type = {type},
                                      .values = 1,
                                      .states = 1,
                                      .period_type = type,
                                      .default_sample_type = shown},
                            .period = period_one,
                            .enabled = true};
    return c;
}

int custom_new(const char *name, const struct kind **made)
{
    struct custom *c = NULL;
    int err = find(LOAD_ACQUIRE(&newest), name) ? -EEXIST : 0;
    if (err == 0) {
        c = profile_new(name);
        err = c ? 0 : -ENOMEM;
    }
    if (err) {
        return err;
    }
    struct custom *before = LOAD_ACQUIRE(&newest);
    do {
        c->older = before;
        if (find(before, name)) {
            sys_unmap(c, sizeof *c);
            return -EEXIST;
        }
    } while (!CAS(&newest, &before, c));
    *made = &c->kind;
    return 0;
}

void custom_each(bool (*visit)(const struct kind *k, void *arg), void *arg)
{
    for (const struct custom *c = LOAD_ACQUIRE(&newest); c && visit(&c->kind, arg); c = c->older) {
    }
}

bool custom_is(const struct kind *k)
{
    const struct custom *c = LOAD_ACQUIRE(&newest);
    while (c && &c->kind != k) {
        c = c->older;
    }
    return c != NULL;
}

/* ---- entries ---- */

static struct custom *profile_of(const struct kind *k)
{
    return (struct custom *)(uintptr_t)k; /* NOLINT: its first member */
}

static uint64_t hash_of(uintptr_t key)
{
    uint64_t h = hash_high(key);
    return h ^ h >> 32;
}

static uint64_t shard_lock(struct shard *s)
{
    uint64_t mask = sys_block_signals(); /* a signal handler of the program may use this shard */
    lock_take(&s->lock, LOCK_CUSTOM);
    return mask;
}

static void shard_unlock(struct shard *s, uint64_t mask)
{
    lock_drop(&s->lock);
    sys_restore_signals(mask);
}

static struct shard *shard_of(struct custom *c, uintptr_t key)
{
    return &c->shard[hash_of(key) >> 58]; /* 64 shards: the topmost 6 bits */
}
_Static_assert(SHARDS == 64, "the shift in shard_of");

/* The slot of the key, or NULL. *room: the first slot that could take it; NULL where there is none.
 */
static struct entry *slot_find(struct shard *s, uintptr_t key, struct entry **room)
{
    *room = NULL;
    for (uint64_t i = hash_of(key); s->slots; i++) {
        struct entry *e = &s->slots->at[i & (s->slots->count - 1)];
        if (!e->bucket) {
            *room = *room ? *room : e;
            return NULL;
        }
        if (e->bucket == REMOVED) {
            *room = *room ? *room : e;
        } else if (e->key == key) {
            return e;
        }
    }
    return NULL;
}

static bool is_entry(const struct entry *e)
{
    return e->bucket && e->bucket != REMOVED;
}

static size_t slots_bytes(uint64_t count)
{
    return sizeof(struct slots) + count * sizeof(struct entry);
}

/* Makes room for one more entry: copies the entries into a new table, which is larger, or as large
 * without the removed slots. False: no memory. */
static bool shard_rebuild(struct shard *s)
{
    struct slots *old = s->slots;
    uint64_t count = SHARD_FIRST;
    while (count < 4 * ((uint64_t)s->entries + 1)) {
        count *= 2;
    }
    struct slots *fresh = sys_map(slots_bytes(count));
    if (!fresh) {
        return false;
    }
    fresh->count = count;
    for (uint64_t i = 0; old && i < old->count; i++) {
        if (is_entry(&old->at[i])) {
            uint64_t at = hash_of(old->at[i].key);
            while (fresh->at[at & (count - 1)].bucket) {
                at++;
            }
            fresh->at[at & (count - 1)] = old->at[i];
        }
    }
    STORE_RELEASE(&s->slots, fresh);
    s->used = s->entries;
    if (old) {
        sys_unmap(old, slots_bytes(old->count));
    }
    return true;
}

static int shard_add(struct shard *s, uintptr_t key, struct bucket *b)
{
    struct entry *room;
    if (slot_find(s, key, &room)) {
        return -EEXIST;
    }
    if (!room || (!room->bucket && s->used + 1 > s->slots->count / 4 * 3)) {
        if (!shard_rebuild(s)) {
            return -ENOMEM;
        }
        slot_find(s, key, &room);
    }
    s->used += !room->bucket;
    room->key = key;
    STORE_RELEASE(&room->bucket, b);
    s->entries++;
    return 0;
}

int custom_add(const struct kind *k, const void *key, const struct stack *stack)
{
    struct custom *c = profile_of(k);
    struct bucket *b = stack ? table_bucket(&c->table, stack, NULL, 0, 0) : NULL;
    if (!b) {
        return -ENOMEM;
    }
    struct shard *s = shard_of(c, (uintptr_t)key);
    uint64_t mask = shard_lock(s);
    int err = shard_add(s, (uintptr_t)key, b);
    if (err == 0) {
        ADD(&b->value[ADDED], 1);
    }
    shard_unlock(s, mask);
    return err;
}

void custom_remove(const struct kind *k, const void *key)
{
    struct shard *s = shard_of(profile_of(k), (uintptr_t)key);
    struct entry *room;
    uint64_t mask = shard_lock(s);
    struct entry *e = slot_find(s, (uintptr_t)key, &room);
    if (e) {
        ADD(&e->bucket->value[REMOVED_COUNT], 1);
        STORE_RELEASE(&e->bucket, REMOVED);
        s->entries--;
    }
    shard_unlock(s, mask);
}

long custom_count(const struct kind *k)
{
    struct custom *c = profile_of(k);
    long sum = 0;
    for (int i = 0; i < SHARDS; i++) {
        sum += LOAD(&c->shard[i].entries);
    }
    return sum;
}

/* ---- reading ---- */

static bool bucket_sample(const struct bucket *b, struct snapshot_sample *out)
{
    uint64_t removed = LOAD_ACQUIRE(&b->value[REMOVED_COUNT]); /* before added: never below 0 */
    uint64_t added = LOAD_ACQUIRE(&b->value[ADDED]);
    *out = (struct snapshot_sample){.stack = b->stack, .value = {(int64_t)(added - removed)}};
    return added != removed;
}

size_t custom_snapshot(const struct kind *k, struct snapshot_sample **out, size_t *bytes)
{
    return table_snapshot(&profile_of(k)->table, NULL, 0, bucket_sample, out, bytes);
}

/* ---- fork ---- */

static void forget(void *node, void *arg)
{
    struct bucket *b = node;
    (void)arg;
    b->value[ADDED] = b->value[REMOVED_COUNT] = 0;
}

/* Threads of the parent were changing shards: computes all counts from the entries. */
static void mend(struct custom *c)
{
    hashset_each(&c->table.set, forget, NULL);
    for (int i = 0; i < SHARDS; i++) {
        struct shard *s = &c->shard[i];
        lock_drop(&s->lock);
        s->used = s->entries = 0;
        for (uint64_t n = 0; s->slots && n < s->slots->count; n++) {
            struct entry *e = &s->slots->at[n];
            s->used += e->bucket != NULL;
            if (is_entry(e)) {
                s->entries++;
                e->bucket->value[ADDED]++;
            }
        }
    }
}

void custom_fork_child(void)
{
    for (struct custom *c = newest; c; c = c->older) {
        bool caught = false;
        for (int i = 0; i < SHARDS; i++) {
            caught |= LOAD(&c->shard[i].lock.taken) != 0;
        }
        if (caught) {
            mend(c);
        }
    }
}
