/* SPDX-License-Identifier: MIT
 *
 * See batch.h.
 *
 * The flow: load all profiles; sort the addresses that have no name by module; have one module
 * after the other answered; finish and write each profile. A failure costs one profile, or the
 * names of one module.
 */
#include "encoder/symbolize/batch.h"

#include "encoder/symbolize/finish.h"
#include "encoder/symbolize/grow.h"
#include "encoder/symbolize/names.h"
#include "encoder/symbolize/perfmap.h"
#include "encoder/symbolize/profile_file.h"
#include "encoder/symbolize/replace.h"
#include "encoder/symbolize/rewrite.h"
#include "encoder/symbolize/synthetic.h"
#include "encoder/symbolize/text_profile.h"
#include "encoder/symbolize/worker.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct batch_item {
    const char *path;
    int fd;
    int error;
    bool text; /* a text, debug=1 or debug=2, of this library */
    struct profile profile;
};

struct batch {
    const struct batch_options *options;
    struct batch_item *items;
    size_t n;
    struct names names;
    struct query *queries;
    size_t nqueries, queries_cap;
};

/* The sink for a module's answers: they are kept in `names` and in the locations that asked. */
struct batch_sink {
    struct answer_sink sink;
    struct names *names;
    const struct query *queries;
};

static int batch_put(struct answer_sink *sink, size_t query, enum answer_kind kind,
                     const struct frame *frames, size_t n)
{
    struct batch_sink *to = (struct batch_sink *)sink;
    struct location *location = to->queries[query].location;
    int error = names_add(to->names, frames, n, &location->first);
    if (error) {
        return error;
    }
    location->count = (uint8_t)n;
    location->kind = (uint8_t)kind;
    return 0;
}

/* batch_put has kept the answers already. */
static int batch_flush(struct answer_sink *sink)
{
    (void)sink;
    return 0;
}

/* "-" stands for standard input, which must be a regular file, and standard output. */
static bool batch_is_filter(const char *path)
{
    return strcmp(path, "-") == 0;
}

static int batch_load(struct batch_item *item)
{
    item->fd = batch_is_filter(item->path)
                   ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                   : open(item->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (item->fd < 0) {
        return -errno;
    }
    struct stat st;
    if (fstat(item->fd, &st) != 0) {
        return -errno;
    }
    if (!S_ISREG(st.st_mode)) {
        return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
    }
    item->text = text_profile_is(item->fd);
    return item->text ? text_profile_load(&item->profile, item->fd)
                      : profile_file_load(&item->profile, item->fd);
}

static int module_key_order(const void *a, const void *b)
{
    const struct mapping *const *x = a, *const *y = b;
    int order = strcmp((*x)->file, (*y)->file);
    return order ? order : strcmp((*x)->build_id, (*y)->build_id);
}

/* Gives each mapping the number of its module: mappings of the same file and build id are of one
 * module. */
static int batch_number_modules(struct batch *batch)
{
    struct mapping **all = NULL;
    size_t n = 0, cap = 0;
    uint32_t module = 0;
    for (size_t i = 0; i < batch->n; i++) {
        struct profile *profile = &batch->items[i].profile;
        for (size_t j = 0; j < profile->nmappings && !batch->items[i].error; j++) {
            if (grow_array(&all, &cap, n + 1, sizeof *all)) {
                free(all);
                return -ENOMEM;
            }
            all[n++] = &profile->mappings[j];
        }
    }
    if (n) {
        qsort(all, n, sizeof *all, module_key_order);
    }
    for (size_t i = 0; i < n; i++) {
        module += i > 0 && module_key_order(&all[i - 1], &all[i]) != 0;
        all[i]->module = module;
    }
    free(all);
    return 0;
}

static int query_order(const void *a, const void *b)
{
    const struct query *x = a, *y = b;
    if (x->mapping->module != y->mapping->module) {
        return x->mapping->module < y->mapping->module ? -1 : 1;
    }
    return (x->address > y->address) - (x->address < y->address);
}

enum wanted {
    WANTED_OF_FILES, /* a mapping with a file */
    WANTED_OF_NONE,  /* no mapping, or one that may be a JIT's memory */
    WANTED_ALL,
};

/* Makes batch->queries of all locations of that kind that have no name yet. 0 or -ENOMEM. */
static int batch_collect(struct batch *batch, enum wanted wanted)
{
    batch->nqueries = 0;
    for (size_t i = 0; i < batch->n; i++) {
        struct profile *profile = &batch->items[i].profile;
        for (size_t j = 0; j < profile->nlocations && !batch->items[i].error; j++) {
            struct location *location = &profile->locations[j];
            const struct mapping *mapping =
                location->mapping ? &profile->mappings[location->mapping - 1] : NULL;
            if (location->had_lines || location->kind != ANSWER_NONE) {
                continue;
            }
            if (wanted == WANTED_OF_FILES && (!mapping || !mapping->file[0])) {
                continue;
            }
            if (wanted == WANTED_OF_NONE && mapping && mapping->build_id[0]) {
                continue;
            }
            if (grow_array(&batch->queries, &batch->queries_cap, batch->nqueries + 1,
                           sizeof *batch->queries)) {
                return -ENOMEM;
            }
            batch->queries[batch->nqueries++] = (struct query){
                .mapping = mapping, .location = location, .address = location->address};
        }
    }
    return 0;
}

static void batch_forget(const struct query *queries, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        queries[i].location->kind = ANSWER_NONE;
        queries[i].location->count = 0;
    }
}

/* Has all queries of one module answered. A module without names, or one on which the worker dies,
 * is no error: its queries stay unanswered. */
