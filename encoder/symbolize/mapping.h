/* SPDX-License-Identifier: MIT
 *
 * What a profile says about the code of a process: its mappings, and the addresses in them that
 * want a name. profile_file.c and text_profile.c fill them, batch.c puts the answers into them,
 * finish.c sets the flags, rewrite.c writes what has changed.
 */
#ifndef ENCODER_SYMBOLIZE_MAPPING_H
#define ENCODER_SYMBOLIZE_MAPPING_H

#include <stdbool.h>
#include <stdint.h>

struct mapping {
    uint64_t id, start, limit, offset;
    uint64_t file_index, build_id_index; /* in the string table */
    const char *file, *build_id;
    uint32_t module;                       /* number of its module in the batch */
    bool named;                            /* a location got a name: write the flags anew */
    bool functions, files, lines, inlines; /* as read; finish.c sets what is written */
};

struct location {
    uint64_t address;
    uint64_t mapping_id;
    uint32_t mapping;  /* index + 1; 0 = none */
    uint32_t first;    /* index of its first new line in struct names */
    uint8_t count;     /* how many new lines */
    uint8_t kind;      /* enum answer_kind */
    bool had_lines;    /* had lines when it was read: not touched */
    bool stale;        /* had a synthetic name alone: a better one replaces it */
    uint64_t function; /* function id of its only line, for `stale` */
};

#endif
