/* SPDX-License-Identifier: MIT
 *
 * A snapshot in the terms of the file format: strings, locations, mappings and functions become
 * dense ids in the order in which they are first seen. Knows neither protobuf nor where bytes go.
 * Called by encode.c, in the scribe or a signal handler; memory from the kernel, in proportion to
 * the distinct locations and strings. When memory runs out, `error` becomes -ENOMEM and stays:
 * every function may still be called, but its results mean nothing and the profile is discarded.
 */
#ifndef ENCODER_MODEL_H
#define ENCODER_MODEL_H

#include "collectors/snapshot.h"
#include "encoder/ids.h"

struct maps;

struct model {
    const struct maps *maps;
    struct ids strings;   /* key: a hash of the text; item: the text, not owned */
    struct ids locations; /* key and item: the stored pc */
    struct buffer stack;  /* uint32_t[], the location ids of the last model_sample */
    struct buffer labels; /* struct model_label[], its labels */
    uint32_t functions;   /* ids given: one for each pseudo frame */
    int error;
};

/* Strings and functions are string and function ids; 0 is "" or none. */
struct model_sample {
    const uint32_t *location;
    uint32_t depth;
    int values;
    const int64_t *value;
    const struct model_label *label;
    uint32_t labels;
};

struct model_label {
    uint32_t key;
    uint32_t str; /* 0: the value is num */
    int64_t num;
};

struct model_location {
    uint32_t id;
    uint32_t mapping; /* 0: none */
    uint64_t address;
    uint32_t function; /* 0: none; otherwise one that no other location has */
    uint32_t function_name;
};

struct model_mapping {
    uint32_t id;
    uint64_t start, limit, offset;
    uint32_t file, build_id;
};

/* maps may be NULL: no location has a mapping then. False: no memory. */
MUST_CHECK bool model_open(struct model *m, const struct maps *maps);
void model_close(struct model *m);

/* The id of a text, which must stay valid as long as the model. */
uint32_t model_string(struct model *m, const char *text);
uint32_t model_strings(const struct model *m);
const char *model_string_at(const struct model *m, uint32_t id);

/* False when the sample is to be left out of the file: its values are all zero, or memory has run
 * out. The arrays of out are valid until the next call. */
MUST_CHECK bool model_sample(struct model *m, const struct profile_shape *shape,
                             const struct snapshot_sample *sample, struct model_sample *out);

/* Locations have the ids 1 to model_locations. Call model_location once for each: a call for a
 * pseudo frame gives out a function id. */
uint32_t model_locations(const struct model *m);
struct model_location model_location(struct model *m, uint32_t id);

/* Mappings have the ids 1 to model_mappings, the main program's is 1. */
uint32_t model_mappings(const struct model *m);
struct model_mapping model_mapping(struct model *m, uint32_t id);

#endif
