/* SPDX-License-Identifier: MIT
 *
 * See labels.h. SIGNAL_SAFE, but for labels_start() and labels_read().
 */
#include "collectors/threads/labels.h"

#include "collectors/base/arena.h"
#include "collectors/base/hash.h"
#include "collectors/base/sys.h"
#include "collectors/base/text.h"
#include "collectors/tables/hashset.h"
#include "collectors/threads/threads.h"

#include <string.h>

static const struct labels *process_labels;
static struct hashset kept;

/* ---- the hot path ---- */

/* Programs go to and fro between two sets, or between one set and none. So self.spare keeps the
 * reference to the set that the thread carried before, and coming back to that set changes no
 * count. A handler of the program may do the same in the middle of this function: because both
 * fields are swapped, each reference that was put in comes out exactly once. */
void labels_carry(const struct labels *l)
{
    const struct labels *spare = arch_swap_own((void *)&self.spare, NULL);
    if (UNLIKELY(spare != l)) {
        labels_ref(l);
        labels_unref(spare);
    }
    const struct labels *before = arch_swap_own((void *)&self.labels, l);
    if (LIKELY(self.thread)) {
        STORE_RELEASE(&self.thread->labels, self.labels);
    }
    labels_unref(arch_swap_own((void *)&self.spare, before));
}

void labels_drop(void)
{
    labels_carry(NULL);
    labels_carry(NULL);
}

static const struct labels *hold(const struct labels *const *at)
{
    for (int tries = 0; tries < 16; tries++) {
        const struct labels *l = LOAD_ACQUIRE(at);
        if (!l) {
            break;
        }
        uint32_t *refs = &labels_set_of(l)->block.refs;
        uint32_t seen = LOAD(refs);
        while (seen != 0 && !CAS(refs, &seen, seen + 1)) {
        }
        if (seen != 0 && LOAD_ACQUIRE(at) == l) {
            return l;
        }
        if (seen != 0) { /* the set was freed meanwhile, and its block perhaps used again */
            labels_unref(l);
        }
    }
    return NULL;
}

const struct labels *labels_of_thread(struct thread *t)
{
    return hold(&t->labels);
}

const struct labels *labels_of_self(void)
{
    const struct labels *l = hold(&self.labels);
    return l || self.thread ? l : labels_ref(process_labels);
}

/* ---- making ---- */

static struct labels_set *set_new(size_t pairs, size_t text, bool for_ever)
{
    size_t bytes = sizeof(struct labels_set) + pairs * sizeof(struct label) + text;
    if (pairs > LABELS_BYTES_MAX || text > LABELS_BYTES_MAX) {
        return NULL;
    }
    struct labels_set *s =
        for_ever ? arena_alloc(bytes) : (struct labels_set *)(void *)labels_pool_take(bytes);
    if (s) {
        s->kept = for_ever ? &s->labels : NULL;
        s->labels.count = 0;
        STORE_RELEASE(&s->block.refs, for_ever ? 1u << 30 : 1);
    }
    return s;
}

/* Puts a pair where its key belongs. */
static void insert(struct labels *set, const char *key, const char *value)
{
    uint32_t at = set->count; /* most pairs come in order */
    while (at > 0 && strcmp(set->label[at - 1].key, key) >= 0) {
        at--;
    }
    if (at == set->count || strcmp(set->label[at].key, key) != 0) {
        memmove(&set->label[at + 1], &set->label[at], (set->count - at) * sizeof set->label[0]);
        set->count++;
    }
    set->label[at] = (struct label){key, value};
}

static char *put_text(char **room, const char *text, size_t n)
{
    char *at = *room;
    memcpy(at, text, n);
    at[n] = '\0';
    text_make_utf8(at, n);
    *room += n + 1;
    return at;
}

static const struct labels *set_of_pairs(const struct label *pair, size_t n, bool for_ever)
{
    size_t text = 0;
    for (size_t i = 0; i < n; i++) {
        text += strlen(pair[i].key) + strlen(pair[i].value) + 2;
    }
    struct labels_set *s = set_new(n, text, for_ever);
    if (!s) {
        return NULL;
    }
    char *room = (char *)&s->labels.label[n];
    for (size_t i = 0; i < n; i++) {
        const char *key = put_text(&room, pair[i].key, strlen(pair[i].key));
        insert(&s->labels, key, put_text(&room, pair[i].value, strlen(pair[i].value)));
    }
    return &s->labels;
}

const struct labels *labels_new(const struct label *pair, size_t n)
{
    return set_of_pairs(pair, n, false);
}

