/* SPDX-License-Identifier: MIT
 *
 * See render.h.
 */
#include "preload/output/render.h"

#include "collectors/base/sys.h"
#include "collectors/custom.h"
#include "collectors/threads/allthreads.h"
#include "encoder/text_samples.h"
#include "encoder/text_threads.h"

static bool count_one(const struct kind *k, void *arg)
{
    (void)k;
    ++*(size_t *)arg;
    return true;
}

struct listing {
    const struct kind **list;
    size_t from; /* the array is filled from its end, for custom_each() begins with the newest */
    bool full;   /* the program has made another profile since they were counted */
};

static bool list_one(const struct kind *k, void *arg)
{
    struct listing *l = arg;
    l->full = l->from == kinds_count;
    if (!l->full) {
        l->list[--l->from] = k;
    }
    return !l->full;
}

const struct kind **render_list(size_t *n)
{
    struct listing l = {NULL, 0, false};
    do {
        size_t customs = 0;
        custom_each(count_one, &customs);
        *n = kinds_count + customs;
        l.list = sys_map(*n * sizeof *l.list);
        l.from = *n;
        l.full = false;
        if (!l.list) {
            *n = 0;
            return NULL;
        }
        custom_each(list_one, &l);
        if (l.full) {
            render_list_free(l.list, *n);
        }
    } while (l.full);
    for (size_t i = 0; i < kinds_count; i++) {
        l.list[i] = &kinds[i];
    }
    return l.list;
}

void render_list_free(const struct kind **list, size_t n)
{
    sys_unmap((void *)(uintptr_t)list, n * sizeof *list);
}

void render_open(struct rendering *p, const struct kind *k, const struct render_moment *m)
{
    *p = (struct rendering){.snap = {.shape = &k->shape, .period = k->period()}};
    p->snap.time_nanos = m->time_nanos;
    p->snap.duration_nanos = k->duration ? k->duration() : 0;
    p->snap.samples = kind_snapshot(k, m->threads, &p->samples, &p->bytes);
    p->snap.sample = p->samples;
    if (k->needs & NEEDS_THREADS) {
        p->snap.thread = allthreads_list(m->threads, &p->snap.threads);
    }
}

void render_close(struct rendering *p)
{
    sys_unmap(p->samples, p->bytes);
}

int render_encode(const struct snapshot *snap, enum form form, const struct render_moment *m,
                  const struct byte_sink *sink)
{
    switch (form) {
    case FORM_DEBUG1:
        return text_samples_write(snap, m->maps, sink);
    case FORM_DEBUG2:
        return text_threads_write(snap, m->maps, sink);
    default:
        return encode(snap, m->maps, sink);
    }
}
