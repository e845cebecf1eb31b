/* SPDX-License-Identifier: MIT
 *
 * Pass 1: reads a profile and keeps its tables, all but the samples.
 *
 * batch.c collects the addresses from the tables and puts the answers there, rewrite.c writes the
 * new file by them. Memory: some 40 bytes a location, 64 a mapping, and the strings. A mapping's
 * texts (file, build_id) point into the profile and are valid until profile_file_free.
 */
#ifndef ENCODER_SYMBOLIZE_PROFILE_FILE_H
#define ENCODER_SYMBOLIZE_PROFILE_FILE_H

#include "encoder/symbolize/mapping.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The field numbers of profile.proto that are used here. */
enum {
    PROFILE_SAMPLE_TYPE = 1,
    PROFILE_MAPPING = 3,
    PROFILE_LOCATION = 4,
    PROFILE_FUNCTION = 5,
    PROFILE_STRING_TABLE = 6,
    MAPPING_ID = 1,
    MAPPING_START = 2,
    MAPPING_LIMIT = 3,
    MAPPING_OFFSET = 4,
    MAPPING_FILENAME = 5,
    MAPPING_BUILD_ID = 6,
    MAPPING_HAS_FUNCTIONS = 7,
    MAPPING_HAS_FILENAMES = 8,
    MAPPING_HAS_LINE_NUMBERS = 9,
    MAPPING_HAS_INLINE_FRAMES = 10,
    LOCATION_ID = 1,
    LOCATION_MAPPING_ID = 2,
    LOCATION_ADDRESS = 3,
    LOCATION_LINE = 4,
    LINE_FUNCTION_ID = 1,
    LINE_LINE = 2,
    FUNCTION_ID = 1,
    FUNCTION_NAME = 2,
    FUNCTION_SYSTEM_NAME = 3,
    FUNCTION_FILENAME = 4,
    FUNCTION_START_LINE = 5,
};

struct profile {
    struct mapping *mappings;
    size_t nmappings, mappings_cap;
    struct location *locations;
    size_t nlocations, locations_cap;
    char *bytes; /* the strings of the table, each ended by a NUL */
    size_t nbytes, bytes_cap;
    size_t *strings;
    size_t nstrings, strings_cap;
    struct profile_function {
        uint64_t id, name;
    } * functions;
    size_t nfunctions, functions_cap;
    uint64_t max_function_id;
    bool named; /* a location has got a name */
};

int profile_file_load(struct profile *profile,
                      int fd); /* 0 or -errno; then profile_file_free either way */
void profile_file_free(struct profile *profile);

#endif
