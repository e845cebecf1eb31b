/* SPDX-License-Identifier: MIT
 *
 * See request.h.
 */
#include "preload/output/request.h"

#include "collectors/base/log.h"
#include "collectors/base/sys.h"
#include "collectors/cpu/cpu.h"
#include "collectors/stacks/unloaded.h"
#include "collectors/threads/allthreads.h"
#include "encoder/maps.h"

#include <errno.h>
#include <sys/auxv.h>

/* ---- where all threads are ---- */

bool request_needs_threads(const struct request *r)
{
    if (!r->kinds) {
        return kinds_need(NEEDS_THREADS);
    }
    for (size_t i = 0; i < r->count; i++) {
        if (r->kinds[i]->enabled && r->kinds[i]->needs & NEEDS_THREADS) {
            return true;
        }
    }
    return false;
}

struct allthreads *request_take_threads(const struct request *r, int pid, int how,
                                        const struct stack *caller)
{
    how |= r->forms & 1U << FORM_DEBUG2 ? ALLTHREADS_DETAIL : 0;
    return allthreads_take(pid, how, caller);
}

/* ---- one profile ---- */

static int write_form(const struct request *r, const struct kind *k, enum form form,
                      const struct snapshot *snap, const struct render_moment *m)
{
    struct byte_sink bytes;
    int err = r->sink->begin(r->sink, k, form, &bytes);
    return err ? err : r->sink->end(r->sink, render_encode(snap, form, m, &bytes));
}

/* *delivered: the first of the forms is where it belongs. 0 or the first -errno. */
static int write_forms(const struct request *r, const struct kind *k, const struct snapshot *snap,
                       const struct render_moment *m, bool *delivered)
{
    int first = 0;
    bool any = false;
    for (enum form form = FORM_PROTOBUF; form < FORM_COUNT; form++) {
        bool asked = r->forms & 1U << form;
        if (!asked || (any && form == FORM_DEBUG2 && snap->threads == 0)) {
            continue;
        }
        int err = write_form(r, k, form, snap, m);
        *delivered = any ? *delivered : err == 0;
        any = true;
        first = first ? first : err;
    }
    return first;
}

static int write_snapshot(const struct request *r, const struct kind *k, struct snapshot *snap,
                          const struct render_moment *m)
{
    bool delivered = false;
    if (!r->since) {
        return write_forms(r, k, snap, m, &delivered);
    }
    struct since_step step;
    snap->duration_nanos = cpu_since();
    int err = since_begin(&step, r->since, k, snap);
    if (err) {
        log_error("cannot write", kind_name(k), err);
        return err;
    }
    err = write_forms(r, k, snap, m, &delivered);
    since_end(&step, delivered);
    return err;
}

static int write_profile(const struct request *r, const struct kind *k,
                         const struct render_moment *m)
{
    if (r->taken) {
        struct snapshot snap = *r->taken;
        return write_snapshot(r, k, &snap, m);
    }
    struct rendering p;
    render_open(&p, k, m);
    int err = write_snapshot(r, k, &p.snap, m);
    render_close(&p);
    return err;
}

/* ---- all of them ---- */

/* What is mapped, and what was. NULL: no memory. */
static struct maps *read_maps(void)
{
    struct past_code *past;
    size_t bytes;
    struct maps *maps = maps_read(getauxval(AT_PHDR));
    long n = unloaded_snapshot(&past, &bytes);
    if (maps && (n < 0 || !maps_add_past(maps, past, (size_t)n))) {
        maps_free(maps);
        maps = NULL;
    }
    sys_unmap(past, bytes);
    return maps;
}

static int write_kinds(const struct request *r, bool only_enabled, const struct render_moment *m)
{
    int first = r->sink->open(r->sink, r, m);
    if (first) {
        return first;
    }
    for (size_t i = 0; i < r->count; i++) {
        if (r->kinds[i]->enabled || !only_enabled) {
            int err = write_profile(r, r->kinds[i], m);
            first = first ? first : err;
        }
    }
    r->sink->close(r->sink);
    return first;
}

static int write_all(const struct request *r, const struct render_moment *m)
{
    if (r->kinds) {
        return write_kinds(r, false, m);
    }
    struct request all = *r;
    const struct kind **list = render_list(&all.count);
    if (!list) {
        log_error("no dump", "", -ENOMEM);
        return -ENOMEM;
    }
    all.kinds = list;
    int err = write_kinds(&all, true, m);
    render_list_free(list, all.count);
    return err;
}

int request_serve(const struct request *r, const struct allthreads *threads)
{
    struct maps *maps = read_maps();
    struct render_moment moment = {maps, sys_clock_ns(CLOCK_REALTIME), threads};
    int err;
    if (maps_count(maps) == 0) { /* without it a reader could not tell what any address means */
        err = maps ? -ENOENT : -ENOMEM;
        log_error("no dump: cannot read", "/proc/self/maps", err);
    } else {
        err = write_all(r, &moment);
    }
    maps_free(maps);
    return err;
}
