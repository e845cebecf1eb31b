/* SPDX-License-Identifier: MIT
 *
 * See rewrite.h.
 *
 * The file is copied field by field. Only mappings and locations that have got a name are changed:
 * a mapping's flags are replaced, a location gets lines, and all else in them stays, known or not.
 * New functions and strings are written at the end. So every id and index of the old file stays
 * valid, samples are copied unread, and ids that were dense stay dense. Memory: one message, and
 * two numbers for each name of the batch.
 */
#include "encoder/symbolize/rewrite.h"

#include "encoder/symbolize/grow.h"
#include "encoder/symbolize/wire.h"

#include <string.h>

struct rewrite {
    const struct profile *profile;
    const struct names *names;
    struct wire_in *in;
    struct wire_out out;
    pb_istream_t stream;
    pb_ostream_t sink;
    struct wire_buf buf;
    size_t mapping, location, string; /* fields of that kind copied so far */
    uint32_t *function_id; /* by index in names: number of the new function, from 1; 0 = not used */
    uint32_t
        *text_index; /* by index in names: the text's index in the string table; 0 = not used */
    uint32_t *functions, *texts; /* by number - 1: the index in names */
    uint32_t nfunctions, ntexts;
};

static void rewrite_use_text(struct rewrite *rewrite, uint32_t text)
{
    if (text == 0 || rewrite->text_index[text]) {
        return;
    }
    rewrite->texts[rewrite->ntexts++] = text;
    rewrite->text_index[text] = (uint32_t)rewrite->profile->nstrings - 1 + rewrite->ntexts;
}

/* A text that the old file has already, say the function's name "cpu", is not written again. */
static void rewrite_use_old_texts(struct rewrite *rewrite)
{
    const struct profile *profile = rewrite->profile;
    for (size_t i = 1; i < profile->nstrings; i++) {
        uint32_t text;
        if (names_find(rewrite->names, profile->bytes + profile->strings[i], &text)) {
            rewrite->text_index[text] = (uint32_t)i;
        }
    }
}

/* Gives numbers to the functions and texts that this profile uses, in the order of its locations. 0
 * or -errno. */
static int rewrite_number(struct rewrite *rewrite)
{
    const struct names *names = rewrite->names;
    rewrite->function_id = calloc(names->nfunctions + 1, sizeof *rewrite->function_id);
    rewrite->functions = calloc(names->nfunctions + 1, sizeof *rewrite->functions);
    rewrite->text_index = calloc(names->ntexts + 1, sizeof *rewrite->text_index);
    rewrite->texts = calloc(names->ntexts + 1, sizeof *rewrite->texts);
    if (!rewrite->function_id || !rewrite->functions || !rewrite->text_index || !rewrite->texts) {
        return -ENOMEM;
    }
    rewrite_use_old_texts(rewrite);
    for (size_t i = 0; i < rewrite->profile->nlocations; i++) {
        const struct location *location = &rewrite->profile->locations[i];
        for (size_t j = 0; j < location->count; j++) {
            uint32_t index = names->lines[location->first + j].function;
            const struct names_function *function = &names->functions[index];
            if (rewrite->function_id[index]) {
                continue;
            }
            rewrite->functions[rewrite->nfunctions++] = index;
            rewrite->function_id[index] = rewrite->nfunctions;
            rewrite_use_text(rewrite, function->name);
            rewrite_use_text(rewrite, function->system_name);
            rewrite_use_text(rewrite, function->file);
        }
    }
    if (rewrite->profile->max_function_id > UINT64_MAX - rewrite->nfunctions) {
        return -EOVERFLOW;
    }
    return 0;
}

/* In proto3 a field whose value is 0 is not written. */
static bool put_number(pb_ostream_t *sink, uint32_t tag, uint64_t value)
{
    return value == 0 || (pb_encode_tag(sink, PB_WT_VARINT, tag) && pb_encode_varint(sink, value));
}

