/* SPDX-License-Identifier: MIT
 *
 * See profile_file.h.
 *
 * The file may be hostile. Every number is checked before it is used as an index, and the tables
 * have a limit, so that a small gzip'ed file of millions of empty strings cannot take all memory.
 */
#include "encoder/symbolize/profile_file.h"

#include "encoder/symbolize/grow.h"
#include "encoder/symbolize/synthetic.h"
#include "encoder/symbolize/wire.h"

#include <string.h>

/* Entries of one table. Real profiles are far below (a large Go server: some 10^5 locations), and a
 * small machine has the memory: 8 M locations are 320 MB. */
enum { PROFILE_MAX_ENTRIES = 8 << 20 };

static int read_mapping(struct profile *profile, const struct wire_buf *buf)
{
    pb_istream_t stream = pb_istream_from_buffer(buf->data, buf->len);
    struct mapping mapping = {0};
    struct wire_field field;
    int more;
    while ((more = wire_inner(&stream, &field)) > 0) {
        if (field.tag <= MAPPING_HAS_INLINE_FRAMES && field.type != PB_WT_VARINT) {
            return -EBADMSG;
        }
        switch (field.tag) {
        case MAPPING_ID:
            mapping.id = field.value;
            break;
        case MAPPING_START:
            mapping.start = field.value;
            break;
        case MAPPING_LIMIT:
            mapping.limit = field.value;
            break;
        case MAPPING_OFFSET:
            mapping.offset = field.value;
            break;
        case MAPPING_FILENAME:
            mapping.file_index = field.value;
            break;
        case MAPPING_BUILD_ID:
            mapping.build_id_index = field.value;
            break;
        case MAPPING_HAS_FILENAMES:
            mapping.files = field.value != 0;
            break;
        case MAPPING_HAS_LINE_NUMBERS:
            mapping.lines = field.value != 0;
            break;
        case MAPPING_HAS_INLINE_FRAMES:
            mapping.inlines = field.value != 0;
            break;
        default:
            break;
        }
    }
    if (more < 0) {
        return more;
    }
    if (profile->nmappings >= PROFILE_MAX_ENTRIES) {
        return -E2BIG;
    }
    if (grow_array(&profile->mappings, &profile->mappings_cap, profile->nmappings + 1,
                   sizeof *profile->mappings)) {
        return -ENOMEM;
    }
    profile->mappings[profile->nmappings++] = mapping;
    return 0;
}

/* Reads a Line message of a location, `len` bytes. Its function is kept for find_stale if it is the
 * only line. 0 or -EBADMSG. */
static int read_line(struct location *location, const uint8_t *bytes, size_t len)
{
    pb_istream_t stream = pb_istream_from_buffer(bytes, len);
    struct wire_field field;
    int more;
    location->function = 0;
    while ((more = wire_inner(&stream, &field)) > 0) {
        if (field.tag == LINE_FUNCTION_ID && field.type == PB_WT_VARINT && !location->had_lines) {
            location->function = field.value;
        }
    }
    location->had_lines = true;
    return more;
}

static int read_location(struct profile *profile, const struct wire_buf *buf)
{
    pb_istream_t stream = pb_istream_from_buffer(buf->data, buf->len);
    struct location location = {0};
    struct wire_field field;
    int more;
    while ((more = wire_inner(&stream, &field)) > 0) {
        if (field.tag == LOCATION_LINE) {
            if (field.type != PB_WT_STRING) {
                return -EBADMSG;
            }
            size_t end = buf->len - stream.bytes_left;
            more = read_line(&location, buf->data + end - field.value, (size_t)field.value);
            if (more < 0) {
                return more;
            }
            continue;
        }
        if (field.tag <= LOCATION_ADDRESS && field.type != PB_WT_VARINT) {
            return -EBADMSG;
        }
        if (field.tag == LOCATION_MAPPING_ID) {
            location.mapping_id = field.value;
        } else if (field.tag == LOCATION_ADDRESS) {
            location.address = field.value;
        }
    }
    if (more < 0) {
        return more;
    }
    if (profile->nlocations >= PROFILE_MAX_ENTRIES) {
        return -E2BIG;
    }
    if (grow_array(&profile->locations, &profile->locations_cap, profile->nlocations + 1,
                   sizeof *profile->locations)) {
        return -ENOMEM;
    }
    profile->locations[profile->nlocations++] = location;
    return 0;
}

/* Keeps a function's id and name for find_stale, and the highest id: new functions get those behind
 * it. */
static int read_function(struct profile *profile, const struct wire_buf *buf)
{
    pb_istream_t stream = pb_istream_from_buffer(buf->data, buf->len);
    struct profile_function function = {0};
    struct wire_field field;
    int more;
    while ((more = wire_inner(&stream, &field)) > 0) {
        if (field.tag == FUNCTION_ID) {
            function.id = field.value;
        } else if (field.tag == FUNCTION_NAME) {
            function.name = field.value;
        }
    }
    if (more < 0) {
        return more;
    }
    if (function.id > profile->max_function_id) {
        profile->max_function_id = function.id;
    }
    if (profile->nfunctions >= PROFILE_MAX_ENTRIES) {
        return -E2BIG;
    }
    if (grow_array(&profile->functions, &profile->functions_cap, profile->nfunctions + 1,
                   sizeof *profile->functions)) {
        return -ENOMEM;
    }
    profile->functions[profile->nfunctions++] = function;
    return 0;
}

