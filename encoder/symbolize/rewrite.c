/* rewrite.c: pass 2 over a profile; see rewrite.h.
 *
 * The file is copied field by field as it comes. Only mappings and locations that got something are
 * taken apart: the former lose their old flags and get the new ones, the latter get lines; what
 * else they hold, known or not, stays. New functions and strings follow at the end, so every id and
 * index that the file had before stays right, samples need not be looked into, and ids that were
 * dense stay dense. Memory: one message, and two numbers for each name of the batch.
 *
 * SPDX-License-Identifier: MIT
 */
#include "rewrite.h"

#include "grow.h"
#include "wire.h"

#include <string.h>

struct rewrite {
    const struct profile *profile;
    const struct names *names;
    struct wire_in *in;
    struct wire_out out;
    pb_istream_t stream;
    pb_ostream_t sink;
    struct wire_buf buf;
    size_t mapping, location, string; /* how many have passed */
    uint32_t *function_id; /* by function of names: its number among the new ones, from 1 */
    uint32_t *text_index;  /* by text of names: the same among the new strings; "" is never new */
    uint32_t *functions, *texts; /* and the other way round */
    uint32_t nfunctions, ntexts;
};

static void rewrite_use_text(struct rewrite *rw, uint32_t text)
{
    if (text == 0 || rw->text_index[text])
        return;
    rw->texts[rw->ntexts++] = text;
    rw->text_index[text] = rw->ntexts;
}

/* Numbers what this profile uses of the names, in the order of its locations. */
static int rewrite_number(struct rewrite *rw)
{
    const struct names *names = rw->names;

    rw->function_id = calloc(names->nfunctions + 1, sizeof *rw->function_id);
    rw->functions = calloc(names->nfunctions + 1, sizeof *rw->functions);
    rw->text_index = calloc(names->ntexts + 1, sizeof *rw->text_index);
    rw->texts = calloc(names->ntexts + 1, sizeof *rw->texts);
    if (!rw->function_id || !rw->functions || !rw->text_index || !rw->texts)
        return -ENOMEM;
    for (size_t i = 0; i < rw->profile->nlocations; i++) {
        const struct location *location = &rw->profile->locations[i];
        for (size_t j = 0; j < location->count; j++) {
            uint32_t index = names->lines[location->first + j].function;
            const struct names_function *function = &names->functions[index];
            if (rw->function_id[index])
                continue;
            rw->functions[rw->nfunctions++] = index;
            rw->function_id[index] = rw->nfunctions;
            rewrite_use_text(rw, function->name);
            rewrite_use_text(rw, function->system_name);
            rewrite_use_text(rw, function->file);
        }
    }
    if (rw->profile->max_function_id > UINT64_MAX - rw->nfunctions)
        return -EOVERFLOW;
    return 0;
}

/* proto3: a field that is 0 is not written. */
static bool put_number(pb_ostream_t *sink, uint32_t tag, uint64_t value)
{
    return value == 0 || (pb_encode_tag(sink, PB_WT_VARINT, tag) && pb_encode_varint(sink, value));
}

static bool put_bytes(pb_ostream_t *sink, uint32_t tag, const void *data, size_t len)
{
    return pb_encode_tag(sink, PB_WT_STRING, tag) && pb_encode_string(sink, data, len);
}

/* Closes the message in buf up over its fields from `first` to `last`. */
static void rewrite_drop(struct rewrite *rw, uint32_t first, uint32_t last)
{
    pb_istream_t stream = pb_istream_from_buffer(rw->buf.data, rw->buf.len);
    struct wire_field field;
    size_t at = 0, kept = 0;

    while (wire_inner(&stream, &field) > 0) {
        size_t end = rw->buf.len - stream.bytes_left;
        if (field.tag < first || field.tag > last) {
            memmove(rw->buf.data + kept, rw->buf.data + at, end - at);
            kept += end - at;
        }
        at = end;
    }
    rw->buf.len = kept;
}

static bool rewrite_mapping(struct rewrite *rw, const struct mapping *mapping)
{
    uint8_t flags[16];
    pb_ostream_t out = pb_ostream_from_buffer(flags, sizeof flags);

    rewrite_drop(rw, MAPPING_HAS_FUNCTIONS, MAPPING_HAS_INLINE_FRAMES);
    return put_number(&out, MAPPING_HAS_FUNCTIONS, mapping->functions) &&
           put_number(&out, MAPPING_HAS_FILENAMES, mapping->files) &&
           put_number(&out, MAPPING_HAS_LINE_NUMBERS, mapping->lines) &&
           put_number(&out, MAPPING_HAS_INLINE_FRAMES, mapping->inlines) &&
           pb_encode_tag(&rw->sink, PB_WT_STRING, PROFILE_MAPPING) &&
           pb_encode_varint(&rw->sink, rw->buf.len + out.bytes_written) &&
           pb_write(&rw->sink, rw->buf.data, rw->buf.len) &&
           pb_write(&rw->sink, flags, out.bytes_written);
}

