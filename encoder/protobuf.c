/* SPDX-License-Identifier: MIT
 *
 * See protobuf.h. A protobuf file has no length of its own in front: the fields of Profile can be
 * written one by one, in any order and number, so none has to be kept until others are known.
 *
 * nanopb encodes a submessage twice, first to learn its length and then to write it. It leaves out
 * scalars that are zero by itself (proto3).
 */
#include "encoder/protobuf.h"

#include "profile.pb.h"

#include <errno.h>
#include <pb_encode.h>
#include <string.h>

_Static_assert(ARRAY_LEN(((pprof_Sample *)0)->value) == SNAPSHOT_VALUES,
               "profile.options says how many values a sample may have");

/* ---- the stream ---- */

static bool stream_write(pb_ostream_t *stream, const pb_byte_t *buf, size_t count)
{
    return gzip_write(stream->state, buf, count);
}

static pb_ostream_t stream_into(struct gzip *out)
{
    return (pb_ostream_t){.callback = stream_write, .state = out, .max_size = SIZE_MAX};
}

/* nanopb fails when the stream has failed, whose error then stands, or when this file has called it
 * wrongly, which becomes -EIO. */
static void stream_check(struct gzip *out, bool ok)
{
    if (!ok) {
        gzip_fail(out, -EIO);
    }
}

static void put_message(struct gzip *out, uint32_t tag, const pb_msgdesc_t *fields,
                        const void *message)
{
    pb_ostream_t s = stream_into(out);
    stream_check(out,
                 pb_encode_tag(&s, PB_WT_STRING, tag) && pb_encode_submessage(&s, fields, message));
}

static void put_int(struct gzip *out, uint32_t tag, int64_t v)
{
    pb_ostream_t s = stream_into(out);
    stream_check(
        out, v == 0 || (pb_encode_tag(&s, PB_WT_VARINT, tag) && pb_encode_varint(&s, (uint64_t)v)));
}

/* ---- location ids: most of a profile's bytes ---- */

enum { VARINT32_MAX = 5 }; /* 7 bits a byte */

struct packed_ids {
    const uint32_t *id;
    uint32_t count;
    size_t size; /* bytes when packed */
};

static size_t packed_size(const uint32_t *ids, uint32_t count)
{
    size_t size = count;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t id = ids[i];
        size += (id >= 1u << 7) + (id >= 1u << 14) + (id >= 1u << 21) + (id >= 1u << 28);
    }
    return size;
}

/* Collects the ids in a chunk: pb_encode_varint would call stream_write for each id, of which most
 * have two bytes. */
static bool write_packed(pb_ostream_t *stream, const struct packed_ids *ids)
{
    pb_byte_t chunk[1024];
    size_t n = 0;
    for (uint32_t i = 0; i < ids->count; i++) {
        uint32_t id = ids->id[i];
        for (; id >= 0x80; id >>= 7) {
            chunk[n++] = (pb_byte_t)(id | 0x80);
        }
        chunk[n++] = (pb_byte_t)id;
        if (n > sizeof chunk - VARINT32_MAX) {
            if (!pb_write(stream, chunk, n)) {
                return false;
            }
            n = 0;
        }
    }
    return pb_write(stream, chunk, n);
}

/* nanopb's callback for Sample.location_id. In nanopb's first pass the stream has no callback and
 * only counts bytes. */
static bool encode_ids(pb_ostream_t *stream, const pb_field_t *field, void *const *arg)
{
    const struct packed_ids *ids = *arg;
    if (ids->count == 0) {
        return true;
    }
    if (!pb_encode_tag(stream, PB_WT_STRING, field->tag) || !pb_encode_varint(stream, ids->size)) {
        return false;
    }
    return stream->callback ? write_packed(stream, ids) : pb_write(stream, NULL, ids->size);
}

/* nanopb's callback for Sample.label. */
static bool encode_labels(pb_ostream_t *stream, const pb_field_t *field, void *const *arg)
{
    const struct model_sample *sample = *arg;
    for (uint32_t i = 0; i < sample->labels; i++) {
        const struct model_label *l = &sample->label[i];
        pprof_Label m = {.key = l->key, .str = l->str, .num = l->num};
        if (!pb_encode_tag(stream, PB_WT_STRING, field->tag) ||
            !pb_encode_submessage(stream, pprof_Label_fields, &m)) {
            return false;
        }
    }
    return true;
}

/* ---- the items ---- */

void protobuf_sample_type(struct gzip *out, uint32_t type, uint32_t unit)
{
    pprof_ValueType m = {.type = type, .unit = unit};
    put_message(out, pprof_Profile_sample_type_tag, pprof_ValueType_fields, &m);
}

void protobuf_period(struct gzip *out, uint32_t type, uint32_t unit, int64_t period)
{
    pprof_ValueType m = {.type = type, .unit = unit};
    put_message(out, pprof_Profile_period_type_tag, pprof_ValueType_fields, &m);
    put_int(out, pprof_Profile_period_tag, period);
}

void protobuf_default_sample_type(struct gzip *out, uint32_t type)
{
    put_int(out, pprof_Profile_default_sample_type_tag, type);
}

void protobuf_times(struct gzip *out, int64_t time_nanos, int64_t duration_nanos)
{
    put_int(out, pprof_Profile_time_nanos_tag, time_nanos);
    put_int(out, pprof_Profile_duration_nanos_tag, duration_nanos);
}

void protobuf_sample(struct gzip *out, const struct model_sample *sample)
{
    struct packed_ids ids = {.id = sample->location,
                             .count = sample->depth,
                             .size = packed_size(sample->location, sample->depth)};
    pprof_Sample m = {.location_id = {.funcs.encode = encode_ids, .arg = &ids}};
    m.value_count = (pb_size_t)sample->values;
    memcpy(m.value, sample->value, (size_t)sample->values * sizeof m.value[0]);
    m.label = (pb_callback_t){.funcs.encode = encode_labels, .arg = (void *)(uintptr_t)sample};
    put_message(out, pprof_Profile_sample_tag, pprof_Sample_fields, &m);
}

void protobuf_location(struct gzip *out, const struct model_location *location)
{
    pprof_Location m = {
        .id = location->id, .mapping_id = location->mapping, .address = location->address};
    if (location->function) {
        m.line_count = 1;
        m.line[0].function_id = location->function;
        pprof_Function f = {.id = location->function,
                            .name = location->function_name,
                            .system_name = location->function_name};
        put_message(out, pprof_Profile_function_tag, pprof_Function_fields, &f);
    }
    put_message(out, pprof_Profile_location_tag, pprof_Location_fields, &m);
}

void protobuf_mapping(struct gzip *out, const struct model_mapping *mapping)
{
    pprof_Mapping m = {.id = mapping->id,
                       .memory_start = mapping->start,
                       .memory_limit = mapping->limit,
                       .file_offset = mapping->offset,
                       .filename = mapping->file,
                       .build_id = mapping->build_id};
    put_message(out, pprof_Profile_mapping_tag, pprof_Mapping_fields, &m);
}

void protobuf_string(struct gzip *out, const char *string)
{
    pb_ostream_t s = stream_into(out);
    stream_check(out, pb_encode_tag(&s, PB_WT_STRING, pprof_Profile_string_table_tag) &&
                          pb_encode_string(&s, (const pb_byte_t *)string, strlen(string)));
}
