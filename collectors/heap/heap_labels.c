/* SPDX-License-Identifier: MIT
 *
 * See heap_labels.h.
 */
#include "collectors/heap/heap_labels.h"

#include "collectors/threads/labels.h"

static bool wanted;
static const struct labels *no_room; /* instead of labels beyond the bound */
static uint64_t made;                /* buckets with labels */

void heap_labels_start(bool on)
{
    wanted = on && labels_read("labels=[lost: no room]", &no_room);
}

static bool is_full(void)
{
    return LOAD(&made) >= HEAP_LABELS_MAX;
}

const struct labels *heap_labels_here(void)
{
    if (LIKELY(!wanted)) {
        return NULL;
    }
    const struct labels *carried = labels_of_self();
    const struct labels *kept = is_full() ? labels_kept(carried) : labels_keep(carried);
    if (!kept && carried && carried->count > 0) {
        kept = no_room;
    }
    labels_unref(carried);
    return kept;
}

const struct labels *heap_labels_of_new(const struct labels *l)
{
    if (l == no_room || is_full()) {
        return no_room;
    }
    ADD(&made, 1);
    return l;
}
