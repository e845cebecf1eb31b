/* SPDX-License-Identifier: MIT
 *
 * See labels.h.
 */
#include "collectors/labels.h"

#include "collectors/base/arena.h"
#include "collectors/base/self.h"

#include <string.h>

static const struct labels *process_labels;

void labels_start(const struct labels *set)
{
    process_labels = set;
    self.labels = set;
}

const struct labels *labels_of_process(void)
{
    return process_labels;
}

static char *copy(const char *text, size_t n)
{
    char *at = arena_alloc(n + 1);
    if (at) {
        memcpy(at, text, n);
        at[n] = '\0';
    }
    return at;
}

/* Puts a pair where its key belongs. */
static void insert(struct labels *set, const char *key, const char *value)
{
    uint32_t at = 0;
    while (at < set->count && strcmp(set->label[at].key, key) < 0) {
        at++;
    }
    if (at == set->count || strcmp(set->label[at].key, key) != 0) {
        memmove(&set->label[at + 1], &set->label[at], (set->count - at) * sizeof set->label[0]);
        set->count++;
    }
    set->label[at] = (struct label){key, value};
}

bool labels_read(const char *text, const struct labels **set)
{
    size_t most = 1;
    for (const char *p = text; *p; p++) {
        most += *p == ',';
    }
    struct labels *made = arena_alloc(sizeof *made + most * sizeof made->label[0]);
    for (const char *p = text; made; p++) {
        size_t pair = strcspn(p, ",");
        size_t key = strcspn(p, "=,");
        if (key == 0 || key + 1 >= pair) {
            return false;
        }
        const char *k = copy(p, key);
        const char *v = copy(p + key + 1, pair - key - 1);
        if (!k || !v) {
            return false;
        }
        insert(made, k, v);
        p += pair;
        if (*p == '\0') {
            *set = made;
            return true;
        }
    }
    return false;
}