static bool put_bytes(pb_ostream_t *sink, uint32_t tag, const void *data, size_t len)
{
    return pb_encode_tag(sink, PB_WT_STRING, tag) && pb_encode_string(sink, data, len);
}

/* Removes the fields with the numbers `first` to `last` from the message in buf. */
static void rewrite_drop(struct rewrite *rewrite, uint32_t first, uint32_t last)
{
    pb_istream_t stream = pb_istream_from_buffer(rewrite->buf.data, rewrite->buf.len);
    struct wire_field field;
    size_t at = 0, kept = 0;
    while (wire_inner(&stream, &field) > 0) {
        size_t end = rewrite->buf.len - stream.bytes_left;
        if (field.tag < first || field.tag > last) {
            memmove(rewrite->buf.data + kept, rewrite->buf.data + at, end - at);
            kept += end - at;
        }
        at = end;
    }
    rewrite->buf.len = kept;
}

static bool rewrite_mapping(struct rewrite *rewrite, const struct mapping *mapping)
{
    uint8_t flags[16];
    pb_ostream_t out = pb_ostream_from_buffer(flags, sizeof flags);
    rewrite_drop(rewrite, MAPPING_HAS_FUNCTIONS, MAPPING_HAS_INLINE_FRAMES);
    return put_number(&out, MAPPING_HAS_FUNCTIONS, mapping->functions) &&
           put_number(&out, MAPPING_HAS_FILENAMES, mapping->files) &&
           put_number(&out, MAPPING_HAS_LINE_NUMBERS, mapping->lines) &&
           put_number(&out, MAPPING_HAS_INLINE_FRAMES, mapping->inlines) &&
           pb_encode_tag(&rewrite->sink, PB_WT_STRING, PROFILE_MAPPING) &&
           pb_encode_varint(&rewrite->sink, rewrite->buf.len + out.bytes_written) &&
           pb_write(&rewrite->sink, rewrite->buf.data, rewrite->buf.len) &&
           pb_write(&rewrite->sink, flags, out.bytes_written);
}

static bool rewrite_lines(const struct rewrite *rewrite, pb_ostream_t *sink,
                          const struct location *location)
{
    for (size_t i = 0; i < location->count; i++) {
        const struct names_line *line = &rewrite->names->lines[location->first + i];
        uint64_t id = rewrite->profile->max_function_id + rewrite->function_id[line->function];
        uint8_t message[32];
        pb_ostream_t out = pb_ostream_from_buffer(message, sizeof message);
        if (!put_number(&out, LINE_FUNCTION_ID, id) || !put_number(&out, LINE_LINE, line->line) ||
            !put_bytes(sink, LOCATION_LINE, message, out.bytes_written)) {
            return false;
        }
    }
    return true;
}

static bool rewrite_location(struct rewrite *rewrite, const struct location *location)
{
    pb_ostream_t size = PB_OSTREAM_SIZING;
    rewrite_drop(rewrite, LOCATION_LINE, LOCATION_LINE); /* a synthetic name */
    return rewrite_lines(rewrite, &size, location) &&
           pb_encode_tag(&rewrite->sink, PB_WT_STRING, PROFILE_LOCATION) &&
           pb_encode_varint(&rewrite->sink, rewrite->buf.len + size.bytes_written) &&
           pb_write(&rewrite->sink, rewrite->buf.data, rewrite->buf.len) &&
           rewrite_lines(rewrite, &rewrite->sink, location);
}