static int batch_module(struct batch *batch, const struct query *queries, size_t n)
{
    struct module module = {.file = queries->mapping->file,
                            .build_id = queries->mapping->build_id,
                            .pid = batch->options->pid,
                            .queries = queries,
                            .nqueries = n};
    struct batch_sink sink = {{batch_put, batch_flush}, &batch->names, queries};
    int error = -EFAULT;
    for (int mode = RESOLVE_DWARF;
         mode <= RESOLVE_SYMBOLS && (error == -EFAULT || error == -ENOMEM); mode++) {
        batch_forget(queries, n);
        error = worker_resolve(&module, (enum resolve_mode)mode, &sink.sink);
    }
    if (error) {
        batch_forget(queries, n);
    }
    if (batch->options->verbose) {
        fprintf(stderr, "pprof-symbolize: %s: %zu addresses: %s\n", module.file, n,
                error ? strerror(-error) : "read");
    }
    return error == -E2BIG ? error : 0;
}

static int batch_modules(struct batch *batch)
{
    int error = batch_collect(batch, WANTED_OF_FILES);
    if (batch->nqueries) {
        qsort(batch->queries, batch->nqueries, sizeof *batch->queries, query_order);
    }
    for (size_t i = 0, end; i < batch->nqueries && error == 0; i = end) {
        const struct query *first = &batch->queries[i];
        for (end = i + 1; end < batch->nqueries; end++) {
            if (batch->queries[end].mapping->module != first->mapping->module) {
                break;
            }
        }
        error = batch_module(batch, first, end - i);
    }
    return error;
}

static int batch_perfmap(struct batch *batch)
{
    struct batch_sink sink = {{batch_put, batch_flush}, &batch->names, NULL};
    const struct batch_options *o = batch->options;
    pid_t map = o->map_pid ? o->map_pid : o->pid;
    int error = map ? batch_collect(batch, WANTED_OF_NONE) : 0;
    sink.queries = batch->queries;
    if (error == 0 && map) {
        error = perfmap_resolve(o->pid, map, batch->queries, batch->nqueries, &sink.sink);
    }
    return error;
}

static int batch_rewrite(struct batch *batch, struct batch_item *item, int out)
{
    return item->text ? text_profile_rewrite(&item->profile, &batch->names, item->fd, out)
                      : rewrite_profile(&item->profile, &batch->names, item->fd, out);
}

/* Gives a synthetic name to every location that nothing else has named. */
static int batch_synthetic(struct batch *batch)
{
    struct batch_sink sink = {{batch_put, batch_flush}, &batch->names, NULL};
    int error = batch_collect(batch, WANTED_ALL);
    sink.queries = batch->queries;
    for (size_t i = 0; i < batch->nqueries && error == 0; i++) {
        error = synthetic_put(&sink.sink, i, &batch->queries[i]);
    }
    return error;
}

static int batch_write(struct batch *batch, struct batch_item *item)
{
    const char *output = batch->options->output;
    struct replace replace;
    int error = finish_profile(&item->profile, &batch->names);
    if (error) {
        return error;
    }
    if (batch_is_filter(item->path) && !output) {
        return batch_rewrite(batch, item, STDOUT_FILENO);
    }
    if (!item->profile.named && !output) {
        return 0; /* no name was found: the file stays as it is */
    }
    error = replace_begin(&replace, output ? output : item->path, output ? -1 : item->fd);
    if (error) {
        return error;
    }
    error = batch_rewrite(batch, item, replace.fd);
    if (error) {
        replace_abandon(&replace);
        return error;
    }
    error = replace_commit(&replace);
    return error == -ENOENT && !output
               ? 0
               : error; /* the file was taken away meanwhile, without names */
}

static const char *batch_why(int error)
{
    switch (error) {
    case -EBADMSG:
        return "not a profile, or a damaged one";
    case -EFBIG:
    case -E2BIG:
        return "too large";
    case -EINVAL:
        return "not a regular file";
    case -EBUSY:
        return "changed meanwhile; left alone";
    case -ELOOP:
        return "is a symbolic link; name the file itself";
    default:
        return strerror(-error);
    }
}

static void batch_finish(struct batch *batch, int *failed)
{
    for (size_t i = 0; i < batch->n; i++) {
        struct batch_item *item = &batch->items[i];
        if (item->error == 0) {
            item->error = batch_write(batch, item);
        }
        if (item->error) {
            fprintf(stderr, "pprof-symbolize: %s: %s\n", item->path, batch_why(item->error));
            ++*failed;
        }
        profile_file_free(&item->profile);
        if (item->fd >= 0) {
            close(item->fd);
        }
    }
}

int batch_run(char *const *paths, size_t n, const struct batch_options *options)
{
    struct batch_item items[BATCH_MAX];
    struct batch batch = {.options = options, .items = items, .n = n < BATCH_MAX ? n : BATCH_MAX};
    int error = names_init(&batch.names), failed = 0;
    memset(items, 0, sizeof items);
    for (size_t i = 0; i < batch.n; i++) {
        items[i].path = paths[i];
        items[i].fd = -1;
        items[i].error = error ? error : batch_load(&items[i]);
    }
    if (error == 0) {
        error = batch_number_modules(&batch);
    }
    if (error == 0) {
        error = batch_modules(&batch);
    }
    if (error == 0) {
        error = batch_perfmap(&batch);
    }
    if (error == 0) {
        error = batch_synthetic(&batch);
    }
    for (size_t i = 0; i < batch.n && error; i++) {
        if (items[i].error == 0) {
            items[i].error = error;
        }
    }
    batch_finish(&batch, &failed);
    names_free(&batch.names);
    free(batch.queries);
    return failed;
}
