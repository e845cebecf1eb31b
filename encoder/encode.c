/* SPDX-License-Identifier: MIT
 *
 * The chain: snapshot → model (dense ids) → protobuf → gzip → sink. Samples are written one by one;
 * the mappings, locations and strings that they refer to follow when all are known, the strings
 * last. Runs in the scribe or, when no process can be made, in a signal handler: see encode.h.
 */
#include "encoder/encode.h"

#include "encoder/gzip.h"
#include "encoder/model.h"
#include "encoder/protobuf.h"

#include <errno.h>

static void write_shape(struct gzip *out, struct model *m, const struct snapshot *snap)
{
    const struct profile_shape *shape = snap->shape;
    for (int i = 0; i < shape->values; i++) {
        const struct value_type *t = &shape->sample_type[i];
        protobuf_sample_type(out, model_string(m, t->type), model_string(m, t->unit));
    }
    protobuf_period(out, model_string(m, shape->period_type.type),
                    model_string(m, shape->period_type.unit), snap->period);
    protobuf_default_sample_type(out, model_string(m, shape->default_sample_type));
    protobuf_times(out, snap->time_nanos, snap->duration_nanos);
}

static void write_samples(struct gzip *out, struct model *m, const struct snapshot *snap)
{
    for (size_t i = 0; i < snap->samples && gzip_error(out) == 0; i++) {
        struct model_sample sample;
        if (model_sample(m, snap->shape, &snap->sample[i], &sample)) {
            protobuf_sample(out, &sample);
        }
    }
}

static void write_mappings(struct gzip *out, struct model *m)
{
    for (uint32_t id = 1; id <= model_mappings(m); id++) {
        struct model_mapping mapping = model_mapping(m, id);
        protobuf_mapping(out, &mapping);
    }
}

static void write_locations(struct gzip *out, struct model *m)
{
    for (uint32_t id = 1; id <= model_locations(m) && gzip_error(out) == 0; id++) {
        struct model_location location = model_location(m, id);
        protobuf_location(out, &location);
    }
}

static void write_strings(struct gzip *out, const struct model *m)
{
    for (uint32_t id = 0; id <= model_strings(m); id++) {
        protobuf_string(out, model_string_at(m, id));
    }
}

int encode(const struct snapshot *snap, const struct maps *maps, const struct byte_sink *sink)
{
    struct model model;
    if (!model_open(&model, maps)) {
        return -ENOMEM;
    }
    struct gzip *out = gzip_open(sink);
    if (!out) {
        model_close(&model);
        return -ENOMEM;
    }
    write_shape(out, &model, snap);
    write_samples(out, &model, snap);
    write_mappings(out, &model);
    write_locations(out, &model);
    write_strings(out, &model);
    gzip_fail(out, model.error);
    model_close(&model);
    return gzip_close(out);
}
