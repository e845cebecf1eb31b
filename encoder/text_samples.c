/* SPDX-License-Identifier: MIT
 *
 * See text_samples.h. Samples are sorted as Go sorts them: heap by what is in use, the others by
 * their value, the largest first.
 */
#include "encoder/text_samples.h"

#include "collectors/base/math.h"
#include "collectors/base/sys.h"
#include "encoder/buffer.h"
#include "encoder/text_out.h"
#include "encoder/thread_label.h"

#include <errno.h>
#include <string.h>

/* A sample with its values as the text shows them. */
struct row {
    const struct snapshot_sample *sample;
    int64_t value[SNAPSHOT_VALUES];
    int64_t key; /* sorted by, the largest first */
};

/* ---- order ---- */

static bool goes_before(const struct row *a, const struct row *b)
{
    if (a->key != b->key) {
        return a->key > b->key;
    }
    const struct stack *x = a->sample->stack;
    const struct stack *y = b->sample->stack;
    for (uint32_t i = 0; i < x->depth && i < y->depth; i++) {
        if (x->pc[i] != y->pc[i]) {
            return x->pc[i] < y->pc[i];
        }
    }
    return x->depth < y->depth;
}

/* Sifts row i down in a heap of n rows whose root is the row that comes last. */
static void sift(struct row *row, size_t i, size_t n)
{
    struct row moved = row[i];
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && goes_before(&row[child], &row[child + 1])) {
            child++;
        }
        if (!goes_before(&moved, &row[child])) {
            break;
        }
        row[i] = row[child];
    }
    row[i] = moved;
}

static void sort(struct row *row, size_t n)
{
    for (size_t i = n / 2; i-- > 0;) {
        sift(row, i, n);
    }
    for (size_t end = n; end-- > 1;) {
        struct row last = row[0];
        row[0] = row[end];
        row[end] = last;
        sift(row, 0, end);
    }
}

/* ---- values ---- */

/* Readers of this format estimate the program's totals: they multiply n objects of mean size s by
 * 1/(1 − e^(−s/rate)). Our values are such estimates already, so they are divided by that first. */
static void unscale(int64_t *count, int64_t *bytes, int64_t rate)
{
    if (*count <= 0 || *bytes <= 0) {
        *count = *bytes = 0;
    } else if (rate > 1) {
        double size = (double)*bytes / (double)*count;
        double p = math_one_minus_exp(size / (double)rate);
        *count = (int64_t)((double)*count * p + 0.5);
        *bytes = (int64_t)((double)*count * size + 0.5);
    }
}

static bool is_heap(const struct profile_shape *shape)
{
    return shape->values == 4;
}

static bool is_contention(const struct profile_shape *shape)
{
    return shape->values == 2 && strcmp(shape->sample_type[0].type, "contentions") == 0;
}

/* False: its values are zero, so it gets no line. */
static bool row_of(const struct snapshot *snap, const struct snapshot_sample *s, struct row *row)
{
    *row = (struct row){.sample = s};
    memcpy(row->value, s->value, sizeof row->value);
    if (is_heap(snap->shape)) {
        unscale(&row->value[0], &row->value[1], snap->period);
        unscale(&row->value[2], &row->value[3], snap->period);
        row->key = row->value[3];
        return row->value[0] != 0 || row->value[2] != 0;
    }
    row->key = is_contention(snap->shape) ? row->value[1] : row->value[0];
    return row->value[0] != 0;
}

/* ---- lines ---- */

static void put_stack(struct text_out *out, const struct stack *s)
{
    text_out_put(out, "@");
    for (uint32_t i = 0; i < s->depth; i++) {
        text_out_put(out, " ");
        text_out_put_hex(out, pc_address(s->pc[i]));
    }
    text_out_put(out, "\n");
}

static void put_key(struct text_out *out, const char *key, bool *first)
{
    text_out_put(out, *first ? "# labels: {" : ", ");
    text_out_put_quoted(out, key);
    text_out_put(out, ":");
    *first = false;
}

