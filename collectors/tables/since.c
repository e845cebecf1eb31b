/* SPDX-License-Identifier: MIT
 *
 * See since.h.
 */
#include "collectors/tables/since.h"

#include "collectors/base/sys.h"

#include <errno.h>
#include <string.h>

struct since_profile {
    const void *profile;
    struct delta *values;
    int64_t duration; /* ns, the snapshot's own */
};

struct since_list {
    size_t room, count;
    struct since_profile at[]; /* in the order in which they turned up */
};

static size_t bytes_of(size_t room)
{
    return sizeof(struct since_list) + room * sizeof(struct since_profile);
}

static bool grow(struct since *s)
{
    enum { FIRST = 16 };
    struct since_list *old = s->list;
    size_t room = old ? 2 * old->room : FIRST;
    struct since_list *more = sys_map(bytes_of(room));
    if (!more) {
        return false;
    }
    more->room = room;
    if (old) {
        more->count = old->count;
        memcpy(more->at, old->at, old->count * sizeof *old->at);
    }
    STORE_RELEASE(&s->list, more);
    sys_unmap(old, old ? bytes_of(old->room) : 0);
    return true;
}

/* The profile's place, made if need be. False: no memory. */
static bool place_of(struct since *s, const void *profile, size_t *at)
{
    size_t count = s->list ? s->list->count : 0;
    size_t i = 0;
    while (i < count && s->list->at[i].profile != profile) {
        i++;
    }
    if (i == count) {
        if ((!s->list || count == s->list->room) && !grow(s)) {
            return false;
        }
        s->list->at[i] = (struct since_profile){.profile = profile};
        STORE_RELEASE(&s->list->count, count + 1);
    }
    *at = i;
    return true;
}

int since_begin(struct since_step *step, struct since *since, const void *profile,
                struct snapshot *snap)
{
    *step = (struct since_step){.since = since};
    if (!place_of(since, profile, &step->at)) {
        return -ENOMEM;
    }
    const struct since_profile *last = &since->list->at[step->at];
    long n = delta_make(last->values, snap->sample, snap->samples, snap->shape->states, &step->now,
                        &step->changed, &step->bytes);
    if (n < 0) {
        return (int)n;
    }
    step->duration = snap->duration_nanos;
    snap->sample = step->changed;
    snap->samples = (size_t)n;
    snap->duration_nanos -= last->duration;
    return 0;
}

void since_end(struct since_step *step, bool delivered)
{
    struct since_profile *last = &step->since->list->at[step->at];
    struct delta *over = step->now;
    sys_unmap(step->changed, step->bytes);
    if (delivered) {
        over = last->values;
        STORE_RELEASE(&last->values, step->now);
        last->duration = step->duration;
    }
    delta_free(over);
}

void since_forget(struct since *since)
{
    struct since_list *list = since->list;
    since->list = NULL;
    for (size_t i = 0; list && i < list->count; i++) {
        delta_free(list->at[i].values);
    }
    sys_unmap(list, list ? bytes_of(list->room) : 0);
}
