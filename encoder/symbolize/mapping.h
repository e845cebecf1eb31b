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
    uint32_t module;                       /* number of the file among those of a batch */
    bool named;                            /* something was added; then the flags are ours */
    bool functions, files, lines, inlines; /* as they came; by finish.c, as they will be */
};

struct location {
    uint64_t address;
    uint64_t mapping_id;
    uint32_t mapping;  /* index + 1; 0 = none */
    uint32_t first;    /* of its new lines in names */
    uint8_t count;     /* of new lines */
    uint8_t kind;      /* enum answer_kind */
    bool had_lines;    /* came with some: left alone */
    bool stale;        /* had one that was no name (synthetic.h): to be replaced, if by a better */
    uint64_t function; /* of its only line */
};

#endif
