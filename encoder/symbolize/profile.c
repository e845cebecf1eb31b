/* profile.c: pass 1 over a profile, keeping its tables; see profile.h.
 *
 * The file may come from anybody: every number is checked before it is used as an index, and the
 * tables are capped, so that a small gzip'ed bomb of empty strings cannot eat the machine.
 *
 * SPDX-License-Identifier: MIT
 */
#include "profile.h"

#include "grow.h"
#include "wire.h"

#include <string.h>

/* Far above any real profile (a large Go server: some 10^5 locations), well below the memory of a
 * small machine: 8 M locations are 320 MB. */
#define PROFILE_MAX_ENTRIES (8u << 20)

static int profile_mapping(struct profile *profile, const struct wire_buf *buf)
{
    pb_istream_t stream = pb_istream_from_buffer(buf->data, buf->len);
    struct mapping mapping = {0};
    struct wire_field field;
    int more;

    while ((more = wire_inner(&stream, &field)) > 0) {
        if (field.tag <= MAPPING_HAS_INLINE_FRAMES && field.type != PB_WT_VARINT)
            return -EBADMSG;
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
        default:
            break;
        }
    }
    if (more < 0)
        return more;
    if (profile->nmappings >= PROFILE_MAX_ENTRIES)
        return -E2BIG;
    if (GROW(profile->mappings, profile->mappings_cap, profile->nmappings + 1))
        return -ENOMEM;
    profile->mappings[profile->nmappings++] = mapping;
    return 0;
}

static int profile_location(struct profile *profile, const struct wire_buf *buf)
{
    pb_istream_t stream = pb_istream_from_buffer(buf->data, buf->len);
    struct location location = {0};
    struct wire_field field;
    int more;

    while ((more = wire_inner(&stream, &field)) > 0) {
        if (field.tag == LOCATION_LINE) {
            if (field.type != PB_WT_STRING)
                return -EBADMSG;
            location.had_lines = true;
            continue;
        }
        if (field.tag <= LOCATION_ADDRESS && field.type != PB_WT_VARINT)
            return -EBADMSG;
        if (field.tag == LOCATION_MAPPING_ID)
            location.mapping_id = field.value;
        else if (field.tag == LOCATION_ADDRESS)
            location.address = field.value;
    }
    if (more < 0)
        return more;
    if (profile->nlocations >= PROFILE_MAX_ENTRIES)
        return -E2BIG;
    if (GROW(profile->locations, profile->locations_cap, profile->nlocations + 1))
        return -ENOMEM;
    profile->locations[profile->nlocations++] = location;
    return 0;
}

/* Only the highest id: old functions are copied as they are, new ones follow them. */
static int profile_function(struct profile *profile, const struct wire_buf *buf)
{
    pb_istream_t stream = pb_istream_from_buffer(buf->data, buf->len);
    struct wire_field field;
    int more;

    while ((more = wire_inner(&stream, &field)) > 0)
        if (field.tag == FUNCTION_ID && field.value > profile->max_function_id)
            profile->max_function_id = field.value;
    return more;
}

static int profile_string(struct profile *profile, const struct wire_buf *buf)
{
    if (profile->nstrings >= PROFILE_MAX_ENTRIES)
        return -E2BIG;
    if (GROW(profile->bytes, profile->bytes_cap, profile->nbytes + buf->len + 1) ||
        GROW(profile->strings, profile->strings_cap, profile->nstrings + 1))
        return -ENOMEM;
    if (buf->len)
        memcpy(profile->bytes + profile->nbytes, buf->data, buf->len);
    profile->bytes[profile->nbytes + buf->len] = '\0';
    profile->strings[profile->nstrings++] = profile->nbytes;
    profile->nbytes += buf->len + 1;
    return 0;
}

static int profile_message(struct profile *profile, uint32_t tag, const struct wire_buf *buf)
{
    switch (tag) {
    case PROFILE_MAPPING:
        return profile_mapping(profile, buf);
    case PROFILE_LOCATION:
        return profile_location(profile, buf);
    case PROFILE_FUNCTION:
        return profile_function(profile, buf);
    default:
        return profile_string(profile, buf);
    }
}

static int profile_read(struct profile *profile, struct wire_in *in, struct wire_buf *buf)
{
    pb_istream_t stream = wire_stream(in);
    struct wire_field field;
    int error;

    while ((error = wire_next(in, &stream, &field)) > 0) {
        if (field.tag >= PROFILE_MAPPING && field.tag <= PROFILE_STRING_TABLE) {
            if (field.type != PB_WT_STRING)
                return -EBADMSG;
            error = wire_take(in, &stream, field.value, buf);
            if (error == 0)
                error = profile_message(profile, field.tag, buf);
        } else {
            error = wire_skip(in, &stream, &field);
        }
        if (error)
            return error;
    }
    return error;
}

static int mapping_by_id(const void *a, const void *b)
{
    const struct mapping *const *x = a, *const *y = b;

    return ((*x)->id > (*y)->id) - ((*x)->id < (*y)->id);
}

/* The mapping of each location. Ids are nearly always dense, so the index is tried first. */
static int profile_link(struct profile *profile)
{
    struct mapping **sorted = calloc(profile->nmappings + 1, sizeof(struct mapping *));

    if (!sorted)
        return -ENOMEM;
    for (size_t i = 0; i < profile->nmappings; i++)
        sorted[i] = &profile->mappings[i];
    qsort(sorted, profile->nmappings, sizeof *sorted, mapping_by_id);
    for (size_t i = 0; i < profile->nlocations; i++) {
        struct location *location = &profile->locations[i];
        struct mapping key = {.id = location->mapping_id}, *wanted = &key, **found;
        if (key.id == 0)
            continue;
        if (key.id <= profile->nmappings && profile->mappings[key.id - 1].id == key.id) {
            location->mapping = (uint32_t)key.id;
            continue;
        }
        found = bsearch(&wanted, sorted, profile->nmappings, sizeof *sorted, mapping_by_id);
        if (found)
            location->mapping = (uint32_t)(*found - profile->mappings) + 1;
    }
    free(sorted);
    return 0;
}

int profile_load(struct profile *profile, int fd)
{
    struct wire_in *in = malloc(sizeof *in);
    struct wire_buf buf = {0};
    int error;

    memset(profile, 0, sizeof *profile);
    if (!in)
        return -ENOMEM;
    error = wire_open(in, fd);
    if (error == 0)
        error = profile_read(profile, in, &buf);
    wire_close(in);
    wire_buf_free(&buf);
    free(in);
    if (error)
        return error;

    /* The rule of the format, and what tells a profile from any other file. */
    if (profile->nstrings == 0 ||
        (profile->nstrings > 1 ? profile->strings[1] : profile->nbytes) != 1)
        return -EBADMSG;
    for (size_t i = 0; i < profile->nmappings; i++) {
        struct mapping *mapping = &profile->mappings[i];
        if (mapping->file_index >= profile->nstrings ||
            mapping->build_id_index >= profile->nstrings)
            return -EBADMSG;
        mapping->file = profile->bytes + profile->strings[mapping->file_index];
        mapping->build_id = profile->bytes + profile->strings[mapping->build_id_index];
    }
    return profile_link(profile);
}

void profile_free(struct profile *profile)
{
    free(profile->mappings);
    free(profile->locations);
    free(profile->bytes);
    free(profile->strings);
    memset(profile, 0, sizeof *profile);
}