static bool rewrite_lines(const struct rewrite *rw, pb_ostream_t *sink,
                          const struct location *location)
{
    for (size_t i = 0; i < location->count; i++) {
        const struct names_line *line = &rw->names->lines[location->first + i];
        uint64_t id = rw->profile->max_function_id + rw->function_id[line->function];
        uint8_t message[32];
        pb_ostream_t out = pb_ostream_from_buffer(message, sizeof message);
        if (!put_number(&out, LINE_FUNCTION_ID, id) || !put_number(&out, LINE_LINE, line->line) ||
            !put_bytes(sink, LOCATION_LINE, message, out.bytes_written))
            return false;
    }
    return true;
}

static bool rewrite_location(struct rewrite *rw, const struct location *location)
{
    pb_ostream_t size = PB_OSTREAM_SIZING;

    rewrite_drop(rw, LOCATION_LINE, LOCATION_LINE); /* a stale one */
    return rewrite_lines(rw, &size, location) &&
           pb_encode_tag(&rw->sink, PB_WT_STRING, PROFILE_LOCATION) &&
           pb_encode_varint(&rw->sink, rw->buf.len + size.bytes_written) &&
           pb_write(&rw->sink, rw->buf.data, rw->buf.len) && rewrite_lines(rw, &rw->sink, location);
}

/* One field of the profile. */
static int rewrite_field(struct rewrite *rw, const struct wire_field *field)
{
    const struct mapping *mapping = NULL;
    const struct location *location = NULL;

    if (field->tag == PROFILE_MAPPING) {
        if (rw->mapping >= rw->profile->nmappings)
            return -EBUSY;
        mapping = &rw->profile->mappings[rw->mapping++];
    } else if (field->tag == PROFILE_LOCATION) {
        if (rw->location >= rw->profile->nlocations)
            return -EBUSY;
        location = &rw->profile->locations[rw->location++];
    } else if (field->tag == PROFILE_STRING_TABLE) {
        rw->string++;
    }
    if ((!mapping || !mapping->named) && (!location || location->count == 0))
        return wire_copy(rw->in, &rw->stream, field, &rw->out, &rw->sink);

    if (field->type != PB_WT_STRING)
        return -EBUSY;
    int error = wire_take(rw->in, &rw->stream, field->value, &rw->buf);
    if (error)
        return error;
    bool ok = mapping ? rewrite_mapping(rw, mapping) : rewrite_location(rw, location);
    return ok ? 0 : rw->out.error ? rw->out.error : -EIO;
}

/* The text's place in this profile's string table. */
static uint64_t rewrite_string(const struct rewrite *rw, uint32_t text)
{
    return text ? rw->profile->nstrings - 1 + rw->text_index[text] : 0;
}

static bool rewrite_additions(struct rewrite *rw)
{
    for (uint32_t i = 0; i < rw->nfunctions; i++) {
        const struct names_function *function = &rw->names->functions[rw->functions[i]];
        uint8_t message[64]; /* five varints of ten bytes, each with a key of one */
        pb_ostream_t out = pb_ostream_from_buffer(message, sizeof message);
        if (!put_number(&out, FUNCTION_ID, rw->profile->max_function_id + i + 1) ||
            !put_number(&out, FUNCTION_NAME, rewrite_string(rw, function->name)) ||
            !put_number(&out, FUNCTION_SYSTEM_NAME, rewrite_string(rw, function->system_name)) ||
            !put_number(&out, FUNCTION_FILENAME, rewrite_string(rw, function->file)) ||
            !put_number(&out, FUNCTION_START_LINE, function->start_line) ||
            !put_bytes(&rw->sink, PROFILE_FUNCTION, message, out.bytes_written))
            return false;
    }
    for (uint32_t i = 0; i < rw->ntexts; i++) {
        size_t len;
        const char *text = names_text(rw->names, rw->texts[i], &len);
        if (!put_bytes(&rw->sink, PROFILE_STRING_TABLE, text, len))
            return false;
    }
    return true;
}

static int rewrite_run(struct rewrite *rw, int in)
{
    struct wire_field field;
    int error = rewrite_number(rw);

    if (error == 0)
        error = wire_open(rw->in, in);
    if (error)
        return error;
    rw->stream = wire_stream(rw->in);
    while ((error = wire_next(rw->in, &rw->stream, &field)) > 0) {
        error = rewrite_field(rw, &field);
        if (error)
            return error;
    }
    if (error)
        return error;
    if (rw->mapping != rw->profile->nmappings || rw->location != rw->profile->nlocations ||
        rw->string != rw->profile->nstrings)
        return -EBUSY;
    return rewrite_additions(rw) ? 0 : rw->out.error ? rw->out.error : -EIO;
}

int rewrite_profile(const struct profile *profile, const struct names *names, int in, int out)
{
    struct rewrite rw = {.profile = profile, .names = names};
    int error = wire_create(&rw.out, out);

    if (error)
        return error;
    rw.sink = wire_sink(&rw.out);
    rw.in = calloc(1, sizeof *rw.in);
    error = rw.in ? rewrite_run(&rw, in) : -ENOMEM;
    if (rw.in)
        wire_close(rw.in);
    int finished = wire_finish(&rw.out);
    free(rw.in);
    wire_buf_free(&rw.buf);
    free(rw.function_id);
    free(rw.functions);
    free(rw.text_index);
    free(rw.texts);
    return error ? error : finished;
}