static int read_string(struct profile *profile, const struct wire_buf *buf)
{
    if (profile->nstrings >= PROFILE_MAX_ENTRIES) {
        return -E2BIG;
    }
    if (grow_array(&profile->bytes, &profile->bytes_cap, profile->nbytes + buf->len + 1,
                   sizeof *profile->bytes) ||
        grow_array(&profile->strings, &profile->strings_cap, profile->nstrings + 1,
                   sizeof *profile->strings)) {
        return -ENOMEM;
    }
    if (buf->len) {
        memcpy(profile->bytes + profile->nbytes, buf->data, buf->len);
    }
    profile->bytes[profile->nbytes + buf->len] = '\0';
    profile->strings[profile->nstrings++] = profile->nbytes;
    profile->nbytes += buf->len + 1;
    return 0;
}

static int read_message(struct profile *profile, uint32_t tag, const struct wire_buf *buf)
{
    switch (tag) {
    case PROFILE_MAPPING:
        return read_mapping(profile, buf);
    case PROFILE_LOCATION:
        return read_location(profile, buf);
    case PROFILE_FUNCTION:
        return read_function(profile, buf);
    default:
        return read_string(profile, buf);
    }
}

static int read_fields(struct profile *profile, struct wire_in *in, struct wire_buf *buf)
{
    pb_istream_t stream = wire_stream(in);
    struct wire_field field;
    int error;
    while ((error = wire_next(in, &stream, &field)) > 0) {
        if (field.tag >= PROFILE_MAPPING && field.tag <= PROFILE_STRING_TABLE) {
            if (field.type != PB_WT_STRING) {
                return -EBADMSG;
            }
            error = wire_take(in, &stream, field.value, buf);
            if (error == 0) {
                error = read_message(profile, field.tag, buf);
            }
        } else {
            error = wire_skip(in, &stream, &field);
        }
        if (error) {
            return error;
        }
    }
    return error;
}

static int mapping_by_id(const void *a, const void *b)
{
    const struct mapping *const *x = a, *const *y = b;
    return ((*x)->id > (*y)->id) - ((*x)->id < (*y)->id);
}

/* Sets each location's mapping from its mapping_id. Ids are nearly always dense, so the mapping at
 * that index is tried first. */
static int link_mappings(struct profile *profile)
{
    struct mapping **sorted = calloc(profile->nmappings + 1, sizeof(struct mapping *));
    if (!sorted) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < profile->nmappings; i++) {
        sorted[i] = &profile->mappings[i];
    }
    qsort(sorted, profile->nmappings, sizeof *sorted, mapping_by_id);
    for (size_t i = 0; i < profile->nlocations; i++) {
        struct location *location = &profile->locations[i];
        struct mapping key = {.id = location->mapping_id}, *wanted = &key, **found;
        if (key.id == 0) {
            continue;
        }
        if (key.id <= profile->nmappings && profile->mappings[key.id - 1].id == key.id) {
            location->mapping = (uint32_t)key.id;
            continue;
        }
        found = bsearch(&wanted, sorted, profile->nmappings, sizeof *sorted, mapping_by_id);
        if (found) {
            location->mapping = (uint32_t)(*found - profile->mappings) + 1;
        }
    }
    free(sorted);
    return 0;
}

static int function_by_id(const void *a, const void *b)
{
    const struct profile_function *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

/* Marks the locations whose only line has a synthetic name as stale, so that they are looked up
 * again. */
static void find_stale(struct profile *profile)
{
    size_t kept = 0;
    for (size_t i = 0; i < profile->nfunctions; i++) {
        const struct profile_function *f = &profile->functions[i];
        if (f->name < profile->nstrings &&
            synthetic_is(profile->bytes + profile->strings[f->name])) {
            profile->functions[kept++] = *f;
        }
    }
    profile->nfunctions = kept;
    if (kept) {
        qsort(profile->functions, kept, sizeof *profile->functions, function_by_id);
    }
    for (size_t i = 0; i < profile->nlocations && kept; i++) {
        struct location *location = &profile->locations[i];
        struct profile_function key = {.id = location->function};
        location->stale = location->function &&
                          bsearch(&key, profile->functions, kept, sizeof key, function_by_id);
        location->had_lines = location->had_lines && !location->stale;
    }
}

int profile_file_load(struct profile *profile, int fd)
{
    struct wire_in *in = malloc(sizeof *in);
    struct wire_buf buf = {0};
    memset(profile, 0, sizeof *profile);
    if (!in) {
        return -ENOMEM;
    }
    int error = wire_open(in, fd);
    if (error == 0) {
        error = read_fields(profile, in, &buf);
    }
    wire_close(in);
    wire_buf_free(&buf);
    free(in);
    if (error) {
        return error;
    }

    /* The format wants the first string to be "". A file of another kind hardly meets that. */
    if (profile->nstrings == 0 ||
        (profile->nstrings > 1 ? profile->strings[1] : profile->nbytes) != 1) {
        return -EBADMSG;
    }
    for (size_t i = 0; i < profile->nmappings; i++) {
        struct mapping *mapping = &profile->mappings[i];
        if (mapping->file_index >= profile->nstrings ||
            mapping->build_id_index >= profile->nstrings) {
            return -EBADMSG;
        }
        mapping->file = profile->bytes + profile->strings[mapping->file_index];
        mapping->build_id = profile->bytes + profile->strings[mapping->build_id_index];
    }
    find_stale(profile);
    return link_mappings(profile);
}

void profile_file_free(struct profile *profile)
{
    free(profile->mappings);
    free(profile->locations);
    free(profile->functions);
    free(profile->bytes);
    free(profile->strings);
    memset(profile, 0, sizeof *profile);
}
