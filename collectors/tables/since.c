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
    struct delta values;
    int64_t duration; /* ns, the snapshot's own */
};

static bool grow(struct since *s)
{
    enum { FIRST = 16 };
    size_t room = s->room ? 2 * s->room : FIRST;
    struct since_profile *more = sys_map(room * sizeof *more);
    if (!more) {
        return false;
    }
    if (s->count) {
        memcpy(more, s->profile, s->count * sizeof *more);
    }
    sys_unmap(s->profile, s->room * sizeof *more);
    s->profile = more;
    s->room = room;
    return true;
}

/* The profile's place, made if need be; s->count: no memory. */
static size_t place_of(struct since *s, const void *profile)
{
    size_t i = 0;
    while (i < s->count && s->profile[i].profile != profile) {
        i++;
    }
    if (i == s->count && (s->count < s->room || grow(s))) {
        s->profile[s->count++] = (struct since_profile){.profile = profile};
    }
    return i;
}

int since_begin(struct since_step *step, struct since *since, const void *profile,
                struct snapshot *snap)
{
    *step = (struct since_step){.since = since, .at = place_of(since, profile)};
    if (step->at == since->count) {
        return -ENOMEM;
    }
    const struct since_profile *last = &since->profile[step->at];
    long n = delta_make(&last->values, snap->sample, snap->samples, &step->now, &step->changed,
                        &step->bytes);
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
    struct since_profile *last = &step->since->profile[step->at];
    sys_unmap(step->changed, step->bytes);
    delta_free(delivered ? &last->values : &step->now);
    if (delivered) {
        last->values = step->now;
        last->duration = step->duration;
    }
}

void since_forget(struct since *since)
{
    for (size_t i = 0; i < since->count; i++) {
        delta_free(&since->profile[i].values);
    }
    sys_unmap(since->profile, since->room * sizeof *since->profile);
    *since = (struct since){NULL, 0, 0};
}