static void put_labels(struct text_out *out, const struct snapshot_sample *s)
{
    bool first = true;
    for (uint32_t i = 0; s->labels && i < s->labels->count; i++) {
        put_key(out, s->labels->label[i].key, &first);
        text_out_put_quoted(out, s->labels->label[i].value);
    }
    const char *name = thread_label(s);
    if (name) {
        put_key(out, "thread", &first);
        text_out_put_quoted(out, name);
    }
    if (s->thread && s->thread->tid) {
        put_key(out, "tid", &first);
        text_out_put_int(out, s->thread->tid);
    }
    text_out_put(out, first ? "" : "}\n");
}

static void put_frames(struct text_out *out, const struct stack *s)
{
    for (uint32_t i = 0; i < s->depth; i++) {
        const char *name = s->pc[i] < PSEUDO_PC_LIMIT ? pseudo_name(s->pc[i]) : NULL;
        text_out_put(out, "#\t");
        text_out_put_hex(out, pc_address(s->pc[i]) - 1);
        text_out_put(out, name ? "\t" : "");
        text_out_put(out, name ? name : "");
        text_out_put(out, "\n");
    }
    text_out_put(out, "\n");
}

static void put_heap_values(struct text_out *out, const int64_t *v)
{
    text_out_put_int(out, v[2]);
    text_out_put(out, ": ");
    text_out_put_int(out, v[3]);
    text_out_put(out, " [");
    text_out_put_int(out, v[0]);
    text_out_put(out, ": ");
    text_out_put_int(out, v[1]);
    text_out_put(out, "] ");
}

static void put_head(struct text_out *out, const struct snapshot *snap, const int64_t *total)
{
    if (is_heap(snap->shape)) {
        int64_t v[SNAPSHOT_VALUES];
        memcpy(v, total, sizeof v);
        /* If both pairs of totals are equal, readers take the profile for one with a single pair:
         * one byte makes them differ. */
        v[1] += v[0] == v[2] && v[1] == v[3];
        text_out_put(out, "heap profile: ");
        put_heap_values(out, v);
        text_out_put(out, "@ heap/");
        text_out_put_int(out, 2 * (snap->period > 0 ? snap->period : 1));
        text_out_put(out, "\n");
    } else if (is_contention(snap->shape)) {
        bool mutex = strcmp(snap->shape->name, "mutex") == 0;
        text_out_put(out, mutex ? "--- mutex:\n" : "--- contention:\n");
        text_out_put(out, "cycles/second=1000000000\n");
        text_out_put(out, mutex ? "sampling period=1\n" : "");
    } else {
        text_out_put(out, snap->shape->name);
        text_out_put(out, " profile: total ");
        text_out_put_int(out, total[0]);
        text_out_put(out, "\n");
    }
}

static void put_row(struct text_out *out, const struct snapshot *snap, const struct row *row)
{
    if (is_heap(snap->shape)) {
        put_heap_values(out, row->value);
    } else if (is_contention(snap->shape)) {
        text_out_put_int(out, row->value[1]);
        text_out_put(out, " ");
        text_out_put_int(out, row->value[0]);
        text_out_put(out, " ");
    } else {
        text_out_put_int(out, row->value[0]);
        text_out_put(out, " ");
    }
    put_stack(out, row->sample->stack);
    put_labels(out, row->sample);
    put_frames(out, row->sample->stack);
}

int text_samples_write(const struct snapshot *snap, const struct maps *maps,
                       const struct byte_sink *sink)
{
    struct buffer rows = {0};
    struct text_out out = {.sink = sink};
    if (!buffer_reserve(&rows, (snap->samples + 1) * sizeof(struct row))) {
        return -ENOMEM;
    }
    struct row *row = rows.at;
    size_t n = 0;
    int64_t total[SNAPSHOT_VALUES] = {0};
    uint64_t program = arch_float_enter();
    for (size_t i = 0; i < snap->samples; i++) {
        if (snap->sample[i].stack && row_of(snap, &snap->sample[i], &row[n])) {
            for (int v = 0; v < SNAPSHOT_VALUES; v++) {
                total[v] += row[n].value[v];
            }
            n++;
        }
    }
    arch_float_leave(program);
    sort(row, n);
    put_head(&out, snap, total);
    for (size_t i = 0; i < n && out.error == 0; i++) {
        put_row(&out, snap, &row[i]);
    }
    buffer_free(&rows);
    text_out_put_maps(&out, maps);
    return text_out_finish(&out);
}
