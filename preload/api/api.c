/* SPDX-License-Identifier: MIT
 *
 * The C API: the table of functions behind preload/pprofinject.h, one short function a call, called
 * by the program's threads. They may set errno, and do not allocate in the program's heap. A
 * pprof_profile is a struct kind (collectors/kind.h); a pprof_labelset and a pprof_ctx are both a
 * struct labels.
 */
#include "preload/api/api.h"
#include "collectors/base/newborn.h"
#include "collectors/base/sys.h"
#include "collectors/custom.h"
#include "collectors/stacks/stack.h"
#include "collectors/tables/recorded.h"
#include "collectors/threads/labels.h"
#include "preload/api/api_do.h"
#include "preload/output/control.h"
#include "preload/output/render.h"
#include "preload/output/write_call.h"
#include "preload/pprofinject.h"

#include <string.h>

static const struct kind *kind_of(const pprof_profile *p)
{
    return (const struct kind *)(const void *)p;
}

static pprof_profile *profile_of(const struct kind *k)
{
    return (pprof_profile *)(uintptr_t)k; /* NOLINT: the program's handle */
}

static bool is_predefined(const struct kind *k)
{
    return kinds_has(k) && !k->in_sessions;
}

static bool is_profile(const struct kind *k)
{
    return k && (is_predefined(k) || custom_is(k));
}

static void *failed(int error)
{
    errno = error;
    return NULL;
}

/* ---- profiles ---- */

struct search {
    const char *name;
    const struct kind *found;
};

static bool compare(const struct kind *k, void *arg)
{
    struct search *s = arg;
    s->found = strcmp(kind_name(k), s->name) == 0 ? k : NULL;
    return !s->found;
}

static const struct kind *find(const char *name)
{
    const struct kind *predefined = kinds_find(name, strlen(name));
    if (predefined) {
        return predefined;
    }
    struct search s = {name, NULL};
    custom_each(compare, &s);
    return s.found;
}

static pprof_profile *new_profile(const char *name)
{
    if (!name || !*name) {
        return failed(EINVAL);
    }
    if (kinds_find(name, strlen(name))) {
        return failed(EEXIST);
    }
    const struct kind *made;
    int err = custom_new(name, &made);
    return err ? failed(-err) : profile_of(made);
}

static pprof_profile *lookup(const char *name)
{
    if (!name) {
        return failed(EINVAL);
    }
    const struct kind *k = find(name);
    return k && !k->in_sessions ? profile_of(k) : failed(ENOENT);
}

/* Insertion sort: there are a handful of profiles, nearly in order. */
static void sort_by_name(const struct kind **list, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        const struct kind *k = list[i];
        size_t at = i;
        for (; at > 0 && strcmp(kind_name(list[at - 1]), kind_name(k)) > 0; at--) {
            list[at] = list[at - 1];
        }
        list[at] = k;
    }
}

static size_t profiles(pprof_profile **out, size_t cap)
{
    size_t n;
    const struct kind **list = render_list(&n);
    if (!list) {
        return 0;
    }
    sort_by_name(list, n);
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        if (!list[i]->in_sessions) {
            if (out && used < cap) {
                out[used] = profile_of(list[i]);
            }
            used++;
        }
    }
    render_list_free(list, n);
    return used;
}

static int profile_add(pprof_profile *p, const void *key, int skip)
{
    const struct kind *k = kind_of(p);
    if (!is_profile(k) || skip < 0) {
        return -EINVAL;
    }
    if (is_predefined(k)) {
        return -EPERM;
    }
    newborn_look();
    recorded_event();
    return custom_add(k, key, stack_of_caller_above(skip));
}

static int profile_remove(pprof_profile *p, const void *key)
{
    const struct kind *k = kind_of(p);
    if (!is_profile(k)) {
        return -EINVAL;
    }
    if (is_predefined(k)) {
        return -EPERM;
    }
    custom_remove(k, key);
    return 0;
}

static long profile_count(pprof_profile *p)
{
    return is_profile(kind_of(p)) ? kind_count(kind_of(p)) : -EINVAL;
}

static const char *profile_name(pprof_profile *p)
{
    return is_profile(kind_of(p)) ? kind_name(kind_of(p)) : failed(EINVAL);
}

static int write_kind(const struct kind *k, int fd, int debug)
{
    struct write_call call = {.kind = k, .form = FORM_PROTOBUF, .fd = fd};
    if (debug > 0) {
        call.form = debug > 1 && k->needs & NEEDS_THREADS ? FORM_DEBUG2 : FORM_DEBUG1;
    }
    recorded_settle();
    return write_call_run(&call);
}

static int profile_write_to(pprof_profile *p, int fd, int debug)
{
    if (!is_profile(kind_of(p)) || debug < 0) {
        return -EINVAL;
    }
    return write_kind(kind_of(p), fd, debug);
}

static int write_heap_profile(int fd)
{
    return write_kind(kinds_find("heap", 4), fd, 0);
}

static int dump(void)
{
    return control_dump_wait();
}

/* ---- labels ---- */

static const struct labels *labels_in(const void *handle)
{
    return handle;
}

static void *handle_of(const struct labels *l)
{
    return l ? (void *)(uintptr_t)l : failed(ENOMEM); /* NOLINT: the program's handle */
}