static size_t text_bytes(const struct labels *l)
{
    size_t bytes = 0;
    for (uint32_t i = 0; l && i < l->count; i++) {
        bytes += strlen(l->label[i].key) + strlen(l->label[i].value) + 2;
    }
    return bytes;
}

static void append(struct labels *to, char **room, const struct label *pair)
{
    char *key = put_text(room, pair->key, strlen(pair->key));
    char *value = put_text(room, pair->value, strlen(pair->value));
    to->label[to->count++] = (struct label){key, value};
}

const struct labels *labels_merged(const struct labels *under, const struct labels *over)
{
    size_t pairs = (under ? under->count : 0) + (over ? over->count : 0);
    struct labels_set *s = set_new(pairs, text_bytes(under) + text_bytes(over), false);
    if (!s) {
        return NULL;
    }
    char *room = (char *)&s->labels.label[pairs];
    uint32_t u = 0;
    for (uint32_t o = 0; over && o < over->count; o++) {
        int order = -1;
        while (under && u < under->count &&
               (order = strcmp(under->label[u].key, over->label[o].key)) < 0) {
            append(&s->labels, &room, &under->label[u++]);
        }
        u += under && u < under->count && order == 0;
        append(&s->labels, &room, &over->label[o]);
    }
    while (under && u < under->count) {
        append(&s->labels, &room, &under->label[u++]);
    }
    return &s->labels;
}

const char *labels_value(const struct labels *l, const char *key)
{
    for (uint32_t i = 0; l && i < l->count; i++) {
        if (strcmp(l->label[i].key, key) == 0) {
            return l->label[i].value;
        }
    }
    return NULL;
}

/* ---- keeping ---- */

static bool labels_equal(const void *node, const void *key)
{
    const struct labels *a = node;
    const struct labels *b = key;
    for (uint32_t i = 0; a->count == b->count && i < a->count; i++) {
        if (strcmp(a->label[i].key, b->label[i].key) != 0 ||
            strcmp(a->label[i].value, b->label[i].value) != 0) {
            return false;
        }
    }
    return a->count == b->count;
}

static void *labels_copy(const void *key)
{
    const struct labels *l = key;
    return (void *)(uintptr_t)set_of_pairs(l->label, l->count, true); /* NOLINT: a node */
}

/* Over the text and the zero byte that ends it. */
static uint64_t hash_text(uint64_t h, const char *text)
{
    do {
        h = hash_fnv(h, (unsigned char)*text);
    } while (*text++);
    return h;
}

static void *copy_none(const void *key)
{
    (void)key;
    return NULL;
}

static inline __attribute__((always_inline)) const struct labels *
find_kept(const struct labels *l, void *(*make)(const void *key))
{
    if (!l || l->count == 0) {
        return NULL;
    }
    const struct labels **copy = &labels_set_of(l)->kept;
    const struct labels *found = LOAD_ACQUIRE(copy);
    if (found) {
        return found;
    }
    uint64_t h = HASH_FNV_BEGIN;
    for (uint32_t i = 0; i < l->count; i++) {
        h = hash_text(hash_text(h, l->label[i].key), l->label[i].value);
    }
    h = hash_high(h); /* the hash set uses the low bits and the highest ones */
    h ^= h >> 32;
    found = hashset_find_or_add(&kept, h, l, labels_equal, make);
    if (found) {
        STORE_RELEASE(copy, found);
    }
    return found;
}

const struct labels *labels_keep(const struct labels *l)
{
    return find_kept(l, labels_copy);
}

const struct labels *labels_kept(const struct labels *l)
{
    return find_kept(l, copy_none);
}

/* ---- PPROF_LABELS ---- */

void labels_start(const struct labels *set)
{
    process_labels = set;
    labels_carry(set);
}

const struct labels *labels_of_process(void)
{
    return process_labels;
}

bool labels_read(const char *text, const struct labels **set)
{
    size_t most = 1;
    for (const char *p = text; *p; p++) {
        most += *p == ',';
    }
    struct labels_set *made = set_new(most, 2 * (strlen(text) + 1), true);
    char *room = made ? (char *)&made->labels.label[most] : NULL;
    for (const char *p = text; made; p++) {
        size_t pair = strcspn(p, ",");
        size_t key = strcspn(p, "=,");
        if (key == 0 || key + 1 >= pair) {
            return false;
        }
        const char *k = put_text(&room, p, key);
        insert(&made->labels, k, put_text(&room, p + key + 1, pair - key - 1));
        p += pair;
        if (*p == '\0') {
            *set = &made->labels;
            return true;
        }
    }
    return false;
}