/* Copies one field of the profile, changed if need be. 0 or -errno. */
static int rewrite_field(struct rewrite *rewrite, const struct wire_field *field)
{
    const struct mapping *mapping = NULL;
    const struct location *location = NULL;
    if (field->tag == PROFILE_MAPPING) {
        if (rewrite->mapping >= rewrite->profile->nmappings) {
            return -EBUSY;
        }
        mapping = &rewrite->profile->mappings[rewrite->mapping++];
    } else if (field->tag == PROFILE_LOCATION) {
        if (rewrite->location >= rewrite->profile->nlocations) {
            return -EBUSY;
        }
        location = &rewrite->profile->locations[rewrite->location++];
    } else if (field->tag == PROFILE_STRING_TABLE) {
        rewrite->string++;
    }
    if ((!mapping || !mapping->named) && (!location || location->count == 0)) {
        return wire_copy(rewrite->in, &rewrite->stream, field, &rewrite->out, &rewrite->sink);
    }

    if (field->type != PB_WT_STRING) {
        return -EBUSY;
    }
    int error = wire_take(rewrite->in, &rewrite->stream, field->value, &rewrite->buf);
    if (error) {
        return error;
    }
    bool ok = mapping ? rewrite_mapping(rewrite, mapping) : rewrite_location(rewrite, location);
    return ok ? 0 : rewrite->out.error ? rewrite->out.error : -EIO;
}

static bool rewrite_additions(struct rewrite *rewrite)
{
    for (uint32_t i = 0; i < rewrite->nfunctions; i++) {
        const struct names_function *function = &rewrite->names->functions[rewrite->functions[i]];
        uint8_t message[64]; /* five varints of ten bytes, each with a key of one */
        pb_ostream_t out = pb_ostream_from_buffer(message, sizeof message);
        if (!put_number(&out, FUNCTION_ID, rewrite->profile->max_function_id + i + 1) ||
            !put_number(&out, FUNCTION_NAME, rewrite->text_index[function->name]) ||
            !put_number(&out, FUNCTION_SYSTEM_NAME, rewrite->text_index[function->system_name]) ||
            !put_number(&out, FUNCTION_FILENAME, rewrite->text_index[function->file]) ||
            !put_number(&out, FUNCTION_START_LINE, function->start_line) ||
            !put_bytes(&rewrite->sink, PROFILE_FUNCTION, message, out.bytes_written)) {
            return false;
        }
    }
    for (uint32_t i = 0; i < rewrite->ntexts; i++) {
        size_t len;
        const char *text = names_text(rewrite->names, rewrite->texts[i], &len);
        if (!put_bytes(&rewrite->sink, PROFILE_STRING_TABLE, text, len)) {
            return false;
        }
    }
    return true;
}

static int rewrite_run(struct rewrite *rewrite, int in)
{
    struct wire_field field;
    int error = rewrite_number(rewrite);
    if (error == 0) {
        error = wire_open(rewrite->in, in);
    }
    if (error) {
        return error;
    }
    rewrite->stream = wire_stream(rewrite->in);
    while ((error = wire_next(rewrite->in, &rewrite->stream, &field)) > 0) {
        error = rewrite_field(rewrite, &field);
        if (error) {
            return error;
        }
    }
    if (error) {
        return error;
    }
    if (rewrite->mapping != rewrite->profile->nmappings ||
        rewrite->location != rewrite->profile->nlocations ||
        rewrite->string != rewrite->profile->nstrings) {
        return -EBUSY;
    }
    return rewrite_additions(rewrite) ? 0 : rewrite->out.error ? rewrite->out.error : -EIO;
}

int rewrite_profile(const struct profile *profile, const struct names *names, int in, int out)
{
    struct rewrite rewrite = {.profile = profile, .names = names};
    int error = wire_create(&rewrite.out, out);
    if (error) {
        return error;
    }
    rewrite.sink = wire_sink(&rewrite.out);
    rewrite.in = calloc(1, sizeof *rewrite.in);
    error = rewrite.in ? rewrite_run(&rewrite, in) : -ENOMEM;
    if (rewrite.in) {
        wire_close(rewrite.in);
    }
    int finished = wire_finish(&rewrite.out);
    free(rewrite.in);
    wire_buf_free(&rewrite.buf);
    free(rewrite.function_id);
    free(rewrite.functions);
    free(rewrite.text_index);
    free(rewrite.texts);
    return error ? error : finished;
}