static pprof_labelset *labels(const char *key, va_list more)
{
    enum { AT_ONCE = 16 };
    struct label few[AT_ONCE];
    struct label *pair = few;
    size_t n = 0;
    va_list counted;
    va_copy(counted, more);
    bool good = true;
    for (const char *k = key; k && good; k = va_arg(counted, const char *), n++) {
        const char *value = va_arg(counted, const char *);
        good = *k && value && *value;
    }
    va_end(counted);
    if (!good) {
        return failed(EINVAL);
    }
    size_t bytes = n * sizeof *pair;
    if (n > AT_ONCE && !(pair = sys_map(bytes))) {
        return failed(ENOMEM);
    }
    for (size_t i = 0; i < n; i++) {
        pair[i].key = key;
        pair[i].value = va_arg(more, const char *);
        key = va_arg(more, const char *);
    }
    pprof_labelset *set = handle_of(labels_new(pair, n));
    if (pair != few) {
        sys_unmap(pair, bytes);
    }
    return set;
}

static void labelset_free(pprof_labelset *set)
{
    labels_unref(labels_in(set));
}

static pprof_ctx *with_labels(const pprof_ctx *ctx, pprof_labelset *set)
{
    if (!set) {
        return failed(EINVAL);
    }
    if (!ctx) {
        return (pprof_ctx *)(void *)set; /* both are a struct labels */
    }
    const struct labels *both = labels_merged(labels_in(ctx), labels_in(set));
    labels_unref(labels_in(set));
    return handle_of(both);
}

static void ctx_free(pprof_ctx *ctx)
{
    labels_unref(labels_in(ctx));
}

static const char *label(const pprof_ctx *ctx, const char *key)
{
    const char *value = key ? labels_value(labels_in(ctx), key) : NULL;
    return value ? value : failed(key ? ENOENT : EINVAL);
}

static void for_labels(const pprof_ctx *ctx, bool (*f)(void *arg, const char *k, const char *v),
                       void *arg)
{
    const struct labels *l = labels_in(ctx);
    for (uint32_t i = 0; l && f && i < l->count && f(arg, l->label[i].key, l->label[i].value);
         i++) {
    }
}

static void set_thread_labels(const pprof_ctx *ctx)
{
    labels_carry(labels_in(ctx));
}

static pprof_ctx *do_begin(const pprof_ctx *ctx, pprof_labelset *set)
{
    const struct labels *merged = set ? labels_in(with_labels(ctx, set)) : NULL;
    if (!merged) { /* no set was given, or there was no memory for one: the labels of ctx alone */
        merged = labels_ref(labels_in(ctx));
    }
    labels_carry(merged);
    return (pprof_ctx *)(uintptr_t)merged; /* NOLINT: the program's handle */
}

static void do_end(const pprof_ctx *ctx, pprof_ctx *merged)
{
    labels_carry(labels_in(ctx));
    labels_unref(labels_in(merged));
}

struct do_function {
    void (*f)(pprof_ctx *, void *);
    void *arg;
};

static BELOW_PROGRAM void do_function(const struct labels *merged, void *arg)
{
    const struct do_function *d = arg;
    d->f((pprof_ctx *)(uintptr_t)merged, d->arg); /* NOLINT: the program's handle */
}

static BELOW_PROGRAM void do_call(const pprof_ctx *ctx, pprof_labelset *set,
                                  void (*f)(pprof_ctx *, void *), void *arg)
{
    const struct labels *merged = labels_in(do_begin(ctx, set));
    struct do_function d = {f, arg};
    if (f) {
        api_do(labels_in(ctx), merged, do_function, &d);
    } else {
        do_end(ctx, (pprof_ctx *)(uintptr_t)merged); /* NOLINT */
    }
}

/* ---- the table ---- */

static int active;

void api_start(void)
{
    STORE_RELEASE(&active, 1);
}

void api_stop(void)
{
    STORE_RELEASE(&active, 0);
}

EXPORT extern const struct pprofinject_api pprofinject_api_v1;
const struct pprofinject_api pprofinject_api_v1 = {
    .size = sizeof pprofinject_api_v1,
    .active = &active,
    .start_cpu_profile = api_start_cpu_profile,
    .stop_cpu_profile = api_stop_cpu_profile,
    .write_heap_profile = write_heap_profile,
    .new_profile = new_profile,
    .lookup = lookup,
    .profiles = profiles,
    .profile_add = profile_add,
    .profile_remove = profile_remove,
    .profile_count = profile_count,
    .profile_name = profile_name,
    .profile_write_to = profile_write_to,
    .labels = labels,
    .labelset_free = labelset_free,
    .with_labels = with_labels,
    .ctx_free = ctx_free,
    .label = label,
    .for_labels = for_labels,
    .set_thread_labels = set_thread_labels,
    .do_call = do_call,
    .do_begin = do_begin,
    .do_end = do_end,
    .set_mem_profile_rate = api_set_mem_rate,
    .set_block_profile_rate = api_set_block_rate,
    .set_mutex_profile_fraction = api_set_mutex_fraction,
    .set_cpu_profile_rate = api_set_cpu_rate,
    .dump = dump,
};
